-- Stands in front of the scripts of counters: sliding windows as engine/store/counter_window.ts has them.
-- A counter is a text of three numbers: its bucket, counted in that, counted in the bucket before.

local function load(key, windowMs, nowMs)
  local window = { key = key, windowMs = windowMs, current = 0, previous = 0 }
  window.index = math.floor(nowMs / windowMs)
  local stored = redis.call("GET", key)
  if stored then
    local index, current, previous = string.match(stored, "^(%d+) (%d+) (%d+)$")
    index = tonumber(index)
    if index == window.index or index == window.index + 1 then
      window.index, window.current, window.previous = index, tonumber(current), tonumber(previous)
    elseif index == window.index - 1 then
      window.previous = tonumber(current)
    end
  end
  window.elapsedMs = math.max(0, nowMs - window.index * windowMs)
  return window
end

-- Forgets itself once it weighs nothing.
local function save(window, nowMs)
  local text = string.format("%.0f %.0f %.0f", window.index, window.current, window.previous)
  local leftMs = (window.index + 2) * window.windowMs - nowMs
  redis.call("SET", window.key, text, "PX", string.format("%.0f", leftMs))
end

local function held(window)
  return window.current + window.previous * (window.windowMs - window.elapsedMs) / window.windowMs
end

local function roomAfterMs(window, room)
  local windowMs, elapsedMs = window.windowMs, window.elapsedMs
  if room < 0 then return 2 * windowMs - elapsedMs end
  if window.current <= room then
    return windowMs - math.floor((room - window.current) * windowMs / window.previous) - elapsedMs
  end
  return 2 * windowMs - math.floor(room * windowMs / window.current) - elapsedMs
end
