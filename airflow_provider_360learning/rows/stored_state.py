"""Stored state that a later attempt or run reads: versions, and errors that name the file."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from airflow_provider_360learning.api.json_stream import OBJECT_WEIGHT
from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error
from airflow_provider_360learning.files.storage import StoragePath, read_bounded

#: Maximum number of bytes of a file that is read at once: a longer one is not one of ours, and may not fit in memory.
MAX_BYTES = 1 << 20

#: Maximum number of values in a text that is decoded at once: a short one takes many times the memory of its text.
MAX_VALUES = 2_000_000
T = TypeVar("T")


class StoredStateError(Learning360Error):
    """
    Stored state cannot be used: it is damaged, or another version of this package wrote it.

    :param place: Name of the file or store.
    :param problem: What is invalid.
    :param advice: What to do.
    """

    def __init__(self, place: object, problem: str, advice: str) -> None:
        super().__init__(f"{place} {problem}. {advice}")
        #: What is invalid, without the advice.
        self.finding = f"{place} {problem}"


def read_object(
    path: StoragePath, place: object, version: int, advice: str, *, max_bytes: int = MAX_BYTES
) -> dict[str, Any] | None:
    """
    Return the JSON object of this version that a file has, or ``None`` if the file does not exist.

    :param path: The file.
    :param place: Its name, for errors.
    :param version: The version that this package writes.
    :param advice: What to do if it cannot be used.
    :param max_bytes: Maximum number of bytes.
    :raises StoredStateError: if it cannot be read, or is not an object of this version.
    """
    try:
        data = read_bounded(path, max_bytes)
    except FileNotFoundError:
        return None
    except InvalidRequestError as error:  # anything but a regular file of this size
        raise StoredStateError(place, f"cannot be read: {error}", advice) from None
    try:
        value = decode(data)
    except ValueError:
        raise StoredStateError(place, "is empty" if not data else "is damaged: it is not valid JSON", advice) from None
    check_version(value, place, version, advice)
    return dict(value)


def read_typed(
    path: StoragePath, adapter: TypeAdapter[T], version: int, advice: str, *, max_bytes: int = MAX_BYTES
) -> T | None:
    """
    Return what a file has, as an object which has the types that it declares; ``None`` if the file does not exist.

    :param path: The file.
    :param adapter: What it must have beside its version.
    :param version: The version that this package writes.
    :param advice: What to do if it cannot be used.
    :param max_bytes: Maximum number of bytes.
    :raises StoredStateError: if it cannot be read, or has something else.
    """
    if (found := read_object(path, path, version, advice, max_bytes=max_bytes)) is None:
        return None
    del found["version"]
    return typed(found, adapter, path, advice)


# Any: decoded JSON.
def decode(data: bytes, max_values: int = MAX_VALUES) -> Any:
    """
    Decode JSON that another user of the folder may have written.

    :param data: The text.
    :param max_values: Maximum number of values; commas and brackets in texts count, too.
    :raises ValueError: if it is not valid JSON, or has more values.
    """
    if number_of_values(data) > max_values:
        raise ValueError("too many values")
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def number_of_values(data: bytes) -> int:
    """
    Return how many values JSON has at most: commas and brackets in texts count, too.

    :param data: The text, or a part of it.
    """
    return data.count(b",") + data.count(b"[") + OBJECT_WEIGHT * data.count(b"{")


def typed(
    value: Any, adapter: TypeAdapter[T], place: object, advice: str, *, name: str = "", max_bytes: int | None = None
) -> T:
    """
    Return a decoded value as an object, which has the types that it declares.

    :param value: What was read.
    :param adapter: What it must be.
    :param place: Where it was read, for errors.
    :param advice: What to do if it cannot be used.
    :param name: Name of the value in it, for errors.
    :param max_bytes: Maximum length of its text: what describes the errors may take a hundred times as much.
    :raises StoredStateError: if it is something else.
    """
    wrong: tuple[object, ...] = ()
    try:
        text = json.dumps(value, separators=(",", ":"))
        if max_bytes is None or len(text) <= max_bytes:
            return adapter.validate_json(text, strict=True)
    except RecursionError:
        pass
    except ValidationError as error:  # has values in its text, so that it becomes neither cause nor context
        wrong = error.errors(include_url=False, include_context=False, include_input=False)[0]["loc"]
    path = ".".join(filter(None, (name, *map(str, wrong))))
    raise StoredStateError(place, f"is damaged: {path:.200} is invalid" if path else "is damaged", advice)


def check_version(value: object, place: object, version: int, advice: str) -> None:
    """
    Refuse a value that is not an object of this version.

    :param value: What was read.
    :param place: Where it was read, for errors.
    :param version: The version that this package writes.
    :param advice: What to do if it cannot be used.
    :raises StoredStateError: if it is not an object of this version.
    """
    if not isinstance(value, dict):
        raise StoredStateError(place, f"is damaged: it is a {type(value).__name__}, not an object", advice)
    found = value.get("version")
    if type(found) is not int or found != version:
        raise StoredStateError(
            place, f"has format version {found!r:.200}, but this version of the provider reads {version}", advice
        )
