"""Stored state that a later attempt or run reads: versions, and errors that name the file."""

from __future__ import annotations

import json
from typing import Any

from airflow_provider_360learning.exceptions import Learning360Error


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


def parse_object(data: bytes, place: object, version: int, advice: str) -> dict[str, Any]:
    """
    Return a JSON object of this version.

    :param data: Contents of the file.
    :param place: Its path, for errors.
    :param version: The version that this package writes.
    :param advice: What to do if it cannot be used.
    :raises StoredStateError: if it is not an object of this version.
    """
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        raise StoredStateError(place, "is empty" if not data else "is damaged: it is not valid JSON", advice) from None
    check_version(value, place, version, advice)
    return dict(value)


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
            place, f"has format version {found!r}, but this version of the provider reads {version}", advice
        )
