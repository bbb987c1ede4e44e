-- What scopes hold now, for operators. Changes nothing.
--
-- KEYS  none: all begin with the prefix
-- ARGV  prefix, window (ms), slots, scopes…
-- Gives for each scope: requests, tokens and places in use, then what its provider said: requests a minute, tokens a
-- minute, most at once, used by others, rest (ms) (nil: not said).
local prefix, window, slots = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local slot = math.floor(now / (window / slots))

local function used(name)
  local names, sum = {}, 0
  for one = slot - slots, slot do names[#names + 1] = one end
  for _, count in ipairs(redis.call('HMGET', name, unpack(names))) do sum = sum + (count or 0) end
  return sum
end

local found = {}
for place = 4, #ARGV do
  local name = ARGV[place]
  local said = redis.call('HMGET', prefix .. 'l:' .. name, 'r', 't', 'most', 'others', 'rest')
  local rest = said[5] and tonumber(said[5]) > now and string.format('%.0f', said[5] - now) or false
  found[#found + 1] = {
    used(prefix .. 'r:' .. name), used(prefix .. 't:' .. name),
    redis.call('ZCOUNT', prefix .. 'p:' .. name, now, '+inf'), said[1], said[2], said[3], said[4], rest,
  }
end
return found
