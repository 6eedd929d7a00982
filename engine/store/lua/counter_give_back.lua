-- Takes back what was counted, as engine/store/counter_window.ts has it.
-- KEYS    the counters
-- ARGV    now in Unix ms, or empty for the server's clock; then for each key: length of the window in ms,
--         amount
-- Result  nothing
local nowMs = clock(ARGV[1])
for index, key in ipairs(KEYS) do
  local window = load(key, tonumber(ARGV[2 * index]), nowMs)
  local amount = tonumber(ARGV[2 * index + 1])
  local fromCurrent = math.min(amount, window.current)
  local fromPrevious = math.min(amount - fromCurrent, window.previous)
  if fromCurrent + fromPrevious > 0 then
    window.current = window.current - fromCurrent
    window.previous = window.previous - fromPrevious
    save(window, nowMs)
  end
end
return {}
