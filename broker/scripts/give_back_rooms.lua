-- Ends calls' holds on their scopes: places are free, tokens are counted as they truly were, in the slot they were
-- counted in, and what the provider said of its limits is kept for a while.
--
-- KEYS  none: all begin with the prefix
-- ARGV  prefix, window (ms), slots, news (the channel for those who wait), life of what was said (ms), JSON: of each call
--       {holder, slot, difference in tokens, learned scope ('': nothing was said), {requests a window, tokens a window,
--       most at once, running, rest (ms)} (each -1: not said), scopes}, of each scope {name, mark}
-- `others` rises by one at a time and falls at once: what the provider counted was counted a little before.
local prefix, window, slots, news, life = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = math.floor(now / (window / slots)) - slots

local function learn(scope, said)
  local key, running, rest = prefix .. 'l:' .. scope, said[4], said[5]
  for at, name in ipairs({ 'r', 't', 'most' }) do
    if said[at] >= 0 then redis.call('HSET', key, name, said[at]) end
  end
  if running >= 0 then
    local ours = redis.call('ZCOUNT', prefix .. 'p:' .. scope, now, '+inf')
    local before = tonumber(redis.call('HGET', key, 'others') or 0)
    redis.call('HSET', key, 'others', math.max(0, math.min(running - ours, before + 1)))
  end
  if rest >= 0 then redis.call('HSET', key, 'rest', now + rest) end
  redis.call('PEXPIRE', key, math.max(life, rest))
end

local function give_back(holder, slot, difference, scopes)
  for _, scope in ipairs(scopes) do
    local name, mark = scope[1], scope[2]
    local counts = prefix .. 't:' .. name
    local counted = mark % 2 == 1 and slot >= oldest and redis.call('HGET', counts, slot)
    if counted then
      local change = math.max(difference, -tonumber(counted))
      redis.call('HINCRBY', counts, slot, change)
      redis.call('HINCRBY', counts, 'sum', change)
    end
    if mark >= 2 then
      redis.call('ZREM', prefix .. 'p:' .. name, holder)
      if redis.call('DEL', prefix .. 'w:' .. name) == 1 then redis.call('PUBLISH', news, name) end
    end
  end
end

for _, call in ipairs(cjson.decode(ARGV[6])) do
  if call[4] ~= '' then learn(call[4], call[5]) end
  give_back(call[1], call[2], call[3], call[6])
end
return 1
