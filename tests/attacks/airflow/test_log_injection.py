"""Servers and files that try to start a line in the log, to control the terminal that shows it, or to reorder text."""

from __future__ import annotations

import argparse
import json
import logging
import re
import time
import traceback
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.cli import commands
from airflow_provider_360learning.operators.certificates import Learning360DownloadCertificateOperator
from airflow_provider_360learning.operators.exports import (
    Learning360ExportGroupsOperator,
)
from airflow_provider_360learning.operators.groups import Learning360CreateGroupOperator
from airflow_provider_360learning.operators.operation import Learning360Operator
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator
from airflow_provider_360learning.rows.folders import OWNER
from airflow_provider_360learning.sensors.bulk_jobs import Learning360BulkJobSensor
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from tests.attacks.hostile_server import hostile_server, response
from tests.rows.support import bulk, make_operator
from tests.unlimited_sandbox import CONNECTION, sandbox, unlimited_server  # noqa: F401 - fixtures

#: Text that starts a line of its own, moves the cursor, sets the title of the terminal, and reverses what follows.
EVIL = (
    "x\r\n[2026-12-01] INFO - Forged line\x1b[2J\x1b]0;title\x07\x9b31m\x85\u2028\u2029\u202egnp.exe\u2066\u200f\ufeff"
)
RAW = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
GROUP_ID = "64b1f0c2a9d3e40012aa0001"


@pytest.fixture
def log(caplog, capsys):
    """Return the lines of the log; operators and sensors of Airflow 3 do not use Python's loggers."""
    caplog.set_level(logging.DEBUG)
    printed: list[str] = []

    def log():
        printed.extend(capsys.readouterr().out.split("\n"))
        names = ("airflow_provider_360learning", "airflow.task", "urllib3")
        return printed + [record.getMessage() for record in caplog.records if record.name.startswith(names)]

    return log


def raw_in(*texts: str) -> list[str]:
    """Return the texts in which something is not escaped."""
    return [text for text in texts if RAW.search(text)]


def shown_by(error: BaseException) -> list[str]:
    """Return the lines of a traceback."""
    return "".join(traceback.format_exception(error)).split("\n")


def failing(operator, log):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - each line of Airflow has its own
        operator.execute({})
    assert raw_in(str(caught.value), *shown_by(caught.value), *log()) == []
    return str(caught.value)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        ("400 No", {"error": EVIL, "error_description": EVIL}),
        ("403 No", {"message": EVIL}),
        ("401 No", {"error": EVIL}),
        ("200 OK", {"error": EVIL}),
    ],
)
def test_an_error_of_the_server(connect_to, log, status, body):
    with hostile_server(lambda request: response(json.dumps(body).encode(), status)) as server:
        connect_to(server.url)
        text = failing(Learning360CreateUserOperator(task_id="create", mail="ana@acme.test"), log)
    assert "401" in status or "x\\r\\n[2026-12-01]" in text


def test_an_error_that_is_retried(connect_to, log):
    body = json.dumps({"error": EVIL}).encode()
    responses = iter([response(body, "500 No"), response(b"[]")])
    with hostile_server(lambda request: next(responses)) as server:
        connect_to(server.url)
        Learning360ExportGroupsOperator(task_id="export", output_path="/nowhere").hook.api.list_groups()
    assert any("retrying" in line and "Forged line" in line for line in log())
    assert raw_in(*log()) == []


def test_the_names_and_ids_of_a_response(connect_to, log):
    def respond(request: bytes):
        if request.startswith(b"POST"):
            return response(json.dumps({"id": EVIL}).encode())
        return response(json.dumps([{"_id": GROUP_ID, "name": EVIL}]).encode())

    with hostile_server(respond) as server:
        connect_to(server.url)
        operator = Learning360CreateGroupOperator(task_id="create", name="Lab", parent_id=GROUP_ID)
        operator.execute({})
    assert any("Created group Lab" in line for line in log())
    assert raw_in(*log()) == []


