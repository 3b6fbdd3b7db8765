"""Operators for paths and their sessions: the outcome of each in one line of the task's log, and what bulk rows do."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.path_contents import (
    Learning360AddPathTokensOperator,
    Learning360ReplacePathCoursesOperator,
)
from airflow_provider_360learning.operators.paths import (
    Learning360ArchivePathOperator,
    Learning360CreatePathOperator,
    Learning360DeletePathOperator,
    Learning360DeletePathSessionOperator,
    Learning360ReplacePathSessionAudienceOperator,
    Learning360UnenrollGroupsOperator,
    Learning360UpdatePathOperator,
    Learning360UpdatePathSessionOperator,
)
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)
from tests.rows.support import results_in
from tests.unlimited_sandbox import CONNECTION, make_session

#: Operators with arguments, and the line that each logs with API v2. ``{session}`` is an id, ``{id}`` is in the result.
LINES = [
    (
        Learning360CreatePathOperator,
        {"name": "Safety", "group": "Sales", "course_ids": [WELCOME_COURSE_ID]},
        "Created path Safety ({id}) of group Sales",
    ),
    (
        Learning360UpdatePathOperator,
        {"path": "Onboarding", "linear": True, "default_lang": "fr"},
        f"Updated default_lang and linear of path Onboarding ({ONBOARDING_PATH_ID})",
    ),
    (
        Learning360ArchivePathOperator,
        {"path_id": ONBOARDING_PATH_ID, "archived": False},
        f"Restored path {ONBOARDING_PATH_ID}",
    ),
    (
        Learning360ArchivePathOperator,
        {"path_id": ONBOARDING_PATH_ID, "dry_run": True},
        f"Would archive path Onboarding ({ONBOARDING_PATH_ID})",
    ),
    (
        Learning360DeletePathOperator,
        {"path": "Onboarding"},
        f"Deleted path Onboarding ({ONBOARDING_PATH_ID}) and its sessions",
    ),
    (
        Learning360DeletePathOperator,
        {"path": "Onboarding", "dry_run": True},
        f"Would delete path Onboarding ({ONBOARDING_PATH_ID}) and 1 session: Autumn",
    ),
    (
        Learning360ReplacePathCoursesOperator,
        {"path": "Onboarding", "course_ids": [WELCOME_COURSE_ID]},
        f"Replaced the steps of path Onboarding ({ONBOARDING_PATH_ID}) by 1 course",
    ),
    (
        Learning360ReplacePathCoursesOperator,
        {"path_id": ONBOARDING_PATH_ID, "courses": ["Welcome to Acme", "Security basics"]},
        f"Path {ONBOARDING_PATH_ID} has these 2 courses already; unchanged",
    ),
    (
        Learning360AddPathTokensOperator,
        {"path": "Onboarding", "group_id": SALES_GROUP_ID, "tokens": 5, "author": GRACE_MAIL},
        f"Added 5 tokens of path Onboarding ({ONBOARDING_PATH_ID}) to group {SALES_GROUP_ID}",
    ),
    (
        Learning360UpdatePathSessionOperator,
        {"session_id": "{session}", "session_end": "2096-06-01T00:00:00Z", "user_limit": 20},
        "Updated session_end and user_limit of session {session}",
    ),
    (
        Learning360DeletePathSessionOperator,
        {"session_id": "{session}"},
        "Deleted session {session} and its enrollments",
    ),
    (
        Learning360DeletePathSessionOperator,
        {"session": "Autumn", "dry_run": True},
        "Would delete session Autumn ({session}) with the enrollments of 1 learner",
    ),
    (
        Learning360UnenrollGroupsOperator,
        {"session": "Autumn", "group_ids": [SALES_GROUP_ID]},
        f"Unenrolled group {SALES_GROUP_ID} from session Autumn ({{session}})",
    ),
    (
        Learning360ReplacePathSessionAudienceOperator,
        {"session": "Autumn", "users": [GRACE_MAIL], "group_ids": [SALES_GROUP_ID], "excluded_users": [GRACE_ID]},
        "Set the audience of session Autumn ({session}) to 1 user, 1 group and 1 excluded user",
    ),
]


@pytest.fixture
def session(sandbox, monkeypatch):
    """Use API v2, and return the id of a session in which Grace is enrolled."""
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2"))
    return make_session(sandbox, GRACE_ID)


@pytest.mark.parametrize(("operator", "arguments", "line"), LINES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_operator_logs_its_outcome_in_one_line(session, caplog, operator, arguments, line):
    filled = {
        name: value.format(session=session) if isinstance(value, str) else value for name, value in arguments.items()
    }
    caplog.clear()
    result = operator(task_id="one", **filled).execute({})
    assert caplog.text.count(line.format(id=result.get("path_id"), session=session)) == 1


def test_an_update_by_api_v1_logs_what_it_has_reset(sandbox, caplog):
    made = make_session(sandbox, GRACE_ID)
    result = Learning360UpdatePathSessionOperator(task_id="one", session_id=made, name="June").execute({})
    assert result == {"session_id": made, "outcome": "updated", "reset": ["registration_validation", "user_limit"]}
    line = f"Updated name of session {made}; API v1 has reset registration_validation and user_limit"
    assert caplog.text.count(line) == 1


def apply(action, rows, folder, **arguments):
    """Apply an action to rows, and return the outcome of each."""
    Learning360BulkOperator(
        task_id="bulk", action=action, rows=rows, results_path=str(folder), max_failures=len(rows), **arguments
    ).execute({})
    return [one["outcome"] for one in results_in(folder)]


def test_paths_are_created_and_changed_by_rows(sandbox, session, tmp_path):
    rows = [
        {"name": "Safety", "group": "Sales", "courses": "Welcome to Acme; Security basics", "linear": "true"},
        {"name": "Safety", "group": "Acme", "course_ids": WELCOME_COURSE_ID},
        {"name": "First aid", "group": "Acme", "course_ids": "0" * 24},
    ]
    assert apply("create_path", rows, tmp_path / "made") == ["created", "created", "refused"]
    assert apply("create_path", rows[:2], tmp_path / "again") == ["already_exists", "already_exists"]
    rows = [{"path": "Onboarding", "description": "<p>new</p>"}, {"path_id": "0" * 24, "description": "x"}]
    assert apply("update_path", rows, tmp_path / "changed") == ["updated", "refused"]
    onboarding, safety, _ = sandbox.control.state()["paths"]
    assert (onboarding["description"], len(safety["courses"])) == ("<p>new</p>", 2)


def test_groups_are_enrolled_again_only_after_they_were_unenrolled(session, tmp_path):
    row = {"session": "Autumn", "groups": "Sales"}
    outcomes = [
        apply(action, [row], tmp_path, skip_unchanged=True)[0]
        for action in ("enroll_groups", "enroll_groups", "unenroll_groups", "enroll_groups")
    ]
    assert outcomes == ["enrolled", "unchanged", "unenrolled", "enrolled"]


def test_a_row_that_would_empty_an_audience_is_invalid(session, tmp_path):
    rows = [{"session": "Autumn", "users": ""}, {"session": "Autumn", "users": GRACE_MAIL}]
    outcomes = apply("replace_path_session_audience", rows, tmp_path, on_invalid="skip")
    assert outcomes == ["invalid", "replaced"]
