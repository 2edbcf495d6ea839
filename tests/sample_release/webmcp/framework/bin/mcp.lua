#!/usr/bin/env moonbridge

-- Stand-in for WebMCP. Run by moonbridge: mcp.lua FRAMEWORK FRONTEND APP CONFIG
--
-- An address is a file: /MODULE/VIEW.html is app/APP/MODULE/VIEW.lua, a POST to /MODULE/ACTION is
-- app/APP/MODULE/_action/ACTION.lua, /api/1/NAME is app/APP/api/NAME.lua, /static/NAME is static/NAME. Each file returns
-- a function of the request that returns the response.

local framework, frontend, application, config_name = ...

package.cpath = framework .. "lib/?.so"
package.path = package.path .. ";" .. frontend .. "lib/?.lua"

local http = require "moonbridge_http"
local pq = require "pq"

config = { localhost = true, port = 8080, public_access = "none", fork = {} }
assert(loadfile(frontend .. "config/" .. config_name .. ".lua"))()
app = { path = frontend, random = pq.random, crypt = pq.crypt, encode = http.encode }

-- One connection each process.
local db

local function prepare()
  local settings = {}
  for name, value in pairs(config.database) do
    if name ~= "engine" then settings[name] = tostring(value) end
  end
  db = pq.connect(settings)
  app.db = db
end

local function exists(path)
  local file = io.open(path)
  if file then file:close() end
  return file ~= nil
end

local function page(status, text)
  return { status = status, type = "text/plain; charset=UTF-8", body = text }
end

local types = { css = "text/css", png = "image/png", txt = "text/plain" }

local function static(name)
  local file = not name:find("..", 1, true) and io.open(frontend .. "static/" .. name, "rb")
  if not file then return page(404, "Not found") end
  local response = { status = 200, type = types[name:match("%w+$")], body = file:read("a") }
  file:close()
  return response
end

-- Returns the file that answers, or the response that says why there is none.
local function find(request)
  local root, path = frontend .. "app/" .. application .. "/", request.path:sub(2)
  if path == "" then path = "index/index.html" end
  local name = path:match("^api/1/([%w_]+)$")
  if name then path = "api/" .. name .. ".html" end
  local module, view = path:match("^([%w_]+)/([%w_]+)%.html$")
  if module and exists(root .. module .. "/" .. view .. ".lua") then return root .. module .. "/" .. view .. ".lua" end
  local other, action = path:match("^([%w_]+)/([%w_]+)$")
  local file = other and root .. other .. "/_action/" .. action .. ".lua"
  if not file or not exists(file) then return nil, page(404, "Not found") end
  if request.method ~= "POST" then return nil, page(405, "Method not allowed") end
  return file
end

local function carry_out(file, request)
  db:query("BEGIN")
  local response = dofile(frontend .. "app/" .. application .. "/_filter.lua")(request)
    or dofile(file)(request)
  db:query("COMMIT")
  return response
end

-- A fault of the real one, kept: the page shows the stack trace, and no log does.
local function answer(request)
  local name = request.path:match("^/static/(.+)$")
  if name then return static(name) end
  local file, refusal = find(request)
  if not file then return refusal end
  local good, result = xpcall(carry_out, function(fault) return debug.traceback(tostring(fault)) end, file, request)
  if good then return result end
  pcall(db.query, db, "ROLLBACK")
  return page(500, "Internal server error (stand-in)\n\n" .. result)
end

listen{
  host = config.localhost and "127.0.0.1" or "0.0.0.0",
  port = config.port,
  pre = config.fork.pre or 2,
  min = config.fork.min or 4,
  max = config.fork.max or 128,
  prepare = prepare,
  watch = function() return db:socket() end,
  alive = function() return db:alive() end,
  connect = http.answer(answer),
}

-- Two more processes with a connection each, as in the real one.
for _, name in ipairs { "send_newsletters", "read_events" } do
  interval{
    delay = 1,
    prepare = prepare,
    alive = function() return db:alive() end,
    handler = dofile(frontend .. "app/" .. application .. "/_interval/" .. name .. ".lua"),
  }
end
