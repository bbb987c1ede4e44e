-- Ends a call's hold on its scopes: places are free, tokens are counted as they truly were, in the slot they were
-- counted in, and what the provider said of its limits is kept for a while.
--
-- KEYS  none: all begin with the prefix
-- ARGV  prefix, window (ms), slots, holder, slot, difference in tokens, news (the channel for those who wait),
--       life of what was said (ms), learned scope ('': nothing was said), requests a window, tokens a window,
--       most at once, running, rest (ms) (each -1: not said), then for each scope: name, mark
-- `others` rises by one at a time and falls at once: what the provider counted was counted a little before.
local prefix, window, slots, holder, slot = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local difference, learned = tonumber(ARGV[6]), ARGV[9]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local oldest = math.floor(now / (window / slots)) - slots

if learned ~= '' then
  local key = prefix .. 'l:' .. learned
  for at, name in ipairs({ 'r', 't', 'most' }) do
    if tonumber(ARGV[9 + at]) >= 0 then redis.call('HSET', key, name, ARGV[9 + at]) end
  end
  local running, rest = tonumber(ARGV[13]), tonumber(ARGV[14])
  if running >= 0 then
    local ours = redis.call('ZCOUNT', prefix .. 'p:' .. learned, now, '+inf')
    local before = tonumber(redis.call('HGET', key, 'others') or 0)
    redis.call('HSET', key, 'others', math.max(0, math.min(running - ours, before + 1)))
  end
  if rest >= 0 then redis.call('HSET', key, 'rest', now + rest) end
  redis.call('PEXPIRE', key, math.max(tonumber(ARGV[8]), rest))
end

for place = 15, #ARGV, 2 do
  local name, mark = ARGV[place], tonumber(ARGV[place + 1])
  local counts = prefix .. 't:' .. name
  local counted = mark % 2 == 1 and slot >= oldest and redis.call('HGET', counts, slot)
  if counted then
    local change = math.max(difference, -tonumber(counted))
    redis.call('HINCRBY', counts, slot, change)
    redis.call('HINCRBY', counts, 'sum', change)
  end
  if mark >= 2 then
    redis.call('ZREM', prefix .. 'p:' .. name, holder)
    if redis.call('DEL', prefix .. 'w:' .. name) == 1 then redis.call('PUBLISH', ARGV[7], name) end
  end
end
return 1