def test_the_path_of_an_export(connect_to, tmp_path, log):
    """It may come from another task."""
    with hostile_server(lambda request: response(b"[]")) as server:
        connect_to(server.url)
        path = str(tmp_path / "groups\n[2026-12-01] INFO\x1b[2J.jsonl")
        Learning360ExportGroupsOperator(task_id="export", output_path=path).execute({})
    assert any("Exported 0 groups to" in line and "groups\\n[2026-12-01] INFO\\x1b[2J.jsonl" in line for line in log())
    assert raw_in(*log()) == []


@pytest.mark.parametrize("is_certificate", [False, True])
def test_the_path_of_a_file_that_an_operator_writes(connect_to, tmp_path, log, is_certificate):
    """Neither does that of any other operator: see ``test_no_class_uses_the_logger_that_airflow_gives_it``."""
    user = {"_id": GROUP_ID, "mail": "ana@acme.test", "status": "active", "lang": "en"}
    token = {"access_token": "t", "expires_in": 3600}

    def respond(request: bytes):
        target = request.split()[1]
        if target.endswith(b"/pdf"):
            return response(b"%PDF-1.4", headers=["Connection: close"])
        found = token if b"oauth2" in target else user if target.endswith(GROUP_ID.encode()) else []
        return response(json.dumps(found).encode(), headers=["Connection: close"])

    path = str(tmp_path / "a\n[2026-12-01] INFO\x1b[31m\u202e.jsonl")
    with hostile_server(respond) as server:
        connect_to(server.url, api_version="v2", auth="oauth2", company_id="c" * 24, limits={})
        if is_certificate:
            Learning360DownloadCertificateOperator(
                task_id="one", user=GROUP_ID, certificate_id=GROUP_ID, output_path=path
            ).execute({})
        else:
            Learning360Operator(task_id="one", operation="getGroups", output_path=path).execute({})
    assert any("a\\n[2026-12-01] INFO\\x1b[31m\\u202e.jsonl" in line for line in log())
    assert raw_in(*log()) == []


def test_the_error_of_a_poll_that_is_tolerated(connect_to, log):
    with hostile_server(lambda request: response(json.dumps({"error": EVIL}).encode(), "500 No")) as server:
        connect_to(server.url)
        sensor = Learning360CourseCompletionSensor(task_id="wait", course_id=GROUP_ID, user="ana@acme.test", timeout=60)
        assert not sensor.poke({}).is_done
    assert any("Poll failed" in line for line in log())
    assert raw_in(*log()) == []


def test_the_failure_of_a_bulk_job(connect_to, log):
    """Its error, and its id, which another than the one of the request may be."""
    job = {"_id": EVIL, "type": EVIL, "status": "error", "createdAt": "2026-01-01T12:00:00.000Z", "errorMessage": EVIL}

    def respond(request: bytes):
        target = request.split()[1]
        token = {"access_token": "t" * 20, "expires_in": 3600}
        found = token if b"oauth2" in target else [] if target.endswith(b"/results") else job
        return response(json.dumps(found).encode(), headers=["Connection: close"])

    with hostile_server(respond) as server:
        connect_to(server.url, api_version="v2", auth="oauth2", company_id="c" * 24, limits={})
        sensor = Learning360BulkJobSensor(task_id="wait", job_id=GROUP_ID)
        with pytest.raises(AirflowFailException, match="ended with an error") as caught:
            sensor.poke({})
    assert raw_in(str(caught.value), *shown_by(caught.value), *log()) == []


def test_what_the_command_prints(monkeypatch, capsys, connect_to):
    monkeypatch.setenv("_AIRFLOW_PROCESS_CONTEXT", "")  # restored afterwards, because the command changes it
    with hostile_server(lambda request: response(json.dumps({"error": EVIL}).encode(), "403 No")) as server:
        connect_to(server.url)
        with pytest.raises(SystemExit):
            commands.check(argparse.Namespace(conn_id="learning360_default", scopes=False))
    printed = capsys.readouterr().out
    assert "Forged line" in printed
    assert raw_in(*printed.split("\n")) == []


# Files

CSV = {
    "a column": f'mail,"{EVIL}"\nana@acme.test,1\n',
    "all columns": f'"{EVIL}"\n1\n',
    "a value": f'mail,first_name\nana@acme.test,"{EVIL}"\n',
    "a key": f'mail,first_name\n"{EVIL}",Ana\n',
    "a row of other length": f'mail,first_name\nana@acme.test,"{EVIL}",3\n',
    "an open quotation mark": f'mail,first_name\nana@acme.test,"{EVIL}\n',
    "two rows of one key": f'mail,labels\n"{EVIL}@x",a\n"{EVIL}@x",a\n',
}


