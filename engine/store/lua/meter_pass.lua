-- Counts for all claims, or for none where one does not fit, as engine/store/meter_level.ts has it.
-- A meter is a text of two numbers: when it is empty in Unix ms, and parts of a ms behind that.
-- KEYS    the meters, each claim's; one may come more than once
-- ARGV    now in Unix ms, or empty for the server's clock; then for each claim: burst, period in ms, amount
-- Result  0; or which claim, from 1, does not fit, and in how many ms it would
local nowMs = clock(ARGV[1])

local function isWithin(emptyAtMs, parts, latestMs)
  return emptyAtMs < latestMs or (emptyAtMs == latestMs and parts == 0)
end

local function load(key, burst, periodMs)
  local meter = { emptyAtMs = nowMs, parts = 0, amount = 0 }
  local stored = redis.call("GET", key)
  if not stored then return meter end
  local emptyAtMs, parts = string.match(stored, "^(%d+) (%d+)$")
  emptyAtMs, parts = tonumber(emptyAtMs), tonumber(parts)
  if not emptyAtMs or parts >= burst or emptyAtMs < nowMs then return meter end
  if isWithin(emptyAtMs, parts, nowMs + periodMs) then
    meter.emptyAtMs, meter.parts = emptyAtMs, parts
  else
    meter.emptyAtMs = nowMs + periodMs
  end
  return meter
end

local meters = {}
for index, key in ipairs(KEYS) do
  local burst, periodMs = tonumber(ARGV[3 * index - 1]), tonumber(ARGV[3 * index])
  local meter = meters[key] or load(key, burst, periodMs)
  meters[key] = meter
  meter.amount = meter.amount + tonumber(ARGV[3 * index + 1])
  local cost = meter.amount * periodMs
  local wholeMs = math.floor(cost / burst)
  local emptyAtMs, parts = meter.emptyAtMs + wholeMs, meter.parts + cost - wholeMs * burst
  if parts >= burst then emptyAtMs, parts = emptyAtMs + 1, parts - burst end
  if not isWithin(emptyAtMs, parts, nowMs + periodMs) then
    if meter.amount > burst then
      return { index, math.max(1, meter.emptyAtMs + (meter.parts > 0 and 1 or 0) - nowMs) }
    end
    return { index, emptyAtMs + (parts > 0 and 1 or 0) - periodMs - nowMs }
  end
  meter.raised = { emptyAtMs = emptyAtMs, parts = parts }
end
for key, meter in pairs(meters) do
  local level = meter.raised
  -- Forgets itself once it has been empty for a while (CLOCK_SLACK_MS), for clocks are set back at times.
  local leftMs = level.emptyAtMs - nowMs + 10000
  local text = string.format("%.0f %.0f", level.emptyAtMs, level.parts)
  redis.call("SET", key, text, "PX", string.format("%.0f", leftMs))
end
return { 0 }
