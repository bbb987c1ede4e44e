-- Counts tokens as they truly were, in the slot where an estimate was counted.
--
-- KEYS  1 what was remembered: slot, tokens, scope
-- ARGV  prefix, window (ms), slots, tokens
local remembered = redis.call('GETDEL', KEYS[1])
if not remembered then return 0 end
local slot, tokens, scope = string.match(remembered, '^(%d+) (%d+) (.+)$')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local counts = ARGV[1] .. 't:' .. scope
local counted = redis.call('HGET', counts, slot)
if not counted or tonumber(slot) < math.floor(now / (ARGV[2] / ARGV[3])) - ARGV[3] then return 0 end
local change = math.max(ARGV[4] - tokens, -tonumber(counted))
redis.call('HINCRBY', counts, slot, change)
redis.call('HINCRBY', counts, 'sum', change)
return 1
