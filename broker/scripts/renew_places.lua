-- Lengthens the hold on places; those that Redis forgot are there again.
--
-- KEYS  none: all begin with the prefix
-- ARGV  prefix, lease (ms), then for each place: scope, holder
local prefix, lease = ARGV[1], tonumber(ARGV[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for place = 3, #ARGV, 2 do
  local key = prefix .. 'p:' .. ARGV[place]
  redis.call('ZADD', key, now + lease, ARGV[place + 1])
  redis.call('PEXPIRE', key, 2 * lease)
end
return 1
