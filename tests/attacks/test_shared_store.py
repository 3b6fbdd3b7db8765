"""Absurd values in the shared store: no limit stays closed, no request waits for ever, and the work is bounded."""

from __future__ import annotations

import math
import sqlite3
import time
from contextlib import closing, suppress

import pytest
import redis
from psycopg2.extensions import parse_dsn

from airflow_provider_360learning.api.limiter.postgres import PostgresStore
from airflow_provider_360learning.api.limiter.postgres_errors import SCHEMA
from airflow_provider_360learning.api.limiter.redis import PREFIX, RedisStore
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.limiter.store import (
    FORMAT_VERSION,
    MAX_BACK_OFF,
    MAX_PLACE_SECONDS,
    MAX_RESERVED_AHEAD,
    WAITER_LIFETIME,
    SharedLimit,
    StoreUnavailableError,
)

ALL = SharedLimit("all", 5, 1.0)
YEAR_10_20 = 3.15e27
#: More than any number of waiting requests.
FLOOD = 120_000


class SqliteNeighbor:
    """Another user of the SQLite file, who writes to it."""

    def __init__(self, path):
        self.store = SqliteStore(str(path))
        self.now = time.monotonic
        self._path = path

    def set_state(self, closed_until, count=0, pace=1.0):
        self._execute("INSERT OR REPLACE INTO limits VALUES ('all', ?, ?, ?)", closed_until, count, pace)

    def reserve_at(self, time_):
        self._execute("INSERT INTO reservations VALUES ('all', ?, 1)", time_)

    def reserve_many(self, count, first, step):
        numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)"
        self._execute(f"{numbers} INSERT INTO reservations SELECT 'all', ? + i * ?, i FROM n", count, first, step)

    def hold_place(self, owner, expires, since=0.0, is_held=1):
        self._execute("INSERT OR REPLACE INTO places VALUES ('all', ?, ?, ?, ?)", owner, is_held, since, expires)

    def queue(self, owner, expires, since=0.0):
        self.hold_place(owner, expires, since, is_held=0)

    def fill_queue(self, count):
        numbers = "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ? - 1)"
        expires = self.now() + WAITER_LIFETIME - 1
        self._execute(f"{numbers} INSERT INTO places SELECT 'all', i, 0, 0, ? FROM n", count, expires)

    def places(self):
        with closing(sqlite3.connect(self._path)) as db:
            return {owner for (owner,) in db.execute("SELECT owner FROM places WHERE key = 'all'")}

    def reserved(self):
        with closing(sqlite3.connect(self._path)) as db:
            return [time_ for (time_,) in db.execute("SELECT time FROM reservations WHERE key = 'all' ORDER BY time")]

    def _execute(self, sql, *values):
        self.store.check()
        with closing(sqlite3.connect(self._path)) as db:
            db.execute(sql, values)
            db.commit()


class RedisNeighbor:
    """Another client of the Redis server."""

    def __init__(self, server):
        self._client = redis.Redis(server.host, server.port)
        self.store = RedisStore(self._client, "redis")
        self.now = time.time
        self._reservations, self._limit = (
            f"{PREFIX}:v{FORMAT_VERSION}:{kind}:all" for kind in ("reservations", "limit")
        )

    def set_state(self, closed_until, count=0, pace=1.0):
        self._client.hset(self._limit, mapping={"closed_until": closed_until, "consecutive_429s": count, "pace": pace})

    def reserve_at(self, time_):
        self._client.zadd(self._reservations, {"1": time_})

    def reserve_many(self, count, first, step):
        script = "for i = 0, ARGV[1] - 1 do redis.call('ZADD', KEYS[1], ARGV[2] + i * ARGV[3], i) end"
        self._client.eval(script, 1, self._reservations, count, first, step)

    def hold_place(self, owner, expires):
        self._client.zadd(self._place_key("held"), {owner: expires})

    def queue(self, owner, expires, since=0.0):
        self._client.zadd(self._place_key("waiting"), {owner: expires})
        self._client.zadd(self._place_key("queue"), {owner: since})

    def fill_queue(self, count):
        """Queue owners that do not wait: each must be looked up to find out."""
        script = "for i = 0, ARGV[1] - 1 do redis.call('ZADD', KEYS[1], i / 1e6, i) end"
        self._client.eval(script, 1, self._place_key("queue"), count)

    def places(self):
        kinds = ("held", "waiting", "queue")
        return {owner.decode() for kind in kinds for owner in self._client.zrange(self._place_key(kind), 0, -1)}

    def _place_key(self, kind):
        return f"{PREFIX}:v{FORMAT_VERSION}:{kind}:all"

    def reserved(self):
        return [time_ for _, time_ in self._client.zrange(self._reservations, 0, -1, withscores=True)]


