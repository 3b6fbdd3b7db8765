"""Checks and formats of the values that actions take: a wrong one is named before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import pendulum

from .errors import InvalidRequestError, UnexpectedAnswerError

_ID = re.compile(r"[0-9a-fA-F]{24}")
#: Deliberately generous: 360Learning itself makes addresses such as ``name#company@domain``.
_MAIL = re.compile(r"[^@\s]+@[^@\s]+")
#: Somebody who exists may have an address that nobody would be created with.
_ODD_MAIL = re.compile(r"[^@\s]+( +[^@\s]+)*@[^@\s]+")


def is_id(value: Any) -> bool:
    """Tell whether a value is an id: 24 hexadecimal characters."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def check_id(name: str, value: Any) -> str:
    """
    Return an id, or say which argument is none.

    :param name: Name of the argument.
    :param value: Its value.
    :raises InvalidRequestError: if it is not 24 hexadecimal characters.
    """
    return _checked(is_id(value), name, value, "an id of 24 hexadecimal characters")


def check_ids(name: str, values: Iterable[Any]) -> list[str]:
    """Return a list of ids; see :func:`check_id`."""
    return [check_id(f"{name}[{index}]", value) for index, value in enumerate(_several(name, values))]


def check_mail(name: str, value: Any) -> str:
    """
    Return a mail address, or say which argument is none.

    :raises InvalidRequestError: if it has no ``@`` with something on both sides, or white space.
    """
    return _checked(isinstance(value, str) and _MAIL.fullmatch(value) is not None, name, value, "a mail address")


def check_user(name: str, value: Any) -> str:
    """
    Return what names a user who exists: a mail, which may have spaces inside, or an id.

    :raises InvalidRequestError: if it is neither.
    """
    is_user = isinstance(value, str) and (is_id(value) or _ODD_MAIL.fullmatch(value) is not None)
    return _checked(is_user, name, value, "a mail address or an id of 24 hexadecimal characters")


def check_users(name: str, values: Iterable[Any]) -> list[str]:
    """Return a list of mails and ids, each once; see :func:`check_user`."""
    users = [check_user(f"{name}[{index}]", value) for index, value in enumerate(_several(name, values))]
    return list(dict.fromkeys(users))


def check_choice(name: str, value: Any, choices: Iterable[str]) -> str:
    """
    Return one of the choices.

    :raises InvalidRequestError: if it is none of them.
    """
    choices = list(choices)
    return _checked(value in choices, name, value, "one of " + ", ".join(choices))


def check_text(name: str, value: Any) -> str:
    """
    Return a text that is not empty.

    :raises InvalidRequestError: if it is.
    """
    return _checked(isinstance(value, str) and bool(value.strip()), name, value, "a text that is not empty")


def check_flag(name: str, value: Any) -> bool:
    """
    Return a truth value; a template renders to the text of one.

    :raises InvalidRequestError: if it is neither True nor False.
    """
    text = str(value).strip().lower()
    _checked(text in ("true", "false"), name, value, "True or False")
    return text == "true"


def check_texts(name: str, values: Iterable[Any]) -> list[str]:
    """Return a list of texts that are not empty; see :func:`check_text`."""
    return [check_text(f"{name}[{index}]", value) for index, value in enumerate(_several(name, values))]


def utc(name: str, value: datetime | str | None) -> str | None:
    """
    Write a moment as v1 wants it: ``2022-05-16T22:00:00.000Z``.

    :param name: Name of the argument.
    :param value: A moment with a time zone, as a datetime or as ISO 8601 text.
    :raises InvalidRequestError: if it is no moment, or has no time zone.
    """
    if value is None:
        return None
    return moment(name, value).in_timezone("UTC").format("YYYY-MM-DD[T]HH:mm:ss.SSS[Z]")


def moment(name: str, value: datetime | str) -> pendulum.DateTime:
    """
    Read a moment.

    :param name: Name of the argument.
    :param value: A moment with a time zone, as a datetime or as ISO 8601 text.
    :raises InvalidRequestError: if it is no moment, or has no time zone.
    """
    expected = "a moment with a time zone, such as 2026-12-01T09:00:00Z"
    try:
        read = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        read = None
    if not isinstance(read, datetime) or read.tzinfo is None:
        raise InvalidRequestError(_complaint(name, value, expected))
    return pendulum.instance(read)


def answered_moment(name: str, value: Any) -> str | None:
    """
    Read a moment from an answer; one without a time zone is taken for UTC (assumption).

    :param name: Name of the field.
    :param value: ISO 8601 text, or nothing.
    :returns: ISO 8601 in UTC, or ``None``.
    :raises UnexpectedAnswerError: if it is something else.
    """
    if not value:
        return None
    try:
        read = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise UnexpectedAnswerError(f"360Learning's answer cannot be used: {name} is no moment") from None
    return utc(name, read if read.tzinfo else read.replace(tzinfo=UTC))


def _several(name: str, values: Iterable[Any]) -> Iterable[Any]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise InvalidRequestError(_complaint(name, values, "a list"))
    return values


def _checked(fits: bool, name: str, value: Any, expected: str) -> str:
    if not fits:
        raise InvalidRequestError(_complaint(name, value, expected))
    return str(value)


def _complaint(name: str, value: Any, expected: str) -> str:
    return f"{name} is {value!r}, but must be {expected}. Nothing was sent."
