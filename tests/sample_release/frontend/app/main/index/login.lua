local respond = require "respond"

return function()
  local register = config.disable_registration and "" or '<p><a href="/index/register.html">Register</a></p>'
  return respond.page("Log in", '<form method="post" action="/index/login">'
    .. '<label>Login <input name="login" autocomplete="username"></label>'
    .. '<label>Password <input name="password" type="password" autocomplete="current-password"></label>'
    .. "<button>Log in</button></form>" .. register)
end
