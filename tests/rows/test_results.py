"""The files of a run: one result per row, rejected rows, a manifest at the end, and never a password."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.models.external import ExternalCourse, ExternalStatistic
from airflow_provider_360learning.files.formats import read
from airflow_provider_360learning.files.records import REJECTED_COLUMNS
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.rows.results import Result
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_MAIL, SALES_GROUP_ID
from tests.rows.support import (
    bulk,
    bulk_failing,
    files_in,
    mails,
    manifest_in,
    outcomes_in,
    people,
    put,
    put_csv,
    put_json_lines,
    put_parquet,
    put_table,
    rejected_in,
    results_in,
    writes,
)
from tests.unlimited_sandbox import after_requests

REFUSED = "zoe@elsewhere.test"


@pytest.fixture
def sandbox(sandbox):
    sandbox.control.settings(mails_of_other_companies=[REFUSED])
    return sandbox


# Results


def test_writes_one_result_per_row(sandbox, results):
    sandbox.control.add_fault("deleteUser", kind="status", status=503, mentions=ADMIN_MAIL)
    rows = [{"user": GRACE_MAIL}, {"user": "x@acme.test"}, {"user": ADMIN_MAIL}, {"user": "absent"}]
    with pytest.raises(AirflowFailException, match="2 of 4 rows are refused, failed or unknown"):
        bulk(
            "delete_user",
            rows,
            results_path=results,
            defaults={"if_missing": "fail"},
            on_invalid="skip",
            impatient=True,
        )
    lines = results_in(results)
    messages = [line.pop("message") for line in lines]
    nothing = {"id": None, "error_code": None, "retryable": False, "line": None, "user": None}
    assert lines[:2] == [
        {"row": 1, "key": GRACE_MAIL, "outcome": "deleted", **nothing, "user": GRACE_MAIL},
        {"row": 2, "key": "x@acme.test", "outcome": "refused", **nothing, "error_code": "user_not_found"},
    ]
    assert lines[2] | {"error_code": "…"} == {
        **{"row": 3, "key": ADMIN_MAIL, "outcome": "failed"},
        **{**nothing, "error_code": "…", "retryable": True},
    }
    assert lines[3] == {"row": 4, "key": "absent", "outcome": "invalid", **nothing, "error_code": "invalid"}
    assert messages[0] is None
    assert "check the id or email address" in messages[1]
    assert "360Learning failed" in messages[2]
    assert "must be an email address or an id" in messages[3]
    assert list(results_in(results)[0]) == list(Result.__dataclass_fields__), "the columns that docs/bulk.md lists"


def test_results_are_in_the_order_of_the_rows(sandbox, results):
    for number in range(1, 60, 7):
        sandbox.control.add_fault("createOrInviteUser", kind="delay", seconds=0.2, mentions=f"person{number}@")
    bulk("create_user", people(150), results_path=results)
    assert [result["row"] for result in results_in(results)] == list(range(1, 151))
    assert [result["key"] for result in results_in(results)] == [row["mail"] for row in people(150)]


# Rejected rows


def test_rejected_rows_of_a_csv_file_have_its_columns_and_separator(sandbox, place):
    text = (
        "E-Mail;Vorname;Art;Bemerkung\n"
        "ana@acme.test;Ana;create_active;\n"
        f'{REFUSED};"Zoë; the second";create_active;"says ""hi"""\n'
        "bo@acme.test;Bo;create_active\n"
        "cy;Cy;;\n"
    )
    renames = {"E-Mail": "mail", "Vorname": "first_name", "Art": "mode", "Bemerkung": None}
    arguments = {"results_path": f"{place}/results", "column_mapping": renames, "on_invalid": "skip", "max_failures": 1}
    done = bulk("create_user", put(f"{place}/in.csv", text), **arguments)
    header, *lines = files_in(f"{place}/results")["rejected/rejected.csv"].decode().splitlines()
    expected, _, *rejected = text.splitlines()
    assert header == f"{expected};rejected_row;rejected_reason"
    numbered = zip(lines, rejected, (2, 3, 4), strict=True)
    assert all(line.startswith(f"{row};{number};") for line, row, number in numbered)
    reasons = ("unavailableEmails", "has 3 cells", "must be an email")
    assert all(reason in line for line, reason in zip(lines, reasons, strict=True))
    # They can be used as input.
    again = bulk_failing("create_user", done["rejected_path"], **arguments | {"results_path": f"{place}/again"})
    assert (again["rows"], again["outcomes"]) == (3, {"invalid": 2, "refused": 1})


