-- For tests: a page that takes its time, `seconds`, in the database.

local respond = require "respond"

return function(request)
  app.db:query("SELECT pg_sleep($1)", request.get.seconds or "1")
  return respond.page("Slow", "<p>Done.</p>")
end
