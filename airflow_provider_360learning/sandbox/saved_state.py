"""
The company as a file: its state, its clock and its credentials.

Objects are written as JSON with the names of their classes, and only classes of the state are created again.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from airflow_provider_360learning.sandbox import clients, state
from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.state.budget import MemoryBudget

#: Changes when files of earlier versions cannot be read any more.
VERSION = 1

#: Key of the name of a class, or of another type.
_TYPE = "$"
#: The attributes of a company that are saved.
_PARTS = ("api_keys", "clients", "state")

_COLLECTIONS: dict[str, Callable[[list[object]], object]] = {
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
}


def dump(company: Company) -> str:
    """Return a company as text, which contains its credentials."""
    encoder = _Encoder()
    saved = {
        "version": VERSION,
        "clock_ahead": company.clock.ahead,
        **{name: encoder.encode(_contents(getattr(company, name))) for name in _PARTS},
    }
    return json.dumps(saved, separators=(",", ":"))


def load(company: Company, text: str) -> None:
    """
    Replace the contents of a company that was just created.

    :raises ValueError: if the text is not the dump of a company.
    """
    saved = json.loads(text)
    if not isinstance(saved, dict) or saved.get("version") != VERSION:
        raise ValueError("it was not saved by this version of the sandbox")
    decoder = _Decoder()
    try:
        for name in _PARTS:
            _restore(getattr(company, name), decoder.decode(saved[name]))
        company.clock.advance(float(saved["clock_ahead"]))
        company.state.complete(len(text))
    except (LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"its contents are not as the sandbox saves them: {error!r}") from None


def read(company: Company, file: Path) -> None:
    """
    Load a company from a file.

    :raises ValueError: if the file is invalid.
    """
    try:
        load(company, file.read_text(encoding="ascii"))
    except ValueError as error:
        raise ValueError(f"{file} cannot be loaded: {error}") from None


class _Encoder:
    """Turns objects into JSON values. An object that occurs again is a reference to its first occurrence."""

    def __init__(self) -> None:
        self._numbers: dict[int, int] = {}

    def encode(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list):
            return [self.encode(each) for each in value]
        if isinstance(value, dict):
            return self._encode_dict(value)
        if isinstance(value, bytes):
            return {_TYPE: "bytes", "base64": base64.b64encode(value).decode()}
        name = type(value).__name__
        if known := _names().get(type(value)):
            return self._encode_object(known, value)
        if name in _COLLECTIONS and isinstance(value, tuple | set | frozenset):
            return {_TYPE: name, "items": [self.encode(each) for each in value]}
        raise TypeError(f"a {name} cannot be saved")

    def _encode_dict(self, value: Mapping[object, object]) -> object:
        if all(isinstance(key, str) for key in value) and _TYPE not in value:
            return {key: self.encode(each) for key, each in value.items()}
        return {_TYPE: "dict", "items": [[self.encode(key), self.encode(each)] for key, each in value.items()]}

    def _encode_object(self, name: str, value: object) -> object:
        if (number := self._numbers.get(id(value))) is not None:
            return {_TYPE: "reference", "number": number}
        fields = {field: self.encode(getattr(value, field)) for field in _fields(type(value))}
        self._numbers[id(value)] = len(self._numbers)
        return {_TYPE: name, "fields": fields}


class _Decoder:
    """Turns what an encoder returned into objects again, in the same order."""

    def __init__(self) -> None:
        self._objects: list[object] = []

    def decode(self, value: object) -> object:
        if isinstance(value, list):
            return [self.decode(each) for each in value]
        if not isinstance(value, dict):
            return value
        kind = value.get(_TYPE)
        if kind is None:
            return {key: self.decode(each) for key, each in value.items()}
        if kind == "reference":
            return self._objects[value["number"]]
        if kind == "bytes":
            return base64.b64decode(value["base64"])
        if kind == "dict":
            return {self.decode(key): self.decode(each) for key, each in value["items"]}
        if kind in _COLLECTIONS:
            return _COLLECTIONS[kind]([self.decode(each) for each in value["items"]])
        made = _types()[kind](**{name: self.decode(each) for name, each in value["fields"].items()})
        self._objects.append(made)
        return made


@cache
def _types() -> Mapping[str, type[Any]]:
    """Return the classes of the objects that are saved, by module and name: those of the state with named fields."""
    modules = [import_module(f"{state.__name__}.{each.name}") for each in pkgutil.iter_modules(state.__path__)]
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": one
        for module in [*modules, clients]
        for name, one in vars(module).items()
        if isinstance(one, type) and one.__module__ == module.__name__ and _has_fields(one)
    }


@cache
def _names() -> Mapping[type[Any], str]:
    return {one: name for name, one in _types().items()}


def _has_fields(one: type) -> bool:
    return dataclasses.is_dataclass(one) or hasattr(one, "_fields")


def _fields(one: type) -> list[str]:
    """Return the names of the fields that are saved: not those of functions, which are set again."""
    if not dataclasses.is_dataclass(one):
        return list(one._fields)  # type: ignore[attr-defined]  # a NamedTuple
    return [field.name for field in dataclasses.fields(one) if field.metadata.get("saved", True)]


def _contents(part: object) -> dict[str, object]:
    """Return the attributes of a part of the company that are its data, those of its own parts nested."""
    return {
        name: _contents(value) if _is_part(value) else value
        for name, value in vars(part).items()
        if not _is_service(value)
    }


def _restore(part: object, saved: object) -> None:
    """Set the attributes of a part of the company; what an older file does not have stays as it is."""
    if not isinstance(saved, dict):
        raise TypeError(f"the contents of {type(part).__name__} are no object")
    attributes = vars(part)
    for name, value in saved.items():
        if name not in attributes:
            raise LookupError(f"{name} of {type(part).__name__}")
        if _is_part(attributes[name]):
            _restore(attributes[name], value)
        else:
            attributes[name] = value


def _is_part(value: object) -> bool:
    """Return whether an object uses a service, so that its data is put into the object that exists."""
    return hasattr(value, "__dict__") and any(map(_is_service, vars(value).values()))


def _is_service(value: object) -> bool:
    return isinstance(value, Clock | MemoryBudget) or callable(value)
