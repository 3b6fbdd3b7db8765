"""The sandbox's clock: real time plus an offset, so that tests move time instead of sleeping."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Seconds since the epoch, as the sandbox sees them. Tokens and learners live by it, limits do not."""

    def __init__(self) -> None:
        # Monotonic underneath: a correction of the machine's clock must not age tokens.
        self._start = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the present moment."""
        return self._start + time.monotonic()

    def advance(self, seconds: float) -> None:
        """Move the clock forward, or back."""
        self._start += seconds


def iso(moment: float) -> str:
    """Write a moment as the API does: UTC with milliseconds and ``Z``."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: object) -> float | None:
    """Read an ISO 8601 date; ``None`` where it is none. Dates without a zone are UTC (assumption)."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
