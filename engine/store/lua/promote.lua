-- Moves due deliveries from the retry set to the streams, earliest first, packing those of a shard.
-- A member that names no shard is dropped: the spool still knows its delivery.
-- KEYS    the retry set; the streams of all shards, shard 0 first
-- ARGV    now in Unix ms; deliveries at the most; ids an entry holds at the most
-- Result  how many deliveries were moved
local due = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", ARGV[1], "LIMIT", 0, ARGV[2])
if #due == 0 then return 0 end
-- The range started at the lowest score, so its members are the first by rank.
redis.call("ZREMRANGEBYRANK", KEYS[1], 0, #due - 1)

local perEntry, moved, batches = tonumber(ARGV[3]), 0, {}

local function append(key, ids)
  redis.call("XADD", key, "*", "d", table.concat(ids, " "))
end

for _, member in ipairs(due) do
  local shard, id = string.match(member, "^(%d+):(.+)$")
  local key = shard and KEYS[tonumber(shard) + 2]
  if key then
    local ids = batches[key] or {}
    ids[#ids + 1] = id
    moved = moved + 1
    if #ids == perEntry then
      append(key, ids)
      ids = {}
    end
    batches[key] = ids
  end
end
for index = 2, #KEYS do
  local ids = batches[KEYS[index]]
  if ids and #ids > 0 then append(KEYS[index], ids) end
end
return moved
