-- Counts what waits. Acknowledged entries are deleted, so a stream holds the unread and the pending.
-- KEYS    the retry set; the streams of all shards, shard 0 first
-- ARGV    group
-- Result  deliveries in the retry set; then for each stream: unread entries, pending entries
local result = { redis.call("ZCARD", KEYS[1]) }
for index = 2, #KEYS do
  local entries = redis.call("XLEN", KEYS[index])
  local pending = redis.pcall("XPENDING", KEYS[index], ARGV[1])
  if pending.err and not string.find(pending.err, "NOGROUP", 1, true) then error(pending.err) end
  local count = pending.err and 0 or pending[1]
  result[#result + 1] = math.max(0, entries - count)
  result[#result + 1] = count
end
return result
