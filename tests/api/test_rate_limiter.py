"""The budget of a deployment: whose limits are whose, and what is left where nothing is shared."""

from __future__ import annotations

import itertools
import logging
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from airflow_provider_360learning.api.limiter.limiter import MAX_BACK_OFF, RateLimiter, Share
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore, host_store
from airflow_provider_360learning.api.limiter.store import Reservation
from airflow_provider_360learning.api.spec import WindowLimit
from airflow_provider_360learning.api.v1.spec import API_V1, COMPANY_READS, COMPANY_WRITES, IP_WRITES
from airflow_provider_360learning.exceptions import RateLimitedError

CREATE, UPDATE, DELETE_GROUP = (
    API_V1.endpoints["createOrInviteUser"],
    API_V1.endpoints["updateUser"],
    API_V1.endpoints["deleteGroup"],
)
READ, TOKEN = API_V1.endpoints["getUsers"], API_V1.endpoints["generateToken"]

LONG_AGO = Share(0.2, started=0.0)
_addresses = (f"https://host-{number}.test" for number in itertools.count())


@pytest.fixture
def store():
    return SqliteStore(":memory:")


@pytest.fixture
def base_url():
    """An address that no other test uses: what a process shares with itself outlives a test."""
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


def refuse(rate_limiter, endpoint, retry_after=None):
    """Push back after a request that was sent just now, and needed no room."""
    sent = Reservation(wait=0.0, time=time.monotonic(), token=0, keys=())
    return rate_limiter.back_off(endpoint, sent, retry_after)


def about(*seconds):
    return pytest.approx(seconds, abs=0.15)


# The documented limits, all at once


def test_creations_are_two_a_second(make):
    assert waits(make(), CREATE, 5) == about(0, 0, 1, 1, 2)


def test_writes_of_a_company_are_five_a_second_together(make):
    rate_limiter = make()
    assert waits(rate_limiter, CREATE, 2) == [0, 0]
    assert waits(rate_limiter, UPDATE, 4) == about(0, 0, 0, 1)


def test_reads_of_an_address_are_ten_a_second(make):
    assert waits(make(), READ, 11) == about(*[0] * 10, 1)


def test_reads_and_writes_do_not_count_together(make):
    rate_limiter = make()
    waits(rate_limiter, UPDATE, 5)
    assert waits(rate_limiter, READ, 1) == [0]


def test_a_group_a_second_is_deleted(make):
    assert waits(make(), DELETE_GROUP, 3) == about(0, 1, 2)


def test_tokens_count_as_writes_of_the_address_alone(make):
    rate_limiter = make()
    waits(rate_limiter, UPDATE, 5)
    assert waits(rate_limiter, TOKEN, 6) == about(*[0] * 5, 1)


def test_the_guard_widens_every_window(make):
    assert waits(make(margin=0.5), CREATE, 3) == about(0, 0, 1.5)


def test_agreed_limits_hold_instead(make):
    rate_limiter = make(overrides={"createOrInviteUser": 4, "company_writes": 3})
    assert waits(rate_limiter, CREATE, 4) == about(0, 0, 0, 1)


# Who shares what


def test_two_connections_of_a_company_share_its_limits(make):
    assert waits(make(), CREATE, 2) == [0, 0]
    assert waits(make(), CREATE, 1) == about(1)


def test_two_companies_share_the_limits_of_the_address_alone(make):
    waits(make(company_id="acme"), UPDATE, 5)
    assert waits(make(company_id="umbrella"), UPDATE, 6) == about(*[0] * 5, 1)


def test_two_platforms_share_nothing(make):
    waits(make(), UPDATE, 5)
    assert waits(make(base_url="https://elsewhere.test"), UPDATE, 5) == [0] * 5


def test_the_case_of_a_host_name_makes_no_difference(make, base_url):
    waits(make(), CREATE, 2)
    assert waits(make(base_url=base_url.replace("host", "HOST")), CREATE, 1) == about(1)


def test_hosts_with_an_address_of_their_own_share_the_limits_of_the_company_alone(make):
    free = {"company_reads": 50}
    waits(make(ip_limit_scope="worker-1", overrides=free), READ, 10)
    assert waits(make(ip_limit_scope="worker-1", overrides=free), READ, 1) == about(1)
    assert waits(make(ip_limit_scope="worker-2", overrides=free), READ, 10) == [0] * 10
    assert waits(make(ip_limit_scope="worker-2"), UPDATE, 5) == [0] * 5
    assert waits(make(ip_limit_scope="worker-1"), UPDATE, 1) == about(1)


def test_no_room_within_the_longest_wait_says_when_there_will_be(make):
    rate_limiter = make()
    waits(rate_limiter, DELETE_GROUP, 5)
    with pytest.raises(RateLimitedError, match="max_rate_limit_wait") as caught:
        rate_limiter.reserve(DELETE_GROUP, 3.0)
    assert caught.value.retry_after == pytest.approx(5, abs=0.1)
    assert caught.value.transient


