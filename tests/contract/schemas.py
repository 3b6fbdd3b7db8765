"""
The published documents as validators of requests and responses of API v2.

A published schema is made strict, so that an unknown key is a violation, and references are replaced by what they refer
to, which validates several times as fast. What else differs from the documents is in :data:`DIFFERENCES`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any
from urllib.parse import unquote_plus

from jsonschema import Draft202012Validator

from tests.contract.documents import Document, documents, resolve
from tests.contract.specs import PREFIX, published

#: What is validated in another way than the documents say, and why.
DIFFERENCES = (
    "`nullable: true` means that `null` is valid. OpenAPI 3.1, which the documents name, has no such keyword.",
    "`oneOf` is read as `anyOf`, because several alternatives overlap: a date is a string, too.",
    "Objects have no other keys than the published ones, although the documents do not say so.",
    "`next`, the cursor of the guide on pagination, is a parameter of every operation with a `Link` header.",
    "A 403 may have a code alone, as the guide on scopes has it, besides code and message.",
    "A 429 for too many requests may also come from a submission of a bulk job, which counts as a write.",
    "`expires_in` may be a string, as in the guide on authentication.",
    "An operation without a published success status may have any.",
)

#: Number of items of a list that are validated: a page has up to 10,000 of the same kind.
MAX_ITEMS = 20

#: Patterns by format.
PATTERNS = {
    "date-time": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
    "date": r"^\d{4}-\d\d-\d\d$",
}
_IGNORED = ("description", "example", "title", "default", "format", "nullable", "deprecated")
_PARAMETER = re.compile(r"\{(\w+)\}")
_FILTER = re.compile(r"(?P<field>\w+)\[(?P<operator>\w+)\](\[\d+\])?")
_LINK = re.compile(r'<[^<>]+>; rel="next"')

#: Errors that the documents do not declare, or declare in another form, see :data:`DIFFERENCES`.
_ALSO_VALID: tuple[tuple[int, object], ...] = (
    (403, {"error": "invalid_scope"}),
    (429, {"error": "tooManyRequests"}),
)


def strict(document: Document, schema: Any) -> Any:
    """
    Return a schema without references that allows no unknown keys.

    :param document: The document that it is in.
    """
    if not isinstance(schema, dict):
        return schema
    schema = resolve(document, schema)
    made = {name: value for name, value in schema.items() if name not in _IGNORED and name != "allOf"}
    for part in schema.get("allOf", ()):
        made = strict(document, part) | made
    if schema.get("format") in PATTERNS:
        made["pattern"] = PATTERNS[schema["format"]]
    if "properties" in schema:
        made["properties"] = {name: strict(document, value) for name, value in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
        made.setdefault("type", "object")
    for name in ("items", "additionalProperties"):
        if name in schema:
            made[name] = strict(document, schema[name])
    alternatives = [strict(document, each) for name in ("oneOf", "anyOf") for each in made.pop(name, ())]
    if alternatives:
        made["anyOf"] = alternatives
    return {"anyOf": [made, {"type": "null"}]} if schema.get("nullable") else made


class Schema:
    """
    One schema, compiled when it is used first.

    :param document: The document that it is in.
    """

    def __init__(self, document: Document, schema: Document) -> None:
        self._document = document
        self._schema = schema

    @cached_property
    def _validator(self) -> Draft202012Validator:
        return Draft202012Validator(strict(self._document, self._schema))

    def violation(self, value: object) -> str | None:
        """Return what is invalid in a value; ``None`` if nothing is."""
        for error in self._validator.iter_errors(_sample(value)):
            while error.context:
                # The alternative that went furthest says most.
                error = max(error.context, key=lambda inner: len(inner.absolute_path))
            place = "/".join(map(str, error.absolute_path))
            return f"{place or 'the value'}: {error.message[:300]}"
        return None

    def violation_of_text(self, text: str) -> str | None:
        """Return what is invalid in a value of a query, where booleans are texts."""
        problem = self.violation(text)
        return self.violation(text == "true") if problem and text in ("true", "false") else problem


def _sample(value: object) -> object:
    """Return a value with a part of each long list in it, at most one level deep."""
    if isinstance(value, dict):
        return {name: _sample(item) if isinstance(item, list) else item for name, item in value.items()}
    if isinstance(value, list) and len(value) > MAX_ITEMS:
        return [*value[: MAX_ITEMS // 2], *value[-MAX_ITEMS // 2 :]]
    return value


@dataclass
class Operation:
    """
    One published operation.

    :param name: Its name in this project.
    :param pattern: Matches its path, with a group for each parameter.
    :param described: Its description in the document.
    """

    name: str
    document: Document
    method: str
    path: str
    pattern: re.Pattern[str]
    described: Document

    @cached_property
    def _parameters(self) -> dict[tuple[str, str], Document]:
        return {(each["in"], each["name"]): each for each in self.described["parameters"]}

    @cached_property
    def _path_schemas(self) -> dict[str, Schema]:
        return {
            name: self._schema(each["schema"]) for (place, name), each in self._parameters.items() if place == "path"
        }

    @cached_property
    def _query_schemas(self) -> dict[str, Schema]:
        """The schemas of parameters by name: ``name``, or ``field[operator]`` for a filter."""
        schemas = {}
        for (place, name), each in self._parameters.items():
            if place == "query" and each.get("style") == "deepObject":
                for operator, schema in each["schema"]["properties"].items():
                    schemas[f"{name}[{operator}]"] = self._schema(schema.get("items", schema))
            elif place == "query":
                schemas[name] = self._schema(each["schema"])
        return schemas

    @cached_property
    def _body_schemas(self) -> dict[str, Schema]:
        content = self.described.get("requestBody", {}).get("content", {})
        return {content_type: self._schema(each["schema"]) for content_type, each in content.items()}

    @cached_property
    def _response_schemas(self) -> dict[tuple[int, str], Schema]:
        return {
            (int(status), content_type): self._schema(each["schema"])
            for status, response in self.described["responses"].items()
            for content_type, each in response.get("content", {}).items()
        }

    def _schema(self, schema: Document) -> Schema:
        return Schema(self.document, schema)

    @cached_property
    def has_pages(self) -> bool:
        """Whether its responses have a ``Link`` header."""
        return any("Link" in each.get("headers", {}) for each in self.described["responses"].values())

    @cached_property
    def _statuses(self) -> frozenset[int]:
        return frozenset(map(int, self.described["responses"]))

    def request_violations(
        self, path: Mapping[str, str], raw_query: str, headers: Mapping[str, str], body: object
    ) -> Iterator[str]:
        """
        Yield what is invalid in a request.

        :param path: The decoded parameters of the path.
        :param raw_query: The query as it was sent.
        :param headers: The headers, with names in lower case.
        :param body: The decoded JSON body; bytes for another format; ``None`` for none.
        """
        for name, schema in self._path_schemas.items():
            if problem := schema.violation(path[name]):
                yield f"path parameter {name}: {problem}"
        for (place, name), each in self._parameters.items():
            if place == "header" and each.get("required") and headers.get(name.lower()) not in each["schema"]["enum"]:
                yield f"header {name} is {headers.get(name.lower())!r}"
        if "security" in self.described and not headers.get("authorization", "").startswith("Bearer "):
            yield "no bearer token"
        yield from self._query_violations(raw_query)
        yield from self._body_violations(headers.get("content-type", "").partition(";")[0], body)

    def _query_violations(self, raw_query: str) -> Iterator[str]:
        for part in filter(None, raw_query.split("&")):
            name, _, value = part.partition("=")
            if name == "next" and self.has_pages:
                continue
            match = _FILTER.fullmatch(name)
            schema = self._query_schemas.get(f"{match['field']}[{match['operator']}]" if match else name)
            if schema is None:
                yield f"query parameter {name} is unknown"
            elif problem := schema.violation_of_text(unquote_plus(value)):
                yield f"query parameter {name}: {problem}"

    def _body_violations(self, content_type: str, body: object) -> Iterator[str]:
        content_type = content_type.partition(";")[0].strip().lower()
        if not self._body_schemas:
            if body is not None:
                yield "it has a body, but the operation has none"
        elif body is None:
            yield "it has no body"
        elif content_type not in self._body_schemas:
            yield f"content type {content_type!r} of the body"
        elif not isinstance(body, bytes) and (problem := self._body_schemas[content_type].violation(body)):
            yield f"body: {problem}"

    def response_violations(self, status: int, headers: Mapping[str, str], body: object) -> Iterator[str]:
        """
        Yield what is invalid in a response (parameters: see :meth:`request_violations`).

        :param status: Its status.
        """
        if (status, body) in _ALSO_VALID:
            return
        if status not in self._statuses and not (status < 300 and not any(each < 300 for each in self._statuses)):
            yield f"status {status} is not published: {str(body)[:300]}"
            return
        content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        schema = self._response_schemas.get((status, content_type))
        has_content = any(known == status for known, _ in self._response_schemas)
        if has_content and schema is None:
            yield f"status {status} with content type {content_type!r}"
        elif not has_content and body is not None and status in self._statuses:
            yield f"status {status} with a body"
        elif schema is not None and not isinstance(body, bytes) and (problem := schema.violation(body)):
            yield f"body of status {status}: {problem}"
        yield from self._header_violations(status, headers)

    def _header_violations(self, status: int, headers: Mapping[str, str]) -> Iterator[str]:
        if "link" in headers and not (self.has_pages and status == 200 and _LINK.fullmatch(headers["link"])):
            yield f"header Link: {headers['link']}"
        if "location" in headers and not (status == 202 and headers["location"]):
            yield f"header Location with status {status}"


def _with_differences(name: str, document: Document, described: Document) -> Document:
    if name != "generateToken":
        return described
    content = described["responses"]["200"]["content"]["application/json"]
    schema = resolve(document, content["schema"])
    lifetime = {"anyOf": [schema["properties"]["expires_in"], {"type": "string", "pattern": r"^\d+$"}]}
    schema = {**schema, "properties": {**schema["properties"], "expires_in": lifetime}}
    success = {"content": {"application/json": {"schema": schema}}}
    return {**described, "responses": {**described["responses"], "200": success}}


@cache
def operations() -> tuple[Operation, ...]:
    """Return all published operations, those with the fewest parameters in their path first."""
    documents()
    found = [
        Operation(
            one.name,
            one.document,
            one.method,
            one.path.removeprefix(PREFIX),
            re.compile(_PARAMETER.sub(r"(?P<\1>[^/]+)", one.path)),
            _with_differences(one.name, one.document, one.operation),
        )
        for one in published()
    ]
    return tuple(sorted(found, key=lambda one: one.path.count("{")))
