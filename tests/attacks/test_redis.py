"""A Redis server that is broken or malicious: nothing leaks, nothing hangs, and requests continue with a share."""

from __future__ import annotations

import argparse
import base64
import itertools
import json
import re
import time
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from airflow_provider_360learning.api.limiter import redis as redis_store
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.redis import RedisStore
from airflow_provider_360learning.api.limiter.remote import COMMAND_TIMEOUT
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.store import SharedLimit, StoreUnavailableError
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.cli.commands import check
from airflow_provider_360learning.connections.redis import RedisConnection, SentinelConnection
from airflow_provider_360learning.exceptions import InvalidConnectionError
from airflow_provider_360learning.hooks.rate_limiter import get_connection
from tests.api.support import everything_about
from tests.attacks.hostile_redis import hostile_redis

ALL = SharedLimit("all", 5, 1.0)
LOGIN, PASSWORD = "planted-user", "planted/pass word"
ESCAPE = "\x1b[31m"
#: Seconds that a command may take on a busy machine, far less than the attacks take.
MAX_TIME = 20.0


@pytest.fixture(autouse=True)
def short_deadline(monkeypatch):
    monkeypatch.setattr(redis_store, "COMMAND_TIMEOUT", 0.25)


@pytest.fixture
def usual_deadline(monkeypatch, short_deadline):
    monkeypatch.setattr(redis_store, "COMMAND_TIMEOUT", COMMAND_TIMEOUT)


@pytest.fixture
def connect(monkeypatch):
    """Return a store at a port, by an Airflow connection with user and password."""

    def connect(port):
        fields = {"conn_type": "redis", "host": "127.0.0.1", "port": port, "login": LOGIN, "password": PASSWORD}
        monkeypatch.setenv("AIRFLOW_CONN_CACHE", json.dumps(fields))
        connection = RedisConnection.read(*get_connection("cache"))
        return RedisStore(connection.make_client(), connection.name)

    return connect


def accept_then(*parts):
    """Accept every connection, and answer the rate limiter's script with some bytes."""

    def respond(command):
        return parts if command[0].upper() in (b"EVALSHA", b"EVAL") else [b"+OK\r\n"]

    return respond


def bulk(text):
    return f"${len(text)}\r\n{text}\r\n"


def placement(time_="5", wait="0", limiting="0", has_capacity="1"):
    return f"*4\r\n{bulk(time_)}{bulk(wait)}:{limiting}\r\n:{has_capacity}\r\n".encode()


def assert_shows_nothing(text):
    encoded = base64.b64encode(f"{LOGIN}:{PASSWORD}".encode()).decode()
    for secret in (LOGIN, PASSWORD, quote(PASSWORD, safe=""), quote(PASSWORD, safe="").lower(), encoded, ESCAPE):
        assert secret not in text


# Errors that quote the credentials

ECHOES = {
    "unknown": "-ERR %s",
    "wrong password": "-WRONGPASS invalid username-password pair %s",
    "no permission": "-NOPERM this user (%s) has no permissions",
    "loading": "-LOADING %s",
    "read only": "-READONLY %s",
    "moved": "-MOVED 1 %s:6379",
    "ask": "-ASK 1 %s:6379",
    "own code": "-%s",
    "status": "+%s",
    "no protocol": "%s",
}


@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
@pytest.mark.parametrize("to", ["AUTH", "EVALSHA"])
def test_an_error_never_quotes_the_server(connect, echo, to):
    def respond(command):
        seen.extend(command)
        given = b" ".join(seen).decode("latin-1").replace("\r\n", " ")
        is_attack = command[0].decode().upper() == to
        return [f"{echo % (ESCAPE + given)}\r\n".encode() if is_attack else b"+OK\r\n"]

    seen = []
    with hostile_redis(respond) as port, pytest.raises(StoreUnavailableError) as caught:
        connect(port).check()
    assert PASSWORD.encode() in seen
    assert_shows_nothing(everything_about(caught.value))


def test_neither_the_check_nor_the_warning_quotes_the_server(connect, monkeypatch, capsys, caplog):
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER", "redis")
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER_CONN_ID", "cache")

    def respond(command):
        return [b"-ERR " + ESCAPE.encode() + b" ".join(command) + b"\r\n"]

    with hostile_redis(respond) as port:
        store = connect(port)
        with pytest.raises(SystemExit):
            check(argparse.Namespace(conn_id="missing", scopes=False))
        reserve_with(store)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if re.match(r"\w+ +rate limiter", line)]
    assert "it refuses the rate limiter's script (ResponseError)" in line
    assert_shows_nothing(line)
    assert "Shared rate limiter unavailable: redis://127.0.0.1" in caplog.text
    assert_shows_nothing(caplog.text)


