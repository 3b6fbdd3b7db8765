"""
The operations of API v1 as they are known, from ``operations.json``, which ``make specs`` writes.

The table is read when an operation is first looked up, not when the module is imported.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

#: What is known about one operation; docs/contributing.md describes the keys. ``Any``, as of :func:`json.loads`.
Known = Mapping[str, Any]


@cache
def known() -> Mapping[str, Known]:
    """Return all operations by name."""
    text = files(__package__).joinpath("operations.json").read_text(encoding="utf-8")
    return json.loads(text)  # type: ignore[no-any-return]
