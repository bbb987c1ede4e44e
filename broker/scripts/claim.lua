-- Takes jobs under a lease: those whose lease ran out first, then ready ones, project by project by their shares.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, owner, most, lease (ms), suspects (how many to take), number of pools, pools…, number of paused
--       projects, projects…, then for each project that has a cap: project, most jobs of it at once
-- Gives milliseconds until something delayed is due (-1: nothing is), then for each job: id, token, leases it lost.
-- A job that lost two leases or more is a suspect: it may be what kills the workers. Suspects are kept apart, so that
-- the culprit does not drag the others along. What a lost lease held is nobody's: the job's next holder begins anew.
-- A project at its cap is passed over like a paused one, and its pool is rung when one of its jobs ends. Its jobs that
-- run are a set, kept for such projects alone. Who is passed over saves nothing up.
local owner, most, lease_ms, suspects = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local pools, paused, caps = {}, {}, {}
for place = 7, 6 + tonumber(ARGV[6]) do pools[#pools + 1] = ARGV[place] end
local caps_from = 8 + #pools + tonumber(ARGV[7 + #pools])
for place = 8 + #pools, caps_from - 1 do paused[ARGV[place]] = true end
for place = caps_from, #ARGV, 2 do caps[ARGV[place]] = tonumber(ARGV[place + 1]) end
if next(caps) then
  send('HSET', prefix .. 'caps', ARGV, caps_from)
  redis.call('PEXPIRE', prefix .. 'caps', 60000)
end

local function due_in()
  local at = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
  return at and math.max(0, tonumber(at) - now) or -1
end
local next_due = due_in()
if next_due == 0 then
  local due, lines = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 2 * most + 100), {}
  redis.call('ZREM', KEYS[2], unpack(due))
  for at, job in ipairs(look_up(due)) do
    if job then add_to_line(lines, job, due[at]) end
  end
  stand_in_line(lines)
  next_due = due_in()
end

local claimed, written, leased, count = { next_due }, {}, lists(), 0
local function take(id, job)
  job.token, job.owner, job.since = job.token + 1, owner, now
  if caps[job.project] then
    job.capped = true
    redis.call('SADD', prefix .. 'running:' .. job.project, id)
  end
  written[#written + 1] = id
  written[#written + 1] = cmsgpack.pack(job)
  local lease = leased[job.pool]
  lease[#lease + 1] = now + lease_ms
  lease[#lease + 1] = id
  claimed[#claimed + 1] = id
  claimed[#claimed + 1] = job.token
  claimed[#claimed + 1] = job.lost or 0
  count = count + 1
end

for _, pool in ipairs(pools) do
  local lapsed = redis.call('ZRANGEBYSCORE', prefix .. 'leases:' .. pool, '-inf', now, 'LIMIT', 0, most + 100)
  for at, job in ipairs(look_up(lapsed)) do
    local lost = job and (job.lost or 0) + 1
    if not job then
      redis.call('ZREM', prefix .. 'leases:' .. pool, lapsed[at])
    elseif count < most and (lost < 2 or suspects > 0) then
      job.lost = lost
      if lost >= 2 then suspects = suspects - 1 end
      take(lapsed[at], job)
    end
  end
end

for _, pool in ipairs(pools) do
  local turns, more = pick(pool, most - count, paused, caps)
  local ids = {}
  for at, one in ipairs(turns) do
    if not one.jobs then
      one.jobs = redis.call('ZPOPMIN', prefix .. 'ready:' .. pool .. ':' .. one.project, one.takes)
      one.given = 0
    end
    ids[at] = one.jobs[2 * one.given + 1]
    one.given = one.given + 1
  end
  for at, job in ipairs(look_up(ids)) do
    if job then
      job.weight, job.paid = turns[at].weight, turns[at].charge
      take(ids[at], job)
    end
  end
  if more then ring(pool) end
end
send('HSET', KEYS[1], written)
for pool, lease in pairs(leased) do send('ZADD', prefix .. 'leases:' .. pool, lease) end
if count == 0 then for _, pool in ipairs(pools) do forget_idle(pool) end end
return claimed
