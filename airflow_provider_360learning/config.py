"""The section ``[learning360]`` of the Airflow configuration, read with types and checked.

The defaults of the provider info are passed as fallbacks: Airflow 2.11 does not look them up itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from airflow.providers.common.compat.sdk import conf

from airflow_provider_360learning.get_provider_info import CONFIG_OPTIONS, CONFIG_SECTION

POOL = "learning360"
AIRFLOW_DEFAULT_POOL = "default_pool"
RATE_LIMITERS = ("auto", "host", "pool_slots", "redis")
IP_LIMIT_SCOPES = ("shared", "per_host")

T = TypeVar("T")
N = TypeVar("N", int, float)


def pool() -> str:
    """The pool of operators and sensors whose DAG names none."""
    return _read("pool", str) or (POOL if create_pool() else AIRFLOW_DEFAULT_POOL)


def pool_slots() -> int:
    """The size that the pool is created with."""
    return _read("pool_slots", lambda text: _at_least(1, int(text)))


def create_pool() -> bool:
    """Whether a starting Airflow component creates the pool where it is missing."""
    return _read("create_pool", _boolean)


def rate_limiter() -> str:
    """What keeps all tasks together within the rate limits; one of ``RATE_LIMITERS``."""
    return _read("rate_limiter", lambda text: _one_of(RATE_LIMITERS, text))


def rate_limiter_dir() -> str | None:
    """The folder of the host budget's file, or None for the default one."""
    return _read("rate_limiter_dir", str) or None


def rate_limiter_conn_id() -> str | None:
    """The connection to the Redis server of the budget ``redis``, or None."""
    return _read("rate_limiter_conn_id", str) or None


def rate_limit_margin_ms() -> int:
    """Milliseconds added to every rate limit window."""
    return _read("rate_limit_margin_ms", lambda text: _at_least(0, int(text)))


def ip_limit_scope() -> str:
    """Whether all hosts share one outgoing IP address; one of ``IP_LIMIT_SCOPES``."""
    return _read("ip_limit_scope", lambda text: _one_of(IP_LIMIT_SCOPES, text))


def max_rate_limit_wait() -> float:
    """The longest time in seconds that one call waits for the rate limits."""
    return _read("max_rate_limit_wait", lambda text: _at_least(0.0, float(text)))


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


def _at_least(minimum: N, number: N) -> N:
    if not number >= minimum:  # written this way round, NaN fails too
        raise ValueError(f"must be at least {minimum}")
    return number


def _one_of(choices: tuple[str, ...], text: str) -> str:
    if text not in choices:
        raise ValueError(f"expected one of {', '.join(choices)}")
    return text
