"""A connection to the company of others with an API key that is not accepted: it cannot change what others may send."""

from __future__ import annotations

import json
import re
from contextlib import closing

import pytest

from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.postgres_errors import SCHEMA
from airflow_provider_360learning.api.limiter.redis import RedisStore
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.limiter.store import ACCEPTED_LIFETIME, MAX_BACK_OFF, Reservation
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.exceptions import AuthenticationError, RateLimitedError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.api.stores import server_store
from tests.api.support import FakeClock
from tests.attacks.hostile_server import hostile_server, response

URL = "https://acme.test"
CREATE, UPDATE = API_V1.endpoints["createOrInviteUser"], API_V1.endpoints["updateUser"]
RIGHT, WRONG = "the-right-key", "another-key"


@pytest.fixture
def clock():
    return FakeClock()


# The clock of a server is real.
@pytest.fixture(
    params=["host", *(pytest.param(server, marks=pytest.mark.realtime) for server in ("redis", "postgres"))]
)
def store(request, tmp_path, clock):
    if request.param == "host":
        return SqliteStore(str(tmp_path / "rate-limits.sqlite3"), clock=clock)
    return server_store(request.param, request.getfixturevalue(f"{request.param}_server").url)


@pytest.fixture
def connect(store):
    def connect(api_key, **how):
        how = {"base_url": URL, "company_id": "acme", "margin": 0.0, "fallback": Share(1.0, started=0.0), **how}
        return RateLimiter(store, api_key=api_key, **how)

    return connect


@pytest.fixture
def others(connect):
    """Return the connection of others, whose key was accepted."""
    others = connect(RIGHT)
    others.confirm_credentials()
    return others


def waits(rate_limiter, endpoint, times):
    return [rate_limiter.reserve(endpoint, 600).wait for _ in range(times)]


def throttle(rate_limiter, endpoint, retry_after=300.0):
    """Back off after a request that was sent just now."""
    return rate_limiter.back_off(endpoint, Reservation(wait=0.0, time=0.0, token=0, keys=()), retry_after)


def about(*seconds):
    return pytest.approx(seconds, abs=0.2)


def test_a_429_slows_down_the_connection_itself_only(connect, others):
    wrong = connect(WRONG)
    for _ in range(3):
        assert throttle(wrong, CREATE) == MAX_BACK_OFF
    assert waits(wrong, CREATE, 1) == about(MAX_BACK_OFF)
    assert waits(connect(WRONG), CREATE, 1)[0] > MAX_BACK_OFF - 1, "in other processes as well"
    assert waits(others, CREATE, 2) == about(0, 0)
    assert waits(others, UPDATE, 3) == about(0, 0, 0)


def test_a_429_of_an_accepted_connection_slows_down_all(connect, others):
    throttle(connect(RIGHT), CREATE)
    assert waits(others, CREATE, 1) == about(MAX_BACK_OFF)


def test_limits_of_its_own_cannot_exceed_the_documented_ones(connect, others):
    wrong = connect(WRONG, overrides={"createOrInviteUser": 1000, "company_writes": 1000, "ip_writes": 1000})
    assert waits(wrong, CREATE, 4) == about(0, 0, 1, 1)
    assert waits(others, CREATE, 1) == about(2)


def test_limits_of_its_own_apply_after_the_key_was_accepted(connect):
    overrides = {"createOrInviteUser": 1000, "company_writes": 1000, "ip_writes": 1000}
    connect(RIGHT).confirm_credentials()
    assert waits(connect(RIGHT, overrides=overrides), CREATE, 20) == about(*[0] * 20)


def test_its_rejected_requests_leave_the_company_its_capacity(connect, others):
    """Five a second for the company, ten for the address, which has sent them."""
    wrong = connect(WRONG)
    for _ in range(5):
        wrong.reject_credentials(UPDATE, wrong.reserve(UPDATE, 600))
    assert waits(others, UPDATE, 6) == about(0, 0, 0, 0, 0, 1)


def test_an_accepted_key_that_is_rejected_later_counts(connect, others):
    """It may have been revoked meanwhile, and 360Learning may have counted the request."""
    for _ in range(5):
        others.reject_credentials(UPDATE, others.reserve(UPDATE, 600))
    assert waits(others, UPDATE, 1) == about(1)


@pytest.mark.parametrize("other", [{"base_url": "https://evil.test"}, {"base_url": "https://acme.test:444"}])
def test_an_accepted_key_of_another_server_changes_nothing(connect, others, other):
    wrong = connect(WRONG, **other)
    wrong.confirm_credentials()
    throttle(wrong, CREATE)
    throttle(wrong, CREATE)
    assert waits(others, CREATE, 1) == about(0)
    assert throttle(connect(WRONG), CREATE) == MAX_BACK_OFF
    assert waits(others, CREATE, 1) == about(0), "the key is accepted by the other server only"


