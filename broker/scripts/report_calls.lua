-- How calls went: counts for the breakers, and how long the good ones took.
--
-- KEYS  1 breakers
-- ARGV  prefix, channel, window (ms), failures, share, rest (ms), longest rest (ms), number of routes,
--       for each route: name, answers, failures, kind, reason;
--       then for each latency: model, bucket, count
-- Gives the names of breakers that opened, and of those that closed.
local prefix, channel = ARGV[1], ARGV[2]
local window, least, share = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local rest, longest = tonumber(ARGV[6]), tonumber(ARGV[7])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local opened, closed = {}, {}

local function open(name, streak, kind, reason, since)
  local ms = math.min(longest, rest * 2 ^ streak)
  local entry = { ['until'] = now + ms, streak = streak, kind = kind, reason = reason, since = since }
  redis.call('HSET', KEYS[1], name, cjson.encode(entry))
  redis.call('DEL', prefix .. 'calls:' .. name, prefix .. 'probe:' .. name)
  opened[#opened + 1] = name
end

local function count(name, answers, failures)
  local key = prefix .. 'calls:' .. name
  local seen = redis.call('HMGET', key, 'failed', 'total', 'at', 'row')
  local fading = seen[3] and math.exp((tonumber(seen[3]) - now) / window) or 0
  local failed = (tonumber(seen[1]) or 0) * fading + failures
  local total = (tonumber(seen[2]) or 0) * fading + answers + failures
  local row = (answers > 0 and 0 or tonumber(seen[4]) or 0) + failures
  redis.call('HSET', key, 'failed', failed, 'total', total, 'at', now, 'row', row)
  redis.call('PEXPIRE', key, window * 60)
  return failed, total, row
end

local place = 9
for _ = 1, tonumber(ARGV[8]) do
  local name, answers, failures = ARGV[place], tonumber(ARGV[place + 1]), tonumber(ARGV[place + 2])
  local kind, reason = ARGV[place + 3], ARGV[place + 4]
  place = place + 5
  local entry = redis.call('HGET', KEYS[1], name)
  entry = entry and cjson.decode(entry)
  if not entry then
    local failed, total, row = count(name, answers, failures)
    local many = failed >= least and failed / total >= share
    if failures > 0 and (many or row >= least) then open(name, 0, kind, reason, now) end
  elseif entry['until'] <= now then
    if failures > 0 then
      open(name, entry.streak + 1, kind, reason, entry.since or now)
    elseif answers > 0 then
      redis.call('HDEL', KEYS[1], name)
      redis.call('DEL', prefix .. 'probe:' .. name)
      closed[#closed + 1] = name
    end
  end
end

local minute = prefix .. 'latency:' .. math.floor(now / 60000)
for at = place, #ARGV, 3 do
  redis.call('HINCRBY', minute, ARGV[at] .. '|' .. ARGV[at + 1], ARGV[at + 2])
end
if place <= #ARGV then redis.call('EXPIRE', minute, 900) end
if #opened + #closed > 0 then redis.call('PUBLISH', channel, '') end
return { opened, closed }
