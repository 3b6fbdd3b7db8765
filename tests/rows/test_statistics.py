"""Statistics of external courses: twenty rows per request, complete, with a result for each row."""

from __future__ import annotations

import datetime
import decimal
import json

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.imports import Learning360ImportStatisticsOperator
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_MAIL,
    LINUS_MAIL,
    ROOT_GROUP_ID,
)
from tests.rows.support import (
    faults_in,
    files_in,
    outcomes_in,
    put_csv,
    put_parquet,
    put_table,
    rejected_in,
    results_in,
    writes,
)
from tests.unlimited_sandbox import operations

PLATFORM = "Courses & More"
IMPORT = "importExternalCoursesStats"


@pytest.fixture
def sandbox(sandbox):
    """Run a sandbox with two courses of the provider."""
    courses = [
        {"external_id": name, "title": name, "launch_url": f"https://courses.test/{name}", "language": "en"}
        for name in ("c1", "c2")
    ]
    Learning360Hook().api.import_external_courses(
        group_id=ROOT_GROUP_ID, external_platform=PLATFORM, author_id=ADMIN_ID, courses=courses
    )
    sandbox.control.clear_journal()
    return sandbox


@pytest.fixture
def results(tmp_path):
    return tmp_path / "results"


@pytest.fixture
def statistics(results):
    """Import statistics, and return the result of the task."""

    def statistics(rows, **arguments):
        target = {"group_id": ROOT_GROUP_ID, "external_platform": PLATFORM, "results_path": str(results)}
        operator = Learning360ImportStatisticsOperator(task_id="statistics", rows=rows, **target | arguments)
        return operator.execute({})

    return statistics


def statistic(number=0, **more):
    """Make a row; each number is an attempt of its own."""
    return {
        "external_id": "c1",
        "mail": GRACE_MAIL,
        "progress": 40,
        "time_spent_seconds": 60,
        "first_activity": f"2026-03-05T{number // 60:02}:{number % 60:02}:00Z",
        "last_activity": "2026-03-06T00:00:00Z",
        **more,
    }


def several(count, **more):
    return [statistic(number, **more) for number in range(count)]


def requests_of(sandbox):
    return [entry["body"]["statistics"] for entry in writes(sandbox)]


def attempts_in(sandbox):
    return sandbox.control.state()["external_attempts"]


# What is sent


def test_sends_twenty_rows_per_request_and_records_each(sandbox, statistics, results):
    done = statistics(several(45))
    assert done["outcomes"] == {"imported": 45}
    assert sorted(map(len, requests_of(sandbox))) == [5, 20, 20]
    assert len(attempts_in(sandbox)) == 45
    assert [one["row"] for one in results_in(results)] == list(range(1, 46))
    assert results_in(results)[1]["key"] == f"c1 / {GRACE_MAIL} / 2026-03-05T00:01:00.000Z"


def test_sends_complete_statistics(sandbox, statistics):
    statistics([statistic(progress=100, score=87.5, result="success")])
    (entry,) = writes(sandbox)
    assert "/groups/64b1f0c2a9d3e40012ab0001/externalPlatforms/Courses%20%26%20More/courses/stats" in entry["path"]
    assert entry["body"] == {
        "statistics": [
            {
                "externalId": "c1",
                "mail": GRACE_MAIL,
                "progress": 100,
                "score": 87.5,
                "result": "success",
                "globalTime": 60_000,
                "firstActivity": "2026-03-05T00:00:00.000Z",
                "lastActivity": "2026-03-06T00:00:00.000Z",
                "completedAt": "2026-03-06T00:00:00.000Z",
            }
        ]
    }


MARCH_5 = 1_772_668_800


