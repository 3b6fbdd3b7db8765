"""Texts of files, servers and options that commands print: they neither start a line nor control the terminal."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_360learning.cli.definition import main
from airflow_provider_360learning.sandbox.control import SandboxControl
from tests.attacks.airflow.test_log_injection import EVIL, RAW

#: Part of a path, which can contain neither the end of a text nor a slash.
NAME = "x\nForged\x1b[2J\x1b]0;title\x07\x9b31m\u2028\u202egnp.exe\u2066"

DAG = f"""
from airflow_provider_360learning.operators.operation import Learning360Operator
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator
try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG

with DAG("hostile", schedule=None):
    Learning360Operator(task_id="unknown", operation={EVIL!r}, learning360_conn_id={EVIL!r})
    Learning360Operator(task_id="parameters", operation="getUsers", query={{{EVIL!r}: 1}})
    Learning360CreateUserOperator(task_id="create", mail="ana@acme.test", role={EVIL!r})
"""


@pytest.fixture
def printed(capsys, monkeypatch):
    """Return a function that runs a command, and returns the lines that it prints."""
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")  # restored afterwards, because a command changes it

    def run(*command: str) -> list[str]:
        capsys.readouterr()
        message: object = None
        try:
            main(command)
        except SystemExit as end:
            message = end.code
        shown = capsys.readouterr()
        lines = [*shown.out.splitlines(), *shown.err.splitlines()]
        return [*lines, *message.split("\n")] if isinstance(message, str) else lines

    return run


def assert_escaped(lines: list[str]) -> None:
    assert any("Forged" in line for line in lines)
    assert [line for line in lines if RAW.search(line) or line.startswith("Forged")] == []


URL_FILES = {
    "missing": None,
    "no URL": b"x",
    "no UTF-8": b"\xff\x1b[2J",
    "no server": b"http://127.0.0.1:9/_sandbox/token",
    "another scheme": b"file:///etc/passwd/_sandbox/token",
}


@pytest.mark.parametrize("content", URL_FILES.values(), ids=list(URL_FILES))
def test_the_file_of_the_control_url(printed, tmp_path, content):
    file = tmp_path / NAME
    if content is not None:
        file.write_bytes(content)
    assert_escaped(printed("sandbox", "--url-file", str(file), "--add-api-key"))


SEEDS = {
    "unknown key": {EVIL: 1},
    "unknown parent": {"groups": [{"name": "Lab", "parent": EVIL}]},
    "unknown group": {"users": [{"mail": "ana@acme.test", "groups": [EVIL]}]},
    "two groups": {"groups": [{"name": f"{NAME}"}, {"name": f"{NAME}"}]},
}


@pytest.mark.parametrize("seed", SEEDS.values(), ids=list(SEEDS))
def test_the_seed_file_of_the_sandbox(printed, tmp_path, seed):
    file = tmp_path / f"{NAME}.json"
    file.write_text(json.dumps(seed))
    assert_escaped(printed("sandbox", "--port", "0", "--seed", str(file)))


@pytest.mark.parametrize(
    "options", [["--seed", f"/nowhere/{NAME}"], ["--host", NAME], ["--settings", json.dumps({NAME: 1})]]
)
def test_the_options_of_the_sandbox(printed, options):
    assert_escaped(printed("sandbox", "--port", "0", *options))


def test_the_state_file_of_the_sandbox(printed, tmp_path):
    file = tmp_path / NAME
    file.write_text('{"x\x1b[2J')
    assert_escaped(printed("sandbox", "--port", "0", "--state", str(file)))


@pytest.mark.parametrize("command", [["operations", NAME], ["migrate", f"/nowhere/{NAME}"]])
def test_what_was_not_found(printed, command):
    assert_escaped(printed(*command))


def test_the_dags_that_are_to_be_migrated(printed, tmp_path):
    Path(tmp_path, "hostile.py").write_text(DAG)
    findings = [line for line in printed("migrate", str(tmp_path)) if re.match("CHANGE|note|Forged", line)]
    assert_escaped(findings)


def test_a_control_url_leads_to_a_server_and_to_no_file(tmp_path):
    with pytest.raises(ValueError, match="is not a control URL"):
        SandboxControl(f"file://{tmp_path}/_sandbox/token")
