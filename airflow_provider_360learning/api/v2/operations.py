"""
The operations of API v2 as they are published, from ``operations.json``, which ``make specs`` writes.

The table is read when an operation is first looked up, not when the module is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

#: What is published about one operation; docs/contributing.md describes the keys. ``Any``, as of :func:`json.loads`.
Published = Mapping[str, Any]


@cache
def published() -> Mapping[str, Published]:
    """Return all operations by name."""
    text = files(__package__).joinpath("operations.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]


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
