"""What actions on groups, members and catalogs send to API v1, and results of v1 alone."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)
from tests.versions.test_groups import DETAILS

MISSING_ID = "0" * 24


def test_creates_a_group_once(api, sent):
    made = api.create_group(name="Lab", public=True, custom="L1")
    assert made == {"group_id": made["group_id"], "name": "Lab", "outcome": "created"}
    assert sent("createGroup")[0]["body"] == {"name": "Lab", "public": "true", "custom": "L1"}
    assert api.get_group(group_id=made["group_id"]) == {
        "group_id": made["group_id"],
        "name": "Lab",
        "public": True,
        "parent_id": ROOT_GROUP_ID,
        "custom": "L1",
        **DETAILS,
        "members": [],
    }
    assert api.create_group(name="Lab") == {**made, "outcome": "already_exists"}
    assert len(sent("createGroup")) == 1


@pytest.mark.parametrize(("given", "public"), [(True, True), ("True", True), ("false", False)])
def test_reads_booleans_that_a_template_renders(api, given, public):
    made = api.create_group(name="Lab", public=given)
    assert api.get_group(group_id=made["group_id"])["public"] is public


def test_fail_raises_for_an_existing_group(api, sent):
    with pytest.raises(AlreadyExistsError, match=f"'Sales' exists already: {SALES_GROUP_ID}"):
        api.create_group(name="Sales", if_exists="fail")
    assert sent("createGroup") == []


def test_refuses_to_delete_the_root_group(api):
    with pytest.raises(RefusedError, match="cannot remove root group"):
        api.delete_group(group_id=ROOT_GROUP_ID)


@pytest.mark.parametrize(("user", "role"), [(GRACE_MAIL, "learner"), (GRACE_ID, "coach"), (GRACE_MAIL, "editor")])
def test_adds_and_removes_a_user(api, sent, group_id, user, role):
    added = api.add_user_to_group(group_id=group_id, user=user, role=role)
    assert added == {"group_id": group_id, "user": user, "role": role, "outcome": "added"}
    assert api.add_user_to_group(group_id=group_id, user=user, role=role) == added
    assert api.get_group(group_id=group_id)["members"] == [{"user_id": GRACE_ID, "mail": GRACE_MAIL, "role": role}]
    removed = api.remove_user_from_group(group_id=group_id, user=user)
    assert removed == {"group_id": group_id, "user": user, "outcome": "removed"}
    assert api.get_group(group_id=group_id)["members"] == []
    assert not sent("deleteUserFromGroup")[0]["body"]


def test_removes_one_role(api, sent, group_id):
    for role in ("learner", "editor"):
        api.add_user_to_group(group_id=group_id, user=GRACE_MAIL, role=role)
    api.remove_user_from_group(group_id=group_id, user=GRACE_MAIL, role="editor", from_private_subgroups=True)
    assert [member["role"] for member in api.get_group(group_id=group_id)["members"]] == ["learner"]
    assert sent("deleteUserFromGroup")[0]["body"] == {"role": "author", "deleteFromPrivateSubgroups": "true"}


@pytest.mark.parametrize("acknowledgment", ["empty_object", "status", "empty_body"])
def test_accepts_acknowledgments_of_any_shape(sandbox, api, group_id, acknowledgment):
    sandbox.control.settings(acknowledgment=acknowledgment)
    assert api.add_user_to_group(group_id=group_id, user=GRACE_MAIL)["outcome"] == "added"
    assert api.add_to_catalog(group_id=group_id, course_ids=[WELCOME_COURSE_ID])["outcome"] == "added"


def test_adds_to_and_removes_from_a_catalog(api, group_id):
    session_id = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="May", session_start="2026-05-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )["session_id"]
    items = {"course_ids": [WELCOME_COURSE_ID], "session_ids": [session_id]}
    assert api.add_to_catalog(group_id=group_id, **items) == {"group_id": group_id, "outcome": "added", "items": 2}
    assert api.get_catalog(group_id=group_id) == {
        "courses": [{"id": WELCOME_COURSE_ID, "name": "Welcome to Acme"}],
        "paths": [{"id": session_id, "name": "May"}],
    }
    assert api.remove_from_catalog(group_id=group_id, **items) == {
        "group_id": group_id,
        "outcome": "removed",
        "items": 2,
    }
    assert api.get_catalog(group_id=group_id) == {"courses": [], "paths": []}
    with pytest.raises(NotFoundError, match="course_not_found"):
        api.add_to_catalog(group_id=group_id, course_ids=[MISSING_ID])


@pytest.mark.parametrize(
    ("action", "arguments", "problem"),
    [
        ("create_group", {"name": " "}, "name is missing or empty"),
        ("create_group", {"name": "x", "parent_id": "y"}, "parent_id is 'y'"),
        ("create_group", {"name": "x", "if_exists": "y"}, "if_exists is 'y'"),
        ("create_group", {"name": "x", "public": "maybe"}, "public is 'maybe'"),
        ("get_group", {"group_id": "x"}, "group_id is 'x'"),
        ("update_group", {"group_id": SALES_GROUP_ID}, "at least one field"),
        ("update_group", {"group_id": "x", "name": "y"}, "group_id is 'x'"),
        ("delete_group", {"group_id": ""}, "group_id or group is missing or empty"),
        ("delete_group", {"group_id": SALES_GROUP_ID, "if_missing": "x"}, "if_missing is 'x'"),
        ("add_user_to_group", {"group_id": "x", "user": GRACE_MAIL}, "group_id is 'x'"),
        ("add_user_to_group", {"group_id": SALES_GROUP_ID, "user": "x"}, "user is 'x'"),
        ("add_user_to_group", {"group_id": SALES_GROUP_ID, "user": GRACE_MAIL, "role": "author"}, "role is 'author'"),
        ("remove_user_from_group", {"group_id": SALES_GROUP_ID, "user": "x"}, "user is 'x'"),
        ("add_to_catalog", {"group_id": SALES_GROUP_ID}, "both empty"),
        ("remove_from_catalog", {"group_id": SALES_GROUP_ID, "course_ids": ["x"]}, r"course_ids\[0\] is 'x'"),
    ],
)
def test_reports_an_invalid_argument_before_anything_is_sent(api, sent, action, arguments, problem):
    with pytest.raises(InvalidRequestError, match=f"{problem}.*Nothing was sent"):
        getattr(api, action)(**arguments)
    assert sent() == []
