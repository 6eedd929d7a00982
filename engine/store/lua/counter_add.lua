-- Counts without a limit; an amount of 0 only reads.
-- KEYS    the counters
-- ARGV    now in Unix ms, or empty for the server's clock; then for each key: length of the window in ms,
--         amount
-- Result  for each key what its window then holds, rounded up
local nowMs = clock(ARGV[1])
local result = {}
for index, key in ipairs(KEYS) do
  local window = load(key, tonumber(ARGV[2 * index]), nowMs)
  local amount = tonumber(ARGV[2 * index + 1])
  if amount > 0 then
    window.current = window.current + amount
    save(window, nowMs)
  end
  result[index] = math.ceil(held(window))
end
return result
