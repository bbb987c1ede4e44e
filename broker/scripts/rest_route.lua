-- A route or a credential rests from now on. A rest that ends later than this one stays.
--
-- KEYS  1 rests, or credentials
-- ARGV  channel, name, for how long (ms), kind, reason
-- Gives 1 if it did not rest before, else 0.
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local before = redis.call('HGET', KEYS[1], ARGV[2])
local ends = before and cjson.decode(before)['until'] or 0
local mine = now + tonumber(ARGV[3])
if mine <= ends then return 0 end
redis.call('HSET', KEYS[1], ARGV[2], cjson.encode({ ['until'] = mine, kind = ARGV[4], reason = ARGV[5] }))
redis.call('PUBLISH', ARGV[1], '')
return ends <= now and 1 or 0