@pytest.mark.parametrize(
    "time",
    [
        "2026-03-05T00:00:00Z",
        "2026-03-05T01:00:00+01:00",
        "2026-03-05T00:00:00.000000+00:00",
        MARCH_5,
        float(MARCH_5),
        str(MARCH_5),
        1000 * MARCH_5,
        f"{1000 * MARCH_5}",
        decimal.Decimal(MARCH_5),
        datetime.datetime(2026, 3, 5, tzinfo=datetime.UTC),
    ],
    ids=str,
)
def test_accepts_iso_times_and_seconds_or_milliseconds_since_1970(sandbox, statistics, time):
    statistics([statistic(first_activity=time)])
    ((sent,),) = requests_of(sandbox)
    assert sent["firstActivity"] == "2026-03-05T00:00:00.000Z"


@pytest.mark.parametrize(("seconds", "sent"), [(0.0004, None), (0.0016, 2), (90, 90_000), ("90.5", 90_500), (0, None)])
def test_sends_durations_in_milliseconds_and_never_zero(sandbox, statistics, seconds, sent):
    if sent is None:
        with pytest.raises(AirflowFailException, match="time_spent_seconds"):
            statistics([statistic(time_spent_seconds=seconds)])
    else:
        statistics([statistic(time_spent_seconds=seconds)])
        assert requests_of(sandbox)[0][0]["globalTime"] == sent


@pytest.mark.parametrize(
    ("row", "sent"),
    [
        ({"progress": 40}, None),
        ({"progress": 100}, "2026-03-06T00:00:00.000Z"),
        ({"progress": 100, "completed_at": "2026-03-05T12:00:00Z"}, "2026-03-05T12:00:00.000Z"),
        ({"progress": 100, "completed_at": "2026-03-05T00:00:00Z"}, "2026-03-05T00:00:00.000Z"),
    ],
)
def test_derives_completed_at_from_a_progress_of_100(sandbox, statistics, row, sent):
    statistics([statistic(**row)])
    ((item,),) = requests_of(sandbox)
    assert item.get("completedAt") == sent


# Checks


@pytest.mark.parametrize(
    ("row", "field", "problem"),
    [
        ({"external_id": " "}, "external_id", "is missing or empty"),
        ({"mail": "grace"}, "mail", "an email address"),
        ({"mail": "absent@acme.test"}, "mail", "which no user in 360Learning has"),
        ({"mail": LINUS_MAIL}, "mail", "an invited person must accept first"),
        ({"progress": -1}, "progress", "from 0 to 100"),
        ({"progress": 101}, "progress", "from 0 to 100"),
        ({"progress": 33.3}, "progress", "an integer from 0 to 100"),
        ({"progress": "most"}, "progress", "an integer"),
        ({"progress": True}, "progress", "an integer"),
        ({"score": 100.5}, "score", "from 0 to 100"),
        ({"score": "nan"}, "score", "a number"),
        ({"result": "passed"}, "result", "one of success, failed"),
        ({"time_spent_seconds": -3}, "time_spent_seconds", "from 0.001 to"),
        ({"first_activity": "2026-03-05T00:00:00"}, "first_activity", "with a time zone"),
        ({"first_activity": 20260305}, "first_activity", "with a time zone"),
        ({"first_activity": datetime.date(2026, 3, 5)}, "first_activity", "with a time zone"),
        ({"last_activity": "soon"}, "last_activity", "with a time zone"),
        ({"last_activity": "2026-03-04T00:00:00Z"}, "last_activity", "not before first_activity"),
        ({"progress": 100, "completed_at": "2026-03-04T23:59:59Z"}, "completed_at", "from first_activity"),
        ({"progress": 100, "completed_at": "2026-03-07T00:00:00Z"}, "completed_at", "to last_activity"),
        ({"progress": 99, "completed_at": "2026-03-05T12:00:00Z"}, "progress", "100, since completed_at is given"),
        ({"progress": 100, "last_activity": "soon", "completed_at": "2026-03-05T12:00:00Z"}, "last_activity", "zone"),
    ],
)
def test_reports_an_invalid_value_once(sandbox, statistics, results, row, field, problem):
    with pytest.raises(AirflowFailException):
        statistics([statistic(**row)])
    (fault,) = faults_in(results)
    assert (fault["field"], fault["value"]) == (field, str(statistic(**row)[field]))
    assert problem in fault["problem"]
    assert writes(sandbox) == []


