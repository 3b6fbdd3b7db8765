"""
What an operation accepts, and the check of given values before anything is sent.

The schemas use a part of JSON Schema. The check is our own, because an error must name the place of an invalid value
without quoting a password in it, and because the library for such schemas takes longer to import than a task to run.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

#: A schema: ``type``, ``enum``, ``pattern``, lengths, limits, ``items``, ``properties``, ``required``,
#: ``additionalProperties`` and ``anyOf``. ``Any``, as of :func:`json.loads`.
Schema: TypeAlias = "Mapping[str, Any]"

#: Fields of responses that are secrets.
SECRET_FIELDS = frozenset({"access_token", "secret"})
#: Maximum number of characters of an invalid value that an error quotes.
MAX_VALUE = 60
#: Maximum number of choices that an error lists.
MAX_CHOICES = 20
#: Names of values that no error quotes.
_SECRET_NAME = re.compile(r"password|secret|token", re.IGNORECASE)

_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (Mapping,),
    "null": (type(None),),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """
    What an operation does and accepts.

    :param path: Parameters of the path with their schemas. All are required.
    :param query: Query parameters with their schemas; filters of API v2 have names such as ``mail[in]``.
    :param required_query: Query parameters that must be given.
    :param body: Schema of the body; ``None`` if there is none.
    :param files: Fields of the body that can be files.
    :param has_secrets: Whether a successful response contains a secret.
    :param summary: What the operation does, in a few words.
    :param is_legacy: Whether it belongs to what another part of the platform has replaced.
    """

    path: Mapping[str, Schema]
    query: Mapping[str, Schema] = field(default_factory=dict)
    required_query: tuple[str, ...] = ()
    body: Schema | None = None
    files: tuple[str, ...] = ()
    has_secrets: bool = False
    summary: str = ""
    is_legacy: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of the body."""
        return tuple((self.body or {}).get("properties", ()))

    @property
    def required_fields(self) -> tuple[str, ...]:
        """The fields of the body that must be given."""
        return tuple((self.body or {}).get("required", ()))


def problems_of(value: object, schema: Schema, place: str) -> Iterator[str]:
    """
    Yield what is invalid in a value.

    :param value: The value.
    :param schema: Its schema.
    :param place: Where it is, such as ``body.customFields[2]``.
    """
    if alternatives := schema.get("anyOf"):
        yield from _problems_of_alternatives(value, alternatives, place)
    if (expected := schema.get("type")) and not _has_type(value, expected):
        yield f"{_quoted(place, value)}, expected {_with_article(expected)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        choices = ", ".join(map(str, schema["enum"][:MAX_CHOICES]))
        yield f"{_quoted(place, value)}, expected one of {choices}{'' if len(schema['enum']) <= MAX_CHOICES else ', …'}"
    if isinstance(value, str):
        yield from _problems_of_text(value, schema, place)
    elif isinstance(value, Mapping):
        yield from _problems_of_object(value, schema, place)
    elif isinstance(value, list | tuple):
        yield from _problems_of_list(value, schema, place)
    elif isinstance(value, int | float):
        if value < schema.get("minimum", value):
            yield f"{_quoted(place, value)}, expected at least {schema['minimum']}"
        if value > schema.get("maximum", value):
            yield f"{_quoted(place, value)}, expected at most {schema['maximum']}"


def problems_of_query(value: object, schema: Schema, place: str) -> Iterator[str]:
    """
    Yield what is invalid in a value of a query or a form, where numbers and booleans are strings.

    :param value: The value.
    :param schema: Its schema.
    :param place: Where it is.
    """
    found = [list(problems_of(form, schema, place)) for form in _forms(value)]
    if all(found):
        yield from found[0]


def problems_of_form(
    body: Mapping[str, object],
    schema: Schema,
    place: str,
    *,
    files: Collection[str] = (),
    given_files: Collection[str] = (),
) -> Iterator[str]:
    """
    Yield what is invalid in the fields of a form, which are sent as strings.

    :param body: The fields.
    :param schema: Schema of all of them.
    :param place: Where they are.
    :param files: Fields that can be files.
    :param given_files: Fields that are given as files.
    """
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in {*body, *given_files}:
            yield f"{'files' if name in files else place} lacks {name!r}"
    if schema.get("additionalProperties") is False:
        yield from problems_of_names(body, properties, place)
    for name, value in body.items():
        if name in given_files:
            yield f"{place}.{name} is given as a file as well"
        elif name in files and "pattern" not in properties[name]:  # some can be the id of a file instead
            yield f"{place}.{name} is a file: give its path in files"
        elif empty := _empty_place(value, f"{place}.{name}"):
            yield f"{empty}, which a form cannot contain: leave it out"
        elif name in properties:
            yield from problems_of_query(value, properties[name], f"{place}.{name}")


