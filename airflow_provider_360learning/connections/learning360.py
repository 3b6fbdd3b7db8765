"""The model of a connection to 360Learning."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, NamedTuple, get_args

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, SecretStr, ValidationInfo, field_validator

from airflow_provider_360learning import config
from airflow_provider_360learning.api.models.base import parse_choice
from airflow_provider_360learning.api.models.parsers import parse_integer, problem
from airflow_provider_360learning.api.types import AuthMethod, Settings
from airflow_provider_360learning.api.urls import locate
from airflow_provider_360learning.api.versions import VERSIONS, ApiVersion
from airflow_provider_360learning.connections.base import (
    IS_MASKED,
    ConnectionModel,
    is_masked,
    parse_existing_path,
    parse_seconds,
)
from airflow_provider_360learning.connections.form import EU_BASE_URL, EXTRA_FIELDS, LABELS, default_of
from airflow_provider_360learning.exceptions import InvalidConnectionError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection
    from pydantic_core import ErrorDetails

#: Maximum number of requests per window of an agreed limit; 50 is the highest one that is documented.
MAX_REQUESTS = 10_000

#: What a connection without the ID of its company means.
CLIENT_ID_STANDS_IN = (
    "has no company_id: its rate limits count per client ID, and are not shared with connections that have another "
    "client ID of the same company"
)

_DEFAULT_PORTS = {"https": 443, "http": 80}
#: A path of printable ASCII in which no parser sees a host, a query or a fragment.
_PATH = re.compile(r"/(?!/)(?:(?![?#\\])[!-~])*")
_PROXY_SCHEMES = frozenset({"http", "https"})


class Address(NamedTuple):
    """
    The fields of a connection that make up the base URL.

    :param host: A host name, or a URL.
    :param schema: Scheme of the URL, if the host is a name.
    :param port: Port, if the host contains none.
    """

    host: str | None
    schema: str | None
    port: int | None


def parse_credential(value: object) -> str:
    """
    Return a company ID or an API key without blanks around it.

    :raises PydanticCustomError: for other characters than printable ASCII; the value is not shown.
    """
    text = str(value).strip()
    if not (text.isascii() and text.isprintable()):
        raise problem("contains characters other than printable ASCII")
    return text


def parse_secret(value: object) -> SecretStr:
    """Return an API key; see :func:`parse_credential`."""
    return SecretStr(parse_credential(value))


def parse_base_url(address: Address) -> str:
    """
    Return a URL of scheme, host and perhaps port.

    :raises PydanticCustomError: for anything else; the value is not shown, because it may contain credentials.
    """
    text = (address.host or "").strip() or EU_BASE_URL
    if "://" not in text:
        text = f"{address.schema or 'https'}://{text}"
    location = locate(text)
    if location is None or location.scheme not in _DEFAULT_PORTS:
        raise problem(f"is not a URL such as {EU_BASE_URL}")
    if location.has_more:
        raise problem(f"must contain scheme and host alone, such as {EU_BASE_URL}")
    if location.scheme == "http" and not location.is_loopback:
        raise problem("plain http is allowed for this machine only; use https")
    port = location.port or address.port
    # Without the default port, so that connections share the rate limits of a host with and without it.
    url = f"{location.scheme}://{location.host}" + (
        f":{port}" if port and port != _DEFAULT_PORTS[location.scheme] else ""
    )
    if locate(url) is None:
        raise problem(f"needs a port from 1 to 65535, not {port}")
    return url


def parse_token_path(value: object) -> str:
    """
    Return the path of the token endpoint.

    :raises PydanticCustomError: if it is not a path: with a host in it, the API key would be sent elsewhere.
    """
    path = str(value)
    if not _PATH.fullmatch(path):
        raise problem("must be a path such as /api/v2/oauth2/token")
    return path


def parse_proxy(value: object) -> SecretStr:
    """
    Return the URL of a proxy, by default with the scheme ``http``.

    :raises PydanticCustomError: if it is not one; the value is not shown, because it may contain credentials.
    """
    text = str(value)
    url = text if "://" in text else f"http://{text}"
    if not _is_proxy(url):
        raise problem(
            "must be a URL such as http://proxy.example.com:3128, with special characters of a password percent-encoded"
        )
    return SecretStr(url)


def parse_limits(value: object) -> dict[str, object]:
    """
    Return a JSON object, also from its text.

    :raises PydanticCustomError: if it is not one.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            value = None
    if not isinstance(value, Mapping):
        raise problem('must be a JSON object, such as {"company_writes": 10}')
    for name, requests_per_window in value.items():
        if is_masked(requests_per_window):
            raise problem(IS_MASKED, place=[str(name)])
    return {str(name): requests_per_window for name, requests_per_window in value.items()}


Seconds = Annotated[float, PlainValidator(parse_seconds)]
Requests = Annotated[int, PlainValidator(partial(parse_integer, minimum=1, maximum=MAX_REQUESTS))]
Mebibytes = Annotated[int, PlainValidator(partial(parse_integer, minimum=1))]