def test_rejected_rows_of_json_lines_keep_columns_of_their_own(sandbox, place):
    rows = [{"mail": REFUSED, "labels": ["a", "b"]}, {"mail": "ana", "lang": "fr", "first_name": None}, *people(1)]
    bulk(
        "create_user",
        put_json_lines(f"{place}/in.jsonl", rows),
        results_path=f"{place}/r",
        on_invalid="skip",
        max_failures=1,
    )
    assert rejected_in(f"{place}/r/rejected/rejected.jsonl") == rows[:2]


def test_rejected_rows_of_a_parquet_file_are_json_lines(sandbox, tmp_path):
    time = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
    rows = [
        {"user": user, "custom": 7, "to_be_deactivated_at": time, "password": "planted-secret"}
        for user in ("x@acme.test", GRACE_MAIL, "absent")
    ]
    file = put_parquet(tmp_path / "in.parquet", rows)
    bulk("update_user", file, results_path=tmp_path / "r", on_invalid="skip", max_failures=1)
    assert rejected_in(tmp_path / "r/rejected/rejected.jsonl") == [
        {**row, "to_be_deactivated_at": "2027-01-01T00:00:00+00:00", "password": None} for row in (rows[0], rows[2])
    ]


def test_rejected_rows_of_lists_and_queries_are_json_lines(sandbox, tmp_path, monkeypatch):
    rows = [{"mail": REFUSED, "first_name": "Zoe"}, {"mail": "x", "first_name": "X"}]
    put_table(tmp_path / "hr.db", rows)
    monkeypatch.setenv("AIRFLOW_CONN_HR", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "hr.db")}))
    for folder, source in (("list", {"rows": rows}), ("sql", {"sql": "SELECT * FROM people", "sql_conn_id": "hr"})):
        arguments = {"results_path": tmp_path / folder, "on_invalid": "skip", "max_failures": 1}
        bulk_failing("create_user", **source, **arguments)
        assert rejected_in(tmp_path / folder / "rejected/rejected.jsonl") == rows


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_rejected_rows_state_their_number_and_reason_which_are_ignored_and_replaced_when_they_are_read(
    sandbox, tmp_path, kind
):
    rows = [*people(2), {"mail": "ana", "mode": "invite"}, {"mail": REFUSED, "mode": "invite"}]
    put_rows = {"csv": put_csv, "jsonl": put_json_lines}[kind]
    arguments = {"on_invalid": "skip", "max_failures": 1}

    def numbers_and_reasons(done):
        return [
            (int(row["rejected_row"]), row["rejected_reason"].partition(",")[0].partition(" [")[0])
            for _, _, row, _ in read(done["rejected_path"])
        ]

    file = put_rows(tmp_path / f"in.{kind}", rows)
    done = bulk("create_user", file, results_path=tmp_path / "first", **arguments)
    found = numbers_and_reasons(done)
    assert [number for number, _ in found] == [3, 4]
    assert found[0][1] == "mail is 'ana'"

    back = tmp_path / f"back.{kind}"
    back.write_text(storage_path(done["rejected_path"]).read_text().replace("ana", "eva@acme.test", 1))
    done = bulk("create_user", str(back), results_path=tmp_path / "second", **arguments)
    assert done["outcomes"] == {"invited": 1, "refused": 1}
    assert numbers_and_reasons(done) == [(2, found[1][1])]
    (row,) = [row for _, _, row, _ in read(done["rejected_path"])]
    assert list(row) == ["mail", "mode", "rejected_row", "rejected_reason"]


