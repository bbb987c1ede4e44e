-- Everything that is known of the routes. Rests that are over are forgotten, credentials' marks are kept.
--
-- KEYS  1 breakers  2 rests  3 credentials
-- ARGV  prefix, minutes of latencies, base of their buckets, how long the medians may be reused (ms)
-- Gives JSON: breakers, rests, credentials (each by name: left_ms, kind, reason, and of breakers since, in ms of this
-- server's clock) and latency_ms (by model).
local prefix, minutes, base = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local forgotten_after = { 3600000, 0, false }

local function read(number)
  local found, entries = {}, redis.call('HGETALL', KEYS[number])
  for at = 1, #entries, 2 do
    local entry = cjson.decode(entries[at + 1])
    local left = entry['until'] - now
    if forgotten_after[number] and left < -forgotten_after[number] then
      redis.call('HDEL', KEYS[number], entries[at])
    else
      found[entries[at]] = { left_ms = left, kind = entry.kind, reason = entry.reason, since = entry.since }
    end
  end
  return found
end

local function medians()
  local counts, totals = {}, {}
  for back = 0, minutes - 1 do
    local fields = redis.call('HGETALL', prefix .. 'latency:' .. (math.floor(now / 60000) - back))
    for at = 1, #fields, 2 do
      local model, bucket = string.match(fields[at], '^(.*)|(%d+)$')
      local number, some = tonumber(bucket), tonumber(fields[at + 1])
      counts[model] = counts[model] or {}
      counts[model][number] = (counts[model][number] or 0) + some
      totals[model] = (totals[model] or 0) + some
    end
  end
  local found = {}
  for model, buckets in pairs(counts) do
    local numbers = {}
    for number in pairs(buckets) do numbers[#numbers + 1] = number end
    table.sort(numbers)
    local seen = 0
    for _, number in ipairs(numbers) do
      seen = seen + buckets[number]
      if seen * 2 >= totals[model] then
        found[model] = base ^ number
        break
      end
    end
  end
  return cjson.encode(found)
end

local latencies = redis.call('GET', prefix .. 'medians')
if not latencies then
  latencies = medians()
  redis.call('SET', prefix .. 'medians', latencies, 'PX', ARGV[4])
end
local lists = { breakers = read(1), rests = read(2), credentials = read(3) }
local parts = {}
for name, list in pairs(lists) do parts[#parts + 1] = '"' .. name .. '":' .. cjson.encode(list) end
return '{' .. table.concat(parts, ',') .. ',"latency_ms":' .. latencies .. '}'
