"""Limits of guards and durations, as the arguments of the operator give them."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.sync.options import Limit, PeriodLimit

_SHARE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?) ?%", re.ASCII)
#: A source may become several times as long, after a merger.
_MAX_PERCENT = 999
_NUMBER = re.compile(r"\d{1,9}", re.ASCII)
_DURATION = re.compile(r"(\d{1,5}) ?(s|seconds?|min|minutes?|h|hours?|d|days?)", re.ASCII)
_UNITS = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_LIMIT = "a number such as 50, a share such as '5%', or both, ('5%', 50)"


def parse_limit(name: str, value: object, *, needs_share: bool = False) -> Limit:
    """
    Return the limit of a guard.

    :param name: Name of the argument.
    :param value: A number, a share, or a list of both.
    :param needs_share: Whether a share must be given, which may be above 100 %: no number can be larger without it.
    :raises InvalidRequestError: if it is anything else; ``None`` is, because a guard cannot be turned off.
    """
    parts = value if isinstance(value, list | tuple) else (value,)
    max_percent = _MAX_PERCENT if needs_share else 100
    numbers = [number for part in parts if (number := _number(part)) is not None]
    shares = [share for part in parts if (share := _share(part, max_percent)) is not None]
    if not parts or len(numbers) > 1 or len(shares) > 1 or len(numbers) + len(shares) != len(parts):
        raise _invalid(name, value, _LIMIT)
    if needs_share and not shares:
        raise _invalid(name, value, "a share such as '20%', or a share and a number, ('20%', 500)")
    return Limit(next(iter(numbers), None), next(iter(shares), None))


def parse_period_limit(name: str, value: object) -> PeriodLimit:
    """
    Return the limit of a guard over several runs.

    :param name: Name of the argument.
    :param value: A list of a limit (a number, a share, or both) and a period.
    :raises InvalidRequestError: if it is anything else.
    """
    expected = "a list of a number, a share or both, and a period, such as ('10%', '30 days')"
    if not isinstance(value, list | tuple) or len(value) < 2:
        raise _invalid(name, value, expected)
    try:
        return PeriodLimit(parse_limit(name, value[:-1]), parse_duration(name, value[-1]))
    except InvalidRequestError:
        raise _invalid(name, value, expected) from None


def parse_duration(name: str, value: object) -> timedelta:
    """
    Return a duration above zero.

    :param name: Name of the argument.
    :param value: A timedelta, or a text such as ``24h`` or ``30 days``.
    :raises InvalidRequestError: if it is anything else.
    """
    found = value if isinstance(value, timedelta) else timedelta()
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        found = int(match[1]) * _UNITS[match[2][0]]
    if found <= timedelta():
        raise _invalid(name, value, "a duration such as '24h' or '30 days'")
    return found


def _number(value: object) -> int | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _share(value: object, max_percent: int) -> float | None:
    match = _SHARE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None or (percent := Decimal(match[1])) > max_percent:
        return None
    return float(percent / 100)


def _invalid(name: str, value: object, expected: str) -> InvalidRequestError:
    return InvalidRequestError(f"{name} is {value!r:.200}, but must be {expected}.", argument=name)
