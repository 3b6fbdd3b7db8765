-- SqliteStore and LimitState of sqlite.py and store.py, within PostgreSQL: atomic, and on the server's clock.
--
-- Run once per database, in one transaction. Braces: constants of store.py, and of postgres.py.
-- Each command of remote.py is a function. Their names end in a digest of this text, so that versions of the provider
-- with the same tables and other functions can use them at the same time.

SELECT pg_advisory_xact_lock({lock});  -- one of the processes that start at the same time creates all of it

DO $create$
DECLARE stored integer;
BEGIN
    IF to_regnamespace('{schema}') IS NULL THEN
        CREATE SCHEMA {schema};
    END IF;
    -- Another user could have put functions into a schema of its own that would run with the rights of this one.
    IF NOT EXISTS (
        SELECT FROM pg_namespace JOIN pg_roles ON nspowner = pg_roles.oid
        WHERE nspname = '{schema}' AND rolname = current_user
    ) THEN
        RAISE 'rate limiter: owner' USING ERRCODE = '{owner_error}';
    END IF;
    IF to_regclass('{schema}.format') IS NULL THEN
        -- Not logged: a commit waits for no disk and no replica, and no archive grows. A crash or a failover empties the
        -- tables; the reservations in them would have been past anyway.
        CREATE UNLOGGED TABLE {schema}.accepted (credentials text PRIMARY KEY, time float8 NOT NULL);
        CREATE UNLOGGED TABLE {schema}.limits (
            key text PRIMARY KEY,
            closed_until float8 NOT NULL,
            consecutive_429s integer NOT NULL,
            pace float8 NOT NULL
        ) WITH (fillfactor = 50);
        CREATE UNLOGGED TABLE {schema}.places (
            key text,
            owner text,
            is_held boolean NOT NULL,
            since float8 NOT NULL,
            expires float8 NOT NULL,
            PRIMARY KEY (key, owner)
        ) WITH (fillfactor = 50);
        -- Some 18,000 rows at full load, of which as many are deleted every two minutes: their space is used again.
        CREATE UNLOGGED TABLE {schema}.reservations (
            key text,
            time float8,
            token bigint,
            PRIMARY KEY (key, time, token)
        ) WITH (
            autovacuum_vacuum_scale_factor = 0,
            autovacuum_vacuum_threshold = 2000,
            autovacuum_vacuum_cost_delay = 0
        );
        CREATE TABLE {schema}.format (version integer NOT NULL);
        INSERT INTO {schema}.format VALUES ({format_version});
        -- When the tables were last cleaned up. One row, or none after a crash.
        CREATE UNLOGGED TABLE {schema}.cleanup (time float8 NOT NULL) WITH (fillfactor = 10);
    END IF;
    SELECT version INTO STRICT stored FROM {schema}.format;
    IF stored <> {format_version} THEN
        RAISE 'rate limiter: format %', stored USING ERRCODE = '{format_error}';
    END IF;
END
$create$;

DO $install$
BEGIN
IF to_regprocedure('{schema}.{last_function}') IS NULL THEN  -- else another process has just created all of them
EXECUTE $functions$

CREATE FUNCTION {schema}.time_{digest}() RETURNS float8 LANGUAGE sql AS $$
    SELECT extract(epoch FROM clock_timestamp())::float8
$$;

-- The time, once this transaction is the only one that uses the tables.
CREATE FUNCTION {schema}.begin_{digest}() RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN  -- it would not see what others have done
        RAISE 'rate limiter: isolation' USING ERRCODE = '{isolation_error}';
    END IF;
    PERFORM pg_advisory_xact_lock({lock});
    RETURN {schema}.time_{digest}();
END
$$;

-- States

-- A stored state, or the initial one if this code cannot have stored it by now: a limit must not stay closed for it.
CREATE FUNCTION {schema}.state_{digest}(wanted text, now float8) RETURNS {schema}.limits
LANGUAGE plpgsql AS $$
DECLARE state {schema}.limits;
BEGIN
    SELECT * INTO state FROM {schema}.limits WHERE key = wanted AND closed_until <= now + {max_back_off}
        AND consecutive_429s BETWEEN 0 AND {max_consecutive_429s} AND pace BETWEEN {min_pace} AND 1;
    IF NOT FOUND THEN
        state := ROW(wanted, '-infinity', 0, 1);
    END IF;
    RETURN state;
