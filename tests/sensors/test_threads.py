"""The threads of deferred waits: as many as there are jobs, up to a maximum, and none without jobs."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from concurrent.futures import wait

import pytest

from airflow_provider_360learning.triggers.threads import TransientThreads


def test_returns_results_and_raises_errors():
    threads = TransientThreads(2)
    assert threads.submit(pow, 2, exp=3).result(1) == 8
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 1, 0).result(1)


def test_runs_no_more_jobs_at_once_than_its_maximum():
    threads = TransientThreads(3)
    running, end = threading.Semaphore(0), threading.Event()

    def job():
        running.release()
        end.wait(5)
        return threading.get_ident()

    jobs = [threads.submit(job) for _ in range(8)]
    for _ in range(3):
        assert running.acquire(timeout=1)
    assert not running.acquire(timeout=0.05)
    end.set()
    assert len({job.result(1) for job in jobs}) <= 3


def test_a_job_that_is_cancelled_in_time_never_runs():
    threads, end, calls = TransientThreads(1), threading.Event(), []
    first, second, third = threads.submit(end.wait, 5), threads.submit(calls.append, 2), threads.submit(calls.append, 3)
    assert second.cancel()
    end.set()
    wait([first, third], 1)
    assert calls == [3]


def test_an_idle_thread_is_used_again():
    threads = TransientThreads(8, max_idle=5)
    idents = set()
    for _ in range(20):
        idents.add(threads.submit(threading.get_ident).result(1))
        time.sleep(0.002)
    assert len(idents) <= 2


def test_idle_threads_end_and_keep_nothing():
    class Result:
        pass

    threads = TransientThreads(8, max_idle=0.05)
    before = threading.active_count()
    result = weakref.ref(threads.submit(Result).result(1))
    wait([threads.submit(time.sleep, 0.02) for _ in range(8)], 1)
    assert threading.active_count() > before
    deadline = time.monotonic() + 2
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before
    gc.collect()
    assert result() is None
    assert threads.submit(pow, 2, 3).result(1) == 8, "and start again"
