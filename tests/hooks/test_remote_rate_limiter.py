"""The rate limiter with a server: several hosts, an event loop, and servers that are unavailable or misconfigured."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest
from redis import Redis

from airflow_provider_360learning.api.limiter.redis import RedisStore
from airflow_provider_360learning.api.limiter.store import SharedLimit
from airflow_provider_360learning.connections.redis import RedisConnection
from airflow_provider_360learning.hooks.rate_limiter import active_rate_limiter, get_connection
from demo.ports import unused_port
from tests.benchmarks.support import arrival_times, counted, max_per_second

ROOT = Path(__file__).parents[2]


@pytest.fixture
def select_backend(monkeypatch):
    """Select a backend with a connection, as a dictionary or as text."""

    def configure(backend, connection):
        text = connection if isinstance(connection, str) else json.dumps(connection)
        monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER", backend)
        monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER_CONN_ID", "cache")
        monkeypatch.setenv("AIRFLOW_CONN_CACHE", text)

    return configure


@pytest.fixture
def redis_backend(select_backend):
    """Select the backend ``redis`` with a connection, as a dictionary or as text."""
    return partial(select_backend, "redis")


@pytest.fixture(params=["redis", "postgres"])
def server(request, select_backend):
    """Run a server, and select it; return it with the name of its backend."""
    server = request.getfixturevalue(f"start_{request.param}")()
    select_backend(request.param, server.connection())
    return request.param, server


def redis_store(conn_id):
    connection = RedisConnection.read(*get_connection(conn_id))
    return RedisStore(connection.make_client(), connection.name)


def reservations_of(backend, server):
    """Return what the server has stored."""
    if backend == "redis":
        return Redis(server.host, server.port).keys("*reservations*")
    with server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("SELECT key FROM learning360_rate_limiter.reservations WHERE key <> 'check'")
        return cursor.fetchall()


# The check of the command line


def test_the_server_is_active_if_it_is_reachable(server):
    backend, _ = server
    choice = active_rate_limiter()
    assert (choice.backend, choice.reason, choice.warning) == (backend, f"[learning360] rate_limiter = {backend}", None)


@pytest.mark.parametrize("backend", ["redis", "postgres"])
def test_pool_slots_is_active_while_the_server_is_unreachable(select_backend, backend):
    port = unused_port()
    select_backend(backend, f"{backend}://ana:the-password@127.0.0.1:{port}/3")
    choice = active_rate_limiter()
    assert choice.backend == "pool_slots"
    assert f"is unavailable ({backend}://127.0.0.1:{port}/3: " in choice.warning
    assert choice.warning.endswith("; using pool_slots until it is available")
    assert "the-password" not in choice.warning


def test_pool_slots_is_active_while_the_server_refuses_the_password(start_redis, redis_backend):
    server = start_redis(password="right")
    redis_backend({**server.connection(), "password": "the-wrong-password"})
    choice = active_rate_limiter()
    assert choice.backend == "pool_slots"
    assert "it does not accept the user or the password (AuthenticationError)" in choice.warning
    assert "the-wrong-password" not in choice.warning


@pytest.mark.parametrize(
    ("conn_id", "connection", "problem"),
    [
        ("", "redis://127.0.0.1", "[learning360] rate_limiter_conn_id is not set"),
        (
            "elsewhere",
            "redis://127.0.0.1",
            "connection 'elsewhere' of [learning360] rate_limiter_conn_id is not defined",
        ),
        (
            "cache",
            "redis://:the-password@127.0.0.1:port",
            "connection 'cache' of [learning360] rate_limiter_conn_id is not defined",
        ),
        ("cache", "redis://:the-password@127.0.0.1?db=one", "field extra.db: is 'one'"),
    ],
)
def test_a_misconfiguration_is_reported(airflow_db, redis_backend, monkeypatch, conn_id, connection, problem):
    redis_backend(connection)
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER_CONN_ID", conn_id)
    choice = active_rate_limiter()
    assert choice.backend == "pool_slots"
    assert problem in choice.warning
    assert choice.warning.endswith("; using pool_slots")
    assert "the-password" not in choice.warning


def test_a_redis_user_with_the_documented_rights_is_sufficient(start_redis, monkeypatch):
    (line,) = re.findall(r"^    user (airflow .*)$", (ROOT / "docs/rate-limits.md").read_text(), re.MULTILINE)
    server = start_redis(user=line, tls=True)
    connection = {**server.connection(db=3), "login": "airflow", "password": "a-long-password"}
    monkeypatch.setenv("AIRFLOW_CONN_CACHE", json.dumps(connection))
    store = redis_store("cache")
    store.check()
    limits = [SharedLimit("writes", 5, 1.0)]
    first = store.reserve(limits, max_wait=60)
    second = store.reserve(limits, max_wait=60, replacing=first)
    assert store.lateness(second) is not None
    store.back_off(second, [limits], None, lambda times: 1.0)
    store.release(second)


# In processes of their own, because a process selects once

PREPARE = """
import asyncio, logging, sys
from concurrent.futures import ThreadPoolExecutor
from airflow_provider_360learning.api.limiter import limiter, store
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL
from tests.loopback_hosts import leave_from

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(name)s %(message)s", force=True)
logging.getLogger("airflow_provider_360learning").setLevel(logging.INFO)
# Seconds that the test would otherwise wait.
limiter.RateLimiter.__init__.__kwdefaults__["store_retry_interval"] = store.OUTAGE_PAUSE = 0.2