@pytest.mark.parametrize(
    "host",
    [
        f"redis://{LOGIN}:{PASSWORD}@cache.test",
        f"{LOGIN}:{PASSWORD}@cache.test",
        f"//{LOGIN}@cache.test",
        f"fe80::1%{ESCAPE}",
        "cache.test\nhost",
    ],
)
def test_a_host_that_is_a_url_or_has_control_characters_is_not_quoted(monkeypatch, host):
    fields = {"conn_type": "redis", "host": host, "login": LOGIN, "password": PASSWORD}
    monkeypatch.setenv("AIRFLOW_CONN_CACHE", json.dumps(fields))
    with pytest.raises(InvalidConnectionError, match="field host") as caught:
        RedisConnection.read(*get_connection("cache"))
    assert_shows_nothing(everything_about(caught.value))


# Responses that do not end


def drip(data, seconds=0.05):
    """Yield one byte at a time: each read of the client succeeds."""
    for byte in data:
        time.sleep(seconds)
        yield bytes([byte])


def dripping(to, commands=None):
    """Respond to one command byte by byte, for longer than any test takes; append each command's name to a list."""

    def respond(command):
        if commands is not None:
            commands.append(command[0].upper())
        if command[0].decode().upper() == to:
            return drip(itertools.repeat(ord("+"), 1000))
        return [b"+OK\r\n"]

    return respond


@pytest.mark.parametrize("to", ["AUTH", "CLIENT", "EVALSHA"])
def test_a_server_that_drips_has_a_deadline(connect, to):
    with hostile_redis(dripping(to)) as port:
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="does not respond in time"):
            connect(port).check()
    assert time.monotonic() - began < MAX_TIME


def test_a_dripping_server_holds_a_request_once(connect, usual_deadline, caplog):
    commands = []
    with hostile_redis(dripping("EVALSHA", commands)) as port:
        rate_limiter = make_rate_limiter(connect(port))
        for _ in range(3):
            rate_limiter.reserve(API_V1.endpoints["updateUser"], 600)
    assert commands.count(b"EVALSHA") == 1
    ours = [record.levelname for record in caplog.records if record.name.startswith("airflow_provider_360learning")]
    assert ours == ["WARNING"]


PRIMARY = "primary"


def store_behind(*ports):
    """Return the store of a server whose address sentinels know; each sentinel has a password, as the server has."""
    sentinels = tuple(RedisConnection(host="127.0.0.1", port=port, password=PASSWORD) for port in ports)
    fields = {"host": "127.0.0.1", "login": LOGIN, "password": PASSWORD}
    connection = SentinelConnection(**fields, sentinels=sentinels, master_name=PRIMARY)
    return RedisStore(connection.make_client(), connection.name)


@pytest.mark.parametrize("to", ["AUTH", "CLIENT", "SENTINEL"])
@pytest.mark.parametrize("sentinels", [1, 3])
def test_sentinels_that_drip_have_one_deadline(to, sentinels):
    with ExitStack() as running:
        ports = [running.enter_context(hostile_redis(dripping(to))) for _ in range(sentinels)]
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"in time|no sentinel responds") as caught:
            store_behind(*ports).check()
    assert time.monotonic() - began < MAX_TIME
    assert_shows_nothing(everything_about(caught.value))


def test_a_server_that_drips_behind_a_sentinel_has_a_deadline(usual_deadline):
    commands = []
    with hostile_redis(dripping("EVALSHA", commands)) as port, hostile_redis(naming(port)) as sentinel:
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match="does not respond in time"):
            store_behind(sentinel).check()
    assert time.monotonic() - began < MAX_TIME
    assert b"EVALSHA" in commands


def naming(port):
    """Respond as a sentinel, with the address of the server."""
    state = {"name": PRIMARY, "ip": "127.0.0.1", "port": str(port), "flags": "master", "num-other-sentinels": "2"}
    words = [bulk(word) for pair in state.items() for word in pair]
    masters = f"*1\r\n*{len(words)}\r\n{''.join(words)}".encode()
    address = f"*2\r\n{bulk('127.0.0.1')}{bulk(str(port))}".encode()

    def respond(command):
        if command[0].upper() != b"SENTINEL":
            return [b"+OK\r\n"]
        return [masters if command[1].upper() == b"MASTERS" else address]

    return respond


