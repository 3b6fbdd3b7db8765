"""Celery workers on two hosts share the rate limits."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.versions import VERSIONS
from tests.benchmarks.support import arrival_times, counted, passed, rate
from tests.deployments.celery_stack import Worker
from tests.deployments.dags.at_the_limit import LIMITS, WORKERS, connection_id
from tests.deployments.tables import add_row

pytestmark = [pytest.mark.slow, pytest.mark.realtime]

#: Seconds that the tasks of a limit take.
DURATION = 20
#: With a margin of 50 ms, 95 % is possible.
MINIMUM_SHARE = 0.9


@pytest.fixture(scope="session")
def backend(stack, request):
    """Run a worker per host with a backend of the rate limiter."""
    workers = [Worker(name, f"127.0.0.{number}", [name], len(LIMITS)) for number, name in enumerate(WORKERS, 2)]
    with stack.workers(workers, request.param):
        yield request.param


@pytest.fixture(scope="session")
def journals(stack, backend, sandboxes):
    """Run the tasks of all limits, and return the journals by limit."""
    controls = {limit: sandboxes[connection_id(limit)].control for limit in LIMITS}
    for control in controls.values():
        control.reset()
        control.clear_journal()
    requests = {limit: calls_of(limit) * DURATION // len(WORKERS) for limit in LIMITS}
    assert stack.wait("at_the_limit", stack.trigger("at_the_limit", requests), timeout=120) == "success"
    return {limit: control.journal() for limit, control in controls.items()}


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("backend", ["redis"], indirect=True, scope="session")
def test_two_workers_reach_a_limit_without_a_429(backend, journals, limit):
    sent = counted(journals[limit], limit.rpartition(" ")[2])
    throttled = len(sent) - len(passed(sent))
    share = rate(arrival_times(passed(sent)), calls_of(limit)) / calls_of(limit)
    figures = {"Requests": len(sent), "429s": throttled, "Share": f"{share:.1%}"}
    add_row({"Rate limiter": backend, "Limit": limit, **figures})
    assert len({entry["ip"] for entry in sent}) == len(WORKERS), "not from all workers"
    assert throttled == 0
    assert share >= MINIMUM_SHARE


def calls_of(limit):
    version, _, name = limit.rpartition(" ")
    return VERSIONS[version or "v1"].spec.limits[name].requests
