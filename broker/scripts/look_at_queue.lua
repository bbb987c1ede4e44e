-- How long the lines are and who runs what. Changes nothing.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, most running jobs to name (of each pool), pools…
-- Gives the number of delayed jobs, then for each pool: ready, running, and a list of id, owner, id, owner, …
local prefix, most = ARGV[1], tonumber(ARGV[2])
local found = { redis.call('ZCARD', KEYS[2]) }
for place = 3, #ARGV do
  local pool, ready, holders = ARGV[place], 0, {}
  for _, project in ipairs(redis.call('ZRANGE', prefix .. 'shares:' .. pool, 0, -1)) do
    ready = ready + redis.call('ZCARD', prefix .. 'ready:' .. pool .. ':' .. project)
  end
  local leases = prefix .. 'leases:' .. pool
  for _, id in ipairs(redis.call('ZRANGE', leases, 0, most - 1)) do
    local known = redis.call('HGET', KEYS[1], id)
    if known then
      holders[#holders + 1] = id
      holders[#holders + 1] = cmsgpack.unpack(known).owner or ''
    end
  end
  found[#found + 1] = ready
  found[#found + 1] = redis.call('ZCARD', leases)
  found[#found + 1] = holders
end
return found
