-- Lengthens the leases of one worker's jobs. A job that Redis forgot, or has in line again without a holder, becomes
-- the worker's again.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, owner, lease (ms), then for each job: id, token, pool, project, weight, score
-- Gives for each job: 'held', 'adopted', or 'taken' when somebody else has claimed it since.
local prefix, owner, lease_ms = ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local answers, caps = {}, {}
for _, project in ipairs(redis.call('HKEYS', prefix .. 'caps')) do caps[project] = true end
for place = 4, #ARGV, 6 do
  local id, token, pool, project = ARGV[place], tonumber(ARGV[place + 1]), ARGV[place + 2], ARGV[place + 3]
  local known = redis.call('HGET', KEYS[1], id)
  local job = known and cmsgpack.unpack(known)
  local answer
  if job and job.token > token then
    answer = 'taken'
  elseif job and job.owner == owner then
    answer = 'held'
  else
    answer = 'adopted'
    if job then
      redis.call('ZREM', KEYS[2], id)
      redis.call('ZREM', prefix .. 'ready:' .. job.pool .. ':' .. job.project, id)
    end
    job = { token = token, pool = pool, project = project, weight = tonumber(ARGV[place + 4]), score = ARGV[place + 5] }
    job.owner = owner
    redis.call('HSET', KEYS[1], id, cmsgpack.pack(job))
  end
  if answer ~= 'taken' and caps[project] and not job.capped then
    job.capped = true
    redis.call('SADD', prefix .. 'running:' .. project, id)
    redis.call('HSET', KEYS[1], id, cmsgpack.pack(job))
  end
  if answer ~= 'taken' then redis.call('ZADD', prefix .. 'leases:' .. pool, now + lease_ms, id) end
  answers[#answers + 1] = answer
end
return answers
