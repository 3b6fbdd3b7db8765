"""The documented limits, counted over rolling windows of one second at the moment of arrival."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import NamedTuple

from airflow_provider_360learning.sandbox.settings import Settings

WINDOW_SECONDS = 1.0

#: Requests a second. ``company_*`` and ``ip_*`` hold for every route; the others for one operation of the company.
DOCUMENTED: dict[str, int] = {
    "company_reads": 50,
    "company_writes": 5,
    "ip_reads": 10,
    "ip_writes": 10,
    "deleteGroup": 1,
    "importExternalCoursesStats": 1,
    "updatePathSession": 1,
    "createOrInviteUser": 2,
    "deleteUser": 2,
}


class Refusal(NamedTuple):
    """Why a request was refused: the limits without room, and the seconds until all of them have some."""

    limits: list[str]
    seconds: float


class Limits:
    """Counts arrivals. A request counts against every limit that matches it, or, if refused, against none.

    (Whether refused ones count is not documented: the setting ``refused_requests_count``.)
    """

    def __init__(self) -> None:
        self._arrivals: defaultdict[tuple[str, str], deque[float]] = defaultdict(deque)

    def arrive(self, settings: Settings, *, method: str, operation: str | None, ip: str, at: float) -> Refusal | None:
        """Count one arrival.

        :param at: the moment of arrival, monotonic seconds.
        :return: why it is refused; ``None`` if it may pass.
        """
        if not settings.limits_enabled:
            return None
        figures: dict[str, int | None] = {**DOCUMENTED, **settings.limits}
        windows = {
            name: (self._window(name, ip if name.startswith("ip_") else "", at), figure)
            for name in _matching(method, operation)
            if (figure := figures.get(name)) is not None
        }
        full = {name: window for name, (window, figure) in windows.items() if len(window) >= figure}
        if not full or settings.refused_requests_count:
            for window, _ in windows.values():
                window.append(at)
        if not full:
            return None
        waits = [_room_at(window, windows[name][1]) - at for name, window in full.items()]
        return Refusal(list(full), max(waits))

    def _window(self, name: str, ip: str, at: float) -> deque[float]:
        window = self._arrivals[name, ip]
        while window and window[0] <= at - WINDOW_SECONDS:
            window.popleft()
        return window


def _matching(method: str, operation: str | None) -> list[str]:
    kind = "reads" if method in ("GET", "HEAD") else "writes"
    return [f"company_{kind}", f"ip_{kind}", *([operation] if operation else [])]


def _room_at(window: deque[float], figure: int) -> float:
    """Return when fewer than ``figure`` of these arrivals will be left in the window."""
    return window[-figure] + WINDOW_SECONDS
