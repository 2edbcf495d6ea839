-- For tests: inserts a row for `key`, and says how often this was carried out for it.

local respond = require "respond"

return function(request)
  local key = assert(request.post.key, "key is missing")
  app.db:query("INSERT INTO standin_execution (key) VALUES ($1)", key)
  local rows = app.db:query("SELECT count(*) AS executions FROM standin_execution WHERE key = $1", key)
  return respond.json('{"executions":' .. rows[1].executions .. "}")
end
