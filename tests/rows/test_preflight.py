"""Invalid rows are reported before the first request: every error, with its row, line, field and value."""

from __future__ import annotations

import datetime
import decimal
import json
import math

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v2 import ApiV2
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_MAIL,
    DEPARTMENT_FIELD_ID,
    GRACE_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from tests.files.support import Array, ArrayWithoutDimensions
from tests.rows.support import (
    bulk,
    bulk_failing,
    faults_in,
    mails,
    outcomes_in,
    people,
    put,
    put_json_lines,
    put_parquet,
    rejected_in,
    results_in,
    writes,
)


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def errors_of(sandbox, results):
    """Return the row errors of rows that are refused before anything is sent."""

    def errors_of(action, rows, **arguments):
        with pytest.raises(AirflowFailException, match="Nothing was sent"):
            bulk(action, rows, results_path=results, **arguments)
        assert writes(sandbox) == []
        return faults_in(results)

    return errors_of


def sent_bodies(sandbox, operation):
    return [entry["body"] for entry in writes(sandbox) if entry["operation"] == operation]


# The report


def test_reports_every_error_with_row_line_field_and_value(tmp_path, errors_of):
    file = put(
        tmp_path / "in.csv",
        "mail,first_name,role\n"
        "ana@acme.test,Ana,learner\n"
        '"bo@acme.test","two\nlines",boss\n'
        "cy,Cy,learner\n"
        "di@acme.test,Di\n"
        "\n"
        "ana@acme.test,Ana again,learner\n",
    )
    assert [(one["row"], one["line"], one["field"], one["value"]) for one in errors_of("create_user", file)] == [
        (2, 3, "first_name", "two\\nlines"),
        (2, 3, "role", "boss"),
        (3, 5, "mail", "cy"),
        (4, 6, None, None),
        (5, 8, "mail", "ana@acme.test"),
    ]


@pytest.mark.parametrize(
    ("action", "row", "field", "problem"),
    [
        ("create_user", {"mail": "ana"}, "mail", "'ana', but must be an email address"),
        ("create_user", {"mail": "a@x.test", "group_id": "Sales"}, "group_id", "id of 24 hexadecimal characters"),
        ("create_user", {"mail": "a@x.test", "other_group_ids": f"{ROOT_GROUP_ID};x"}, "other_group_ids[1]", "'x'"),
        ("create_user", {"mail": "a@x.test", "other_group_ids": "[1,"}, "other_group_ids", "or a JSON array"),
        ("create_user", {"mail": "a@x.test", "role": "boss"}, "role", "one of learner, coach, editor, admin"),
        ("create_user", {"mail": "a@x.test", "mode": "summon"}, "mode", "one of invite"),
        ("create_user", {"mail": "a@x.test", "password_must_be_changed": "yes"}, "password_must_be_changed", "true or"),
        (
            "create_user",
            {"mail": "a@x.test", "invitation_expires_after_days": 2.5},
            "invitation_expires_after_days",
            "an integer from 1 to 10,000",
        ),
        (
            "create_user",
            {"mail": "a@x.test", "invitation_expires_after_days": "x"},
            "invitation_expires_after_days",
            "an integer from 1 to 10,000",
        ),
        ("create_user", {"mail": "a@x.test", "custom": ["4711"]}, "custom", "must be a string"),
        ("create_user", {"mail": "a@x.test", "custom": True}, "custom", "must be a string"),
        ("update_user", {"user": "Grace", "job": "x"}, "user", "an email address or an id"),
        ("update_user", {"user": GRACE_MAIL}, None, "at least one field"),
        ("update_user", {"user": GRACE_MAIL, "custom_fields": "red"}, "custom_fields", "a JSON object"),
        ("update_user", {"user": GRACE_MAIL, "custom_fields": {"color": "red"}}, "custom_fields", "'color'"),
        (
            "update_user",
            {"user": GRACE_MAIL, "to_be_deactivated_at": "2027-01-01T00:00:00"},
            "to_be_deactivated_at",
            "a timestamp with a time zone",
        ),
        (
            "update_user",
            {"user": GRACE_MAIL, "to_be_deactivated_at": datetime.datetime(2027, 1, 1)},
            "to_be_deactivated_at",
            "a timestamp with a time zone",
        ),
        ("create_group", {"name": " "}, "name", "name is missing or empty"),
        ("delete_group", {"group_id": 12}, "group_id", "is 12, but must be an id"),
        ("add_user_to_group", {"group_id": SALES_GROUP_ID}, "user", "user is missing"),
    ],
)
def test_reports_an_invalid_value_and_what_was_expected(errors_of, action, row, field, problem):
    (error,) = errors_of(action, [row])
    column = field and field.partition("[")[0]
    assert (error["row"], error["line"], error["field"]) == (1, None, field)
    assert error["value"] == (str(row[column]) if column in row else None)
    assert problem in error["problem"]


