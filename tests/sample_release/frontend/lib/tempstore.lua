-- What the next page says, kept in a file until somebody follows the redirect. Who never does leaves it behind, as in
-- the real one.

local tempstore = {}

local function path(key)
  return app.path .. "tmp/tempstore-" .. key .. ".tmp"
end

function tempstore.save(text)
  local key = app.random(20)
  local file = assert(io.open(path(key), "w"))
  file:write(text)
  file:close()
  return key
end

function tempstore.take(key)
  local file = key and key:match("^%w+$") and io.open(path(key))
  if not file then return nil end
  local text = file:read("a")
  file:close()
  os.remove(path(key))
  return text
end

return tempstore
