-- Forgets jobs that are over. A job that somebody else has claimed since is left to them.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, then for each job: id, token
-- Gives how many were forgotten.
local prefix, gone, freed = ARGV[1], 0, {}
for place = 2, #ARGV, 2 do
  local id, token = ARGV[place], tonumber(ARGV[place + 1])
  local known = redis.call('HGET', KEYS[1], id)
  local job = known and cmsgpack.unpack(known)
  if job and job.token <= token then
    redis.call('HDEL', KEYS[1], id)
    if job.capped then
      redis.call('SREM', prefix .. 'running:' .. job.project, id)
      freed[job.project] = true
    end
    if job.owner then
      redis.call('ZREM', prefix .. 'leases:' .. job.pool, id)
    else
      redis.call('ZREM', KEYS[2], id)
      redis.call('ZREM', prefix .. 'ready:' .. job.pool .. ':' .. job.project, id)
    end
    gone = gone + 1
  end
end
for project in pairs(freed) do
  for _, pool in ipairs(redis.call('SMEMBERS', prefix .. 'capped:' .. project)) do
    if redis.call('LLEN', prefix .. 'bell:' .. pool) == 0 then redis.call('RPUSH', prefix .. 'bell:' .. pool, '1') end
  end
  redis.call('DEL', prefix .. 'capped:' .. project)
end
return gone
