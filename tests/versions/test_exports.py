"""Exports: the same columns and types through both versions of the API, and the same rows where both have them."""

from __future__ import annotations

from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.files.formats import columns_of, read
from airflow_provider_360learning.operators import exports
from airflow_provider_360learning.operators.exports import Learning360ExportCourseStatisticsOperator
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from tests.api.factory import api_factory
from tests.versions.test_paths import DETAILS

#: Kind of an export to its operator, and the columns that are null in API v2 unless email addresses are looked up.
EXPORTS = {
    "course_statistics": ("CourseStatistics", {"user_mail"}),
    "path_session_statistics": ("PathSessionStatistics", {"user_mail", "deleted"}),
    "users": ("Users", set()),
    "groups": ("Groups", set()),
    "memberships": ("Memberships", {"user_mail"}),
    "courses": ("Courses", {"author_mail"}),
    "paths": ("Paths", set()),
    "path_sessions": ("PathSessions", set()),
}
#: Columns that only one version returns, or not in the same way.
OF_ONE_VERSION = {
    "course_statistics": {"version_number", "lang"},
    "path_session_statistics": set(DETAILS),
    "users": {
        *("username", "status", "job", "organization", "phone", "lang", "profile_image_id", "last_login_at"),
        *("to_be_deactivated_at", "deleted_at", "reactivated_at"),
    },
    "courses": {
        *("type", "duration_minutes", "group_id", "group_name", "author_id", "co_author_ids", "co_author_mails"),
        *("tag_ids", "translations", "external_platform", "version_number", "collaborative_learning"),
    },
    "paths": {
        *("status", "description", "co_author_ids", "linear", "mandatory_replay", "automated_reminders", "steps"),
        *("display_forum", "display_classroom_messages", "notification_on_step_creation"),
    },
    "path_sessions": {
        *("main_instructor_id", "instructor_ids", "registration_validation", "is_audience_builder"),
        *("created_at", "modified_at"),
    },
}
MAIL_EXPORTS = [kind for kind, (_, unknown) in EXPORTS.items() if unknown]
INTERVAL = {"interval_start": "2020-01-01T00:00:00Z", "interval_end": "2040-01-01T00:00:00Z"}


@pytest.fixture
def company(sandbox):
    """Create two sessions with learners who have completed them, one of whom is deleted, and return their ids."""
    with api_factory(sandbox, "v1") as make:
        api = make()
        leaver = api.create_user(mail="leaver@acme.test", mode="create_active", password="secret-12")["mail"]
        ids = []
        for name in ("Spring", "Autumn"):
            made = api.create_path_session(
                path_id=ONBOARDING_PATH_ID, name=name, session_start="2026-05-01T00:00:00Z", group_id=ROOT_GROUP_ID
            )
            api.enroll_users(session_id=made["session_id"], users=[GRACE_MAIL, leaver])
            ids.append(made["session_id"])
        api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_MAIL, role="editor")
        sandbox.control.advance(60)
        api.delete_user(user=leaver)
        sandbox.control.clear_journal()
        return ids


@pytest.fixture
def connect(sandbox, monkeypatch):
    """Return a function that connects the operators by a version."""

    def connect(version):
        limits = dict.fromkeys(VERSIONS[version].spec.limits, 1000)
        connection = sandbox.connection_json(api_version=version, limits=limits)
        monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", connection)

    return connect


@pytest.fixture
def export(connect, version, tmp_path):
    """Return a function that exports through the version of the test, or another one."""

    def export(kind, version=version, format="jsonl", **arguments):
        connect(version)
        operator = getattr(exports, f"Learning360Export{EXPORTS[kind][0]}Operator")
        if "interval_start" in operator.template_fields:
            arguments = {**INTERVAL, **arguments}
        path = str(tmp_path / f"{version}-{kind}.{format}")
        return operator(task_id="export", output_path=path, **arguments).execute({})

    return export


def rows_of(result):
    rows = [row for _, _, row, _ in read(result["output_path"])]
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


