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
    assert threads.submit(pow, 2, exp=3).result(60) == 8
    with pytest.raises(ZeroDivisionError):
        threads.submit(divmod, 1, 0).result(60)


def test_runs_no_more_jobs_at_once_than_its_maximum():
    threads = TransientThreads(3)
    running, end = threading.Semaphore(0), threading.Event()

    def job():
        running.release()
        end.wait(60)
        return threading.get_ident()

    jobs = [threads.submit(job) for _ in range(8)]
    for _ in range(3):
        assert running.acquire(timeout=60)
    assert not running.acquire(timeout=0.05)
    end.set()
    assert len({job.result(60) for job in jobs}) <= 3


def test_a_job_that_is_cancelled_in_time_never_runs():
    threads, end, calls = TransientThreads(1), threading.Event(), []
    first, second, third = (
        threads.submit(end.wait, 60),
        threads.submit(calls.append, 2),
        threads.submit(calls.append, 3),
    )
    assert second.cancel()
    end.set()
    wait([first, third], 60)
    assert calls == [3]


def test_an_idle_thread_is_used_again():
    threads = TransientThreads(8, max_idle=5)
    idents = set()
    for _ in range(20):
        idents.add(threads.submit(threading.get_ident).result(60))
        time.sleep(0.002)
    assert len(idents) < 10, "a thread may still be busy with the end of its job"


def test_idle_threads_end_and_keep_nothing():
    class Result:
        pass

    threads = TransientThreads(8, max_idle=0.05)
    before = threading.active_count()
    result = weakref.ref(threads.submit(Result).result(60))
    end = threading.Event()
    jobs = [threads.submit(end.wait, 60) for _ in range(8)]
    assert threading.active_count() > before
    end.set()
    wait(jobs, 60)
    deadline = time.monotonic() + 60
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before
    gc.collect()
    assert result() is None
    assert threads.submit(pow, 2, 3).result(60) == 8, "and start again"
