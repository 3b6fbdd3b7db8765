"""The documented rate limits, recomputed from the journal."""

from __future__ import annotations

import email.utils
import http.client
import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID, GRACE_ID
from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS

KEY = {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY}
UNKNOWN = "0" * 24


@pytest.fixture
def limited(sandbox):
    sandbox.control.settings(limits_enabled=True)
    return sandbox


@pytest.fixture
def send(limited) -> Iterator:
    """Send a request from a source address over a persistent connection; return status, headers and body."""
    connections = {}
    port = int(limited.url.rpartition(":")[2])

    def send(method, path, source="127.0.0.1", body=None):
        if source not in connections:
            connections[source] = http.client.HTTPConnection("127.0.0.1", port, source_address=(source, 0))
        headers = KEY | ({"Content-Type": "application/json"} if body else {})
        connections[source].request(method, f"/api/v1{path}", body and json.dumps(body), headers)
        response = connections[source].getresponse()
        return response.status, response.headers, response.read()

    yield send
    for connection in connections.values():
        connection.close()


def most_in_a_second(entries, *, counted):
    """Return the maximum number of arrivals in the second before each arrival."""
    times = [entry["arrived_at"] for entry in entries if counted(entry)]
    return max((sum(at - 1 < other <= at for other in times) for at in times), default=0)


def passed(entry):
    return entry["status"] != 429


def two_waves(send, method, path, figure, sources=1):
    """Send requests until twice the limit has passed; each step sends one request per source."""
    passed, end = 0, time.monotonic() + 30
    while passed < 2 * figure:
        assert time.monotonic() < end, f"only {passed} requests passed in 30 s"
        for source in range(sources):
            passed += send(method, path, source=f"127.0.0.{source + 1}")[0] != 429
            yield


def assert_kept(entries, limit, figure):
    """Assert that no rolling second exceeds the limit, and that the second wave passes as soon as the first left."""
    assert most_in_a_second(entries, counted=passed) == figure
    assert {name for entry in entries for name in entry["refused_by"]} == {limit}
    times = [entry["arrived_at"] for entry in entries if passed(entry)]
    assert 1 <= times[figure] - times[0] < 1.9


@pytest.mark.parametrize(
    ("method", "path", "sources", "limit", "figure"),
    [
        ("GET", "/groups", 1, "ip_reads", 10),
        ("GET", "/groups", 8, "company_reads", 50),
        ("PUT", f"/users/{GRACE_ID}", 1, "company_writes", 5),
    ],
)
def test_no_rolling_second_exceeds_the_limit(limited, send, method, path, sources, limit, figure):
    for _ in two_waves(send, method, path, figure, sources):
        pass
    assert_kept(limited.control.journal(), limit, figure)


def test_special_routes_have_their_own_limits(limited, send):
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
    for _ in itertools.zip_longest(*(two_waves(send, *each) for each in special.values())):
        pass
    entries = limited.control.journal()
    for operation, (_, _, figure) in special.items():
        assert_kept([entry for entry in entries if entry["operation"] == operation], operation, figure)


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
def test_counting_of_refused_requests_can_be_switched(limited, send, count):
    limited.control.settings(refused_requests_count=count)
    statuses = []
    for pause in (0, 0.6, 0.6):
        time.sleep(pause)
        statuses.append(send("DELETE", f"/groups/{UNKNOWN}")[0])
    # The third arrives 1.2 s after the first, and 0.6 s after the refused one.
    assert statuses == [400, 429, 429 if count else 400]


@pytest.mark.parametrize("count", [True, False])
def test_counting_of_token_requests_can_be_switched(limited, send, client, count):
    limited.control.settings(token_requests_count=count)
    for _ in range(5):
        client("POST", "/api/v2/oauth2/token", json={})
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


def test_latency_applies_before_and_after_counting(limited, send):
    limited.control.settings(delay_before_ms=60, delay_after_ms=40)
    start = time.monotonic()
    send("GET", "/groups")
    end = time.monotonic()
    (entry,) = limited.control.journal()
    assert 0.06 <= entry["arrived_at"] - start < 5
    assert 0.04 <= end - entry["arrived_at"] < 5


def test_jitter_spreads_arrivals(limited, send):
    limited.control.settings(limits_enabled=False, delay_before_ms=20, jitter_ms=20)
    ways = []
    for _ in range(15):
        start = time.monotonic()
        send("GET", "/groups")
        ways.append(limited.control.journal()[-1]["arrived_at"] - start)
    assert min(ways) < 0.3
    assert max(ways) - min(ways) > 0.01


def test_delays_of_concurrent_requests_overlap(limited, send):
    limited.control.settings(limits_enabled=False, delay_before_ms=1000)
    start = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: send("GET", "/groups", source=f"127.0.0.{n + 1}"), range(8)))
    assert time.monotonic() - start < 6, "one after the other, they take 8 s"


def test_limits_agree_with_the_documentation():
    documented = json.loads((Path(__file__).parents[1] / "data" / "api-v1.json").read_text())
    special = {
        operation["operation"]: int(operation["rate_limit_route_special"].split()[0])
        for operation in documented
        if operation["rate_limit_route_special"]
    }
    general = {"company_reads": 50, "company_writes": 5, "ip_reads": 10, "ip_writes": 10}
    assert special | general == DOCUMENTED_LIMITS
