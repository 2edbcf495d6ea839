-- Sends what is published to everyone who wants mail. Nothing keeps two servers from sending it twice, as in the real one.

local mail = require "mail"

local recipients = "SELECT notify_email FROM member WHERE active AND notify_email IS NOT NULL AND NOT disable_notifications"

return function()
  for _, letter in ipairs(app.db:query("SELECT id, subject, content FROM newsletter WHERE sent IS NULL AND published <= now()")) do
    for _, member in ipairs(app.db:query(recipients)) do mail(member.notify_email, letter.subject, letter.content) end
    app.db:query("UPDATE newsletter SET sent = now() WHERE id = $1", letter.id)
  end
end
