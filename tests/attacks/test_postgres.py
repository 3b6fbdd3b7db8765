"""A PostgreSQL server that is broken or malicious: nothing leaks, nothing hangs, and requests continue with a share."""

from __future__ import annotations

import argparse
import itertools
import json
import re
import struct
import time

import pytest

from airflow_provider_360learning.api.limiter import postgres as postgres_store
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.remote import COMMAND_TIMEOUT
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.store import SharedLimit, StoreUnavailableError
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.cli.commands import check
from airflow_provider_360learning.connections.postgres import PostgresConnection
from airflow_provider_360learning.hooks.rate_limiter import get_connection
from tests.api.support import everything_about
from tests.attacks.hostile_postgres import READY, error, hostile_postgres, message, row

ALL = SharedLimit("all", 5, 1.0)
LOGIN, PASSWORD = "planted-user", "planted/pass word"
ESCAPE = "\x1b[31m"
STAGES = ["tls", "startup", "password", "query"]
each_stage = pytest.mark.parametrize("stage", STAGES)


@pytest.fixture(autouse=True)
def short_deadline(monkeypatch):
    monkeypatch.setattr(postgres_store, "COMMAND_TIMEOUT", 0.25)


@pytest.fixture
def usual_deadline(monkeypatch, short_deadline):
    monkeypatch.setattr(postgres_store, "COMMAND_TIMEOUT", COMMAND_TIMEOUT)


@pytest.fixture
def connect(monkeypatch):
    """Return a store at a port, by an Airflow connection with user and password."""

    def connect(port):
        fields = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "login": LOGIN, "password": PASSWORD}
        monkeypatch.setenv("AIRFLOW_CONN_LIMITER", json.dumps(fields))
        return PostgresConnection.read(*get_connection("limiter")).make_store()

    return connect


def at(stage, *parts):
    """Respond with some bytes at a stage of the connection, and properly before."""
    return lambda kind, text: parts if kind == stage else None


def after_the_check(*parts):
    """Respond with some bytes to the functions of the rate limiter."""
    return lambda kind, text: parts if kind == "query" and b"learning360_rate_limiter.re" in text else None


def assert_shows_nothing(text):
    for secret in (PASSWORD, ESCAPE, "planted/pass"):
        assert secret not in text


# Errors that quote the credentials


@each_stage
@pytest.mark.parametrize("code", ["XX000", "28P01", "42501", "LR002", "LR004", "57P01", "22003", "?????"])
@pytest.mark.parametrize("kind", ["E", "N"])
def test_an_error_never_quotes_the_server(connect, capfd, stage, code, kind):
    def respond(arrived, text):
        seen.append(text)
        if arrived == stage:
            return [error(ESCAPE.encode() + b" ".join(seen).replace(b"\0", b" "), code.encode(), kind)] * 2 + [READY]
        return None

    seen = []
    with hostile_postgres(respond) as port, pytest.raises(StoreUnavailableError) as caught:
        connect(port).check()
    assert_shows_nothing(everything_about(caught.value))
    assert_shows_nothing("".join(capfd.readouterr()))


def test_neither_the_check_nor_the_warning_quotes_the_server(connect, monkeypatch, capsys, caplog):
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER", "postgres")
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER_CONN_ID", "limiter")
    with hostile_postgres(at("password", error((ESCAPE + PASSWORD).encode()))) as port:
        store = connect(port)
        with pytest.raises(SystemExit):
            check(argparse.Namespace(conn_id="missing", scopes=False))
        make_rate_limiter(store).reserve(API_V1.endpoints["updateUser"], 600)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if re.match(r"\w+ +rate limiter", line)]
    assert f"postgres://127.0.0.1:{port}/{LOGIN}" in line
    assert_shows_nothing(line)
    assert f"Shared rate limiter unavailable: postgres://127.0.0.1:{port}" in caplog.text
    assert_shows_nothing(caplog.text)


# Responses that do not end


def drip(data):
    """Yield one byte at a time: each read of the client succeeds."""
    for byte in data:
        time.sleep(0.02)
        yield bytes([byte])


HUGE = 1_000_000_000
DRIPS = {
    "nothing": lambda: iter([]),
    "a long error": lambda: drip(error(b"x" * 10_000)),
    "notices": lambda: drip(itertools.cycle(error(b"x", kind="N"))),
    "zeros": lambda: drip(itertools.repeat(0)),
    "the begin of a huge row": lambda: iter([message("D", struct.pack("!HI", 1, HUGE - 16), HUGE)]),
}


