"""
Write the client's table of the operations of API v2 (``make specs``).

The table (airflow_provider_360learning/api/v2/operations.json) has what the published OpenAPI documents say about each
operation, and nothing else. What they do not say is in airflow_provider_360learning/api/v2/spec.py.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import airflow_provider_360learning
from tests.contract.documents import Document, documents, resolve

FILE = Path(airflow_provider_360learning.__file__).parent / "api" / "v2" / "operations.json"
PREFIX = "/api/v2"

#: Errors that almost every operation has.
GENERIC_ERRORS = frozenset({"invalid_token", "invalid_scope", "tooManyRequests"})
_BODY_FORMATS = {"application/json": "json", "multipart/form-data": "multipart"}
_SCOPE = re.compile(r"Required OAuth scope: `([\w:]+)`")
_PAGE_SIZE = re.compile(r"paginated with a page size of ([\d,]+)")
_MAX_ROWS = re.compile(r"processes up to ([\d,]+) objects asynchronously")


class Published(NamedTuple):
    """
    An operation as it is published.

    :param name: Its name in the client.
    :param document: The document that describes it.
    :param method: HTTP method.
    :param path: Path with the prefix of the version.
    :param operation: Its description.
    """

    name: str
    document: Document
    method: str
    path: str
    operation: Document


def published() -> list[Published]:
    """
    Return all operations.

    The name is the end of ``operationId``. If several operations end in the same, the subject precedes it.
    """
    found = [
        (document, method.upper(), path, operation)
        for document in documents().values()
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]
    ends = Counter(_end(operation) for *_, operation in found)
    return [
        Published(_end(one[3]) if ends[_end(one[3])] == 1 else f"{_subject(one[3])}.{_end(one[3])}", *one)
        for one in found
    ]


def _end(operation: Document) -> str:
    return str(operation["operationId"].rpartition("_")[2])


def _subject(operation: Document) -> str:
    return str(operation["operationId"].split(".")[1])


def describe(one: Published) -> dict[str, Any]:
    """Return the entry of an operation in the table."""
    description = one.operation["description"]
    entry = {
        "id": one.operation["operationId"],
        "summary": one.operation["summary"],
        "method": one.method,
        "path": one.path.removeprefix(PREFIX),
        "scope": _found(_SCOPE, description),
        "query": _plain_parameters(one),
        "filters": _filters(one),
        "body": _body(one),
        "max_rows": _number(_MAX_ROWS, description),
        "statuses": [int(status) for status in one.operation["responses"] if status.startswith("2")],
        **_result(one),
        "page_size": _number(_PAGE_SIZE, description),
        "errors": dict(sorted(_errors(one))),
    }
    return {name: value for name, value in entry.items() if value not in (None, {}, [])}


def _found(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.search(text)
    return match[1] if match else None


def _number(pattern: re.Pattern[str], text: str) -> int | None:
    found = _found(pattern, text)
    return int(found.replace(",", "")) if found else None


def _plain_parameters(one: Published) -> dict[str, str]:
    """Return the query parameters that are no filters, and their types."""
    return {
        parameter["name"]: "boolean"
        if parameter["schema"].get("enum") == ["true", "false"]
        else parameter["schema"]["type"]
        for parameter in one.operation["parameters"]
        if parameter["in"] == "query" and parameter.get("style") != "deepObject"
    }


def _filters(one: Published) -> dict[str, dict[str, Any]]:
    """Return the filters with their operators and the type of their values."""
    return {
        parameter["name"]: {
            "type": _filter_type(next(iter(parameter["schema"]["properties"].values()))),
            "operators": list(parameter["schema"]["properties"]),
        }
        for parameter in one.operation["parameters"]
        if parameter["in"] == "query" and parameter.get("style") == "deepObject"
    }


def _filter_type(schema: Document) -> str:
    schema = schema.get("items", schema)
    if schema.get("enum") in (["true", "false"], [True, False]):
        return "boolean"
    named = {"date-time": "timestamp", "ObjectId": "id"}
    return str(named.get(schema.get("format", ""), schema["type"]))


def _body(one: Published) -> dict[str, Any] | None:
    body = one.operation.get("requestBody")
    if body is None:
        return None
    ((content_type, content),) = body["content"].items()
    schema = resolve(one.document, content["schema"])
    required = schema.get("required", [])
    return {
        "format": _BODY_FORMATS[content_type],
        "schema": content["schema"]["$ref"].rpartition("/")[2],
        "required": required,
        "optional": [name for name in schema["properties"] if name not in required],
    }


def _result(one: Published) -> dict[str, Any]:
    """Return what a successful response contains."""
    successes = [response for status, response in one.operation["responses"].items() if status.startswith("2")]
    if any("Location" in response.get("headers", {}) for response in successes):
        return {"result": "job"}
    for response in successes:
        for content_type, content in response.get("content", {}).items():
            if content_type != "application/json":
                return {"result": "file"}
            is_paginated = any("Link" in each.get("headers", {}) for each in successes)
            return _content(one.document, content["schema"], is_paginated)
    return {"result": "none"}


def _content(document: Document, schema: Document, is_paginated: bool) -> dict[str, Any]:
    schema = _one_of(document, schema)
    if schema["type"] == "array":
        items = _one_of(document, schema["items"])
        return {"result": "page" if is_paginated else "list", "items": items["type"]}
    required = schema.get("required", [])
    key = "_id" if "_id" in required else next(iter(required), None)
    return {"result": "object", "key": key}


def _one_of(document: Document, schema: Document) -> Document:
    """Return a schema, or the first one of alternatives."""
    schema = resolve(document, schema)
    for alternatives in ("oneOf", "anyOf"):
        if alternatives in schema:
            return _one_of(document, schema[alternatives][0])
    return schema


def _errors(one: Published) -> Iterator[tuple[str, int]]:
    for status, response in one.operation["responses"].items():
        for content in response.get("content", {}).values() if status >= "4" else ():
            schema = resolve(one.document, content["schema"])
            for alternative in schema.get("oneOf", [schema]):
                error = resolve(one.document, alternative)["properties"]["error"]
                codes = (error["properties"]["code"] if "properties" in error else error)["enum"]
                yield from ((code, int(status)) for code in codes if code not in GENERIC_ERRORS)


def table() -> str:
    """Return the table as it is written: one operation per line."""
    return written({one.name: describe(one) for one in published()})


def written(entries: Mapping[str, object]) -> str:
    """Return entries as they are written: one per line, in alphabetical order."""
    lines = (
        f"{json.dumps(name)}: {json.dumps(entry, ensure_ascii=False, separators=(',', ':'))}"
        for name, entry in sorted(entries.items())
    )
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main() -> None:
    """Write the table."""
    FILE.write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