class Learning360Connection(ConnectionModel):
    """
    A connection to 360Learning; see docs/connection.md for its fields.

    Its repr shows no secret.
    """

    model_config = ConfigDict(extra="forbid")
    labels: ClassVar[Mapping[str, str]] = LABELS

    base_url: Annotated[str, PlainValidator(parse_base_url)] = Field(alias="host")
    login: Annotated[str, PlainValidator(parse_credential)] = Field(alias="login")
    api_key: Annotated[SecretStr, PlainValidator(parse_secret)] = Field(alias="password")
    # A string, because the versions are a matter of `api.versions`.
    api_version: Annotated[str, PlainValidator(parse_choice(*VERSIONS))] = Field(
        default=default_of("api_version"), alias="extra.api_version"
    )
    entered_company_id: Annotated[str, PlainValidator(parse_credential)] | None = Field(
        default=default_of("company_id"), alias="extra.company_id"
    )
    auth: Annotated[AuthMethod, PlainValidator(parse_choice(*get_args(AuthMethod)))] = Field(
        default=default_of("auth"), alias="extra.auth"
    )
    token_path: Annotated[str, PlainValidator(parse_token_path)] | None = Field(
        default=default_of("token_path"), alias="extra.token_path"
    )
    connect_timeout: Seconds = Field(default=default_of("connect_timeout"), alias="extra.connect_timeout")
    read_timeout: Seconds = Field(default=default_of("read_timeout"), alias="extra.read_timeout")
    total_timeout: Seconds | None = Field(default=default_of("total_timeout"), alias="extra.total_timeout")
    max_response_mib: Mebibytes = Field(default=default_of("max_response_mib"), alias="extra.max_response_mib")
    ca_bundle: Annotated[str, PlainValidator(parse_existing_path)] | None = Field(
        default=default_of("ca_bundle"), alias="extra.ca_bundle"
    )
    proxy: Annotated[SecretStr, PlainValidator(parse_proxy)] | None = Field(
        default=default_of("proxy"), alias="extra.proxy"
    )
    limits: Annotated[Mapping[str, Requests], BeforeValidator(parse_limits)] = Field(default={}, alias="extra.limits")

    @classmethod
    def values(cls, connection: Connection, extra: Mapping[str, object]) -> dict[str, object]:
        """See :meth:`ConnectionModel.values`; the base URL has several fields."""
        # Any: host, schema and port have the types of Airflow's connections.
        values: dict[str, Any] = super().values(connection, extra)
        values["host"] = Address(values.get("host"), values.pop("schema", None), values.pop("port", None))
        values.pop("conn_type", None)
        return values

    @field_validator("entered_company_id")
    @classmethod
    def _check_company_id(cls, company_id: str | None, info: ValidationInfo) -> str | None:
        version, login = VERSIONS.get(info.data.get("api_version", "")), info.data.get("login")
        if version and version.spec.login_is_company and company_id not in (None, login):
            raise problem(f"is not the login, which is the company ID in API {version.spec.name}: leave it empty")
        return company_id

    @field_validator("auth")
    @classmethod
    def _check_auth(cls, auth: AuthMethod, info: ValidationInfo) -> AuthMethod:
        version = VERSIONS.get(info.data.get("api_version", ""))
        if version and auth not in version.spec.auth_methods:
            known = ", ".join(version.spec.auth_methods)
            raise problem(f"{auth!r} is not available in API {version.spec.name}, which has {known}")
        return auth

    @field_validator("limits")
    @classmethod
    def _check_names(cls, limits: Mapping[str, int], info: ValidationInfo) -> Mapping[str, int]:
        if version := VERSIONS.get(info.data.get("api_version", "")):
            names = {*version.spec.limits, *(limit.name for limit in version.spec.concurrency_limits)}
            for name in limits:
                if name not in names:
                    known = ", ".join(sorted(names))
                    raise problem(f"is not a limit of API {version.spec.name}; its limits are {known}", place=[name])
        return limits

    @classmethod
    def _describe(cls, error: ErrorDetails) -> str:
        if error["type"] == "extra_forbidden":
            return f"field {error['loc'][0]}: is unknown; known are {', '.join(EXTRA_FIELDS)}"
        return super()._describe(error)

    @property
    def version(self) -> ApiVersion:
        """The version of the API."""
        return VERSIONS[self.api_version]

    @property
    def company_id(self) -> str:
        """ID of the company; that of the client stands in for one that is not entered."""
        return self.entered_company_id or self.login

    @property
    def company_is_unknown(self) -> bool:
        """Whether the ID of a client stands in for that of the company."""
        return self.entered_company_id is None and not self.version.spec.login_is_company

    @property
    def settings(self) -> Settings:
        """Address and credentials, as the client takes them."""
        return Settings(
            base_url=self.base_url,
            company_id=self.company_id,
            client_id=None if self.version.spec.login_is_company else self.login,
            api_key=self.api_key.get_secret_value(),
            auth=self.auth,
            token_path=self.token_path,
            connect_timeout=self.connect_timeout,
            read_timeout=self.read_timeout,
            total_timeout=self.total_timeout or config.total_timeout(),
            max_response_mib=self.max_response_mib,
            ca_bundle=self.ca_bundle,
            proxy=self.proxy.get_secret_value() if self.proxy else None,
        )

    def check_same_company(self, earlier: Learning360Connection, conn_id: str) -> None:
        """
        Refuse a connection that leads to other data than it did before.

        :param earlier: The connection as it was read before.
        :param conn_id: Its id.
        :raises InvalidConnectionError: naming the field that has changed.
        """
        company_field = "login" if self.entered_company_id is earlier.entered_company_id is None else "extra.company_id"
        for name, field in (("base_url", "host"), ("api_version", "extra.api_version"), ("company_id", company_field)):
            if getattr(self, name) != getattr(earlier, name):
                raise InvalidConnectionError(
                    f"Connection {conn_id!r}, field {field} ({LABELS.get(field, name)}): has changed since this work "
                    "started, and work that started in one company does not continue in another; clear the task to "
                    "start it with the connection as it is now"
                )


def _is_proxy(url: str) -> bool:
    location = locate(url)
    return location is not None and location.scheme in _PROXY_SCHEMES