@pytest.mark.parametrize("dripping", DRIPS.values(), ids=DRIPS)
@each_stage
def test_a_server_that_drips_is_left(connect, stage, dripping):
    def respond(kind, text):
        return dripping() if kind == stage else None

    with hostile_postgres(respond) as port, pytest.raises(StoreUnavailableError):
        connect(port).check()


def test_a_dripping_server_holds_a_request_once(connect, usual_deadline, caplog):
    kinds = []

    def respond(kind, text):
        kinds.append(kind)
        return DRIPS["nothing"]() if kind == "query" else None

    with hostile_postgres(respond) as port:
        rate_limiter = make_rate_limiter(connect(port))
        for _ in range(3):
            rate_limiter.reserve(API_V1.endpoints["updateUser"], 600)
    assert kinds.count("query") == 1
    ours = [record.levelname for record in caplog.records if record.name.startswith("airflow_provider_360learning")]
    assert ours == ["WARNING"]


CHUNKS = (b"x" * 65_536,) * 16_000
FLOODS = {
    "huge row": (row(b"").partition(b"D")[0] + message("D", struct.pack("!HI", 1, HUGE - 16), HUGE), *CHUNKS),
    "huge error": (message("E", b"M", HUGE), *CHUNKS),
    "endless notices": (error(b"x" * 10_000, kind="N") * 10,) * 10_000,
    "endless settings": (message("S", b"a\0" + b"b" * 1000 + b"\0") * 100,) * 10_000,
    "endless results": (row(b"x").removesuffix(READY) * 1000,) * 10_000,
    "endless rows": (row(b"x").partition(b"D")[0], *(message("D", b"\0\1\0\0\0\1x") * 1000,) * 100_000),
}


@pytest.mark.parametrize("parts", FLOODS.values(), ids=FLOODS)
@pytest.mark.parametrize("stage", ["startup", "password", "query"])
def test_a_response_that_does_not_end_is_bounded(connect, usual_deadline, stage, parts):
    """The memory of this test is bounded (conftest.py)."""
    with hostile_postgres(at(stage, *parts)) as port, pytest.raises(StoreUnavailableError):
        connect(port).check()


# Responses that are not those of the functions

MALFORMED = {
    "HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n",),
    "random bytes": (bytes(range(256)),),
    "end": (READY,),
    "no row": (message("C", b"SELECT 0\0") + READY,),
    "copy": (message("G", b"\0\0\0"),),
    "null": (row(None),),
    "number": (row(b"7", type_id=701),),
    "letters for numbers": (row(b"{a,b,c,d}", type_id=1022),),
    "broken array": (row(b"{1,{2", type_id=1022),),
    "nested arrays": (row(b"{" * 10_000, type_id=1022),),
    "short array": (row(b"{1}", type_id=1022),),
    "unknown type": (row(b"{1,2,3,4}", type_id=99_999),),
    "date": (row(b"99999-99-99", type_id=1082),),
    "invalid UTF-8": (row(b"\xff\xfe"),),
    "time that is not a number": (row(b"{NaN,0,0,1}", type_id=1022),),
    "time in the year 10^20": (row(b"{1e30,0,0,1}", type_id=1022),),
    "endless wait": (row(b"{5,Infinity,0,1}", type_id=1022),),
    "wait of a day": (row(b"{5,86000,0,1}", type_id=1022),),
    "negative wait": (row(b"{5,-5,0,1}", type_id=1022),),
    "unknown limit": (row(b"{5,0,7,1}", type_id=1022),),
    "limit that is not a number": (row(b"{5,0,NaN,1}", type_id=1022),),
    "wait of 10^20 s without capacity": (row(b"{5,1e20,0,0}", type_id=1022),),
}


@pytest.mark.parametrize("parts", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_response_makes_the_store_unavailable(connect, parts):
    with hostile_postgres(after_the_check(*parts)) as port, pytest.raises(StoreUnavailableError) as caught:
        connect(port).reserve([ALL], max_wait=600)
    assert_shows_nothing(everything_about(caught.value))


@each_stage
@pytest.mark.parametrize("name", ["HTTP", "random bytes", "end", "copy"])
def test_garbage_at_any_stage_makes_the_store_unavailable(connect, stage, name):
    with hostile_postgres(at(stage, *MALFORMED[name])) as port, pytest.raises(StoreUnavailableError):
        connect(port).check()


def test_a_server_that_claims_to_have_no_capacity_is_available(connect, usual_deadline):
    with hostile_postgres(after_the_check(row(b"{5,5,0,0}", type_id=1022))) as port:
        connect(port).check()


def make_rate_limiter(store):
    return RateLimiter(store, base_url=f"https://{id(store)}.test", company_id="acme", fallback=Share(0.2, started=0.0))
