"""
Values of the objects in a response, of the types that the actions promise.

A response is what a server or a proxy sent. A value of another type raises an error of the family here; elsewhere, it
would raise any other.
"""

from __future__ import annotations

from typing import Any

from airflow_provider_360learning.api.json_stream import unusable
from airflow_provider_360learning.api.types import ResponseObject

#: Numbers beyond are not durations, scores or shares. All below can be computed with, and written by any format.
MAX_NUMBER = 10**15


def string(item: ResponseObject, name: str) -> str | None:
    """
    Return a string; a number or a boolean is written as one.

    :param item: The object.
    :param name: Key of the value; ``None`` and a missing one are ``None``.
    :raises UnexpectedResponseError: if it is something else, or cannot be written as UTF-8.
    """
    return _string(name, item.get(name))


def first_string(item: ResponseObject, *names: str) -> str:
    """
    Return the first of several strings that is not empty.

    :param item: The object.
    :param names: Keys of the values.
    :raises UnexpectedResponseError: if there is none.
    """
    for name in names:
        if value := string(item, name):
            return value
    raise unusable(f"{' or '.join(names)} is missing")


def strings(item: ResponseObject, name: str) -> list[str]:
    """
    Return a list of strings; a single string is a list of one.

    :param item: The object.
    :param name: Key of the list; ``None`` and a missing one are empty.
    :raises UnexpectedResponseError: if it is something else.
    """
    value = item.get(name)
    items = [value] if isinstance(value, str) else _list(name, value)
    return [text for text in (_string(name, each) for each in items) if text is not None]


def strings_if_any(item: ResponseObject, name: str) -> list[str] | None:
    """
    Return a list of strings like :func:`strings`; ``None`` if the response does not have it.

    :param item: The object.
    :param name: Key of the list.
    :raises UnexpectedResponseError: if it is something else.
    """
    return None if item.get(name) is None else strings(item, name)


def objects(item: ResponseObject, name: str) -> list[ResponseObject]:
    """
    Return a list of objects.

    :param item: The object.
    :param name: Key of the list; ``None`` and a missing one are empty.
    :raises UnexpectedResponseError: if it is something else.
    """
    items = _list(name, item.get(name))
    if not all(isinstance(each, dict) for each in items):
        raise unusable(f"{name} is not a list of objects")
    return items


def nested(item: ResponseObject, name: str) -> ResponseObject:
    """
    Return an object in another one.

    :param item: The object.
    :param name: Key of the other one; ``None`` and a missing one are empty.
    :raises UnexpectedResponseError: if it is something else.
    """
    value = item.get(name)
    if value is not None and not isinstance(value, dict):
        raise unusable(f"{name} is not an object")
    return value or {}


def number(item: ResponseObject, name: str) -> float | None:
    """
    Return a number.

    :param item: The object.
    :param name: Key of the value; ``None`` and a missing one are ``None``.
    :raises UnexpectedResponseError: if it is something else, not finite or absurdly large.
    """
    value = item.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not -MAX_NUMBER <= value <= MAX_NUMBER:
        raise unusable(f"{name} is not a number")
    return value


def counts_by_name(item: ResponseObject, name: str) -> dict[str, int]:
    """
    Return an object whose values are numbers of things: a wait ends by them, so that none of them is guessed.

    :param item: The object that contains it.
    :param name: Its key.
    :raises UnexpectedResponseError: if it is missing or something else, or a value is missing, negative or a fraction.
    """
    counts = item.get(name)
    if not isinstance(counts, dict):
        raise unusable(f"{name} is not an object")
    return {each: _count(counts, each) for each in counts}


def boolean(item: ResponseObject, name: str) -> bool | None:
    """
    Return a boolean.

    :param item: The object.
    :param name: Key of the value; ``None`` and a missing one are ``None``.
    :raises UnexpectedResponseError: if it is something else.
    """
    value = item.get(name)
    if value is None or isinstance(value, bool):
        return value
    raise unusable(f"{name} is not a boolean")


def _count(item: ResponseObject, name: str) -> int:
    value = number(item, name)
    if value is None or value < 0 or value != int(value):
        raise unusable(f"{name} is not a number of things")
    return int(value)


def _string(name: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool | int | float):
        return str(value).lower() if isinstance(value, bool) else str(value)
    if isinstance(value, str) and (value.isascii() or _is_utf8(value)):
        return value
    raise unusable(f"{name} is not a string")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can express
        return False
    return True


# Any: what the list contains is for the caller to check.
def _list(name: str, value: object) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise unusable(f"{name} is not a list")
    return value
