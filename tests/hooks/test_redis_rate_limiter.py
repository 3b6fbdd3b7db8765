"""The budget shared through Redis: by hosts, on an event loop, with a server that is not there, or is set up wrong."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from airflow_provider_360learning.api.limiter.redis import RedisStore
from airflow_provider_360learning.api.limiter.store import SharedLimit
from airflow_provider_360learning.connections.redis import make_client
from airflow_provider_360learning.hooks.rate_limiter import active_rate_limiter, look_up
from tests.api.support import unused_port
from tests.benchmarks.support import counted, moments, worst_second

ROOT = Path(__file__).parents[2]


@pytest.fixture
def redis_budget(monkeypatch):
    """Configure the budget ``redis`` with a connection, a dict or as text."""

    def configure(connection):
        text = connection if isinstance(connection, str) else json.dumps(connection)
        monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER", "redis")
        monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER_CONN_ID", "cache")
        monkeypatch.setenv("AIRFLOW_CONN_CACHE", text)

    return configure


def keys_of(server):
    from redis import Redis

    return Redis(server.host, server.port).keys("*")


# What the check is told


def test_redis_is_in_force_where_it_can_be_reached(redis_server, redis_budget):
    redis_budget(redis_server.connection())
    choice = active_rate_limiter()
    assert (choice.kind, choice.reason, choice.warning) == ("redis", "[learning360] rate_limiter = redis", None)


def test_slots_is_in_force_as_long_as_the_server_does_not_answer(redis_budget):
    port = unused_port()
    redis_budget(f"redis://:the-password@127.0.0.1:{port}/3")
    choice = active_rate_limiter()
    assert choice.kind == "pool_slots"
    assert f"cannot be used now (redis://127.0.0.1:{port}/3: " in choice.warning
    assert choice.warning.endswith("using pool_slots until it can")
    assert "the-password" not in choice.warning


def test_slots_is_in_force_as_long_as_the_server_does_not_let_us_in(start_redis, redis_budget):
    server = start_redis(password="right")
    redis_budget({**server.connection(), "password": "the-wrong-password"})
    choice = active_rate_limiter()
    assert choice.kind == "pool_slots"
    assert "invalid username-password pair" in choice.warning
    assert "the-wrong-password" not in choice.warning


@pytest.mark.parametrize(
    ("conn_id", "connection", "said"),
    [
        ("", "redis://127.0.0.1", "[learning360] rate_limiter_conn_id names no connection"),
        ("elsewhere", "redis://127.0.0.1", "Airflow has no connection 'elsewhere'"),
        ("cache", "redis://:the-password@127.0.0.1:port", "Airflow has no connection 'cache'"),
        ("cache", "redis://:the-password@127.0.0.1?db=one", "field extra.db: is 'one'"),
    ],
)
def test_what_can_never_work_is_said(airflow_db, redis_budget, monkeypatch, conn_id, connection, said):
    redis_budget(connection)
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER_CONN_ID", conn_id)
    choice = active_rate_limiter()
    assert choice.kind == "pool_slots"
    assert said in choice.warning
    assert choice.warning.endswith(": using pool_slots")
    assert "the-password" not in choice.warning


def test_the_docs_name_all_that_a_user_of_the_server_needs(start_redis, monkeypatch):
    (line,) = re.findall(r"^    user (airflow .*)$", (ROOT / "docs/rate-limits.md").read_text(), re.MULTILINE)
    server = start_redis(user=line, tls=True)
    connection = {**server.connection(db=3), "login": "airflow", "password": "a-long-password"}
    monkeypatch.setenv("AIRFLOW_CONN_CACHE", json.dumps(connection))
    store = RedisStore(*make_client(*look_up("cache")))
    store.check()
    limits = [SharedLimit("writes", 5, 1.0)]
    first = store.reserve(limits, max_wait=60)
    second = store.reserve(limits, max_wait=60, replacing=first)
    assert store.lateness(second) is not None
    store.back_off(second, [limits], None, lambda times: 1.0)
    store.release(second)


# In processes of their own: a process decides once

BEGINNING = """
import asyncio, logging, sys
from concurrent.futures import ThreadPoolExecutor
from airflow_provider_360learning.api.limiter import limiter, redis
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL
from tests.loopback_hosts import leave_from

logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(message)s", force=True)
logging.getLogger("airflow_provider_360learning").setLevel(logging.INFO)
limiter.RateLimiter.__init__.__kwdefaults__["store_retry_interval"] = redis.UNREACHABLE_PAUSE = 0.2  # seconds to wait here

class Task:
    pool_slots = 5

