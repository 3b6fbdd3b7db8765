"""Time slots: how processes without shared state share a limit that allows fewer requests than they are."""

from __future__ import annotations

import heapq
import time
from collections import deque
from fractions import Fraction

import pytest

from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import SETTLED, SLOT_TOLERANCE, Share, TimeSlots
from airflow_provider_360learning.api.spec import WindowLimit
from airflow_provider_360learning.api.v1.spec import API_V1

CREATE = API_V1.endpoints["createOrInviteUser"]
MARGIN = 0.05


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def make(clock, part=0.2, position=0, requests=2):
    return Share(part, started=0.0, position=position, clock=clock).time_slots(WindowLimit("any", requests), MARGIN)


def begins(slots, clock, until):
    """Return the begins of time slots until some time."""
    found, wait = [], 0.0
    while (begin := wait + slots.delay(wait)) < until:
        found.append(clock.now + begin)
        wait = begin + 2 * SLOT_TOLERANCE
    return found


@pytest.mark.parametrize(
    ("part", "position", "expected"),
    [
        (0.2, 0, [0, 2.625, 5.25, 7.875]),
        (0.2, 1, [0.525, 3.15, 5.775, 8.4]),
        (0.2, 6, [0.525, 3.15, 5.775, 8.4]),
        (0.4, 0, [0, 1.05, 2.625, 3.675, 5.25, 6.3, 7.875, 8.925]),
        (0.6, 0, [0, 0.525, 1.575, 2.625, 3.15, 4.2, 5.25, 5.775, 6.825, 7.875, 8.4, 9.45]),
    ],
)
def test_a_cycle_has_one_time_slot_per_slot_of_the_pool(clock, part, position, expected):
    assert begins(make(clock, part, position), clock, 10) == pytest.approx(expected)


@pytest.mark.parametrize("now", [0.0, 0.3, 1.0, 100.123, 1_795_000_000.4])
def test_all_processes_have_the_same_time_slots_whenever_they_start(clock, now):
    clock.now = now
    begin = now + make(clock, position=3).delay(0.0)
    assert (begin / 0.525) % 5 == pytest.approx(3, abs=1e-3)
    assert now <= begin < now + 2.625


def test_the_begin_of_a_time_slot_is_not_missed_by_the_time_that_reserving_takes(clock):
    slots = make(clock)
    for now in (-SLOT_TOLERANCE * 0.9, 0.0, SLOT_TOLERANCE * 0.9):
        clock.now = now
        assert slots.delay(0.0) == 0.0
    clock.now = SLOT_TOLERANCE * 1.1
    assert slots.delay(0.0) == pytest.approx(2.625 - clock.now)


class Vendor:
    """Counts requests in a rolling second; a refused request counts as well, if it is so configured."""

    def __init__(self, requests, *, counts_refused):
        self._requests, self._counts_refused = requests, counts_refused
        self._arrivals = deque()

    def accepts(self, now):
        while self._arrivals and self._arrivals[0] <= now - 1.0:
            self._arrivals.popleft()
        is_accepted = len(self._arrivals) < self._requests
        if is_accepted or self._counts_refused:
            self._arrivals.append(now)
        return is_accepted


@pytest.mark.parametrize("counts_refused", [False, True])
@pytest.mark.parametrize(("requests", "size"), [(2, 5), (1, 5), (2, 10), (1, 10), (3, 5)])
def test_processes_that_start_in_the_same_time_slot_find_one_each(clock, requests, size, counts_refused):
    processes = [make(clock, 1 / size, requests=requests) for _ in range(size)]
    vendor = Vendor(requests, counts_refused=counts_refused)
    cycle = processes[0].cycle
    due = [(process.delay(0.0), number) for number, process in enumerate(processes)]
    accepted, refused = [], []
    while due[0][0] < 60 * cycle:
        clock.now, number = heapq.heappop(due)
        processes[number].count()
        if vendor.accepts(clock.now):
            accepted.append(clock.now)
        else:
            refused.append(clock.now)
            assert processes[number].find()
        heapq.heappush(due, (clock.now + cycle / 2 + processes[number].delay(cycle / 2), number))
    assert max(refused) < 2 * size * cycle
    assert len(refused) <= size * size / 2
    steady = [when for when in accepted if when >= 40 * cycle]
    assert len(steady) / (20 * cycle) == pytest.approx(requests / (1 + MARGIN), rel=0.02)


def send(slots, times):
    for _ in range(times):
        slots.count()


def test_a_process_keeps_a_time_slot_that_was_its_own_when_another_one_was_late(clock):
    slots = make(clock)
    send(slots, SETTLED + 1)
    assert slots.find()
    assert slots.delay(0.0) == 0.0
    send(slots, 1)
    assert slots.find()  # it was not only late
    assert slots.delay(0.0) == pytest.approx(0.525)


def test_a_limit_that_another_client_uses_slows_down(clock):
    slots = make(clock)
    send(slots, 1)
    assert [slots.find() for _ in range(7)] == [True] * 6 + [False]
    send(slots, 20)
    assert [slots.find() for _ in range(3)] == [True, True, False]


# The rate limiter


@pytest.fixture
def rate_limiter(clock, request):
    share = Share(0.2, started=0.0, clock=clock)
    url = f"https://{request.node.name}.test".replace("_", "-")
    return RateLimiter(None, base_url=url, company_id="acme", fallback=share, margin=MARGIN)


def test_a_throttled_request_is_sent_in_the_next_time_slot_of_the_next_cycle(rate_limiter):
    first = rate_limiter.reserve(CREATE, 600)
    assert rate_limiter.back_off(CREATE, first, None) == pytest.approx(2.625)
    assert rate_limiter.reserve(CREATE, 600).wait == pytest.approx(2.625 + 0.525, abs=0.25)


def test_a_longer_retry_after_is_respected(rate_limiter):
    first = rate_limiter.reserve(CREATE, 600)
    assert rate_limiter.back_off(CREATE, first, 30.0) == 30.0
    assert rate_limiter.reserve(CREATE, 600).wait >= 29.0


def test_a_request_that_waits_leaves_a_time_slot_that_another_thread_has_left(rate_limiter):
    first = rate_limiter.reserve(CREATE, 600)
    assert rate_limiter.is_current(first)
    rate_limiter.back_off(CREATE, first, None)
    assert not rate_limiter.is_current(first)


def test_a_wait_for_a_time_slot_is_counted_as_one_for_the_limit(clock, rate_limiter):
    clock.now = 1.0
    with rate_limiter.measure_wait(rate_limiter.reserve(CREATE, 600)):
        time.sleep(0.001)
    assert str(rate_limiter.usage).endswith("(createOrInviteUser)")


def test_a_time_slot_after_the_maximum_wait_is_not_reserved(clock, rate_limiter):
    clock.now = 1.0
    with pytest.raises(Exception, match="no capacity for 2 s"):
        rate_limiter.reserve(CREATE, 1.0)
    clock.now = 0.0
    assert rate_limiter.reserve(CREATE, 1.0).wait == pytest.approx(0.0, abs=0.1)


def test_fractions_are_those_of_pools(clock):
    assert make(clock, part=3 / 7).cycle == pytest.approx(7 * 0.525)
    assert TimeSlots(Fraction(1, 5), 0, 0.525, clock).cycle == pytest.approx(2.625)
