local respond = require "respond"

local function units()
  local rows = app.db:query(
    "SELECT u.name FROM unit u JOIN privilege p ON p.unit_id = u.id WHERE p.member_id = $1 ORDER BY u.name", app.session.member_id)
  local items = {}
  for _, row in ipairs(rows) do items[#items + 1] = "<li>" .. respond.escape(row.name) .. "</li>" end
  return "<ul>" .. table.concat(items) .. "</ul>"
end

return function()
  if app.session.member_id then
    return respond.page("Start", "<p>Logged in as <b>" .. respond.escape(app.session.name) .. "</b>.</p>"
      .. respond.escape(config.motd_intern) .. "<h2>Your units</h2>" .. units()
      .. '<form method="post" action="/index/logout"><button>Log out</button></form>')
  end
  -- `disable_registration` hides this link and does no more, as in the real one.
  local register = config.disable_registration and "" or ' · <a href="/index/register.html">Register</a>'
  return respond.page("Start", respond.escape(config.motd_public) .. '<p><a href="/index/login.html">Log in</a>' .. register .. "</p>")
end