def test_reports_all_errors_of_a_row(errors_of):
    row = {"mail": "ana", "group_id": "Sales", "role": "boss", "mode": "summon", "if_exists": "shrug"}
    assert [error["field"] for error in errors_of("create_user", [row])] == [
        "mail",
        "group_id",
        "role",
        "mode",
        "if_exists",
    ]


def test_reports_errors_in_the_order_of_the_fields_and_unknown_columns_last(errors_of):
    row = {"nickname": "A", "custom": [], "other_group_ids": 1, "password_must_be_changed": "yes", "age": 3}
    fields = [error["field"] for error in errors_of("create_user", [row])]
    assert fields == ["mail", "other_group_ids", "custom", "password_must_be_changed", "nickname", "age"]


def test_reports_invalid_defaults_for_each_row(errors_of):
    errors = errors_of("create_user", people(2), defaults={"group_id": "Sales"})
    assert [(error["row"], error["field"]) for error in errors] == [(1, "group_id"), (2, "group_id")]


def test_logs_the_first_errors_and_reports_all(errors_of, caplog):
    errors = errors_of("create_user", [{"mail": f"nobody {number}"} for number in range(50)])
    assert len(errors) == 50
    logged = [message for message in caplog.messages if message.startswith("row ")]
    assert (logged[0], len(logged)) == ("row 1: mail is 'nobody 0', but must be an email address", 20)


def test_error_names_the_count_the_report_and_the_first_error(sandbox, results):
    with pytest.raises(AirflowFailException) as raised:
        bulk("create_user", [*people(1), {"mail": "ana"}], results_path=results)
    text = str(raised.value)
    assert "1 of 2 rows of the list are invalid" in text
    assert f"{results}/rejected/errors.jsonl" in text
    assert "row 2: mail is 'ana'" in text
    assert "on_invalid='skip'" in text


def test_removes_the_report_of_an_earlier_run(place, sandbox):
    where = f"{place}/results"
    with pytest.raises(AirflowFailException):
        bulk("create_user", [{"mail": "ana"}], results_path=where)
    assert len(faults_in(where)) == 1
    bulk("create_user", people(1), results_path=where)
    with pytest.raises(FileNotFoundError):
        faults_in(where)


# Columns


def test_refuses_unknown_columns_and_names_the_known_ones(sandbox, tmp_path, results):
    file = put(tmp_path / "in.csv", "mail,Vorname\nana@acme.test,Ana\n")
    with pytest.raises(AirflowFailException, match=r"in\.csv has 'Vorname', .* takes mail, first_name, last_name"):
        bulk("create_user", file, results_path=results)
    with pytest.raises(AirflowFailException, match="defaults has 'Vorname'"):
        bulk("create_user", people(1), results_path=results, defaults={"Vorname": "Ana"})
    assert writes(sandbox) == []


