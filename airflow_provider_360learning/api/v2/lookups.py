"""Look-ups that many actions of API v2 need, because its operations take ids only."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter


class Lookups(ApiAdapter):
    """Ids of what is given in another way."""