class PostgresNeighbor:
    """Another program that connects to the database as the same user."""

    def __init__(self, server):
        self.now = time.time
        self._url = server.url
        self._is_flooded = False
        self._connection = server.connect()

    def start_over(self):
        """End the connections of earlier stores, and empty the tables: a new database takes longer."""
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        self._execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}")
        self.store = PostgresStore(parse_dsn(self._url), "postgres")
        self.store.check()
        tables = self._execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename <> 'format'", SCHEMA
        )
        # TRUNCATE creates files, which takes longer if there are few rows.
        statement = "TRUNCATE" if self._is_flooded else "DELETE FROM"
        self._execute(";".join(f"{statement} {name}" for (name,) in tables))
        self._is_flooded = False

    def set_state(self, closed_until, count=0, pace=1.0):
        if isinstance(closed_until, str) or isinstance(count, str) or isinstance(pace, str) or abs(count) > 2**31:
            pytest.skip("columns have types")
        self._execute("INSERT INTO limits VALUES ('all', %s, %s, %s)", closed_until, int(count), pace)

    def reserve_at(self, time_):
        self._execute("INSERT INTO reservations VALUES ('all', %s, 1)", time_)
        self._execute("DELETE FROM cleanup")

    def reserve_many(self, count, first, step):
        self._is_flooded = True
        numbers = "SELECT 'all', %s + i * %s, i FROM generate_series(0, %s - 1) AS i"
        self._execute(f"INSERT INTO reservations {numbers}", first, step, count)

    def hold_place(self, owner, expires, since=0.0, is_held=True):
        self._execute("DELETE FROM places WHERE owner = %s", owner)
        self._execute("INSERT INTO places VALUES ('all', %s, %s, %s, %s)", owner, is_held, since, expires)

    def queue(self, owner, expires, since=0.0):
        self.hold_place(owner, expires, since, is_held=False)

    def fill_queue(self, count):
        self._is_flooded = True
        numbers = "SELECT 'all', i, false, 0, %s FROM generate_series(1, %s) AS i"
        self._execute(f"INSERT INTO places {numbers}", self.now() + WAITER_LIFETIME - 1, count)

    def places(self):
        return {owner for (owner,) in self._execute("SELECT owner FROM places WHERE key = 'all'")}

    def reserved(self):
        return [time_ for (time_,) in self._execute("SELECT time FROM reservations WHERE key = 'all' ORDER BY time")]

    def _execute(self, sql, *values):
        with self._connection.cursor() as cursor:
            cursor.execute(f"SET search_path = {SCHEMA}")
            cursor.execute(sql, values)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def postgres_neighbor(running_postgres):
    running_postgres.empty()
    return PostgresNeighbor(running_postgres)


@pytest.fixture(params=["host", "redis", "postgres"])
def neighbor(request, tmp_path):
    if request.param == "host":
        return SqliteNeighbor(tmp_path / "rate-limits.sqlite3")
    if request.param == "redis":
        return RedisNeighbor(request.getfixturevalue("redis_server"))
    postgres = request.getfixturevalue("postgres_neighbor")
    postgres.start_over()
    return postgres