@pytest.mark.parametrize(
    ("header", "shown"),
    [
        ("\ufeff\ufeffmail,lang", r"'\ufeffmail'"),
        ("mail,la\u200bng", r"'la\u200bng'"),
        ("mail,first\u00a0name", r"'first\xa0name'"),
    ],
)
def test_shows_invisible_characters_of_a_header(sandbox, tmp_path, results, header, shown):
    with pytest.raises(AirflowFailException, match="create_user does not take") as raised:
        bulk("create_user", put(tmp_path / "in.csv", f"{header}\nana@acme.test,en\n"), results_path=results)
    assert f"has {shown}, which" in str(raised.value)


@pytest.mark.parametrize("name", ["", "Vorname", "Rôle\u200b"])
def test_names_an_unknown_column_of_a_list_and_says_what_to_do(errors_of, name):
    (error,) = errors_of("create_user", [{"mail": "ana@acme.test", name: "planted-secret"}])
    assert (error["field"], error["value"]) == (name, None)
    assert error["problem"].startswith(
        f"{name!r} is not an argument of create_user: rename a column with column_mapping"
    )
    assert "planted-secret" not in str(error)


def test_no_action_takes_a_dry_run_from_a_row():
    models = {name: one.model for name, one in ApiV2.definitions().items() if "dry_run" in one.model.model_fields}
    assert "delete_path" in models
    assert [name for name, model in models.items() if "dry_run" not in model.not_in_rows] == []


def test_a_dry_run_is_decided_by_the_task_and_not_by_a_row(errors_of, results):
    (error,) = errors_of("delete_group", [{"group_id": SALES_GROUP_ID, "dry_run": True}])
    assert error["problem"] == "dry_run is an argument of the task, not a column"
    with pytest.raises(AirflowFailException, match="defaults has 'dry_run', which delete_group does not take"):
        bulk("delete_group", [{"group_id": SALES_GROUP_ID}], results_path=results, defaults={"dry_run": True})


def test_never_shows_the_first_row_of_a_file_without_a_header(sandbox, tmp_path, results):
    file = put(tmp_path / "in.csv", "ana@acme.test,Ana,planted-secret\nbo@acme.test,Bo,planted-secret\n")
    with pytest.raises(AirflowFailException, match="Is its first line a header") as raised:
        bulk("create_user", file, results_path=results)
    assert "planted-secret" not in str(raised.value)
    assert writes(sandbox) == []


def test_never_shows_the_first_row_of_a_file_with_mapped_columns_without_a_header(sandbox, tmp_path, results):
    file = put(tmp_path / "in.csv", "ana@acme.test,Ana,planted-secret\nbo@acme.test,Bo,planted-secret\n")
    with pytest.raises(AirflowFailException, match=r"no column E-Mail, .*is its first line a header") as raised:
        bulk("create_user", file, results_path=results, column_mapping={"E-Mail": "mail", "Vorname": "first_name"})
    assert "planted-secret" not in str(raised.value)
    assert writes(sandbox) == []


@pytest.mark.parametrize("above", ["\n\n", ";;\n", "sep=;\n ; ;\n"])
def test_skips_empty_rows_above_the_header(sandbox, tmp_path, results, above):
    file = put(tmp_path / "in.csv", f"{above}mail;first_name;\nana@acme.test;Ana;\n")
    bulk("create_user", file, results_path=results)
    assert outcomes_in(results) == ["invited"]


def test_reports_a_missing_column(sandbox, tmp_path, results):
    file = put(tmp_path / "in.csv", f"user\n{GRACE_MAIL}\n")
    with pytest.raises(AirflowFailException, match=r"no column group_id or group, which add_user_to_group needs"):
        bulk("add_user_to_group", file, results_path=results)
    bulk("add_user_to_group", file, results_path=results, defaults={"group_id": SALES_GROUP_ID})
    assert outcomes_in(results) == ["added"]


def test_checks_the_columns_of_each_row(tmp_path, errors_of):
    rows = [*people(1), {"mail": "ana@acme.test", "nickname": "A"}, {"first_name": "Bo"}]
    for source in (rows, put_json_lines(tmp_path / "in.jsonl", rows)):
        errors = errors_of("create_user", source)
        assert [(error["row"], error["field"]) for error in errors] == [(2, "nickname"), (3, "mail")]