@pytest.mark.parametrize("column", ["rejected_row", "rejected_reason"])
def test_a_column_of_the_source_is_not_used_if_rejected_rows_overwrite_it(sandbox, tmp_path, column):
    file = put_csv(tmp_path / "in.csv", [{"mail": "ana", column: "Clerk"}, {"mail": "bo@acme.test", column: "Cook"}])
    with pytest.raises(AirflowFailException, match=f"column_mapping uses the column {column}, .* rename the column"):
        bulk("create_user", file, column_mapping={column: "job"}, results_path=tmp_path / "r", on_invalid="skip")
    assert writes(sandbox) == []
    bulk("create_user", file, column_mapping={column: None}, results_path=tmp_path / "r", on_invalid="skip")


def test_a_row_that_cannot_be_read_stays_so_however_often_it_is_rejected(sandbox, tmp_path):
    """With the added columns, it must not have as many cells as the header by chance."""
    header = "mail,first_name,last_name"
    rows = ["one", "one,two", "1,2,3,4", "1,2,3,4,5", "1,2,3,4,5,6", '"x" y,2,3']
    source = put(tmp_path / "0.csv", "\n".join([header, *rows, "ana@acme.test,Ana,Ash\n"]))
    for attempt in range(1, 4):
        folder = tmp_path / str(attempt)
        done = bulk("create_user", source, results_path=folder, on_invalid="skip")
        assert done["outcomes"]["invalid"] == len(rows)
        lines = (folder / "rejected/rejected.csv").read_text().splitlines()
        assert lines[0] == f"{header},rejected_row,rejected_reason"
        source = put(tmp_path / f"{attempt}.csv", "\n".join([*lines, "ana@acme.test,Ana,Ash,,\n"]))


def test_no_row_has_an_argument_with_the_name_of_an_added_column(sandbox):
    rows = [action.model for action in Learning360Hook().api.actions.values()] + [ExternalCourse, ExternalStatistic]
    fields = {field for model in rows for field in model.model_fields}
    assert "mail" in fields
    assert fields & REJECTED_COLUMNS == set()


def test_removes_rejected_rows_of_an_earlier_run(sandbox, results):
    rows = [{"mail": REFUSED}]
    bulk_failing("create_user", rows, results_path=results)
    assert "rejected/rejected.jsonl" in files_in(results)
    assert bulk("create_user", people(1), results_path=results)["rejected_path"] is None
    assert set(files_in(results)) == {"manifest.json", "results.jsonl"}


# The merged files, and the manifest


def test_writes_a_manifest_of_the_run_and_its_files(sandbox, results):
    done = bulk("create_user", [*people(1), {"mail": REFUSED}], results_path=results, max_failures=1)
    manifest = manifest_in(results)
    when = datetime.datetime.fromisoformat(manifest.pop("finished_at"))
    assert abs((datetime.datetime.now(datetime.UTC) - when).total_seconds()) < 300
    assert len(manifest["run"]) == 8
    assert len(manifest.pop("input")) == 64
    assert manifest == {"version": 1, **done}


@pytest.mark.slow
def test_the_result_of_a_task_has_a_constant_size(sandbox, tmp_path):
    done = bulk("create_user", people(300), results_path=tmp_path)
    assert len(json.dumps(done)) < 400


@pytest.mark.slow
def test_writes_parts_and_replaces_merged_files_at_the_end_only(sandbox, results):
    bulk("create_user", people(3), results_path=results)
    before, meanwhile = files_in(results), []
    sandbox.control.clear_journal()
    look = lambda: meanwhile.append(files_in(results))  # noqa: E731
    with after_requests(sandbox, 210, "/users", look, hold_others=True):  # the last rows wait
        bulk("create_user", people(220), results_path=results)
    (seen,) = meanwhile
    assert {name: seen[name] for name in before} == before
    parts = sorted(name for name in seen if name.startswith("parts/"))
    assert len({Path(part).parent for part in parts}) == 1, "all are of this run"
    rows = [json.loads(line)["row"] for part in parts for line in seen[part].splitlines()]
    assert rows == list(range(1, len(rows) + 1))
    assert len(rows) > 100
    assert set(files_in(results)) == set(before), "parts are removed at the end"
    assert len(results_in(results)) == 220


