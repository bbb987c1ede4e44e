-- What the scripts of the queue begin with: the line, and the shares of those who stand in it.
--
-- A project's place among the others is the work it was served, in milliseconds of a slot over its weight. Who comes
-- new stands before all of them (FRESH) and is served from where the clock stands, so that nothing was saved up.
-- A job counts LEAST_MS or more: shorter times are mostly our own work, which is the same for all.
local LEAST_MS, KEPT_MS, FRESH = 1000, 3600000, -1e15
local prefix, projects = ARGV[1], ARGV[1] .. 'projects'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function look_up(ids)
  local jobs = #ids > 0 and redis.call('HMGET', KEYS[1], unpack(ids)) or {}
  for at, known in ipairs(jobs) do jobs[at] = known and cmsgpack.unpack(known) end
  return jobs
end

-- As many calls as the values need, from one of them on.
local function send(command, key, values, from)
  for at = from or 1, #values, 2000 do
    redis.call(command, key, unpack(values, at, math.min(#values, at + 1999)))
  end
end

-- A list for each name, made when it is first asked for.
local function lists()
  return setmetatable({}, { __index = function(all, name)
    all[name] = {}
    return all[name]
  end })
end

local function ring(pool)
  local bell = prefix .. 'bell:' .. pool
  if redis.call('EXISTS', bell) == 0 then redis.call('RPUSH', bell, '1') end
end

local function clock_of(pool) return math.max(0, tonumber(redis.call('GET', prefix .. 'clock:' .. pool) or 0)) end

local function add_to_line(lines, job, id)
  lines[job.pool] = lines[job.pool] or lists()
  local jobs = lines[job.pool][job.project]
  jobs[#jobs + 1] = job.score
  jobs[#jobs + 1] = id
end

-- `lines`: score, id… by pool and project.
local function stand_in_line(lines)
  for pool, own in pairs(lines) do
    local shares, owed, names, strangers = prefix .. 'shares:' .. pool, prefix .. 'owed:' .. pool, {}, {}
    for project, jobs in pairs(own) do
      send('ZADD', prefix .. 'ready:' .. pool .. ':' .. project, jobs)
      names[#names + 1] = project
    end
    for at, place in ipairs(redis.call('ZMSCORE', shares, unpack(names))) do
      if not place then strangers[#strangers + 1] = names[at] end
    end
    if #strangers > 0 then
      local places, clock = {}, clock_of(pool)
      for at, debt in ipairs(redis.call('ZMSCORE', owed, unpack(strangers))) do
        places[#places + 1] = debt and tonumber(debt) > clock and debt or FRESH + now
        places[#places + 1] = strangers[at]
      end
      redis.call('ZADD', shares, unpack(places))
      redis.call('ZREM', owed, unpack(strangers))
    end
  end
end

-- Nothing waits and nothing runs: nobody owes anybody.
local function forget_idle(pool)
  if redis.call('EXISTS', prefix .. 'shares:' .. pool, prefix .. 'leases:' .. pool) == 0 then
    redis.call('DEL', prefix .. 'clock:' .. pool, prefix .. 'owed:' .. pool)
  end
end
