-- Takes room for calls, for each in all of its scopes at once, or in none.
--
-- Windows are hashes of counts by slot, with their sum; what was counted in a slot counts until the whole slot has
-- left the window, so that in no stretch of a window's length more than the limit is taken. Places are sorted sets of
-- holders by the end of their lease.
--
-- KEYS  none: all begin with the prefix
-- ARGV  prefix, window (ms), slots, lease (ms), JSON: of each call {holder, requests, tokens, pace (1: tell who is refused
--       a turn of its own), scopes}, of each scope {name, requests a window, tokens a window, places (0: no limit),
--       learned (1: what the provider said counts too)}
-- Gives for each {1, slot, marks…} or {0, scope, dimension, limit, wait (ms; -1: nobody knows)}; after either, of the
-- first scope: requests a window, used, reset (ms), tokens a window, used, reset (ms).
local prefix, window, slots, lease = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local step = window / slots
local slot = math.floor(now / step)

local function used(name)
  local found = redis.call('HMGET', name, 'sum', 'from')
  if not found[1] then return 0 end
  local sum, from, first = tonumber(found[1]), tonumber(found[2]), slot - slots
  if from < first then
    for old = from, math.min(first - 1, from + 2 * slots) do
      local count = redis.call('HGET', name, old)
      if count then
        sum = sum - count
        redis.call('HDEL', name, old)
      end
    end
    redis.call('HSET', name, 'sum', sum, 'from', first)
  end
  return sum
end

local function wait_for(name, over)
  local names = {}
  for one = slot - slots, slot do names[#names + 1] = one end
  for at, count in ipairs(redis.call('HMGET', name, unpack(names))) do
    if count then over = over - count end
    if over <= 0 then return math.ceil((names[at] + slots + 1) * step - now) end
  end
  return 0
end

local function take(holder, weights, pace, asked)
  local refusal, rooms, scopes = nil, {}, {}
  local function refuse(name, dimension, limit, wait)
    local worse = not refusal or (refusal[5] >= 0 and wait > refusal[5]) or (refusal[5] < 0 and wait >= 0)
    if worse then refusal = { 0, name, dimension, limit, wait } end
  end

  for place, scope in ipairs(asked) do
    local name, places, limits = scope[1], scope[4], { r = scope[2], t = scope[3] }
    if scope[5] == 1 then
      local said = redis.call('HMGET', prefix .. 'l:' .. name, 'r', 't', 'most', 'others', 'rest')
      if limits.r == 0 then limits.r = tonumber(said[1] or 0) end
      if limits.t == 0 then limits.t = tonumber(said[2] or 0) end
      if said[3] then
        local most = math.max(1, said[3] - (said[4] or 0))
        places = places > 0 and math.min(places, most) or most
      end
      if said[5] and tonumber(said[5]) > now then refuse(name, 'rest', 0, said[5] - now) end
    end
    for _, kind in ipairs({ 'r', 't' }) do
      local limit, key = limits[kind], prefix .. kind .. ':' .. name
      local sum = (limit > 0 or place == 1) and used(key) or 0
      if limit > 0 and sum > 0 and sum + weights[kind] > limit then
        local dimension = kind == 'r' and 'requests' or 'tokens'
        refuse(name, dimension, limit, wait_for(key, sum + math.min(weights[kind], limit) - limit))
      end
      if place == 1 then
        rooms[#rooms + 1] = limit
        rooms[#rooms + 1] = sum
        rooms[#rooms + 1] = sum > 0 and limit > 0 and wait_for(key, 1) or 0
      end
    end
    if places > 0 then
      local key = prefix .. 'p:' .. name
      redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
      if redis.call('ZCARD', key) >= places and not redis.call('ZSCORE', key, holder) then
        refuse(name, 'concurrency', places, -1)
        redis.call('SET', prefix .. 'w:' .. name, '1', 'PX', 5000)
      end
    end
    scopes[#scopes + 1] = { name = name, limits = limits, places = places }
  end

  if refusal then
    local wait = refusal[5]
    if pace and wait >= 0 and refusal[3] ~= 'rest' then
      local turns = prefix .. 'q:' .. refusal[2]
      local cost = refusal[3] == 'requests' and weights.r or weights.t
      local last = tonumber(redis.call('GET', turns) or 0)
      local mine = math.max(now + wait, math.min(last + window * cost / refusal[4], now + wait + window))
      redis.call('SET', turns, string.format('%.0f', mine), 'PX', math.ceil(mine - now) + 1)
      refusal[5] = math.ceil(mine - now)
    end
    for _, one in ipairs(rooms) do refusal[#refusal + 1] = one end
    return refusal
  end

  local taken = { 1, slot }
  for _, scope in ipairs(scopes) do
    local mark = 0
    for _, kind in ipairs({ 'r', 't' }) do
      if scope.limits[kind] > 0 then
        local key = prefix .. kind .. ':' .. scope.name
        redis.call('HINCRBY', key, slot, weights[kind])
        redis.call('HINCRBY', key, 'sum', weights[kind])
        redis.call('HSETNX', key, 'from', slot)
        redis.call('PEXPIRE', key, math.ceil(window + 2 * step))
        if kind == 't' then mark = 1 end
      end
    end
    if scope.places > 0 then
      redis.call('ZADD', prefix .. 'p:' .. scope.name, now + lease, holder)
      redis.call('PEXPIRE', prefix .. 'p:' .. scope.name, 2 * lease)
      mark = mark + 2
    end
    taken[#taken + 1] = mark
  end
  rooms[2], rooms[5] = rooms[2] + (rooms[1] > 0 and weights.r or 0), rooms[5] + (rooms[4] > 0 and weights.t or 0)
  for _, one in ipairs(rooms) do taken[#taken + 1] = one end
  return taken
end

local answers = {}
for at, call in ipairs(cjson.decode(ARGV[5])) do
  answers[at] = take(call[1], { r = call[2], t = call[3] }, call[4] == 1, call[5])
end
return answers