def test_a_key_is_accepted_for_its_company_only(connect, others):
    connect(WRONG, company_id="evil").confirm_credentials()
    throttle(connect(WRONG), CREATE)
    assert waits(others, CREATE, 1) == about(0)


def test_a_key_must_be_accepted_again_after_an_hour(tmp_path, clock):
    """That of a Redis key is its expiry, see below."""
    store = SqliteStore(str(tmp_path / "rate-limits.sqlite3"), clock=clock)
    store.accept("credentials")
    clock.advance(ACCEPTED_LIFETIME - 1)
    assert store.is_accepted("credentials")
    clock.advance(1)
    assert not store.is_accepted("credentials")


@pytest.mark.parametrize(("age", "expected"), [(ACCEPTED_LIFETIME - 60, True), (ACCEPTED_LIFETIME, False)])
def test_a_key_must_be_accepted_again_after_an_hour_on_the_clock_of_postgresql(postgres_server, age, expected):
    store = server_store("postgres", postgres_server.url)
    store.accept("credentials")
    with closing(postgres_server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"UPDATE {SCHEMA}.accepted SET time = time - %s", [age])
    assert store.is_accepted("credentials") is expected


def test_the_store_contains_no_key(request, connect, store, tmp_path):
    connect(RIGHT).confirm_credentials()
    waits(connect(WRONG), CREATE, 1)
    if isinstance(store, SqliteStore):
        stored = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    elif isinstance(store, RedisStore):
        client = store._script.registered_client
        keys = client.keys()
        stored = b" ".join(keys)
        (accepted,) = [key for key in keys if b":accepted:" in key]
        assert ACCEPTED_LIFETIME - 60 < client.ttl(accepted) <= ACCEPTED_LIFETIME
    else:
        stored = b"".join(rows_of(request.getfixturevalue("postgres_server")))
    assert RIGHT.encode() not in stored
    assert WRONG.encode() not in stored
    assert re.search(rb"[0-9a-f]{16}", stored)


def rows_of(server):
    """Yield the content of the tables."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [SCHEMA])
        for (table,) in cursor.fetchall():
            cursor.execute(f"SELECT * FROM {SCHEMA}.{table}")
            yield repr(cursor.fetchall()).encode()


# Through a socket

LIMITS = {"createOrInviteUser": 1000, "company_writes": 1000, "ip_writes": 1000, "ip_reads": 1000}


@pytest.fixture
def api(sandbox, make_api, tmp_path):
    def api(api_key, auth):
        rate_limiter = RateLimiter(
            SqliteStore(str(tmp_path / "rate-limits.sqlite3")),
            base_url=sandbox.url,
            company_id=sandbox.company_id,
            fallback=Share(1.0, started=0.0),
            overrides=LIMITS,
            api_key=api_key,
        )
        return make_api(rate_limiter=rate_limiter, api_key=api_key, auth=auth)

    return api


@pytest.mark.parametrize("auth", ["api_key_header", "api_key_query", "oauth2"])
def test_requests_with_a_wrong_key_leave_the_company_its_capacity(sandbox, api, auth):
    right, wrong = api(sandbox.api_key, auth), api(WRONG, auth)
    for _ in range(5):
        with pytest.raises(AuthenticationError):
            wrong.update_user(user=GRACE_MAIL, job="Pirate")
    right.list_groups()
    documented = RateLimiter(
        right.client.rate_limiter._shared,
        base_url=sandbox.url,
        company_id=sandbox.company_id,
        fallback=Share(1.0, started=0.0),
    )
    assert waits(documented, UPDATE, 3) == about(0, 0, 0)


def test_a_server_that_throttles_a_wrong_key_throttles_nobody_else(monkeypatch):
    """Two connections of a deployment."""

    def respond(request):
        if WRONG.encode() in request:
            return response(status="429 Too Many Requests", headers=["Retry-After: 300"])
        return response(b"[]")

    with hostile_server(respond) as server:
        for name, key in (("RIGHT", RIGHT), ("WRONG", WRONG)):
            fields = {"conn_type": "learning360", "host": server.url, "login": "acme", "password": key}
            connection = {**fields, "extra": {"auth": "api_key_header", "limits": LIMITS}}
            monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(connection))
        right, wrong = (Learning360Hook(name, max_wait=1.0).api for name in ("right", "wrong"))
        right.list_groups()
        for _ in range(2):
            with pytest.raises(RateLimitedError):
                wrong.list_groups()
        right.list_groups()
    assert [WRONG.encode() in request for request in server.requests] == [False, True, False]
