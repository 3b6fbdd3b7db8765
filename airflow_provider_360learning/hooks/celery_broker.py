"""
The Redis server that is Celery's broker, as the Airflow configuration describes it.

The options are read as the Celery provider and kombu read them, without either: importing them takes longer than most
tasks, and a triggerer may have neither.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from configparser import ConfigParser
from contextlib import suppress
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from airflow.providers.common.compat.sdk import conf
from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_2_PLUS
from pydantic import SecretStr

from airflow_provider_360learning.connections.redis import RedisConnection, SentinelConnection
from airflow_provider_360learning.exceptions import InvalidConnectionError

BROKER_URL = "[celery] broker_url"

_SECTION = "celery"
_TRANSPORT_OPTIONS = "celery_broker_transport_options"
#: Airflow's default of the URL, which is also what it returns if it cannot run a command or read a secret.
_AIRFLOWS_URL = "redis://redis:6379/0"
#: Where Airflow's configuration names the settings of Celery, if a deployment does not bring its own.
_AIRFLOWS_SETTINGS = "airflow.providers.celery.executors.default_celery.DEFAULT_CELERY_CONFIG"
#: Settings of Celery that describe the broker.
_BROKER_SETTINGS = frozenset(
    {"broker_url", "broker_read_url", "broker_write_url", "broker_use_ssl", "broker_transport_options"}
)
#: Booleans of Airflow's configuration.
_TRUE, _FALSE = ("t", "true", "1"), ("f", "false", "0")
#: Default ports by scheme.
_PORTS = {"redis": 6379, "rediss": 6379, "sentinel": 26379}


class UnsuitableBrokerError(Exception):
    """Celery's broker is not a single Redis server that this provider can describe; the text is the reason."""


def read_broker() -> RedisConnection:
    """
    Return the Redis server that is Celery's broker.

    :raises UnsuitableBrokerError: if it is none.
    :raises InvalidConnectionError: if the configuration cannot be read in this process, or is invalid; the text has no
        part of the URL that could be secret.
    """
    _refuse_other_settings()
    url = _read_url()
    scheme = _scheme(url)
    servers = [_split(one) for one in url.split(";")]
    if scheme == "sentinel":
        return _sentinel(servers)
    if len(servers) > 1:
        raise UnsuitableBrokerError(f"{BROKER_URL} names several servers")
    return RedisConnection.from_values(_values(servers[0]), BROKER_URL)


def _refuse_other_settings() -> None:
    if _option("celery_config_options") not in ("", _AIRFLOWS_SETTINGS):
        raise UnsuitableBrokerError("[celery] celery_config_options names settings that may have another broker")
    names = {str(name).lower() for name in _json_object("extra_celery_config")}
    if found := sorted(names & _BROKER_SETTINGS):
        raise UnsuitableBrokerError(f"[celery] extra_celery_config sets {', '.join(found)}")


def _read_url() -> str:
    """
    Return the URL of the broker.

    Airflow has a default for it, also in a process that does not have the configuration of the others. A command or
    secret in the environment precedes the URL in the configuration file, where Airflow itself may have put the default.
    """
    is_set = [name for name in ("broker_url", "broker_url_cmd", "broker_url_secret") if _is_set(name)]
    if not is_set:
        raise InvalidConnectionError(f"{BROKER_URL} is not set in this process")
    is_direct = is_set == ["broker_url"]
    if not is_direct:
        _load_options_of_providers()
    url = _option("broker_url")
    if not url or (url == _AIRFLOWS_URL and not is_direct):
        raise InvalidConnectionError(
            f"{BROKER_URL} is empty in this process; its command or secret needs the Celery provider of Airflow"
        )
    return url


def _load_options_of_providers() -> None:
    """Load which options may be commands or secrets; Airflow 3.2 and later do so when an option is read."""
    if not AIRFLOW_V_3_2_PLUS:
        from airflow.providers_manager import ProvidersManager

        ProvidersManager().initialize_providers_configuration()  # type: ignore[no-untyped-call]


def _option(name: str, section: str = _SECTION) -> str:
    try:
        return str(conf.get(section, name, fallback=None) or "").strip()
    except Exception as error:  # its text may contain the value, or the output of a command
        kind = type(error).__name__
    raise InvalidConnectionError(f"[{section}] {name} cannot be read ({kind})")


def _json_object(name: str, section: str = _SECTION) -> dict[str, object]:
    value: object = None
    with suppress(ValueError):  # it contains the text, which may have a password
        value = json.loads(_option(name, section) or "{}")
    if not isinstance(value, dict):
        raise InvalidConnectionError(f"[{section}] {name} is not a JSON object")
    return value