# After a 429


@pytest.mark.parametrize("word", [None, 0.0])
def test_a_push_back_without_a_word_of_the_server_is_a_second_or_so(make, word):
    """Zero seconds do not say when to come back."""
    assert 1.0 <= refuse(make(), CREATE, word) <= 1.5


@pytest.mark.parametrize(("asked", "closed_for"), [(0.5, 0.5), (7.0, 7.0), (86_400.0, MAX_BACK_OFF)])
def test_the_servers_word_holds_up_to_a_cap(make, asked, closed_for):
    rate_limiter = make()
    assert refuse(rate_limiter, UPDATE, asked) == closed_for
    assert waits(rate_limiter, UPDATE, 1) == about(closed_for)


def test_the_narrowest_limit_is_closed_first_then_the_wider_ones(make):
    rate_limiter = make()
    refuse(rate_limiter, CREATE, 0.1)
    assert waits(rate_limiter, UPDATE, 1) == [0]
    time.sleep(0.12)
    refuse(rate_limiter, CREATE, 5.0)
    assert waits(rate_limiter, CREATE, 1) == about(5)
    assert waits(rate_limiter, UPDATE, 1) == about(5.24), "slowed down as well"
    assert waits(rate_limiter, TOKEN, 1)[0] > 4.9
    assert waits(rate_limiter, READ, 1) == [0]
    assert rate_limiter.usage.throttled == 2


def test_a_push_back_holds_for_all_who_share_the_store(make):
    refuse(make(), UPDATE, 5.0)
    assert waits(make(), UPDATE, 1) == about(5)


def test_a_reserved_moment_does_not_survive_a_push_back(make):
    rate_limiter = make(margin=10.0)
    reservation = rate_limiter.reserve(UPDATE, 600)
    assert rate_limiter.is_current(reservation)
    refuse(make(), UPDATE, 5.0)
    assert not rate_limiter.is_current(reservation)


@pytest.mark.parametrize(("margin", "late"), [(0.4, 0.25), (0.0, 0.05)])
def test_who_comes_late_to_the_moment_reserves_anew(make, margin, late):
    """Late by half of the margin, a request could arrive together with those of the next window."""
    rate_limiter = make(margin=margin)
    # A machine that is busy elsewhere may make a single one late.
    assert any(rate_limiter.is_current(rate_limiter.reserve(UPDATE, 600)) for _ in range(5)), "without a margin, too"
    reservation = make().reserve(READ, 600)
    time.sleep(late)
    assert not rate_limiter.is_current(reservation)


# Nothing shared: a share of each limit


