-- Stand-in for Moonbridge's HTTP: one request a connection.

local http = {}

local reasons = {
  [200] = "OK", [303] = "See Other", [400] = "Bad Request", [403] = "Forbidden", [404] = "Not Found",
  [405] = "Method Not Allowed", [500] = "Internal Server Error",
}

function http.decode(text)
  return (text:gsub("+", " "):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

function http.encode(text)
  return (text:gsub("[^%w._~-]", function(char) return string.format("%%%02X", char:byte()) end))
end

local function fields(text)
  local result = {}
  for name, value in text:gmatch("([^&=]+)=([^&]*)") do result[http.decode(name)] = http.decode(value) end
  return result
end

local function read_body(socket, body, length)
  while #body < length do
    body = body .. (socket:read(65536) or error("the request's body ended early"))
  end
  return body
end

-- A fault of the real one, kept: request headers that come in two segments cost a worker. A proxy that sends them whole
-- stands in front.
local function read_request(socket)
  local text = socket:read(65536)
  if not text then return nil end
  local head, body = text:match("^(.-\r\n)\r\n(.*)$")
  if not head then error("the request's headers did not come at once", 0) end
  local method, target, lines = head:match("^(%u+) (%S+) HTTP/1%.[01]\r\n(.*)$")
  if not method then return nil end
  local headers = {}
  for name, value in lines:gmatch("([^:\r\n]+):[ \t]*([^\r\n]*)\r\n") do headers[name:lower()] = value end
  local path, query = target:match("^([^?]*)%??(.*)$")
  local cookies = {}
  for name, value in (headers.cookie or ""):gmatch("([^=; ]+)=([^;]*)") do cookies[name] = value end
  body = read_body(socket, body, tonumber(headers["content-length"]) or 0)
  return {
    method = method, path = http.decode(path), get = fields(query), post = fields(body), headers = headers, cookies = cookies,
  }
end

local function write_response(socket, request, response)
  local lines = { string.format("HTTP/1.1 %d %s", response.status, reasons[response.status] or "Unknown") }
  for _, header in ipairs(response.headers or {}) do lines[#lines + 1] = header[1] .. ": " .. header[2] end
  lines[#lines + 1] = "Content-Type: " .. (response.type or "text/html; charset=UTF-8")
  lines[#lines + 1] = "Content-Length: " .. #response.body
  lines[#lines + 1] = "Connection: close"
  local body = request.method == "HEAD" and "" or response.body
  socket:write(table.concat(lines, "\r\n") .. "\r\n\r\n" .. body)
end

-- Returns a function for listen{connect=}: it reads a request, calls `handler` with it and sends what that returns,
-- nothing at all if it returns nil.
function http.answer(handler)
  return function(socket)
    local request = read_request(socket)
    local response = request and handler(request)
    if response then write_response(socket, request, response) end
  end
end

return http
