"""Groups and their members: the same arguments, results and errors in both versions of the API."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from tests.api.factory import api_factory

MISSING_ID = "0" * 24


#: What only API v2 returns of a group, and only of one that has it.
DETAILS = dict.fromkeys(
    (
        *("subdomain", "url", "banner_image_id", "background_image_id", "favicon_image_id", "logo_image_id"),
        *("privacy_policy", "moderation_charter", "terms_of_use", "imprint"),
    )
)


@pytest.fixture
def api(make_api):
    """Return the API, which does not sleep between attempts."""
    return make_api(client={"sleep": lambda seconds: None})


@pytest.fixture
def add_group(api):
    """Return a function that creates a group and returns its id."""
    return lambda name, **arguments: api.create_group(name=name, **arguments)["group_id"]


@pytest.fixture
def memberships(api):
    """Return a function that returns the roles of Grace by group, except for those in the root group."""

    def roles():
        found = {}
        for role in api.list_user_roles(user=GRACE_MAIL):
            found.setdefault(role["group_id"], set()).add(role["role"])
        assert found.pop(ROOT_GROUP_ID) == {"learner"}
        return found

    return roles


def test_creates_a_group_once(api):
    made = api.create_group(name="Lab", public=True, custom="L1")
    assert made == {"group_id": made["group_id"], "name": "Lab", "outcome": "created"}
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
    assert len(api.list_groups()) == 3


def test_updates_an_existing_group_or_refuses_it(api):
    made = api.create_group(name="Sales", public=False, custom="S1", if_exists="update")
    assert made == {"group_id": SALES_GROUP_ID, "name": "Sales", "outcome": "updated"}
    found = api.get_group(group_id=SALES_GROUP_ID)
    assert (found["public"], found["custom"]) == (False, "S1")
    with pytest.raises(AlreadyExistsError, match=f"'Sales' exists already: {SALES_GROUP_ID}"):
        api.create_group(name="Sales", if_exists="fail")


def test_identifies_a_group_by_name_and_parent(api):
    below = api.create_group(name="Sales", parent_id=SALES_GROUP_ID)
    assert below["outcome"] == "created"
    assert api.create_group(name="Sales", parent_id=SALES_GROUP_ID) == {**below, "outcome": "already_exists"}
    assert api.create_group(name="Sales")["group_id"] == SALES_GROUP_ID
    assert api.create_group(name="Sales", parent_id=ROOT_GROUP_ID)["group_id"] == SALES_GROUP_ID
    assert api.create_group(name="Sales", parent="Acme/Sales")["group_id"] == below["group_id"]


def test_refuses_to_choose_between_two_groups_of_one_name(api, add_group):
    other = add_group("Shop")
    api.update_group(group_id=other, name="Sales")
    with pytest.raises(RefusedError, match="2 groups have the name 'Sales' under this parent"):
        api.create_group(name="Sales")


def test_raises_for_a_missing_parent(api):
    with pytest.raises(NotFoundError):
        api.create_group(name="Lab", parent_id=MISSING_ID)


def test_lists_groups(api):
    acme = {"group_id": ROOT_GROUP_ID, "name": "Acme", "public": False, "parent_id": None}
    sales = {"group_id": SALES_GROUP_ID, "name": "Sales", "public": True, "parent_id": ROOT_GROUP_ID}
    assert api.list_groups() == [{**each, "custom": None, **DETAILS} for each in (acme, sales)]


@pytest.mark.parametrize("above", [True, False])
def test_whether_learners_of_public_groups_join_those_above_can_be_switched(sandbox, api, add_group, above):
    sandbox.control.settings(learners_join_above=above)
    lab = add_group("Lab", parent_id=ROOT_GROUP_ID, public=False)
    below = add_group("Below", parent_id=lab, public=True)
    lowest = add_group("Lowest", parent_id=below, public=True)
    api.create_user(mail="ana@acme.test", group_id=lowest, mode="create_active")
    api.create_user(mail="bo@acme.test", group_id=lab, mode="create_active")
    api.create_user(mail="cy@acme.test", group_id=lowest, role="coach", mode="create_active")
    api.add_user_to_group(user="bo@acme.test", group_id=lowest)
    for mail, joined in (("ana@acme.test", {below, lab}), ("bo@acme.test", {below}), ("cy@acme.test", set())):
        held = {one["group_id"] for one in api.list_user_roles(user=mail)}
        private = {lab} if mail.startswith("bo") else set()
        assert held == {lowest} | private | (joined if above else set())


def test_updates_a_group(api, add_group):
    lab = add_group("Lab", custom="L1")
    updated = api.update_group(group_id=lab, name="Lab 2", parent_id=SALES_GROUP_ID)
    assert updated == {"group_id": lab, "outcome": "updated"}
    found = api.get_group(group_id=lab)
    assert (found["name"], found["parent_id"], found["public"], found["custom"]) == (
        "Lab 2",
        SALES_GROUP_ID,
        False,
        "L1",
    )
    with pytest.raises(NotFoundError):
        api.update_group(group_id=MISSING_ID, name="x")


def test_deletes_a_group_with_its_subgroups_once(api, add_group):
    lab = add_group("Lab")
    below = add_group("Below", parent_id=lab)
    assert api.delete_group(group_id=lab) == {"group_id": lab, "outcome": "deleted"}
    assert api.delete_group(group_id=lab) == {"group_id": lab, "outcome": "not_found"}
    assert not {lab, below} & {group["group_id"] for group in api.list_groups()}
    with pytest.raises(NotFoundError):
        api.delete_group(group_id=lab, if_missing="fail")


def test_a_dry_run_names_the_subgroups_and_deletes_nothing(sandbox, api, add_group):
    lab = add_group("Lab", parent_id=SALES_GROUP_ID)
    below = add_group("Below", parent_id=lab)
    sandbox.control.clear_journal()
    subgroups = [{"group_id": lab, "name": "Lab"}, {"group_id": below, "name": "Below"}]
    for group_id in (SALES_GROUP_ID, SALES_GROUP_ID.upper()):
        would = api.delete_group(group_id=group_id, dry_run=True)
        assert would == {"group_id": group_id, "outcome": "would_delete", "subgroups": subgroups}
    assert api.delete_group(group="Below", dry_run=True)["subgroups"] == []
    assert {entry["method"] for entry in sandbox.control.journal()} == {"GET"}


def test_a_dry_run_reports_what_the_deletion_would(api):
    assert api.delete_group(group_id=MISSING_ID, dry_run=True) == {"group_id": MISSING_ID, "outcome": "not_found"}
    with pytest.raises(NotFoundError):
        api.delete_group(group_id=MISSING_ID, dry_run=True, if_missing="fail")
    with pytest.raises(RefusedError, match="root group"):
        api.delete_group(group_id=ROOT_GROUP_ID, dry_run=True)


def test_a_deletion_whose_response_is_lost_is_done(sandbox, api, add_group):
    lab = add_group("Lab")
    sandbox.control.add_fault("deleteGroup", kind="drop_after")
    assert api.delete_group(group_id=lab, if_missing="fail")["outcome"] == "deleted"


def test_refuses_to_delete_the_root_group_and_one_with_an_integration(sandbox, api, add_group):
    with pytest.raises(RefusedError):
        api.delete_group(group_id=ROOT_GROUP_ID)
    sandbox.control.settings(integrated_groups=[add_group("Shop", parent_id=SALES_GROUP_ID)])
    with pytest.raises(RefusedError):
        api.delete_group(group_id=SALES_GROUP_ID)


@pytest.mark.parametrize(("user", "role"), [(GRACE_MAIL, "learner"), (GRACE_ID, "coach"), (GRACE_MAIL, "editor")])
def test_adds_and_removes_a_user(api, add_group, user, role):
    lab = add_group("Lab")
    added = api.add_user_to_group(group_id=lab, user=user, role=role)
    assert added == {"group_id": lab, "user": user, "role": role, "outcome": "added"}
    assert api.add_user_to_group(group_id=lab, user=user, role=role) == added
    (member,) = api.get_group(group_id=lab)["members"]
    assert (member["user_id"], member["role"]) == (GRACE_ID, role)
    removed = api.remove_user_from_group(group_id=lab, user=user)
    assert removed == {"group_id": lab, "user": user, "outcome": "removed"}
    assert api.get_group(group_id=lab)["members"] == []
    # As often as a task is retried.
    assert api.remove_user_from_group(group_id=lab, user=user) == removed
    assert api.remove_user_from_group(group_id=lab, user=user, role=role) == removed


def test_sets_and_resets_colors_in_api_v2(sandbox):
    def colors():
        return next(group["colors"] for group in sandbox.control.state()["groups"] if group["id"] == SALES_GROUP_ID)

    with api_factory(sandbox, "v2") as make:
        api = make()
        done = api.set_group_branding(group="Sales", primary="#0A1B2C", menu_background="#ffffff")
        assert done == {"group_id": SALES_GROUP_ID, "outcome": "updated"}
        assert colors() == {"primary": "#0a1b2c", "menuBackground": "#ffffff"}
        api.set_group_branding(group_id=SALES_GROUP_ID, primary="default", my_work_background="#000000")
        assert colors() == {"menuBackground": "#ffffff", "myWorkBackground": "#000000"}
        with pytest.raises(NotFoundError):
            api.set_group_branding(group_id=MISSING_ID, primary="default")
        sandbox.control.settings(extended_training_solution=False)
        with pytest.raises(RefusedError, match="extendedTrainingSolutionNotEnabled"):
            api.set_group_branding(group_id=SALES_GROUP_ID, primary="default")
        api.set_group_branding(group_id=ROOT_GROUP_ID, primary="#123456")


def test_uploads_images_in_api_v2(sandbox):
    with api_factory(sandbox, "v2") as make:
        api, where = make(), {"group": "Sales", "author": ADMIN_MAIL}
        first = api.upload_group_media(**where, banner=Upload("a.png", b"a"), favicon=Upload("b.ico", b"b"))
        assert (first["group_id"], first["outcome"]) == (SALES_GROUP_ID, "updated")
        assert first["banner_image_id"] != first["favicon_image_id"]
        assert (first["logo_image_id"], first["background_image_id"]) == (None, None)
        second = api.upload_group_media(**where, logo=Upload("c.svg", b"c"), banner=Upload("d.png", b"d"))
        assert second["favicon_image_id"] == first["favicon_image_id"]
        assert second["banner_image_id"] not in (None, first["banner_image_id"])
        with pytest.raises(NotFoundError):
            api.upload_group_media(group_id=MISSING_ID, author=ADMIN_MAIL, logo=Upload("c.svg", b"c"))
        with pytest.raises(InvalidRequestError, match="needs at least one of banner"):
            api.upload_group_media(**where)


@pytest.mark.parametrize(
    ("colors", "problem"),
    [({}, "needs at least one color"), ({"primary": "red"}, "primary is 'red', but must be a color such as #0a47c2")],
)
def test_reports_an_invalid_color_before_anything_is_sent(sandbox, colors, problem):
    with api_factory(sandbox, "v2") as make, pytest.raises(InvalidRequestError, match=problem):
        make().set_group_branding(group_id=SALES_GROUP_ID, **colors)
    assert sandbox.control.journal() == []


def test_removes_one_role_or_all(api, add_group, memberships):
    lab = add_group("Lab")
    for role in ("learner", "coach", "editor"):
        api.add_user_to_group(group_id=lab, user=GRACE_MAIL, role=role)
    api.remove_user_from_group(group_id=lab, user=GRACE_MAIL, role="editor")
    assert memberships() == {lab: {"learner", "coach"}}
    api.remove_user_from_group(group_id=lab, user=GRACE_MAIL)
    assert memberships() == {}


@pytest.mark.parametrize("in_group", ["learner", "coach", None])
@pytest.mark.parametrize("private", [False, True])
def test_leaves_public_subgroups_and_private_ones_on_request(api, add_group, memberships, in_group, private):
    """Below a private group, public ones are private subgroups, too. Groups elsewhere stay."""
    lab = add_group("Lab")
    public = add_group("Public", parent_id=lab, public=True)
    private_group = add_group("Private", parent_id=public)
    below_private = add_group("Below", parent_id=private_group, public=True)
    for group, role in (
        *([(lab, in_group)] if in_group else []),
        (public, "learner"),
        (public, "coach"),
        (private_group, "learner"),
        (below_private, "editor"),
        (SALES_GROUP_ID, "coach"),
    ):
        api.add_user_to_group(group_id=group, user=GRACE_MAIL, role=role)
    api.remove_user_from_group(group_id=lab, user=GRACE_MAIL, from_private_subgroups=private)
    stay = {} if private else {private_group: {"learner"}, below_private: {"editor"}}
    assert memberships() == {SALES_GROUP_ID: {"coach"}, **stay}


@pytest.mark.slow
def test_a_membership_whose_response_is_lost_is_not_reported_as_failed(sandbox, api, add_group, memberships):
    lab = add_group("Lab")
    for fault in ({"kind": "drop_after"}, {"kind": "status", "status": 503, "when": "after"}):
        for operation in ("addUserToGroup", "addUserRoleToGroup", "deleteUserFromGroup", "removeUserRoleFromGroup"):
            sandbox.control.add_fault(operation, **fault)
        assert api.add_user_to_group(group_id=lab, user=GRACE_MAIL)["outcome"] == "added"
        assert memberships() == {lab: {"learner"}}
        assert api.remove_user_from_group(group_id=lab, user=GRACE_MAIL)["outcome"] == "removed"
        assert memberships() == {}
        sandbox.control.clear_faults()


def test_leaving_the_last_group_twice_is_not_an_error_after_a_lost_response(sandbox, api, add_group):
    """The user is deleted with the last membership, so that the second request finds no user."""
    lab = add_group("Lab")
    sandbox.control.add_users(["ana@acme.test"])
    api.add_user_to_group(group_id=lab, user="ana@acme.test")
    api.remove_user_from_group(group_id=ROOT_GROUP_ID, user="ana@acme.test")
    for operation in ("deleteUserFromGroup", "removeUserRoleFromGroup"):
        sandbox.control.add_fault(operation, kind="drop_after")
    assert api.remove_user_from_group(group_id=lab, user="ana@acme.test", role="learner")["outcome"] == "removed"


def test_raises_for_missing_users_and_groups(api, add_group):
    lab = add_group("Lab")
    for user in ("missing@acme.test", MISSING_ID):
        with pytest.raises(NotFoundError):
            api.add_user_to_group(group_id=lab, user=user)
        for role in ("learner", None):
            with pytest.raises(NotFoundError):
                api.remove_user_from_group(group_id=lab, user=user, role=role)
    for change in (api.add_user_to_group, api.remove_user_from_group):
        with pytest.raises(NotFoundError):
            change(group_id=MISSING_ID, user=GRACE_MAIL)
    for read in (api.get_group, api.list_group_members):
        with pytest.raises(NotFoundError):
            read(group_id=MISSING_ID)


def test_returns_the_roles_of_members(api):
    members = api.list_group_members(group="Acme")
    roles = {(member["user_id"], member["role"]) for member in members}
    assert roles >= {(ADMIN_ID, "admin"), (GRACE_ID, "learner")}
    assert api.get_group(group_id=ROOT_GROUP_ID)["members"] == members
