"""Responses that may be cut: every attempt is read once, whatever the cap, the bounds and the order."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from airflow_provider_360learning.api.v1 import complete_reader
from airflow_provider_360learning.api.v1.complete_reader import CompleteReader, Size, Window, WindowResponse
from airflow_provider_360learning.exceptions import IncompleteResponseError

#: An attempt: its timestamp, and its pair of user and course.
Attempt = tuple[int, int]


@dataclass
class Platform:
    """A source that caps attempts or statistics, and records the requests and what was kept."""

    attempts: list[Attempt]
    cap: int | None = None
    statistics_cap: int | None = None
    order: Callable[[Attempt], object] = lambda attempt: attempt[0]
    #: By how much responses exceed the window, as included bounds do.
    before: int = 1
    after: int = 1
    requested: list[Window] = field(default_factory=list)
    kept: list[list[Attempt]] = field(default_factory=list)
    sent: int = 0

    def _found(self, window: Window) -> list[Attempt]:
        first, last = window.start - self.before, window.end - 1 + self.after
        found = sorted((each for each in self.attempts if first <= each[0] <= last), key=self.order)[: self.cap]
        if self.statistics_cap is not None:
            pairs = list(dict.fromkeys(pair for _, pair in found))[: self.statistics_cap]
            found = [each for each in found if each[1] in pairs]
        return found

    def _request(self, window: Window, enough: Size | None) -> tuple[WindowResponse, list[Attempt]]:
        self.requested.append(window)
        read: list[Attempt] = []
        size, whole = Size(0, 0), True
        for each in self._found(window):
            read.append(each)
            size = Size(len(read), len({pair for _, pair in read}))
            if enough is not None and enough.is_below(size):
                whole = False
                break
        self.sent += len(read)
        inside = [each for each in read if window.start <= each[0] < window.end]
        times = [time for time, _ in inside]
        return WindowResponse(size, len(inside), min(times, default=None), max(times, default=None), whole), inside

    def count(self, window: Window, enough: Size) -> WindowResponse:
        return self._request(window, enough)[0]

    def keep(self, window: Window, enough: Size | None) -> WindowResponse:
        response, inside = self._request(window, enough)
        self.kept.append(inside)
        return response

    def drop(self) -> None:
        self.kept.pop()

    def read(self, interval: Window, *, allow_incomplete: bool = False) -> CompleteReader:
        reader = CompleteReader(self, interval, allow_incomplete=allow_incomplete)
        windows = list(reader.windows())
        assert [interval.start, *(each.end for each in windows)] == [*(each.start for each in windows), interval.end]
        return reader

    @property
    def rows(self) -> list[Attempt]:
        return [each for window in self.kept for each in window]


INTERVAL = Window(1_000_000, 1_100_000)


def spread(count: int, seed: int = 1, pairs: int = 10_000) -> list[Attempt]:
    """Make attempts, often at the same time, in and around the interval."""
    draw = random.Random(seed)
    middle = draw.randrange(INTERVAL.start, INTERVAL.end)
    return [
        (min(max(int(draw.gauss(middle, draw.choice([20, 300, 30_000]))), 1), 2_000_000), draw.randrange(pairs))
        for _ in range(count)
    ]


def within(attempts: list[Attempt], interval: Window = INTERVAL) -> list[Attempt]:
    return sorted(each for each in attempts if interval.start <= each[0] < interval.end)


ORDERS = {
    "earliest first": lambda attempt: attempt[0],
    "latest first": lambda attempt: -attempt[0],
    "by course": lambda attempt: (attempt[1] % 7, attempt[0]),
    "by statistic": lambda attempt: attempt[1],
}


@pytest.mark.parametrize("bounds", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cap", [40, 41, 100, 999, 1000, None])
def test_reads_every_attempt_once_whatever_the_cap(cap, order, bounds):
    platform = Platform(spread(1000, seed=cap or 0), cap, None, ORDERS[order], *bounds)
    reader = platform.read(INTERVAL)
    assert sorted(platform.rows) == within(platform.attempts)
    assert reader.incomplete == []
    assert reader.highest == max(time for time, _ in platform.rows)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cap", [30, 100, 400])
def test_reads_every_attempt_once_if_the_cap_counts_statistics(cap, order):
    """A statistic may have several attempts, so that cut responses differ in size."""
    platform = Platform(spread(1000, seed=cap, pairs=700), None, cap, ORDERS[order])
    platform.read(INTERVAL)
    assert sorted(platform.rows) == within(platform.attempts)


def test_small_caps_and_responses_of_equal_size():
    """A response as large as the largest proven one may be cut; a smaller one cannot."""
    for seed in range(300):
        draw = random.Random(seed)
        attempts = [(draw.randrange(1, 60), number) for number in range(draw.randrange(1, 60))]
        platform = Platform(attempts, draw.randrange(3, 12), None, draw.choice(list(ORDERS.values())))
        platform.before, platform.after = draw.randrange(2), draw.randrange(2)
        reader = platform.read(Window(1, 60), allow_incomplete=True)
        incomplete = {window.start for window in reader.incomplete}
        expected = within(attempts, Window(1, 60))
        assert sorted(each for each in platform.rows if each[0] not in incomplete) == [
            each for each in expected if each[0] not in incomplete
        ], seed
        assert set(platform.rows) <= set(expected), seed


def test_halves_prove_nothing_if_one_is_as_large_as_the_whole():
    """With a cap of 10, the whole, its first half and the first quarter have 10, and the other halves none."""
    attempts = [(INTERVAL.start + number // 2, number) for number in range(30)]
    platform = Platform(attempts, cap=10)
    platform.read(INTERVAL)
    assert sorted(platform.rows) == within(attempts)


def test_larger_response_proves_attempts_of_one_millisecond():
    same = [(INTERVAL.start + 500, number) for number in range(20)]
    earlier = [(INTERVAL.start - 7 * 100_000 + number, 100 + number) for number in range(21)]
    platform = Platform(same + earlier, cap=30)
    reader = platform.read(INTERVAL)
    assert sorted(platform.rows) == same
    assert reader.cap is None


def test_more_attempts_of_one_millisecond_than_the_cap_are_an_error():
    platform = Platform([(INTERVAL.start + 500, number) for number in range(20)] + [(INTERVAL.start + 900, 99)], cap=10)
    with pytest.raises(IncompleteResponseError, match=r"10 attempts around 1970-01-01T00:16:40.*allow_incomplete"):
        platform.read(INTERVAL)


def test_allow_incomplete_reports_what_may_be_incomplete(caplog):
    same = [(INTERVAL.start + 500, number) for number in range(20)]
    others = [(INTERVAL.start + 1000 * number, 100 + number) for number in range(1, 50)]
    platform = Platform(same + others, cap=10)
    reader = platform.read(INTERVAL, allow_incomplete=True)
    # The milliseconds beside it may be incomplete as well: their responses include the bounds, and were cut.
    assert [window.start - INTERVAL.start for window in reader.incomplete] == [499, 500, 501]
    assert len(platform.rows) == 10 + len(others)
    assert "timestamp=1970-01-01T00:16:40.500Z attempts=10" in caplog.text
    assert reader.cap is not None
    assert reader.cap.attempts == 10


def test_empty_interval_costs_a_few_requests():
    platform = Platform([])
    reader = platform.read(INTERVAL)
    assert (platform.rows, reader.highest) == ([], None)
    assert len(platform.requested) < 10


@pytest.mark.parametrize("length", [1, 2, 3])
def test_interval_may_be_as_short_as_a_millisecond(length):
    interval = Window(INTERVAL.start, INTERVAL.start + length)
    platform = Platform([(interval.start, 1), (interval.end, 2), (interval.start - 1, 3), (7, 4)])
    platform.read(interval)
    assert platform.rows == [(interval.start, 1)]


def test_recognizes_the_cap_and_stays_below_it(caplog):
    caplog.set_level("INFO")
    platform = Platform([(INTERVAL.start + number, number) for number in range(0, 100_000, 10)], cap=1000)
    reader = platform.read(INTERVAL)
    assert reader.cap is not None
    assert reader.cap.attempts == 1000
    assert "this is likely the cap of API v1. Requesting less: attempts=1000" in caplog.text
    assert len(platform.rows) == 10_000
    assert platform.sent < 2 * 10_000


def test_requests_little_twice(monkeypatch):
    monkeypatch.setattr(complete_reader, "TARGET_ATTEMPTS", 500)
    platform = Platform([(INTERVAL.start + number, number) for number in range(0, 100_000, 10)])
    reader = platform.read(INTERVAL)
    assert len(platform.rows) == 10_000
    assert platform.sent < 1.15 * 10_000
    assert reader.largest.attempts <= 500


def test_many_attempts_after_a_long_gap_are_not_read_at_once(monkeypatch):
    monkeypatch.setattr(complete_reader, "TARGET_ATTEMPTS", 500)
    platform = Platform([(INTERVAL.end - 5000 + number, number) for number in range(5000)])
    reader = platform.read(INTERVAL)
    assert len(platform.rows) == 5000
    assert reader.largest.attempts <= 1001


def test_cut_responses_with_the_latest_attempts_do_not_lead_back_step_by_step():
    """A window that has grown over a long gap has three hundred times the cap, and shows the end of it."""
    many = [(INTERVAL.start + number, number) for number in range(60_000, 100_000)]
    platform = Platform(many, 100, None, ORDERS["latest first"])
    platform.read(INTERVAL)
    assert len(platform.rows) == 40_000
    assert platform.sent < 1.5 * 40_000


def test_finds_a_single_millisecond_with_few_requests():
    earlier = [(number, number) for number in range(1, 40)]
    platform = Platform([(INTERVAL.start + 77_777, 100 + number) for number in range(30)] + earlier)
    platform.read(INTERVAL)
    assert len(platform.rows) == 30
    assert len(platform.requested) < 30


def test_new_attempts_are_not_taken_for_a_cap():
    class Busy(Platform):
        def count(self, window: Window, enough: Size) -> WindowResponse:
            self.attempts.append((INTERVAL.start + 10 * len(self.requested), 1000 + len(self.requested)))
            return super().count(window, enough)

    busy = Busy(spread(300, seed=3))
    assert busy.read(INTERVAL).cap is None


def test_order_is_reproducible():
    first, second = Platform(spread(1000), cap=50), Platform(spread(1000), cap=50)
    first.read(INTERVAL)
    second.read(INTERVAL)
    assert first.rows == second.rows