def test_writes_the_manifest_last_and_the_next_attempt_completes_the_merge(sandbox, tmp_path):
    """A folder is in the place of a merged file."""
    obstacle = tmp_path / "rejected" / "rejected.jsonl"
    (obstacle / "something").mkdir(parents=True)
    rows = [*people(3), {"mail": REFUSED}]
    with pytest.raises(OSError, match="rejected"):
        bulk("create_user", rows, results_path=tmp_path, max_failures=1)
    assert not (tmp_path / "manifest.json").exists()
    sent = len(writes(sandbox))
    (obstacle / "something").rmdir()
    obstacle.rmdir()
    state = tmp_path / "progress.json"
    state.write_text(json.dumps(json.loads(state.read_text()) | {"lease_until": 0}))  # half a minute later
    bulk("create_user", rows, results_path=tmp_path, max_failures=1)
    assert outcomes_in(tmp_path) == ["created"] * 3 + ["refused"]
    assert len(writes(sandbox)) == sent
    assert set(files_in(tmp_path)) == {"manifest.json", "results.jsonl", "rejected/rejected.jsonl"}


# Passwords

SECRET = "planted-Secret/1 %&"


@pytest.fixture
def everything(sandbox, tmp_path, caplog, capfd):
    """Return all files, logs and output of a run, without its input."""
    caplog.set_level("DEBUG")
    seen = []

    def look():
        seen.append(files_in(tmp_path / "results"))

    def everything():
        look()
        out, err = capfd.readouterr()
        files = "\n".join(f"{name} {data.decode(errors='replace')}" for each in seen for name, data in each.items())
        return "\n".join([files, caplog.text, out, err])

    everything.meanwhile = lambda count: after_requests(sandbox, count, "/users", look, hold_others=True)
    return everything


def is_in(text):
    """Return whether a text has the secret, or a part of it, in any encoding."""
    return "planted" in text.lower()


def sources_with_a_password(tmp_path):
    fine = [row | {"password": SECRET} for row in people(60)]
    faulty = [
        {"mail": REFUSED, "mode": "create_active", "password": SECRET},
        {"mail": "absent", "mode": "create_active", "password": SECRET},
        {"mail": "ivy@acme.test", "mode": "invite", "password": SECRET},
    ]
    rows = fine + faulty
    renamed = [{**row, "Kennwort": row["password"]} for row in rows]
    for row in renamed:
        del row["password"]
    csv = put_csv(tmp_path / "in.csv", renamed)
    with open(csv, "a") as file:  # what can only be read in part
        file.write(f'bo@acme.test,create_active,{SECRET},too many\ncy@acme.test,{SECRET}\n"di@acme.test,{SECRET}\n')
    jsonl = put_json_lines(tmp_path / "in.jsonl", [*rows, {"mail": "ed@acme.test", "Password": SECRET}])
    with open(jsonl, "a") as file:
        file.write(f'{{"mail": "bo@acme.test", "password": "{SECRET}"\n["cy@acme.test", "{SECRET}"]\n')
    return {
        "list": (
            [*rows, ["bo@acme.test", SECRET], f"cy@acme.test {SECRET}", {"mail": "di@acme.test", "password": [SECRET]}],
            None,
        ),
        "csv": (csv, {"Kennwort": "password"}),
        "jsonl": (jsonl, None),
        "parquet": (put_parquet(tmp_path / "in.parquet", renamed), {"Kennwort": "password"}),
    }


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["list", "csv", "jsonl", "parquet"])
def test_writes_no_password(sandbox, tmp_path, everything, kind):
    rows, columns = sources_with_a_password(tmp_path)[kind]
    with everything.meanwhile(50):
        bulk(
            "create_user",
            rows,
            column_mapping=columns,
            results_path=tmp_path / "results",
            on_invalid="skip",
            max_failures=1,
            skip_unchanged=True,
        )
    outcomes = outcomes_in(tmp_path / "results")
    assert (outcomes.count("created"), outcomes.count("refused")) == (60, 1)
    assert outcomes.count("invalid") >= 2
    assert not is_in(everything())
    assert {"person1@acme.test", "person60@acme.test"} < set(mails(sandbox))
    sent = [entry["body"]["password"] for entry in writes(sandbox)]
    assert sent == ["***"] * len(sent), "as the journal masks a password"


