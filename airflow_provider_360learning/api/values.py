"""Checks and formats of the values that actions take: a wrong one is named before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from contextvars import ContextVar
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import pendulum

from airflow_provider_360learning.exceptions import InvalidRequestError, UnexpectedResponseError

_ID = re.compile(r"[0-9a-fA-F]{24}")
#: Deliberately generous: 360Learning itself makes addresses such as ``name#company@domain``.
_MAIL = re.compile(r"[^@\s]+@[^@\s]+")
#: Somebody who exists may have an address that nobody would be created with.
_ODD_MAIL = re.compile(r"[^@\s]+( +[^@\s]+)*@[^@\s]+")

# StoragePath the faults of a whole row are gathered, instead of ending at the first.
_gathered: ContextVar[list[InvalidRequestError] | None] = ContextVar("gathered", default=None)


def collect_errors(check: Callable[[], Any]) -> list[InvalidRequestError]:
    """
    Tell every wrong argument, where a check would end at the first.

    :param check: Checks values with the functions of this module; an action is run up to its first call, which is not
        made: all its checks come before that.
    :returns: What is wrong, in the order of the checks; empty if nothing is.
    """
    found: list[InvalidRequestError] = []
    before = _gathered.set(found)
    try:
        steps = check()
        if isinstance(steps, Generator):
            with closing(steps):
                next(steps, None)
    except InvalidRequestError as error:
        found.append(error)
    except Exception:
        if not found:
            raise
        # A wrong value went on after it was noted, and further than values of its kind can go.
    finally:
        _gathered.reset(before)
    return found


def all_is_well() -> bool:
    """Tell whether no fault was found so far, so that values can be held against each other."""
    return not _gathered.get()


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
    WriteSpec a moment as v1 wants it: ``2022-05-16T22:00:00.000Z``.

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
        refuse(name, value, expected)
        return pendulum.instance(datetime.fromtimestamp(0, UTC))  # what comes of it is not used
    return pendulum.instance(read)


def moment_or_epoch(name: str, value: datetime | str | float) -> pendulum.DateTime:
    """
    Read a moment, which may also be a number of seconds or milliseconds since 1970.

    :param name: Name of the argument.
    :param value: As :func:`moment` takes it, or a number: below 100,000,000,000 of seconds, above of milliseconds.
        Numbers below 100,000,000 (March 1973) are none: they are rather dates such as 20261001.
    :raises InvalidRequestError: if it is neither.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = 0.0
    if 1e8 <= number < 1e14:
        return pendulum.from_timestamp(number if number < 1e11 else number / 1000)
    return moment(name, value)  # type: ignore[arg-type]


def check_number(name: str, value: Any, least: float, most: float = float("inf")) -> float:
    """
    Return a number within bounds.

    :raises InvalidRequestError: if it is none, or out of bounds.
    """
    expected = f"a number from {least:g} to {most:g}" if most < float("inf") else f"a number of at least {least:g}"
    fits = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and least <= value <= most
    _checked(fits, name, value, expected)
    return float(value) if fits else least


def answered_moment(name: str, value: Any) -> str | None:
    """
    Read a moment from an answer; one without a time zone is taken for UTC (assumption).

    :param name: Name of the field.
    :param value: ISO 8601 text, or nothing.
    :returns: ISO 8601 in UTC, or ``None``.
    :raises UnexpectedResponseError: if it is something else.
    """
    if not value:
        return None
    try:
        read = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise UnexpectedResponseError(f"360Learning's answer cannot be used: {name} is no moment") from None
    return utc(name, read if read.tzinfo else read.replace(tzinfo=UTC))


def refuse(name: str, value: Any, expected: str) -> None:
    """
    Say that an argument is wrong: at once, or with the other faults of its row (see :func:`faults_in`).

    :param name: Name of the argument.
    :param value: Its value.
    :param expected: What it must be.
    :raises InvalidRequestError: where faults are not gathered.
    """
    shown = "given" if name == "password" and value is not None else repr(value)
    error = InvalidRequestError(f"{name} is {shown}, but must be {expected}. Nothing was sent.", argument=name)
    gathered = _gathered.get()
    if gathered is None:
        raise error
    gathered.append(error)


def _several(name: str, values: Iterable[Any]) -> Iterable[Any]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        refuse(name, values, "a list")
        return ()
    return values


def _checked(fits: bool, name: str, value: Any, expected: str) -> str:
    if not fits:
        refuse(name, value, expected)
    return str(value)
