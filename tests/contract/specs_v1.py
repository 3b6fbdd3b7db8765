"""
Write the client's table of the operations of API v1, and which operations correspond (``make specs``).

The table (airflow_provider_360learning/api/v1/operations.json) has what ``tests/data/api-v1.json`` says about each
operation with a known path. What is not a fact of the vendor's, such as what may be sent twice, is in
airflow_provider_360learning/api/v1/spec.py.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import airflow_provider_360learning
from tests.contract import specs

FACTS = Path(__file__).parents[1] / "data" / "api-v1.json"
API = Path(airflow_provider_360learning.__file__).parent / "api"
FILE, COUNTERPARTS = API / "v1" / "operations.json", API / "counterparts.json"
PREFIX = "/api/v1"

#: Names of path parameters that take an email address or an id. The others are ids, written in snake case.
_USERS = {
    "user_email": "user",
    "userId_or_email": "user",
    "userEmailOrId": "user",
    "manager_email": "manager",
}
#: The only operation whose method is not known: by analogy with the catalog.
_ASSUMED_METHODS = {"(PUT?)": "PUT"}
#: Bodies whose content type is not known: by analogy with the operation on users.
_ASSUMED_FORMATS = {"removeGroupsFromPathSession": "json"}
#: Described as a form by the vendor, and sent so by public clients, although a guide says otherwise.
_FORMS = {"updateGroup"}
#: Recorded, although the facts do not say so in words.
_RECORDED = {"getCourses"}

_WORD_STARTS = re.compile(r"(?<=[a-z])(?=[A-Z])")
#: The types of fields by the beginning of their description, the longest first.
_TYPES = (
    ("string[]", "strings"),
    ("boolean?", "boolean"),
    ("boolean / string", "any"),
    ("boolean", "boolean"),
    ("integer", "integer"),
    ("number", "number"),
    ("array", "array"),
    ("ARRAY", "array"),
    ("object", "object"),
    ("string", "string"),
    ("24-hex id string", "string"),
    ("ISO 8601", "string"),
    ("YYYY-MM-DD", "string"),
    ("same", "string"),
)


def facts() -> dict[str, dict[str, Any]]:
    """Return what is known about each operation with a known path, by its name."""
    known = json.loads(FACTS.read_text(encoding="utf-8"))
    return {one["operation"].partition(" (")[0]: one for one in known if one["path"].startswith("/")}


def describe(name: str, one: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the entry of an operation in the table.

    :param name: Its name.
    :param one: What is known about it.
    """
    entry = {
        "summary": f"{one['section'].partition(' (')[0]}: {_words(name)}",
        "method": _ASSUMED_METHODS.get(one["method"], one["method"]),
        "path": _path(one["path"]),
        "query": _types(one["query"]),
        "required_query": _required(one["query"]),
        "body": _body(name, one),
        "result": _result(one),
        "evidence": _evidence(name, one),
        "legacy": one["legacy"],
    }
    return {name: value for name, value in entry.items() if value not in (None, {}, [], False)}


def _words(name: str) -> str:
    return _WORD_STARTS.sub(" ", name).lower()


def _path(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: f"{{{_parameter(match[1])}}}", path.removeprefix(PREFIX))


def _parameter(name: str) -> str:
    return _USERS.get(name) or _WORD_STARTS.sub("_", name).lower()


def _fields(described: list[dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the fields of the first level; several may be described together."""
    for field in described:
        if "[" not in field["name"] and "(" not in field["name"]:
            yield from ((name, field) for name in field["name"].split(" / "))


def _types(described: list[dict[str, Any]]) -> dict[str, str]:
    return {name: _type(field["type"]) for name, field in _fields(described)}


def _required(described: list[dict[str, Any]]) -> list[str]:
    return [name for name, field in _fields(described) if field["required"] is True]


def _type(text: str) -> str:
    return next((known for start, known in _TYPES if text.startswith(start)), "any")


def _body(name: str, one: Mapping[str, Any]) -> dict[str, Any] | None:
    if not one["body"] and not one["content_type"]:
        return None
    is_form = name in _FORMS or str(one["content_type"]).startswith("application/x-www-form-urlencoded")
    body = {
        "format": _ASSUMED_FORMATS.get(name) or ("form" if is_form else "json"),
        "is_list": any(field["name"] == "(root)" for field in one["body"]),
        "fields": _types(one["body"]),
        "required": _required(one["body"]),
        # The description that is known may lack fields.
        "open": one["details"] != "full",
    }
    return {key: value for key, value in body.items() if value not in ({}, [], False)}


def _result(one: Mapping[str, Any]) -> str:
    """Return what a successful response contains: ``any`` where that is not known."""
    shape, example = one["response_shape"], one["response_example"]
    if isinstance(example, list) or re.match(r"(bare )?(JSON )?array", shape):
        return "list"
    return "object" if isinstance(example, dict) and one["method"] in ("GET", "POST") else "any"


def _evidence(name: str, one: Mapping[str, Any]) -> str:
    if name in _RECORDED or "recorded" in json.dumps(one):
        return "recorded"
    is_documented = "doc" in one["confidence"] or "mirror" in one["confidence"]
    return "documented" if is_documented and one["method"] not in _ASSUMED_METHODS else "assumed"


def table() -> str:
    """Return the table as it is written: one operation per line."""
    return specs.written({name: describe(name, one) for name, one in facts().items()})


def counterparts() -> str:
    """Return the operations of each version with their counterparts in the other one, as they are written."""
    names = {(one.method, one.path): one.name for one in specs.published()}
    routes = {name: [(each["method"], each["path"]) for each in one["v2"]] for name, one in facts().items()}
    v1 = {name: list(dict.fromkeys(names[each] for each in found if each in names)) for name, found in routes.items()}
    v2 = {name: [each for each, found in v1.items() if name in found] for name in names.values()}
    return specs.written({"v1": v1, "v2": v2})


def main() -> None:
    """Write the tables."""
    FILE.write_text(table(), encoding="utf-8")
    COUNTERPARTS.write_text(counterparts(), encoding="utf-8")


if __name__ == "__main__":
    main()