hook = Learning360Hook(task=Task())
"""


class Worker:
    """A process that goes on to its next step when it is told to."""

    def __init__(self, code, sandbox, arguments=(), **environment):
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", BEGINNING + code, *arguments],
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

    def go_on(self):
        """Let it make its next step."""
        self._process.stdin.write("go on\n")
        self._process.stdin.flush()

    def said(self):
        """Give what it says about its budget until the step is done."""
        lines = []
        for line in self._process.stdout:
            if line == "done\n":
                return lines
            lines += [line.strip()] if "rate limiter" in line.lower() else []
        raise AssertionError(f"It ended in the middle of a step; it said {lines}")

    def step(self):
        self.go_on()
        return self.said()


ONE_READ_A_STEP = """
for line in sys.stdin:
    hook.api.list_groups()
    print("done", flush=True)
"""


def test_a_process_finds_a_server_that_comes_up_later_and_loses_it_again(sandbox, redis_server, redis_budget):
    redis_budget(redis_server.connection())
    redis_server.stop()
    with Worker(ONE_READ_A_STEP, sandbox) as worker:
        chosen, warned = worker.step()
        assert chosen == "INFO Rate limiter selected: backend=redis ([learning360] rate_limiter = redis)"
        assert warned.startswith("WARNING Shared rate limiter unavailable: ")
        assert f"redis://127.0.0.1:{redis_server.port}/0: " in warned
        redis_server.start()
        while not (said := worker.step()):
            pass
        assert said == ["INFO Shared rate limiter available again; using it."]
        assert worker.step() == []
        assert keys_of(redis_server)
        redis_server.stop()
        (warned,) = worker.step()
        assert warned.startswith("WARNING Shared rate limiter unavailable: ")
    assert {entry["status"] for entry in sandbox.control.journal()} == {200}


def test_a_setting_that_can_never_work_is_said_once_and_the_process_keeps_to_its_share(sandbox, redis_budget):
    redis_budget("redis://:the-password@127.0.0.1?db=one")
    with Worker(ONE_READ_A_STEP, sandbox) as worker:
        chosen, warned = worker.step()
        assert chosen == "INFO Rate limiter selected: backend=redis ([learning360] rate_limiter = redis)"
        problem = "connection 'cache', field extra.db: is 'one', but must be the number of a database"
        assert warned == f"WARNING Rate limiter: {problem}: using pool_slots"
        assert worker.step() == []


FIVE_WAITS = """
async def wait(executor):
    api = await hook.get_async_conn(executor)
    return await api.get_user.arun(executor, GRACE_MAIL)

async def waits():
    with ThreadPoolExecutor(2) as executor:
        return await asyncio.gather(*(wait(executor) for _ in range(5)))

for line in sys.stdin:
    assert {user["user_id"] for user in asyncio.run(waits())} == {GRACE_ID}
    print("done", flush=True)
"""


def test_it_is_reached_from_an_event_loop(sandbox, redis_server, redis_budget):
    redis_budget(redis_server.connection())
    with Worker(FIVE_WAITS, sandbox) as worker:
        assert worker.step() == ["INFO Rate limiter selected: backend=redis ([learning360] rate_limiter = redis)"]
    assert keys_of(redis_server)


# Two hosts

NINE_WRITES = """
host = sys.argv[1]
leave_from(host)
hook.api.get_user(GRACE_ID)
print("done", flush=True)
for line in sys.stdin:
    for turn in range(3):
        hook.api.create_user(f"{host}-{turn}@acme.test", mode="create_active")
        hook.api.update_user(GRACE_ID, job=f"{host}, {turn}")
        hook.api.update_user(GRACE_ID, job=f"{host}, {turn} again")
    print("done", flush=True)
"""


def test_two_hosts_stay_within_the_limits_together(sandbox, redis_server, redis_budget, tmp_path, monkeypatch):
    sandbox.control.settings(limits_enabled=True)
    redis_budget(redis_server.connection())
    # A machine that is short of CPU lets requests arrive late; this is about who shares with whom.
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
            worker.said()  # it is ready
        for worker in workers:
            worker.go_on()
        for worker in workers:
            assert worker.said() == []
    writes = [entry for entry in sandbox.control.journal() if entry["method"] != "GET"]
    arrivals = {address: moments(entry for entry in writes if entry["ip"] == address) for address in addresses}
    assert [len(of_one) for of_one in arrivals.values()] == [9, 9]
    assert max(map(min, arrivals.values())) < min(map(max, arrivals.values()))  # they wrote at the same time
    assert {entry["status"] for entry in writes}.isdisjoint({429})
    assert worst_second(moments(counted(writes, "company_writes"))) <= 5
    assert worst_second(moments(counted(writes, "createOrInviteUser"))) <= 2