def test_never_shows_the_value_of_an_unknown_column(errors_of):
    """It may be a password."""
    (error,) = errors_of("create_user", [{"mail": "ana@acme.test", "Kennwort": "planted-secret"}])
    assert "planted-secret" not in str(error)


# Duplicates


def test_reports_a_duplicate_and_names_the_first_row(errors_of):
    rows = [*people(2), {"mail": "PERSON1@acme.test", "first_name": "Again"}]
    (error,) = errors_of("create_user", rows)
    assert (error["row"], error["field"], error["value"]) == (3, "mail", "PERSON1@acme.test")
    assert "in row 1 already" in error["problem"]


def test_accepts_one_user_in_several_groups(sandbox, results):
    rows = [{"user": GRACE_MAIL, "group_id": group} for group in (ROOT_GROUP_ID, SALES_GROUP_ID)]
    rows.append({"user": GRACE_MAIL, "group_id": SALES_GROUP_ID, "role": "coach"})
    bulk("add_user_to_group", rows, results_path=results)
    assert outcomes_in(results) == ["added"] * 3
    with pytest.raises(AirflowFailException, match="in row 1 already"):
        bulk("add_user_to_group", [*rows, rows[0]], results_path=results)


def test_an_invalid_row_does_not_make_a_later_one_a_duplicate(sandbox, results):
    rows = [{"mail": "ana@acme.test", "role": "boss"}, {"mail": "ana@acme.test"}]
    bulk("create_user", rows, results_path=results, on_invalid="skip")
    assert outcomes_in(results) == ["invalid", "invited"]


# on_invalid="skip"


def test_skips_invalid_rows(sandbox, results):
    rows = [*people(1), {"mail": "ana"}, *people(1, start=2)]
    done = bulk("create_user", rows, results_path=results, on_invalid="skip")
    assert done["outcomes"] == {"created": 2, "invalid": 1}
    assert {"person1@acme.test", "person2@acme.test"} < set(mails(sandbox))
    (left_out,) = [result for result in results_in(results) if result["outcome"] == "invalid"]
    assert (left_out["row"], left_out["key"], left_out["error_code"]) == (2, "ana", "invalid")
    assert "must be an email address" in left_out["message"]
    assert left_out["retryable"] is False