@pytest.mark.parametrize(
    "column", ["external_id", "mail", "progress", "time_spent_seconds", "first_activity", "last_activity"]
)
def test_requires_what_api_v2_requires(sandbox, statistics, results, column):
    row = statistic()
    del row[column]
    with pytest.raises(AirflowFailException, match=f"{column} is missing"):
        statistics([row])
    assert operations(sandbox) in ([], ["getUsers"])


def test_refuses_a_duplicate_attempt(sandbox, statistics, results):
    rows = [statistic(0), statistic(1), statistic(0, mail=ADMIN_MAIL), statistic(0, external_id="c2")]
    with pytest.raises(AirflowFailException, match="in row 1 already"):
        statistics([*rows, statistic(0, progress=50)])
    assert [fault["row"] for fault in faults_in(results)] == [5]
    assert statistics(rows)["outcomes"] == {"imported": 4}


def test_verifies_users_with_one_listing_or_not_at_all(sandbox, statistics, results):
    rows = [*several(30), statistic(40, mail="absent@acme.test")]
    with pytest.raises(AirflowFailException):
        statistics(rows)
    assert operations(sandbox) == ["getUsers"]
    sandbox.control.clear_journal()
    assert statistics(rows, verify_users_exist=False, max_failures=1)["outcomes"] == {"imported": 30, "refused": 1}
    assert "getUsers" not in operations(sandbox)
    assert results_in(results)[30]["error_code"] == "user_not_found"


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({"group_id": "Sales"}, "group_id is 'Sales'"),
        ({"external_platform": " "}, "external_platform is missing or empty"),
        ({"verify_users_exist": "perhaps"}, "verify_users_exist is 'perhaps'"),
        ({"resend_unconfirmed": "perhaps"}, "resend_unconfirmed is 'perhaps'"),
    ],
)
def test_reports_an_invalid_argument(sandbox, statistics, arguments, shown):
    with pytest.raises(AirflowFailException, match=shown):
        statistics(several(1), **arguments)
    assert operations(sandbox) == []


def test_reads_statistics_from_files_and_queries(sandbox, statistics, tmp_path, monkeypatch):
    rows = several(3)
    put_table(tmp_path / "lms.db", rows)
    monkeypatch.setenv("AIRFLOW_CONN_LMS", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "lms.db")}))
    dated = [
        row | {"first_activity": datetime.datetime(2026, 3, day, tzinfo=datetime.UTC)}
        for day, row in enumerate(rows, 1)
    ]
    for number, source in enumerate(
        [
            {"rows": put_csv(tmp_path / "in.csv", rows, separator="\t")},
            {"rows": put_parquet(tmp_path / "in.parquet", dated)},
            {"rows": None, "sql": "SELECT * FROM people", "sql_conn_id": "lms"},
        ]
    ):
        assert statistics(**source, results_path=str(tmp_path / str(number)))["outcomes"] == {"imported": 3}


# Rows that 360Learning refuses


@pytest.mark.parametrize(
    "behavior",
    [
        {"faulty_statistics": "refuse_batch"},
        {"faulty_statistics": "report", "external_reports": "status"},
        {"faulty_statistics": "report", "external_reports": "error"},
    ],
    ids=lambda behavior: "-".join(behavior.values()),
)
def test_finds_refused_rows_and_imports_the_others(sandbox, statistics, results, behavior):
    """A refused request is sent in halves until the row is found; a report names it directly."""
    sandbox.control.settings(**behavior)
    rows = several(50)
    rows[7]["external_id"] = rows[33]["external_id"] = "unknown"
    done = statistics(rows, max_failures=2)
    assert done["outcomes"] == {"imported": 48, "refused": 2}
    refused = [one for one in results_in(results) if one["outcome"] == "refused"]
    assert [(one["row"], one["error_code"], one["retryable"]) for one in refused] == [
        (8, "external_course_not_found", False),
        (34, "external_course_not_found", False),
    ]
    assert len(attempts_in(sandbox)) == 48
    assert {attempt["times_sent"] for attempt in attempts_in(sandbox)} == {1}
    assert rejected_in(results / "rejected" / "rejected.jsonl") == [rows[7], rows[33]]
    if "external_reports" in behavior:
        assert len(writes(sandbox)) == 3