@pytest.mark.parametrize(
    ("status", "key"),
    [(400, "error"), (400, "error_description"), (400, "message"), (403, "error"), (409, "error"), (503, "error")],
)
def test_writes_no_password_that_a_response_repeats(sandbox, tmp_path, everything, status, key):
    body = {"error": "invalid argument", key: f"invalid argument: {SECRET}"}
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=status, body=body)
    bulk("create_user", people(2, password=SECRET), results_path=tmp_path / "results", max_failures=1)
    assert not is_in(everything())


def test_writes_no_password_of_the_defaults(sandbox, tmp_path, everything):
    body = {"error": f"invalid argument: {SECRET}"}
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=400, body=body)
    rows = [*people(2), {"mail": "x"}]
    common = {"password": SECRET}
    arguments = {"defaults": common, "on_invalid": "skip", "max_failures": 1}
    bulk("create_user", rows, results_path=tmp_path / "results", **arguments)
    assert not is_in(everything())


def test_a_password_is_not_in_the_error_that_ends_a_run(sandbox, tmp_path, everything):
    rows = [*people(1, password=SECRET), {"mail": "x", "mode": "create_active", "password": SECRET}]
    with pytest.raises(AirflowFailException) as invalid:
        bulk("create_user", rows, results_path=tmp_path / "results")
    sandbox.control.add_fault("createOrInviteUser", kind="echo")
    with pytest.raises(AirflowFailException) as not_done:
        bulk("create_user", rows[:1], results_path=tmp_path / "results", impatient=True)
    assert not is_in(f"{invalid.value!r} {invalid.value.__cause__!r} {not_done.value!r} {not_done.value.__cause__!r}")
    assert not is_in(everything())


def test_an_empty_password_masks_nothing_in_a_message(sandbox, tmp_path):
    bulk_failing("update_user", [{"user": "x@acme.test", "job": "Clerk", "password": ""}], results_path=tmp_path)
    (result,) = results_in(tmp_path)
    assert "***" not in (result["message"] or "").replace("/users/***", "")  # the path has an address


def test_password_columns_of_rejected_rows_are_empty(sandbox, tmp_path):
    rows = [{"mail": REFUSED, "mode": "create_active", "password": SECRET}]
    bulk_failing("create_user", put_csv(tmp_path / "in.csv", rows), results_path=tmp_path / "r")
    header, row = (tmp_path / "r/rejected/rejected.csv").read_text().splitlines()
    assert header == "mail,mode,password,rejected_row,rejected_reason"
    assert row.startswith(f"{REFUSED},create_active,,1,")


@pytest.mark.parametrize("mapping", [{}, {"passwort": "kennwort"}, {"E-Mail": "mail"}])
@pytest.mark.parametrize("kind", ["list", "jsonl"])
def test_a_misspelled_password_column_of_rejected_rows_is_empty(sandbox, tmp_path, everything, kind, mapping):
    mapping = {**mapping, "Remarks": None}
    row = {"mail": "ana@acme.test", "passwort": SECRET, "job": "Clerk", "Remarks": "new"}
    if "E-Mail" in mapping:
        row["E-Mail"] = "eva@acme.test"  # a second address, so that no column is checked
    rows = [row, {"mail": "bo@acme.test"}]
    bulk(
        "create_user",
        rows if kind == "list" else put_json_lines(tmp_path / "in.jsonl", rows),
        column_mapping=mapping,
        results_path=tmp_path / "results",
        on_invalid="skip",
    )
    assert rejected_in(tmp_path / "results/rejected/rejected.jsonl") == [{**row, "passwort": None}]
    assert not is_in(everything())


def test_a_misspelled_column_is_kept_for_correction_if_the_action_takes_no_password(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL, "Group": "Sales"}, {"user": GRACE_MAIL, "group_id": SALES_GROUP_ID}]
    bulk("add_user_to_group", rows, results_path=tmp_path, on_invalid="skip")
    assert rejected_in(tmp_path / "rejected/rejected.jsonl") == rows[:1]


def test_the_representation_of_an_operator_shows_no_row():
    operator = Learning360BulkOperator(
        task_id="bulk", action="create_user", rows=people(1, password=SECRET), results_path="/r"
    )
    assert not is_in(repr(operator))