class Task:
    pool_slots = 5

hook = Learning360Hook(task=Task())
"""


class Worker:
    """A process that makes one step per line of its standard input."""

    def __init__(self, code, sandbox, arguments=(), **environment):
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", PREPARE + code, *arguments],
            env={
                **os.environ,
                "PYTHONPATH": str(ROOT),
                "AIRFLOW_CONN_LEARNING360_DEFAULT": sandbox.connection_json(auth="api_key_header"),
                **environment,
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._process.kill()
        self._process.communicate()

    def start_step(self):
        """Start the next step."""
        self._process.stdin.write("next\n")
        self._process.stdin.flush()

    def finish_step(self):
        """Wait for the end of the step, and return what was logged about the rate limiter but its waits."""
        lines = []
        for line in self._process.stdout:
            if line == "done\n":
                return lines
            if "airflow_provider_360learning" in line and "limiter" in line and "; waiting " not in line:
                level, _, message = line.strip().split(" ", 2)
                lines.append(f"{level} {message}")
        raise AssertionError(f"The process ended within a step; it logged {lines}")

    def step(self):
        self.start_step()
        return self.finish_step()


ONE_READ_PER_STEP = """
for line in sys.stdin:
    hook.api.list_groups()
    print("done", flush=True)
"""


@pytest.mark.slow
def test_a_process_uses_a_server_that_starts_later_and_falls_back_when_it_stops(sandbox, server):
    backend, server = server
    server.stop()
    with Worker(ONE_READ_PER_STEP, sandbox) as worker:
        selected, warning = worker.step()
        assert selected == f"INFO Rate limiter selected: backend={backend} ([learning360] rate_limiter = {backend})"
        assert warning.startswith("WARNING ")
        assert f"{backend}://127.0.0.1:{server.port}/" in warning
        server.start()
        while not (recovered := worker.step()):
            pass
        assert [line.split()[0] for line in recovered] == ["INFO"]
        assert worker.step() == []
        assert reservations_of(backend, server)
        server.stop()
        (warning,) = worker.step()
        assert warning.startswith("WARNING ")
    assert {entry["status"] for entry in sandbox.control.journal()} == {200}


@pytest.mark.slow
def test_a_misconfiguration_is_logged_once_and_the_process_uses_pool_slots(sandbox, redis_backend):
    redis_backend("redis://:the-password@127.0.0.1?db=one")
    with Worker(ONE_READ_PER_STEP, sandbox) as worker:
        selected, warning = worker.step()
        assert selected == "INFO Rate limiter selected: backend=redis ([learning360] rate_limiter = redis)"
        problem = "Connection 'cache', field extra.db: is 'one', but must be an integer of at least 0"
        assert warning == f"WARNING Rate limiter: backend redis is unavailable ({problem}); using pool_slots"
        assert worker.step() == []


DEFINED_AFTER_THE_FIRST_STEP = """
import os

