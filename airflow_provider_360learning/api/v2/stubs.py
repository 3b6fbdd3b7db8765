"""Actions that API v2 does not have yet."""

from __future__ import annotations

from airflow_provider_360learning.exceptions import NotAvailableError


def not_built(action: str) -> NotAvailableError:
    """
    Return the error of an action that is not built yet.

    :param action: Its name.
    """
    return NotAvailableError(f"{action} is not available in API v2 yet")
