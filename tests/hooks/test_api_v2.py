"""Connections to API v2: their fields, what identifies the company, and the connection test."""

from __future__ import annotations

import json
import logging

import pytest
from airflow.models import Connection

from airflow_provider_360learning.connections.learning360 import Learning360Connection
from airflow_provider_360learning.exceptions import InvalidConnectionError, MissingScopeError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook

COMPANY = "64b1f0c2a9d3e40012aa0001"
CLIENT, SECRET = "acme-airflow", "s/e c+ret%41"
STANDS_IN = "has no company_id: its rate limits count per client ID"


def read(login=CLIENT, **extra):
    connection = Connection(
        conn_id="acme",
        conn_type="learning360",
        login=login,
        password=SECRET,
        extra=json.dumps({"api_version": "v2", **extra}),
    )
    return Learning360Connection.read(connection, connection.extra_dejson)


@pytest.fixture
def connect(sandbox, monkeypatch):
    """Return a function that sets the default connection: one to API v2 of the sandbox, with other fields."""

    def connect(*, extra=None, **fields):
        connection = sandbox.connection(api_version="v2")
        connection |= {**fields, "extra": {**connection["extra"], **(extra or {})}}
        monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", json.dumps(connection))

    connect()
    return connect


def test_login_and_password_are_client_id_and_secret():
    settings = read(company_id=COMPANY).settings
    assert (settings.company_id, settings.client_id, settings.api_key) == (COMPANY, CLIENT, SECRET)
    assert settings.auth == "oauth2"
    assert SECRET not in repr(read(company_id=COMPANY))


def test_the_client_id_stands_in_for_a_company_that_is_not_entered():
    connection = read()
    assert (connection.company_id, connection.company_is_unknown) == (CLIENT, True)
    assert not read(company_id=COMPANY).company_is_unknown
    assert not read(login=COMPANY, api_version="v1").company_is_unknown


@pytest.mark.parametrize("auth", ["api_key_header", "api_key_query"])
def test_ways_to_authenticate_that_only_api_v1_has_are_refused_by_field(auth):
    with pytest.raises(InvalidConnectionError, match=f"field extra.auth: '{auth}' is not available in API v2"):
        read(auth=auth)


def test_in_api_v1_the_login_is_the_company_id():
    assert read(login=COMPANY, api_version="v1", company_id=COMPANY).company_id == COMPANY
    with pytest.raises(InvalidConnectionError, match=r"field extra.company_id: is not the login"):
        read(login="other", api_version="v1", company_id=COMPANY)


def test_accepts_the_names_of_the_limits_of_api_v2():
    assert read(limits={"company_writes": 20, "bulk_jobs": 5}).limits == {"company_writes": 20, "bulk_jobs": 5}
    with pytest.raises(InvalidConnectionError, match="is not a limit of API v2; its limits are bulk_jobs, company_"):
        read(limits={"ip_writes": 5})


@pytest.mark.parametrize(
    ("earlier", "current", "field"),
    [
        ({"company_id": COMPANY}, {"company_id": "other"}, "extra.company_id"),
        ({"company_id": COMPANY}, {}, "extra.company_id"),
        ({}, {"login": "other"}, "login"),
        ({}, {"api_version": "v1"}, "extra.api_version"),
    ],
)
def test_work_does_not_continue_in_another_company(earlier, current, field):
    with pytest.raises(InvalidConnectionError, match=f"field {field} .*has changed"):
        read(**current).check_same_company(read(**earlier), "acme")


def test_work_continues_with_another_client_of_the_company():
    read(login="other", company_id=COMPANY).check_same_company(read(company_id=COMPANY), "acme")


def test_clients_of_one_company_share_its_limits(connect):
    keys = []
    for login, company in ((CLIENT, COMPANY), ("other", COMPANY), ("other", None)):
        connect(login=login, extra={"company_id": company})
        limiter = Learning360Hook().api.client.rate_limiter
        keys.append(limiter._key(Learning360Hook().api.client.spec.limits["company_writes"]))
    assert keys[0] == keys[1] != keys[2]


def test_the_log_says_what_a_missing_company_id_means(connect, caplog):
    caplog.set_level(logging.INFO)
    _ = Learning360Hook().api
    assert STANDS_IN not in caplog.text
    connect(extra={"company_id": None})
    _ = Learning360Hook().api
    assert STANDS_IN in caplog.text


# The connection test


def test_reports_the_scopes_that_it_could_prove(sandbox, connect):
    sandbox.control.set_scopes(["users:read", "users:write", "pathStats:read"])
    works, message = Learning360Hook().test_connection()
    assert works
    assert "which have the scopes users:read, pathStats:read and lack groups:read, courses:read" in message
    assert {entry["method"] for entry in sandbox.control.journal()} == {"POST", "GET"}
    assert [entry["operation"] for entry in sandbox.control.journal() if entry["method"] == "POST"] == ["generateToken"]


SCOPES = ("users", "groups", "courses", "courseStats", "paths", "pathStats", "integrations", "customFields")


@pytest.mark.parametrize("scope", [f"{name}:read" for name in SCOPES])
def test_works_with_any_single_scope_for_reading(sandbox, connect, scope):
    sandbox.control.set_scopes([scope])
    works, message = Learning360Hook().test_connection()
    assert (works, f"which have the scopes {scope} and lack" in message) == (True, True)


def test_credentials_without_a_scope_for_reading_do_not_work(sandbox, connect):
    sandbox.control.set_scopes(["users:write"])
    works, message = Learning360Hook().test_connection()
    assert not works
    assert "they have none of the scopes users:read, groups:read" in message
    assert "set the connection's API version to v1" in message


def test_credentials_of_api_v1_are_named_as_the_likely_cause(sandbox, connect):
    connect(login=sandbox.company_id, password=sandbox.api_key)
    works, message = Learning360Hook().test_connection()
    assert not works
    assert "the likely cause is that they are credentials of API v1" in message
    assert sandbox.api_key not in message


def test_a_wrong_secret_is_not_shown(connect):
    connect(password="wrong-secret")
    works, message = Learning360Hook().test_connection()
    assert not works
    assert "check the connection's client ID (login) and client secret (password)" in message
    assert "wrong-secret" not in message


def test_a_task_without_its_scope_fails_with_its_name(sandbox, connect):
    sandbox.control.set_scopes(["users:read"])
    with pytest.raises(MissingScopeError, match="groups:read"):
        Learning360Hook().api.list_groups()
