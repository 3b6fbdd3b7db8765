"""The rate limits of an API version, counted over rolling windows at the time of arrival."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Evidence = Literal["documented", "recorded", "client", "assumed"]
Kind = Literal["reads", "writes"]

_READS = ("GET", "HEAD")

#: Number of windows from which on empty ones are removed: loopback has 16 million source addresses.
_MAX_IDLE_WINDOWS = 1000


@dataclass(frozen=True)
class Limit:
    """
    A number of requests per rolling window.

    :param name: unique within its version.
    :param requests: how many requests a window allows.
    :param kind: the requests it counts: reads or writes; ``None`` for those of the operation of its name.
    :param per_address: whether each source address has a window of its own.
    """

    name: str
    requests: int
    kind: Kind | None = None
    per_address: bool = False
    seconds: float = 1.0
    evidence: Evidence = "documented"

    def counts(self, method: str, operation: str | None) -> bool:
        """Return whether a request counts against this limit."""
        if self.kind is None:
            return operation == self.name
        return self.kind == ("reads" if method in _READS else "writes")

    def maximum(self, version: str, changed: Mapping[str, int | None]) -> int | None:
        """
        Return how many requests a window allows now; ``None`` for any number.

        :param changed: other figures by name of the limit, alone or after the version; ``None`` lifts a limit.
        """
        return changed.get(f"{version} {self.name}", changed.get(self.name, self.requests))


class Excess(NamedTuple):
    """Why a request is refused: the limits without capacity, and the seconds until all of them have some."""

    limits: list[str]
    seconds: float


class Windows:
    """The arrivals within the windows. A request counts against every limit that applies, or, if refused, none."""

    def __init__(self) -> None:
        self._arrivals: defaultdict[tuple[str, str, str], deque[float]] = defaultdict(deque)

    def __len__(self) -> int:
        """Return the number of windows in memory."""
        return len(self._arrivals)

    def arrive(
        self,
        limits: list[Limit],
        changed: Mapping[str, int | None],
        *,
        version: str,
        address: str,
        at: float,
        count_refused: bool = False,
        shared: bool = False,
    ) -> Excess | None:
        """
        Count one arrival.

        :param limits: the limits that apply to the request.
        :param version: name of the API version, whose windows are its own.
        :param address: source address of the request.
        :param changed: see :meth:`Limit.maximum`.
        :param at: time of arrival, monotonic seconds.
        :param count_refused: whether a refused request counts, too.
        :param shared: whether versions share the windows of limits with the same name.
        :return: why it is refused; ``None`` if it may pass.
        """
        if len(self._arrivals) > _MAX_IDLE_WINDOWS:
            longest = max((limit.seconds for limit in limits), default=0.0)
            self._arrivals = defaultdict(
                deque, {key: window for key, window in self._arrivals.items() if window and window[-1] > at - longest}
            )
        owner = "" if shared else version
        windows = [
            (limit, figure, self._window(limit, (owner, limit.name, address if limit.per_address else ""), at))
            for limit in limits
            if (figure := limit.maximum(version, changed)) is not None
        ]
        full = [(limit, figure, window) for limit, figure, window in windows if len(window) >= figure]
        if not full or count_refused:
            for _, _, window in windows:
                window.append(at)
        if not full:
            return None
        waits = [window[-figure] + limit.seconds - at for limit, figure, window in full]
        return Excess([limit.name for limit, _, _ in full], max(waits))

    def _window(self, limit: Limit, key: tuple[str, str, str], at: float) -> deque[float]:
        window = self._arrivals[key]
        while window and window[0] <= at - limit.seconds:
            window.popleft()
        return window
