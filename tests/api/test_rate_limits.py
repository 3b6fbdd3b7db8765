"""429s, and that there are none within the documented limits; verified by the sandbox's journal."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest
import requests

from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.limiter.usage import UsageObserver
from airflow_provider_360learning.api.response import retry_after_seconds
from airflow_provider_360learning.exceptions import RateLimitedError
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.support import FREE


class Observer(UsageObserver):
    """Keeps what it is notified of."""

    def __init__(self):
        self.counts = Counter()
        self.waits = []

    def on_count(self, what, operation):
        self.counts[what, operation] += 1

    def on_wait(self, limit, seconds):
        self.waits.append((limit, seconds))


def max_in_a_second(entries):
    """Return the maximum number of arrivals in any second, by comparing all of them."""
    arrivals = [entry["arrived_at"] for entry in entries]
    return max(sum(first <= other < first + 1.0 for other in arrivals) for first in arrivals)


# Retry-After


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "3"}, 3),
        ({"Retry-After": " 12 "}, 12),
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:07 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 7),
        ({"Retry-After": "Fri, 20 Nov 2026 11:00:07 +0100", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 7),
        ({"Retry-After": "Fri, 20 Nov 2026 09:00:00 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 0),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:07 -0000", "Date": "Fri, 20 Nov 2026 10:00:00 -0000"}, 7),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": ""}, None),
        ({}, None),
    ],
)
def test_reads_retry_after_as_seconds_or_as_a_date(headers, seconds):
    response = requests.Response()
    response.headers.update(headers)
    assert retry_after_seconds(response) == seconds


@pytest.mark.parametrize("more", [{"Date": "yesterday"}, {}], ids=["unreadable", "missing"])
def test_compares_a_date_with_our_clock_if_the_response_has_none(more):
    response = requests.Response()
    response.headers.update({"Retry-After": formatdate(time.time() + 3600, usegmt=True), **more})
    assert retry_after_seconds(response) == pytest.approx(3600, abs=60)


@pytest.mark.slow
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_waits_for_retry_after(sandbox, api, sent, form):
    api.list_groups()
    retry_after = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    sandbox.control.add_fault("updateUser", kind="rate_limited", retry_after=retry_after)
    api.client.usage.observer = observer = Observer()
    assert api.update_user(user=GRACE_MAIL, job="Admiral")["outcome"] == "updated"
    first, second = sent("updateUser")
    assert (first["status"], second["status"]) == (429, 200)
    assert 1.0 <= second["arrived_at"] - first["arrived_at"] < 30, "dates are whole seconds"
    assert (api.client.usage.throttled, api.client.usage.retries) == (1, 1)
    assert observer.counts == {
        ("requests", "updateUser"): 2,
        ("throttled", "updateUser"): 1,
        ("retries", "updateUser"): 1,
    }
    assert observer.waits


@pytest.mark.slow
def test_waits_after_a_429_without_retry_after(sandbox, api, sent):
    sandbox.control.add_fault("updateUser", kind="rate_limited")
    api.update_user(user=GRACE_MAIL, job="Admiral")
    first, second = sent("updateUser")
    assert 1.0 <= second["arrived_at"] - first["arrived_at"] < 30


@pytest.mark.slow
def test_resends_any_throttled_request(sandbox, api, sent):
    """Nothing was applied, so this is safe also for operations that are not idempotent."""
    sandbox.control.add_fault("createGroup", kind="rate_limited", retry_after=0)
    assert api.create_group(name="Lab")["outcome"] == "created"
    assert len(sent("createGroup")) == 2
    assert len(sent("getGroups")) == 1, "there was nothing to look up"


def test_waits_no_longer_than_the_maximum(sandbox, make_api, sent):
    sandbox.control.add_fault("updateUser", kind="rate_limited", retry_after=86_400)
    with pytest.raises(RateLimitedError, match="max_rate_limit_wait") as caught:
        make_api(max_wait=2.0).update_user(user=GRACE_MAIL, job="Admiral")
    assert caught.value.retry_after == pytest.approx(300, abs=30), "a day is capped to five minutes"
    assert len(sent("updateUser")) == 1


@pytest.mark.realtime
def test_gives_up_after_the_maximum_wait(sandbox, make_api, sent):
    sandbox.control.add_fault("updateUser", kind="rate_limited", retry_after=1, count=10_000)
    api = make_api(max_wait=1.9)
    api.list_groups()
    with pytest.raises(RateLimitedError) as caught:
        api.update_user(user=GRACE_MAIL, job="Admiral")
    assert len(sent("updateUser")) == 2, "at once and a second later; a third would be too late"
    assert caught.value.retry_after == pytest.approx(1, abs=0.5)


@pytest.mark.realtime
def test_gives_up_if_every_request_is_late(make_api, sent):
    """A machine may be so busy that it never meets a reserved time."""
    api = make_api(client={"before_sending": lambda: time.sleep(0.2)}, max_wait=1.0)
    with pytest.raises(RateLimitedError):
        api.update_user(user=GRACE_MAIL, job="Admiral")
    assert sent("updateUser") == []


def test_raises_a_429_at_once_if_the_caller_polls(sandbox, make_api, sent):
    """A sensor decides when to retry; the back-off applies to it as well."""
    sandbox.control.add_fault("getGroups", kind="rate_limited", retry_after=60)
    api = make_api(client={"max_attempts": 1}, max_wait=5.0)
    with pytest.raises(RateLimitedError) as caught:
        api.list_groups()
    assert (caught.value.status, caught.value.retry_after) == (429, 60)
    with pytest.raises(RateLimitedError) as caught:
        api.list_groups()
    assert (caught.value.status, len(sent("getGroups"))) == (None, 1)
    assert 30 < caught.value.retry_after <= 61


@pytest.mark.realtime
def test_a_429_backs_off_for_all_that_share_the_store(sandbox, make_api, sent, tmp_path):
    throttled, other = (make_api(store=host_store(str(tmp_path))) for _ in range(2))
    other.list_groups()
    sandbox.control.add_fault("createOrInviteUser", kind="rate_limited", retry_after=2)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(throttled.create_user, mail="ana@acme.test")
        while not throttled.client.usage.throttled:
            time.sleep(0.01)
        time.sleep(0.1)  # until the store knows
        other.update_user(user=GRACE_MAIL, job="Admiral")
        other.create_user(mail="bob@acme.test")
        first.result()
    (refusal,) = (entry for entry in sent("createOrInviteUser") if entry["status"] == 429)
    (update,) = sent("updateUser")
    assert update["arrived_at"] - refusal["arrived_at"] < 1.9, "another operation is not affected"
    for entry in sent("createOrInviteUser"):
        assert entry is refusal or entry["id"] == refusal["id"] or entry["arrived_at"] - refusal["arrived_at"] >= 2.0
    assert len(sent("createOrInviteUser")) == 3


@pytest.mark.slow
def test_waits_after_a_429_of_the_token_endpoint(sandbox, api, sent):
    sandbox.control.add_fault("generateToken", kind="rate_limited", retry_after=1)
    api.list_groups()
    first, second = sent("generateToken")
    assert second["arrived_at"] - first["arrived_at"] >= 1.0


# Within the documented limits


@pytest.mark.realtime
def test_threads_respect_all_limits_and_updates_pass_waiting_creations(make_api):
    """The server counts at arrival, and a response takes some time."""
    with Sandbox(settings={"delay_before_ms": 20, "delay_after_ms": 20, "jitter_ms": 5}) as sandbox:
        api = make_api(sandbox.url, limits={})
        names = itertools.count()
        with ThreadPoolExecutor(14) as threads:
            creations = [threads.submit(api.create_user, mail=f"user-{next(names)}@acme.test") for _ in range(6)]
            time.sleep(0.2)
            updates = [threads.submit(api.update_user, user=GRACE_MAIL, job=f"Job {next(names)}") for _ in range(8)]
            assert {creation.result()["outcome"] for creation in creations} == {"invited"}
            assert {update.result()["outcome"] for update in updates} == {"updated"}
        journal = [entry for entry in sandbox.control.journal() if entry["operation"] != "generateToken"]
    assert api.client.usage.throttled == 0
    created = [entry for entry in journal if entry["operation"] == "createOrInviteUser"]
    updated = [entry for entry in journal if entry["operation"] == "updateUser"]
    assert max_in_a_second(created) == 2
    assert max_in_a_second(journal) <= 5
    last_created, last_updated = (max(entry["arrived_at"] for entry in entries) for entries in (created, updated))
    assert last_updated < last_created + 0.5
    assert len(updated) == 8


@pytest.mark.realtime
def test_a_limit_above_the_documented_one_is_throttled(make_api):
    """The test above can fail: with three creations per second, the server throttles some."""
    with Sandbox() as sandbox:
        api = make_api(sandbox.url, limits={**FREE, "createOrInviteUser": 3})
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda number: api.create_user(mail=f"user-{number}@acme.test"), range(3)))
        assert (
            max_in_a_second(
                [entry for entry in sandbox.control.journal() if entry["operation"] == "createOrInviteUser"]
            )
            > 2
        )
    assert api.client.usage.throttled >= 1
