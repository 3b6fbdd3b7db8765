"""Another process that locks the file of the rate limiter, and a fork while a thread uses it."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from airflow_provider_360learning.api.limiter import sqlite as sqlite_module
from airflow_provider_360learning.api.limiter import store as store_module
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.limiter.store import SharedLimit, StoreUnavailableError
from airflow_provider_360learning.api.v1.spec import API_V1

ROOT = Path(__file__).parents[2]
UPDATE = API_V1.endpoints["updateUser"]
#: In the place of a second.
LOCK_TIMEOUT = 0.3
#: What a loaded machine may add to the timeout, in seconds.
SLACK = 0.9

LOCKS = {
    "exclusive": "db.execute('BEGIN EXCLUSIVE')",
    "write": "db.execute('BEGIN IMMEDIATE'); db.execute('DELETE FROM limits')",
    "read": "db.execute('BEGIN'); db.execute('SELECT * FROM limits').fetchall()",
    "fcntl, read only": "file = open(path, 'rb'); fcntl.lockf(file, fcntl.LOCK_SH)",
}
NEIGHBOR = """
import fcntl, sqlite3, sys, time
path = sys.argv[1]
db = sqlite3.connect(path, isolation_level=None)
{}
print("locked", flush=True)
time.sleep(60)
"""


@pytest.fixture(autouse=True)
def short_timeout(monkeypatch):
    assert sqlite_module.LOCK_TIMEOUT == 1.0
    monkeypatch.setattr(sqlite_module, "LOCK_TIMEOUT", LOCK_TIMEOUT)


@contextmanager
def locked(folder, lock="exclusive"):
    """Let another process hold a lock on the file."""
    (path,) = folder.glob("rate-limits-*.sqlite3")
    code = NEIGHBOR.format(LOCKS[lock])
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"locked\n"
        try:
            yield
        finally:
            process.kill()


def make_rate_limiter(folder, **how):
    return RateLimiter(
        host_store(str(folder)),
        base_url=f"https://{folder.name}.test".replace("_", "-"),
        company_id="acme",
        fallback=Share(1.0, started=0.0),
        **how,
    )


@contextmanager
def at_most(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.mark.realtime
@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_of_another_process_delays_the_fallback_by_a_second(tmp_path, caplog, lock):
    rate_limiter = make_rate_limiter(tmp_path, store_retry_interval=0.01)
    with locked(tmp_path, lock):
        with at_most(LOCK_TIMEOUT + SLACK):
            reservation = rate_limiter.reserve(UPDATE, 600)
        with at_most(0.2):
            for _ in range(20):
                rate_limiter.is_current(reservation)
                rate_limiter.release(reservation)
                reservation = rate_limiter.reserve(UPDATE, 600)
                time.sleep(0.001)  # longer than the interval of retries at times
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "database is locked" in caplog.text


@pytest.mark.realtime
def test_a_locked_file_delays_a_new_process_by_a_second(tmp_path, caplog):
    """It can use the file later: a triggerer runs for weeks."""
    host_store(str(tmp_path))
    with locked(tmp_path), at_most(LOCK_TIMEOUT + SLACK):
        make_rate_limiter(tmp_path).reserve(UPDATE, 600)
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.realtime
def test_all_threads_and_connections_wait_for_the_same_second(tmp_path):
    store = host_store(str(tmp_path))
    limiters = [
        RateLimiter(store, base_url=f"https://{number}.test", company_id="acme", fallback=Share(1.0, started=0.0))
        for number in range(8)
    ]
    with locked(tmp_path), at_most(LOCK_TIMEOUT + SLACK), ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda each: each.reserve(UPDATE, 600), limiters))


def test_the_file_is_used_again_after_the_lock(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(store_module, "OUTAGE_PAUSE", 0.05)
    rate_limiter = make_rate_limiter(tmp_path, store_retry_interval=0.05)
    with locked(tmp_path):
        rate_limiter.reserve(UPDATE, 600)
    time.sleep(0.2)
    with caplog.at_level(logging.INFO):
        rate_limiter.reserve(UPDATE, 600)
    assert "available again" in caplog.text


FORKS = """
import os, signal, sys, threading
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.v1.spec import API_V1

read = API_V1.endpoints["getUsers"]
store = host_store(sys.argv[1]) if sys.argv[1] else None
limits = {"ip_reads": 1000, "company_reads": 1000}
rate_limiter = RateLimiter(store, base_url="https://a.test", company_id="a", fallback=Share(1.0, 0.0), overrides=limits)

def hammer():
    while True:
        reservation = rate_limiter.reserve(read, 600)
        with rate_limiter.measure_wait(reservation):
            rate_limiter.release(reservation)

for _ in range(4):
    threading.Thread(target=hammer, daemon=True).start()
for _ in range(10):
    child = os.fork()
    if not child:
        signal.alarm(60)  # ends a child that waits for a lock that none of its threads will release
        reservation = rate_limiter.reserve(read, 600)
        assert rate_limiter.reserve(read, 600).store is (store or reservation.store)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
os._exit(0)
"""


@pytest.mark.parametrize("backend", ["host", "process"])
def test_a_fork_while_other_threads_reserve_does_not_deadlock(tmp_path, backend):
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKS, str(tmp_path) if backend == "host" else ""],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=180,
        check=True,
    )


@pytest.mark.realtime
def test_a_fork_waits_for_a_transaction_no_longer_than_its_lock(tmp_path):
    """The parent waits for another process's lock when it forks; its child is not locked out afterwards."""
    store = host_store(str(tmp_path))
    limit = [SharedLimit("all", 5, 1.0)]
    with ThreadPoolExecutor(1) as thread:
        with locked(tmp_path):
            waiting = thread.submit(store.reserve, limit, max_wait=600)
            time.sleep(0.1)
            with at_most(LOCK_TIMEOUT + SLACK):
                child = os.fork()
                if not child:
                    os._exit(0 if _reserves_in_a_file(str(tmp_path)) else 1)
            assert isinstance(waiting.exception(), StoreUnavailableError)
        assert os.waitpid(child, 0)[1] == 0


def _reserves_in_a_file(folder):
    for _ in range(5):
        try:
            host_store(folder).reserve([SharedLimit("all", 5, 1.0)], max_wait=600)
        except StoreUnavailableError:
            continue
        return True
    return False
