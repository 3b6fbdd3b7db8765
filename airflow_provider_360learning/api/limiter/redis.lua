-- What SqliteStore and LimitState of stores.py do, within Redis: atomic, and on the server's clock.
--
-- KEYS     of each limit two: its reservations (a sorted set of tokens by moment), and its state (a hash)
-- ARGV[1]  the command, one of those at the end
-- ARGV[2]  its arguments, and the constants of stores.py, as JSON

local arguments = cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local NEVER = -math.huge
local CHUNK = 100

local INITIAL = { closed_until = NEVER, consecutive_429s = 0, part = 1, lowest = 0, lowest_until = NEVER }

local NAMES = {}
for name in pairs(INITIAL) do NAMES[#NAMES + 1] = name end

local function as_text(number) return string.format('%.17g', number) end
local function reserved_key(index) return KEYS[2 * index - 1] end
local function state_key(index) return KEYS[2 * index] end
local function limit_count() return #KEYS / 2 end

-- States

local function load_state(index)
  local state, known = {}, redis.call('HMGET', state_key(index), unpack(NAMES))
  for at, name in ipairs(NAMES) do state[name] = tonumber(known[at] or nil) or INITIAL[name] end
  return state
end

local function save_state(index, state)
  local fields = {}
  for name, number in pairs(state) do
    fields[#fields + 1] = name
    fields[#fields + 1] = as_text(number)
  end
  redis.call('HSET', state_key(index), unpack(fields))
  local closed_for = math.max(0, state.closed_until - now)
  redis.call('EXPIRE', state_key(index), math.ceil(closed_for + arguments.state_life))
end

-- A state that is saved only if something was changed in it.
local function open_state(index)
  local known, changed = load_state(index), {}
  local state = setmetatable({}, {
    __index = known,
    __newindex = function(_, name, number)
      if known[name] ~= number then known[name], changed[1] = number, true end
    end,
  })
  return state, function() if changed[1] then save_state(index, known) end end
end

local function agree(state, limit)
  if state.lowest_until > now and limit.requests > state.lowest then return end
  if state.lowest == limit.requests and state.lowest_until > now + arguments.agreement_life / 2 then return end
  state.lowest, state.lowest_until = limit.requests, now + arguments.agreement_life
end

local function pace(state, limit)
  local allowed = math.max(0, now - state.closed_until) * limit.requests / limit.window
  return math.min(1, state.part + arguments.regained * allowed ^ 2)
end

local function slowed(state, limit)
  local part = pace(state, limit)
  if part == 1 then return limit end
  return { requests = 1, window = limit.window / (limit.requests * part) }
end

local function back_off(state, limit, seconds, consecutive_429s)
  local closed_until = now + seconds
  if closed_until <= state.closed_until then return end
  if now > state.closed_until then
    state.part = math.max(arguments.slowest, arguments.slowed_to * pace(state, limit))
  end
  state.closed_until, state.consecutive_429s = closed_until, consecutive_429s
end

-- Moments

local function moments_after(index, moment)
  local rank = redis.call('ZCOUNT', reserved_key(index), '-inf', as_text(moment))
  local chunk, at = {}, 0
  return function()
    if at >= #chunk then
      chunk = redis.call('ZRANGE', reserved_key(index), rank, rank + CHUNK - 1, 'WITHSCORES')
      rank, at = rank + CHUNK, 0
    end
    at = at + 2
    return tonumber(chunk[at] or nil)
  end
end

local function earliest(index, limit, start)
  local neighbours, seen = {}, 0
  for moment in moments_after(index, start - limit.window) do
    seen = seen + 1
    neighbours[seen] = moment
    if seen >= limit.requests then
      local first = neighbours[seen - limit.requests + 1]
      if moment - limit.window >= start then break end
      if first + limit.window > start and moment - limit.window < first then
        start = first + limit.window
      end
    end
  end
  return start
end

-- The moment that suits every limit, and which limit pushed it the furthest (0 for none).
local function place(states, limits, start)
  local moment, limiting_key = start, 0
  for index, state in ipairs(states) do
    if state.closed_until > moment then moment, limiting_key = state.closed_until, index end
  end
  local suited, index = 0, 1
  while suited < limit_count() do
    local later = earliest(index, slowed(states[index], limits[index]), moment)
    if later > moment then moment, limiting_key, suited = later, index, 0 end
    suited, index = suited + 1, index % limit_count() + 1
  end
  return moment, limiting_key
end

local function give_up(token)
  for index = 1, limit_count() do redis.call('ZREM', reserved_key(index), token) end
end

local function book(index, moment, limit)
  local key = reserved_key(index)
  redis.call('ZADD', key, as_text(moment), arguments.token)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', as_text(now - math.max(arguments.forgotten_after, 2 * limit.window)))
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  redis.call('EXPIRE', key, math.ceil(last - now + 2 * limit.window + arguments.forgotten_after))
end

local commands = {}

function commands.reserve()
  if arguments.replacing then give_up(arguments.replacing) end
  local states, limits, lowest, saves = {}, {}, {}, {}
  for index, limit in ipairs(arguments.limits) do
    states[index], saves[index] = open_state(index)
    limits[index], lowest[index] = limit, tostring(limit.requests)
    if arguments.agree then
      agree(states[index], limit)
      limits[index] = { requests = math.min(limit.requests, states[index].lowest), window = limit.window }
      lowest[index] = tostring(limits[index].requests)
    end
  end
  local moment, limiting_key = place(states, limits, now + arguments.not_within)
  for _, save in ipairs(saves) do save() end
  -- Seconds since 1970 leave a fraction of a microsecond to rounding.
  local has_capacity = moment - now <= arguments.max_wait + 1e-6
  if has_capacity then
    for index, limit in ipairs(limits) do book(index, moment, limit) end
  end
  return { as_text(moment), as_text(moment - now), limiting_key, lowest, has_capacity and 1 or 0 }
end

function commands.release()
  give_up(arguments.token)
end

function commands.lateness()
  -- A server that lost its data has given the place to somebody else.
  if not redis.call('ZSCORE', reserved_key(1), arguments.token) then return false end
  for index = 1, limit_count() do
    local closed_until = redis.call('HGET', state_key(index), 'closed_until')
    if closed_until and tonumber(closed_until) > now then return false end
  end
  return as_text(now - arguments.moment)
end

function commands.back_off()
  local states, saves = {}, {}
  for index = 1, limit_count() do states[index], saves[index] = open_state(index) end
  local last = states[1]
  for index = 2, arguments.narrowest do
    if states[index].closed_until > last.closed_until then last = states[index] end
  end
  local again = now - last.closed_until < arguments.strike_memory
  local consecutive_429s = (again and last.consecutive_429s or 0) + (arguments.seconds and 0 or 1)
  local seconds = arguments.seconds or arguments.growing[math.min(consecutive_429s, #arguments.growing)]
  local closing = again and limit_count() or arguments.narrowest
  if arguments.moment < last.closed_until then
    seconds, consecutive_429s = math.max(last.closed_until - now, arguments.seconds or 0), last.consecutive_429s
    closing = arguments.narrowest
  end
  for index = 1, closing do back_off(states[index], arguments.limits[index], seconds, consecutive_429s) end
  for _, save in ipairs(saves) do save() end
  return as_text(math.max(0, seconds))
end

return commands[ARGV[1]]()
