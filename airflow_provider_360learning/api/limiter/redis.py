"""
Reservations in Redis, shared by all hosts that reach it.

The algorithm of ``store.py`` is implemented once more in ``redis.lua``, which runs within the server. The same tests
hold for it and for the other stores.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any

import redis

from airflow_provider_360learning.api.limiter.redis_connection import time_limit
from airflow_provider_360learning.api.limiter.redis_errors import explain
from airflow_provider_360learning.api.limiter.remote import COMMAND_TIMEOUT, CONSTANTS, RemoteStore
from airflow_provider_360learning.api.limiter.store import FORMAT_VERSION, Reservation, SharedLimit

#: Prefix of all keys. The braces keep them on one node of a cluster, where a script can reach them all.
PREFIX = "learning360:{rate_limits}"
#: Key of the format version, kept while the server is in use.
FORMAT_KEY = f"{PREFIX}:format"

#: What is stored for a limit: its reservations and its state.
_LIMIT_KINDS = ("reservations", "limit")
#: Sorted sets of the owners of places: owners that hold one, owners that wait, and their order.
_PLACE_KINDS = ("held", "waiting", "queue")
_KINDS = {
    **dict.fromkeys(("accept", "is_accepted"), ("accepted",)),
    **dict.fromkeys(("acquire_place", "renew_place", "release_place"), _PLACE_KINDS),
}


class RedisStore(RemoteStore):
    """
    Reservations in Redis.

    :param client: The server, with timeouts.
    :param name: Name of the server in messages.
    """

    def __init__(self, client: redis.Redis, name: str) -> None:
        super().__init__(name)
        self._script = client.register_script(files(__package__).joinpath("redis.lua").read_text())

    # Any: see :meth:`RemoteStore._execute`.
    def _execute(self, command: str, keys: Sequence[str], arguments: Mapping[str, object]) -> tuple[Any, float]:
        given = {name: value for name, value in arguments.items() if value is not None}
        kinds = _KINDS.get(command, _LIMIT_KINDS)
        started = time.monotonic()
        with time_limit(COMMAND_TIMEOUT):
            result = self._script(
                keys=[FORMAT_KEY, *(_key(kind, key) for key in keys for kind in kinds)],
                args=[command, json.dumps({**CONSTANTS, **given}, default=_encode)],
            )
        return result, time.monotonic() - started

    def _explain(self, error: Exception) -> str:
        return explain(error)


def _key(kind: str, key: str) -> str:
    return f"{PREFIX}:v{FORMAT_VERSION}:{kind}:{key}"


def _encode(value: object) -> object:
    """Return what JSON has for a limit, or for a reservation, of which the script needs the token."""
    match value:
        case SharedLimit():
            return {"requests": value.requests, "window": value.window}
        case Reservation():
            return str(value.token)
    raise TypeError(value)
