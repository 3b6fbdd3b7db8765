"""Celery workers on two hosts share the rate limits."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.benchmarks.support import arrival_times, counted, passed, rate
from tests.deployments.celery_stack import Worker
from tests.deployments.dags.at_the_limit import LIMITS, WORKERS, connection_id
from tests.deployments.tables import add_row

pytestmark = [pytest.mark.slow, pytest.mark.realtime]

#: By setting, what each task logs.
BACKENDS = {
    "redis": "Rate limiter selected: backend=redis ([learning360] rate_limiter = redis)",
    "postgres": "Rate limiter selected: backend=postgres ([learning360] rate_limiter = postgres)",
    "auto": "Rate limiter selected: backend=redis ([learning360] rate_limiter = auto",
}
#: Seconds that the tasks of a limit take.
DURATION = 20
#: With a margin of 50 ms, 95 % is possible.
MINIMUM_SHARE = 0.9
LATENCY = {"delay_before_ms": 50, "delay_after_ms": 50}


@pytest.fixture(scope="session")
def measured(stack, request, tmp_path_factory):
    """Run the tasks of all limits with a backend of the rate limiter, and return its name and the journals by limit."""
    workers = [Worker(name, f"127.0.0.{number}", [name], len(LIMITS)) for number, name in enumerate(WORKERS, 2)]
    requests = {limit: calls_of(limit) * DURATION // len(WORKERS) for limit in LIMITS}
    with ExitStack() as running:
        sandboxes = {limit: running.enter_context(Sandbox(settings=LATENCY)) for limit in LIMITS}
        connections = {
            connection_id(limit): sandbox.connection_json(api_version=version_of(limit))
            for limit, sandbox in sandboxes.items()
        }
        running.enter_context(stack.workers(workers, request.param, connections))
        started = tmp_path_factory.mktemp("started")
        run_id = stack.trigger("at_the_limit", {"requests": requests, "started": str(started)})
        assert stack.wait("at_the_limit", run_id, timeout=300) == "success"
        assert stack.logs("at_the_limit", run_id).count(BACKENDS[request.param]) == len(LIMITS) * len(WORKERS)
        return request.param, {limit: sandbox.control.journal() for limit, sandbox in sandboxes.items()}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("measured", BACKENDS, indirect=True, scope="session")
def test_two_workers_reach_a_limit_without_a_429(measured, limit):
    backend, journals = measured
    sent = counted(journals[limit], limit.rpartition(" ")[2])
    throttled = len(sent) - len(passed(sent))
    share = rate(arrival_times(passed(sent)), calls_of(limit)) / calls_of(limit)
    figures = {"Requests": len(sent), "429s": throttled, "Share": f"{share:.1%}"}
    add_row({"Rate limiter": backend, "Limit": limit, **figures})
    assert len({entry["ip"] for entry in sent}) == len(WORKERS), "not from all workers"
    assert throttled == 0
    assert share >= MINIMUM_SHARE


def version_of(limit):
    return limit.rpartition(" ")[0] or "v1"


def calls_of(limit):
    return VERSIONS[version_of(limit)].spec.limits[limit.rpartition(" ")[2]].requests