def _empty_place(value: object, place: str) -> str | None:
    """Return where a value has what would not be in a form at all, or as a word; ``None`` if nowhere."""
    if value is None:
        return f"{place} is None"
    if isinstance(value, Mapping):
        inner = {f"{place}.{name}": each for name, each in value.items()}
    elif isinstance(value, list | tuple):
        inner = {f"{place}[{index}]": each for index, each in enumerate(value)}
    else:
        return None
    if not inner:
        return f"{place} is empty"
    return next(filter(None, (_empty_place(each, where) for where, each in inner.items())), None)


def problems_of_names(given: Collection[str], known: Collection[str], place: str) -> Iterator[str]:
    """
    Yield which names are not known, each with the most similar ones.

    :param given: The names that are given.
    :param known: The names that exist.
    :param place: What has these names, such as ``query``.
    """
    for name in given:
        if name not in known:
            hint = similar(name, known)
            yield f"{place} has no {name!r}" + (f" (similar: {hint})" if hint else _listed(known))


def similar(name: str, known: Collection[str]) -> str:
    """
    Return the names that are most similar to one, in quotes; an empty string if none is.

    :param name: The name.
    :param known: The names that exist.
    """
    by_lower = {each.lower(): each for each in known}
    close = difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.6)
    return ", ".join(repr(by_lower[each]) for each in close)


def _listed(known: Collection[str]) -> str:
    return f" (it has: {', '.join(sorted(known)[:MAX_CHOICES])})" if known else ": it has no fields"


def _has_type(value: object, expected: str) -> bool:
    if isinstance(value, bool) and expected in ("integer", "number"):
        return False
    if expected == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[expected])


def _problems_of_alternatives(value: object, alternatives: Sequence[Schema], place: str) -> Iterator[str]:
    """Yield what is invalid in the alternative that fits best: of the right type, with the fewest problems."""
    found = [list(problems_of(value, each, place)) for each in alternatives]
    if all(found):
        right = [one for one, each in zip(found, alternatives, strict=True) if _fits(value, each)]
        yield from min(right or found, key=len)


def _fits(value: object, schema: Schema) -> bool:
    """Return whether a value has the type of a schema, and the values of its fields with one choice."""
    if "type" in schema and not _has_type(value, schema["type"]):
        return False
    constants = {
        name: each["enum"] for name, each in schema.get("properties", {}).items() if len(each.get("enum", ())) == 1
    }
    return not isinstance(value, Mapping) or all(value.get(name) in each for name, each in constants.items())


def _problems_of_text(value: str, schema: Schema, place: str) -> Iterator[str]:
    if len(value) < schema.get("minLength", 0):
        yield f"{_quoted(place, value)}, expected at least {schema['minLength']} characters"
    if len(value) > schema.get("maxLength", len(value)):
        yield f"{place} has {len(value)} characters, expected at most {schema['maxLength']}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{_quoted(place, value)}, expected {_EXAMPLES.get(schema['pattern'], schema['pattern'])}"


#: What patterns mean.
_EXAMPLES = {
    "^[a-fA-F0-9]{24}$": "an id of 24 hexadecimal digits",
    r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$": "a timestamp such as 2026-01-31T08:00:00.000Z",
    r"^\d{4}-\d\d-\d\d$": "a date such as 2026-01-31",
}


def _problems_of_object(value: Mapping[str, object], schema: Schema, place: str) -> Iterator[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{place} lacks {name!r}"
    for name, each in value.items():
        if name in properties:
            yield from problems_of(each, properties[name], f"{place}.{name}")
        elif isinstance(others, Mapping):
            yield from problems_of(each, others, f"{place}.{name}")
    if others is False:
        yield from problems_of_names([name for name in value if name not in properties], properties, place)


def _problems_of_list(value: Sequence[object], schema: Schema, place: str) -> Iterator[str]:
    if len(value) < schema.get("minItems", 0):
        yield f"{place} has {len(value)} items, expected at least {schema['minItems']}"
    if len(value) > schema.get("maxItems", len(value)):
        yield f"{place} has {len(value):,} items, expected at most {schema['maxItems']:,}"
    if "items" in schema:
        for index, item in enumerate(value):
            yield from problems_of(item, schema["items"], f"{place}[{index}]")


def _forms(value: object) -> Iterator[object]:
    """Yield a value of a query in the types that its string can stand for."""
    yield value
    if isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, str) and value in ("true", "false"):
        yield value == "true"
    elif isinstance(value, str) and re.fullmatch(r"-?\d{1,18}", value):
        yield int(value)
    elif isinstance(value, str) and re.fullmatch(r"-?\d{1,18}\.\d{1,18}", value):
        yield float(value)
    elif isinstance(value, int | float):
        yield str(value)


def _quoted(place: str, value: object) -> str:
    if _SECRET_NAME.search(place):
        return f"{place} is invalid"
    if isinstance(value, Mapping | list | tuple):
        return f"{place} is {'an object' if isinstance(value, Mapping) else 'a list'}"
    text = repr(value)
    return f"{place} is {text if len(text) <= MAX_VALUE else text[: MAX_VALUE - 1] + '…'}"


def _with_article(expected: str) -> str:
    named = {"array": "list", "null": "null"}.get(expected, expected)
    if named == "null":
        return named
    return f"{'an' if named[0] in 'aio' else 'a'} {named}"