@pytest.mark.parametrize(
    ("limit", "part", "calls", "per"),
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
def test_the_share_of_a_limit(limit, part, calls, per):
    share = Share(part, started=0.0).of(limit)
    assert (share.name, share.requests, share.scope) == (limit.name, calls, limit.scope)
    assert share.seconds == pytest.approx(per)


@pytest.mark.parametrize("part", [number / 20 for number in range(1, 21)])
@pytest.mark.parametrize("calls", [1, 2, 5, 10, 50])
def test_shares_add_up_to_the_limit_and_no_more(part, calls):
    share = Share(part, started=0.0).of(WindowLimit("any", calls))
    assert share.requests / share.seconds == pytest.approx(calls * part)
    assert share.requests <= max(1, calls * part + 1e-9)


def test_a_share_is_kept(make):
    rate_limiter = make(store=None)
    assert waits(rate_limiter, CREATE, 3) == about(0, 2.5, 5)
    assert waits(rate_limiter, UPDATE, 2) == about(1, 3.5)


def test_the_first_request_waits_for_a_window_from_the_start_of_the_process(make):
    """Otherwise each of a row of short processes would begin with a burst."""
    started = time.monotonic() - 1.0
    rate_limiter = make(store=None, fallback=Share(0.2, started))
    reservation = rate_limiter.reserve(CREATE, 600)
    assert reservation.wait == pytest.approx(1.5, abs=0.1)
    rate_limiter.is_current(reservation)
    assert re.search(r"waited=1\.[45]s \(startup\)", str(rate_limiter.usage))


def test_who_has_all_slots_waits_for_nothing_more_than_a_window(make):
    rate_limiter = make(store=None, fallback=Share(1.0, started=0.0))
    assert waits(rate_limiter, CREATE, 3) == about(0, 0, 1)


def test_threads_that_lose_the_store_together_fall_back_once(make, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    rate_limiter = make(store=SqliteStore(str(tmp_path / "file" / "rate-limits.sqlite3")))
    with ThreadPoolExecutor(8) as threads:
        booked = sorted(threads.map(lambda number: rate_limiter.reserve(CREATE, 600).time, range(8)))
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert [moment - booked[0] for moment in booked] == about(*(2.5 * number for number in range(8)))


def test_connections_of_one_process_share_its_share(make):
    assert waits(make(store=None), CREATE, 1) == [0]
    assert waits(make(store=None), CREATE, 1) == about(2.5)


def test_where_the_store_cannot_be_reached_the_share_is_left_with_one_warning(make, tmp_path, caplog):
    """From that moment on, for nobody knows what the others have just sent."""
    (tmp_path / "file").write_text("")
    rate_limiter = make(store=SqliteStore(str(tmp_path / "file" / "rate-limits.sqlite3")))
    assert waits(rate_limiter, CREATE, 3) == about(2.5, 5, 7.5)
    assert len(caplog.records) == 1
    assert "using 20 % of each limit in this process" in caplog.text


def test_connections_that_share_a_store_say_once_that_it_is_lost(make, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    store = SqliteStore(str(tmp_path / "file" / "rate-limits.sqlite3"))
    for _ in range(3):
        waits(make(store=store), CREATE, 1)
    assert len(caplog.records) == 1


def test_uses_its_share_with_one_warning_if_the_store_has_another_format(make, tmp_path, caplog):
    path = tmp_path / "rate-limits.sqlite3"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 2")
    rate_limiter = make(store=SqliteStore(str(path)))
    assert waits(rate_limiter, CREATE, 3) == about(2.5, 5, 7.5)
    (record,) = caplog.records
    assert "has format version 2" in record.message
    assert "using 20 % of each limit in this process" in record.message


def test_a_store_that_is_lost_on_the_way_leaves_the_share_too(make, tmp_path, caplog):
    store = host_store(str(tmp_path))
    rate_limiter = make(store=store)
    reservation = rate_limiter.reserve(CREATE, 600)
    (file,) = tmp_path.glob("*.sqlite3")
    file.write_bytes(b"damaged" * 2000)
    assert not rate_limiter.is_current(reservation), "it was made at a store that is lost, perhaps by another clock"
    assert waits(rate_limiter, CREATE, 2) == about(2.5, 5)
    rate_limiter.release(reservation)
    rate_limiter.back_off(CREATE, reservation, 9.0)
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


def test_a_store_that_can_be_used_again_is_used_again(make, tmp_path, caplog):
    """Not at once: the store knows nothing of what was sent in the meantime."""
    in_the_way = tmp_path / "state"
    in_the_way.write_text("")
    rate_limiter = make(store=SqliteStore(str(in_the_way / "rate-limits.sqlite3")), store_retry_interval=0.1)
    assert waits(rate_limiter, CREATE, 2) == about(2.5, 5)
    time.sleep(0.15)
    assert waits(rate_limiter, CREATE, 1) == about(7.35), "still lost"
    in_the_way.unlink()
    in_the_way.mkdir()
    time.sleep(0.15)
    with caplog.at_level(logging.INFO):
        assert waits(rate_limiter, CREATE, 3) == about(1, 1, 2)
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_moment_means_nothing_to_another_store(make):
    """Another thread may have lost the store, or come back to it, while this one waited."""
    elsewhere = make(store=SqliteStore(":memory:")).reserve(UPDATE, 600)
    rate_limiter = make()
    assert not rate_limiter.is_current(elsewhere)
    rate_limiter.release(elsewhere)
    assert refuse(rate_limiter, UPDATE, 5.0) == 5.0
    assert rate_limiter.back_off(UPDATE, elsewhere, 7.0) == 7.0


def test_who_loses_the_store_with_all_slots_begins_without_a_burst(make, tmp_path):
    store = host_store(str(tmp_path))
    rate_limiter = make(store=store, fallback=Share(1.0, started=0.0))
    assert waits(rate_limiter, UPDATE, 5) == [0] * 5
    (file,) = tmp_path.glob("*.sqlite3")
    file.write_bytes(b"damaged" * 2000)
    assert waits(rate_limiter, UPDATE, 5) == about(*[1] * 5)


# What it tells


def test_a_long_wait_is_logged_and_a_short_one_is_not(make, caplog):
    rate_limiter = make()
    with caplog.at_level(logging.INFO):
        waits(rate_limiter, DELETE_GROUP, 11)
        assert caplog.text == ""
        reservation = rate_limiter.reserve(DELETE_GROUP, 600)
        assert "Rate limit deleteGroup reached; waiting 11 s" in caplog.text
        rate_limiter.reserve(DELETE_GROUP, 600, replacing=reservation)
        assert "Rate limit deleteGroup reached; waiting another 11 s" in caplog.text


def test_the_usage_is_one_line_and_counts_the_waits_that_are_over(make):
    rate_limiter = make()
    reservations = [rate_limiter.reserve(DELETE_GROUP, 600) for _ in range(4)]
    for reservation in reservations[:3]:
        rate_limiter.is_current(reservation)
    rate_limiter.release(reservations[3])
    rate_limiter.usage.requests += 3
    line = r"requests=3 throttled=0 retries=0 tokens=0 waited=(2\.[89]|3\.0)s \(deleteGroup\)"
    assert re.fullmatch(line, str(rate_limiter.usage))
    assert str(make().usage) == "requests=0 throttled=0 retries=0 tokens=0 waited=0.0s"
