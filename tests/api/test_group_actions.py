"""Groups, their members and their catalogs: what each action does at the sandbox and what it returns."""

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

NOBODYS_ID = "0" * 24


def test_a_group_is_made_once(api, sent):
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
def test_a_template_renders_truth_to_text(api, given, public):
    made = api.create_group(name="Lab", public=given)
    assert api.get_group(group_id=made["group_id"])["public"] is public


def test_a_group_that_exists_is_brought_up_to_date(api):
    made = api.create_group(name="Sales", public=False, custom="S1", if_exists="update")
    assert made == {"group_id": SALES_GROUP_ID, "name": "Sales", "outcome": "updated"}
    found = api.get_group(group_id=SALES_GROUP_ID)
    assert (found["public"], found["custom"]) == (False, "S1")


def test_a_group_that_exists_can_be_an_error(api, sent):
    with pytest.raises(AlreadyExistsError, match=f"'Sales' exists already: {SALES_GROUP_ID}"):
        api.create_group(name="Sales", if_exists="fail")
    assert sent("createGroup") == []


def test_a_group_is_known_by_its_name_and_parent(api):
    """Without a parent, it stands below the root group."""
    below = api.create_group(name="Sales", parent_id=SALES_GROUP_ID)
    assert below["outcome"] == "created"
    assert api.create_group(name="Sales", parent_id=SALES_GROUP_ID) == {**below, "outcome": "already_exists"}
    assert api.create_group(name="Sales")["group_id"] == SALES_GROUP_ID
    assert api.create_group(name="Sales", parent_id=ROOT_GROUP_ID)["group_id"] == SALES_GROUP_ID


def test_of_two_groups_with_one_name_none_is_taken(api):
    api.client.call(Call("createGroup", body={"name": "Sales", "public": False}))
    with pytest.raises(RefusedError, match="2 groups have the name 'Sales' under this parent"):
        api.create_group(name="Sales")


def test_a_parent_that_is_not_there(api):
    with pytest.raises(NotFoundError, match="group_not_found"):
        api.create_group(name="Lab", parent_id=NOBODYS_ID)


def test_groups_are_listed(api):
    assert api.list_groups() == [
        {"group_id": ROOT_GROUP_ID, "name": "Acme", "public": False, "parent_id": None, "custom": None},
        {"group_id": SALES_GROUP_ID, "name": "Sales", "public": True, "parent_id": ROOT_GROUP_ID, "custom": None},
    ]


def test_a_group_is_changed(api, group_id):
    assert api.update_group(group_id=group_id, name="Lab 2", parent_id=SALES_GROUP_ID) == {
        "group_id": group_id,
        "outcome": "updated",
    }
    found = api.get_group(group_id=group_id)
    assert (found["name"], found["parent_id"], found["public"]) == ("Lab 2", SALES_GROUP_ID, False)
    with pytest.raises(NotFoundError):
        api.update_group(group_id=NOBODYS_ID, name="x")


def test_a_group_is_deleted_once(api, group_id):
    assert api.delete_group(group_id=group_id) == {"group_id": group_id, "outcome": "deleted"}
    assert api.delete_group(group_id=group_id) == {"group_id": group_id, "outcome": "not_found"}
    with pytest.raises(NotFoundError):
        api.delete_group(group_id=group_id, if_missing="fail")


def test_the_root_group_is_not_deleted(api):
    with pytest.raises(RefusedError, match="cannot remove root group"):
        api.delete_group(group_id=ROOT_GROUP_ID)


@pytest.mark.parametrize(("user", "role"), [(GRACE_MAIL, "learner"), (GRACE_ID, "coach"), (GRACE_MAIL, "editor")])
def test_a_user_joins_and_leaves(api, sent, group_id, user, role):
    added = api.add_user_to_group(group_id=group_id, user=user, role=role)
    assert added == {"group_id": group_id, "user": user, "role": role, "outcome": "added"}
    assert api.add_user_to_group(group_id=group_id, user=user, role=role) == added
    assert api.get_group(group_id=group_id)["members"] == [{"user_id": GRACE_ID, "mail": GRACE_MAIL, "role": role}]
    removed = api.remove_user_from_group(group_id=group_id, user=user)
    assert removed == {"group_id": group_id, "user": user, "outcome": "removed"}
    assert api.get_group(group_id=group_id)["members"] == []
    assert not sent("deleteUserFromGroup")[0]["body"]