for line in sys.stdin:
    Learning360Hook(task=Task()).api.list_groups()
    os.environ["AIRFLOW_CONN_CACHE"] = sys.argv[1]
    print("done", flush=True)
"""


@pytest.mark.slow
def test_a_connection_that_cannot_be_read_is_read_again_for_the_next_client(
    airflow_db, sandbox, start_redis, redis_backend, monkeypatch
):
    server = start_redis()
    redis_backend(server.connection())
    monkeypatch.delenv("AIRFLOW_CONN_CACHE")
    with Worker(DEFINED_AFTER_THE_FIRST_STEP, sandbox, [json.dumps(server.connection())]) as worker:
        _, warning = worker.step()
        assert "rate_limiter_conn_id is not defined, or cannot be read" in warning
        assert worker.step() == ["INFO Rate limiter selected: backend=redis ([learning360] rate_limiter = redis)"]
        assert worker.step() == []
    assert reservations_of("redis", server)


FIVE_WAITS = """
async def wait(executor):
    api = await hook.get_async_conn(executor)
    return await api.get_user.arun(executor, user=GRACE_MAIL)

async def waits():
    with ThreadPoolExecutor(2) as executor:
        return await asyncio.gather(*(wait(executor) for _ in range(5)))

for line in sys.stdin:
    assert {user["user_id"] for user in asyncio.run(waits())} == {GRACE_ID}
    print("done", flush=True)
"""


@pytest.mark.slow
def test_waits_on_an_event_loop_use_redis(sandbox, redis_server, redis_backend):
    redis_backend(redis_server.connection())
    with Worker(FIVE_WAITS, sandbox) as worker:
        assert worker.step() == ["INFO Rate limiter selected: backend=redis ([learning360] rate_limiter = redis)"]
    assert reservations_of("redis", redis_server)


# Two hosts

NINE_WRITES = """
host = sys.argv[1]
leave_from(host)
hook.api.get_user(user=GRACE_ID)
print("done", flush=True)
for line in sys.stdin:
    for turn in range(3):
        hook.api.create_user(mail=f"{host}-{turn}@acme.test", mode="create_active")
        hook.api.update_user(user=GRACE_ID, job=f"{host}, {turn}")
        hook.api.update_user(user=GRACE_ID, job=f"{host}, {turn} again")
    print("done", flush=True)
"""


@pytest.mark.realtime
def test_two_hosts_stay_within_the_limits_together(sandbox, redis_server, redis_backend, tmp_path, monkeypatch):
    sandbox.control.settings(limits_enabled=True)
    redis_backend(redis_server.connection())
    # On a busy machine requests arrive late, and this test is about sharing, not about precision.
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMIT_MARGIN_MS", "500")
    addresses = ["127.0.0.2", "127.0.0.3"]
    with ExitStack() as running:
        workers = [
            running.enter_context(
                Worker(NINE_WRITES, sandbox, [address], AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(tmp_path / address))
            )
            for address in addresses
        ]
        for worker in workers:
            worker.finish_step()  # until it is ready
        for worker in workers:
            worker.start_step()
        for worker in workers:
            assert worker.finish_step() == []
    writes = [entry for entry in sandbox.control.journal() if entry["method"] != "GET"]
    arrivals = {address: arrival_times(entry for entry in writes if entry["ip"] == address) for address in addresses}
    assert [len(of_one) for of_one in arrivals.values()] == [9, 9]
    assert max(map(min, arrivals.values())) < min(map(max, arrivals.values()))  # both hosts wrote at the same time
    assert {entry["status"] for entry in writes}.isdisjoint({429})
    assert max_per_second(arrival_times(counted(writes, "company_writes"))) <= 5
    assert max_per_second(arrival_times(counted(writes, "createOrInviteUser"))) <= 2