END
$$;

CREATE FUNCTION {schema}.pace_{digest}(
    state {schema}.limits, requests integer, length float8, now float8
) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE allowed float8 := least(greatest(0, now - state.closed_until), 1e6) * requests / length;
BEGIN
    RETURN least(1, state.pace + {pace_recovery} * allowed * allowed);
END
$$;

-- Reservations

-- earliest_time of store.py. A row of "full" is a run of as many reservations as a window may have: a further request
-- can be sent neither after its last one less a window, nor before its first one plus a window.
CREATE FUNCTION {schema}.earliest_time_{digest}(
    wanted text, requests integer, length float8, start float8, now float8
) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE gap record;
BEGIN
    SELECT * INTO gap FROM (
        SELECT
            closed_until,
            number,
            first_value(closed_from) OVER numbered >= start AS is_free,
            lead(closed_from) OVER numbered AS next_from
        FROM (
            SELECT
                row_number() OVER timed AS number,
                lead(time, requests - 1) OVER timed - length AS closed_from,
                time,
                time + length AS closed_until
            FROM (
                SELECT time FROM {schema}.reservations
                WHERE key = wanted AND time > start - length AND time <= now + {max_reserved_ahead}
                ORDER BY time LIMIT {max_examined}
            ) AS reserved
            WINDOW timed AS (ORDER BY time ROWS UNBOUNDED PRECEDING)
        ) AS runs
        WHERE closed_from < time AND closed_until > start
        WINDOW numbered AS (ORDER BY number ROWS UNBOUNDED PRECEDING)
    ) AS full_runs
    WHERE is_free OR next_from IS NULL OR next_from >= closed_until
    ORDER BY number LIMIT 1;
    IF NOT FOUND OR gap.is_free THEN
        RETURN start;
    ELSIF gap.number + requests > {max_examined} THEN
        RAISE 'rate limiter: too many reservations' USING ERRCODE = '{flood_error}';
    END IF;
    RETURN gap.closed_until;
END
$$;

