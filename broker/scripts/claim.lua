-- Takes jobs under a lease: those whose lease ran out first, then ready ones, project by project by their shares.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, owner, most, lease (ms), suspects (how many to take), number of pools, pools…, number of paused
--       projects, projects…, then for each project that has a cap: project, most jobs of it at once
-- Gives milliseconds until something delayed is due (-1: nothing is), then for each job: id, token, leases it lost.
-- A job that lost two leases or more is a suspect: it may be what kills the workers. Suspects are kept apart, so that
-- the culprit does not drag the others along.
-- A project at its cap is passed over like a paused one, and its pool is rung when one of its jobs ends. Its jobs that
-- run are a set, kept for such projects alone.
local prefix, owner, most, lease_ms, suspects = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local pools, paused, paused_count = {}, {}, 0
for place = 7, 6 + tonumber(ARGV[6]) do pools[#pools + 1] = ARGV[place] end
local caps_from = 8 + #pools + tonumber(ARGV[7 + #pools])
for place = 8 + #pools, caps_from - 1 do
  paused[ARGV[place]] = true
  paused_count = paused_count + 1
end
local caps, full = {}, {}
for place = caps_from, #ARGV, 2 do
  caps[ARGV[place]] = tonumber(ARGV[place + 1])
  paused_count = paused_count + 1
  redis.call('HSET', prefix .. 'caps', ARGV[place], ARGV[place + 1])
end
if next(caps) then redis.call('PEXPIRE', prefix .. 'caps', 60000) end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, 2 * most + 100)) do
  redis.call('ZREM', KEYS[2], id)
  local known = redis.call('HGET', KEYS[1], id)
  if known then
    local job = cmsgpack.unpack(known)
    local clock = redis.call('GET', prefix .. 'clock:' .. job.pool) or 0
    redis.call('ZADD', prefix .. 'ready:' .. job.pool .. ':' .. job.project, job.score, id)
    redis.call('ZADD', prefix .. 'shares:' .. job.pool, 'NX', clock, job.project)
  end
end

local claimed = { -1 }
local count = 0

local function take(id, pool, job)
  job.token = job.token + 1
  job.owner = owner
  if caps[job.project] then
    job.capped = true
    redis.call('SADD', prefix .. 'running:' .. job.project, id)
  end
  redis.call('HSET', KEYS[1], id, cmsgpack.pack(job))
  redis.call('ZADD', prefix .. 'leases:' .. pool, now + lease_ms, id)
  claimed[#claimed + 1] = id
  claimed[#claimed + 1] = job.token
  claimed[#claimed + 1] = job.lost or 0
  count = count + 1
end

local function look_up(id)
  local known = redis.call('HGET', KEYS[1], id)
  return known and cmsgpack.unpack(known)
end

local function is_full(project, pool)
  local cap = caps[project]
  if not cap or redis.call('SCARD', prefix .. 'running:' .. project) < cap then return false end
  if not full[project .. pool] then
    full[project .. pool] = true
    redis.call('SADD', prefix .. 'capped:' .. project, pool)
    redis.call('PEXPIRE', prefix .. 'capped:' .. project, 60000)
  end
  return true
end

local function next_project(shares, pool)
  for _, project in ipairs(redis.call('ZRANGE', shares, 0, paused_count)) do
    if not paused[project] and not is_full(project, pool) then return project end
  end
  return nil
end

for _, pool in ipairs(pools) do
  local leases = prefix .. 'leases:' .. pool
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', leases, '-inf', now, 'LIMIT', 0, most + 100)) do
    local job = look_up(id)
    local lost = job and (job.lost or 0) + 1
    if not job then
      redis.call('ZREM', leases, id)
    elseif count < most and (lost < 2 or suspects > 0) then
      job.lost = lost
      if lost >= 2 then suspects = suspects - 1 end
      take(id, pool, job)
    end
  end
end
for _, pool in ipairs(pools) do
  local shares, clock = prefix .. 'shares:' .. pool, prefix .. 'clock:' .. pool
  while count < most do
    local project = next_project(shares, pool)
    if not project then break end
    local queue = prefix .. 'ready:' .. pool .. ':' .. project
    local first = redis.call('ZPOPMIN', queue)[1]
    local job = first and look_up(first)
    if job then
      take(first, pool, job)
      local served = tonumber(redis.call('ZSCORE', shares, project))
      redis.call('SET', clock, string.format('%.17g', served))
      redis.call('ZADD', shares, string.format('%.17g', served + 1000 / job.weight), project)
    end
    if redis.call('EXISTS', queue) == 0 then redis.call('ZREM', shares, project) end
  end
  if next_project(shares, pool) then
    local bell = prefix .. 'bell:' .. pool
    if redis.call('LLEN', bell) == 0 then redis.call('RPUSH', bell, '1') end
  elseif redis.call('EXISTS', shares) == 0 then
    redis.call('DEL', clock)
  end
end

local due = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
if due[2] then claimed[1] = math.max(0, tonumber(due[2]) - now) end
return claimed
