"""
Which windows of time to request, and what proves a response complete that may have been cut.

API v1 cuts course statistics at a number that is not documented, and does not report it. The only assumption about this
cap is that it is the same for all responses, and counts either attempts or statistics (one for each user and course);
so both are counted.

- A response that is smaller than one that is complete was not cut.
- A larger one is proven by its two halves: requested one by one, they must be smaller than it, and add up to it. A half
  that is as large as the whole proves nothing: with a cap, both may have been cut there.
- Otherwise the first half is requested again as a window of its own, and so on: windows become shorter.
- The shortest one, a millisecond, has no halves. It is complete if any other response is larger.

Windows begin small and double, because each proof allows a larger one. So a response that breaks costs little, and only
a small part is requested twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil, inf
from typing import NamedTuple, Protocol

from airflow_provider_360learning.api.timestamps import text_of
from airflow_provider_360learning.exceptions import IncompleteResponseError
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

#: Attempts that a response should have: twice as many would be hardly faster, but cost more when the response breaks.
TARGET_ATTEMPTS = 50_000
#: The first window is this part of the whole; each is at most so many times longer than the one before it.
INITIAL_PART, MAX_GROWTH = 256, 4
#: The share of the proven size that windows aim at once they need no proof, so that nearly all stay below it.
TARGET_SHARE = 0.8
#: In the search for a larger response, each interval is so many times longer than the one before it.
LOOK_BACK_GROWTH = 16
#: Nothing happened on the platform before 1970, in milliseconds.
EARLIEST = 0


class Size(NamedTuple):
    """
    The size of a response, in what a cap may count.

    :param attempts: Number of attempts.
    :param statistics: Number of statistics: one for each user and course.
    """

    attempts: int
    statistics: int

    def is_below(self, other: Size) -> bool:
        """Return whether it is smaller in both counts, so that no cap that let the other one pass can have cut it."""
        return all(mine < theirs for mine, theirs in zip(self, other, strict=True))

    def or_larger(self, other: Size) -> Size:
        """Return the larger of each count."""
        return Size(*map(max, self, other))


#: A millisecond with more than this is not read to its end: it cannot be divided, and could fill a disk.
MAX_OF_A_MILLISECOND = Size(10_000_000, 10_000_000)


@dataclass(frozen=True, slots=True)
class Window:
    """
    An interval, in milliseconds since 1970.

    :param start: The first millisecond in it.
    :param end: The first millisecond after it.
    """

    start: int
    end: int

    @property
    def length(self) -> int:
        """Its length in milliseconds."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class WindowResponse:
    """
    The response to the request of a window.

    :param size: Its size: responses may hold a little of what is beside the window.
    :param inside: Number of attempts in the window.
    :param first: Timestamp of the first of these, if there are any.
    :param last: Timestamp of the last of these.
    :param whole: Whether it was read to its end.
    """

    size: Size
    inside: int
    first: int | None = None
    last: int | None = None
    whole: bool = True


class Source(Protocol):
    """The API that attempts are read from, and the sink that takes them."""

    def count(self, window: Window, enough: Size) -> WindowResponse:
        """Request a window and count what comes; reading may stop once both counts are more than enough."""

    def keep(self, window: Window, enough: Size) -> WindowResponse:
        """Request a window, keep its attempts, and count what comes; see :meth:`count`."""

    def drop(self) -> None:
        """Drop the attempts that were kept last."""


