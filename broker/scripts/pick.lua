-- Whose jobs go next: projects by their shares, in one heap for a whole claim. Needs `line.lua`.
local function sink(line)
  local at, first, size = 1, line[1], #line
  while 2 * at <= size do
    local child = 2 * at
    if child < size and line[child + 1].place < line[child].place then child = child + 1 end
    if line[child].place >= first.place then break end
    line[at], at = line[child], child
  end
  line[at] = first
end

local function drop_first(line)
  line[1] = line[#line]
  line[#line] = nil
  if line[1] then sink(line) end
end

-- Adds a page of those in line, the least served first; gives the last one's place, nil when that was all.
local function read_on(line, pool, from, size)
  local rows = redis.call('ZRANGE', prefix .. 'shares:' .. pool, from, from + size - 1, 'WITHSCORES')
  local fields, before = { 'ms:' .. pool }, #line
  for at = 1, #rows, 2 do
    line[#line + 1] = { project = rows[at], place = tonumber(rows[at + 1]), takes = 0 }
    fields[#fields + 1] = 'ms:' .. pool .. ':' .. rows[at]
    fields[#fields + 1] = 'weight:' .. rows[at]
  end
  local said = #rows > 0 and redis.call('HMGET', projects, unpack(fields))
  for at = before + 1, #line do
    local own, weight = said[2 * (at - before)], said[2 * (at - before) + 1]
    line[at].weight = tonumber(weight or 100)
    line[at].charge = math.max(LEAST_MS, tonumber(own or said[1] or 0)) / line[at].weight
  end
  if before > 0 then table.sort(line, function(one, other) return one.place < other.place end) end
  return #rows == 2 * size and tonumber(rows[#rows]) or nil
end

-- How many jobs it has, and how many of them it may give. Who has more than it may give is rung for later.
local function look_at(one, pool, paused, caps)
  local project, cap = one.project, caps[one.project]
  one.waiting = redis.call('ZCARD', prefix .. 'ready:' .. pool .. ':' .. project)
  one.room = paused[project] and 0 or one.waiting
  if cap and one.room > 0 then
    one.room = math.min(one.room, math.max(0, cap - redis.call('SCARD', prefix .. 'running:' .. project)))
    if one.room < one.waiting then
      redis.call('SADD', prefix .. 'capped:' .. project, pool)
      redis.call('PEXPIRE', prefix .. 'capped:' .. project, 60000)
    end
  end
end

-- Who was passed over behind the clock is moved up to it. The place of those whose line is empty now is kept as a debt.
local function write_places(pool, looked, clock)
  local shares, moved, gone, debts = prefix .. 'shares:' .. pool, {}, {}, {}
  for _, one in ipairs(looked) do
    local list = moved
    if one.takes == one.waiting then
      gone[#gone + 1] = one.project
      list = debts
    end
    list[#list + 1] = math.max(one.place, clock)
    list[#list + 1] = one.project
  end
  send('ZADD', shares, moved)
  send('ZREM', shares, gone)
  if #debts > 0 then
    redis.call('ZREMRANGEBYSCORE', prefix .. 'owed:' .. pool, '-inf', clock)
    send('ZADD', prefix .. 'owed:' .. pool, debts)
  end
end

-- At most so many jobs. Gives for each job who gives it, in turn, so that nobody's jobs are always started last; and
-- whether somebody may have more.
local function pick(pool, wanted, paused, caps)
  local line, looked, turns, from, size = {}, {}, {}, 0, math.min(1000, wanted + 1)
  local edge = read_on(line, pool, from, size)
  if not line[1] then return turns, false end
  local began = clock_of(pool)
  local clock = began
  while true do
    while edge and (not line[1] or line[1].place > edge) do
      from, size = from + size, math.min(1000, 2 * size)
      edge = read_on(line, pool, from, size)
    end
    local first = line[1]
    if not first or #turns >= wanted then break end
    if not first.room then
      look_at(first, pool, paused, caps)
      looked[#looked + 1] = first
    end
    if first.room > 0 then
      clock = first.place < 0 and clock or first.place
      first.place = clock + first.charge
      first.takes, first.room = first.takes + 1, first.room - 1
      turns[#turns + 1] = first
    end
    if first.room > 0 then sink(line) else drop_first(line) end
  end
  if #looked > 0 then write_places(pool, looked, clock) end
  if clock ~= began then redis.call('SET', prefix .. 'clock:' .. pool, clock) end
  return turns, line[1] ~= nil
end
