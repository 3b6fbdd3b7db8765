"""
Write what API v2 accepts as parameters and bodies (``make specs``).

The schemas (airflow_provider_360learning/api/v2/parameters.json) are those of the published OpenAPI documents as the
tests read them (:mod:`tests.contract.schemas`): without references, and closed, so that an unknown field is found
before it is sent.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import airflow_provider_360learning
from tests.contract import specs
from tests.contract.documents import Document, resolve
from tests.contract.schemas import strict

FILE = Path(airflow_provider_360learning.__file__).parent / "api" / "v2" / "parameters.json"

#: Fields of responses that are secrets.
SECRETS = frozenset({"access_token", "secret"})


def describe(one: specs.Published) -> dict[str, Any]:
    """Return the entry of an operation."""
    entry = {
        "path": _parameters(one, "path"),
        "query": _parameters(one, "query"),
        "body": _body(one),
        "files": _files(one),
        "secrets": _has_secrets(one),
    }
    return {name: value for name, value in entry.items() if value}


def _parameters(one: specs.Published, place: str) -> dict[str, Any]:
    found = {}
    for parameter in one.operation["parameters"]:
        if parameter["in"] != place:
            continue
        schema = strict(one.document, parameter["schema"])
        if parameter.get("style") == "deepObject":
            found |= {f"{parameter['name']}[{operator}]": each for operator, each in schema["properties"].items()}
        else:
            found[parameter["name"]] = schema
    return found


def _content(one: specs.Published) -> Document | None:
    body = one.operation.get("requestBody")
    return next(iter(body["content"].values()))["schema"] if body else None


def _body(one: specs.Published) -> Any:
    schema = _content(one)
    return strict(one.document, schema) if schema else None


def _files(one: specs.Published) -> list[str]:
    """Return the fields of a body that can be files."""
    properties = resolve(one.document, _content(one) or {}).get("properties", {})
    return [
        name
        for name, schema in properties.items()
        if any(each.get("format") == "binary" for each in (schema, *schema.get("oneOf", ())))
    ]


def _has_secrets(one: specs.Published) -> bool:
    contents = [
        content
        for status, response in one.operation["responses"].items()
        if status.startswith("2")
        for content in response.get("content", {}).values()
    ]
    return any(SECRETS & resolve(one.document, each["schema"]).get("properties", {}).keys() for each in contents)


def table() -> str:
    """Return the table as it is written: one operation per line."""
    return specs.written({one.name: describe(one) for one in specs.published()})


def main() -> None:
    """Write the table."""
    FILE.write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
