-- A worker says that it is alive and what it does.
--
-- KEYS  1 what workers said, by name  2 names by when they count as gone  3 pools by when something last ran in them
-- ARGV  name, what it says, life (ms), pools that it has jobs of…
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], now + ARGV[3], ARGV[1])
for _, gone in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now)) do
  redis.call('HDEL', KEYS[1], gone)
  redis.call('ZREM', KEYS[2], gone)
end
for place = 4, #ARGV do redis.call('HSET', KEYS[3], ARGV[place], now) end
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[3], 86400000)
return 0
