-- Whether a message is trusted, has waited, or has to, as engine/store/greylist.ts has it. A trusted key holds
-- until when it counts in Unix ms, and behind that how often it passed. What waits is in one sorted set by when it
-- came first, so that there is a bound to what strangers can make us remember.
-- KEYS    the senders; the triplets; the sorted set
-- ARGV    now in Unix ms, or empty for the server's clock; delay, window and trust in ms; whether it is vouched
--         for (0 or 1); how many may wait; how many senders there are; for each sender how many passes make him
--         trusted; the triplets' names in the sorted set
-- Result  0: trusted; 1: has waited; 2, in how many ms it may come again, and whether it is new (0 or 1)
local nowMs = clock(ARGV[1])
local delayMs, windowMs, trustMs = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local isVouchedFor, maxWaiting, senders = ARGV[5] == "1", tonumber(ARGV[6]), tonumber(ARGV[7])
local waiting = KEYS[#KEYS]

local function load(key)
  local untilMs, passed = string.match(redis.call("GET", key) or "", "^(%d+) (%d+)$")
  return untilMs and tonumber(untilMs) > nowMs and tonumber(passed) or 0
end

local function save(key, passed)
  local text = string.format("%.0f %.0f", nowMs + trustMs, passed)
  redis.call("SET", key, text, "PX", string.format("%.0f", trustMs))
end

local isTrusted = isVouchedFor
local passed = {}
for index = 1, senders do
  local key, passes = KEYS[index], tonumber(ARGV[7 + index])
  passed[key] = math.max(load(key), isVouchedFor and passes or 0)
  if passed[key] >= passes then
    isTrusted = true
    save(key, passed[key])
  end
end

local new, known, oldestMs = {}, {}, nil
for index = senders + 1, #KEYS - 1 do
  local key, name = KEYS[index], ARGV[7 + index]
  if load(key) > 0 then
    isTrusted = true
    save(key, 1)
  else
    local firstMs = tonumber(redis.call("ZSCORE", waiting, name) or nil)
    if firstMs and nowMs - firstMs < windowMs then
      known[#known + 1] = name
      -- A clock that went back has waited for nothing.
      oldestMs = math.min(oldestMs or nowMs, firstMs)
    else
      new[#new + 1] = name
    end
  end
end
if isTrusted then return { 0 } end

local leftMs = (oldestMs or nowMs) + delayMs - nowMs
if oldestMs and leftMs <= 0 then
  for key, times in pairs(passed) do save(key, times + 1) end
  for index = senders + 1, #KEYS - 1 do save(KEYS[index], 1) end
  redis.call("ZREM", waiting, unpack(known))
  return { 1 }
end
for _, name in ipairs(new) do redis.call("ZADD", waiting, nowMs, name) end
if #new > 0 then
  redis.call("PEXPIRE", waiting, windowMs)
  -- A few more than come, so that those that did not come again do not pile up.
  local over = redis.call("ZRANGEBYSCORE", waiting, "-inf", nowMs - windowMs, "LIMIT", 0, 2 * #new)
  if #over > 0 then redis.call("ZREM", waiting, unpack(over)) end
  local surplus = redis.call("ZCARD", waiting) - maxWaiting
  if surplus > 0 then redis.call("ZPOPMIN", waiting, surplus) end
end
return { 2, math.max(1, leftMs), oldestMs and 0 or 1 }