@pytest.mark.parametrize("kind", EXPORTS)
def test_exports_the_same_rows(company, export, version, kind):
    rows, unknown = common(kind, export(kind)), EXPORTS[kind][1] if version == "v2" else set()
    expected = common(kind, export(kind, version="v1"))
    assert rows != []
    assert {column for row in rows for column in unknown if row[column] is not None} == set()
    assert [without(row, unknown) for row in rows] == [without(row, unknown) for row in expected]


def common(kind, result):
    """Return rows without what only one version lists: owners and invited users (v2), and drafts of courses (v1)."""
    return [
        without(row, OF_ONE_VERSION.get(kind, ()))
        for row in rows_of(result)
        if row.get("role") != "owner" and row.get("status") != "draft" and row.get("mail") != LINUS_MAIL
    ]


def without(row, columns):
    return {name: value for name, value in row.items() if name not in columns}


@pytest.mark.parametrize("kind", EXPORTS)
def test_columns_and_types_are_those_of_the_documentation(company, export, kind):
    result = export(kind, format="parquet")
    assert tuple(columns_of(result["output_path"])) == tuple(column.name for column in COLUMNS[kind])
    import pyarrow.parquet

    types = {
        **{"string": "string", "number": "double", "integer": "int64", "boolean": "bool", "json": "string"},
        "timestamp": "timestamp[ms, tz=UTC]",
    }
    schema = pyarrow.parquet.read_schema(result["output_path"])
    assert [str(field.type) for field in schema] == [types[column.kind] for column in COLUMNS[kind]]


def test_users_of_api_v2_have_all_published_fields(sandbox, export):
    with api_factory(sandbox, "v2") as make:
        api = make()
        api.delete_user(user=GRACE_MAIL)
        api.create_user(mail=GRACE_MAIL, mode="create_active", job="Admiral", phone="+33 1", lang="fr")
    (grace,) = (row for row in rows_of(export("users", version="v2")) if row["mail"] == GRACE_MAIL)
    assert (grace["status"], grace["job"], grace["phone"], grace["lang"]) == ("active", "Admiral", "+33 1", "fr")
    assert [len(grace[name]) for name in ("deleted_at", "reactivated_at")] == [1, 1]


# Email addresses


@pytest.mark.parametrize("kind", MAIL_EXPORTS)
def test_email_addresses_are_looked_up_where_asked_for(company, export, kind):
    """Also those of deleted users."""
    rows = common(kind, export(kind, with_mails=True))
    assert rows == common(kind, export(kind, version="v1"))
    mails = {row.get("user_mail", row.get("author_mail")) for row in rows}
    assert mails >= {ADMIN_MAIL if kind == "courses" else GRACE_MAIL}
    if kind.endswith("statistics"):
        assert mails == {GRACE_MAIL, "leaver@acme.test"}


