-- Counts what waits. Acknowledged entries are deleted, so a stream holds the unread and the pending.
-- KEYS    the retry set; the streams of all shards, shard 0 first
-- ARGV    group
-- Result  deliveries in the retry set; then for each stream: unread entries, pending entries, when the
--         first unread entry was added (Unix ms), or -1

local function unreadSince(key, hasGroup)
  local first = "-"
  if hasGroup then
    for _, info in ipairs(redis.call("XINFO", "GROUPS", key)) do
      local fields = {}
      for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
      if fields.name == ARGV[1] then first = "(" .. fields["last-delivered-id"] end
    end
  end
  local entry = redis.call("XRANGE", key, first, "+", "COUNT", 1)[1]
  return entry and tonumber(string.match(entry[1], "^%d+")) or -1
end

local result = { redis.call("ZCARD", KEYS[1]) }
for index = 2, #KEYS do
  local entries = redis.call("XLEN", KEYS[index])
  local pending = redis.pcall("XPENDING", KEYS[index], ARGV[1])
  if pending.err and not string.find(pending.err, "NOGROUP", 1, true) then error(pending.err) end
  local count = pending.err and 0 or pending[1]
  result[#result + 1] = math.max(0, entries - count)
  result[#result + 1] = count
  result[#result + 1] = entries > count and unreadSince(KEYS[index], not pending.err) or -1
end
return result
