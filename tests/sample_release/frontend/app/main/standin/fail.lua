-- For tests: an exception.

return function()
  error("raised on purpose")
end