@pytest.mark.parametrize("kind", ["list", "text of a list", "json lines"])
def test_numbers_that_json_or_python_has_not_are_errors_of_their_columns(sandbox, tmp_path, results, kind):
    numbers = ["NaN", "-Infinity", "1e400", "1" * 5000]
    lines = [f'{{"mail": "person{row}@acme.test", "custom": {number}}}' for row, number in enumerate(numbers)]
    rows = f"[{', '.join(lines)}]"
    if kind == "list":
        values = [math.nan, -math.inf, math.inf, 10**5000]
        rows = [{"mail": f"person{row}@acme.test", "custom": value} for row, value in enumerate(values)]
    elif kind == "json lines":
        rows = put(tmp_path / "in.jsonl", "\n".join(lines))
    done = bulk_failing("create_user", rows, results_path=results, on_invalid="skip")
    assert done["outcomes"] == {"invalid": len(numbers)}
    assert [error["field"] for error in faults_in(results)] == ["custom"] * len(numbers)
    # The rejected rows are JSON that other programs can read, and stay invalid until they are corrected.
    text = storage_path(done["rejected_path"]).read_text()
    rejected = [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
    assert [row["mail"] for row in rejected] == [f"person{row}@acme.test" for row in range(len(numbers))]
    again = bulk_failing("create_user", done["rejected_path"], results_path=tmp_path / "again", on_invalid="skip")
    assert again["outcomes"] == {"invalid": len(numbers)}
    assert writes(sandbox) == []


@pytest.mark.parametrize(
    ("action", "column", "value"),
    [
        ("create_user", "invitation_expires_after_days", 10**5000),
        ("create_user", "labels", [10**5000]),
        ("create_user", "mode", 10**5000),
        ("update_user", "to_be_deactivated_at", 10**5000),
        ("update_user", "custom_fields", {DEPARTMENT_FIELD_ID: 10**5000}),
        ("update_user", "custom_fields", {DEPARTMENT_FIELD_ID: math.nan}),
        ("update_user", "custom", "\ud800"),
        ("update_user", "labels", ["\ud800"]),
    ],
    ids=lambda value: value if isinstance(value, str) and value.isascii() else type(value).__name__,
)
def test_writes_every_rejected_row(sandbox, tmp_path, results, action, column, value):
    subject = {"create_user": "mail", "update_user": "user"}[action]
    rows = [{subject: "ana@acme.test", column: value}]
    done = bulk_failing(action, rows, results_path=results, on_invalid="skip")
    (error,) = faults_in(results)
    assert error["field"].startswith(column)
    again = bulk_failing(action, done["rejected_path"], results_path=tmp_path / "again", on_invalid="skip")
    assert again["outcomes"] == {"invalid": 1}
    assert writes(sandbox) == []


def test_a_repeated_key_is_an_error_of_its_row(sandbox, tmp_path, results):
    file = put(tmp_path / "in.jsonl", '{"mail": "a@acme.test", "mail": "b@acme.test"}\n{"mail": "c@acme.test"}\n')
    bulk("create_user", file, results_path=results, on_invalid="skip")
    assert outcomes_in(results) == ["invalid", "invited"]
    assert [error["problem"] for error in faults_in(results)] == [
        "line 1 has the key 'mail' twice: keep one of the two"
    ]


# Types of values


@pytest.mark.parametrize(
    ("column", "cell", "field", "sent"),
    [
        ("other_group_ids", f"{ROOT_GROUP_ID}; {SALES_GROUP_ID}", "groups", [ROOT_GROUP_ID, SALES_GROUP_ID]),
        ("other_group_ids", f'["{ROOT_GROUP_ID}"]', "groups", [ROOT_GROUP_ID]),
        ("other_group_ids", [SALES_GROUP_ID], "groups", [SALES_GROUP_ID]),
        ("labels", "new; IT;", "labels", ["new", "IT"]),
        ("invitation_expires_after_days", "30", "cancelTheInvitationAfterDays", "30"),
        ("invitation_expires_after_days", 30.0, "cancelTheInvitationAfterDays", "30"),
        ("invitation_expires_after_days", decimal.Decimal("30"), "cancelTheInvitationAfterDays", "30"),
        ("custom", 4711, "custom", "4711"),
        ("custom", datetime.date(2026, 10, 1), "custom", "2026-10-01"),
        ("password_must_be_changed", " TRUE ", None, None),
    ],
)
def test_converts_a_cell(sandbox, results, column, cell, field, sent):
    bulk("create_user", [{"mail": "ana@acme.test", column: cell}], results_path=results)
    assert outcomes_in(results) == ["invited"]
    (body,) = sent_bodies(sandbox, "createOrInviteUser")
    assert body.get(field) == sent


@pytest.mark.parametrize("items", [(), ("new",), ("new", "IT")])
def test_reads_an_array_as_a_list(sandbox, results, items):
    """The rows of a pandas.DataFrame have arrays of numpy in columns of lists."""
    bulk("create_user", [{"mail": "ana@acme.test", "labels": Array(*items)}], results_path=results)
    (body,) = sent_bodies(sandbox, "createOrInviteUser")
    assert body.get("labels", []) == list(items)


def test_an_array_without_dimensions_is_not_a_list(errors_of, results):
    (error,) = errors_of("create_user", [{"mail": "ana@acme.test", "labels": ArrayWithoutDimensions("new")}])
    assert error["field"] == "labels"
    assert "must be a list" in error["problem"]


@pytest.mark.parametrize("items", [(), ("a",), ("a", "b")])
def test_an_array_in_another_column_is_an_error_of_its_row(sandbox, results, items):
    columns = ["mail", "custom", "mode", "group_id", "invitation_expires_after_days", "password_must_be_changed", "age"]
    rows = [{"mail": "ana@acme.test", column: Array(*items)} for column in columns]
    done = bulk("create_user", [*rows, *people(1)], results_path=results, on_invalid="skip")
    assert done["outcomes"] == {"created": 1, "invalid": len(columns)}
    assert [error["field"] for error in faults_in(results)] == columns
    rejected = [{"mail": "ana@acme.test", column: list(items)} for column in columns]
    rejected[-1]["age"] = None  # not a column of the action, and perhaps a misspelled password
    assert rejected_in(done["rejected_path"]) == rejected


@pytest.mark.parametrize(
    "timestamp",
    [
        "2027-01-01T01:00:00+01:00",
        "2027-01-01T00:00:00Z",
        datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC),
    ],
)
def test_sends_timestamps_in_utc(sandbox, results, timestamp):
    bulk("update_user", [{"user": GRACE_MAIL, "to_be_deactivated_at": timestamp}], results_path=results)
    (body,) = sent_bodies(sandbox, "updateUser")
    assert body["toDeactivateAt"] == "2027-01-01T00:00:00.000Z"


