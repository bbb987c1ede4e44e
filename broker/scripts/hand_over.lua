-- Puts jobs into the queue. A job that is here already keeps its place; only its token may grow.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, then for each job: id, fence, pool, project, weight, score, delay (ms)
-- Gives the ids that were not here before.
local prefix = ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local new, rung = {}, {}
for place = 2, #ARGV, 7 do
  local id, fence, pool, project = ARGV[place], tonumber(ARGV[place + 1]), ARGV[place + 2], ARGV[place + 3]
  local weight, score, delay = tonumber(ARGV[place + 4]), ARGV[place + 5], tonumber(ARGV[place + 6])
  local known = redis.call('HGET', KEYS[1], id)
  if known then
    local job = cmsgpack.unpack(known)
    if not job.owner and fence > job.token then
      job.token = fence
      redis.call('HSET', KEYS[1], id, cmsgpack.pack(job))
    end
  else
    local job = { token = fence, pool = pool, project = project, weight = weight, score = score }
    redis.call('HSET', KEYS[1], id, cmsgpack.pack(job))
    if delay > 0 then
      redis.call('ZADD', KEYS[2], now + delay, id)
    else
      redis.call('ZADD', prefix .. 'ready:' .. pool .. ':' .. project, score, id)
      redis.call('ZADD', prefix .. 'shares:' .. pool, 'NX', redis.call('GET', prefix .. 'clock:' .. pool) or 0, project)
    end
    rung[pool] = true
    new[#new + 1] = id
  end
end
for pool in pairs(rung) do
  local bell = prefix .. 'bell:' .. pool
  if redis.call('LLEN', bell) == 0 then redis.call('RPUSH', bell, '1') end
end
return new
