"""The 429 of bulk jobs: as many run as a company may have. It says nothing about the rate of requests."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.types import Acquire, Call
from airflow_provider_360learning.exceptions import BulkJobsLimitError
from tests.api.support import FakeClock

SUBMISSION = Call("addContentsToGroupsCatalog", body={"input": []})


@pytest.fixture
def submit(make_api, sandbox):
    """Submit a job, and return how long the client was to sleep before each further attempt."""

    def submit(sleep=lambda seconds: sandbox.control.advance(1.0), max_attempts=4, **options):
        def waits(seconds):
            sleeps.append(seconds)
            sleep(seconds)

        sleeps = []
        client = make_api(client={"sleep": waits, "max_attempts": max_attempts}, **options).client
        client.call(SUBMISSION)
        return sleeps, client

    return submit


@pytest.fixture
def running_jobs(submit, sandbox):
    """Let three jobs run until the sandbox's clock moves on."""
    sandbox.control.settings(bulk_job_seconds=2.5)
    for _ in range(3):
        submit()


@pytest.mark.usefixtures("running_jobs")
def test_a_submission_waits_for_tens_of_seconds_until_a_job_has_ended(submit):
    sleeps, client = submit()
    assert len(sleeps) == 3
    assert all(20 <= seconds <= 40 for seconds in sleeps)
    assert client.usage.throttled == 0


@pytest.mark.usefixtures("running_jobs")
def test_the_rate_limits_are_not_slowed_down(submit):
    _, client = submit(limits={})
    writes = client.spec.endpoints["addContentsToGroupsCatalog"]
    assert [client.rate_limiter.reserve(writes, 600).wait for _ in range(5)] == [0] * 5


@pytest.mark.usefixtures("running_jobs")
@pytest.mark.parametrize(("max_wait", "max_attempts"), [(30.0, 4), (600.0, 1)])
def test_a_submission_does_not_wait_for_longer_than_the_maximum(submit, max_wait, max_attempts):
    with pytest.raises(BulkJobsLimitError, match="retry when one has ended"):
        submit(sleep=lambda seconds: pytest.fail("it waited"), max_wait=max_wait, max_attempts=max_attempts)


@pytest.mark.usefixtures("running_jobs")
def test_the_place_of_a_submission_that_waits_is_renewed(make_api, sandbox):
    clock = FakeClock()

    def sleep(seconds):
        clock.advance(seconds)
        sandbox.control.advance(1.0)

    def steps():
        yield Acquire("bulk_jobs", 1, "ours", seconds=45.0)
        yield SUBMISSION
        return client.rate_limiter.acquire(Acquire("bulk_jobs", 1, "other")) > 0

    client = make_api(client={"sleep": sleep}, store=SqliteStore(":memory:", clock=clock)).client
    assert client.run(steps())
    assert clock() > 1060