@pytest.mark.parametrize(
    "ahead", [YEAR_10_20, 1e300, 2 * MAX_BACK_OFF, math.inf, -math.inf, -1e200, "soon", ""], ids=str
)
def test_no_limit_stays_closed_for_an_absurd_time(neighbor, ahead):
    neighbor.set_state(neighbor.now() + ahead if isinstance(ahead, float) else ahead)
    reservation = neighbor.store.reserve([ALL], max_wait=600)
    assert reservation.wait <= MAX_BACK_OFF
    assert neighbor.store.lateness(reservation) is not None


def test_a_limit_stays_closed_for_the_maximum(neighbor):
    neighbor.set_state(neighbor.now() + MAX_BACK_OFF - 1)
    assert neighbor.store.reserve([ALL], max_wait=600).wait == pytest.approx(MAX_BACK_OFF - 1, abs=30)


@pytest.mark.parametrize("pace", [0.0, -1.0, 1e-300, -1e300, 1e300, math.inf, "slow", ""], ids=str)
def test_an_absurd_pace_delays_nothing(neighbor, pace):
    neighbor.set_state(neighbor.now() - 1.0, 1, pace)
    assert [neighbor.store.reserve([ALL], max_wait=600).wait for _ in range(5)] == [0] * 5


@pytest.mark.parametrize("count", [1e30, -1e30, 10**6, -5, "many", ""], ids=str)
def test_an_absurd_number_of_429s_starts_again(neighbor, count):
    neighbor.set_state(neighbor.now() - 0.1, count)
    sent = neighbor.store.reserve([ALL], max_wait=600)
    assert neighbor.store.back_off(sent, [[ALL]], None, float) == 1.0


@pytest.mark.parametrize("retry_after", [86_400.0, 1e300, math.inf])
def test_a_back_off_is_capped_by_the_store_as_well(neighbor, retry_after):
    sent = neighbor.store.reserve([ALL], max_wait=600)
    assert neighbor.store.back_off(sent, [[ALL]], retry_after, float) == MAX_BACK_OFF
    assert neighbor.store.reserve([ALL], max_wait=600).wait == pytest.approx(MAX_BACK_OFF, abs=30)


@pytest.mark.parametrize("time_", [YEAR_10_20, math.inf], ids=str)
def test_reservations_in_the_far_future_are_ignored_and_deleted(neighbor, time_):
    neighbor.reserve_at(time_)
    assert [neighbor.store.reserve([ALL], max_wait=600).wait for _ in range(5)] == [0] * 5
    assert all(reserved <= neighbor.now() + MAX_RESERVED_AHEAD + 2 for reserved in neighbor.reserved())


@pytest.mark.parametrize("step", [0.0, 0.002], ids=["at the same time", "over 500 s"])
def test_a_flood_of_reservations_is_not_examined_in_full(neighbor, step):
    neighbor.reserve_many(FLOOD, neighbor.now() + 30.0, step)
    with pytest.raises(StoreUnavailableError, match="more reservations than requests can be waiting"):
        neighbor.store.reserve([SharedLimit("all", 5, 60.0)], max_wait=600, min_wait=29.0)


def ask(neighbor, owner="ours"):
    """Return the seconds until the owner is to ask again for the only place; 0 if it holds it."""
    return neighbor.store.acquire_place("all", 1, owner, 60.0)


@pytest.mark.parametrize("ahead", [MAX_PLACE_SECONDS + 5, YEAR_10_20, math.inf, -1.0, -math.inf], ids=str)
def test_a_place_held_for_an_absurd_time_is_free(neighbor, ahead):
    neighbor.hold_place("planted", neighbor.now() + ahead)
    assert ask(neighbor) == 0
    assert neighbor.places() == {"ours"}


def test_a_planted_place_is_held_for_the_maximum(neighbor):
    neighbor.hold_place("planted", neighbor.now() + MAX_PLACE_SECONDS - 1)
    assert ask(neighbor) > 0


