-- Appends entries to the streams of ready deliveries, in the order given.
-- KEYS    the streams concerned
-- ARGV    pairs: index into KEYS; delivery ids separated by a space
-- Result  how many entries were added
for i = 1, #ARGV, 2 do
  redis.call("XADD", KEYS[tonumber(ARGV[i])], "*", "d", ARGV[i + 1])
end
return #ARGV / 2
