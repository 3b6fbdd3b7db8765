"""An Airflow connection becomes the way to the API, or one error that names the field."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from airflow.models import Connection

from airflow_provider_360learning.api.types import Settings
from airflow_provider_360learning.connections.learning360 import read_connection
from airflow_provider_360learning.exceptions import InvalidConnectionError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL

ID = "64b1f0c2a9d3e40012aa0001"
KEY = "k/e y+%41&?#@:"


def read(connection):
    return read_connection(connection, connection.extra_dejson)


def made_of(extra=None, **fields):
    text = extra if isinstance(extra, str) else json.dumps(extra or {})
    return Connection(
        **{"conn_id": "acme", "conn_type": "learning360", "login": ID, "password": KEY, **fields}, extra=text
    )


def test_company_and_key_are_all_it_takes():
    facts = read(made_of())
    assert facts.settings == Settings("https://app.360learning.com", ID, KEY)
    assert facts.settings.auth == "oauth2"
    assert (facts.settings.connect_timeout, facts.settings.read_timeout) == (10, 60)
    assert (facts.api_version, facts.limits) == ("v1", {})


def test_every_field(tmp_path):
    (tmp_path / "ca.pem").write_text("")
    facts = read(
        made_of(
            host="https://app.us.360learning.com/",
            extra={
                "api_version": "v1",
                "auth": "api_key_header",
                "token_path": "/oauth/token",
                "connect_timeout": 2.5,
                "read_timeout": 30,
                "ca_bundle": str(tmp_path / "ca.pem"),
                "proxy": "http://user:pw@proxy.test:3128",
                "limits": {"company_writes": 8, "createOrInviteUser": 4},
            },
        )
    )
    assert facts.settings == Settings(
        "https://app.us.360learning.com",
        ID,
        KEY,
        auth="api_key_header",
        token_path="/oauth/token",
        connect_timeout=2.5,
        read_timeout=30,
        ca_bundle=str(tmp_path / "ca.pem"),
        proxy="http://user:pw@proxy.test:3128",
    )
    assert facts.limits == {"company_writes": 8, "createOrInviteUser": 4}


def test_forms_of_older_airflows_give_texts():
    texts = {
        "connect_timeout": "2.5",
        "read_timeout": " 30 ",
        "limits": '{"company_writes": "8"}',
        "proxy": "",
        "auth": "",
    }
    facts = read(made_of(texts))
    assert (facts.settings.connect_timeout, facts.settings.read_timeout) == (2.5, 30)
    assert facts.limits == {"company_writes": 8}
    assert (facts.settings.proxy, facts.settings.auth) == (None, "oauth2")


def test_what_is_left_empty_has_its_default():
    nulls = dict.fromkeys(
        ["api_version", "auth", "token_path", "connect_timeout", "read_timeout", "ca_bundle", "proxy", "limits"]
    )
    assert read(made_of(nulls)) == read(made_of())


@pytest.mark.parametrize(
    ("fields", "base_url"),
    [
        ({"host": ""}, "https://app.360learning.com"),
        ({"host": "app.us.360learning.com"}, "https://app.us.360learning.com"),
        ({"host": " https://App.US.360learning.com/ "}, "https://app.us.360learning.com"),
        ({"host": "https://learning.test:8443"}, "https://learning.test:8443"),
        ({"host": "learning.test", "port": 8443}, "https://learning.test:8443"),
        ({"host": "http://127.0.0.1:3600"}, "http://127.0.0.1:3600"),
        ({"host": "http://localhost:3600"}, "http://localhost:3600"),
        ({"host": "http://[::1]:3600"}, "http://[::1]:3600"),
        ({"host": "127.0.0.1", "schema": "http", "port": 3600}, "http://127.0.0.1:3600"),
    ],
)
def test_the_base_url(fields, base_url):
    assert read(made_of(**fields)).settings.base_url == base_url


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"login": ""}, r"login \(Company ID\)"),
        ({"login": None}, r"login \(Company ID\)"),
        ({"login": "  "}, r"login \(Company ID\)"),
        ({"password": ""}, r"password \(API key\)"),
        ({"password": None}, r"password \(API key\)"),
        ({"password": "two\nlines-of-a-key"}, r"password \(API key\)"),
        ({"password": "key…cut"}, r"password \(API key\)"),
        ({"host": "http://app.360learning.com"}, r"host \(Base URL\)"),
        ({"host": "http://10.0.0.1"}, r"host \(Base URL\)"),
        ({"host": "http://127.0.0.1.example.com"}, r"host \(Base URL\)"),
        ({"host": "app.360learning.com", "schema": "http"}, r"host \(Base URL\)"),
        ({"host": "ftp://app.360learning.com"}, r"host \(Base URL\)"),
        ({"host": "https://"}, r"host \(Base URL\)"),
        ({"host": "https://app.360learning.com/api/v1"}, r"host \(Base URL\)"),
        ({"host": "https://app.360learning.com?x=1"}, r"host \(Base URL\)"),
        ({"host": "https://app.360learning.com:99999"}, r"host \(Base URL\)"),
        ({"host": "https://user:pw@app.360learning.com"}, r"host \(Base URL\)"),
        ({"host": "https://two words.com"}, r"host \(Base URL\)"),
        ({"host": "https://two..dots.com"}, r"host \(Base URL\)"),
        ({"extra": {"apiversion": "v1"}}, "extra.apiversion"),
        ({"extra": {"api_version": "v3"}}, "extra.api_version"),
        ({"extra": {"auth": "basic"}}, "extra.auth"),
        ({"extra": {"auth": ["oauth2"]}}, "extra.auth"),
        ({"extra": {"token_path": "oauth2/token"}}, "extra.token_path"),
        ({"extra": {"token_path": "https://elsewhere.test/token"}}, "extra.token_path"),
        ({"extra": {"token_path": "//elsewhere.test/token"}}, "extra.token_path"),
        ({"extra": {"token_path": "/token?x=1"}}, "extra.token_path"),
        ({"extra": {"connect_timeout": "soon"}}, "extra.connect_timeout"),
        ({"extra": {"connect_timeout": 0}}, "extra.connect_timeout"),
        ({"extra": {"connect_timeout": -1}}, "extra.connect_timeout"),
        ({"extra": {"connect_timeout": True}}, "extra.connect_timeout"),
        ({"extra": {"read_timeout": "nan"}}, "extra.read_timeout"),
        ({"extra": {"read_timeout": "inf"}}, "extra.read_timeout"),
        ({"extra": {"ca_bundle": "/nowhere/ca.pem"}}, "extra.ca_bundle"),
        ({"extra": {"proxy": "http://"}}, "extra.proxy"),
        ({"extra": {"proxy": "ftp://proxy.test"}}, "extra.proxy"),
        ({"extra": {"proxy": "http://proxy.test:port"}}, "extra.proxy"),
        ({"extra": {"limits": "five"}}, "extra.limits"),
        ({"extra": {"limits": "[5]"}}, "extra.limits"),
        ({"extra": {"limits": [5]}}, "extra.limits"),
        ({"extra": {"limits": 5}}, "extra.limits"),
        ({"extra": {"limits": {"writes": 5}}}, "extra.limits.writes"),
        ({"extra": {"limits": {"company_writes": "many"}}}, "extra.limits.company_writes"),
        ({"extra": {"limits": {"company_writes": 0}}}, "extra.limits.company_writes"),
        ({"extra": {"limits": {"company_writes": 2.5}}}, "extra.limits.company_writes"),
        ({"extra": {"limits": {"company_writes": True}}}, "extra.limits.company_writes"),
        ({"extra": {"limits": {"company_writes": None}}}, "extra.limits.company_writes"),
    ],
    ids=str,
)
def test_a_malformed_field_is_named(wrong, field):
    with pytest.raises(
        InvalidConnectionError, match=rf"^Connection 'acme', field {field}: .*\. Nothing was sent\.$"
    ) as caught:
        read(made_of(**wrong))
    for secret in (KEY, "lines-of-a-key", "user:pw"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("extra", ["no JSON", "[]", '"text"', "7", ["a list"], 7])
def test_an_extra_that_is_no_object_is_named(sandbox, connect, extra):
    connect(extra=extra)
    with pytest.raises(InvalidConnectionError, match="field extra: must be a JSON object"):
        Learning360Hook().api.list_groups()
    assert sandbox.control.journal() == []


@pytest.mark.parametrize("problem", [{"login": ""}, {"extra": {"auth": "basic"}}], ids=str)
def test_of_a_malformed_connection_nothing_is_sent(sandbox, connect, problem):
    connect(**problem)
    with pytest.raises(InvalidConnectionError, match="Connection 'learning360_default', field"):
        Learning360Hook().api.list_groups()
    assert sandbox.control.journal() == []


# The ways to write a connection down


def test_a_connection_as_json(connect):
    assert Learning360Hook().api.get_user(user=GRACE_MAIL)["user_id"] == GRACE_ID


def test_a_connection_as_uri(sandbox, connect):
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
def test_a_connection_survives_being_written_as_uri(fields):
    before = made_of(**fields)
    after = Connection(conn_id="acme", uri=before.get_uri())
    assert read(after) == read(before)
    assert read(after).settings.api_key == KEY
