"""Deferred waits on a host that keeps its requests busy, beside those on other hosts."""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time

import pytest

from airflow_provider_360learning.completion.event import MAX_CONSECUTIVE_FAILURES
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.attacks.hostile_server import hostile_server, response
from tests.unlimited_sandbox import (  # noqa: F401 - fixtures
    UNLIMITED,
    make_session,
    make_trigger,
    sandbox,
    unlimited_server,
)

SESSION = "5" * 24
#: Maximum number of threads per connection.
MAX_THREADS = 8
#: Seconds after which a request ends.
DEADLINE = 1.5


def drip(request):
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X"
        time.sleep(0.02)


@pytest.fixture
def connect(monkeypatch):
    """Return a function that makes a connection lead to a server."""

    def connect(conn_id, url, **extra):
        extra = {"auth": "api_key_header", "limits": UNLIMITED, **extra}
        fields = {"conn_type": "learning360", "host": url, "login": "c" * 24, "password": "k" * 32, "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))

    return connect


def start_waits(count, **options):
    """Start waits for different conditions."""
    return [
        asyncio.create_task(event_of(make_trigger(SESSION, required=f"0.{number + 1:02}", **options)))
        for number in range(count)
    ]


async def event_of(trigger):
    (event,) = [event.payload async for event in trigger.run()]
    return event


async def until(condition):
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.01)


async def cancel(waits):
    for wait in waits:
        wait.cancel()
    await asyncio.gather(*waits, return_exceptions=True)


def test_a_host_that_drips_does_not_delay_waits_on_other_hosts(sandbox, connect):  # noqa: F811
    session_id = make_session(sandbox, GRACE_MAIL)
    sandbox.control.advance(3600)

    async def wait():
        waits = start_waits(10, conn_id="dripping")
        await until(lambda: len(dripping.requests) == MAX_THREADS)
        event = await event_of(make_trigger(session_id))
        still_waiting = not any(wait.done() for wait in waits)
        await cancel(waits)
        return event["status"], still_waiting

    with hostile_server(drip) as dripping:
        connect("dripping", dripping.url, total_timeout=300)
        assert asyncio.run(wait()) == ("success", True)
        assert len(dripping.requests) == MAX_THREADS


def test_the_threads_are_limited_per_connection(connect):
    async def wait():
        waits = [wait for number in range(3) for wait in start_waits(12, conn_id=f"dripping_{number}")]
        await until(lambda: len(dripping.requests) == 3 * MAX_THREADS)
        await asyncio.sleep(0.2)
        await cancel(waits)

    before = threading.active_count()
    with hostile_server(drip) as dripping:
        for number in range(3):
            connect(f"dripping_{number}", dripping.url, total_timeout=300, read_timeout=50 + number)
        asyncio.run(wait())
        assert len(dripping.requests) == 3 * MAX_THREADS
    # One per request here and one there, one that listens, and those that read the connections.
    assert threading.active_count() - before <= 2 * 3 * MAX_THREADS + 1 + MAX_THREADS


def test_a_wait_on_a_host_that_drips_fails_by_its_own_deadline(connect):
    for total_timeout in (0.1, 1.0, 10.0):
        with hostile_server(drip) as dripping:
            connect("dripping", dripping.url, total_timeout=total_timeout)
            event = asyncio.run(event_of(make_trigger(SESSION, conn_id="dripping")))
        assert event["status"] == "transient_error"
        assert "total_timeout" in event["message"]
        if dripping.requests:  # on a busy machine, the time of a poll may be over before its request is sent
            break
    assert 1 <= len(dripping.requests) <= MAX_CONSECUTIVE_FAILURES + 1


@pytest.mark.realtime
def test_cancelled_waits_release_their_threads_at_the_deadline(connect):
    """Waits that were queued release theirs at once."""
    refusal = json.dumps({"error": "invalid_company_id"}).encode()
    numbers = itertools.count(1)

    def respond(request):
        return drip(request) if next(numbers) <= MAX_THREADS else response(refusal, "401 Unauthorized")

    async def wait():
        waits = start_waits(3 * MAX_THREADS, conn_id="dripping")
        await until(lambda: len(dripping.requests) == MAX_THREADS)
        started = time.monotonic()
        await cancel(waits)
        cancelled = time.monotonic()
        event = await event_of(make_trigger(SESSION, conn_id="dripping"))
        return event["status"], cancelled - started, time.monotonic() - started

    with hostile_server(respond) as dripping:
        connect("dripping", dripping.url, total_timeout=DEADLINE)
        status, cancelling, took = asyncio.run(wait())
    assert (status, len(dripping.requests)) == ("error", MAX_THREADS + 1)
    assert cancelling < DEADLINE / 2, "the triggerer does not wait for the requests"
    assert took < 2 * DEADLINE
