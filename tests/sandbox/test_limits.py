"""The documented rate limits, on a clock of the test, and recomputed from the journal."""

from __future__ import annotations

import email.utils
import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID, GRACE_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS

KEY = {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY}
UNKNOWN = "0" * 24


class ManualClock:
    """A monotonic clock that only the test advances."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def clock():
    return ManualClock()


@pytest.fixture(scope="module")
def limited_server(clock):
    with Sandbox(monotonic=clock) as server:
        yield server


@pytest.fixture
def limited(limited_server):
    """Return a fresh sandbox with the documented limits, whose windows follow ``clock``."""
    limited_server.control.reset()
    return limited_server


@pytest.fixture
def send(limited) -> Iterator:
    """Send a request from a source address over a persistent connection; return status, headers and body."""
    connections = {}
    port = int(limited.url.rpartition(":")[2])

    def send(method, path, source="127.0.0.1", body=None):
        if source not in connections:
            connections[source] = http.client.HTTPConnection("127.0.0.1", port, source_address=(source, 0))
        headers = KEY | ({"Content-Type": "application/json"} if body else {})
        url = path if path.startswith("/api/") else f"/api/v1{path}"
        connections[source].request(method, url, body and json.dumps(body), headers)
        response = connections[source].getresponse()
        return response.status, response.headers, response.read()

    yield send
    for connection in connections.values():
        connection.close()


def passed(entry):
    return entry["status"] != 429


def assert_limited(entries, limit, figure):
    """Assert that a request was refused exactly if the second before it contains as many as the limit allows."""
    times = []
    for entry in entries:
        at = entry["arrived_at"]
        assert passed(entry) == (sum(at - 1 < earlier <= at for earlier in times) < figure)
        if passed(entry):
            times.append(at)
    assert len(times) > 2 * figure
    assert {name for entry in entries for name in entry["refused_by"]} == {limit}


# Steps are powers of two, so that sums of them are exact.


@pytest.mark.parametrize(
    ("method", "path", "sources", "step", "limit", "figure"),
    [
        ("GET", "/groups", 1, 1 / 16, "ip_reads", 10),
        ("GET", "/groups", 8, 1 / 8, "company_reads", 50),
        ("PUT", f"/users/{GRACE_ID}", 1, 1 / 16, "company_writes", 5),
    ],
)
def test_no_rolling_second_exceeds_the_limit(limited, send, clock, method, path, sources, step, limit, figure):
    for _ in range(int(3 / step)):
        clock.now += step
        for source in range(sources):
            send(method, path, source=f"127.0.0.{source + 1}")
    assert_limited(limited.control.journal(), limit, figure)


def test_special_routes_have_their_own_limits(limited, send, clock):
    limited.control.settings(limits={"company_writes": None, "ip_writes": None})
    special = {
        "createOrInviteUser": ("POST", "/users", 2),
        "deleteUser": ("DELETE", f"/users/{UNKNOWN}", 2),
        "deleteGroup": ("DELETE", f"/groups/{UNKNOWN}", 1),
        "updatePathSession": ("PATCH", f"/paths/sessions/{UNKNOWN}", 1),
        "importExternalCoursesStats": (
            "POST",
            f"/externalContents/groups/{UNKNOWN}/externalPlatforms/x/courses/stats",
            1,
        ),
    }
    for _ in range(12):
        clock.now += 1 / 4
        for method, path, _ in special.values():
            send(method, path)
    entries = limited.control.journal()
    for operation, (_, _, figure) in special.items():
        assert_limited([entry for entry in entries if entry["operation"] == operation], operation, figure)


@pytest.mark.realtime
def test_limits_follow_real_time_by_default(sandbox, client):
    sandbox.control.settings(limits={"ip_reads": 1}, limits_enabled=True)
    start = time.monotonic()
    while sum(map(passed, sandbox.control.journal())) < 3 and time.monotonic() < start + 30:
        client("GET", "/groups")
    first, second, third = (entry["arrived_at"] for entry in sandbox.control.journal() if passed(entry))
    assert 1 <= second - first < 1.9
    assert 1 <= third - second < 1.9


def test_ip_writes_are_counted_per_address(limited, send):
    limited.control.settings(limits={"company_writes": None})
    for source in ("127.0.0.1", "127.0.0.2"):
        for _ in range(11):
            send("PUT", f"/users/{GRACE_ID}", source=source)
    refused = [entry for entry in limited.control.journal() if not passed(entry)]
    assert [(entry["ip"], entry["refused_by"]) for entry in refused] == [
        ("127.0.0.1", ["ip_writes"]),
        ("127.0.0.2", ["ip_writes"]),
    ]


def test_reads_and_writes_are_counted_separately_and_refused_requests_not_at_all(limited, send):
    statuses = [send("POST", "/users")[0] for _ in range(6)] + [send("GET", "/groups")[0] for _ in range(10)]
    assert statuses == [400] * 2 + [429] * 4 + [200] * 10
    assert [send("PUT", f"/users/{GRACE_ID}")[0] for _ in range(4)] == [200] * 3 + [429]


@pytest.mark.parametrize("count", [True, False])
def test_counting_of_refused_requests_can_be_switched(limited, send, clock, count):
    limited.control.settings(refused_requests_count=count)
    statuses = []
    for seconds in (1, 0.6, 0.6):
        clock.now += seconds
        statuses.append(send("DELETE", f"/groups/{UNKNOWN}")[0])
    # The third arrives 1.2 s after the first, and 0.6 s after the refused one.
    assert statuses == [400, 429, 429 if count else 400]


@pytest.mark.parametrize("count", [True, False])
def test_counting_of_token_requests_can_be_switched(limited, send, count):
    limited.control.settings(token_requests_count=count)
    for _ in range(5):
        send("POST", limited.control.settings()["token_path"], body={})
    assert send("PUT", f"/users/{GRACE_ID}")[0] == (429 if count else 200)


@pytest.mark.parametrize("form", [None, "seconds", "date"])
def test_excess_gets_429_and_optional_retry_after(limited, send, form):
    limited.control.settings(retry_after=form)
    before = time.time()
    send("DELETE", f"/groups/{UNKNOWN}")
    status, headers, body = send("DELETE", f"/groups/{UNKNOWN}")
    assert (status, json.loads(body)) == (429, {"error": "tooManyRequests"})
    given = headers["Retry-After"]
    if form == "date":
        timestamp = email.utils.parsedate_to_datetime(given).timestamp()
        assert before + 1 <= timestamp <= time.time() + 2, "a second, in whole ones"
    else:
        assert given == {None: None, "seconds": "1"}[form]


def test_limits_can_be_changed_and_switched_off(limited, send):
    limited.control.settings(limits={"createOrInviteUser": 4})
    assert [send("POST", "/users")[0] for _ in range(5)] == [400] * 4 + [429]
    limited.control.settings(limits_enabled=False)
    assert {send("POST", "/users")[0] for _ in range(20)} == {400}


@pytest.mark.realtime
def test_latency_applies_before_and_after_counting(sandbox, client):
    sandbox.control.settings(delay_before_ms=60, delay_after_ms=40)
    start = time.monotonic()
    client("GET", "/groups")
    end = time.monotonic()
    (entry,) = sandbox.control.journal()
    assert 0.06 <= entry["arrived_at"] - start < 5
    assert 0.04 <= end - entry["arrived_at"] < 5


@pytest.mark.realtime
def test_jitter_spreads_arrivals(sandbox, client):
    sandbox.control.settings(delay_before_ms=20, jitter_ms=20)
    latencies = []
    for _ in range(15):
        start = time.monotonic()
        client("GET", "/groups")
        latencies.append(sandbox.control.journal()[-1]["arrived_at"] - start)
    assert min(latencies) < 0.3
    assert max(latencies) - min(latencies) > 0.01


@pytest.mark.realtime
def test_delays_of_concurrent_requests_overlap(sandbox, new_client):
    sandbox.control.settings(delay_before_ms=1000)
    clients = [new_client(KEY) for _ in range(8)]
    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda client: client("GET", "/groups"), clients))
    assert time.monotonic() - start < 6, "8 requests in sequence take 8 s"


def test_limits_agree_with_the_documentation():
    documented = json.loads((Path(__file__).parents[1] / "data" / "api-v1.json").read_text())
    special = {
        operation["operation"]: int(operation["rate_limit_route_special"].split()[0])
        for operation in documented
        if operation["rate_limit_route_special"]
    }
    general = {"company_reads": 50, "company_writes": 5, "ip_reads": 10, "ip_writes": 10}
    assert special | general == DOCUMENTED_LIMITS
