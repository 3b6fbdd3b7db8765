"""
The operations of API v1 as they are known, from ``operations.json``, which ``make specs`` writes.

The table is read when an operation is first looked up, not when the module is imported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from airflow_provider_360learning.api.parameters import Parameters, Schema
from airflow_provider_360learning.api.tables import read_table
from airflow_provider_360learning.api.v1.errors import GENERATE_TOKEN

#: What is known about one operation; docs/contributing.md describes the keys. ``Any``, as of :func:`json.loads`.
Known = Mapping[str, Any]

#: The schemas of the types in the table.
_SCHEMAS: Mapping[str, Schema] = {
    "any": {},
    "string": {"type": "string"},
    "strings": {"type": "array", "items": {"type": "string"}},
    "boolean": {"type": "boolean"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "array": {"type": "array"},
    "object": {"type": "object"},
}


@cache
def known() -> Mapping[str, Known]:
    """Return all operations by name."""
    return read_table(__package__, "operations.json")


def parameters_of(operation: str) -> Parameters:
    """
    Return what an operation accepts.

    :param operation: Name of the operation.
    """
    facts = known()[operation]
    return Parameters(
        path={name: {"minLength": 1} for name in re.findall(r"\{(\w+)\}", facts["path"])},
        query={name: _SCHEMAS[kind] for name, kind in facts.get("query", {}).items()},
        required_query=tuple(facts.get("required_query", ())),
        body=_schema(facts["body"]) if "body" in facts else None,
        has_secrets=operation == GENERATE_TOKEN,
        summary=facts["summary"],
        is_legacy=facts.get("legacy", False),
    )


def _schema(body: Known) -> Schema:
    if body.get("is_list"):
        return {"type": "array", "items": {"type": "object"}}
    return {
        "type": "object",
        "properties": {name: _SCHEMAS[kind] for name, kind in body.get("fields", {}).items()},
        "required": body.get("required", []),
        "additionalProperties": body.get("open", False),
    }
