-- Mail by /usr/sbin/sendmail. Without it this raises, as the real one does.

return function(recipient, subject, content)
  local sendmail = io.popen("/usr/sbin/sendmail -t -i -f '" .. config.mail_envelope_from:gsub("'", "") .. "'", "w")
  local from = config.mail_from
  sendmail:write(
    "From: ", from.name, " <", from.address, ">\nTo: ", (recipient:gsub("%s", "")), "\nSubject: ", config.mail_subject_prefix or "",
    subject, "\nContent-Type: text/plain; charset=UTF-8\n\n", content, "\n")
  assert(sendmail:close(), "sendmail did not take the mail")
end
