-- Before every page, action and API call: the session, and what `public_access` allows.

local open = { index = { login = true, register = true }, standin = true }

local function read_session(request)
  local rows = app.db:query(
    "SELECT s.ident, s.member_id, m.name FROM session s LEFT JOIN member m ON m.id = s.member_id"
      .. " WHERE s.ident = $1 AND s.expiry > now()", request.cookies.liquid_feedback_session)
  -- Nothing here looks at `locked`, as in the real one.
  if rows[1] then return rows[1] end
  -- A row for each hit without a cookie, as in the real one.
  return app.db:query("INSERT INTO session (ident) VALUES ($1) RETURNING ident", app.random(32))[1]
end

return function(request)
  app.session = read_session(request)
  app.notice = dofile(app.path .. "lib/tempstore.lua").take(request.get._tempstore)
  local module, view = request.path:match("^/([%w_]+)/([%w_]+)")
  local is_open = open[module] == true or (open[module] and open[module][view])
  if is_open or app.session.member_id or config.public_access ~= "none" then return nil end
  if module == "api" then return { status = 403, type = "application/json", body = '{"error":"access denied"}' } end
  return require("respond").redirect("index/login.html")
end