def test_one_role_is_taken_away(api, sent, group_id):
    for role in ("learner", "editor"):
        api.add_user_to_group(group_id=group_id, user=GRACE_MAIL, role=role)
    api.remove_user_from_group(group_id=group_id, user=GRACE_MAIL, role="editor", from_private_subgroups=True)
    assert [member["role"] for member in api.get_group(group_id=group_id)["members"]] == ["learner"]
    assert sent("deleteUserFromGroup")[0]["body"] == {"role": "author", "deleteFromPrivateSubgroups": "true"}


def test_members_that_are_not_there(api, group_id):
    with pytest.raises(NotFoundError, match="user_not_found"):
        api.add_user_to_group(group_id=group_id, user="nobody@acme.test")
    with pytest.raises(NotFoundError, match="user_not_found"):
        api.remove_user_from_group(group_id=group_id, user="nobody@acme.test")
    with pytest.raises(NotFoundError, match="group_not_found"):
        api.add_user_to_group(group_id=NOBODYS_ID, user=GRACE_MAIL)


def test_an_admin_is_listed_with_the_role(api):
    roles = {(member["user_id"], member["role"]) for member in api.get_group(group_id=ROOT_GROUP_ID)["members"]}
    assert roles == {(ADMIN_ID, "admin"), (GRACE_ID, "learner")}


@pytest.mark.parametrize("acknowledgement", ["empty_object", "status", "empty_body"])
def test_answers_of_unknown_shape_are_not_read(sandbox, api, group_id, acknowledgement):
    sandbox.control.settings(acknowledgment=acknowledgement)
    assert api.add_user_to_group(group_id=group_id, user=GRACE_MAIL)["outcome"] == "added"
    assert api.add_to_catalog(group_id=group_id, course_ids=[WELCOME_COURSE_ID])["outcome"] == "added"


def test_a_catalog_is_filled_and_emptied(api, group_id):
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
        api.add_to_catalog(group_id=group_id, course_ids=[NOBODYS_ID])


@pytest.mark.parametrize(
    ("action", "arguments", "complaint"),
    [
        ("create_group", {"name": " "}, "name is missing or empty"),
        ("create_group", {"name": "x", "parent_id": "y"}, "parent_id is 'y'"),
        ("create_group", {"name": "x", "if_exists": "y"}, "if_exists is 'y'"),
        ("create_group", {"name": "x", "public": "maybe"}, "public is 'maybe'"),
        ("get_group", {"group_id": "x"}, "group_id is 'x'"),
        ("update_group", {"group_id": SALES_GROUP_ID}, "at least one field"),
        ("update_group", {"group_id": "x", "name": "y"}, "group_id is 'x'"),
        ("delete_group", {"group_id": ""}, "group_id is missing or empty"),
        ("delete_group", {"group_id": SALES_GROUP_ID, "if_missing": "x"}, "if_missing is 'x'"),
        ("add_user_to_group", {"group_id": "x", "user": GRACE_MAIL}, "group_id is 'x'"),
        ("add_user_to_group", {"group_id": SALES_GROUP_ID, "user": "x"}, "user is 'x'"),
        ("add_user_to_group", {"group_id": SALES_GROUP_ID, "user": GRACE_MAIL, "role": "author"}, "role is 'author'"),
        ("remove_user_from_group", {"group_id": SALES_GROUP_ID, "user": "x"}, "user is 'x'"),
        ("add_to_catalog", {"group_id": SALES_GROUP_ID}, "both empty"),
        ("remove_from_catalog", {"group_id": SALES_GROUP_ID, "course_ids": ["x"]}, r"course_ids\[0\] is 'x'"),
    ],
)
def test_reports_an_invalid_argument_before_anything_is_sent(api, sent, action, arguments, complaint):
    with pytest.raises(InvalidRequestError, match=f"{complaint}.*Nothing was sent"):
        getattr(api, action)(**arguments)
    assert sent() == []
