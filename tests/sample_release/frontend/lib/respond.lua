-- Pages and redirects.

local respond = {}

function respond.escape(text)
  return (tostring(text or ""):gsub("[&<>\"']", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }))
end

local function cookie()
  local secure = config.absolute_base_url:match("^https:") and "; Secure" or ""
  return { "Set-Cookie", "liquid_feedback_session=" .. app.session.ident .. "; Path=/; HttpOnly; SameSite=Lax" .. secure }
end

local function sum(text)
  local value = 0
  for position = 1, #text do value = (value * 31 + text:byte(position)) % 0x7fffffff end
  return value
end

-- Compiled on first use into tmp/, as in the real one; another source has another file.
local function style()
  local source = app.path .. "style/standin.scss"
  local target = string.format("%stmp/style-%08x.css", app.path, sum(assert(io.open(source)):read("a")))
  local file = io.open(target)
  if not file then
    local new = target .. "." .. app.random(8)
    assert(os.execute(string.format("sassc '%s' '%s' && mv '%s' '%s'", source, new, new, target)))
    file = assert(io.open(target))
  end
  local text = file:read("a")
  file:close()
  return text
end

function respond.page(title, body)
  local escape = respond.escape
  local notice = app.notice and '<p role="status">' .. escape(app.notice) .. "</p>" or ""
  return {
    status = 200,
    headers = { cookie() },
    body = '<!DOCTYPE html>\n<html lang="en"><head><meta charset="UTF-8"><title>' .. escape(title) .. " · "
      .. escape(config.instance_name) .. '</title><link rel="stylesheet" href="/static/lf4.css"><style>' .. style()
      .. '</style></head><body><p class="standin">This is a stand-in for tests. It is not LiquidFeedback.</p><h1>'
      .. escape(title) .. "</h1>" .. notice .. body .. "</body></html>\n",
  }
end

function respond.json(text)
  return { status = 200, type = "application/json", body = text .. "\n" }
end

function respond.redirect(path, notice)
  local query = notice and "?_tempstore=" .. dofile(app.path .. "lib/tempstore.lua").save(notice) or ""
  local headers = { { "Location", config.absolute_base_url .. path .. query }, cookie() }
  return { status = 303, headers = headers, body = "" }
end

return respond
