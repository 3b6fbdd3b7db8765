"""An Airflow connection, read and checked: a malformed one gives one error that names the field."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import requests

from airflow_provider_360learning.api.transport import is_loopback
from airflow_provider_360learning.api.types import AuthMethod, Settings
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.connections.form import EU_BASE_URL, EXTRA_FIELDS, default_of
from airflow_provider_360learning.exceptions import InvalidConnectionError

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

_PROXY_SCHEMES = frozenset({"http", "https", "socks4", "socks4a", "socks5", "socks5h"})


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """
    What a connection says.

    :param settings: StoragePath and how to reach 360Learning.
    :param api_version: The version of the API to speak.
    :param limits: Limits agreed with the vendor, calls by limit name.
    """

    settings: Settings
    api_version: str
    limits: Mapping[str, int]


def read_connection(connection: Connection, extra: Mapping[str, Any]) -> ConnectionFacts:
    """
    Read and check a connection.

    :param connection: The connection.
    :param extra: Its extra, decoded.
    :raises InvalidConnectionError: naming the field that is wrong, and what was expected.
    """
    return _Reader(connection, extra).facts()


class _Reader:
    def __init__(self, connection: Connection, extra: Mapping[str, Any]) -> None:
        self._connection = connection
        self._extra = extra

    def facts(self) -> ConnectionFacts:
        self._check_extra()
        return ConnectionFacts(
            settings=Settings(
                base_url=self._base_url(),
                company_id=self._required("login", "Company ID"),
                api_key=self._required("password", "API key"),
                auth=cast("AuthMethod", self._choice("auth")),
                token_path=self._token_path(),
                connect_timeout=self._seconds("connect_timeout"),
                read_timeout=self._seconds("read_timeout"),
                ca_bundle=self._ca_bundle(),
                proxy=self._proxy(),
            ),
            api_version=self._choice("api_version"),
            limits=self._limits(),
        )

    def _wrong(self, field: str, problem: str) -> InvalidConnectionError:
        return InvalidConnectionError(
            f"Connection {self._connection.conn_id!r}, field {field}: {problem}. Nothing was sent."
        )

    def _check_extra(self) -> None:
        if is_no_object(self._connection, self._extra):
            raise self._wrong("extra", "must be a JSON object")
        for name in self._extra:
            if name not in EXTRA_FIELDS:
                raise self._wrong(f"extra.{name}", f"is not known; known are {', '.join(EXTRA_FIELDS)}")

    def _required(self, field: str, label: str) -> str:
        value = str(getattr(self._connection, field) or "").strip()
        if not value:
            raise self._wrong(f"{field} ({label})", "is missing")
        if not (value.isascii() and value.isprintable()):
            raise self._wrong(f"{field} ({label})", "holds characters that no ID or key has")
        return value

    def _base_url(self) -> str:
        field = "host (Base URL)"
        text = (self._connection.host or "").strip() or EU_BASE_URL
        if "://" not in text:
            text = f"{self._connection.schema or 'https'}://{text}"
        try:
            parts = urlsplit(text)
            port = parts.port or self._connection.port
            (parts.hostname or "").encode("idna")
            requests.Request("GET", text).prepare()
        except ValueError:
            raise self._wrong(field, f"is not a URL such as {EU_BASE_URL}") from None
        if parts.scheme not in ("https", "http") or not parts.hostname:
            raise self._wrong(field, f"must be a URL such as {EU_BASE_URL}")
        if parts.username or parts.path.strip("/") or parts.query or parts.fragment:
            raise self._wrong(field, f"must hold scheme and host alone, such as {EU_BASE_URL}")
        if parts.scheme == "http" and not is_loopback(text):
            raise self._wrong(field, "plain http is for this machine only; use https")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        return f"{parts.scheme}://{host}" + (f":{port}" if port else "")

    def _text(self, field: str) -> str:
        value = self._extra.get(field)
        if value is None or value == "":
            value = default_of(field)
        return "" if value is None else str(value).strip()

    def _choice(self, field: str) -> str:
        value, choices = self._text(field), EXTRA_FIELDS[field]["schema"]["enum"]
        if value not in choices:
            raise self._wrong(f"extra.{field}", f"is {value!r}, but must be one of {', '.join(choices)}")
        return value

    def _token_path(self) -> str | None:
        path = self._text("token_path")
        if not path:
            return None
        # With a host in it, the path would send the API key somewhere else.
        if not path.startswith("/") or path.startswith("//") or urlsplit(path).query:
            raise self._wrong("extra.token_path", "must be a path such as /api/v2/oauth2/token")
        return path

    def _ca_bundle(self) -> str | None:
        path = self._text("ca_bundle")
        if path and not os.path.exists(path):
            raise self._wrong("extra.ca_bundle", f"there is no {path!r} on this machine")
        return path or None

    def _proxy(self) -> str | None:
        proxy = self._text("proxy")
        if proxy and not _is_proxy(proxy if "://" in proxy else f"http://{proxy}"):
            raise self._wrong("extra.proxy", "must be a URL such as http://proxy.example.com:3128")
        return proxy or None

    def _seconds(self, field: str) -> float:
        text = self._text(field)
        try:
            seconds = float(text)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < float("inf"):
            raise self._wrong(f"extra.{field}", f"is {text!r}, but must be a number of seconds above 0")
        return seconds

    def _limits(self) -> dict[str, int]:
        value = self._extra.get("limits")
        if value is None or value == "":
            return {}
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except ValueError:
                value = None
        if not isinstance(value, Mapping):
            raise self._wrong("extra.limits", 'must be a JSON object, such as {"company_writes": 10}')
        return {str(name): self._limit(str(name), calls) for name, calls in value.items()}

    def _limit(self, name: str, calls: Any) -> int:
        if name not in API_V1.limits:
            raise self._wrong(f"extra.limits.{name}", f"is not a limit; known are {', '.join(sorted(API_V1.limits))}")
        try:
            number = int(str(calls))
        except ValueError:
            number = 0
        if number < 1:
            raise self._wrong(f"extra.limits.{name}", f"is {calls!r}, but must be a whole number of calls a second")
        return number


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in _PROXY_SCHEMES and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def is_no_object(connection: Connection, extra: Any) -> bool:
    """
    Tell whether an extra is something else than a JSON object.

    :param connection: The connection with the extra as it was written.
    :param extra: The extra as Airflow decoded it: nothing, where it could not.
    """
    return not isinstance(extra, Mapping) or (not extra and _is_broken(connection.extra))


def _is_broken(extra: str | None) -> bool:
    """Tell whether an extra that decoded to nothing was meant to be something."""
    if not extra or not extra.strip():
        return False
    try:
        return json.loads(extra) not in ({}, None)
    except ValueError:
        return True