@pytest.mark.parametrize("kind", MAIL_EXPORTS)
def test_all_users_are_read_once_for_that(company, sandbox, export, version, kind):
    sandbox.control.settings(max_page_size=4)
    export(kind, with_mails=True)
    users = [entry for entry in sandbox.control.journal() if entry["operation"] == "getUsers"]
    pages = -(-len(sandbox.control.state()["users"]) // 4)
    assert len(users) == (pages if version == "v2" else 0)
    sandbox.control.clear_journal()
    export(kind, with_mails="False")
    assert "getUsers" not in {entry["operation"] for entry in sandbox.control.journal()}


def test_email_addresses_that_cannot_be_read_fail_the_task(company, sandbox, export, tmp_path):
    sandbox.control.set_scopes(["courseStats:read"])
    with pytest.raises(AirflowFailException, match="users:read"):
        export("course_statistics", version="v2", with_mails=True)
    assert list(tmp_path.iterdir()) == []


# Path sessions


def test_exports_the_learners_of_given_sessions_only(company, export):
    result = export("path_session_statistics", session_ids=company[:1])
    assert {row["session_id"] for row in rows_of(result)} == set(company[:1])
    assert (result["rows"], result["sessions"], result["deleted_meanwhile"]) == (2, 1, 0)


def test_all_sessions_take_few_requests(company, sandbox, export, version):
    result = export("path_session_statistics", date_field=None)
    operations = [entry["operation"] for entry in sandbox.control.journal() if "token" not in entry["path"]]
    assert (result["sessions"], result["rows"]) == (2, 4)
    if version == "v2":
        assert operations == ["getAllPathSessions", "getPathStats"]


@pytest.mark.parametrize("with_interval", [True, False])
def test_pages_of_learners_that_fail_lose_and_double_nothing(company, sandbox, export, with_interval):
    arguments = {} if with_interval else {"date_field": None}
    expected = rows_of(export("path_session_statistics", **arguments))
    sandbox.control.settings(max_page_size=1)
    for after in (0, 1, 3):
        sandbox.control.add_fault("getPathStats", kind="drop_midway", after=after)
    assert rows_of(export("path_session_statistics", **arguments)) == expected


def test_learners_of_an_interval_to_the_millisecond(company, export):
    times = sorted(row["completed_at"] for row in rows_of(export("path_session_statistics")))
    found = export("path_session_statistics", interval_end=times[-1])
    assert [row["completed_at"] for row in rows_of(found)] == [each for each in times if each < times[-1]]
    assert export("path_session_statistics", interval_start=times[-1])["highest_timestamp"] == times[-1]


def test_unenrolled_learners_are_not_exported(company, sandbox, export):
    with api_factory(sandbox, "v1") as make:
        make().unenroll_users(session_id=company[0], users=[GRACE_ID])
    rows = rows_of(export("path_session_statistics", date_field=None))
    assert company[0] not in {row["session_id"] for row in rows if row["user_id"] == GRACE_ID}
    assert company[1] in {row["session_id"] for row in rows if row["user_id"] == GRACE_ID}


def test_statistics_have_all_that_api_v2_shows_and_null_in_api_v1(company, export, version):
    attempt, learner = rows_of(export("course_statistics"))[0], rows_of(export("path_session_statistics"))[0]
    shown = {**learner, **attempt}
    always = ("version_number", "lang", "enrolled_at", "self_enrolled", "started_at", "enrollment_id")
    assert {shown[name] is None for name in always} == {version == "v1"}


def test_no_sessions_give_no_learners(sandbox, export):
    result = export("path_session_statistics", date_field=None)
    assert (result["rows"], result["sessions"]) == (0, 0)


# Lists


@pytest.mark.parametrize("kind", [kind for kind in EXPORTS if kind != "course_statistics"])
def test_small_pages_in_any_order_have_all_rows(company, sandbox, export, kind):
    arguments = {"date_field": None} if "statistics" in kind else {}
    expected = rows_of(export(kind, **arguments))
    sandbox.control.settings(max_page_size=2, list_order="shuffled")
    assert rows_of(export(kind, **arguments)) == expected


def test_two_exports_of_unchanged_statistics_have_the_same_bytes(company, sandbox, export):
    for kind in ("course_statistics", "path_session_statistics"):
        first = Path(export(kind)["output_path"]).read_bytes()
        sandbox.control.settings(max_page_size=3)
        assert Path(export(kind)["output_path"]).read_bytes() == first


# Course statistics


def test_refuses_last_activity_where_the_api_cannot_select_by_it(company, sandbox, connect, version, tmp_path):
    operator = Learning360ExportCourseStatisticsOperator(
        task_id="export", date_field="last_activity_at", output_path=str(tmp_path / "feed"), **INTERVAL
    )
    connect(version)
    if version == "v1":
        assert operator.execute({})["rows"] == 8
        return
    with pytest.raises(AirflowFailException, match="use 'completed_at'"):
        operator.execute({})
    assert sandbox.control.journal() == []
    assert list((tmp_path / "feed").rglob("*")) == []
