"""The rate limits of API v2, on a clock of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from airflow_provider_360learning.sandbox.server import Sandbox
from tests.sandbox.v2.conftest import Client

READ, WRITE = "GET", "POST"


class ManualClock:
    """A monotonic clock that only the test advances."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="module")
def server(clock: ManualClock) -> Iterator[Sandbox]:
    with Sandbox(monotonic=clock) as server:
        yield server


@pytest.fixture
def limited(server: Sandbox) -> Sandbox:
    server.control.reset()
    return server


@pytest.fixture
def send(limited: Sandbox) -> Iterator[Callable[..., int]]:
    """Send requests of a kind to unknown routes, and return how many were not throttled."""
    client = Client(limited)
    client.authenticate(limited.client_id, limited.client_secret)
    keys = {"X-company-id": limited.company_id, "X-apiKey": limited.api_key}

    def send(method: str, number: int, version: str = "v2") -> int:
        headers = keys if version == "v1" else client.headers
        responses = [client(method, f"/api/{version}/unknown", None, headers) for _ in range(number)]
        throttled = [each for each in responses if each.status == 429]
        assert all(each.json == {"error": "tooManyRequests"} for each in throttled)
        return number - len(throttled)

    yield send
    client.close()


@pytest.mark.parametrize(("method", "limit"), [(READ, 50), (WRITE, 10)])
def test_requests_per_company_and_second(clock, send, method, limit):
    clock.now += 10
    assert send(method, limit + 3) == limit
    clock.now += 0.99
    assert send(method, 1) == 0
    clock.now += 0.02
    assert send(method, limit + 3) == limit


def test_versions_count_apart_unless_they_share(clock, limited, send):
    clock.now += 10
    assert send(WRITE, 6, "v1") == 5
    assert send(WRITE, 11) == 10
    limited.control.settings(versions_share_limits=True)
    clock.now += 10
    assert send(WRITE, 6, "v1") == 5
    assert send(WRITE, 11) == 5


def test_a_limit_of_one_version_can_be_changed(clock, limited, send):
    clock.now += 10
    limited.control.settings(limits={"v2 company_writes": 2})
    assert send(WRITE, 6, "v1") == 5
    assert send(WRITE, 6) == 2
