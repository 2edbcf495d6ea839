local respond = require "respond"

local function quoted(text)
  if not text then return "null" end
  return '"' .. text:gsub('[%c"\\]', function(char) return string.format("\\u%04x", char:byte()) end) .. '"'
end

-- The member of an access token, whether locked or not, as in the real one.
local function member(token)
  local rows = app.db:query("SELECT m.name FROM token t JOIN member m ON m.id = t.member_id WHERE t.token = $1 AND t.expiry > now()", token)
  return rows[1] and rows[1].name
end

return function(request)
  local version = app.db:query("SELECT string FROM liquid_feedback_version")[1].string
  return respond.json(string.format(
    '{"result":{"service":"stand-in for LiquidFeedback","core_version":%s,"member":%s,"x_ssl_dn":%s}}',
    quoted(version), quoted(member(request.get.access_token)), quoted(request.headers["x-ssl-dn"])))
end
