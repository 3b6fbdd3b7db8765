-- What SqliteStore and LimitState of stores.py do, within Redis: atomic, and on the server's clock.
--
-- KEYS     of each limit two: its reservations (a sorted set of tokens by moment), and its state (a hash)
-- ARGV[1]  the command, one of those at the end
-- ARGV[2]  its arguments, and the constants of stores.py, as JSON

local asked = cjson.decode(ARGV[2])
local time = redis.call('TIME')
local now = time[1] + time[2] / 1e6
local NEVER = -math.huge
local CHUNK = 100

local INITIAL = {
  closed_until = NEVER, strikes = 0, part = 1, lowest = 0, lowest_until = NEVER,
  full_calls = 0, full_window = 0, full_from = 0, full_until = NEVER,
}

local NAMES = {}
for name in pairs(INITIAL) do NAMES[#NAMES + 1] = name end

local function text(number) return string.format('%.17g', number) end
local function reserved_key(index) return KEYS[2 * index - 1] end
local function state_key(index) return KEYS[2 * index] end
local function limits() return #KEYS / 2 end

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
    fields[#fields + 1] = text(number)
  end
  redis.call('HSET', state_key(index), unpack(fields))
  local closed_for = math.max(0, state.closed_until - now)
  redis.call('EXPIRE', state_key(index), math.ceil(closed_for + asked.state_life))
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

local function agree(state, demand)
  if state.lowest_until > now and demand.calls > state.lowest then return end
  if state.lowest == demand.calls and state.lowest_until > now + asked.agreement_life / 2 then return end
  state.lowest, state.lowest_until = demand.calls, now + asked.agreement_life
end

local function pace(state, demand)
  local allowed = math.max(0, now - state.closed_until) * demand.calls / demand.window
  return math.min(1, state.part + asked.regained * allowed ^ 2)
end

local function slowed(state, demand)
  local part = pace(state, demand)
  if part == 1 then return demand end
  return { calls = 1, window = demand.window / (demand.calls * part) }
end

local function push_back(state, demand, seconds, strikes)
  local closed_until = now + seconds
  if closed_until <= state.closed_until then return end
  if now > state.closed_until then
    state.part = math.max(asked.slowest, asked.slowed_to * pace(state, demand))
  end
  state.closed_until, state.strikes = closed_until, strikes
end

-- Stretches that are known to have no room

local function knows(state, demand)
  return state.full_calls == demand.calls and state.full_window == demand.window
end

local function full_ahead(state, demand, moment)
  local ahead = knows(state, demand) and moment < state.full_from and state.full_from < state.full_until
  return ahead and state.full_from or math.huge
end

local function found_full(state, demand, begin, finish)
  if knows(state, demand) and state.full_until > now and state.full_from <= finish then
    if begin > state.full_until then return end
    begin, finish = math.min(begin, state.full_from), math.max(finish, state.full_until)
  end
  state.full_calls, state.full_window = demand.calls, demand.window
  state.full_from, state.full_until = begin, finish
end

local function forget_full_around(state, moment)
  local from, finish, window = state.full_from, state.full_until, state.full_window
  if not (from - window < moment and moment < finish + window) then return end
  if moment - from > finish - moment then
    state.full_until = moment - window
  else
    state.full_from = moment + window
  end
end

-- Moments

local function moments_after(index, moment)
  local rank = redis.call('ZCOUNT', reserved_key(index), '-inf', text(moment))
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

local function earliest(index, demand, start, stop)
  local neighbours, seen = {}, 0
  for moment in moments_after(index, start - demand.window) do
    seen = seen + 1
    neighbours[seen] = moment
    if seen >= demand.calls then
      local first = neighbours[seen - demand.calls + 1]
      if moment - demand.window >= start or start >= stop then break end
      if first + demand.window > start and moment - demand.window < first then
        start = first + demand.window
      end
    end
  end
  return start
end

local function find_room(index, state, demand, start)
  local paced = slowed(state, demand)
  local moment, known_from = start, start
  while moment >= known_from do
    if knows(state, paced) and state.full_from <= moment and moment < state.full_until then
      moment = state.full_until
    end
    known_from = full_ahead(state, paced, moment)
    moment = earliest(index, paced, moment, known_from)
  end
  if moment > start then found_full(state, paced, start, moment) end
  return moment
end

-- The moment that suits every limit, and which limit pushed it the furthest (0 for none).
local function place(states, demands, start)
  local moment, held_by = start, 0
  for index, state in ipairs(states) do
    if state.closed_until > moment then moment, held_by = state.closed_until, index end
  end
  local suited, index = 0, 1
  while suited < limits() do
    local later = find_room(index, states[index], demands[index], moment)
    if later > moment then moment, held_by, suited = later, index, 0 end
    suited, index = suited + 1, index % limits() + 1
  end
  return moment, held_by
end

local function give_up(token)
  for index = 1, limits() do
    local moment = redis.call('ZSCORE', reserved_key(index), token)
    if moment then
      redis.call('ZREM', reserved_key(index), token)
      local state, save = open_state(index)
      forget_full_around(state, tonumber(moment))
      save()
    end
  end
end

local function book(index, moment, demand)
  local key = reserved_key(index)
  redis.call('ZADD', key, text(moment), asked.token)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', text(now - math.max(asked.forgotten_after, 2 * demand.window)))
  local last = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  redis.call('EXPIRE', key, math.ceil(last - now + 2 * demand.window + asked.forgotten_after))
end

local commands = {}

function commands.reserve()
  if asked.replacing then give_up(asked.replacing) end
  local states, demands, lowest, saves = {}, {}, {}, {}
  for index, demand in ipairs(asked.demands) do
    states[index], saves[index] = open_state(index)
    demands[index], lowest[index] = demand, tostring(demand.calls)
    if asked.agree then
      agree(states[index], demand)
      demands[index] = { calls = math.min(demand.calls, states[index].lowest), window = demand.window }
      lowest[index] = tostring(demands[index].calls)
    end
  end
  local moment, held_by = place(states, demands, now + asked.not_within)
  for _, save in ipairs(saves) do save() end
  if moment - now <= asked.longest_wait then
    for index, demand in ipairs(demands) do book(index, moment, demand) end
  end
  return { text(moment), text(moment - now), held_by, lowest }
end

function commands.release()
  give_up(asked.token)
end

function commands.lateness()
  for index = 1, limits() do
    local closed_until = redis.call('HGET', state_key(index), 'closed_until')
    if closed_until and tonumber(closed_until) > now then return false end
  end
  return text(now - asked.moment)
end

function commands.push_back()
  local states, saves = {}, {}
  for index = 1, limits() do states[index], saves[index] = open_state(index) end
  local last = states[1]
  for index = 2, asked.narrowest do
    if states[index].closed_until > last.closed_until then last = states[index] end
  end
  local again = now - last.closed_until < asked.strike_memory
  local strikes = (again and last.strikes or 0) + (asked.seconds and 0 or 1)
  local seconds = asked.seconds or asked.growing[math.min(strikes, #asked.growing)]
  local closing = again and limits() or asked.narrowest
  if asked.moment < last.closed_until then
    seconds, strikes = math.max(last.closed_until - now, asked.seconds or 0), last.strikes
    closing = asked.narrowest
  end
  for index = 1, closing do push_back(states[index], asked.demands[index], seconds, strikes) end
  for _, save in ipairs(saves) do save() end
  return text(math.max(0, seconds))
end

return commands[ARGV[1]]()
