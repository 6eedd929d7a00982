-- Hands unread entries to a consumer without waiting, creating groups that are missing. Each stream
-- may fill an equal part of the answer first, so that a long one does not starve the others.
-- KEYS    the streams, those to be served first in front
-- ARGV    group; consumer; entries at the most
-- Result  flat triples: index into KEYS, entry id, delivery ids separated by a space
local group, consumer, left = ARGV[1], ARGV[2], tonumber(ARGV[3])

local function read(key, count)
  local reply = redis.pcall("XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", key, ">")
  if reply and reply.err and string.find(reply.err, "NOGROUP", 1, true) then
    redis.call("XGROUP", "CREATE", key, group, "0", "MKSTREAM")
    return redis.call("XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", key, ">")
  end
  if reply and reply.err then error(reply.err) end
  return reply
end

local result, unfinished = {}, {}
local share = math.ceil(left / #KEYS)

local function take(index, count)
  local reply = read(KEYS[index], count)
  local entries = reply and reply[1][2] or {}
  for _, entry in ipairs(entries) do
    result[#result + 1] = index
    result[#result + 1] = entry[1]
    result[#result + 1] = entry[2][2]
  end
  left = left - #entries
  return #entries == count
end

for index = 1, #KEYS do
  if left == 0 then return result end
  local count = math.min(share, left)
  if take(index, count) then unfinished[#unfinished + 1] = index end
end
for _, index in ipairs(unfinished) do
  if left == 0 then return result end
  take(index, left)
end
return result
