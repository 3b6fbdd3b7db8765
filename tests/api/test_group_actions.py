"""Actions on groups, members and catalogs: their effect at the sandbox and their results."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)

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
        "members": [],
    }
    assert api.create_group(name="Lab") == {**made, "outcome": "already_exists"}
    assert len(sent("createGroup")) == 1


@pytest.mark.parametrize(("given", "public"), [(True, True), ("True", True), ("false", False)])
def test_reads_booleans_that_a_template_renders(api, given, public):
    made = api.create_group(name="Lab", public=given)
    assert api.get_group(group_id=made["group_id"])["public"] is public


def test_update_updates_an_existing_group(api):
    made = api.create_group(name="Sales", public=False, custom="S1", if_exists="update")
    assert made == {"group_id": SALES_GROUP_ID, "name": "Sales", "outcome": "updated"}
    found = api.get_group(group_id=SALES_GROUP_ID)
    assert (found["public"], found["custom"]) == (False, "S1")


def test_fail_raises_for_an_existing_group(api, sent):
    with pytest.raises(AlreadyExistsError, match=f"'Sales' exists already: {SALES_GROUP_ID}"):
        api.create_group(name="Sales", if_exists="fail")
    assert sent("createGroup") == []


def test_identifies_a_group_by_name_and_parent(api):
    """Without a parent, it is created under the root group."""
    below = api.create_group(name="Sales", parent_id=SALES_GROUP_ID)
    assert below["outcome"] == "created"
    assert api.create_group(name="Sales", parent_id=SALES_GROUP_ID) == {**below, "outcome": "already_exists"}
    assert api.create_group(name="Sales")["group_id"] == SALES_GROUP_ID
    assert api.create_group(name="Sales", parent_id=ROOT_GROUP_ID)["group_id"] == SALES_GROUP_ID


def test_refuses_to_choose_between_two_groups_of_one_name(api):
    api.client.call(Call("createGroup", body={"name": "Sales", "public": False}))
    with pytest.raises(RefusedError, match="2 groups have the name 'Sales' under this parent"):
        api.create_group(name="Sales")


def test_raises_for_a_missing_parent(api):
    with pytest.raises(NotFoundError, match="group_not_found"):
        api.create_group(name="Lab", parent_id=MISSING_ID)


def test_lists_groups(api):
    assert api.list_groups() == [
        {"group_id": ROOT_GROUP_ID, "name": "Acme", "public": False, "parent_id": None, "custom": None},
        {"group_id": SALES_GROUP_ID, "name": "Sales", "public": True, "parent_id": ROOT_GROUP_ID, "custom": None},
    ]


def test_updates_a_group(api, group_id):
    assert api.update_group(group_id=group_id, name="Lab 2", parent_id=SALES_GROUP_ID) == {
        "group_id": group_id,
        "outcome": "updated",
    }
    found = api.get_group(group_id=group_id)
    assert (found["name"], found["parent_id"], found["public"]) == ("Lab 2", SALES_GROUP_ID, False)
    with pytest.raises(NotFoundError):
        api.update_group(group_id=MISSING_ID, name="x")


def test_deletes_a_group_once(api, group_id):
    assert api.delete_group(group_id=group_id) == {"group_id": group_id, "outcome": "deleted"}
    assert api.delete_group(group_id=group_id) == {"group_id": group_id, "outcome": "not_found"}
    with pytest.raises(NotFoundError):
        api.delete_group(group_id=group_id, if_missing="fail")


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


def test_raises_for_missing_members_and_groups(api, group_id):
    with pytest.raises(NotFoundError, match="user_not_found"):
        api.add_user_to_group(group_id=group_id, user="missing@acme.test")
    with pytest.raises(NotFoundError, match="user_not_found"):
        api.remove_user_from_group(group_id=group_id, user="missing@acme.test")
    with pytest.raises(NotFoundError, match="group_not_found"):
        api.add_user_to_group(group_id=MISSING_ID, user=GRACE_MAIL)


def test_returns_the_role_of_an_admin(api):
    roles = {(member["user_id"], member["role"]) for member in api.get_group(group_id=ROOT_GROUP_ID)["members"]}
    assert roles == {(ADMIN_ID, "admin"), (GRACE_ID, "learner")}


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
