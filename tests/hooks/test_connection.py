"""The model of a connection to 360Learning: defaults, valid and invalid fields, and the ways to store it."""

from __future__ import annotations

import json
import traceback
from typing import get_args
from urllib.parse import quote

import pytest
from airflow.models import Connection

from airflow_provider_360learning.api.types import AuthMethod, Settings
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.connections.form import EXTRA_FIELDS, MASKS
from airflow_provider_360learning.connections.learning360 import Learning360Connection
from airflow_provider_360learning.exceptions import InvalidConnectionError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL
from tests.hooks.support import reaches_the_hook

ID = "64b1f0c2a9d3e40012aa0001"
KEY = "k/e y+%41&?#@:"


def read(connection):
    return Learning360Connection.read(connection, connection.extra_dejson)


def make_connection(extra=None, **fields):
    text = extra if isinstance(extra, str) else json.dumps(extra or {})
    return Connection(
        **{"conn_id": "acme", "conn_type": "learning360", "login": ID, "password": KEY, **fields}, extra=text
    )


def test_company_id_and_api_key_are_sufficient():
    connection = read(make_connection())
    assert connection.settings == Settings("https://app.360learning.com", ID, KEY)
    assert connection.settings.auth == "oauth2"
    assert (connection.settings.connect_timeout, connection.settings.read_timeout) == (10, 60)
    assert (connection.api_version, connection.limits) == ("v1", {})
    assert connection.version is VERSIONS["v1"]


@pytest.fixture
def values(tmp_path):
    """Return a value other than the default for each extra field."""
    (tmp_path / "ca.pem").write_text("")
    return {
        "api_version": "v1",
        "company_id": ID,
        "auth": "api_key_header",
        "token_path": "/oauth/token",
        "connect_timeout": 2.5,
        "read_timeout": 30,
        "total_timeout": 90,
        "max_response_mib": "128",
        "ca_bundle": str(tmp_path / "ca.pem"),
        "proxy": "http://user:pw@proxy.test:3128",
        "limits": {"company_writes": 8, "createOrInviteUser": 4},
    }


def test_reads_every_field(tmp_path, values):
    connection = read(make_connection(host="https://app.us.360learning.com/", extra=values))
    assert connection.settings == Settings(
        "https://app.us.360learning.com",
        ID,
        KEY,
        auth="api_key_header",
        token_path="/oauth/token",
        connect_timeout=2.5,
        read_timeout=30,
        total_timeout=90,
        max_response_mib=128,
        ca_bundle=str(tmp_path / "ca.pem"),
        proxy="http://user:pw@proxy.test:3128",
    )
    assert connection.limits == {"company_writes": 8, "createOrInviteUser": 4}


def test_reads_the_strings_of_older_connection_forms():
    strings = {
        "connect_timeout": "2.5",
        "read_timeout": " 30 ",
        "limits": '{"company_writes": "8"}',
        "proxy": "",
        "auth": "",
    }
    connection = read(make_connection(strings))
    assert (connection.settings.connect_timeout, connection.settings.read_timeout) == (2.5, 30)
    assert connection.limits == {"company_writes": 8}
    assert (connection.settings.proxy, connection.settings.auth) == (None, "oauth2")


def test_a_proxy_without_a_scheme_is_one_of_http():
    connection = read(make_connection({"proxy": "user:pw@proxy.test:3128"}))
    assert connection.settings.proxy == "http://user:pw@proxy.test:3128"


@pytest.mark.parametrize("empty", [None, "", "  "])
def test_empty_fields_have_their_defaults(empty):
    assert read(make_connection(dict.fromkeys(EXTRA_FIELDS, empty))) == read(make_connection())


