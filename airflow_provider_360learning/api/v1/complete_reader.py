"""
Which spans of time to ask for, and what proves an answer complete that may have been cut.

API v1 cuts course statistics at a number that nobody knows, without a word. What is assumed of that cap is only that it
is always the same, and counts either attempts or statistics (one for each user and course); so both are counted.

- An answer that is smaller than one that is complete was not cut.
- A larger one is proven by its two halves: asked for one by one, they must be smaller than it, and add up to it. A half
  that is as large as the whole proves nothing: with a cap, both may have been cut there.
- Otherwise the first half is asked for again as a window of its own, and so on: windows become shorter.
- The shortest one, a millisecond, has no halves. It is complete if there is a larger answer to anything at all.

Windows begin small and double, each proof making room for the next, so that an answer that breaks costs little, and
only a small part is asked for twice.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf
from typing import NamedTuple, Protocol

from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.exports.timestamps import text_of

log = logging.getLogger(__name__)

#: Attempts in an answer that are enough: twice as many would be hardly faster, but cost more when the answer breaks.
MOST = 50_000
#: The first window is this part of the whole; each is at most so many times longer than the one before it.
INITIAL_PART, FASTEST_GROWTH = 256, 4
#: How full windows are that need no proof, so that most of them stay below what is proven.
FULL = 0.8
#: StoragePath a larger answer is looked for, each span is so many times longer than the one before it.
LOOK_BACK = 16
#: Nothing happened on the platform before this moment.
LONG_AGO = 0


class IncompleteAnswerError(Learning360Error):
    """An answer may have been cut, and there is no way to ask for less at a time."""


class Size(NamedTuple):
    """
    The size of an answer, in what a cap may count.

    :param attempts: Attempts in it.
    :param statistics: Statistics in it: one for each user and course.
    """

    attempts: int
    statistics: int

    def is_below(self, other: Size) -> bool:
        """Tell whether it is smaller in every count, so that no cap can have cut it that let the other one pass."""
        return all(mine < its for mine, its in zip(self, other, strict=True))

    def or_larger(self, other: Size) -> Size:
        """Return the larger of each count."""
        return Size(*map(max, self, other))


@dataclass(frozen=True, slots=True)
class Window:
    """
    A span of time, in milliseconds since 1970.

    :param start: The first millisecond in it.
    :param end: The first millisecond after it.
    """

    start: int
    end: int

    @property
    def length(self) -> int:
        """How many milliseconds it has."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What came when a window was asked for.

    :param size: All that came: answers may hold a little of what is beside the window.
    :param inside: How many attempts are in the window.
    :param first: Moment of the first of these, if there are any.
    :param last: Moment of the last of these.
    :param whole: Whether it was read to its end.
    """

    size: Size
    inside: int
    first: int | None = None
    last: int | None = None
    whole: bool = True


class Source(Protocol):
    """StoragePath attempts come from, and go to."""

    def count(self, window: Window, enough: Size) -> Answer:
        """Ask for a window and count what comes; reading may stop when more than enough came in every count."""

    def keep(self, window: Window, enough: Size | None) -> Answer:
        """Ask for a window, keep its rows, and count what comes; see :meth:`count`."""

    def drop(self) -> None:
        """Take back the rows that were kept last."""


class CompleteReader:
    """
    Reads a span of time from a source, window by window, each proven complete.

    :param source: StoragePath attempts come from.
    :param span: All that is to be read.
    :param allow_incomplete: Go on after a millisecond that cannot be proven complete.
    """

    def __init__(self, source: Source, span: Window, *, allow_incomplete: bool = False) -> None:
        self._source = source
        self._span = span
        self._allow_incomplete = allow_incomplete
        #: The largest answer that is complete. (No cap is so small that it would cut two attempts.)
        self._proven = Size(2, 2)
        #: The largest answer of all.
        self.largest = Size(0, 0)
        #: The size of answers that were cut, once some were.
        self.cap: Size | None = None
        #: Windows that may lack attempts.
        self.incomplete: list[Window] = []
        #: The latest moment of an attempt.
        self.highest: int | None = None

    def windows(self) -> Iterator[Window]:
        """Read; yield each window when its rows are there to stay."""
        start, length = self._span.start, max(1, self._span.length // INITIAL_PART)
        while start < self._span.end:
            window = Window(start, min(start + length, self._span.end))
            answer = self._noted(self._source.keep(window, None if window.length == 1 else Size(2 * MOST, 2 * MOST)))
            if self._is_complete(window, answer) or (window.length == 1 and self._is_settled_for(window, answer)):
                self.highest = self.highest if answer.last is None else answer.last
                yield window
                start, length = window.end, self._next_length(window, answer)
            else:
                self._source.drop()
                # By the attempts seen, but no longer than half: cut answers may show the last attempts only.
                length = min(_halves(window, answer)[0].length, window.length // 2)

    def _is_complete(self, window: Window, answer: Answer) -> bool:
        if not answer.whole:
            return False
        if answer.size.is_below(self._proven):
            return True
        if window.length == 1:
            complete = self._has_more_than(answer.size)
        else:
            is_known_to_be_cut = self.cap is not None and not answer.size.is_below(self.cap)
            complete = not is_known_to_be_cut and self._adds_up(window, answer)
        if complete:
            self._proven = self._proven.or_larger(answer.size)
        return complete

    def _adds_up(self, window: Window, answer: Answer) -> bool:
        inside = 0
        for half in _halves(window, answer):
            counted = self._noted(self._source.count(half, enough=answer.size))
            inside += counted.inside
            if not (counted.whole and counted.size.is_below(self.largest)):
                break
        else:
            if inside == answer.inside:
                return True
        # It was cut, or something happened in between. Only in the first case is there nothing larger.
        if not self._has_more_than(answer.size):
            self.cap = answer.size
            log.info(
                "No answer is larger than %s attempts: this is likely the cap. Asking for less", answer.size.attempts
            )
        return False

    def _has_more_than(self, size: Size) -> bool:
        """Tell whether some answer is larger, so that one of this size was not cut; ask back in time for one."""
        start, end = self._span.start, self._span.end
        while not size.is_below(self.largest):
            self._noted(self._source.count(Window(start, end), enough=size))
            if start <= LONG_AGO:
                break
            start = max(LONG_AGO, end - LOOK_BACK * (end - start))
        return size.is_below(self.largest)

    def _noted(self, answer: Answer) -> Answer:
        self.largest = self.largest.or_larger(answer.size)
        return answer

    def _is_settled_for(self, window: Window, answer: Answer) -> bool:
        if not self._allow_incomplete:
            raise IncompleteAnswerError(
                f"The {answer.size.attempts} attempts around {text_of(window.start)} may not be all that there are: "
                "no larger answer was ever seen, so this may be API v1's cap, and a millisecond cannot be divided. "
                "With allow_incomplete=True the export goes on without those that may be missing."
            )
        log.warning(
            "INCOMPLETE: %s attempts of %s are exported, and there may be more", answer.inside, text_of(window.start)
        )
        self.incomplete.append(window)
        return True

    def _next_length(self, window: Window, answer: Answer) -> int:
        # So many times longer, it would be as large as what is proven.
        reach = min(its / mine if mine else inf for mine, its in zip(answer.size, self._proven, strict=True))
        most = MOST if self.cap is None else self.cap.attempts // 2
        growth = 2 * reach if 2 * self._proven.attempts <= most else FULL * reach
        return ceil(window.length * min(FASTEST_GROWTH, growth))


def _halves(window: Window, answer: Answer) -> tuple[Window, Window]:
    """Divide a window in the middle of its attempts, so that each half has some unless all are at one moment."""
    first, last = (
        (window.start, window.end) if answer.first is None or answer.last is None else (answer.first, answer.last)
    )
    middle = max(window.start + 1, (first + last + 1) // 2)
    return Window(window.start, middle), Window(middle, window.end)
