"""
The model of a connection to the PostgreSQL server of the rate limiter, and the arguments of its driver.

The fields are those of Airflow's own Postgres provider (connection type ``postgres``), so that one connection serves
both. The hook of that provider is not used, because a server that does not respond blocks it without end.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, get_args

from pydantic import Field, PlainValidator, SecretStr, field_validator

from airflow_provider_360learning.api.models.base import parse_choice
from airflow_provider_360learning.api.models.parsers import parse_integer, problem
from airflow_provider_360learning.connections.base import ConnectionModel, parse_existing_path
from airflow_provider_360learning.connections.redis import parse_host, parse_switch
from airflow_provider_360learning.exceptions import InvalidConnectionError

if TYPE_CHECKING:
    from airflow_provider_360learning.api.limiter.postgres import PostgresStore

#: Fields of the extra that are arguments of the driver.
_TLS_FIELDS = ("sslmode", "sslrootcert", "sslcert", "sslkey")

#: As the driver explains them. ``prefer``, its default, uses TLS where the server does, and checks no certificate.
TlsMode = Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]


def parse_no_iam(value: object) -> Literal[False]:
    """
    Refuse tokens of AWS.

    :raises PydanticCustomError: for a connection whose password is a token that would have to be requested.
    """
    if parse_switch(value):
        raise problem("is true, but tokens of AWS are not supported; enter a password")
    return False


class PostgresConnection(ConnectionModel):
    """
    A connection to a PostgreSQL server. Fields of Airflow's Postgres provider that are not here have no effect.

    The database is in ``schema``. Without one, it is that of the user's name.
    """

    conn_type: Annotated[Literal["postgres"], PlainValidator(parse_choice("postgres"))] = "postgres"
    host: Annotated[str, PlainValidator(parse_host)]
    port: Annotated[int, PlainValidator(partial(parse_integer, minimum=1, maximum=65535))] = 5432
    login: str
    password: SecretStr | None = None
    database: str | None = Field(default=None, alias="schema")
    iam: Annotated[Literal[False], PlainValidator(parse_no_iam)] = Field(default=False, alias="extra.iam")
    sslmode: Annotated[TlsMode, PlainValidator(parse_choice(*get_args(TlsMode)))] = Field(
        default="prefer", alias="extra.sslmode"
    )
    sslrootcert: str | None = Field(default=None, alias="extra.sslrootcert")
    sslcert: str | None = Field(default=None, alias="extra.sslcert")
    sslkey: str | None = Field(default=None, alias="extra.sslkey")

    @field_validator("sslrootcert", "sslcert", "sslkey")
    @classmethod
    def _check_file(cls, path: str | None) -> str | None:
        return parse_existing_path(path) if path and path != "system" else path  # that of the operating system

    @property
    def name(self) -> str:
        """The server and the database, without any secret."""
        return f"postgres://{self.host}:{self.port}/{self.database or self.login}"

    def make_store(self) -> PostgresStore:
        """
        Return a store that connects when it is first used.

        :raises InvalidConnectionError: if the driver is not installed.
        """
        try:
            import psycopg2  # noqa: F401
        except ImportError:
            raise InvalidConnectionError(
                "the package psycopg2 is not installed: pip install 'airflow-provider-360learning[postgres]'"
            ) from None
        from airflow_provider_360learning.api.limiter.postgres import PostgresStore

        arguments = {
            "host": self.host,
            "port": self.port,
            "user": self.login,
            "password": self.password.get_secret_value() if self.password else None,
            "dbname": self.database or self.login,
            "application_name": "airflow-provider-360learning",
            "client_encoding": "UTF8",
            "gssencmode": "disable",
            # A connection that a firewall has cut off while it was idle would cost the next request a timeout.
            "keepalives_idle": 60,
            **{name: getattr(self, name) for name in _TLS_FIELDS},
        }
        return PostgresStore({name: value for name, value in arguments.items() if value is not None}, self.name)