def test_the_form_offers_all_choices():
    assert EXTRA_FIELDS["api_version"]["schema"]["enum"] == list(VERSIONS)
    assert EXTRA_FIELDS["auth"]["schema"]["enum"] == list(get_args(AuthMethod))


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": ""}, "https://app.360learning.com"),
        ({"host": "", "port": 0}, "https://app.360learning.com"),
        ({"host": "app.us.360learning.com"}, "https://app.us.360learning.com"),
        ({"host": " https://App.US.360learning.com/ "}, "https://app.us.360learning.com"),
        ({"host": "https://learning.test:8443"}, "https://learning.test:8443"),
        ({"host": "learning.test", "port": 8443}, "https://learning.test:8443"),
        ({"host": "http://127.0.0.1:3600"}, "http://127.0.0.1:3600"),
        ({"host": "http://localhost:3600"}, "http://localhost:3600"),
        ({"host": "http://[::1]:3600"}, "http://[::1]:3600"),
        ({"host": "127.0.0.1", "schema": "http", "port": 3600}, "http://127.0.0.1:3600"),
        ({"host": "", "port": 443}, "https://app.360learning.com"),
        ({"host": "https://learning.test:443"}, "https://learning.test"),
        ({"host": "https://learning.test:8443", "port": 443}, "https://learning.test:8443"),
        ({"host": "http://localhost", "port": 443}, "http://localhost:443"),
    ],
)
def test_builds_the_base_url(fields, base_url):
    assert read(make_connection(**fields)).base_url == base_url


INVALID = [
    ({"login": ""}, "login (Company ID or client ID)"),
    ({"login": None}, "login (Company ID or client ID)"),
    ({"login": "  "}, "login (Company ID or client ID)"),
    ({"password": ""}, "password (API key or client secret)"),
    ({"password": None}, "password (API key or client secret)"),
    ({"password": "two\nlines-of-a-key"}, "password (API key or client secret)"),
    ({"password": "key…cut"}, "password (API key or client secret)"),
    ({"host": "http://app.360learning.com"}, "host (Base URL)"),
    ({"host": "http://10.0.0.1"}, "host (Base URL)"),
    ({"host": "http://127.0.0.1.example.com"}, "host (Base URL)"),
    ({"host": "app.360learning.com", "schema": "http"}, "host (Base URL)"),
    ({"host": "ftp://app.360learning.com"}, "host (Base URL)"),
    ({"host": "https://"}, "host (Base URL)"),
    ({"host": "https://app.360learning.com/api/v1"}, "host (Base URL)"),
    ({"host": "https://app.360learning.com?x=1"}, "host (Base URL)"),
    ({"host": "https://app.360learning.com:99999"}, "host (Base URL)"),
    ({"host": "app.360learning.com", "port": 99999}, "host (Base URL)"),
    ({"host": "app.360learning.com", "port": -1}, "host (Base URL)"),
    ({"host": "https://user:pw@app.360learning.com"}, "host (Base URL)"),
    ({"host": "https://two words.com"}, "host (Base URL)"),
    ({"host": "https://two..dots.com"}, "host (Base URL)"),
    ({"extra": {"apiversion": "v1"}}, "extra.apiversion"),
    ({"extra": {"api_version": "v3"}}, "extra.api_version"),
    ({"extra": {"auth": "basic"}}, "extra.auth"),
    ({"extra": {"auth": ["oauth2"]}}, "extra.auth"),
    ({"extra": {"token_path": "oauth2/token"}}, "extra.token_path"),
    ({"extra": {"token_path": "https://elsewhere.test/token"}}, "extra.token_path"),
    ({"extra": {"token_path": "//elsewhere.test/token"}}, "extra.token_path"),
    ({"extra": {"token_path": "/token?x=1"}}, "extra.token_path"),
    ({"extra": {"connect_timeout": "soon"}}, "extra.connect_timeout"),
    ({"extra": {"connect_timeout": "1_000"}}, "extra.connect_timeout"),
    ({"extra": {"connect_timeout": 0}}, "extra.connect_timeout"),
    ({"extra": {"connect_timeout": -1}}, "extra.connect_timeout"),
    ({"extra": {"connect_timeout": True}}, "extra.connect_timeout"),
    ({"extra": {"read_timeout": "nan"}}, "extra.read_timeout"),
    ({"extra": {"read_timeout": "inf"}}, "extra.read_timeout"),
    ({"extra": {"total_timeout": 0}}, "extra.total_timeout"),
    ({"extra": {"max_response_mib": 0}}, "extra.max_response_mib"),
    ({"extra": {"max_response_mib": 0.5}}, "extra.max_response_mib"),
    ({"extra": {"ca_bundle": "/nowhere/ca.pem"}}, "extra.ca_bundle"),
    ({"extra": {"proxy": "http://"}}, "extra.proxy"),
    ({"extra": {"proxy": "ftp://user:pw@proxy.test"}}, "extra.proxy"),
    ({"extra": {"proxy": "socks5://user:pw@proxy.test:1080"}}, "extra.proxy"),
    ({"extra": {"proxy": "http://proxy.test:port"}}, "extra.proxy"),
    ({"extra": {"limits": "five"}}, "extra.limits"),
    ({"extra": {"limits": "[5]"}}, "extra.limits"),
    ({"extra": {"limits": [5]}}, "extra.limits"),
    ({"extra": {"limits": 5}}, "extra.limits"),
    ({"extra": {"limits": {"writes": 5}}}, "extra.limits.writes"),
    ({"extra": {"limits": {"company_writes": "many"}}}, "extra.limits.company_writes"),
    ({"extra": {"limits": {"company_writes": "1_000"}}}, "extra.limits.company_writes"),
    ({"extra": {"limits": {"company_writes": 10_001}}}, "extra.limits.company_writes"),
    ({"extra": {"limits": {"company_writes": 10**400}}}, "extra.limits.company_writes"),
    ({"extra": {"limits": {"company_writes": 0}}}, "extra.limits.company_writes"),
    ({"extra": {"limits": {"company_writes": 2.5}}}, "extra.limits.company_writes"),
    ({"extra": {"limits": {"company_writes": True}}}, "extra.limits.company_writes"),
    ({"extra": {"limits": {"company_writes": None}}}, "extra.limits.company_writes"),
]


