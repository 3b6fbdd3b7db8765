"""What groups of API v2 have, and those of API v1 do not."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_INVITATION_ID,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

MISSING_ID = "0" * 24


@pytest.fixture
def api(make_api):
    """Return the API, which does not sleep between attempts."""
    return make_api(client={"sleep": lambda seconds: None})


def operations(sent):
    return [entry["operation"] for entry in sent() if entry["operation"] != "generateToken"]


def test_the_root_group_is_the_default_parent(api, sent):
    api.create_group(name="Lab")
    assert operations(sent) == ["getGroups", "createGroup"]
    assert sent("createGroup")[0]["body"] == {"name": "Lab", "public": False, "parentId": ROOT_GROUP_ID}


def test_groups_and_members_are_read_page_by_page(sandbox, api, sent):
    sandbox.control.settings(max_page_size=1)
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_MAIL)
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=ADMIN_MAIL, role="editor")
    assert {group["group_id"] for group in api.list_groups()} == {ROOT_GROUP_ID, SALES_GROUP_ID}
    assert len(sent("getGroups")) == 2
    assert api.get_group(group_id=SALES_GROUP_ID)["members"] == [
        {"user_id": ADMIN_ID, "mail": None, "role": "editor"},
        {"user_id": GRACE_ID, "mail": None, "role": "learner"},
    ]
    assert len(sent("getGroupMembers")) == 2


def test_a_creation_whose_response_is_lost_is_confirmed_and_never_sent_twice(sandbox, api, sent):
    sandbox.control.add_fault("createGroup", kind="drop_after")
    assert api.create_group(name="Lab")["outcome"] == "created"
    sandbox.control.add_fault("createGroup", kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        api.create_group(name="Shop")
    assert len(sent("createGroup")) == 2
    assert len(api.list_groups()) == 3


@pytest.mark.parametrize("role", ["analyst", "contributor", "user-admin"])
def test_roles_that_api_v1_does_not_have(api, role):
    for user, user_id in ((GRACE_MAIL, GRACE_ID), (LINUS_MAIL, LINUS_INVITATION_ID)):
        api.add_user_to_group(group_id=SALES_GROUP_ID, user=user, role=role)
        members = api.get_group(group_id=SALES_GROUP_ID)["members"]
        assert members == [{"user_id": user_id, "mail": None, "role": role}]
        api.remove_user_from_group(group_id=SALES_GROUP_ID, user=user, role=role)


def test_a_role_that_the_company_does_not_have_is_refused(sandbox, api):
    sandbox.control.settings(analyst_role_available=False)
    with pytest.raises(RefusedError, match="analystUnavailable"):
        api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_ID, role="analyst")


def test_a_deleted_user_is_refused(api):
    api.delete_user(user=GRACE_ID)
    with pytest.raises(RefusedError, match=r"userDeleted.*create the user again"):
        api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_ID)


def test_a_membership_whose_response_is_lost_is_confirmed_and_never_sent_twice(sandbox, api, sent):
    sandbox.control.add_fault("addUserRoleToGroup", kind="drop_after")
    assert api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_ID)["outcome"] == "added"
    assert operations(sent) == ["addUserRoleToGroup", "getUserRolesInGroups"]
    sandbox.control.add_fault("addUserRoleToGroup", kind="drop_before")
    with pytest.raises(OutcomeUnknownError):
        api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_ID, role="coach")
    assert len(sent("addUserRoleToGroup")) == 2


def test_one_role_is_removed_with_one_request(api, sent):
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_ID)
    api.remove_user_from_group(group_id=SALES_GROUP_ID, user=GRACE_ID, role="learner")
    assert operations(sent)[1:] == ["removeUserRoleFromGroup"]


def test_a_removal_whose_response_is_lost_is_sent_again_and_nothing_else(sandbox, api, sent):
    """The user may have left the last group, and may not exist any more."""
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_ID)
    sandbox.control.add_fault("removeUserRoleFromGroup", kind="drop_after")
    api.remove_user_from_group(group_id=SALES_GROUP_ID, user=GRACE_ID, role="learner")
    assert operations(sent)[1:] == ["removeUserRoleFromGroup"] * 2


def test_all_roles_are_removed_without_a_listing_of_groups_where_the_server_does_the_rest(api, sent):
    """It removes learners from public subgroups, so that only other roles elsewhere need a look at the groups."""
    below = api.create_group(name="Below", parent_id=SALES_GROUP_ID, public=True)["group_id"]
    for group_id in (SALES_GROUP_ID, below):
        api.add_user_to_group(group_id=group_id, user=GRACE_ID)
    before = len(operations(sent))
    api.remove_user_from_group(group_id=SALES_GROUP_ID, user=GRACE_ID)
    assert operations(sent)[before:] == ["getUserRolesInGroups", "removeUserRoleFromGroup"]
    assert api.get_group(group_id=below)["members"] == []


def test_one_role_other_than_learner_stays_in_subgroups(api):
    below = api.create_group(name="Below", parent_id=SALES_GROUP_ID, public=True)["group_id"]
    for group_id in (SALES_GROUP_ID, below):
        api.add_user_to_group(group_id=group_id, user=GRACE_ID, role="coach")
    api.remove_user_from_group(group_id=SALES_GROUP_ID, user=GRACE_ID, role="coach")
    assert [member["role"] for member in api.get_group(group_id=below)["members"]] == ["coach"]
    api.remove_user_from_group(group_id=SALES_GROUP_ID, user=GRACE_ID, role="coach", from_private_subgroups=True)
    assert api.get_group(group_id=below)["members"] == []


def test_the_role_of_the_owner_is_not_removed(api, sent):
    assert {"user_id": ADMIN_ID, "mail": None, "role": "owner"} in api.get_group(group_id=ROOT_GROUP_ID)["members"]
    with pytest.raises(RefusedError, match=r"has the role owner in the group .* Nothing was changed"):
        api.remove_user_from_group(group_id=ROOT_GROUP_ID, user=ADMIN_ID)
    assert sent("removeUserRoleFromGroup") == []


def test_subgroups_may_move_up_instead_of_being_deleted(sandbox, api):
    sandbox.control.settings(subgroups_of_deleted_group="moved_up")
    below = api.create_group(name="Below", parent_id=SALES_GROUP_ID)["group_id"]
    assert api.delete_group(group_id=SALES_GROUP_ID)["outcome"] == "deleted"
    assert api.get_group(group_id=below)["parent_id"] == ROOT_GROUP_ID


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"group_id": ROOT_GROUP_ID, "public": True}, "rootGroupNotPublic"),
        ({"group_id": ROOT_GROUP_ID, "parent_id": SALES_GROUP_ID}, "parentGroupNotDescendantOrSelf"),
        ({"group_id": SALES_GROUP_ID, "parent_id": SALES_GROUP_ID}, "parentGroupNotDescendantOrSelf"),
    ],
)
def test_changes_that_are_refused(api, arguments, code):
    with pytest.raises((RefusedError, InvalidRequestError), match=code):
        api.update_group(**arguments)


def test_ids_may_have_capitals(api, sent):
    """They are valid as published, so that a group with such a parent would be created again and again."""
    lab = {"name": "Lab", "parent_id": SALES_GROUP_ID.upper()}
    made = api.create_group(**lab)
    assert api.create_group(**lab) == {**made, "outcome": "already_exists"}
    assert api.get_group(group_id=made["group_id"])["parent_id"] == SALES_GROUP_ID
    membership = {"group_id": made["group_id"].upper(), "user": GRACE_ID.upper(), "role": "coach"}
    api.add_user_to_group(**membership)
    assert [each["user_id"] for each in api.get_group(group_id=made["group_id"])["members"]] == [GRACE_ID]
    api.remove_user_from_group(**membership)
    assert api.get_group(group_id=made["group_id"])["members"] == []


def test_a_parent_that_is_missing_is_named_by_its_own_code(api):
    with pytest.raises(NotFoundError, match="parentGroupNotFound"):
        api.create_group(name="Lab", parent_id=MISSING_ID)
    with pytest.raises(NotFoundError, match="parentGroupNotFound"):
        api.update_group(group_id=SALES_GROUP_ID, parent_id=MISSING_ID)


def test_a_group_beyond_the_maximum_is_refused(sandbox, api):
    sandbox.control.settings(max_groups=2)
    with pytest.raises(RefusedError, match="maxGroupsLimitReached"):
        api.create_group(name="Lab")


def test_returns_addresses_images_and_policies_of_groups(api):
    policy = {"url": "https://acme.test/privacy", "explicitConsent": True}
    body = {"subdomain": "acme-sales", "logoImageId": MISSING_ID, "privacyPolicy": policy}
    api.client.call(Call("updateGroup", path={"groupId": SALES_GROUP_ID}, body=body))
    for group in (api.get_group(group_id=SALES_GROUP_ID), api.list_groups()[1]):
        assert (group["subdomain"], group["logo_image_id"], group["privacy_policy"]) == (
            "acme-sales",
            MISSING_ID,
            policy,
        )
        assert (group["url"], group["imprint"]) == (None, None)
