"""Enrolling the users of bulk tasks: the same through both versions of the API."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.operators.paths import (
    Learning360EnrollUsersOperator,
    Learning360UnenrollUsersOperator,
)
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, ONBOARDING_PATH_ID, ROOT_GROUP_ID
from tests.rows.support import put_results

USERS = [f"user.{number}@acme.test" for number in range(6)]


@pytest.fixture
def session_id(sandbox, api, version, monkeypatch):
    limits = dict.fromkeys(VERSIONS[version].spec.limits, 1000)
    connection = sandbox.connection_json(api_version=version, limits=limits)
    monkeypatch.setenv("AIRFLOW_CONN_LEARNING360_DEFAULT", connection)
    sandbox.control.add_users(USERS)
    made = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="Autumn", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    return made["session_id"]


@pytest.fixture
def enrolled(sandbox):
    return lambda: {enrollment["mail"] for enrollment in sandbox.control.state()["enrollments"]}


def change(operator, session_id, created):
    return operator(task_id="enroll", session_id=session_id, users_from=created).execute({})


def test_enrolls_and_unenrolls_the_users_of_a_bulk_task(session_id, enrolled, tmp_path):
    created = put_results(tmp_path, [(user, "created") for user in USERS])
    for operator, outcome in (
        (Learning360EnrollUsersOperator, "enrolled"),
        (Learning360UnenrollUsersOperator, "unenrolled"),
    ):
        assert change(operator, session_id, created) == {
            "session_id": session_id,
            "outcome": outcome,
            "users": 6,
            "pending_invitations": 0,
        }
        assert enrolled() == (set(USERS) if outcome == "enrolled" else set())


def test_enrolls_the_others_if_some_users_are_refused(session_id, enrolled, tmp_path):
    created = put_results(tmp_path, [(user, "created") for user in ("missing@acme.test", *USERS, GRACE_MAIL)])
    with pytest.raises(AirflowFailException, match=r"7 of 8 users are done.*missing@acme\.test \(user_not_found\)"):
        change(Learning360EnrollUsersOperator, session_id, created)
    assert enrolled() == {*USERS, GRACE_MAIL}


def test_an_error_about_the_session_is_not_searched_for_in_halves(sandbox, session_id, tmp_path):
    created = put_results(tmp_path, [(user, "created") for user in USERS])
    sandbox.control.clear_journal()
    with pytest.raises(AirflowFailException, match=r"path_session_not_found|No path has a session with the id"):
        change(Learning360EnrollUsersOperator, "f" * 24, created)
    assert len([entry for entry in sandbox.control.journal() if entry["operation"] != "generateToken"]) == 1