@pytest.mark.parametrize(("invalid", "field"), INVALID, ids=str)
def test_an_error_names_the_invalid_field_and_shows_no_secret(invalid, field):
    with pytest.raises(InvalidConnectionError) as caught:
        read(make_connection(**invalid))
    assert str(caught.value).startswith(f"Connection 'acme', field {field}: ")
    # The traceback of a log shows the errors that an error comes from as well.
    logged = "".join(traceback.format_exception(caught.value))
    assert "ValidationError" not in logged
    for secret in (KEY, "lines-of-a-key", "key…cut", "user:pw"):
        assert secret not in logged


@pytest.mark.parametrize("field", ["login", "password", "host", "schema", *(f"extra.{name}" for name in EXTRA_FIELDS)])
@pytest.mark.parametrize("mask", MASKS)
def test_a_value_that_airflow_has_masked_is_refused(field, mask):
    place, _, name = field.partition(".")
    with pytest.raises(InvalidConnectionError) as caught:
        read(make_connection(**{place: {name: mask} if name else mask}))
    shown = {"login": "login (Company ID or client ID)", "password": "password (API key or client secret)"}
    shown |= dict.fromkeys(("host", "schema"), "host (Base URL)")  # three fields make up the base URL
    assert str(caught.value) == (
        f"Connection 'acme', field {shown.get(field, field)}: was masked by Airflow, enter it again"
    )


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"limits": {"ip_writes": "***"}}, "limits.ip_writes"),
        ({"limits": '{"ip_writes": "***"}'}, "limits.ip_writes"),
        ({"proxy": "****"}, "proxy"),
    ],
)
def test_a_mask_within_a_value_or_of_another_length_is_refused(extra, field):
    with pytest.raises(InvalidConnectionError, match=rf"field extra\.{field}: was masked by Airflow, enter it again"):
        read(make_connection(extra=extra))


@reaches_the_hook
def test_a_masked_extra_is_refused(connect):
    connect(extra="***")
    with pytest.raises(InvalidConnectionError, match="field extra: was masked by Airflow, enter it again"):
        _ = Learning360Hook().api


def test_an_error_names_every_invalid_field():
    with pytest.raises(InvalidConnectionError) as caught:
        read(make_connection(login="", extra={"auth": "basic", "limits": {"writes": 1}}))
    limits = ", ".join(sorted(VERSIONS["v1"].spec.limits))
    assert str(caught.value) == (
        "Connection 'acme', field login (Company ID or client ID): is missing; "
        "field extra.auth: is 'basic', but must be one of oauth2, api_key_header, api_key_query; "
        f"field extra.limits.writes: is not a limit of API v1; its limits are {limits}"
    )


