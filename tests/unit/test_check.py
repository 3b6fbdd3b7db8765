"""The commands `check` and `pool`, called as functions; tests/airflow/test_commands.py runs the real command lines."""

from __future__ import annotations

import argparse
import json
import re

import pytest
from airflow.models import Connection
from airflow.utils.session import create_session
from sqlalchemy import text

from airflow_provider_360learning.cli import commands

CONNECTION = {
    "conn_type": "learning360",
    "host": "http://127.0.0.1:9",
    "login": "company",
    "password": "not-a-real-key",
}


@pytest.fixture
def check(airflow_db, monkeypatch, capsys):
    """Return a function that checks a connection, and returns the statuses by part, and the output."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")  # restored afterwards, because the command changes it

    def run(connection=None, *, scopes=False):
        if connection is not None:
            monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps(connection))
        with pytest.raises(SystemExit) as ended:
            commands.check(argparse.Namespace(conn_id="mine", scopes=scopes))
        printed = "".join(capsys.readouterr())
        statuses = {
            part: status
            for status, part in re.findall(
                r"^(ok|warn|fail) +(connection|pool|rate limiter|API) ", printed, re.MULTILINE
            )
        }
        assert ended.value.code == (1 if "fail" in statuses.values() else 0)
        return statuses, printed

    return run


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"login": ""}, "Company ID"), ({"host": "http://learning.example"}, "plain http")],
)
def test_names_the_invalid_field_of_the_connection(check, change, problem):
    statuses, printed = check({**CONNECTION, **change})
    assert (statuses["connection"], statuses["API"]) == ("fail", "fail")
    assert problem in printed


def test_says_how_to_define_a_missing_connection(check, monkeypatch, learning360_sandbox):
    statuses, printed = check()
    assert (statuses["connection"], statuses["API"]) == ("fail", "fail")
    (line,) = [line for line in printed.splitlines() if line.startswith("fail  connection")]
    assert "'mine' is not defined" in line
    assert "(Admin, Connections, type 360Learning)" in line
    name, text = re.search(r"set (\w+)='(.*)'$", line).groups()
    assert name == "AIRFLOW_CONN_MINE"
    example = {"host": learning360_sandbox.url, **json.loads(text)}
    for placeholder, value in ("<company ID>", "company_id"), ("<API key>", "api_key"):
        (field,) = [field for field, text in example.items() if text == placeholder]
        example[field] = getattr(learning360_sandbox, value)
    assert check(example)[0]["API"] == "ok"


def test_a_database_that_cannot_be_read_is_not_a_missing_connection(check):
    def rename(table, name):
        with create_session() as session:
            session.execute(text(f"ALTER TABLE {table} RENAME TO {name}"))

    rename("slot_pool", "moved")
    try:
        _, printed = check()
    finally:
        rename("moved", "slot_pool")
    (line,) = [line for line in printed.splitlines() if line.startswith("fail  connection")]
    assert "'mine' was not found, and Airflow's database cannot be used from here (" in line
    assert "run `airflow db migrate`" in line


def test_finds_a_connection_of_the_database(check, learning360_sandbox):
    fields = learning360_sandbox.connection()
    with create_session() as session:
        session.add(Connection("mine", **{**fields, "extra": json.dumps(fields["extra"])}))
    try:
        statuses, _ = check()
    finally:
        with create_session() as session:
            session.delete(session.query(Connection).filter_by(conn_id="mine").one())
    assert (statuses["connection"], statuses["API"]) == ("ok", "ok")


def test_reports_an_unreachable_server(check):
    statuses, printed = check(CONNECTION)
    assert (statuses["connection"], statuses["API"]) == ("ok", "fail")
    assert CONNECTION["password"] not in printed


def test_reports_a_wrong_api_key_without_printing_it(check, learning360_sandbox):
    statuses, printed = check({**learning360_sandbox.connection(), "password": "the-wrong-key"})
    assert (statuses["connection"], statuses["API"]) == ("ok", "fail")
    assert "the-wrong-key" not in printed


def test_passes_with_valid_credentials(check, learning360_sandbox):
    statuses, printed = check(learning360_sandbox.connection())
    assert (statuses["connection"], statuses["API"]) == ("ok", "ok")
    assert learning360_sandbox.api_key not in printed


def test_warns_of_a_rate_limiter_that_does_not_fit_the_executor(check, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER", "host")
    assert check()[0]["rate limiter"] == "ok"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert check()[0]["rate limiter"] == "warn"


def test_fails_on_an_invalid_setting(check, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER", "none")
    statuses, printed = check()
    assert statuses["rate limiter"] == "fail"
    assert "[learning360] rate_limiter = 'none'" in printed


def test_pool_reports_an_invalid_setting_in_one_line(airflow_db, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__POOL_SLOTS", "none")
    with pytest.raises(SystemExit) as ended:
        commands.pool(argparse.Namespace())
    assert str(ended.value).startswith("Pool not created: Airflow configuration [learning360] pool_slots = 'none': ")


def test_lists_the_scopes_that_operators_need_and_which_ones_are_granted(check, learning360_sandbox):
    learning360_sandbox.control.set_scopes(["users:read", "users:write"])
    statuses, printed = check(learning360_sandbox.connection(api_version="v2"), scopes=True)
    assert statuses["API"] == "ok"
    lines = printed.splitlines()
    assert any(line.startswith("ok    scope        users:read: granted; needed by ") for line in lines)
    assert any(line.startswith("warn  scope        groups:read: not granted; needed by ") for line in lines)
    assert any(line.startswith("info  scope        users:write: not tested; needed by ") for line in lines)
    assert any(
        re.match(r"warn  operator     Learning360ExportGroupsOperator: groups:read; not granted", one) for one in lines
    )


def test_api_v1_has_no_scopes(check, learning360_sandbox):
    _, printed = check(learning360_sandbox.connection(), scopes=True)
    assert "ok    scope        API v1 has no scopes" in printed.splitlines()


def test_says_what_a_missing_company_id_means(check, learning360_sandbox):
    connection = learning360_sandbox.connection(api_version="v2")
    del connection["extra"]["company_id"]
    statuses, printed = check(connection)
    assert (statuses["connection"], statuses["API"]) == ("warn", "ok")
    assert "has no company_id: its rate limits count per client ID" in printed