def test_a_success_without_a_report_means_that_all_were_imported(sandbox, statistics):
    sandbox.control.settings(external_reports="none", acknowledgment="empty_body")
    assert statistics(several(3))["outcomes"] == {"imported": 3}


def test_an_error_common_to_all_rows_ends_the_run(sandbox, statistics):
    with pytest.raises(AirflowFailException, match="group_not_found"):
        statistics(several(200), group_id="f" * 24)
    assert len(writes(sandbox)) <= 3


# Unconfirmed rows


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
def test_reports_rows_with_an_unknown_outcome_and_does_not_resend_them(sandbox, statistics, results, kind):
    sandbox.control.add_fault(IMPORT, kind=kind, mentions="2026-03-05T00:25")
    done = statistics(several(50), max_failures=20)
    assert done["outcomes"] == {"imported": 30, "unknown": 20}
    unknown = [one for one in results_in(results) if one["outcome"] == "unknown"]
    assert [one["row"] for one in unknown] == list(range(21, 41))
    assert {one["error_code"] for one in unknown} == {"OutcomeUnknownError"}
    assert "resend_unconfirmed=True" in unknown[0]["message"]
    assert len(writes(sandbox)) == 3
    assert len(attempts_in(sandbox)) == (50 if kind == "drop_after" else 30)
    assert len(files_in(results)["rejected/rejected.jsonl"].splitlines()) == 20


@pytest.mark.parametrize("repeated", ["update", "new_attempt"])
def test_resends_unconfirmed_rows_if_asked(sandbox, statistics, repeated):
    """It is not known whether 360Learning counts it as another attempt."""
    sandbox.control.settings(repeated_statistics=repeated)
    sandbox.control.add_fault(IMPORT, kind="drop_after")
    assert statistics(several(5), resend_unconfirmed=True)["outcomes"] == {"imported": 5}
    assert len(attempts_in(sandbox)) == (5 if repeated == "update" else 10)


def test_halves_a_resent_request_that_is_refused(sandbox, statistics, results):
    sandbox.control.add_fault(IMPORT, kind="drop_before")
    rows = [statistic(0), statistic(1, external_id="unknown"), statistic(2)]
    statistics(rows, resend_unconfirmed=True, max_failures=1)
    assert outcomes_in(results) == ["imported", "refused", "imported"]


def leave_unconfirmed(sandbox, statistics, rows, **arguments):
    """Leave the state of an attempt that ended at its first request: its rows are unconfirmed."""
    wrong_key = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}}
    sandbox.control.add_fault(IMPORT, **wrong_key, count=len(rows))
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        statistics(rows, **arguments)
    sandbox.control.clear_faults()
    sandbox.control.clear_journal()


@pytest.mark.slow
def test_reports_rows_that_an_earlier_attempt_may_have_sent_as_unknown(sandbox, statistics, results):
    rows = several(150)
    leave_unconfirmed(sandbox, statistics, rows)
    done = statistics(rows, max_failures=150)
    assert done["outcomes"] == {"imported": 90, "unknown": 60}
    assert outcomes_in(results) == ["unknown"] * 60 + ["imported"] * 90, "those of three requests"
    assert "An earlier attempt ended while this may have been under way" in results_in(results)[0]["message"]
    assert len(attempts_in(sandbox)) == 90