def test_the_representation_of_a_connection_shows_no_secret():
    connection = read(make_connection({"proxy": "http://user:pw@proxy.test:3128"}))
    for shown in (repr(connection), str(connection), repr(connection.settings)):
        assert KEY not in shown
        assert "user:pw" not in shown


@reaches_the_hook
@pytest.mark.parametrize("extra", ["no JSON", "[]", '"text"', "7", ["a list"], 7])
def test_an_extra_that_is_not_a_json_object_is_refused(sandbox, connect, extra):
    connect(extra=extra)
    with pytest.raises(InvalidConnectionError, match="field extra: must be a JSON object"):
        Learning360Hook().api.list_groups()
    assert sandbox.control.journal() == []


@pytest.mark.parametrize("invalid", [{"login": ""}, {"extra": {"auth": "basic"}}], ids=str)
def test_nothing_is_sent_with_an_invalid_connection(sandbox, connect, invalid):
    connect(**invalid)
    with pytest.raises(InvalidConnectionError, match="Connection 'learning360_default', field"):
        Learning360Hook().api.list_groups()
    assert sandbox.control.journal() == []


def test_the_configuration_sets_the_total_timeout_of_connections_without_one(monkeypatch):
    assert read(make_connection()).settings.total_timeout == 120
    monkeypatch.setenv("AIRFLOW__LEARNING360__TOTAL_TIMEOUT", "300")
    assert read(make_connection()).settings.total_timeout == 300
    assert read(make_connection({"total_timeout": 90})).settings.total_timeout == 90


# Airflow 2 sends the fields of its form with a prefix as well.


@pytest.mark.parametrize("name", EXTRA_FIELDS)
def test_reads_fields_with_the_prefix_of_airflow_2(name, values):
    assert read(make_connection({f"extra__learning360__{name}": values[name]})) == read(
        make_connection({name: values[name]})
    )


@pytest.mark.parametrize("prefixed_first", [True, False])
def test_a_field_without_the_prefix_takes_precedence(prefixed_first):
    extra = [("extra__learning360__read_timeout", "5"), ("read_timeout", "7")]
    connection = read(make_connection(dict(extra if prefixed_first else reversed(extra))))
    assert connection.settings.read_timeout == 7


def test_a_prefixed_field_that_is_unknown_is_refused():
    with pytest.raises(InvalidConnectionError, match=r"field extra\.apiversion: is unknown"):
        read(make_connection({"extra__learning360__apiversion": "v1"}))


def test_the_prefix_of_another_connection_type_is_refused():
    with pytest.raises(InvalidConnectionError, match=r"field extra\.extra__http__auth: is unknown"):
        read(make_connection({"extra__http__auth": "oauth2"}))


# Ways to store a connection


def test_reads_a_connection_in_json(connect):
    assert Learning360Hook().api.get_user(user=GRACE_MAIL)["user_id"] == GRACE_ID


def test_reads_a_connection_as_uri(sandbox, connect):
    address = quote(sandbox.url, safe="")
    connect(
        f"learning360://{sandbox.company_id}:{sandbox.api_key}@{address}/"
        "?auth=api_key_header&connect_timeout=5&limits=%7B%22ip_reads%22%3A1000%2C%22company_reads%22%3A1000%7D"
    )
    assert Learning360Hook().api.get_user(user=GRACE_MAIL)["user_id"] == GRACE_ID
    (entry,) = sandbox.control.journal()
    assert entry["auth"] == "headers"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"host": "https://app.us.360learning.com"},
        {"host": "http://127.0.0.1:3600"},
        {"extra": {"auth": "api_key_query", "read_timeout": 5, "limits": {"company_writes": 8}}},
        {"extra": {"proxy": "http://user:p%40w@proxy.test:3128"}},
    ],
    ids=str,
)
def test_a_connection_is_the_same_after_a_round_trip_through_its_uri(fields):
    before = make_connection(**fields)
    after = Connection(conn_id="acme", uri=before.get_uri())
    assert read(after) == read(before)
    assert read(after).settings.api_key == KEY
