-- Lengthens the leases of one worker's jobs. A job that Redis forgot, or has in line again without a holder, becomes
-- the worker's again.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, owner, lease (ms), then for each job: id, token, pool, project, weight, score
-- Gives for each job: 'held', 'adopted', or 'taken' when somebody else has claimed it since.
local owner, lease_ms = ARGV[2], tonumber(ARGV[3])
local ids, answers, written, leased, caps = {}, {}, {}, lists(), {}
for _, project in ipairs(redis.call('HKEYS', prefix .. 'caps')) do caps[project] = true end
for place = 4, #ARGV, 6 do ids[#ids + 1] = ARGV[place] end

local function adopt(id, job, place)
  if job then
    redis.call('ZREM', KEYS[2], id)
    redis.call('ZREM', prefix .. 'ready:' .. job.pool .. ':' .. job.project, id)
  end
  return {
    token = tonumber(ARGV[place + 1]), pool = ARGV[place + 2], project = ARGV[place + 3],
    weight = tonumber(ARGV[place + 4]), score = ARGV[place + 5], owner = owner, since = now,
  }
end

for at, job in ipairs(look_up(ids)) do
  local id, place = ids[at], 6 * at - 2
  local changed = false
  if job and job.token > tonumber(ARGV[place + 1]) then
    answers[at] = 'taken'
  elseif job and job.owner == owner then
    answers[at] = 'held'
  else
    answers[at], job, changed = 'adopted', adopt(id, job, place), true
  end
  if answers[at] ~= 'taken' then
    if caps[job.project] and not job.capped then
      job.capped, changed = true, true
      redis.call('SADD', prefix .. 'running:' .. job.project, id)
    end
    if changed then
      written[#written + 1] = id
      written[#written + 1] = cmsgpack.pack(job)
    end
    local lease = leased[job.pool]
    lease[#lease + 1] = now + lease_ms
    lease[#lease + 1] = id
  end
end
send('HSET', KEYS[1], written)
for pool, lease in pairs(leased) do send('ZADD', prefix .. 'leases:' .. pool, lease) end
return answers