@pytest.mark.parametrize("ahead", [WAITER_LIFETIME + 5, YEAR_10_20, math.inf, -1.0], ids=str)
@pytest.mark.parametrize("since", [0.0, -1e300, -math.inf], ids=str)
def test_an_owner_that_waits_for_an_absurd_time_is_not_waited_for(neighbor, ahead, since):
    neighbor.queue("planted", neighbor.now() + ahead, since)
    assert ask(neighbor) == 0
    assert neighbor.places() == {"ours"}


def test_an_owner_that_waits_since_the_future_is_not_waited_for(neighbor):
    neighbor.queue("planted", neighbor.now() + WAITER_LIFETIME - 1, since=YEAR_10_20)
    assert ask(neighbor) == 0


def test_a_planted_owner_is_waited_for_as_long_as_any_other(neighbor):
    neighbor.queue("planted", neighbor.now() + WAITER_LIFETIME - 1)
    assert ask(neighbor) > 0
    neighbor.queue("planted", neighbor.now())
    assert ask(neighbor) == 0


def test_a_flood_of_owners_takes_little_time(neighbor):
    neighbor.fill_queue(FLOOD)
    began = time.monotonic()
    with suppress(StoreUnavailableError):
        ask(neighbor)
    assert time.monotonic() - began < 20.0


@pytest.mark.parametrize(
    ("held", "since", "expires"), [("x", 0.0, 10**9), (1, "x", 10**9), (1, 0.0, "x"), (7, 0.0, 1.0)]
)
def test_places_in_the_file_that_are_not_numbers_are_ignored(tmp_path, held, since, expires):
    neighbor = SqliteNeighbor(tmp_path / "rate-limits.sqlite3")
    neighbor.hold_place("planted", expires, since, held)
    assert ask(neighbor) == 0
    assert neighbor.places() == {"ours"}


@pytest.mark.parametrize("kind", ["held", "waiting", "queue"])
def test_places_of_another_type_in_redis_make_it_unavailable(redis_server, kind):
    client = redis.Redis(redis_server.host, redis_server.port)
    client.set(f"{PREFIX}:v{FORMAT_VERSION}:{kind}:all", "a string")
    with pytest.raises(StoreUnavailableError, match="another program uses keys of the rate limiter"):
        RedisStore(client, "redis").acquire_place("all", 1, "ours", 60.0)


def test_a_long_value_in_the_file_is_not_read(tmp_path):
    neighbor = SqliteNeighbor(tmp_path / "rate-limits.sqlite3")
    neighbor.set_state("x" * 50_000_000)
    with pytest.raises(StoreUnavailableError, match="too big"):
        neighbor.store.reserve([ALL], max_wait=600)


def test_the_names_in_a_damaged_file_are_not_quoted_raw(tmp_path):
    path = tmp_path / "rate-limits.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE planted (a)")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_master SET sql = 'no SQL', name = ?", ("\x1b[31m\nforged line",))
        db.commit()
    with pytest.raises(StoreUnavailableError) as caught:
        SqliteStore(str(path)).check()
    assert "malformed" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_format_in_redis_is_not_quoted_raw(redis_server):
    client = redis.Redis(redis_server.host, redis_server.port)
    client.set(f"{PREFIX}:format", "\x1b[31m" + "x" * 1_000_000)
    with pytest.raises(StoreUnavailableError, match="format version unknown, here") as caught:
        RedisStore(client, "redis").check()
    assert str(caught.value).isprintable()


def test_keys_of_another_type_in_redis_make_it_unavailable(redis_server):
    client = redis.Redis(redis_server.host, redis_server.port)
    client.set(f"{PREFIX}:v{FORMAT_VERSION}:limit:all", "a string")
    with pytest.raises(StoreUnavailableError, match="another program uses keys of the rate limiter"):
        RedisStore(client, "redis").reserve([ALL], max_wait=600)
