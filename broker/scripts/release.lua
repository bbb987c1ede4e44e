-- Gives claimed jobs back, to be run after a delay. A job that somebody else has claimed since is left to them.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, then for each job: id, token, delay (ms)
-- Gives how many were given back.
local ids, back, lines, rung = {}, {}, {}, {}
for place = 2, #ARGV, 3 do ids[#ids + 1] = ARGV[place] end
for at, job in ipairs(look_up(ids)) do
  local id = ids[at]
  if job and job.owner and job.token == tonumber(ARGV[3 * at]) then
    count_held(job, false)
    make_room(id, job)
    job.owner, job.since, job.paid, job.capped = nil, nil, nil, nil
    redis.call('HSET', KEYS[1], id, cmsgpack.pack(job))
    redis.call('ZREM', prefix .. 'leases:' .. job.pool, id)
    back[#back + 1] = { id = id, job = job, delay = tonumber(ARGV[3 * at + 1]) }
  end
end
settle()
for _, one in ipairs(back) do
  local job = one.job
  if one.delay > 0 then
    redis.call('ZADD', KEYS[2], now + one.delay, one.id)
  else
    add_to_line(lines, job, one.id)
  end
  rung[job.pool] = true
end
stand_in_line(lines)
for pool in pairs(rung) do ring(pool) end
return #back
