-- Is the caller the one that does a duty now? It stays so while it asks again in time.
--
-- KEYS  1 the duty
-- ARGV  owner, life (ms)
-- Gives 1 or 0.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