def test_reads_an_object_or_its_json(sandbox, results, tmp_path):
    cell = f'"{{""{DEPARTMENT_FIELD_ID}"": ""red""}}"'
    put(tmp_path / "in.csv", f"user,custom_fields\n{GRACE_MAIL},{cell}\n")
    bulk("update_user", tmp_path / "in.csv", results_path=results)
    bulk("update_user", [{"user": GRACE_MAIL, "custom_fields": {DEPARTMENT_FIELD_ID: "blue"}}], results_path=results)
    sent = [body["values"][0]["value"] for body in sent_bodies(sandbox, "addCustomFieldValue")]
    assert sent == ["red", "blue"]


def test_reads_typed_values_of_parquet(sandbox, tmp_path, results):
    timestamps = [datetime.datetime(year, 1, 1, tzinfo=datetime.UTC) for year in (2027, 2028)]
    rows = [
        {"user": GRACE_MAIL, "custom": 7, "to_be_deactivated_at": timestamps[0]},
        {"user": ADMIN_MAIL, "custom": None, "to_be_deactivated_at": timestamps[1]},
    ]
    bulk("update_user", put_parquet(tmp_path / "in.parquet", rows), results_path=results)
    assert {entry["user"]: entry["body"] for entry in writes(sandbox)} == {
        GRACE_MAIL: {"custom": "7", "toDeactivateAt": "2027-01-01T00:00:00.000Z"},
        ADMIN_MAIL: {"toDeactivateAt": "2028-01-01T00:00:00.000Z"},
    }


def test_an_empty_cell_is_not_given(sandbox, tmp_path, results):
    put(tmp_path / "in.csv", "mail,first_name,group_id\nana@acme.test,,\n")
    bulk("create_user", tmp_path / "in.csv", results_path=results)
    (body,) = sent_bodies(sandbox, "createOrInviteUser")
    assert "firstName" not in body
    assert "groups" not in body


# Column mapping and defaults


def test_maps_and_ignores_columns(sandbox, tmp_path, results):
    put(tmp_path / "in.csv", "E-Mail;Vorname;Bemerkung\nana@acme.test;Ana;?\n")
    renames = {"E-Mail": "mail", "Vorname": "first_name", "Bemerkung": None}
    bulk("create_user", tmp_path / "in.csv", results_path=results, column_mapping=renames)
    (body,) = sent_bodies(sandbox, "createOrInviteUser")
    assert (body["mail"], body["firstName"]) == ("ana@acme.test", "Ana")


