-- Is this the memory that was filled? A flush loses the mark, a restart changes the run id.
--
-- KEYS  1 mark  2 filled
-- ARGV  a new mark, for a memory without one
-- Gives the memory's identity, and the identity of the one that was last filled.
redis.call('SET', KEYS[1], ARGV[1], 'NX')
local run_id = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
return { run_id .. ':' .. redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]) or '' }
