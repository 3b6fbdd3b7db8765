"""
From an Airflow connection to a client of the Redis server that keeps the budget ``redis``.

The fields are those of Airflow's own Redis provider (connection type ``redis``), so that one connection serves both.
That provider's hook is not used, since it leaves the timeouts to the client library: with some versions, a server
that does not answer holds a task for a minute, with others for ever.
"""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.connections.learning360 import is_no_object
from airflow_provider_360learning.exceptions import InvalidConnectionError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection
    from redis import Redis

#: Seconds to wait for a connection to the server, and for an answer of it.
TIMEOUT = 2.0

_DEFAULT_PORT = 6379
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def make_client(connection: Connection, extra: Mapping[str, Any]) -> tuple[Redis, str]:
    """
    Read and check a connection, and make a client that connects when it is first used.

    :param connection: The connection.
    :param extra: Its extra, decoded.
    :returns: The client, and a name of the server without any secret.
    :raises InvalidConnectionError: naming the field that is wrong, or the package that is missing.
    """
    arguments = _Reader(connection, extra).arguments()
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry
    except ImportError:
        raise InvalidConnectionError(
            "the package redis is not installed: pip install 'airflow-provider-360learning[redis]'"
        ) from None
    client = Redis(
        **arguments,
        protocol=2,  # understood by every server, and the answers are the same with every version of the library
        socket_connect_timeout=TIMEOUT,
        socket_timeout=TIMEOUT,
        socket_keepalive=True,
        # Once more, for connections that somebody closed while they were idle: no step of the budget does harm twice.
        retry=Retry(NoBackoff(), 1),
    )
    scheme = "rediss" if "ssl" in arguments else "redis"
    return client, f"{scheme}://{arguments['host']}:{arguments['port']}/{arguments['db']}"


class _Reader:
    def __init__(self, connection: Connection, extra: Mapping[str, Any]) -> None:
        self._connection = connection
        self._extra = extra

    def arguments(self) -> dict[str, Any]:
        """Give the arguments of the client."""
        if is_no_object(self._connection, self._extra):
            raise self._wrong("extra", "must be a JSON object")
        if self._connection.conn_type not in (None, "", "redis", "rediss"):
            raise self._wrong("conn_type", f"is {self._connection.conn_type!r}, but must be redis")
        if self._flag("cluster", False):
            raise self._wrong("extra.cluster", "the nodes of a cluster are not looked for; name one server")
        return {
            "host": self._host(),
            "port": self._port(),
            "db": self._db(),
            "username": self._connection.login or None,
            "password": self._password(),
            **self._tls(),
        }

    def _wrong(self, field: str, problem: str) -> InvalidConnectionError:
        return InvalidConnectionError(f"connection {self._connection.conn_id!r}, field {field}: {problem}")

    def _host(self) -> str:
        host = (self._connection.host or "").strip()
        if not host:
            raise self._wrong("host", "is missing")
        if not _is_host(host):  # it may be a whole URL, with the password
            raise self._wrong("host", "must be the name or address of a host, and nothing else")
        return host

    def _port(self) -> int:
        port = self._connection.port or _DEFAULT_PORT
        if not 0 < port < 65536:
            raise self._wrong("port", f"is {port}, but must be a number up to 65535")
        return port

    def _db(self) -> int:
        field, value = "extra.db", self._extra.get("db")
        if value is None or value == "":
            # The path of a URI, where redis:// addresses have it.
            field, value = "schema", self._connection.schema or 0
        try:
            number = int(str(value))
        except ValueError:
            number = -1
        if number < 0:
            raise self._wrong(field, f"is {value!r}, but must be the number of a database")
        return number

    def _password(self) -> str | None:
        # Airflow's own Redis hook takes these words for none.
        password = self._connection.password
        return None if (password or "").lower() in ("", "none", "false") else password

    def _tls(self) -> dict[str, Any]:
        if not (self._flag("ssl", False) or self._connection.conn_type == "rediss"):
            return {}
        verify = self._extra.get("ssl_cert_reqs") or "required"
        if verify not in ("required", "optional", "none"):
            raise self._wrong("extra.ssl_cert_reqs", f"is {verify!r}, but must be one of required, optional, none")
        return {
            "ssl": True,
            "ssl_cert_reqs": verify,
            "ssl_check_hostname": self._flag("ssl_check_hostname", True) and verify != "none",
            **{name: self._file(name) for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")},
        }

    def _flag(self, field: str, default: bool) -> bool:
        value = self._extra.get(field)
        if value is None or value == "":
            return default
        try:
            return _FLAGS[str(value).lower()]  # a URI gives texts
        except KeyError:
            raise self._wrong(f"extra.{field}", f"is {value!r}, but must be true or false") from None

    def _file(self, field: str) -> str | None:
        path = str(self._extra.get(field) or "").strip()
        if path and not os.path.exists(path):
            raise self._wrong(f"extra.{field}", f"there is no {path!r} on this machine")
        return path or None


def _is_host(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return re.fullmatch(r"[\w.-]+", text) is not None
    return True
