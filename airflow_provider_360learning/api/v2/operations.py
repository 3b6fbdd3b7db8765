"""
The operations of API v2 as they are published, from files that ``make specs`` writes.

``operations.json`` is read when an operation is first looked up, and ``parameters.json`` when the parameters of one are
first checked: the actions of this package need no such check.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from airflow_provider_360learning.api.parameters import Parameters
from airflow_provider_360learning.api.tables import read_table

#: What is published about one operation; docs/contributing.md describes the keys. ``Any``, as of :func:`json.loads`.
Published = Mapping[str, Any]


@cache
def published() -> Mapping[str, Published]:
    """Return all operations by name."""
    return read_table(__package__, "operations.json")


@cache
def _parameters() -> Mapping[str, Published]:
    return read_table(__package__, "parameters.json")


def parameters_of(operation: str) -> Parameters:
    """
    Return what an operation accepts.

    :param operation: Name of the operation.
    """
    facts = _parameters()[operation]
    return Parameters(
        path=facts.get("path", {}),
        query=facts.get("query", {}),
        body=facts.get("body"),
        files=tuple(facts.get("files", ())),
        has_secrets=facts.get("secrets", False),
        summary=published()[operation]["summary"],
    )


@cache
def error_statuses() -> Mapping[str, int]:
    """Return the HTTP status of each error code; two codes that end in ``NotFound`` have several."""
    return {code: status for one in published().values() for code, status in one.get("errors", {}).items()}


def scope_of(operation: str) -> str | None:
    """
    Return the OAuth scope that an operation needs, if it needs one.

    :param operation: Name of the operation.
    """
    return published().get(operation, {}).get("scope")
