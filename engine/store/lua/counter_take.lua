-- Counts for all claims, or for none where one does not fit.
-- KEYS    the counters, each claim's; one may come more than once
-- ARGV    now in Unix ms, or empty for the server's clock; then for each claim: length of the window in
--         ms, amount, limit
-- Result  0; or which claim, from 1, does not fit, and in how many ms it would
local nowMs = clock(ARGV[1])
local windows = {}
for index, key in ipairs(KEYS) do
  local window = windows[key] or load(key, tonumber(ARGV[3 * index - 1]), nowMs)
  windows[key] = window
  local amount = tonumber(ARGV[3 * index])
  local room = tonumber(ARGV[3 * index + 1]) - amount
  if held(window) > room then return { index, roomAfterMs(window, room) } end
  window.current = window.current + amount
  window.isCounted = window.isCounted or amount > 0
end
for _, window in pairs(windows) do
  if window.isCounted then save(window, nowMs) end
end
return { 0 }
