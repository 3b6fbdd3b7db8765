"""Each operator against the sandbox: its result, its requests, and what happens to errors."""

from __future__ import annotations

import logging
import os

import pytest
from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

from airflow_provider_360learning.exceptions import (
    OutcomeUnknownError,
    RateLimitedError,
)
from airflow_provider_360learning.operators.courses import (
    Learning360AddToCatalogOperator,
    Learning360RemoveFromCatalogOperator,
)
from airflow_provider_360learning.operators.groups import (
    Learning360AddToLibraryOperator,
    Learning360AddUserToGroupOperator,
    Learning360CreateGroupOperator,
    Learning360DeleteGroupOperator,
    Learning360RemoveUserFromGroupOperator,
    Learning360UpdateGroupOperator,
)
from airflow_provider_360learning.operators.paths import (
    Learning360CreatePathSessionOperator,
    Learning360EnrollGroupsOperator,
    Learning360EnrollUsersOperator,
    Learning360UnenrollUsersOperator,
)
from airflow_provider_360learning.operators.users import (
    Learning360CreateUserOperator,
    Learning360DeleteUserOperator,
    Learning360UpdateUserOperator,
)
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, operations

NEW_MAIL = "ana.silva@acme.test"
MISSING_ID = "f" * 24


def run(operator, **arguments):
    return operator(task_id="one", **arguments).execute({})


@pytest.fixture
def session_id(sandbox):
    made = run(
        Learning360CreatePathSessionOperator,
        path_id=ONBOARDING_PATH_ID,
        name="Autumn",
        session_start="2026-10-01T00:00:00Z",
        group_id=ROOT_GROUP_ID,
    )
    sandbox.control.clear_journal()
    return made["session_id"]


