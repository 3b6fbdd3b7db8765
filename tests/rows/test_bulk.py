"""Many rows through one operator: from every source, to every store, with a result for each."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.limiter.usage import Usage
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.rows.progress_log import ProgressLog
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_MAIL, LINUS_MAIL, SALES_GROUP_ID
from tests.rows.support import (
    ROOT,
    bulk,
    bulk_failing,
    faults_in,
    files_in,
    mails,
    manifest_in,
    outcomes_in,
    path_of,
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
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, operations

# Sources and stores


@pytest.fixture(params=["list", "csv", "jsonl", "parquet", "sql"])
def source(request, place, tmp_path, monkeypatch):
    """Make the arguments of each kind of source."""
    puts = {"csv": put_csv, "jsonl": put_json_lines, "parquet": put_parquet}

    def make(rows):
        if request.param in puts:
            return {"rows": puts[request.param](f"{place}/in.{request.param}", rows)}
        if request.param == "sql":
            put_table(tmp_path / "hr.db", rows)
            connection = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "hr.db")})
            monkeypatch.setenv("AIRFLOW_CONN_HR", connection)
            return {"sql": "SELECT * FROM people ORDER BY mail", "sql_conn_id": "hr"}
        return {"rows": rows}

    make.format = "csv" if request.param == "csv" else "jsonl"  # of rejected rows
    return make


def test_reads_every_source_and_writes_results_to_every_store(sandbox, source, results):
    rows = [*people(5, first_name="Ana"), {"mail": LINUS_MAIL, "mode": "invite", "first_name": "Linus"}]
    rows.append({"mail": "zoe@elsewhere.test", "mode": "create_active", "first_name": "Zoe"})
    sandbox.control.settings(mails_of_other_companies=["zoe@elsewhere.test"])
    done = bulk(
        "create_user", **source(sorted(rows, key=lambda row: row["mail"])), results_path=results, max_failures=1
    )
    rejected = str(path_of(results, "rejected", f"rejected.{source.format}"))
    (first,) = done.pop("first_rejected")
    assert (first["row"], first["key"], first["outcome"]) == (7, "zoe@elsewhere.test", "refused")
    assert done == {
        "action": "create_user",
        "rows": 7,
        "outcomes": {"already_invited": 1, "created": 5, "refused": 1},
        "results_path": str(path_of(results, "results.jsonl")),
        "rejected_path": rejected,
        "retryable": 0,
        "run": manifest_in(results)["run"],
    }
    assert [(result["row"], result["key"], result["outcome"]) for result in results_in(results)] == [
        (1, LINUS_MAIL, "already_invited"),
        *((number + 1, f"person{number}@acme.test", "created") for number in range(1, 6)),
        (7, "zoe@elsewhere.test", "refused"),
    ]
    assert sorted(files_in(results)) == ["manifest.json", f"rejected/rejected.{source.format}", "results.jsonl"]
    created = [user for user in sandbox.control.state()["users"] if user["mail"].startswith("person")]
    assert [user["profile"]["first_name"] for user in created] == ["Ana"] * 5


def test_writes_rejected_rows_to_rejected_path(sandbox, place):
    rows = [{"user": "absent@acme.test", "job": "Clerk"}, {"user": GRACE_MAIL, "job": "Clerk"}]
    done = bulk("update_user", rows, results_path=f"{place}/results", rejected_path=f"{place}/back", max_failures=1)
    assert done["rejected_path"] == str(path_of(place, "back", "rejected.jsonl"))
    assert rejected_in(done["rejected_path"]) == rows[:1]
    assert sorted(files_in(f"{place}/results")) == ["accepted.txt", "manifest.json", "results.jsonl"]


@pytest.mark.parametrize(
    ("action", "row", "outcome"),
    [
        ("create_user", {"mail": "ana@acme.test"}, "invited"),
        ("update_user", {"user": GRACE_MAIL, "job": "Admiral"}, "updated"),
        ("delete_user", {"user": GRACE_MAIL}, "deleted"),
        ("delete_user", {"user": "absent@acme.test"}, "not_found"),
        ("create_custom_field", {"name": "Level"}, "created"),
        ("set_user_custom_field", {"user": GRACE_MAIL, "custom_field": "Site", "value": "Lyon"}, "set"),
        ("remove_user_custom_field", {"user": GRACE_MAIL, "custom_field": "Site"}, "removed"),
        ("set_password", {"user": GRACE_MAIL, "password": "s3cret-12"}, "set"),
        ("pseudonymize_user", {"user": GRACE_MAIL}, "pseudonymized"),
        ("subscribe_to_email_notifications", {"user": GRACE_MAIL}, "subscribed"),
        ("unsubscribe_from_email_notifications", {"user": GRACE_MAIL}, "unsubscribed"),
        ("add_manager", {"user": GRACE_MAIL, "manager": ADMIN_MAIL}, "added"),
        ("remove_manager", {"user": GRACE_MAIL, "manager": ADMIN_MAIL}, "removed"),
        ("set_external_id", {"user": GRACE_MAIL, "external_platform": "BambooHR", "external_id": "007"}, "set"),
        ("create_group", {"name": "Lab"}, "created"),
        ("create_group", {"name": "Sales", "parent_id": "64b1f0c2a9d3e40012ab0001"}, "already_exists"),
        ("update_group", {"group_id": SALES_GROUP_ID, "custom": "4711"}, "updated"),
        ("delete_group", {"group_id": SALES_GROUP_ID}, "deleted"),
        ("add_user_to_group", {"user": GRACE_MAIL, "group_id": SALES_GROUP_ID}, "added"),
        ("remove_user_from_group", {"user": GRACE_MAIL, "group_id": SALES_GROUP_ID}, "removed"),
    ],
)
def test_applies_any_write_action_and_records_its_outcome(sandbox, tmp_path, action, row, outcome):
    bulk(action, [row], results_path=tmp_path)
    assert outcomes_in(tmp_path) == [outcome]


def test_records_the_id_of_a_created_object(sandbox, tmp_path):
    bulk("create_group", [{"name": "Lab"}, {"name": "Shop"}], results_path=tmp_path)
    made = {group["name"]: group["id"] for group in sandbox.control.state()["groups"]}
    assert [result["id"] for result in results_in(tmp_path)] == [made["Lab"], made["Shop"]]


def test_uses_the_given_connection(sandbox, monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW_CONN_SECOND_COMPANY", sandbox.connection_json(limits=UNLIMITED))
    monkeypatch.setenv(CONNECTION, "learning360://absent")
    bulk("create_user", people(1), results_path=tmp_path, learning360_conn_id="second_company")
    assert outcomes_in(tmp_path) == ["created"]


def test_arguments_are_templates(sandbox, tmp_path):
    operator = Learning360BulkOperator(
        task_id="bulk",
        action="{{ kind }}_user",
        rows="{{ folder }}/in.csv",
        results_path="{{ folder }}/results",
        column_mapping={"E-Mail": "{{ 'mail' }}"},
        defaults={"mode": "{{ mode }}"},
        max_failures="{{ 3 * 4 }}",
        on_invalid="{{ 'skip' }}",
    )
    put(tmp_path / "in.csv", "E-Mail\nana@acme.test\nbo\n")
    operator.render_template_fields({"kind": "create", "folder": str(tmp_path), "mode": "create_active"})
    assert operator.execute({})["outcomes"] == {"created": 1, "invalid": 1}


def test_reads_mapping_and_defaults_from_json(sandbox, results):
    rows = [{"E-Mail": "ana@acme.test", "Remarks": "x"}]
    mapping = '{"E-Mail": "mail", "Remarks": null}'
    done = bulk("create_user", rows, results_path=results, column_mapping=mapping, defaults='{"mode": "create_active"}')
    assert done["outcomes"] == {"created": 1}


@pytest.mark.parametrize(
    "value",
    ["{'password': 'planted-secret'}", "planted-secret", '["planted-secret"]', ["planted-secret"], 7, {7: "mail"}, "{"],
    ids=repr,
)
@pytest.mark.parametrize("name", ["column_mapping", "defaults"])
def test_refuses_a_mapping_and_defaults_that_are_not_an_object(sandbox, results, name, value):
    with pytest.raises(AirflowFailException, match=f"{name} (is of type|has a key of type) ") as raised:
        bulk("create_user", people(1), results_path=results, **{name: value})
    assert "planted-secret" not in str(raised.value)
    assert operations(sandbox) == []


def test_refuses_a_mapping_to_anything_but_a_name(sandbox, results):
    with pytest.raises(AirflowFailException, match="column_mapping has a value of type int for 'Tel'"):
        bulk("create_user", people(1), results_path=results, column_mapping={"Tel": 7})
    assert operations(sandbox) == []


# Empty sources and rejected rows


@pytest.mark.parametrize("text", ["", "mail,first_name\n", "\n\n"])
def test_refuses_a_source_without_rows(sandbox, tmp_path, text):
    file = put(tmp_path / "in.csv", text)
    with pytest.raises(AirflowFailException, match=r"in\.csv has no rows; nothing was sent"):
        bulk("create_user", file, results_path=tmp_path / "results")
    assert operations(sandbox) == []


@pytest.mark.parametrize("kind", ["list", "file"])
def test_accepts_a_source_without_rows_if_allowed(sandbox, results, tmp_path, kind):
    rows = [] if kind == "list" else put(tmp_path / "in.csv", "")
    done = bulk("create_user", rows, results_path=results, allow_empty=True)
    file = str(path_of(results, "results.jsonl"))
    assert done == {
        "action": "create_user",
        "rows": 0,
        "outcomes": {},
        "results_path": file,
        "rejected_path": None,
        "retryable": 0,
        "first_rejected": [],
        "run": manifest_in(results)["run"],
    }
    assert results_in(results) == []
    assert manifest_in(results)["rows"] == 0
    assert operations(sandbox) == []


@pytest.mark.parametrize(
    ("limits", "green"),
    [
        ({}, False),
        ({"max_failures": 1}, False),
        ({"max_failures": 2}, True),
        ({"max_failure_ratio": 0.25}, False),
        ({"max_failure_ratio": 0.5}, True),
        ({"max_failures": 2, "max_failure_ratio": 0.25}, False),
        ({"max_failures": 1, "max_failure_ratio": 0.5}, False),
        ({"max_failures": "2", "max_failure_ratio": "1"}, True),
    ],
)
def test_limits_rejected_rows_by_number_and_by_share(sandbox, tmp_path, limits, green):
    rows = [{"user": GRACE_MAIL}, {"user": LINUS_MAIL}, {"user": "x@acme.test"}, {"user": "admin@acme.test"}]
    arguments = {"results_path": tmp_path, "defaults": {"job": "Clerk"}, **limits}
    if green:
        assert bulk("update_user", rows, **arguments)["outcomes"] == {"refused": 2, "updated": 2}
    else:
        with pytest.raises(AirflowFailException, match=r"2 of 4 rows are refused, failed or unknown, but only [01]"):
            bulk("update_user", rows, **arguments)
    assert outcomes_in(tmp_path) == ["updated", "refused", "refused", "updated"]


@pytest.mark.parametrize(
    ("limits", "green"),
    [
        ({}, True),
        ({"max_invalid": 2}, True),
        ({"max_invalid": 1}, False),
        ({"max_invalid": 0}, False),
        ({"max_invalid_ratio": 0.5}, True),
        ({"max_invalid_ratio": 0.25}, False),
        ({"max_invalid": 2, "max_invalid_ratio": 0.25}, False),
        ({"max_invalid": 1, "max_invalid_ratio": 0.5}, False),
        ({"max_invalid": "2", "max_invalid_ratio": "1"}, True),
    ],
)
def test_limits_skipped_invalid_rows_by_number_and_by_share(sandbox, tmp_path, limits, green):
    rows = [*people(1), {"mail": "ana"}, {"mail": "bo"}, *people(1, start=2)]
    arguments = {"results_path": tmp_path, "on_invalid": "skip", **limits}
    outcomes = {"created": 2, "invalid": 2}
    if green:
        assert bulk("create_user", rows, **arguments)["outcomes"] == outcomes
    else:
        shown = r"2 of 4 rows are invalid, but only [01] may be \(max_invalid, max_invalid_ratio\)\. The first: row 2, "
        assert bulk_failing("create_user", rows, match=shown, **arguments)["outcomes"] == outcomes
    assert outcomes_in(tmp_path) == ["created", "invalid", "invalid", "created"]


def test_a_share_of_rows_has_no_rounding_error(sandbox, tmp_path):
    """0.29 * 100 is 28.999999999999996."""
    rows = [*people(71), *[{"mail": "ana"}] * 29]
    arguments = {"results_path": tmp_path, "on_invalid": "skip", "dry_run": True}
    done = bulk("create_user", rows, max_invalid_ratio=0.29, **arguments)
    assert done["outcomes"] == {"would_send": 71, "invalid": 29}
    bulk_failing("create_user", rows, max_invalid_ratio=0.28, match="29 of 100 .* only 28 may be", **arguments)


def test_does_the_valid_rows_and_then_fails_with_line_field_and_reason(sandbox, tmp_path):
    valid = [{"mail": f"person{number}@acme.test", "mode": "create_active"} for number in range(11)]
    file = put_csv(tmp_path / "in.csv", [*valid[:6], {"mail": "clara.example", "mode": "create_active"}, *valid[6:]])
    with pytest.raises(AirflowFailException) as raised:
        bulk("create_user", file, results_path=tmp_path / "r", on_invalid="skip", max_invalid=0)
    assert {row["mail"] for row in valid} < set(mails(sandbox))
    assert str(raised.value) == (
        "RowsNotDoneError: 1 of 12 rows is invalid, but only 0 may be (max_invalid, max_invalid_ratio). The first: row "
        "7 (line 8), clara.example: invalid: mail is 'clara.example', but must be an email address. Results: "
        f"{tmp_path}/r/results.jsonl. Rejected rows, each with its reason: {tmp_path}/r/rejected/rejected.csv."
    )


@pytest.mark.parametrize(
    ("action", "rows", "limits", "outcome"),
    [
        ("create_user", [{"mail": "ana"}, {"mail": "bo"}], {"max_invalid": 2, "max_invalid_ratio": 1}, "invalid"),
        ("update_user", [{"user": "x@a.test"}, {"user": "y@a.test"}], {"max_failures": 2}, "refused"),
    ],
)
def test_a_task_that_does_no_row_fails_whatever_the_limits(sandbox, tmp_path, action, rows, limits, outcome):
    defaults = {"job": "Clerk"} if action == "update_user" else None
    arguments = {"results_path": tmp_path, "on_invalid": "skip", "defaults": defaults, **limits}
    for dry_run in [True, False] if outcome == "invalid" else [False]:
        done = bulk_failing(action, rows, match="none of 2 rows was accepted", dry_run=dry_run, **arguments)
        assert done["outcomes"] == {outcome: 2}


def test_names_both_limits_that_are_exceeded(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL}, {"user": "x"}, {"user": "y@acme.test"}]
    shown = (
        r"1 of 3 rows is refused, failed or unknown, but only 0 may be \(max_failures, max_failure_ratio\), and 1 of 3 "
        r"rows is invalid, but only 0 may be \(max_invalid, max_invalid_ratio\)\. "
    )
    arguments = {"defaults": {"job": "x"}, "on_invalid": "skip", "max_invalid": 0}
    bulk_failing("update_user", rows, match=shown, results_path=tmp_path, **arguments)


@pytest.mark.parametrize("limits", [{"max_invalid": 0}, {"max_invalid_ratio": 0.5}])
def test_limits_of_invalid_rows_need_that_these_are_skipped(sandbox, tmp_path, limits):
    with pytest.raises(AirflowFailException, match="on_invalid is 'fail': then one invalid row fails the task"):
        bulk("create_user", people(1), results_path=tmp_path, **limits)
    assert operations(sandbox) == []


# The report at the end


def test_reports_the_first_rejected_rows_in_log_result_and_context(sandbox, tmp_path, caplog):
    sandbox.control.settings(mails_of_other_companies=["person3@acme.test"])
    rows = [{"mail": f"person{number}@acme.test", "lang": "en"} for number in (1, 2, 3)]
    rows += [{"mail": f"no{number}", "lang": ""} for number in range(20)]
    context = {}
    file = put_csv(tmp_path / "in.csv", rows)
    arguments = {"on_invalid": "skip", "max_failures": 1, "defaults": {"mode": "create_active"}}
    done = bulk("create_user", file, results_path=tmp_path / "r", context=context, **arguments)
    first = done["first_rejected"]
    assert [(row["row"], row["line"], row["key"], row["error_code"]) for row in first[:2]] == [
        (3, 4, "person3@acme.test", "unavailableEmails"),
        (4, 5, "no0", "invalid"),
    ]
    assert len(first) == 10
    assert context["run_summary"] == done
    sentence, *lines, paths = context["run_report"].splitlines()
    assert sentence == "create_user: 2 of 23 rows accepted (2 created), 21 rejected (20 invalid, 1 refused)"
    assert lines[0].startswith("row 3 (line 4), person3@acme.test: unavailableEmails: ")
    assert lines[1] == "row 4 (line 5), no0: invalid: mail is 'no0', but must be an email address"
    assert paths == (
        f"Results: {done['results_path']}. Rejected rows, each with its reason: {done['rejected_path']}."
    ), "no row can be retried"
    shown = f"{sentence}. results_path={done['results_path']} rejected_path={done['rejected_path']}"
    assert caplog.messages[-12:-1] == [*lines, shown]
    assert [line for line in caplog.messages if line.startswith("row ")] == lines, "each row is logged once"
    assert any("20 of 23 rows of" in line and line.endswith("They are skipped.") for line in caplog.messages)


def test_the_report_is_as_documented(sandbox, tmp_path):
    rows = people(12)
    rows[6]["mail"] = "katherine.johnson.acme.test"
    context = {}
    arguments = {"results_path": tmp_path, "on_invalid": "skip", "max_invalid": 0, "context": context}
    with pytest.raises(AirflowFailException):
        bulk("create_user", put_csv(tmp_path / "in.csv", rows), **arguments)
    report = context["run_report"].replace(str(tmp_path), "/data/2026-10-01")
    assert f"\n{report}\n" in (ROOT / "docs/notifications.md").read_text()


def test_suggests_to_retry_failed_rows_only_if_there_are_any(sandbox, tmp_path):
    sandbox.control.add_fault("deleteUser", kind="status", status=503, mentions="admin@acme.test")
    context = {}
    with pytest.raises(AirflowFailException, match=r"Rows that can be retried as they are, .*=True: 1"):
        bulk(
            "delete_user",
            [{"user": "admin@acme.test"}, {"user": GRACE_MAIL}],
            results_path=tmp_path,
            impatient=True,
            context=context,
        )
    assert context["run_summary"]["retryable"] == 1
    assert context["run_report"].startswith("Failed: 1 of 2 rows is refused, failed or unknown, but only 0 may be")
    assert context["run_report"].endswith("Rows that can be retried as they are, with retry_failed_only=True: 1.")


def test_texts_of_rows_in_reports_are_bounded_and_neither_templates_nor_several_lines(sandbox, tmp_path):
    context = {}
    rows = [{"mail": "{{ conn.x.password }}\n{% raw %}{{{#" + "x" * 5000}, *people(1)]
    done = bulk("create_user", rows, results_path=tmp_path, on_invalid="skip", context=context)
    text = json.dumps(done) + context["run_report"]
    assert not re.search(r"\{[{%#]", text.replace('"outcomes": {', ""))
    assert "{ { conn.x.password }}" in text
    assert len(context["run_report"].splitlines()) == 3
    assert len(text) < 3000


@pytest.fixture
def pushed():
    """Return the XComs that the task of ``context`` pushes."""
    return {}


@pytest.fixture
def context(pushed):
    who = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1, "max_tries": 0, "raw": False}
    return {"ti": SimpleNamespace(**who, xcom_push=lambda key, value: pushed.update({key: value}))}


def test_a_failed_task_pushes_its_summary(sandbox, tmp_path, context, pushed):
    rows = [{"user": "x@acme.test"}]
    with pytest.raises(AirflowFailException, match="1 of 1 row is refused, failed or unknown"):
        bulk("delete_user", rows, results_path=tmp_path, defaults={"if_missing": "fail"}, context=context)
    assert pushed == {"return_value": context["run_summary"]}
    assert pushed["return_value"]["outcomes"] == {"refused": 1}
    assert pushed["return_value"]["rejected_path"] == f"{tmp_path}/rejected/rejected.jsonl"


def test_a_task_with_invalid_rows_pushes_a_summary(sandbox, tmp_path, context, pushed):
    with pytest.raises(AirflowFailException, match="1 of 2 rows of the list are invalid"):
        bulk("create_user", [*people(1), {"mail": "{{ no }}"}], results_path=tmp_path, context=context)
    assert writes(sandbox) == []
    assert pushed == {"return_value": context["run_summary"]}
    summary = pushed["return_value"]
    assert (summary["outcomes"], summary["results_path"]) == ({"invalid": 1}, None)
    assert context["run_report"].splitlines() == [
        "Failed: 1 of 2 rows is invalid, so that nothing was sent",
        "create_user: 0 of 2 rows accepted, 1 rejected (1 invalid)",
        "row 2, { { no }}: invalid: mail is '{ { no }}', but must be an email address",
        f"All errors: {tmp_path}/rejected/errors.jsonl.",
    ]


def test_a_task_that_breaks_off_pushes_the_counts_so_far(sandbox, tmp_path, context, pushed):
    fault = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}}
    sandbox.control.add_fault("createOrInviteUser", **fault, mentions="Late", count=1000)
    rows = [*people(110), *people(40, start=111, job="Late")]
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("create_user", rows, results_path=tmp_path, context=context)
    assert pushed == {"return_value": context["run_summary"]}
    done = pushed["return_value"]["outcomes"]["created"]
    assert 0 < done <= 110
    assert context["run_report"].splitlines() == [
        f"Failed: AuthenticationError after {done} of 150 rows; the next attempt resumes there",
        f"create_user: {done} of 150 rows accepted ({done} created)",
        "The log has the error.",
    ]


def test_a_task_that_must_not_push_its_result_does_not(sandbox, tmp_path, context, pushed):
    context["task"] = SimpleNamespace(do_xcom_push=False)
    with pytest.raises(AirflowFailException):
        bulk("create_user", [{"mail": "no"}], results_path=tmp_path / "1", context=context)
    with pytest.raises(AirflowFailException):
        bulk("create_user", [{"mail": "no"}], results_path=tmp_path / "2", on_invalid="skip", context=context)
    assert pushed == {}
    assert context["run_summary"]["rows"] == 1


# Invalid rows among many


def bad_rows():
    """Return the changes that make 37 rows invalid, in different ways."""
    ways = [
        {"mail": "absent"},
        {"mail": "no body@acme.test"},
        {"mail": ""},
        {"role": "boss"},
        {"mode": "summon"},
        {"if_exists": "shrug"},
        {"group_id": "Sales"},
        {"other_group_ids": "x;y"},
        {"primary_group_id": SALES_GROUP_ID},
        {"invitation_expires_after_days": "soon"},
        {"password_must_be_changed": "perhaps"},
        {"mode": "create_active_and_mail_password"},
        {"mail": "person1@acme.test"},  # a duplicate
    ]
    return [ways[number % len(ways)] for number in range(37)]


@pytest.mark.slow
def test_returns_invalid_rows_among_many_for_correction(sandbox, tmp_path):
    columns = ["mail", "first_name", "mode", "role", "if_exists", "group_id", "other_group_ids", "primary_group_id"]
    columns += ["invitation_expires_after_days", "password_must_be_changed"]
    rows = [dict.fromkeys(columns, "") | row | {"first_name": f"P{row['mail']}"} for row in people(1000)]
    bad = {27 * number + 5: wrong for number, wrong in enumerate(bad_rows())}
    for number, wrong in bad.items():
        rows[number] |= wrong
    file, folder = put_csv(tmp_path / "in.csv", rows), tmp_path / "results"

    with pytest.raises(AirflowFailException, match=r"37 of 1000 rows of .*in\.csv are invalid"):
        bulk("create_user", file, results_path=folder)
    assert operations(sandbox) == []
    faults = faults_in(folder)
    assert sorted({fault["row"] for fault in faults}) == [number + 1 for number in bad]
    for fault in faults:
        wrong = bad[fault["row"] - 1]
        assert fault["line"] == fault["row"] + 1
        assert (fault["field"] or "").partition("[")[0] in {*wrong, "password"}
        assert fault["value"] in {*wrong.values(), None}

    done = bulk("create_user", file, results_path=folder, on_invalid="skip")
    assert done["outcomes"] == {"created": 963, "invalid": 37}
    assert sum(mail.startswith("person") for mail in mails(sandbox)) == 963
    assert faults_in(folder) == faults

    header, *lines = Path(done["rejected_path"]).read_text().splitlines()
    assert header == ",".join([*columns, "rejected_row", "rejected_reason"])
    pairs = zip(bad, lines, strict=True)
    assert all(line.startswith(f"{','.join(rows[number].values())},{number + 1},") for number, line in pairs)

    corrected = [dict.fromkeys(columns, "") | row for row in people(37, start=2001)]
    again = bulk("create_user", put_csv(tmp_path / "corrected.csv", corrected), results_path=tmp_path / "again")
    assert again["outcomes"] == {"created": 37}
    assert again["rejected_path"] is None


# A dry run


@pytest.mark.parametrize("skip_unchanged", [True, False])
def test_a_dry_run_sends_no_write_and_reports_what_would_be_sent(sandbox, results, skip_unchanged):
    rows = [{"user": GRACE_MAIL, "first_name": "Grace"}, {"user": "admin@acme.test", "job": "Boss"}, {"user": "x"}]
    arguments = {"results_path": results, "on_invalid": "skip", "skip_unchanged": skip_unchanged}
    done = bulk("update_user", rows, **arguments, dry_run=True)
    first = "unchanged" if skip_unchanged else "would_send"
    assert outcomes_in(f"{results}/dry_run") == [first, "would_send", "invalid"]
    assert done["results_path"] == str(path_of(results, "dry_run", "results.jsonl"))
    assert writes(sandbox) == []
    folder = "rejected/dry_run"
    assert set(files_in(results)) == {
        "dry_run/results.jsonl",
        "dry_run/manifest.json",
        f"{folder}/rejected.jsonl",
        f"{folder}/errors.jsonl",
    }


def test_a_dry_run_changes_neither_results_nor_an_unfinished_run(sandbox, tmp_path):
    rows = [{"user": GRACE_MAIL, "job": "Admiral"}]
    bulk("update_user", rows, results_path=tmp_path)
    before = files_in(tmp_path)
    put(tmp_path / "progress.json", "a checkpoint, which a dry run does not read")
    before["progress.json"] = (tmp_path / "progress.json").read_bytes()
    assert bulk(
        "update_user", [*rows, {"user": "admin@acme.test", "job": "Boss"}], results_path=tmp_path, dry_run=True
    )["outcomes"] == {"unchanged": 1, "would_send": 1}
    after = files_in(tmp_path)
    assert {name: after[name] for name in before} == before


def test_a_dry_run_reports_invalid_rows(sandbox, tmp_path):
    with pytest.raises(AirflowFailException, match="1 of 1 rows"):
        bulk("create_user", [{"mail": "ana"}], results_path=tmp_path, dry_run=True)


# The log


def test_logs_the_expected_duration(sandbox, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(CONNECTION, sandbox.connection_json())
    bulk("create_user", people(1000), results_path=tmp_path, dry_run=True)
    expected = "create_user: rows=1,000 writes=1,000 rate=1.90/s (createOrInviteUser): about 9 min if no other client"
    assert f"{expected} uses the limit" in caplog.messages


@pytest.mark.parametrize(
    ("action", "values", "writes"),
    [
        ("create_user", {"mode": "invite"}, 1),
        ("create_user", {"mode": "create_active", "other_group_ids": [SALES_GROUP_ID, "f" * 24]}, 4),
        ("update_user", {"job": "Chef", "password": "Secret-12345"}, 2),
        ("update_user", {"password": "Secret-12345"}, 1),
    ],
)
def test_the_expected_duration_counts_all_writes_of_a_row(
    sandbox, tmp_path, monkeypatch, caplog, action, values, writes
):
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2"))
    key = "mail" if action == "create_user" else "user"
    rows = [{key: one["mail"], **values} for one in people(30)]
    bulk(action, rows, results_path=tmp_path, dry_run=True)
    assert any(message.startswith(f"{action}: rows=30 writes={30 * writes} ") for message in caplog.messages)


def test_logs_counts_and_api_usage_at_the_end(sandbox, tmp_path, caplog):
    bulk("create_user", people(2), results_path=tmp_path)
    shown = "create_user: 2 of 2 rows accepted (2 created)"
    assert caplog.messages[-2] == f"{shown}. results_path={tmp_path}/results.jsonl rejected_path=None"
    assert caplog.messages[-1].startswith("360Learning API usage: requests=2 throttled=0 ")


def test_logs_the_share_of_the_limit_with_pool_slots(sandbox, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMITER", "pool_slots")
    monkeypatch.setenv(CONNECTION, sandbox.connection_json())
    # The budget is chosen once in a process, for each user that tasks run as.
    bulk(
        "update_user",
        [{"user": GRACE_MAIL}],
        results_path=tmp_path,
        defaults={"job": "x"},
        dry_run=True,
        pool_slots=2,
        run_as_user="a",
    )
    (shown,) = [message for message in caplog.messages if message.startswith("update_user: rows=1 ")]
    assert "writes=1 rate=1.90/s (updateUser)" in shown
    assert (
        "That is 40 % of the limit: with [learning360] rate_limiter = pool_slots, the share of a task depends on"
        in shown
    )


@pytest.mark.slow
def test_logs_the_progress_of_a_run_of_more_than_a_second(sandbox, tmp_path, caplog):
    sandbox.control.add_fault("createOrInviteUser", kind="delay", seconds=1.1, mentions="person21@")
    sandbox.control.settings(mails_of_other_companies=["person1@acme.test"])
    bulk("create_user", people(40), results_path=tmp_path, max_failures=1)
    shown = next(message for message in caplog.messages if "/40 (" in message)
    assert re.fullmatch(r"rows=\d+/40 \(\d+ %\) rate=\d+\.\d\d/s remaining=\d+ s rejected=1 throttled=0", shown)


def test_logs_the_progress_at_most_once_per_second_and_otherwise_at_intervals(caplog):
    caplog.set_level("INFO")
    now, in_memory = [0.0], Counter[str]()
    progress = ProgressLog(1000, 0, Usage(), lambda: now[0])

    def lines_after(seconds: float, rows: int) -> list[str]:
        now[0] += seconds
        in_memory["created"] += rows
        caplog.clear()
        progress.report(lambda: in_memory)
        return caplog.messages

    assert lines_after(0.9, 900) == [], "less than a second"
    assert lines_after(0.1, 0) == ["rows=900/1,000 (90 %) rate=900.00/s remaining=0 s rejected=0 throttled=0"]
    assert lines_after(1.0, 49) == [], "less than a twentieth of the rows"
    assert lines_after(1.0, 1) == ["rows=950/1,000 (95 %) rate=316.67/s remaining=0 s rejected=0 throttled=0"]
    assert lines_after(10.0, 0) == [], "nothing new"
    assert lines_after(0.0, 1) == ["rows=951/1,000 (95 %) rate=73.15/s remaining=1 s rejected=0 throttled=0"]
