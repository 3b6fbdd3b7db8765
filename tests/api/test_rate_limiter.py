"""The rate limiter: which limits are shared by whom, and the share that is left without a shared store."""

from __future__ import annotations

import itertools
import logging
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise

import pytest

from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore, host_store
from airflow_provider_360learning.api.limiter.store import MAX_BACK_OFF, Reservation
from airflow_provider_360learning.api.limiter.usage import Usage, UsageObserver, WaitTimes
from airflow_provider_360learning.api.spec import WindowLimit
from airflow_provider_360learning.api.v1.spec import API_V1, COMPANY_READS, COMPANY_WRITES, IP_WRITES
from airflow_provider_360learning.exceptions import RateLimitedError
from tests.api.support import FakeClock

CREATE, UPDATE, DELETE_GROUP = (
    API_V1.endpoints["createOrInviteUser"],
    API_V1.endpoints["updateUser"],
    API_V1.endpoints["deleteGroup"],
)
READ, TOKEN = API_V1.endpoints["getUsers"], API_V1.endpoints["generateToken"]

#: Time slots of this share begin now.
LONG_AGO = Share(0.2, started=0.0, clock=lambda: 0.0)
_addresses = (f"https://host-{number}.test" for number in itertools.count())


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def store(clock):
    return SqliteStore(":memory:", clock=clock)


@pytest.fixture
def base_url():
    """Return an address that no other test uses, because the store of the process outlives a test."""
    return next(_addresses)


@pytest.fixture
def make(store, base_url):
    def make(store=store, **how):
        return RateLimiter(
            store, **{"base_url": base_url, "company_id": "acme", "fallback": LONG_AGO, "margin": 0.0, **how}
        )

    return make


def waits(rate_limiter, endpoint, times):
    return [rate_limiter.reserve(endpoint, 600).wait for _ in range(times)]


def throttle(rate_limiter, endpoint, retry_after=None):
    """Back off after a request that was sent just now."""
    sent = Reservation(wait=0.0, time=0.0, token=0, keys=())
    return rate_limiter.back_off(endpoint, sent, retry_after)


class LossObserver(UsageObserver):
    """Counts losses of the shared store."""

    losses = 0

    def on_store_lost(self):
        self.losses += 1


def about(*seconds):
    return pytest.approx(seconds, abs=0.4)


# The documented limits


def test_allows_two_creations_per_second(make):
    assert waits(make(), CREATE, 5) == about(0, 0, 1, 1, 2)


def test_allows_five_writes_per_second_per_company(make):
    rate_limiter = make()
    assert waits(rate_limiter, CREATE, 2) == [0, 0]
    assert waits(rate_limiter, UPDATE, 4) == about(0, 0, 0, 1)


def test_allows_ten_reads_per_second_per_address(make):
    assert waits(make(), READ, 11) == about(*[0] * 10, 1)


def test_counts_reads_and_writes_separately(make):
    rate_limiter = make()
    waits(rate_limiter, UPDATE, 5)
    assert waits(rate_limiter, READ, 1) == [0]


def test_allows_one_group_deletion_per_second(make):
    assert waits(make(), DELETE_GROUP, 3) == about(0, 1, 2)


def test_counts_tokens_as_writes_of_the_address_only(make):
    rate_limiter = make()
    waits(rate_limiter, UPDATE, 5)
    assert waits(rate_limiter, TOKEN, 6) == about(*[0] * 5, 1)


def test_adds_the_margin_to_every_window(make):
    assert waits(make(margin=0.5), CREATE, 3) == about(0, 0, 1.5)


def test_uses_the_limits_of_the_connection(make):
    rate_limiter = make(overrides={"createOrInviteUser": 4, "company_writes": 3})
    assert waits(rate_limiter, CREATE, 4) == about(0, 0, 0, 1)


# Shared limits


def test_two_connections_of_a_company_share_its_limits(make):
    assert waits(make(), CREATE, 2) == [0, 0]
    assert waits(make(), CREATE, 1) == about(1)


def test_two_companies_share_the_limits_of_the_address_only(make):
    waits(make(company_id="acme"), UPDATE, 5)
    assert waits(make(company_id="umbrella"), UPDATE, 6) == about(*[0] * 5, 1)


def test_two_hosts_share_nothing(make):
    waits(make(), UPDATE, 5)
    assert waits(make(base_url="https://elsewhere.test"), UPDATE, 5) == [0] * 5


def test_ignores_the_case_of_a_host_name(make, base_url):
    waits(make(), CREATE, 2)
    assert waits(make(base_url=base_url.replace("host", "HOST")), CREATE, 1) == about(1)


