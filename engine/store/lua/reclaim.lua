-- Hands a consumer the entries read long ago and never acknowledged. Also removes consumers that
-- hold nothing and were not seen for long, since each start of a worker may bring a new name.
-- KEYS    the streams
-- ARGV    group; consumer; least idle time in ms; entries at the most; ms until a consumer is removed
-- Result  flat triples: index into KEYS, entry id, delivery ids separated by a space
local group, consumer, left, goneAfter = ARGV[1], ARGV[2], tonumber(ARGV[4]), tonumber(ARGV[5])
local result = {}

local function removeGone(key)
  for _, info in ipairs(redis.call("XINFO", "CONSUMERS", key, group)) do
    local fields = {}
    for i = 1, #info, 2 do fields[info[i]] = info[i + 1] end
    if fields.pending == 0 and fields.idle > goneAfter and fields.name ~= consumer then
      redis.call("XGROUP", "DELCONSUMER", key, group, fields.name)
    end
  end
end

for index, key in ipairs(KEYS) do
  local cursor = "0-0"
  repeat
    if left == 0 then return result end
    local reply = redis.pcall("XAUTOCLAIM", key, group, consumer, ARGV[3], cursor, "COUNT", left)
    if reply.err then
      -- A stream that was lost has nothing to reclaim; the next read creates its group.
      if not string.find(reply.err, "NOGROUP", 1, true) then error(reply.err) end
      break
    end
    for _, entry in ipairs(reply[2]) do
      if entry and entry[2] then
        result[#result + 1] = index
        result[#result + 1] = entry[1]
        result[#result + 1] = entry[2][2]
        left = left - 1
      end
    end
    cursor = reply[1]
    if cursor == "0-0" then removeGone(key) end
  until cursor == "0-0"
end
return result
