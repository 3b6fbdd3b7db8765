-- SqliteStore and LimitState of sqlite.py and store.py, within Redis: atomic, and on the server's clock.
--
-- KEYS[1]  the format version
-- KEYS     then two per limit: its reservations (a sorted set of tokens by time), and its state (a hash);
--          or those of places: who holds one and who waits (sorted sets of owners by the end of their time), and the
--          queue (a sorted set of owners by the time at which they asked first)
-- ARGV[1]  the command, one of those at the end
-- ARGV[2]  its arguments, and the constants of store.py, as JSON

local arguments = cjson.decode(ARGV[2])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6
local NEVER = -math.huge
local CHUNK = 100

local NAMES = { 'closed_until', 'consecutive_429s', 'pace' }

local function as_text(number) return string.format('%.17g', number) end
local function reservations_key(index) return KEYS[2 * index] end
local function state_key(index) return KEYS[2 * index + 1] end
local function limit_count() return (#KEYS - 1) / 2 end

-- States

local function between(minimum, number, maximum)
  return number and minimum <= number and number <= maximum
end

-- A stored state, or the initial one if this script cannot have stored it by now: a limit must not stay closed for it.
local function load_state(index)
  local state, stored = {}, redis.call('HMGET', state_key(index), unpack(NAMES))
  for at, name in ipairs(NAMES) do state[name] = tonumber(stored[at] or nil) end
  local is_possible = between(NEVER, state.closed_until, now + arguments.max_back_off)
    and between(0, state.consecutive_429s, arguments.max_consecutive_429s)
    and between(arguments.min_pace, state.pace, 1)
  if is_possible then return state end
  return { closed_until = NEVER, consecutive_429s = 0, pace = 1 }
end

local function save_state(index, state)
  local fields = {}
  for name, number in pairs(state) do
    fields[#fields + 1] = name
    fields[#fields + 1] = as_text(number)
  end
  redis.call('HSET', state_key(index), unpack(fields))
  local closed_for = math.max(0, state.closed_until - now)
  redis.call('EXPIRE', state_key(index), math.ceil(closed_for + arguments.state_lifetime))
end

local function current_pace(state, limit)
  local allowed = math.max(0, now - state.closed_until) * limit.requests / limit.window
  return math.min(1, state.pace + arguments.pace_recovery * allowed ^ 2)
end

local function paced(state, limit)
  local pace = current_pace(state, limit)
  if pace == 1 then return limit end
  return { requests = 1, window = limit.window / (limit.requests * pace) }
end

local function back_off(index, state, limit, seconds, consecutive_429s)
  local closed_until = now + seconds
  if closed_until <= state.closed_until then return end
  if now > state.closed_until then
    state.pace = math.max(arguments.min_pace, arguments.pace_after_back_off * current_pace(state, limit))
  end
  state.closed_until, state.consecutive_429s = closed_until, consecutive_429s
  save_state(index, state)
end

-- Reservations

local examined = 0

local function times_after(index, start)
  local rank = redis.call('ZCOUNT', reservations_key(index), '-inf', as_text(start))
  local chunk, at = {}, 0
  return function()
    if at >= #chunk then
      chunk = redis.call('ZRANGE', reservations_key(index), rank, rank + CHUNK - 1, 'WITHSCORES')
      rank, at = rank + CHUNK, 0
    end
    at = at + 2
    local reserved = tonumber(chunk[at] or nil)
    if not reserved or reserved > now + arguments.max_reserved_ahead then return nil end
    examined = examined + 1
    if examined > arguments.max_examined then error('rate limiter: too many reservations') end
    return reserved
  end
end

local function earliest_time(index, limit, start)
  local neighbors, seen = {}, 0
  for reserved in times_after(index, start - limit.window) do
    seen = seen + 1
    neighbors[seen] = reserved
    if seen >= limit.requests then
      local first = neighbors[seen - limit.requests + 1]
      if reserved - limit.window >= start then break end
      if first + limit.window > start and reserved - limit.window < first then
        start = first + limit.window
      end
    end
  end
  return start
end

-- The time that suits every limit, and the limit that postponed it the furthest (0 for none).
local function place(states, limits, start)
  local send_time, limiting_index = start, 0
  for index, state in ipairs(states) do
    if state.closed_until > send_time then send_time, limiting_index = state.closed_until, index end
  end
  local suited, index = 0, 1
  while suited < limit_count() do
    local later = earliest_time(index, paced(states[index], limits[index]), send_time)
    if later > send_time then send_time, limiting_index, suited = later, index, 0 end
    suited, index = suited + 1, index % limit_count() + 1
  end
  return send_time, limiting_index
end

local function delete(token)
  for index = 1, limit_count() do redis.call('ZREM', reservations_key(index), token) end
end

local function last_time(key)
  return tonumber(redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2])
end

local function insert(index, send_time, limit)
  local key = reservations_key(index)
  local lifetime = math.max(arguments.reservation_lifetime, 2 * limit.window)
  redis.call('ZADD', key, as_text(send_time), arguments.token)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', as_text(now - lifetime))
  local last, latest = last_time(key), math.max(send_time, now + arguments.max_reserved_ahead)
  if last > latest then
    redis.call('ZREMRANGEBYSCORE', key, '(' .. as_text(latest), '+inf')
    last = last_time(key)
  end
  redis.call('EXPIRE', key, math.ceil(last - now + 2 * limit.window + arguments.reservation_lifetime))
end

-- Places

local function delete_expired(key, lifetime)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', as_text(now))
  redis.call('ZREMRANGEBYSCORE', key, '(' .. as_text(now + lifetime), '+inf')
end

local function expire_after(key, lifetime)
  redis.call('EXPIRE', key, math.ceil(2 * lifetime))
end

-- The number of owners in the queue before one, counted up to a maximum. Owners who no longer wait leave the queue.
local function count_waiting(waiting, queue, maximum)
  local count, rank = 0, 0
  while count < maximum do
    local first = redis.call('ZRANGE', queue, rank, rank)[1]
    if not first or first == arguments.owner then break end
    if redis.call('ZSCORE', waiting, first) then
      count, rank = count + 1, rank + 1
    else
      redis.call('ZREM', queue, first)
    end
    examined = examined + 1
    if examined > arguments.max_examined then error('rate limiter: too many reservations') end
  end
  return count
end

-- Hold a place if the owner has one or one is free; the number of owners before it, below 0 if it is held.
local function hold()
  local held, waiting, queue = KEYS[2], KEYS[3], KEYS[4]
  redis.call('SET', KEYS[1], arguments.format_version, 'EX', arguments.reservation_lifetime)
  delete_expired(held, arguments.max_place_seconds)
  delete_expired(waiting, arguments.waiter_lifetime)
  redis.call('ZREMRANGEBYSCORE', queue, '(' .. as_text(now), '+inf')
  if not redis.call('ZSCORE', waiting, arguments.owner) then redis.call('ZREM', queue, arguments.owner) end
  if not redis.call('ZSCORE', held, arguments.owner) then
    local free = arguments.places - redis.call('ZCOUNT', held, '-inf', '+inf')
    local before = count_waiting(waiting, queue, math.max(0, free) + arguments.max_polls) - free
    if before >= 0 then return before end
  end
  redis.call('ZADD', held, as_text(now + math.min(arguments.seconds, arguments.max_place_seconds)), arguments.owner)
  redis.call('ZREM', waiting, arguments.owner)
  redis.call('ZREM', queue, arguments.owner)
  expire_after(held, arguments.max_place_seconds)
  return -1
end

local commands = {}

function commands.acquire_place()
  local before = hold()
  if before < 0 then return before end
  local waiting, queue = KEYS[3], KEYS[4]
  redis.call('ZADD', waiting, as_text(now + arguments.waiter_lifetime), arguments.owner)
  if not redis.call('ZSCORE', queue, arguments.owner) then redis.call('ZADD', queue, as_text(now), arguments.owner) end
  expire_after(waiting, arguments.waiter_lifetime)
  expire_after(queue, arguments.waiter_lifetime)
  return before
end

function commands.renew_place()
  return hold()
end

function commands.release_place()
  for index = 2, 4 do redis.call('ZREM', KEYS[index], arguments.owner) end
end

function commands.reserve()
  redis.call('SET', KEYS[1], arguments.format_version, 'EX', arguments.reservation_lifetime)
  if arguments.replacing then delete(arguments.replacing) end
  local states = {}
  for index = 1, limit_count() do states[index] = load_state(index) end
  local send_time, limiting_index = place(states, arguments.limits, now + arguments.min_wait)
  -- Seconds since 1970 leave a fraction of a microsecond to rounding.
  local has_capacity = send_time - now <= arguments.max_wait + 1e-6
  if has_capacity then
    for index, limit in ipairs(arguments.limits) do insert(index, send_time, limit) end
  end
  return { as_text(send_time), as_text(send_time - now), limiting_index, has_capacity and 1 or 0 }
end

function commands.release()
  delete(arguments.token)
end

function commands.lateness()
  -- A server that lost its data has given the place to another request.
  if not redis.call('ZSCORE', reservations_key(1), arguments.token) then return false end
  for index = 1, limit_count() do
    if load_state(index).closed_until > now then return false end
  end
  return as_text(now - arguments.time)
end

function commands.back_off()
  local states = {}
  for index = 1, limit_count() do states[index] = load_state(index) end
  local last = states[1]
  for index = 2, arguments.narrowest do
    if states[index].closed_until > last.closed_until then last = states[index] end
  end
  local last_closed_until, count = last.closed_until, last.consecutive_429s
  local is_consecutive = now - last_closed_until < arguments.consecutive_429_window
  local seconds, closing
  if arguments.time < last_closed_until then
    -- Sent before the limit was closed: it adds nothing.
    seconds = math.max(last_closed_until - now, arguments.retry_after or 0)
    closing = arguments.narrowest
  else
    count = (is_consecutive and count or 0) + (arguments.retry_after and 0 or 1)
    count = math.min(count, arguments.max_consecutive_429s)
    seconds = arguments.retry_after or arguments.delays[count]
    closing = is_consecutive and limit_count() or arguments.narrowest
  end
  seconds = math.min(seconds, arguments.max_back_off)
  for index = 1, closing do back_off(index, states[index], arguments.limits[index], seconds, count) end
  return as_text(math.max(0, seconds))
end

-- KEYS[2] is that of the credentials in these two.
function commands.accept()
  redis.call('SET', KEYS[2], '1', 'EX', arguments.accepted_lifetime)
end

function commands.is_accepted()
  return redis.call('GET', KEYS[2])
end

local found = redis.call('GET', KEYS[1])
if found and found ~= arguments.format_version then
  return redis.error_reply('ERR rate limiter: format ' .. (string.match(found, '^%d%d?%d?$') or 'unknown'))
end
return commands[ARGV[1]]()
