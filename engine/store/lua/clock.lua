-- Stands in front of scripts that need the time.

-- The clock given in Unix ms, or that of the server, which is the same for all nodes.
local function clock(given)
  if given ~= "" then return tonumber(given) end
  local time = redis.call("TIME")
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
