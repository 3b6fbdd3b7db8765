"""
The section ``[learning360]`` of the Airflow configuration, read with types and checked.

The defaults of the provider info are passed as fallbacks, because Airflow 2.11 does not look them up itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Literal, TypeVar, get_args

from airflow.providers.common.compat.sdk import conf

from airflow_provider_360learning.get_provider_info import CONFIG_OPTIONS, CONFIG_SECTION

POOL = "learning360"
AIRFLOW_DEFAULT_POOL = "default_pool"

#: What ``rate_limiter`` can be set to.
RateLimiterSetting = Literal["auto", "host", "redis", "postgres", "pool_slots"]
#: What ``ip_limit_scope`` can be set to.
IpLimitScope = Literal["shared", "per_host"]

T = TypeVar("T")

_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_FILE_MODE = re.compile(r"(?:0o|0)?(6(?:00|40|44|60|64))", re.ASCII)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)


def pool() -> str:
    """Return the pool of operators and sensors whose DAG names none."""
    return _read("pool", str) or (POOL if create_pool() else AIRFLOW_DEFAULT_POOL)


def pool_slots() -> int | None:
    """Return the size with which the pool is created, or ``None`` if it depends on the connections."""
    return _read("pool_slots", lambda text: _integer(1, text) if text else None)


def create_pool() -> bool:
    """Return whether a starting Airflow component creates a missing pool."""
    return _read("create_pool", _boolean)


def rate_limiter() -> RateLimiterSetting:
    """Return the setting that selects the backend of the rate limiter."""
    return _read("rate_limiter", partial(_one_of, get_args(RateLimiterSetting)))


def rate_limiter_dir() -> str | None:
    """Return the folder for the file of the backend ``host``, or ``None`` for the default one."""
    return _read("rate_limiter_dir", str) or None


def rate_limiter_conn_id() -> str | None:
    """Return the id of the connection to the server of the backend ``redis`` or ``postgres``, or ``None``."""
    return _read("rate_limiter_conn_id", str) or None


def rate_limit_margin_ms() -> int:
    """Return the milliseconds that are added to every window of a rate limit."""
    return _read("rate_limit_margin_ms", partial(_integer, 0))


def ip_limit_scope() -> IpLimitScope:
    """Return whether all hosts share one outgoing IP address."""
    return _read("ip_limit_scope", partial(_one_of, get_args(IpLimitScope)))


def max_rate_limit_wait() -> float:
    """Return the maximum number of seconds that one call waits for the rate limits."""
    return _read("max_rate_limit_wait", _seconds)


def total_timeout() -> float:
    """Return the maximum number of seconds for one request, if its connection sets none."""
    return _read("total_timeout", _positive_seconds)


def max_row_kib() -> int:
    """Return the maximum size of a row of a source, in KiB."""
    return _read("max_row_kib", partial(_integer, 1))


def max_list_items() -> int:
    """Return the maximum number of items of a list in a row."""
    return _read("max_list_items", partial(_integer, 1))


def file_mode() -> int:
    """Return the permissions of files with personal data."""
    return _read("file_mode", parse_file_mode)


def parse_file_mode(value: object) -> int:
    """
    Return permissions of a file.

    :param value: Octal digits as text, or the number that they stand for in Python (``0o640``).
    :raises ValueError: if it is anything else, or if other users could write to the file. A number that a YAML or JSON
        file has for the digits (640) is refused as well.
    """
    is_number = isinstance(value, int) and not isinstance(value, bool)
    text = f"{value:o}" if is_number else str(value).strip()
    if match := _FILE_MODE.fullmatch(text):
        return int(match[1], 8)
    raise ValueError('expected "0600", "0640", "0644", "0660" or "0664", as text')


def _read(option: str, parse: Callable[[str], T]) -> T:
    text = str(conf.get(CONFIG_SECTION, option, fallback=CONFIG_OPTIONS[option]["default"])).strip()
    try:
        return parse(text)
    except ValueError as error:
        raise ValueError(f"Airflow configuration [{CONFIG_SECTION}] {option} = {text!r}: {error}") from None


def _boolean(text: str) -> bool:
    if text.lower() in ("true", "t", "1"):
        return True
    if text.lower() in ("false", "f", "0"):
        return False
    raise ValueError("expected True or False")


def _integer(minimum: int, text: str) -> int:
    if not _INTEGER.fullmatch(text) or int(text) < minimum:
        raise ValueError(f"expected an integer of at least {minimum}")
    return int(text)


def _seconds(text: str) -> float:
    if not _NUMBER.fullmatch(text) or float(text) < 0:
        raise ValueError("expected a number of seconds, 0 or more")
    return float(text)


def _positive_seconds(text: str) -> float:
    if not _seconds(text):
        raise ValueError("expected a number of seconds above 0")
    return float(text)


def _one_of(choices: tuple[T, ...], text: str) -> T:
    for choice in choices:
        if choice == text:
            return choice
    raise ValueError(f"expected one of {', '.join(map(str, choices))}")
