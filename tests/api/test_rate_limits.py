"""What happens at a 429, and that with the documented limits there is none. Judged by the journal."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest
import requests

from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.response import retry_after_seconds
from airflow_provider_360learning.exceptions import RateLimitedError
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.support import FREE


def most_in_a_second(entries):
    """Count the most arrivals in any second, by nothing but comparing them."""
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
def test_retry_after_is_read_as_seconds_or_as_a_date(headers, seconds):
    answer = requests.Response()
    answer.headers.update(headers)
    read = retry_after_seconds(answer)
    assert read == seconds


@pytest.mark.parametrize("more", [{"Date": "yesterday"}, {}], ids=["unreadable", "missing"])
def test_a_date_is_held_against_our_clock_where_the_answer_has_none(more):
    answer = requests.Response()
    answer.headers.update({"Retry-After": formatdate(time.time() + 3600, usegmt=True), **more})
    assert retry_after_seconds(answer) == pytest.approx(3600, abs=60)


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_429_is_waited_for_as_long_as_it_says(sandbox, api, sent, form):
    api.list_groups()
    retry_after = "1" if form == "seconds" else formatdate(time.time() + 2, usegmt=True)
    sandbox.control.add_fault("updateUser", kind="rate_limited", retry_after=retry_after)
    assert api.update_user(GRACE_MAIL, job="Admiral")["outcome"] == "updated"
    first, second = sent("updateUser")
    assert (first["status"], second["status"]) == (429, 200)
    assert 1.0 <= second["arrived_at"] - first["arrived_at"] < 8, "dates are whole seconds"
    assert (api.client.usage.throttled, api.client.usage.retries) == (1, 1)


def test_a_429_that_does_not_say_for_how_long(sandbox, api, sent):
    sandbox.control.add_fault("updateUser", kind="rate_limited")
    api.update_user(GRACE_MAIL, job="Admiral")
    first, second = sent("updateUser")
    assert 1.0 <= second["arrived_at"] - first["arrived_at"] < 5


def test_a_429_leaves_no_doubt_about_the_outcome(sandbox, api, sent):
    """Nothing was done, so even what must not be sent twice is sent again."""
    sandbox.control.add_fault("createGroup", kind="rate_limited", retry_after=0)
    assert api.create_group("Lab")["outcome"] == "created"
    assert len(sent("createGroup")) == 2
    assert len(sent("getGroups")) == 1, "there was nothing to look up"


def test_a_429_is_waited_for_no_longer_than_allowed(sandbox, make_api, sent):
    sandbox.control.add_fault("updateUser", kind="rate_limited", retry_after=86_400)
    with pytest.raises(RateLimitedError, match="max_rate_limit_wait") as caught:
        make_api(max_wait=2.0).update_user(GRACE_MAIL, job="Admiral")
    assert caught.value.retry_after == pytest.approx(300, abs=1), "a day is more than one answer is trusted with"
    assert len(sent("updateUser")) == 1


def test_429s_without_end_end_with_the_longest_wait(sandbox, make_api, sent):
    sandbox.control.add_fault("updateUser", kind="rate_limited", retry_after=1, count=10_000)
    api = make_api(max_wait=1.9)
    api.list_groups()
    with pytest.raises(RateLimitedError) as caught:
        api.update_user(GRACE_MAIL, job="Admiral")
    assert len(sent("updateUser")) == 2, "at once and a second later; a third would be too late"
    assert caught.value.retry_after == pytest.approx(1, abs=0.5)


def test_who_is_always_late_gives_up_in_the_end(make_api, sent):
    """As on a machine that is so busy that no moment is met."""
    api = make_api(client={"before_sending": lambda: time.sleep(0.2)}, max_wait=1.0)
    with pytest.raises(RateLimitedError):
        api.update_user(GRACE_MAIL, job="Admiral")
    assert sent("updateUser") == []


def test_who_asks_again_by_itself_is_told_of_a_429_at_once(sandbox, make_api, sent):
    """A sensor decides when; the push-back holds for it, too."""
    sandbox.control.add_fault("getGroups", kind="rate_limited", retry_after=60)
    api = make_api(client={"max_attempts": 1}, max_wait=5.0)
    with pytest.raises(RateLimitedError) as caught:
        api.list_groups()
    assert (caught.value.status, caught.value.retry_after) == (429, 60)
    with pytest.raises(RateLimitedError) as caught:
        api.list_groups()
    assert (caught.value.status, len(sent("getGroups"))) == (None, 1)
    assert caught.value.retry_after == pytest.approx(60, abs=1)


def test_a_429_pushes_everybody_back_who_shares_the_store(sandbox, make_api, sent, tmp_path):
    refused, other = (make_api(store=host_store(str(tmp_path))) for _ in range(2))
    other.list_groups()
    sandbox.control.add_fault("createOrInviteUser", kind="rate_limited", retry_after=2)
    with ThreadPoolExecutor(1) as thread:
        first = thread.submit(refused.create_user, "ana@acme.test")
        while not refused.client.usage.throttled:
            time.sleep(0.01)
        time.sleep(0.1)  # it is being told to the store
        other.update_user(GRACE_MAIL, job="Admiral")
        other.create_user("bob@acme.test")
        first.result()
    (told,) = (entry for entry in sent("createOrInviteUser") if entry["status"] == 429)
    (update,) = sent("updateUser")
    assert update["arrived_at"] - told["arrived_at"] < 1.9, "another route is not concerned"
    for entry in sent("createOrInviteUser"):
        assert entry is told or entry["id"] == told["id"] or entry["arrived_at"] - told["arrived_at"] >= 2.0
    assert len(sent("createOrInviteUser")) == 3


def test_a_429_at_the_token_endpoint_is_waited_for(sandbox, api, sent):
    sandbox.control.add_fault("generateToken", kind="rate_limited", retry_after=1)
    api.list_groups()
    first, second = sent("generateToken")
    assert second["arrived_at"] - first["arrived_at"] >= 1.0


# Within the documented limits


def test_threads_keep_to_all_limits_and_updates_pass_waiting_creations(make_api):
    """The server counts at arrival, as the vendor does, and an answer takes its time."""
    with Sandbox(settings={"delay_before_ms": 20, "delay_after_ms": 20, "jitter_ms": 5}) as sandbox:
        api = make_api(sandbox.url, limits={})
        names = itertools.count()
        with ThreadPoolExecutor(14) as threads:
            creations = [threads.submit(api.create_user, f"user-{next(names)}@acme.test") for _ in range(6)]
            time.sleep(0.2)
            updates = [threads.submit(api.update_user, GRACE_MAIL, job=f"Job {next(names)}") for _ in range(8)]
            assert {one.result()["outcome"] for one in creations} == {"invited"}
            assert {one.result()["outcome"] for one in updates} == {"updated"}
        journal = [entry for entry in sandbox.control.journal() if entry["operation"] != "generateToken"]
    assert api.client.usage.throttled == 0
    created = [entry for entry in journal if entry["operation"] == "createOrInviteUser"]
    updated = [entry for entry in journal if entry["operation"] == "updateUser"]
    assert most_in_a_second(created) == 2
    assert most_in_a_second(journal) <= 5
    last_created, last_updated = (max(entry["arrived_at"] for entry in entries) for entries in (created, updated))
    assert last_updated < last_created + 0.5
    assert len(updated) == 8


def test_a_limit_set_too_high_is_seen(make_api):
    """The check of the test above can fail: with three creations a second, the server refuses some."""
    with Sandbox() as sandbox:
        api = make_api(sandbox.url, limits={**FREE, "createOrInviteUser": 3})
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(api.create_user, [f"user-{number}@acme.test" for number in range(3)]))
        assert most_in_a_second([e for e in sandbox.control.journal() if e["operation"] == "createOrInviteUser"]) > 2
    assert api.client.usage.throttled >= 1
