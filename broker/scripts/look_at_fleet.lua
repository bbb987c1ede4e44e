-- The workers that are alive, and how long ago something ran in each pool.
--
-- KEYS  1 what workers said, by name  2 names by when they count as gone  3 pools by when something last ran in them
-- Gives two lists: what each worker said; pool, milliseconds ago.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local said, busy = {}, {}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], now, '+inf')) do
  said[#said + 1] = redis.call('HGET', KEYS[1], name)
end
local pools = redis.call('HGETALL', KEYS[3])
for place = 1, #pools, 2 do
  busy[#busy + 1] = pools[place]
  busy[#busy + 1] = now - pools[place + 1]
end
return { said, busy }
