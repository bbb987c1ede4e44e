-- Puts jobs into the queue. A job that is here already keeps its place; only its token may grow.
--
-- KEYS  1 jobs  2 delayed
-- ARGV  prefix, then for each job: id, fence, pool, project, weight, score, delay (ms)
-- Gives the ids that were not here before. Their projects' weights count for what is in line already, too.
local ids, new, written, delayed, weights, lines, rung = {}, {}, {}, {}, {}, {}, {}
for place = 2, #ARGV, 7 do ids[#ids + 1] = ARGV[place] end
local jobs = look_up(ids)

local function write(id, job)
  written[#written + 1] = id
  written[#written + 1] = cmsgpack.pack(job)
end

local function add(id, job, delay)
  write(id, job)
  new[#new + 1], rung[job.pool], weights[job.project] = id, true, job.weight
  if delay <= 0 then return add_to_line(lines, job, id) end
  delayed[#delayed + 1] = now + delay
  delayed[#delayed + 1] = id
end

local seen = {}
for at, id in ipairs(ids) do
  local place, job = 7 * at - 5, jobs[at]
  local fence = tonumber(ARGV[place + 1])
  if job then
    if not job.owner and fence > job.token then
      job.token = fence
      write(id, job)
    end
  elseif not seen[id] then
    local pool, project, weight, score = ARGV[place + 2], ARGV[place + 3], tonumber(ARGV[place + 4]), ARGV[place + 5]
    job = { token = fence, pool = pool, project = project, weight = weight, score = score }
    add(id, job, tonumber(ARGV[place + 6]))
  end
  seen[id] = true
end
send('HSET', KEYS[1], written)
send('ZADD', KEYS[2], delayed)
stand_in_line(lines)
local said = {}
for project, weight in pairs(weights) do
  said[#said + 1] = 'weight:' .. project
  said[#said + 1] = weight
end
send('HSET', projects, said)
redis.call('PEXPIRE', projects, KEPT_MS)
for pool in pairs(rung) do ring(pool) end
return new
