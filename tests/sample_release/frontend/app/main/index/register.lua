local respond = require "respond"

return function(request)
  return respond.page("Register", '<form method="post" action="/index/register">'
    .. '<label>Invite code <input name="code" value="' .. respond.escape(request.get.code) .. '"></label>'
    .. '<label>Name <input name="name"></label><label>Mail address <input name="notify_email" type="email"></label>'
    .. '<label>Login <input name="login"></label>'
    .. '<label>Password <input name="password1" type="password"></label>'
    .. '<label>Again <input name="password2" type="password"></label><button>Register</button></form>')
end