@pytest.mark.parametrize(
    ("operator", "arguments", "result", "sent"),
    [
        (
            Learning360CreateUserOperator,
            {"mail": NEW_MAIL, "first_name": "Ana", "group_id": SALES_GROUP_ID, "role": "coach"},
            {"mail": NEW_MAIL, "outcome": "invited"},
            ["createOrInviteUser"],
        ),
        (
            Learning360UpdateUserOperator,
            {"user": GRACE_MAIL, "job": "Rear admiral"},
            {"user": GRACE_MAIL, "outcome": "updated"},
            ["updateUser"],
        ),
        (
            Learning360DeleteUserOperator,
            {"user": GRACE_ID},
            {"user": GRACE_ID, "outcome": "deleted"},
            ["deleteUser"],
        ),
        (
            Learning360UpdateGroupOperator,
            {"group_id": SALES_GROUP_ID, "public": False},
            {"group_id": SALES_GROUP_ID, "outcome": "updated"},
            ["updateGroup"],
        ),
        (
            Learning360DeleteGroupOperator,
            {"group_id": SALES_GROUP_ID},
            {"group_id": SALES_GROUP_ID, "outcome": "deleted"},
            ["deleteGroup"],
        ),
        (
            Learning360AddUserToGroupOperator,
            {"group_id": SALES_GROUP_ID, "user": GRACE_MAIL, "role": "editor"},
            {"group_id": SALES_GROUP_ID, "user": GRACE_MAIL, "role": "editor", "outcome": "added"},
            ["addUserToGroup"],
        ),
        (
            Learning360RemoveUserFromGroupOperator,
            {"group_id": ROOT_GROUP_ID, "user": GRACE_MAIL},
            {"group_id": ROOT_GROUP_ID, "user": GRACE_MAIL, "outcome": "removed"},
            ["deleteUserFromGroup"],
        ),
        (
            Learning360AddToCatalogOperator,
            {"group_id": SALES_GROUP_ID, "course_ids": [WELCOME_COURSE_ID]},
            {"group_id": SALES_GROUP_ID, "outcome": "added", "items": 1},
            ["addToGroupCatalog"],
        ),
        (
            Learning360RemoveFromCatalogOperator,
            {"group_id": SALES_GROUP_ID, "course_ids": [WELCOME_COURSE_ID]},
            {"group_id": SALES_GROUP_ID, "outcome": "removed", "items": 1},
            ["deleteFromGroupCatalog"],
        ),
        (
            Learning360AddToLibraryOperator,
            {"group_id": SALES_GROUP_ID, "course_ids": [WELCOME_COURSE_ID]},
            {"group_id": SALES_GROUP_ID, "outcome": "added", "items": 1},
            ["addToGroupLibrary"],
        ),
        (
            Learning360DeleteGroupOperator,
            {"group_id": SALES_GROUP_ID, "dry_run": True},
            {"group_id": SALES_GROUP_ID, "outcome": "would_delete", "subgroups": []},
            ["getGroups"],
        ),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_operator_runs_its_action_and_returns_the_outcome(sandbox, operator, arguments, result, sent):
    done = run(operator, **arguments)
    assert {name: value for name, value in done.items() if name != "user_id"} == result
    assert operations(sandbox) == sent
    assert [entry["done"] for entry in sandbox.control.journal()] == [True]


def test_create_group_returns_the_new_group(sandbox):
    made = run(Learning360CreateGroupOperator, name="Research", parent_id=SALES_GROUP_ID)
    assert made == {"group_id": made["group_id"], "name": "Research", "outcome": "created"}
    (group,) = [group for group in sandbox.control.state()["groups"] if group["name"] == "Research"]
    assert (group["id"], group["parent"]) == (made["group_id"], SALES_GROUP_ID)
    assert run(Learning360CreateGroupOperator, name="Research", parent_id=SALES_GROUP_ID)["outcome"] == "already_exists"


def test_create_path_session_returns_the_new_session(sandbox, session_id):
    assert [session["id"] for session in sandbox.control.state()["sessions"]] == [session_id]


@pytest.mark.parametrize(
    ("operator", "arguments", "result"),
    [
        (Learning360EnrollUsersOperator, {"users": [GRACE_MAIL]}, {"outcome": "enrolled", "users": 1}),
        (Learning360EnrollGroupsOperator, {"group_ids": [SALES_GROUP_ID]}, {"outcome": "enrolled", "groups": 1}),
        (Learning360UnenrollUsersOperator, {"users": [GRACE_MAIL]}, {"outcome": "unenrolled", "users": 1}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_operator_changes_the_enrollment(sandbox, session_id, operator, arguments, result):
    done = run(operator, session_id=session_id, path_id=ONBOARDING_PATH_ID, **arguments)
    assert done == {"session_id": session_id, **result}
    assert all(entry["done"] for entry in sandbox.control.journal())


def test_uses_the_given_connection(sandbox, monkeypatch):
    monkeypatch.setenv(CONNECTION, "learning360://nobody")
    monkeypatch.setenv("AIRFLOW_CONN_SECOND_COMPANY", sandbox.connection_json(limits=UNLIMITED))
    result = run(Learning360DeleteUserOperator, user=GRACE_MAIL, learning360_conn_id="second_company")
    assert result["outcome"] == "deleted"


def test_logs_the_api_usage_at_the_end(with_tokens, caplog):
    caplog.set_level(logging.INFO)
    run(Learning360DeleteUserOperator, user=GRACE_MAIL)
    assert caplog.messages[-1].startswith("360Learning API usage: requests=2 throttled=0 ")


# Names


def test_operator_takes_names_of_groups_paths_and_sessions(sandbox, session_id):
    run(Learning360CreateUserOperator, mail=NEW_MAIL, group="Sales", mode="create_active")
    run(Learning360EnrollUsersOperator, session="Autumn", path="Onboarding", users=[NEW_MAIL])
    state = sandbox.control.state()
    assert SALES_GROUP_ID in {each["group"] for each in state["memberships"] if each["mail"] == NEW_MAIL}
    assert [(each["session"], each["mail"]) for each in state["enrollments"]] == [(session_id, NEW_MAIL)]
    assert operations(sandbox) == [
        "getGroups",
        "createOrInviteUser",
        "getPaths",
        "getPathSessions",
        "addUsersToPathSession",
    ]


def test_unknown_name_fails_the_task_without_retries(sandbox):
    with pytest.raises(AirflowFailException, match=r"group is 'Sails', but no group has this name .* Nothing was sent"):
        run(Learning360DeleteGroupOperator, group="Sails")
    assert operations(sandbox) == ["getGroups"]


# Invalid values


@pytest.mark.parametrize(
    ("operator", "arguments", "named"),
    [
        (Learning360CreateUserOperator, {"mail": "ana"}, "mail is 'ana'"),
        (Learning360CreateUserOperator, {"mail": NEW_MAIL, "role": "boss"}, "role is 'boss'"),
        (Learning360CreateUserOperator, {"mail": NEW_MAIL, "mode": "summon"}, "mode is 'summon'"),
        (Learning360CreateUserOperator, {"mail": NEW_MAIL, "group_id": "Sales"}, "group_id is 'Sales'"),
        (Learning360CreateUserOperator, {"mail": NEW_MAIL, "other_group_ids": "abc"}, r"other_group_ids\[0\] is 'abc'"),
        (Learning360CreateUserOperator, {"mail": NEW_MAIL, "if_exists": "shrug"}, "if_exists is 'shrug'"),
        (Learning360UpdateUserOperator, {"user": "Grace"}, "user is 'Grace'"),
        (
            Learning360UpdateUserOperator,
            {"user": GRACE_MAIL, "to_be_deactivated_at": "2026-12-01"},
            "to_be_deactivated_at is '2026-12-01'",
        ),
        (Learning360UpdateUserOperator, {"user": GRACE_MAIL}, "at least one field"),
        (Learning360DeleteUserOperator, {"user": ""}, "user is missing or empty"),
        (Learning360DeleteUserOperator, {"user": GRACE_MAIL, "if_missing": "cry"}, "if_missing is 'cry'"),
        (Learning360CreateGroupOperator, {"name": " "}, "name is missing or empty"),
        (Learning360CreateGroupOperator, {"name": "A", "parent_id": "root"}, "parent_id is 'root'"),
        (Learning360UpdateGroupOperator, {"group_id": "Sales", "public": True}, "group_id is 'Sales'"),
        (Learning360DeleteGroupOperator, {"group_id": "None"}, "group_id is 'None'"),
        (
            Learning360AddUserToGroupOperator,
            {"group_id": SALES_GROUP_ID, "user": GRACE_MAIL, "role": "author"},
            "role is 'author'",
        ),
        (Learning360RemoveUserFromGroupOperator, {"group_id": SALES_GROUP_ID, "user": "x"}, "user is 'x'"),
        (Learning360AddToCatalogOperator, {"group_id": SALES_GROUP_ID}, "course_ids and session_ids"),
        (Learning360AddToLibraryOperator, {"group_id": SALES_GROUP_ID}, "course_ids and path_ids"),
        (
            Learning360AddToLibraryOperator,
            {"group_id": SALES_GROUP_ID, "path_ids": [MISSING_ID]},
            "path_ids is not available in API v1",
        ),
        (
            Learning360RemoveFromCatalogOperator,
            {"group_id": SALES_GROUP_ID, "session_ids": ["x"]},
            r"session_ids\[0\] is 'x'",
        ),
        (
            Learning360CreatePathSessionOperator,
            {"path_id": ONBOARDING_PATH_ID, "name": "A", "session_start": "soon", "group_id": ROOT_GROUP_ID},
            "session_start is 'soon'",
        ),
        (
            Learning360EnrollUsersOperator,
            {"session_id": MISSING_ID, "users": f"['{GRACE_MAIL}']"},
            "users is .*, but must be a list",
        ),
        (Learning360EnrollUsersOperator, {"session_id": MISSING_ID, "users": []}, "users is empty"),
        (Learning360EnrollGroupsOperator, {"session_id": MISSING_ID, "group_ids": ["x"]}, r"group_ids\[0\] is 'x'"),
        (Learning360UnenrollUsersOperator, {"session_id": "x", "users": [GRACE_MAIL]}, "session_id is 'x'"),
    ],
)
def test_reports_an_invalid_value_before_anything_is_sent(sandbox, operator, arguments, named):
    with pytest.raises(AirflowFailException, match=named):
        run(operator, **arguments)
    assert sandbox.control.journal() == []


def test_reports_a_malformed_connection_before_anything_is_sent(sandbox, monkeypatch):
    monkeypatch.setenv(CONNECTION, f"learning360://:key@{sandbox.url.removeprefix('http://')}/http")
    with pytest.raises(AirflowFailException, match=r"login \(Company ID or client ID\): is missing"):
        run(Learning360DeleteUserOperator, user=GRACE_MAIL)
    assert sandbox.control.journal() == []


# Errors


def test_a_permanent_error_fails_the_task_at_once(sandbox):
    with pytest.raises(AirflowFailException, match=r"NotFoundError: .*user_not_found.*PUT /api/v1/users/"):
        run(Learning360UpdateUserOperator, user=NEW_MAIL, job="Clerk")
    with pytest.raises(AirflowFailException, match="AlreadyExistsError: "):
        run(Learning360CreateUserOperator, mail=GRACE_MAIL, mode="create_active", if_exists="fail")
    with pytest.raises(AirflowFailException, match=r"RefusedError: .*cannot remove root group"):
        run(Learning360DeleteGroupOperator, group_id=ROOT_GROUP_ID)


def test_an_invalid_key_fails_the_task_at_once(sandbox, monkeypatch):
    wrong = sandbox.connection_json(auth="api_key_header", limits=UNLIMITED).replace(sandbox.api_key, "wrong")
    monkeypatch.setenv(CONNECTION, wrong)
    with pytest.raises(AirflowFailException, match=r"AuthenticationError: .*invalid_api_key"):
        run(Learning360DeleteUserOperator, user=GRACE_MAIL)
    assert operations(sandbox) == ["deleteUser"]


@pytest.mark.slow
def test_a_transient_error_reaches_the_retries_of_airflow(sandbox):
    """The group is created and cannot be looked up; a retry looks it up first."""
    sandbox.control.add_fault("createGroup", kind="drop_after")
    sandbox.control.add_fault("getGroups", kind="drop_before", after=1, count=4)
    with pytest.raises(OutcomeUnknownError) as raised:
        run(Learning360CreateGroupOperator, name="Research")
    assert not isinstance(raised.value, AirflowException)
    assert run(Learning360CreateGroupOperator, name="Research")["outcome"] == "already_exists"
    assert [group["name"] for group in sandbox.control.state()["groups"]].count("Research") == 1


def test_an_unknown_outcome_names_what_to_check(sandbox):
    sandbox.control.add_fault("createGroup", kind="drop_before")
    with pytest.raises(OutcomeUnknownError, match="check in 360Learning"):
        run(Learning360CreateGroupOperator, name="Research")


def test_exhausted_rate_limits_reach_the_retries_of_airflow(sandbox, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__MAX_RATE_LIMIT_WAIT", "0.5")
    # The limits of another host name: this one stays closed for longer than the test takes.
    monkeypatch.setenv(CONNECTION, os.environ[CONNECTION].replace("127.0.0.1", "localhost"))
    sandbox.control.add_fault("deleteGroup", kind="rate_limited", retry_after=30)
    with pytest.raises(RateLimitedError) as raised:
        run(Learning360DeleteGroupOperator, group_id=SALES_GROUP_ID)
    assert 25 < raised.value.retry_after <= 30