CREATE FUNCTION {schema}.clean_up_{digest}(lengths float8[], now float8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE lifetime float8 := greatest({reservation_lifetime}, 2 * (SELECT max(length) FROM unnest(lengths) AS length));
BEGIN
    IF EXISTS (SELECT FROM {schema}.cleanup WHERE time BETWEEN now - {reservation_lifetime} AND now) THEN
        RETURN;
    END IF;
    DELETE FROM {schema}.cleanup;
    INSERT INTO {schema}.cleanup VALUES (now);
    DELETE FROM {schema}.reservations WHERE time <= now - lifetime OR time > now + {max_reserved_ahead};
    DELETE FROM {schema}.accepted WHERE time <= now - {accepted_lifetime} OR time > now;
    DELETE FROM {schema}.places WHERE expires <= now OR expires > now + {max_place_seconds} OR since > now;
    DELETE FROM {schema}.limits WHERE closed_until <= now - {state_lifetime};
END
$$;

-- The reserved time, the seconds until then, the number of the limit that postponed it the furthest, and success.
CREATE FUNCTION {schema}.reserve_{digest}(
    keys text[], requests integer[], lengths float8[], max_wait float8, min_wait float8,
    replaced_time float8, replaced_token bigint, token bigint
) RETURNS float8[] LANGUAGE plpgsql {settings} AS $$
DECLARE
    now float8 := {schema}.begin_{digest}();
    count integer := cardinality(keys);
    send_time float8 := now + min_wait;
    limiting integer := 0;
    suited integer := 0;
    at integer := 1;
    later float8;
    pace float8;
    states {schema}.limits[];
BEGIN
    PERFORM {schema}.release_{digest}(keys, replaced_time, replaced_token);
    FOR index IN 1..count LOOP
        states[index] := {schema}.state_{digest}(keys[index], now);
        IF states[index].closed_until > send_time THEN
            send_time := states[index].closed_until;
            limiting := index;
        END IF;
        pace := {schema}.pace_{digest}(states[index], requests[index], lengths[index], now);
        IF pace < 1 THEN  -- a slowed limit spaces requests evenly
            lengths[index] := lengths[index] / (requests[index] * pace);
            requests[index] := 1;
        END IF;
    END LOOP;
    WHILE suited < count LOOP
        later := {schema}.earliest_time_{digest}(keys[at], requests[at], lengths[at], send_time, now);
        IF later > send_time THEN
            send_time := later;
            limiting := at;
            suited := 0;
        END IF;
        suited := suited + 1;
        at := at % count + 1;
    END LOOP;
    IF send_time - now > max_wait + 1e-6 THEN  -- seconds since 1970 leave a fraction of a microsecond to rounding
        RETURN ARRAY[send_time, send_time - now, limiting, 0];
    END IF;
    INSERT INTO {schema}.reservations SELECT key, send_time, token FROM unnest(keys) AS key;
    PERFORM {schema}.clean_up_{digest}(lengths, now);
    RETURN ARRAY[send_time, greatest(0, send_time - {schema}.time_{digest}()), limiting, 1];
END
$$;

CREATE FUNCTION {schema}.release_{digest}(keys text[], reserved float8, wanted bigint) RETURNS void
LANGUAGE plpgsql {settings} AS $$
BEGIN
    -- A range: what a client has read may differ in its last digits.
    DELETE FROM {schema}.reservations
    WHERE key = ANY (keys) AND time BETWEEN reserved - 1e-3 AND reserved + 1e-3 AND token = wanted;
END
$$;

CREATE FUNCTION {schema}.lateness_{digest}(keys text[], reserved float8, wanted bigint) RETURNS float8
LANGUAGE plpgsql {settings} AS $$
DECLARE now float8 := {schema}.time_{digest}();
BEGIN
    -- A server that lost its data has given the place to another request.
    IF NOT EXISTS (
        SELECT FROM {schema}.reservations
        WHERE key = keys[1] AND time BETWEEN reserved - 1e-3 AND reserved + 1e-3 AND token = wanted
    ) OR EXISTS (
        SELECT FROM unnest(keys) AS key WHERE ({schema}.state_{digest}(key, now)).closed_until > now
    ) THEN
        RETURN NULL;
    END IF;
    RETURN now - reserved;
END
$$;

-- After a 429

CREATE FUNCTION {schema}.back_off_{digest}(
    keys text[], requests integer[], lengths float8[], narrowest integer, sent float8, retry_after float8,
    delays float8[]
) RETURNS float8 LANGUAGE plpgsql {settings} AS $$
DECLARE
    now float8 := {schema}.begin_{digest}();
    states {schema}.limits[];
    last {schema}.limits;
    state {schema}.limits;
    closing integer := narrowest;
    consecutive integer;
    seconds float8;
    is_consecutive boolean;
BEGIN
    FOR index IN 1..cardinality(keys) LOOP
        states[index] := {schema}.state_{digest}(keys[index], now);
        IF index = 1 OR index <= narrowest AND states[index].closed_until > last.closed_until THEN
            last := states[index];
        END IF;
    END LOOP;
    consecutive := last.consecutive_429s;
    IF sent < last.closed_until THEN  -- before the limit was closed: it adds nothing
        seconds := greatest(last.closed_until - now, retry_after, 0);
    ELSE
        is_consecutive := now - last.closed_until < {consecutive_429_window};
        -- After a Retry-After nothing grows: the next 429 without one starts small.
        consecutive := CASE WHEN is_consecutive THEN consecutive ELSE 0 END + (retry_after IS NULL)::integer;
        consecutive := least(consecutive, {max_consecutive_429s});
        seconds := coalesce(retry_after, delays[consecutive]);
        IF is_consecutive THEN
            closing := cardinality(keys);
        END IF;
    END IF;
    seconds := least(seconds, {max_back_off});
    FOR index IN 1..closing LOOP
        state := states[index];
        IF now + seconds > state.closed_until THEN  -- a shorter back-off never reopens what a longer one closed
            IF now > state.closed_until THEN
                state.pace := greatest({min_pace}, {pace_after_back_off}
                    * {schema}.pace_{digest}(state, requests[index], lengths[index], now));
            END IF;
            INSERT INTO {schema}.limits VALUES (state.key, now + seconds, consecutive, state.pace)
            ON CONFLICT (key) DO UPDATE SET closed_until = excluded.closed_until,
                consecutive_429s = excluded.consecutive_429s, pace = excluded.pace;
        END IF;
    END LOOP;
    RETURN greatest(0, seconds);
END
$$;

-- Credentials

CREATE FUNCTION {schema}.accept_{digest}(keys text[]) RETURNS void LANGUAGE plpgsql {settings} AS $$
BEGIN
    INSERT INTO {schema}.accepted VALUES (keys[1], {schema}.time_{digest}())
    ON CONFLICT (credentials) DO UPDATE SET time = excluded.time;
END
$$;

CREATE FUNCTION {schema}.is_accepted_{digest}(keys text[]) RETURNS integer LANGUAGE plpgsql {settings} AS $$
DECLARE now float8 := {schema}.time_{digest}();
BEGIN
    RETURN (
        SELECT 1 FROM {schema}.accepted
        WHERE credentials = keys[1] AND time > now - {accepted_lifetime} AND time <= now
    );
END
$$;

-- Places

-- Hold a place if the owner has one or one is free; the number of owners before it, below 0 if it is held.
CREATE FUNCTION {schema}.hold_{digest}(
    wanted text, wanting text, places integer, seconds float8, now float8
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    own {schema}.places;
    taken integer;
BEGIN
    DELETE FROM {schema}.places WHERE key = wanted AND (expires <= now OR since > now
        OR expires > now + CASE WHEN is_held THEN {max_place_seconds} ELSE {waiter_lifetime} END);
    SELECT * INTO own FROM {schema}.places WHERE key = wanted AND owner = wanting;
    IF NOT FOUND THEN
        own := ROW(wanted, wanting, false, now, now);
    END IF;
    IF NOT own.is_held THEN
        SELECT count(*) INTO taken FROM {schema}.places AS other WHERE other.key = wanted AND other.owner <> wanting
            AND (other.is_held OR (other.since, other.owner) < (own.since, own.owner));
        IF taken >= places THEN
            RETURN taken - places;
        END IF;
    END IF;
    INSERT INTO {schema}.places VALUES (wanted, wanting, true, own.since, now + least(seconds, {max_place_seconds}))
    ON CONFLICT (key, owner) DO UPDATE SET is_held = true, expires = excluded.expires;
    RETURN -1;
END
$$;

CREATE FUNCTION {schema}.acquire_place_{digest}(keys text[], owner text, places integer, seconds float8)
RETURNS integer LANGUAGE plpgsql {settings} AS $$
DECLARE
    now float8 := {schema}.begin_{digest}();
    before integer := {schema}.hold_{digest}(keys[1], owner, places, seconds, now);
BEGIN
    IF before >= 0 THEN
        INSERT INTO {schema}.places VALUES (keys[1], owner, false, now, now + {waiter_lifetime})
        ON CONFLICT ON CONSTRAINT places_pkey DO UPDATE SET expires = excluded.expires;
    END IF;
    RETURN before;
END
$$;

CREATE FUNCTION {schema}.renew_place_{digest}(keys text[], owner text, places integer, seconds float8)
RETURNS integer LANGUAGE plpgsql {settings} AS $$
BEGIN
    RETURN {schema}.hold_{digest}(keys[1], owner, places, seconds, {schema}.begin_{digest}());
END
$$;

CREATE FUNCTION {schema}.release_place_{digest}(keys text[], wanted text) RETURNS void
LANGUAGE plpgsql {settings} AS $$
BEGIN
    DELETE FROM {schema}.places WHERE key = keys[1] AND owner = wanted;
END
$$;

$functions$;
END IF;
END
$install$;
