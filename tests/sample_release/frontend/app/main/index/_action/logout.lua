local respond = require "respond"

return function()
  app.db:query("UPDATE session SET member_id = NULL WHERE ident = $1", app.session.ident)
  return respond.redirect("index/login.html", "Logged out.")
end
