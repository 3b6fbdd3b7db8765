"""Answers that may be cut: all attempts come out once, whatever the cap, the bounds and the order of answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from airflow_provider_360learning.api.v1 import complete_reader as windows
from airflow_provider_360learning.api.v1.complete_reader import (
    Answer,
    CompleteReader,
    IncompleteAnswerError,
    Size,
    Window,
)

#: An attempt: its moment, and the user and course that it is of.
Attempt = tuple[int, int]


@dataclass
class Platform:
    """Answers with at most so many attempts, or statistics; notes what it was asked for and what was kept."""

    attempts: list[Attempt]
    cap: int | None = None
    statistics_cap: int | None = None
    order: Callable[[Attempt], object] = lambda attempt: attempt[0]
    #: How far beside the window answers go, as bounds that belong to the span do.
    before: int = 1
    after: int = 1
    asked: list[Window] = field(default_factory=list)
    kept: list[list[Attempt]] = field(default_factory=list)
    sent: int = 0

    def _answer(self, window: Window) -> list[Attempt]:
        first, last = window.start - self.before, window.end - 1 + self.after
        found = sorted((each for each in self.attempts if first <= each[0] <= last), key=self.order)[: self.cap]
        if self.statistics_cap is not None:
            pairs = list(dict.fromkeys(pair for _, pair in found))[: self.statistics_cap]
            found = [each for each in found if each[1] in pairs]
        return found

    def _ask(self, window: Window, enough: Size | None) -> tuple[Answer, list[Attempt]]:
        self.asked.append(window)
        came: list[Attempt] = []
        size, whole = Size(0, 0), True
        for each in self._answer(window):
            came.append(each)
            size = Size(len(came), len({pair for _, pair in came}))
            if enough is not None and enough.is_below(size):
                whole = False
                break
        self.sent += len(came)
        inside = [each for each in came if window.start <= each[0] < window.end]
        moments = [moment for moment, _ in inside]
        answer = Answer(size, len(inside), min(moments, default=None), max(moments, default=None), whole)
        return answer, inside

    def count(self, window: Window, enough: Size) -> Answer:
        return self._ask(window, enough)[0]

    def keep(self, window: Window, enough: Size | None) -> Answer:
        answer, inside = self._ask(window, enough)
        self.kept.append(inside)
        return answer

    def drop(self) -> None:
        self.kept.pop()

    def read(self, span: Window, *, allow_incomplete: bool = False) -> CompleteReader:
        reading = CompleteReader(self, span, allow_incomplete=allow_incomplete)
        covered = list(reading.windows())
        assert [span.start, *(window.end for window in covered)] == [*(window.start for window in covered), span.end]
        return reading

    @property
    def rows(self) -> list[Attempt]:
        return [each for window in self.kept for each in window]


SPAN = Window(1_000_000, 1_100_000)


def spread(count: int, seed: int = 1, pairs: int = 10_000) -> list[Attempt]:
    """Attempts at moments that are often the same, in and around the span."""
    draw = random.Random(seed)
    middle = draw.randrange(SPAN.start, SPAN.end)
    return [
        (min(max(int(draw.gauss(middle, draw.choice([20, 300, 30_000]))), 1), 2_000_000), draw.randrange(pairs))
        for _ in range(count)
    ]


def within(attempts: list[Attempt], span: Window = SPAN) -> list[Attempt]:
    return sorted(each for each in attempts if span.start <= each[0] < span.end)


ORDERS = {
    "earliest first": lambda attempt: attempt[0],
    "latest first": lambda attempt: -attempt[0],
    "by course": lambda attempt: (attempt[1] % 7, attempt[0]),
    "by statistic": lambda attempt: attempt[1],
}


@pytest.mark.parametrize("bounds", [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cap", [40, 41, 100, 999, 1000, None])
def test_every_attempt_comes_out_once_whatever_the_cap(cap, order, bounds):
    platform = Platform(spread(1000, seed=cap or 0), cap, None, ORDERS[order], *bounds)
    reading = platform.read(SPAN)
    assert sorted(platform.rows) == within(platform.attempts)
    assert reading.incomplete == []
    assert reading.highest == max(moment for moment, _ in platform.rows)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("cap", [30, 100, 400])
def test_every_attempt_comes_out_once_if_the_cap_counts_statistics(cap, order):
    """A statistic may have several attempts, so that answers which are cut differ in size."""
    platform = Platform(spread(1000, seed=cap, pairs=700), None, cap, ORDERS[order])
    platform.read(SPAN)
    assert sorted(platform.rows) == within(platform.attempts)


def test_small_caps_and_answers_that_are_just_as_large():
    """An answer as large as the largest that is proven may be cut: only a smaller one cannot."""
    for seed in range(300):
        draw = random.Random(seed)
        attempts = [(draw.randrange(1, 60), number) for number in range(draw.randrange(1, 60))]
        platform = Platform(attempts, draw.randrange(3, 12), None, draw.choice(list(ORDERS.values())))
        platform.before, platform.after = draw.randrange(2), draw.randrange(2)
        reading = platform.read(Window(1, 60), allow_incomplete=True)
        doubtful = {window.start for window in reading.incomplete}
        expected = within(attempts, Window(1, 60))
        assert sorted(each for each in platform.rows if each[0] not in doubtful) == [
            each for each in expected if each[0] not in doubtful
        ], seed
        assert set(platform.rows) <= set(expected), seed


def test_halves_that_add_up_prove_nothing_if_one_is_as_large_as_the_whole():
    """With a cap of 10, the whole, its first half and the first quarter all answer 10, and the other halves nothing."""
    attempts = [(SPAN.start + number // 2, number) for number in range(30)]
    platform = Platform(attempts, cap=10)
    platform.read(SPAN)
    assert sorted(platform.rows) == within(attempts)


def test_attempts_of_one_moment_are_proven_by_a_larger_answer_to_something_else():
    same = [(SPAN.start + 500, number) for number in range(20)]
    earlier = [(SPAN.start - 7 * 100_000 + number, 100 + number) for number in range(21)]
    platform = Platform(same + earlier, cap=30)
    reading = platform.read(SPAN)
    assert sorted(platform.rows) == same
    assert reading.cap is None


def test_more_attempts_of_one_moment_than_the_cap_are_an_error():
    platform = Platform([(SPAN.start + 500, number) for number in range(20)] + [(SPAN.start + 900, 99)], cap=10)
    with pytest.raises(IncompleteAnswerError, match=r"10 attempts around 1970-01-01T00:16:40.*allow_incomplete"):
        platform.read(SPAN)


def test_what_may_be_incomplete_is_named_and_the_rest_is_complete(caplog):
    same = [(SPAN.start + 500, number) for number in range(20)]
    others = [(SPAN.start + 1000 * number, 100 + number) for number in range(1, 50)]
    platform = Platform(same + others, cap=10)
    reading = platform.read(SPAN, allow_incomplete=True)
    # The milliseconds beside it are in doubt as well: their answers hold what is at their bounds, and were cut.
    assert [window.start - SPAN.start for window in reading.incomplete] == [499, 500, 501]
    assert len(platform.rows) == 10 + len(others)
    assert "INCOMPLETE: 10 attempts of 1970-01-01T00:16:40.500Z" in caplog.text
    assert reading.cap is not None
    assert reading.cap.attempts == 10


def test_an_empty_span_costs_a_few_requests():
    platform = Platform([])
    reading = platform.read(SPAN)
    assert (platform.rows, reading.highest) == ([], None)
    assert len(platform.asked) < 10


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_span_may_be_as_short_as_a_millisecond(length):
    span = Window(SPAN.start, SPAN.start + length)
    platform = Platform([(span.start, 1), (span.end, 2), (span.start - 1, 3), (7, 4)])
    platform.read(span)
    assert platform.rows == [(span.start, 1)]


def test_answers_that_are_cut_are_known_and_no_longer_asked_for(caplog):
    caplog.set_level("INFO")
    platform = Platform([(SPAN.start + number, number) for number in range(0, 100_000, 10)], cap=1000)
    reading = platform.read(SPAN)
    assert reading.cap is not None
    assert reading.cap.attempts == 1000
    assert "No answer is larger than 1000 attempts: this is likely the cap" in caplog.text
    assert len(platform.rows) == 10_000
    assert platform.sent < 2 * 10_000


def test_little_is_asked_for_twice(monkeypatch):
    monkeypatch.setattr(windows, "MOST", 500)
    platform = Platform([(SPAN.start + number, number) for number in range(0, 100_000, 10)])
    reading = platform.read(SPAN)
    assert len(platform.rows) == 10_000
    assert platform.sent < 1.15 * 10_000
    assert reading.largest.attempts <= 500


def test_a_crowd_after_a_long_silence_is_not_read_to_its_end_at_once(monkeypatch):
    monkeypatch.setattr(windows, "MOST", 500)
    platform = Platform([(SPAN.end - 5000 + number, number) for number in range(5000)])
    reading = platform.read(SPAN)
    assert len(platform.rows) == 5000
    assert reading.largest.attempts <= 1001


def test_cut_answers_that_show_the_latest_attempts_only_do_not_lead_back_step_by_step():
    """A window that has grown over a long silence has three hundred times the cap, and shows the end of it."""
    crowd = [(SPAN.start + number, number) for number in range(60_000, 100_000)]
    platform = Platform(crowd, 100, None, ORDERS["latest first"])
    platform.read(SPAN)
    assert len(platform.rows) == 40_000
    assert platform.sent < 1.5 * 40_000


def test_a_single_moment_is_found_with_few_requests():
    earlier = [(number, number) for number in range(1, 40)]
    platform = Platform([(SPAN.start + 77_777, 100 + number) for number in range(30)] + earlier)
    platform.read(SPAN)
    assert len(platform.rows) == 30
    assert len(platform.asked) < 30


def test_attempts_that_come_in_meanwhile_do_not_pass_for_a_cap():
    class Busy(Platform):
        def count(self, window: Window, enough: Size) -> Answer:
            self.attempts.append((SPAN.start + 10 * len(self.asked), 1000 + len(self.asked)))
            return super().count(window, enough)

    busy = Busy(spread(300, seed=3))
    assert busy.read(SPAN).cap is None


def test_the_same_attempts_come_in_the_same_order():
    first, second = Platform(spread(1000), cap=50), Platform(spread(1000), cap=50)
    first.read(SPAN)
    second.read(SPAN)
    assert first.rows == second.rows
