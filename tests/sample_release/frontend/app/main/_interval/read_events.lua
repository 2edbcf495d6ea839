-- Reads the events since the last time, all at once, and keeps them: after a change of many members the memory stays
-- taken until a restart, as in the real one.

local last, kept = nil, {}

return function()
  last = last or app.db:query("SELECT coalesce(max(id), 0) AS id FROM event")[1].id
  for _, event in ipairs(app.db:query("SELECT * FROM event WHERE id > $1 ORDER BY id", last)) do
    kept[#kept + 1] = event
    last = event.id
  end
end
