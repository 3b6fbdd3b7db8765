"""Everything that one running sandbox holds: it can be started afresh, which is what a reset does."""

from __future__ import annotations

import random

from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID, Seed, seed_world
from airflow_provider_360learning.sandbox.faults import Faults
from airflow_provider_360learning.sandbox.journal import Journal
from airflow_provider_360learning.sandbox.limits import Limits
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state import State
from airflow_provider_360learning.sandbox.tokens import Tokens


class Company:
    """The one company of a sandbox. Any other company id is a wrong one.

    :param settings: what the sandbox was started with, and returns to at a reset.
    :param seed: see :func:`.demo_company.seed_world`.
    """

    id = COMPANY_ID
    api_key = API_KEY

    def __init__(self, settings: Settings, seed: Seed) -> None:
        self._first_settings = settings
        self.reset(seed)

    def reset(self, seed: Seed) -> None:
        """Start afresh: first settings, seeded world, present time; no tokens, arrivals, faults, entries."""
        self.settings = self._first_settings
        self.clock = Clock()
        self.tokens = Tokens()
        self.limits = Limits()
        self.faults = Faults()
        self.journal = Journal()
        self.world = State(self.clock)
        seed_world(self.world, seed)
        self._jitter = random.Random(self.settings.jitter_seed)

    def travel_seconds(self) -> float:
        """Return how long the next request is on its way before it arrives."""
        jitter = self._jitter.uniform(-1, 1) * self.settings.jitter_ms
        return max(0.0, self.settings.delay_before_ms + jitter) / 1000