def _is_set(name: str) -> bool:
    """Return whether the environment or the configuration file has an option: Airflow itself adds its defaults."""
    return f"AIRFLOW__{_SECTION}__{name}".upper() in os.environ or ConfigParser.has_option(conf, _SECTION, name)


def _scheme(url: str) -> str:
    found = re.match(r"([A-Za-z][A-Za-z0-9+]{0,30})://", url)
    if not found:
        raise InvalidConnectionError(f"{BROKER_URL} is not a URL")
    if found[1] not in _PORTS:
        raise UnsuitableBrokerError(f"{BROKER_URL} begins with {found[1]}://, not with redis, rediss or sentinel")
    return found[1]


def _split(url: str) -> SplitResult:
    """Return the parts of a URL, without showing any: a password with special characters can be in each of them."""
    try:
        parts = urlsplit(url)
        is_valid = parts.port != 0 and "@" not in f"{parts.path}{parts.query}{parts.fragment}"
    except ValueError:  # its text has a part of the URL
        is_valid = False
    if not is_valid:
        raise InvalidConnectionError(
            f"{BROKER_URL} is not a valid URL: special characters in its password must be percent-encoded"
        )
    return parts


def _values(parts: SplitResult) -> dict[str, object]:
    """Return the values of a connection, with the defaults of kombu."""
    path = unquote(parts.path[1:]).lstrip("/") or "0"
    if not re.fullmatch(r"[0-9]{1,9}", path):
        raise InvalidConnectionError(f"{BROKER_URL} has a path that is not the number of a database")
    query = dict(parse_qsl(parts.query))
    if "credential_provider" in query:
        raise UnsuitableBrokerError(f"{BROKER_URL} has a credential_provider")
    return {
        **_address(parts),
        **_credentials(unquote(parts.username or ""), unquote(parts.password or "")),
        **_tls(parts.scheme, query),
        "extra.db": int(path),
    }


def _address(parts: SplitResult) -> dict[str, object]:
    return {"host": unquote(parts.hostname or "") or "127.0.0.1", "port": parts.port or _PORTS[parts.scheme]}


def _credentials(user: object, password: object) -> dict[str, object]:
    return {"login": str(user) if user else None, "password": SecretStr(str(password)) if password else None}


def _tls(scheme: str, query: Mapping[str, str]) -> dict[str, object]:
    options = _tls_options(query.items())
    if not options and _option("ssl_active").lower() in _TRUE:
        is_mutual = _option("ssl_mutual_tls").lower() not in _FALSE
        files = {"ssl_ca_certs": "ssl_cacert", "ssl_keyfile": "ssl_key", "ssl_certfile": "ssl_cert"}
        options = {f"extra.{name}": _option(files[name]) or None for name in (files if is_mutual else ["ssl_ca_certs"])}
    elif not options and scheme == "rediss":
        options = {"extra.ssl_cert_reqs": "none"}  # as kombu does
    return {**options, "extra.ssl": True} if options else {}


def _tls_options(options: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return the options of TLS by their place in a connection; kombu has longer names of the choices as well."""
    found = {f"extra.{name}": value for name, value in options if name.startswith("ssl_")}
    if isinstance(check := found.get("extra.ssl_cert_reqs"), str):
        found["extra.ssl_cert_reqs"] = check.removeprefix("CERT_").lower()
    return found


def _sentinel(servers: list[SplitResult]) -> SentinelConnection:
    master_name = _option("master_name", _TRANSPORT_OPTIONS)
    if not master_name:
        raise InvalidConnectionError(f"[{_TRANSPORT_OPTIONS}] master_name is not set")
    own = _sentinels_own_values()
    sentinels = tuple(
        RedisConnection.from_values({**own, **_address(server)}, f"[{_TRANSPORT_OPTIONS}] sentinel_kwargs")
        for server in servers
        if server.scheme == "sentinel"  # kombu ignores the others
    )
    values = {**_values(servers[0]), "sentinels": sentinels, "master_name": master_name}
    return SentinelConnection.from_values(values, BROKER_URL)


def _sentinels_own_values() -> dict[str, object]:
    """Return the values that all connections to sentinels have."""
    given = _json_object("sentinel_kwargs", _TRANSPORT_OPTIONS)
    return {
        **_credentials(given.get("username"), given.get("password")),
        **_tls_options(given.items()),
        "extra.ssl": given.get("ssl", False),
    }