@pytest.mark.parametrize("text", CSV.values(), ids=CSV)
def test_a_csv_file(sandbox, tmp_path, log, text):  # noqa: F811 - the fixture
    source = tmp_path / "people.csv"
    source.write_bytes(text.encode())
    failing(make_operator("create_user", str(source), results_path=tmp_path / "r"), log)


JSON_LINES = [
    json.dumps({"mail": "ana@acme.test", EVIL: 1}),
    json.dumps({"mail": "ana@acme.test", "first_name": {EVIL: EVIL}}),
    json.dumps({"mail": EVIL}),
    f'{{"mail": "a@b.test", {json.dumps(EVIL)}: 1, {json.dumps(EVIL)}: 2}}',
    EVIL.replace("\n", "").replace("\r", ""),
]


@pytest.mark.parametrize("line", JSON_LINES, ids=ascii)
def test_a_json_lines_file(sandbox, tmp_path, log, line):  # noqa: F811 - the fixture
    source = tmp_path / "people.jsonl"
    source.write_bytes(line.encode() + b"\n")
    failing(make_operator("create_user", str(source), results_path=tmp_path / "r"), log)


@pytest.mark.parametrize("name", ["people\n[2026-12-01] INFO\x1b[2J.csv", "people\u202evsc.exe.csv"], ids=ascii)
@pytest.mark.parametrize("exists", [True, False])
def test_the_name_of_a_file(sandbox, tmp_path, log, name, exists):  # noqa: F811 - the fixture
    source = tmp_path / name
    if exists:
        source.write_text("mail,nonsense\nana@acme.test,1\n")
    failing(make_operator("create_user", str(source), results_path=tmp_path / "r"), log)


def test_skipped_rows_and_the_result_of_the_task(sandbox, tmp_path, log):  # noqa: F811 - the fixture
    rows = [{"mail": "ana@acme.test"}, {"mail": EVIL}, {"mail": "bob@acme.test", "first_name": EVIL}]
    result = bulk("create_user", rows, results_path=tmp_path, on_invalid="skip")
    assert raw_in(*log()) == []
    assert raw_in(*(str(value) for row in result["first_rejected"] for value in row.values())) == []


def test_rows_that_the_server_refuses(connect_to, tmp_path, log):
    context: dict[str, object] = {}
    with hostile_server(lambda request: response(json.dumps({"error": EVIL}).encode(), "400 No")) as server:
        connect_to(server.url)
        with pytest.raises(AirflowFailException) as caught:
            bulk("create_user", [{"mail": "ana@acme.test"}], results_path=tmp_path, context=context)
    assert raw_in(str(caught.value), *log(), *str(context["run_report"]).split("\n")) == []


def test_the_name_of_the_owner_of_a_folder(sandbox, tmp_path, log):  # noqa: F811 - the fixture
    """The claim was written by another task, or by another user of a shared folder."""
    claim = {"version": 1, "owner": EVIL, "token": "t", "until": time.time() + 60}
    Path(tmp_path, OWNER).write_text(json.dumps(claim))
    assert "is in use by x\\r\\n" in failing(
        make_operator("create_user", [{"mail": "a@b.test"}], results_path=tmp_path), log
    )


def test_a_stored_file_of_an_earlier_attempt(sandbox, tmp_path, log):  # noqa: F811 - the fixture
    Path(tmp_path, OWNER).write_text(json.dumps({"version": EVIL}))
    failing(make_operator("create_user", [{"mail": "a@b.test"}], results_path=tmp_path), log)


def test_the_fields_of_a_connection(monkeypatch, log):
    fields = {
        "conn_type": "learning360",
        "host": EVIL,
        "login": EVIL,
        "password": EVIL,
        "extra": {EVIL: EVIL, "auth": EVIL},
    }
    monkeypatch.setenv(CONNECTION, json.dumps(fields))
    failing(Learning360CreateUserOperator(task_id="create", mail="ana@acme.test"), log)
