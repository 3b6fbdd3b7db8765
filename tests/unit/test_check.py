"""What the check says of connection, budget and API. (Pool and exit status: with the real command lines.)"""

from __future__ import annotations

import argparse
import json
import re

import pytest

from airflow_provider_360learning.cli import commands

CONNECTION = {
    "conn_type": "learning360",
    "host": "http://127.0.0.1:9",
    "login": "company",
    "password": "not-a-real-key",
}


@pytest.fixture
def check(airflow_db, monkeypatch, capsys):
    """RowChecker a connection, given as a dict, and return the verdicts by point, and all that was printed."""

    def run(connection=None):
        if connection is not None:
            monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps(connection))
        with pytest.raises(SystemExit) as ended:
            commands.check(argparse.Namespace(conn_id="mine"))
        printed = "".join(capsys.readouterr())
        verdicts = {
            point: verdict
            for verdict, point in re.findall(
                r"^(ok|warn|fail) +(connection|pool|rate limiter|API) ", printed, re.MULTILINE
            )
        }
        assert ended.value.code == (1 if "fail" in verdicts.values() else 0)
        return verdicts, printed

    return run


@pytest.mark.parametrize(
    ("change", "said"),
    [({"login": ""}, "Company ID"), ({"host": "http://learning.example"}, "plain http")],
)
def test_it_names_what_is_wrong_with_the_connection(check, change, said):
    verdicts, printed = check({**CONNECTION, **change})
    assert (verdicts["connection"], verdicts["API"]) == ("fail", "fail")
    assert said in printed


def test_it_says_that_there_is_no_such_connection(check):
    verdicts, printed = check()
    assert (verdicts["connection"], verdicts["API"]) == ("fail", "fail")
    assert "mine" in printed


def test_it_says_that_nobody_listens(check):
    verdicts, printed = check(CONNECTION)
    assert (verdicts["connection"], verdicts["API"]) == ("ok", "fail")
    assert CONNECTION["password"] not in printed


def test_it_tells_a_wrong_key_and_does_not_print_it(check, learning360_sandbox):
    verdicts, printed = check({**learning360_sandbox.connection(), "password": "the-wrong-key"})
    assert (verdicts["connection"], verdicts["API"]) == ("ok", "fail")
    assert "the-wrong-key" not in printed


def test_it_finds_the_api_and_the_right_key(check, learning360_sandbox):
    verdicts, printed = check(learning360_sandbox.connection())
    assert (verdicts["connection"], verdicts["API"]) == ("ok", "ok")
    assert learning360_sandbox.api_key not in printed


def test_it_warns_of_a_budget_that_does_not_fit_the_executor(check, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER", "host")
    assert check()[0]["rate limiter"] == "ok"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert check()[0]["rate limiter"] == "warn"


def test_it_fails_on_a_bad_setting(check, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER", "none")
    verdicts, printed = check()
    assert verdicts["rate limiter"] == "fail"
    assert "[learning360] rate_limiter = 'none'" in printed
