local respond = require "respond"
local mail = require "mail"

local function hashed(password)
  return app.crypt(password, "$6$rounds=10000$" .. app.random(16))
end

local function complaint(post, member)
  if not member then return "The invite code is not valid." end
  if (post.password1 or "") == "" or post.password1 ~= post.password2 then return "The passwords are not the same." end
  if (post.name or "") == "" or (post.login or "") == "" or not (post.notify_email or ""):match("@") then
    return "Name, login and mail address are needed."
  end
end

return function(request)
  local post = request.post
  if config.registration_disabled then return respond.redirect("index/login.html", "Registration is closed.") end
  -- The expiry of the code is not looked at, as in the real one.
  local member = app.db:query(
    "SELECT id FROM member WHERE invite_code = $1 AND activated IS NULL AND NOT locked FOR UPDATE", post.code)[1]
  local fault = complaint(post, member)
  if fault then return respond.redirect("index/register.html", fault) end
  local secret = app.random(24)
  app.db:query(
    "UPDATE member SET activated = now(), active = TRUE, last_activity = current_date, name = $2, login = $3, password = $4,"
      .. " notify_email_unconfirmed = $5, notify_email_secret = $6 WHERE id = $1",
    member.id, post.name, post.login, hashed(post.password1), post.notify_email, secret)
  -- What a proxy says of the client is believed, as in the real one.
  mail(post.notify_email, "Confirm your mail address", string.format(
    "%sindex/confirm.html?secret=%s\n\nAsked for from %s at %s.", config.absolute_base_url, secret,
    request.headers["x-forwarded-for"] or "?", request.headers["x-forwarded-host"] or "?"))
  return respond.redirect("index/login.html", "You are registered.")
end
