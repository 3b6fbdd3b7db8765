"""
The model of a connection to the Redis server of the rate limiter, and its client.

The fields are those of Airflow's own Redis provider (connection type ``redis``), so that one connection serves both.
The hook of that provider is not used, because it leaves the timeouts to the client library: with some versions, a
server that does not respond blocks a task for a minute, with others without end.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from pydantic import Field, PlainValidator, SecretStr, ValidationInfo, field_validator

from airflow_provider_360learning.api.models.base import parse_choice
from airflow_provider_360learning.api.models.parsers import parse_boolean, parse_integer, problem
from airflow_provider_360learning.connections.base import ConnectionModel, parse_existing_path
from airflow_provider_360learning.exceptions import InvalidConnectionError

if TYPE_CHECKING:
    from redis import ConnectionPool, Redis

#: Maximum number of seconds to wait for a connection to the server, and for each of its responses.
TIMEOUT = 2.0

_BOOLEANS = {"1": True, "0": False}
#: Passwords that Airflow's own Redis hook takes for none.
_NO_PASSWORD = frozenset({"none", "false"})
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")

ConnectionType = Literal["redis", "rediss"]
CertificateCheck = Literal["required", "optional", "none"]


def parse_host(value: object) -> str:
    """
    Return the name or address of a host.

    :raises PydanticCustomError: for anything else; the value is not shown, because it may be a URL with the password.
    """
    host = str(value).strip()
    try:
        is_address = host.isprintable() and ipaddress.ip_address(host) is not None
    except ValueError:
        is_address = False
    if not is_address and not re.fullmatch(r"[\w.-]+", host):
        raise problem("must be the name or address of a host, and nothing else")
    return host


def parse_password(value: object) -> SecretStr | None:
    """Return a password, or ``None`` for the words that mean none. One that is secret already is not changed."""
    if isinstance(value, SecretStr):
        return value
    return None if str(value).lower() in _NO_PASSWORD else SecretStr(str(value))


def parse_switch(value: object) -> bool:
    """
    Read a boolean, also from a URI, whose 1 and 0 are strings, and numbers in Airflow 3.1.

    :raises PydanticCustomError: if it is none.
    """
    switch = _BOOLEANS.get(str(value))
    return parse_boolean(value) if switch is None else switch


def parse_no_cluster(value: object) -> Literal[False]:
    """
    Refuse a cluster.

    :raises PydanticCustomError: for a connection to a cluster, whose nodes would have to be discovered.
    """
    if parse_switch(value):
        raise problem("is true, but clusters are not supported; name one server")
    return False


Switch = Annotated[bool, PlainValidator(parse_switch)]
Port = Annotated[int, PlainValidator(partial(parse_integer, minimum=1, maximum=65535))]
Database = Annotated[int, PlainValidator(partial(parse_integer, minimum=0))]


class RedisConnection(ConnectionModel):
    """
    A connection to a Redis server. Fields of Airflow's Redis provider that are not here have no effect.

    The number of the database is in ``extra.db``, or in ``schema``, which is the path of a URI.
    """

    conn_type: Annotated[ConnectionType, PlainValidator(parse_choice(*get_args(ConnectionType)))] = "redis"
    host: Annotated[str, PlainValidator(parse_host)]
    port: Port = 6379
    login: str | None = None
    password: Annotated[SecretStr | None, PlainValidator(parse_password)] = None
    database_in_path: Database = Field(default=0, alias="schema")
    database: Database | None = Field(default=None, alias="extra.db")
    cluster: Annotated[Literal[False], PlainValidator(parse_no_cluster)] = Field(default=False, alias="extra.cluster")
    ssl: Switch = Field(default=False, alias="extra.ssl")
    ssl_cert_reqs: Annotated[CertificateCheck, PlainValidator(parse_choice(*get_args(CertificateCheck)))] = Field(
        default="required", alias="extra.ssl_cert_reqs"
    )
    ssl_check_hostname: Switch = Field(default=True, alias="extra.ssl_check_hostname")
    ssl_ca_certs: str | None = Field(default=None, alias="extra.ssl_ca_certs")
    ssl_certfile: str | None = Field(default=None, alias="extra.ssl_certfile")
    ssl_keyfile: str | None = Field(default=None, alias="extra.ssl_keyfile")

    @field_validator(*_FILES)
    @classmethod
    def _check_file(cls, path: str | None, info: ValidationInfo) -> str | None:
        # Without TLS the files have no effect, and another user of the connection may have them on another machine.
        return parse_existing_path(path) if path and _has_tls(info.data) else path

    @property
    def name(self) -> str:
        """The server, without any secret."""
        return f"redis{'s' if self._has_tls else ''}://{self.host}:{self.port}/{self._database}"

    def make_client(self) -> Redis:
        """
        Return a client that connects when it is first used.

        :raises InvalidConnectionError: if the package redis is not installed.
        """
        try:
            from redis import Redis
            from redis._parsers import _RESP2Parser
            from redis.backoff import NoBackoff
            from redis.retry import Retry
        except ImportError:
            raise InvalidConnectionError(
                "the package redis is not installed: pip install 'airflow-provider-360learning[redis]'"
            ) from None
        pool = self._make_pool(
            # Not the C library hiredis, even if it is installed: it allocates as much memory as the server names.
            parser_class=_RESP2Parser,
            db=self._database,
            username=self.login,
            password=self.password.get_secret_value() if self.password else None,
            **self._tls_arguments(),
            protocol=2,  # understood by every server, and with the same responses in every version of the library
            socket_connect_timeout=TIMEOUT,
            socket_timeout=TIMEOUT,
            socket_keepalive=True,
            # One retry, for connections that were closed while idle: no step of the rate limiter does harm twice.
            retry=Retry(NoBackoff(), 1),
        )
        return Redis(connection_pool=pool)

    # Any: arguments of several types.
    def _make_pool(self, **arguments: Any) -> ConnectionPool:
        from redis import ConnectionPool

        from airflow_provider_360learning.api.limiter.redis_connection import BoundedConnection, BoundedTlsConnection

        connection_class = BoundedTlsConnection if self._has_tls else BoundedConnection
        return ConnectionPool(connection_class=connection_class, host=self.host, port=self.port, **arguments)

    @property
    def _database(self) -> int:
        return self.database_in_path if self.database is None else self.database

    @property
    def _has_tls(self) -> bool:
        return _has_tls(vars(self))

    # Any: arguments of several types.
    def _tls_arguments(self) -> dict[str, Any]:
        if not self._has_tls:
            return {}
        return {
            "ssl_cert_reqs": self.ssl_cert_reqs,
            "ssl_check_hostname": self.ssl_check_hostname and self.ssl_cert_reqs != "none",
            **{name: getattr(self, name) for name in _FILES},
        }


class SentinelConnection(RedisConnection):
    """
    A Redis server whose current address the sentinels know.

    :param host: That of the first sentinel.
    :param port: That of the first sentinel.
    :param sentinels: The sentinels, each with its own user, password and TLS.
    :param master_name: The name that the sentinels have for the primary server.
    """

    sentinels: tuple[RedisConnection, ...]
    master_name: str

    @property
    def name(self) -> str:
        """The sentinels and the database, without any secret."""
        addresses = ";".join(f"sentinel://{one.host}:{one.port}" for one in self.sentinels)
        return f"{addresses}/{self._database} ({self.master_name})"

    def _make_pool(self, **arguments: Any) -> ConnectionPool:
        from redis.sentinel import Sentinel, SentinelConnectionPool

        from airflow_provider_360learning.api.limiter.redis_connection import (
            BoundedSentinelConnection,
            BoundedSentinelTlsConnection,
        )

        manager = Sentinel([])  # type: ignore[no-untyped-call]
        manager.sentinels = [one.make_client() for one in self.sentinels]  # with deadlines
        connection_class = BoundedSentinelTlsConnection if self._has_tls else BoundedSentinelConnection
        return SentinelConnectionPool(  # type: ignore[no-untyped-call]
            self.master_name, manager, connection_class=connection_class, **arguments
        )


def _has_tls(values: Mapping[str, object]) -> bool:
    return values.get("ssl") is True or values.get("conn_type") == "rediss"
