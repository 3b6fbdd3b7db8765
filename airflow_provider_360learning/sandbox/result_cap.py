"""The cap on course statistics."""

from __future__ import annotations

import math

from airflow_provider_360learning.sandbox.settings import Settings


class Room:
    """How much more fits into an answer."""

    def __init__(self, settings: Settings) -> None:
        cap = settings.course_stats_cap
        self._left: float = math.inf if cap is None else cap
        self._counts_attempts = settings.course_stats_cap_counts == "attempts"

    def take(self, attempts: int) -> int:
        """Take room for the attempts of one user on one course; return how many of them fit."""
        if not self._counts_attempts:
            attempts = attempts if self._left else 0
            self._left -= bool(attempts)
        elif attempts > self._left:
            attempts, self._left = int(self._left), 0
        else:
            self._left -= attempts
        return attempts