def test_error_names_the_argument_of_a_mapped_column(tmp_path, errors_of):
    put(tmp_path / "in.csv", "E-Mail\nana\n")
    (error,) = errors_of("create_user", tmp_path / "in.csv", column_mapping={"E-Mail": "mail"})
    assert (error["field"], error["value"]) == ("mail", "ana")


def test_a_value_of_the_row_wins_over_the_default(sandbox, results):
    rows = [{"mail": "ana@acme.test"}, {"mail": "bo@acme.test", "lang": "fr"}, {"mail": "cy@acme.test", "lang": None}]
    bulk("create_user", rows, results_path=results, defaults={"lang": "de", "job": None})
    sent = {body["mail"]: (body["lang"], body.get("job")) for body in sent_bodies(sandbox, "createOrInviteUser")}
    assert sent == {"ana@acme.test": ("de", None), "bo@acme.test": ("fr", None), "cy@acme.test": ("de", None)}


# Arguments of the operator


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"action": "create_users"}, r"action is 'create_users', but must be one of .*create_user, "),
        ({"action": "get_user"}, "action is 'get_user', but must be one of"),
        # With API v1, which does not have it.
        ({"action": "archive_course"}, "archive_course is not available: only API v2 has it"),
        ({"action": "import_external_course_stats"}, "but must be one of"),
        ({"on_invalid": "shrug"}, "on_invalid is 'shrug', but must be one of fail, skip"),
        ({"allow_empty": "perhaps"}, "allow_empty is 'perhaps', but must be true or false"),
        ({"skip_unchanged": "perhaps"}, "skip_unchanged is 'perhaps'"),
        ({"dry_run": 2}, "dry_run is 2"),
        ({"max_failures": "few"}, "max_failures is 'few', but must be an integer"),
        ({"max_failures": -1}, "max_failures is -1"),
        ({"max_failures": float("nan")}, "max_failures is nan"),
        ({"on_invalid": "skip", "max_invalid": -1}, "max_invalid is -1"),
        ({"on_invalid": "skip", "max_invalid": 0.5}, "max_invalid is 0.5, but must be an integer"),
        ({"on_invalid": "skip", "max_invalid_ratio": 2}, "max_invalid_ratio is 2, but must be"),
        ({"results_path": "results"}, "not absolute"),
        ({"rejected_path": "rejected"}, "not absolute"),
        ({"column_mapping": {"E-Mail": "mail"}}, "no column E-Mail"),
        ({"rows": 7}, "rows is a int"),
    ],
)
def test_reports_an_invalid_option_before_anything_is_sent(sandbox, results, arguments, problem):
    with pytest.raises(AirflowFailException, match=problem):
        bulk(**{"action": "create_user", "rows": people(1), "results_path": results, **arguments})
    assert writes(sandbox) == []


def test_offers_every_write_action_of_one_object(sandbox, results):
    with pytest.raises(AirflowFailException) as raised:
        bulk("nothing", people(1), results_path=results)
    listed = str(raised.value).partition("one of ")[2].partition(". ")[0].split(", ")
    writes_of_api = {name for name in dir(ApiV1) if getattr(getattr(ApiV1, name), "write", None)}
    batched = {"import_external_courses", "import_external_course_stats"}
    assert set(listed) == writes_of_api - batched
    assert {"create_user", "update_user", "delete_user", "create_group", "add_user_to_group"} < set(listed)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "either rows or sql"),
        ({"rows": [], "sql": "SELECT 1"}, "either rows or sql"),
        ({"sql": "SELECT 1"}, "sql needs sql_conn_id"),
    ],
)
def test_a_missing_source_fails_when_the_dag_is_parsed(arguments, problem):
    with pytest.raises(AirflowException, match=problem):
        Learning360BulkOperator(task_id="bulk", action="create_user", results_path="/data", **arguments)


def test_reads_options_that_a_template_renders(sandbox, results):
    bulk(
        "create_user",
        [],
        results_path=results,
        allow_empty="True",
        max_failure_ratio="0.5",
        dry_run="false",
        skip_unchanged="False",
    )