def test_imports_the_valid_rows_and_fails_if_more_are_invalid_than_allowed(sandbox, statistics):
    rows = [*several(3), statistic(3, progress=140)]
    shown = r"1 of 4 rows is invalid, but only 0 may be .* row 4, .*: progress is 140"
    with pytest.raises(AirflowFailException, match=shown):
        statistics(rows, on_invalid="skip", max_invalid=0)
    assert len(attempts_in(sandbox)) == 3
    with pytest.raises(AirflowFailException, match="none of 1 row was accepted"):
        statistics(rows[3:], on_invalid="skip")


@pytest.mark.slow
def test_resends_rows_that_an_earlier_attempt_may_have_sent_if_asked(sandbox, statistics):
    rows = several(30)
    leave_unconfirmed(sandbox, statistics, rows)
    assert statistics(rows, resend_unconfirmed=True)["outcomes"] == {"imported": 30}


def test_retry_failed_only_resends_unknown_rows_if_asked(sandbox, statistics, results):
    sandbox.control.add_fault(IMPORT, kind="drop_before")
    with pytest.raises(AirflowFailException, match="3 of 3 rows are refused"):
        statistics(several(3))
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match="3 of 3 rows are refused"):
        statistics(several(3), retry_failed_only=True)
    assert writes(sandbox) == []
    assert statistics(several(3), retry_failed_only=True, resend_unconfirmed=True)["outcomes"] == {"imported": 3}
    assert len(attempts_in(sandbox)) == 3


# The same file again


def test_sends_the_same_file_again_without_skip_unchanged(sandbox, statistics, results):
    sandbox.control.settings(repeated_statistics="new_attempt")
    remembering = {"skip_unchanged": True}
    statistics(several(30), **remembering)
    again = statistics([*several(30), statistic(40)], **remembering)
    assert again["outcomes"] == {"imported": 1, "unchanged": 30}
    assert len(attempts_in(sandbox)) == 31
    statistics(several(3))
    assert len(attempts_in(sandbox)) == 34


def test_a_later_run_does_not_send_rows_remembered_as_unknown(sandbox, statistics, results):
    sandbox.control.add_fault(IMPORT, kind="drop_after")
    arguments = {"skip_unchanged": True, "max_failures": 3}
    for _ in range(2):
        with pytest.raises(AirflowFailException, match="none of 3 rows was accepted"):
            statistics(several(3), **arguments)
        assert outcomes_in(results) == ["unknown"] * 3
    assert "An earlier run may have done it" in results_in(results)[0]["message"]
    assert len(writes(sandbox)) == 1
    assert statistics(several(3), **arguments, resend_unconfirmed=True)["outcomes"] == {"imported": 3}
    assert statistics(several(3), **arguments)["outcomes"] == {"unchanged": 3}


def test_remembers_each_statistic_with_the_same_key(sandbox, statistics):
    first, later = statistic(progress=40), statistic(progress=60)
    for rows in ([first], [later]):
        assert statistics(rows, skip_unchanged=True)["outcomes"] == {"imported": 1}
    for rows in ([first], [later]):
        assert statistics(rows, skip_unchanged=True)["outcomes"] == {"unchanged": 1}


def test_remembers_each_platform_separately(sandbox, statistics):
    statistics(several(2), skip_unchanged=True)
    with pytest.raises(AirflowFailException, match="2 of 2 rows are refused"):
        statistics(several(2), skip_unchanged=True, external_platform="Other")


# Order


def test_sends_attempts_of_a_learner_at_a_course_in_order(sandbox, statistics):
    sandbox.control.add_fault(IMPORT, kind="delay", seconds=0.3, mentions="2026-03-05T00:05")
    statistics(several(60))
    sent = [item["firstActivity"] for request in requests_of(sandbox) for item in request]
    assert sent == sorted(sent)


def test_a_dry_run_sends_nothing(sandbox, statistics, results):
    assert statistics(several(25), dry_run=True)["outcomes"] == {"would_send": 25}
    assert writes(sandbox) == []
    assert attempts_in(sandbox) == []
