-- What ended is counted as it truly was. Needs `line.lua`.
--
-- How long jobs take is a mean over about the last MEMORY of them, per pool and per project.
local MEMORY, tallies = 32, {}

-- A job's slot is free: what it held is counted instead of what was guessed. `over`: it tells how long jobs take.
local function count_held(job, over)
  if not job.since then return end
  local own = tallies[job.pool] or {}
  local tally = own[job.project] or { change = 0, lengths = {} }
  tallies[job.pool], own[job.project] = own, tally
  local held = math.max(LEAST_MS, now - job.since)
  tally.change = tally.change + held / job.weight - (job.paid or 0)
  if over then tally.lengths[#tally.lengths + 1] = held end
end

local function learn(pool, names, own)
  local fields, known, said = { 'ms:' .. pool }, nil, {}
  for at, project in ipairs(names) do fields[at + 1] = 'ms:' .. pool .. ':' .. project end
  known = redis.call('HMGET', projects, unpack(fields))
  local all = tonumber(known[1])
  for at, project in ipairs(names) do
    local mean = tonumber(known[at + 1])
    for _, length in ipairs(own[project].lengths) do
      mean = mean and mean + (length - mean) / MEMORY or length
      all = all and all + (length - all) / MEMORY or length
    end
    if mean then
      said[#said + 1] = fields[at + 1]
      said[#said + 1] = mean
    end
  end
  if all then send('HSET', projects, { fields[1], all, unpack(said) }) end
end

-- What was counted moves the projects' places. The place of one that has nothing in line is kept as a debt. Gives the
-- pools that somebody of these is in line for.
local function settle()
  local busy = {}
  for pool, own in pairs(tallies) do
    local shares, owed, names, moved, debts = prefix .. 'shares:' .. pool, prefix .. 'owed:' .. pool, {}, {}, {}
    for project in pairs(own) do names[#names + 1] = project end
    learn(pool, names, own)
    local clock = clock_of(pool)
    local least = clock
    for at, place in ipairs(redis.call('ZMSCORE', shares, unpack(names))) do
      local change, list = own[names[at]].change, place and moved or debts
      place = tonumber(place or redis.call('ZSCORE', owed, names[at]) or FRESH)
      if place >= 0 or change > 0 then
        place = math.max(0, (place < 0 and clock or place) + change)
        if list == moved then least = math.min(least, place) end
        list[#list + 1] = place
        list[#list + 1] = names[at]
      end
    end
    send('ZADD', shares, moved)
    send('ZADD', owed, debts)
    if least < clock then redis.call('SET', prefix .. 'clock:' .. pool, least) end
    busy[pool] = #moved > 0
  end
  return busy
end

-- A job of a project with a cap runs no more: who found the project at its cap is rung.
local function make_room(id, job)
  if not job.capped then return end
  redis.call('SREM', prefix .. 'running:' .. job.project, id)
  for _, pool in ipairs(redis.call('SMEMBERS', prefix .. 'capped:' .. job.project)) do ring(pool) end
  redis.call('DEL', prefix .. 'capped:' .. job.project)
end
