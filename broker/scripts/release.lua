-- Gives claimed jobs back, to be run after a delay. A job that somebody else has claimed since is left to them.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, then for each job: id, token, delay (ms)
-- Gives how many were given back.
local prefix, back, rung = ARGV[1], 0, {}
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for place = 2, #ARGV, 3 do
  local id, token, delay = ARGV[place], tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2])
  local known = redis.call('HGET', KEYS[1], id)
  local job = known and cmsgpack.unpack(known)
  if job and job.owner and job.token == token then
    job.owner = nil
    if job.capped then
      job.capped = nil
      redis.call('SREM', prefix .. 'running:' .. job.project, id)
      for _, pool in ipairs(redis.call('SMEMBERS', prefix .. 'capped:' .. job.project)) do rung[pool] = true end
      redis.call('DEL', prefix .. 'capped:' .. job.project)
    end
    redis.call('HSET', KEYS[1], id, cmsgpack.pack(job))
    redis.call('ZREM', prefix .. 'leases:' .. job.pool, id)
    if delay > 0 then
      redis.call('ZADD', KEYS[2], now + delay, id)
    else
      local clock = redis.call('GET', prefix .. 'clock:' .. job.pool) or 0
      redis.call('ZADD', prefix .. 'ready:' .. job.pool .. ':' .. job.project, job.score, id)
      redis.call('ZADD', prefix .. 'shares:' .. job.pool, 'NX', clock, job.project)
    end
    rung[job.pool] = true
    back = back + 1
  end
end
for pool in pairs(rung) do
  local bell = prefix .. 'bell:' .. pool
  if redis.call('LLEN', bell) == 0 then redis.call('RPUSH', bell, '1') end
end
return back
