-- Keeps what was taken for each of some jobs, until their true tokens are known or the window is over.
--
-- KEYS  none: all begin with the prefix
-- ARGV  prefix, window (ms), slots, slot, scope, then for each job: name, tokens
for place = 6, #ARGV, 2 do
  local said = ARGV[4] .. ' ' .. ARGV[place + 1] .. ' ' .. ARGV[5]
  redis.call('SET', ARGV[1] .. 'owed:' .. ARGV[place], said, 'PX', ARGV[2])
end
return 1