def test_workers_with_addresses_of_their_own_share_the_limits_of_the_company_only(make):
    unlimited = {"company_reads": 50}
    waits(make(ip_limit_scope="worker-1", overrides=unlimited), READ, 10)
    assert waits(make(ip_limit_scope="worker-1", overrides=unlimited), READ, 1) == about(1)
    assert waits(make(ip_limit_scope="worker-2", overrides=unlimited), READ, 10) == [0] * 10
    assert waits(make(ip_limit_scope="worker-2"), UPDATE, 5) == [0] * 5
    assert waits(make(ip_limit_scope="worker-1"), UPDATE, 1) == about(1)


def test_says_when_there_will_be_capacity(make):
    rate_limiter = make()
    waits(rate_limiter, DELETE_GROUP, 5)
    with pytest.raises(RateLimitedError, match="max_rate_limit_wait") as caught:
        rate_limiter.reserve(DELETE_GROUP, 3.0)
    assert caught.value.retry_after == pytest.approx(5, abs=0.1)
    assert caught.value.transient


# After a 429


@pytest.mark.parametrize("retry_after", [None, 0.0])
def test_backs_off_for_about_a_second_without_retry_after(make, retry_after):
    """Zero seconds do not say when to retry."""
    assert 1.0 <= throttle(make(), CREATE, retry_after) <= 1.5


@pytest.mark.parametrize(("retry_after", "closed_for"), [(0.5, 0.5), (7.0, 7.0), (86_400.0, MAX_BACK_OFF)])
def test_respects_retry_after_up_to_a_maximum(make, retry_after, closed_for):
    rate_limiter = make()
    assert throttle(rate_limiter, UPDATE, retry_after) == closed_for
    assert waits(rate_limiter, UPDATE, 1) == about(closed_for)


def test_closes_the_narrowest_limit_first_and_then_the_wider_ones(make, clock):
    rate_limiter = make()
    throttle(rate_limiter, CREATE, 0.1)
    assert waits(rate_limiter, UPDATE, 1) == [0]
    clock.advance(0.12)
    throttle(rate_limiter, CREATE, 5.0)
    assert waits(rate_limiter, CREATE, 1) == about(5)
    assert waits(rate_limiter, UPDATE, 1) == about(5.24), "slowed down as well"
    assert waits(rate_limiter, TOKEN, 1)[0] > 4.9
    assert waits(rate_limiter, READ, 1) == [0]
    assert rate_limiter.usage.throttled == 2


def test_a_back_off_applies_to_all_that_share_the_store(make):
    throttle(make(), UPDATE, 5.0)
    assert waits(make(), UPDATE, 1) == about(5)


def test_a_reservation_does_not_survive_a_back_off(make):
    rate_limiter = make(margin=10.0)
    reservation = rate_limiter.reserve(UPDATE, 600)
    assert rate_limiter.is_current(reservation)
    throttle(make(), UPDATE, 5.0)
    assert not rate_limiter.is_current(reservation)


@pytest.mark.parametrize(("margin", "late"), [(0.4, 0.25), (0.0, 0.05)])
def test_does_not_send_a_late_request(make, clock, margin, late):
    """Late by more than half of the margin, it could arrive together with those of the next window."""
    rate_limiter = make(margin=margin)
    assert rate_limiter.is_current(rate_limiter.reserve(UPDATE, 600)), "without a margin as well"
    reservation = make().reserve(READ, 600)
    clock.advance(late)
    assert not rate_limiter.is_current(reservation)


# A share of each limit, without a shared store


@pytest.mark.parametrize(
    ("limit", "part", "requests", "seconds"),
    [
        (COMPANY_WRITES, 0.2, 1, 1.0),
        (COMPANY_WRITES, 0.4, 2, 1.0),
        (COMPANY_WRITES, 0.1, 1, 2.0),
        (IP_WRITES, 0.2, 2, 1.0),
        (COMPANY_READS, 0.2, 10, 1.0),
        (WindowLimit("createOrInviteUser", 2), 0.2, 1, 2.5),
        (WindowLimit("createOrInviteUser", 2), 1.0, 2, 1.0),
        (WindowLimit("deleteGroup", 1), 0.2, 1, 5.0),
        (WindowLimit("three", 3), 0.5, 1, 2 / 3),
    ],
)
def test_computes_the_share_of_a_limit(limit, part, requests, seconds):
    share = Share(part, started=0.0).of(limit)
    assert (share.name, share.requests, share.scope) == (limit.name, requests, limit.scope)
    assert share.seconds == pytest.approx(seconds)