FLOODS = {
    "endless line": (b"+" + b"x" * 65_536,) * 100,
    "huge string": (b"$2000000000\r\n", *(b"x" * 65_536,) * 100),
    "huge array": (b"*2000000000\r\n", *(b":1\r\n" * 10_000,) * 100),
    "huge string and then nothing": (b"$2000000000\r\n",),
    "huge array and then nothing": (b"*2000000000\r\n",),
}


@pytest.mark.parametrize("parts", FLOODS.values(), ids=FLOODS)
def test_a_response_that_does_not_end_is_bounded(connect, parts):
    with hostile_redis(accept_then(*parts)) as port:
        began = time.monotonic()
        with pytest.raises(StoreUnavailableError, match=r"is too long|in time"):
            connect(port).check()
    assert time.monotonic() - began < MAX_TIME


# Responses that are not those of the script

MALFORMED = {
    "empty line": b"\r\n",
    "no type": b"hello\r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "letters for a number": b":abc\r\n",
    "400 digits": b":" + b"9" * 400 + b"\r\n",
    "5,000 digits": b":" + b"9" * 5000 + b"\r\n",
    "negative length": b"$-5\r\nabc\r\n",
    "length of letters": b"$abc\r\n",
    "nested arrays": b"*1\r\n" * 10_000 + b":1\r\n",
    "null": b"$-1\r\n",
    "number": b":7\r\n",
    "short array": b"*1\r\n:7\r\n",
    "error in an array": b"*4\r\n-ERR no\r\n-ERR no\r\n:0\r\n:1\r\n",
    "invalid UTF-8": b"*4\r\n$2\r\n\xff\xfe\r\n$1\r\n0\r\n:0\r\n:1\r\n",
    "time that is not a number": placement(time_="nan"),
    "time in the year 10^20": placement(time_="1e30"),
    "wait that is not a number": placement(wait="nan"),
    "endless wait": placement(wait="inf"),
    "wait of a day": placement(wait="86000"),
    "negative wait": placement(wait="-5"),
    "unknown limit": placement(limiting="7"),
    "negative limit": placement(limiting="-7"),
    "wait of 10^20 s without capacity": placement(wait="1e20", has_capacity="0"),
}


@pytest.mark.parametrize("response", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_response_makes_the_store_unavailable(connect, response):
    with hostile_redis(accept_then(response)) as port, pytest.raises(StoreUnavailableError) as caught:
        connect(port).reserve([ALL], max_wait=600)
    assert_shows_nothing(everything_about(caught.value))


def test_a_server_that_claims_to_have_no_capacity_is_available(connect, usual_deadline):
    with hostile_redis(accept_then(placement(wait="5", has_capacity="0"))) as port:
        connect(port).check()


@pytest.mark.parametrize("late", ["nan", "inf", "1e30", "soon"])
def test_a_malformed_lateness_makes_the_store_unavailable(connect, usual_deadline, late):
    def respond(command):
        return next(responses) if command[0] == b"EVALSHA" else [b"+OK\r\n"]

    responses = iter([[placement()], [bulk(late).encode()]])
    with hostile_redis(respond) as port:
        store = connect(port)
        reservation = store.reserve([ALL], max_wait=600)
        with pytest.raises(StoreUnavailableError):
            store.lateness(reservation)


@pytest.mark.parametrize("seconds", ["nan", "inf", "1e20", "-1", "301"])
def test_a_malformed_back_off_makes_the_store_unavailable(connect, usual_deadline, seconds):
    def respond(command):
        return next(responses) if command[0] == b"EVALSHA" else [b"+OK\r\n"]

    responses = iter([[placement()], [bulk(seconds).encode()]])
    with hostile_redis(respond) as port:
        store = connect(port)
        reservation = store.reserve([ALL], max_wait=600)
        with pytest.raises(StoreUnavailableError):
            store.back_off(reservation, [[ALL]], 5.0, float)


@pytest.mark.parametrize("before", [b":-2\r\n", b":100001\r\n", b"$-1\r\n", b"*0\r\n", bulk("nan").encode()], ids=str)
@pytest.mark.parametrize("command", ["acquire_place", "renew_place"])
def test_a_malformed_number_of_owners_makes_the_store_unavailable(connect, command, before):
    with hostile_redis(accept_then(before)) as port, pytest.raises(StoreUnavailableError):
        getattr(connect(port), command)("jobs", 3, "ours", 60.0)


def make_rate_limiter(store):
    return RateLimiter(store, base_url=f"https://{id(store)}.test", company_id="acme", fallback=Share(0.2, started=0.0))


def reserve_with(store):
    return make_rate_limiter(store).reserve(API_V1.endpoints["updateUser"], 600)
