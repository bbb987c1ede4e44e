-- Forgets jobs that are over. A job that somebody else has claimed since is left to them.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, then for each job: id, token
-- Gives how many were forgotten.
local ids, gone, freed = {}, {}, lists()
for place = 2, #ARGV, 2 do ids[#ids + 1] = ARGV[place] end
for at, job in ipairs(look_up(ids)) do
  local id = ids[at]
  if job and job.token <= tonumber(ARGV[2 * at + 1]) then
    gone[#gone + 1] = id
    make_room(id, job)
    if job.owner then
      local leased = freed[job.pool]
      leased[#leased + 1] = id
      count_held(job, true)
    else
      redis.call('ZREM', KEYS[2], id)
      redis.call('ZREM', prefix .. 'ready:' .. job.pool .. ':' .. job.project, id)
    end
  end
end
if #gone == 0 then return 0 end
redis.call('HDEL', KEYS[1], unpack(gone))
local busy = settle()
for pool, leased in pairs(freed) do
  redis.call('ZREM', prefix .. 'leases:' .. pool, unpack(leased))
  if not busy[pool] then forget_idle(pool) end
end
return #gone