@pytest.mark.parametrize("part", [number / 20 for number in range(1, 21)])
@pytest.mark.parametrize("requests", [1, 2, 5, 10, 50])
def test_shares_add_up_to_the_limit(part, requests):
    share = Share(part, started=0.0).of(WindowLimit("any", requests))
    assert share.requests / share.seconds == pytest.approx(requests * part)


@pytest.mark.parametrize("part", [number / 20 for number in range(1, 21)])
@pytest.mark.parametrize("requests", [1, 2, 5, 10, 50])
def test_a_share_of_whole_requests_has_no_time_slots(part, requests):
    limit, share = WindowLimit("any", requests), Share(part, started=0.0)
    is_whole = abs(requests * part - round(requests * part)) < 1e-9
    assert (share.time_slots(limit) is None) is is_whole
    assert (share.of(limit, margin=0.5).seconds == limit.seconds) is is_whole


def test_respects_its_share(make):
    rate_limiter = make(store=None)
    assert waits(rate_limiter, CREATE, 3) == about(0, 2.5, 5)
    assert waits(rate_limiter, UPDATE, 2) == about(1, 3.5)


def test_the_first_request_waits_for_a_window_from_the_start_of_the_process(make):
    """Otherwise each of several short processes would start with a burst."""
    started = time.monotonic() - 0.5
    rate_limiter = make(store=None, fallback=Share(0.2, started))
    reservation = rate_limiter.reserve(UPDATE, 600)
    assert started + 1.0 - time.monotonic() <= reservation.wait <= 0.5
    with rate_limiter.measure_wait(reservation):
        pass
    assert str(rate_limiter.usage).endswith(" (startup)")


def test_the_first_request_in_a_time_slot_waits_for_half_a_window_from_the_start_of_the_process(make):
    """The wait for the time slot takes the other half on average."""
    for first_slot, wait in ((0.0, 2.5), (1.0, 1.5), (1.75, 0.75), (2.0, 3.0)):
        started = time.monotonic() - 0.5
        share = Share(0.2, started, clock=lambda first_slot=first_slot: first_slot)
        rate_limiter = make(store=None, company_id=str(first_slot), fallback=share)
        assert rate_limiter.reserve(CREATE, 600).wait == pytest.approx(wait, abs=0.2)


def test_with_all_slots_only_the_windows_are_waited_for(make):
    rate_limiter = make(store=None, fallback=Share(1.0, started=0.0))
    assert waits(rate_limiter, CREATE, 3) == about(0, 0, 1)