class CompleteReader:
    """
    Reads an interval from a source, window by window, each proven complete.

    :param source: The source.
    :param interval: All that is to be read.
    :param allow_incomplete: Continue after a millisecond that cannot be proven complete.
    """

    def __init__(self, source: Source, interval: Window, *, allow_incomplete: bool = False) -> None:
        self._source = source
        self._interval = interval
        self._allow_incomplete = allow_incomplete
        #: The largest response that is complete. (Assumption: no cap cuts two attempts.)
        self._proven = Size(2, 2)
        #: The largest of all responses.
        self.largest = Size(0, 0)
        #: The size of responses that were cut, once some were.
        self.cap: Size | None = None
        #: Windows that may lack attempts.
        self.incomplete: list[Window] = []
        #: The latest timestamp of an attempt.
        self.highest: int | None = None

    def windows(self) -> Iterator[Window]:
        """Read the interval; yield each window once its attempts are complete."""
        start, length = self._interval.start, max(1, self._interval.length // INITIAL_PART)
        enough = Size(2 * TARGET_ATTEMPTS, 2 * TARGET_ATTEMPTS)
        while start < self._interval.end:
            window = Window(start, min(start + length, self._interval.end))
            response = self._record(self._source.keep(window, MAX_OF_A_MILLISECOND if window.length == 1 else enough))
            if self._is_complete(window, response) or (window.length == 1 and self._accept(window, response)):
                self.highest = self.highest if response.last is None else response.last
                yield window
                start, length = window.end, self._next_length(window, response)
            else:
                self._source.drop()
                # By the attempts seen, but at most half: cut responses may show the last attempts only.
                length = min(_halves(window, response)[0].length, window.length // 2)

    def _is_complete(self, window: Window, response: WindowResponse) -> bool:
        if not response.whole:
            return False
        if response.size.is_below(self._proven):
            return True
        if window.length == 1:
            complete = self._has_more_than(response.size)
        else:
            is_known_to_be_cut = self.cap is not None and not response.size.is_below(self.cap)
            complete = not is_known_to_be_cut and self._adds_up(window, response)
        if complete:
            self._proven = self._proven.or_larger(response.size)
        return complete

    def _adds_up(self, window: Window, response: WindowResponse) -> bool:
        inside = 0
        for half in _halves(window, response):
            counted = self._record(self._source.count(half, enough=response.size))
            inside += counted.inside
            if not (counted.whole and counted.size.is_below(self.largest)):
                break
        else:
            if inside == response.inside:
                return True
        # It was cut, or something happened in between. Only if it was cut, there is nothing larger.
        if not self._has_more_than(response.size):
            self.cap = response.size
            log.info(
                "No response is larger; this is likely the cap of API v1. Requesting less: attempts=%s",
                response.size.attempts,
            )
        return False

    def _has_more_than(self, size: Size) -> bool:
        """Return whether some response is larger, so that one of this size was not cut; look back in time for one."""
        start, end = self._interval.start, self._interval.end
        while not size.is_below(self.largest):
            self._record(self._source.count(Window(start, end), enough=size))
            if start <= EARLIEST:
                break
            start = max(EARLIEST, end - LOOK_BACK_GROWTH * (end - start))
        return size.is_below(self.largest)

    def _record(self, response: WindowResponse) -> WindowResponse:
        self.largest = self.largest.or_larger(response.size)
        return response

    def _accept(self, window: Window, response: WindowResponse) -> bool:
        """Accept a millisecond that may be incomplete, if that is allowed."""
        if not self._allow_incomplete:
            raise IncompleteResponseError(
                f"The {response.size.attempts} attempts around {text_of(window.start)} may not be complete: no "
                "response was ever larger, so this may be the cap of API v1, and a millisecond cannot be divided. "
                "With allow_incomplete=True, the export continues without the missing ones."
            )
        log.warning(
            "INCOMPLETE: there may be more attempts than were read: timestamp=%s attempts=%s",
            text_of(window.start),
            response.inside,
        )
        self.incomplete.append(window)
        return True

    def _next_length(self, window: Window, response: WindowResponse) -> int:
        # So many times longer, the response would be as large as what is proven.
        reach = min(theirs / mine if mine else inf for mine, theirs in zip(response.size, self._proven, strict=True))
        target = TARGET_ATTEMPTS if self.cap is None else self.cap.attempts // 2
        growth = 2 * reach if 2 * self._proven.attempts <= target else TARGET_SHARE * reach
        return ceil(window.length * min(MAX_GROWTH, growth))


def _halves(window: Window, response: WindowResponse) -> tuple[Window, Window]:
    """Divide a window in the middle of its attempts, so that each half has some unless all have one timestamp."""
    first, last = (
        (window.start, window.end)
        if response.first is None or response.last is None
        else (response.first, response.last)
    )
    middle = max(window.start + 1, (first + last + 1) // 2)
    return Window(window.start, middle), Window(middle, window.end)