def test_threads_that_lose_the_store_fall_back_once(make, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    rate_limiter = make(store=SqliteStore(str(tmp_path / "file" / "rate-limits.sqlite3")))
    rate_limiter.usage.observer = observer = LossObserver()
    with ThreadPoolExecutor(8) as threads:
        times = sorted(threads.map(lambda number: rate_limiter.reserve(CREATE, 600).time, range(8)))
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    # A thread that comes late leaves a time slot unused.
    assert all(later - earlier > 2.3 for earlier, later in pairwise(times))
    assert observer.losses == 1


def test_connections_of_one_process_use_one_share(make):
    assert waits(make(store=None), CREATE, 1) == [0]
    assert waits(make(store=None), CREATE, 1) == about(2.5)


def test_uses_its_share_with_one_warning_if_the_store_is_unavailable(make, tmp_path, caplog):
    """After a window, because the requests that others have just sent are unknown."""
    (tmp_path / "file").write_text("")
    rate_limiter = make(store=SqliteStore(str(tmp_path / "file" / "rate-limits.sqlite3")))
    assert waits(rate_limiter, CREATE, 3) == about(2.5, 5, 7.5)
    assert len(caplog.records) == 1
    assert "using 20 % of each limit in this process" in caplog.text


def test_connections_that_share_a_store_warn_once(make, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    store = SqliteStore(str(tmp_path / "file" / "rate-limits.sqlite3"))
    for _ in range(3):
        waits(make(store=store), CREATE, 1)
    assert len(caplog.records) == 1


def test_uses_its_share_with_one_warning_if_the_store_has_another_format(make, tmp_path, caplog):
    path = tmp_path / "rate-limits.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 3")
    rate_limiter = make(store=SqliteStore(str(path)))
    assert waits(rate_limiter, CREATE, 3) == about(2.5, 5, 7.5)
    (record,) = caplog.records
    assert "has format version 3" in record.message
    assert "using 20 % of each limit in this process" in record.message


def test_uses_its_share_if_the_store_becomes_unavailable(make, tmp_path, caplog):
    store = host_store(str(tmp_path))
    rate_limiter = make(store=store)
    reservation = rate_limiter.reserve(CREATE, 600)
    (file,) = tmp_path.glob("*.sqlite3")
    file.write_bytes(b"damaged" * 2000)
    assert not rate_limiter.is_current(reservation), "its store is lost, and its time may be of another clock"
    assert waits(rate_limiter, CREATE, 2) == about(2.5, 5)
    rate_limiter.release(reservation)
    rate_limiter.back_off(CREATE, reservation, 9.0)
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


def test_returns_to_a_store_that_is_available_again(make, tmp_path, caplog):
    """After a window, because requests that were sent meanwhile are unknown to the store."""
    in_the_way = tmp_path / "state"
    in_the_way.write_text("")
    rate_limiter = make(store=SqliteStore(str(in_the_way / "rate-limits.sqlite3")), store_retry_interval=0.0)
    assert waits(rate_limiter, CREATE, 2) == about(2.5, 5)
    assert waits(rate_limiter, CREATE, 1) == about(7.5), "still unavailable"
    in_the_way.unlink()
    in_the_way.mkdir()
    with caplog.at_level(logging.INFO):
        assert waits(rate_limiter, CREATE, 3) == about(1, 1, 2)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_reservation_of_another_store_is_not_current(make):
    """Another thread may have lost the store, or returned to it, while this one waited."""
    elsewhere = make(store=SqliteStore(":memory:")).reserve(UPDATE, 600)
    rate_limiter = make()
    assert not rate_limiter.is_current(elsewhere)
    rate_limiter.release(elsewhere)
    assert throttle(rate_limiter, UPDATE, 5.0) == 5.0
    assert rate_limiter.back_off(UPDATE, elsewhere, 7.0) == 7.0


def test_starts_without_a_burst_after_losing_the_store(make, tmp_path):
    store = host_store(str(tmp_path))
    rate_limiter = make(store=store, fallback=Share(1.0, started=0.0))
    assert waits(rate_limiter, UPDATE, 5) == [0] * 5
    (file,) = tmp_path.glob("*.sqlite3")
    file.write_bytes(b"damaged" * 2000)
    assert waits(rate_limiter, UPDATE, 5) == about(*[1] * 5)


# Log and usage


def test_logs_long_waits_only(make, caplog):
    rate_limiter = make()
    with caplog.at_level(logging.INFO):
        waits(rate_limiter, DELETE_GROUP, 10)
        assert caplog.text == ""
        reservation = rate_limiter.reserve(DELETE_GROUP, 600)
        assert "Rate limit deleteGroup reached; waiting 10 s" in caplog.text
        rate_limiter.reserve(DELETE_GROUP, 600, replacing=reservation)
        assert "Rate limit deleteGroup reached; waiting another 10 s" in caplog.text


def test_usage_is_one_line_with_the_limit_that_was_waited_for(make):
    rate_limiter = make()
    now = FakeClock()
    rate_limiter.usage = Usage(waits=WaitTimes(now))
    for reservation in [rate_limiter.reserve(DELETE_GROUP, 600) for _ in range(4)]:
        with rate_limiter.measure_wait(reservation):
            now.advance(1.0)
    rate_limiter.usage.requests += 3
    line = "requests=3 throttled=0 retries=0 tokens=0 waited=3.0s (deleteGroup)"
    assert str(rate_limiter.usage) == line, "the first request need not wait"
    assert str(make().usage) == "requests=0 throttled=0 retries=0 tokens=0 waited=0.0s"


def test_waits_at_the_same_time_count_once():
    now = FakeClock()
    waits = WaitTimes(now)
    with waits.measure("company_writes"):
        now.advance(1.0)
        with waits.measure("company_writes"), waits.measure("deleteUser"):
            now.advance(1.2)
        now.advance(0.8)
    now.advance(10.0)  # no request waits
    with waits.measure("deleteUser"):
        now.advance(0.5)
    usage = Usage(requests=9, throttled=1, retries=2, tokens=1, waits=waits)
    assert str(usage) == (
        "requests=9 throttled=1 retries=2 tokens=1 waited=3.5s (company_writes=3.0s, deleteUser=1.7s)"
    )


def test_waits_of_threads_that_overlap_in_part_count_once():
    now = FakeClock()
    waits = WaitTimes(now)
    first, second = waits.measure("updateUser"), waits.measure("updateUser")
    first.__enter__()
    now.advance(2.0)
    second.__enter__()
    now.advance(1.0)
    first.__exit__(None, None, None)
    now.advance(3.0)
    second.__exit__(None, None, None)
    assert str(waits) == "6.0s (updateUser)"
