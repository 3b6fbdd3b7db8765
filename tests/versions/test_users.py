"""User actions of both versions: the same arguments, effects and results."""

from __future__ import annotations

from typing import get_type_hints

import pytest

from airflow_provider_360learning.api.results import (
    UserDetails,
    UserRecord,
)
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_MAIL,
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from tests.api.support import everything_about

ANA = "ana@acme.test"
GRACE = {
    "user_id": GRACE_ID,
    "mail": GRACE_MAIL,
    "first_name": "Grace",
    "last_name": "Hopper",
    "custom": None,
    "primary_group_id": None,
}


#: What both versions return of a user, also in listings.
COMMON = GRACE.keys()


def common(user):
    return {name: user[name] for name in COMMON}


@pytest.fixture
def state(sandbox):
    return sandbox.control.state


@pytest.fixture
def creation(api):
    """Return the operation that creates users."""
    return api.actions["create_user"].write.operation


def roles_of(api, user):
    return {(each["group_id"], each["role"]) for each in api.list_user_roles(user=user)}


def mails_sent(state):
    return [mail["kind"] for mail in state()["mails_sent"]]


# Create


@pytest.mark.parametrize(
    ("mode", "password", "outcome", "mailed"),
    [
        ("invite", None, "invited", ["invitation"]),
        ("create_active", None, "created", []),
        ("create_active", "s3cret-12", "created", []),
    ],
)
def test_creates_or_invites_a_user_by_mode(sandbox, state, api, mode, password, outcome, mailed):
    made = api.create_user(mail=ANA, first_name="Ana", mode=mode, password=password)
    assert made == {"mail": ANA, "user_id": made["user_id"], "outcome": outcome}
    assert len(made["user_id"]) == 24
    assert mails_sent(state) == mailed
    assert password is None or sandbox.control.has_password(ANA, password)
    listed = state()["invitations" if mode == "invite" else "users"]
    assert [user["id"] for user in listed if user["mail"] == ANA] == [made["user_id"]]


def test_creates_a_user_with_all_fields(api):
    api.create_user(
        mail=ANA,
        first_name="Ana",
        last_name="Roy",
        group_id=SALES_GROUP_ID,
        role="editor",
        mode="create_active",
        other_group_ids=[ROOT_GROUP_ID],
        primary_group_id=ROOT_GROUP_ID,
        job="Engineer",
        organization="Lab",
        phone="+33 1",
        lang="fr",
        custom="E-17",
    )
    found = api.get_user(user=ANA)
    expected = {
        "mail": ANA,
        "first_name": "Ana",
        "last_name": "Roy",
        "job": "Engineer",
        "organization": "Lab",
        "phone": "+33 1",
        "lang": "fr",
        "custom": "E-17",
        "primary_group_id": ROOT_GROUP_ID,
        "last_login_at": None,
        "to_be_deactivated_at": None,
        "custom_fields": {},
    }
    assert {name: found[name] for name in expected} == expected
    assert roles_of(api, ANA) == {(SALES_GROUP_ID, "editor"), (ROOT_GROUP_ID, "editor")}


@pytest.mark.parametrize("other_group_ids", [[], [SALES_GROUP_ID]], ids=["no_group", "other_group"])
def test_a_user_without_group_id_joins_the_root_group_unless_another_is_given(api, other_group_ids):
    api.create_user(mail=ANA, mode="create_active", other_group_ids=other_group_ids)
    assert roles_of(api, ANA) >= {(group, "learner") for group in other_group_ids or [ROOT_GROUP_ID]}


def test_skip_leaves_an_existing_user_unchanged(api):
    for mode in ("invite", "create_active"):
        made = api.create_user(mail=GRACE_MAIL, mode=mode, first_name="Someone", group_id=SALES_GROUP_ID)
        assert made == {"mail": GRACE_MAIL, "user_id": GRACE_ID, "outcome": "already_exists"}
    assert api.get_user(user=GRACE_ID)["first_name"] == "Grace"
    assert roles_of(api, GRACE_ID) == {(ROOT_GROUP_ID, "learner")}


def test_update_updates_an_existing_user(api):
    made = api.create_user(
        mail=GRACE_MAIL,
        last_name="Murray",
        job="Admiral",
        group_id=SALES_GROUP_ID,
        primary_group_id=SALES_GROUP_ID,
        role="coach",
        if_exists="update",
    )
    assert made == {"mail": GRACE_MAIL, "user_id": GRACE_ID, "outcome": "updated"}
    found = api.get_user(user=GRACE_ID)
    assert (found["first_name"], found["last_name"]) == ("Grace", "Murray")
    assert found["primary_group_id"] == SALES_GROUP_ID
    assert roles_of(api, GRACE_ID) == {(ROOT_GROUP_ID, "learner"), (SALES_GROUP_ID, "coach")}


def test_update_without_a_field_changes_nothing(api):
    before = api.get_user(user=GRACE_ID), roles_of(api, GRACE_ID)
    assert api.create_user(mail=GRACE_MAIL, if_exists="update")["outcome"] == "updated"
    assert (api.get_user(user=GRACE_ID), roles_of(api, GRACE_ID)) == before


def test_fail_raises_for_an_existing_user(api):
    with pytest.raises(AlreadyExistsError):
        api.create_user(mail=GRACE_MAIL, if_exists="fail")


def test_a_pending_invitation_is_not_sent_again(state, api):
    made = api.create_user(mail=LINUS_MAIL, first_name="Someone")
    assert (made["mail"], made["outcome"]) == (LINUS_MAIL, "already_invited")
    for mode in ("invite", "create_active"):
        with pytest.raises(AlreadyExistsError):
            api.create_user(mail=LINUS_MAIL, mode=mode, if_exists="fail")
    (linus,) = state()["invitations"]
    assert linus["profile"]["first_name"] == "Linus"
    assert mails_sent(state) == []


@pytest.mark.parametrize(("mode", "mailed"), [("create_active", []), ("invite", ["invitation"])])
def test_reports_and_logs_a_restored_user(state, api, caplog, mode, mailed):
    api.delete_user(user=GRACE_MAIL)
    made = api.create_user(mail=GRACE_MAIL, mode=mode, group_id=SALES_GROUP_ID)
    assert made == {"mail": GRACE_MAIL, "user_id": GRACE_ID, "outcome": "restored"}
    assert f"Restored the deleted user with this email address: user_id={GRACE_ID}" in caplog.text
    assert mails_sent(state) == mailed


@pytest.mark.parametrize("mode", ["invite", "create_active"])
def test_a_lost_response_creates_one_user(sandbox, state, api, sent, creation, mode):
    """With API v1, the second request shows that the first one was done; with API v2, a look-up does."""
    sandbox.control.add_fault(creation, kind="drop_after")
    made = api.create_user(mail=ANA, first_name="Ana", mode=mode)
    assert made["outcome"] == ("invited" if mode == "invite" else "created")
    people = [each["mail"] for each in state()["users"] + state()["invitations"]]
    assert people.count(ANA) == 1
    assert mails_sent(state) == (["invitation"] if mode == "invite" else [])


def test_a_request_that_never_arrived_is_sent_again(sandbox, api, sent, creation):
    sandbox.control.add_fault(creation, kind="drop_before")
    assert api.create_user(mail=ANA, mode="create_active")["outcome"] == "created"
    assert len(sent(creation)) == 2


@pytest.mark.parametrize(
    ("mail", "error"), [("ana@nowhere", InvalidRequestError), (GRACE_MAIL.upper(), AlreadyExistsError)]
)
def test_reports_an_address_that_360learning_refuses(api, mail, error):
    with pytest.raises(error):
        api.create_user(mail=mail, if_exists="fail")


def test_never_shows_a_password(api, sent):
    for call in (
        lambda: api.create_user(mail="x", mode="create_active", password="planted-secret"),
        lambda: api.create_user(mail=ANA, password="planted-secret"),
        lambda: api.update_user(user=ANA, password=["planted-secret"]),
    ):
        with pytest.raises(InvalidRequestError) as raised:
            call()
        assert "planted-secret" not in everything_about(raised.value)
    assert sent() == []


# Read


def test_returns_a_user_by_address_and_by_id(api):
    found = api.get_user(user=GRACE_MAIL)
    assert common(found) == GRACE
    assert (found["last_login_at"], found["to_be_deactivated_at"], found["custom_fields"]) == (None, None, {})
    assert api.get_user(user=GRACE_ID) == found


def test_a_user_has_the_same_keys_in_both_versions(api):
    details, record = get_type_hints(UserDetails), get_type_hints(UserRecord)
    assert api.get_user(user=GRACE_MAIL).keys() == details.keys()
    assert all(user.keys() == record.keys() for user in api.list_users())


def test_the_last_login_is_read(api):
    assert api.get_user(user=ADMIN_MAIL)["last_login_at"] is not None


@pytest.mark.parametrize("user", ["missing@acme.test", "64b1f0c2a9d3e40012acffff"])
def test_a_missing_user_is_not_found(api, user):
    for call in (
        lambda: api.get_user(user=user),
        lambda: api.list_user_roles(user=user),
        lambda: api.update_user(user=user, first_name="No"),
        lambda: api.update_user(user=user, mail=ANA),
        lambda: api.delete_user(user=user, if_missing="fail"),
    ):
        with pytest.raises(NotFoundError):
            call()


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_a_deleted_user_is_not_found(api, user):
    api.delete_user(user=GRACE_MAIL)
    with pytest.raises(NotFoundError):
        api.get_user(user=user)
    with pytest.raises(NotFoundError):
        api.update_user(user=user, first_name="No")
    assert api.delete_user(user=user) == {"user": user, "outcome": "not_found"}


def test_lists_users(api):
    active = [user for user in api.list_users() if user["mail"] != LINUS_MAIL]  # API v2 lists invited users, too
    assert sorted(user["mail"] for user in active) == [ADMIN_MAIL, GRACE_MAIL]
    assert GRACE in map(common, active)
    api.delete_user(user=GRACE_MAIL)
    assert [common(user) for user in api.list_users(deleted=True)] == [GRACE]
    assert GRACE not in map(common, api.list_users())


def test_reads_users_as_a_stream(api):
    assert api.read_users(list) == api.list_users()


def test_lists_roles_by_neutral_names(api):
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_MAIL, role="editor")
    assert sorted(api.list_user_roles(user=GRACE_MAIL), key=str) == [
        {"group_id": ROOT_GROUP_ID, "role": "learner"},
        {"group_id": SALES_GROUP_ID, "role": "editor"},
    ]


# Change


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_updates_a_user(sandbox, api, user):
    changed = api.update_user(
        user=user,
        first_name="Amazing",
        custom="E-1",
        password="s3cret-12",
        to_be_deactivated_at="2090-01-02T03:04:05+02:00",
        custom_fields={DEPARTMENT_FIELD_ID: "Navy"},
    )
    assert changed == {"user": user, "outcome": "updated"}
    found = api.get_user(user=GRACE_ID)
    assert (found["first_name"], found["last_name"], found["custom"]) == ("Amazing", "Hopper", "E-1")
    assert found["to_be_deactivated_at"] == "2090-01-02T01:04:05.000Z"
    assert found["custom_fields"] == {DEPARTMENT_FIELD_ID: "Navy"}
    assert sandbox.control.has_password(GRACE_MAIL, "s3cret-12")


def test_an_update_that_is_repeated_changes_nothing(api):
    arguments = {"user": GRACE_MAIL, "job": "Admiral", "custom_fields": {DEPARTMENT_FIELD_ID: "Navy"}}
    api.update_user(**arguments)
    before = api.get_user(user=GRACE_MAIL)
    assert api.update_user(**arguments)["outcome"] == "updated"
    assert api.get_user(user=GRACE_MAIL) == before


def test_changes_an_address(api):
    api.get_user(user=GRACE_MAIL)
    api.update_user(user=GRACE_MAIL, mail="grace@acme.test")
    assert api.get_user(user="grace@acme.test")["user_id"] == GRACE_ID
    with pytest.raises(NotFoundError):
        api.list_user_roles(user=GRACE_MAIL)


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_accepts_the_address_that_the_user_has_already(api, user):
    """360Learning refuses it, which a retry after a kill meets."""
    assert api.update_user(user=user, mail=GRACE_MAIL, first_name="Amazing") == {"user": user, "outcome": "updated"}
    assert api.update_user(user=user, mail=GRACE_MAIL) == {"user": user, "outcome": "updated"}
    assert api.get_user(user=GRACE_ID)["first_name"] == "Amazing"


@pytest.mark.parametrize("taken", [ADMIN_MAIL, LINUS_MAIL])
def test_refuses_the_address_of_another_user(api, taken):
    with pytest.raises(AlreadyExistsError):
        api.update_user(user=GRACE_MAIL, mail=taken, first_name="Amazing")
    assert api.get_user(user=GRACE_ID)["first_name"] == "Grace"


def test_refuses_a_deactivation_in_the_past(api):
    with pytest.raises(InvalidRequestError):
        api.update_user(user=GRACE_MAIL, to_be_deactivated_at="2020-01-01T00:00:00Z")


# Delete


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_deletes_a_user_once(api, user):
    assert api.delete_user(user=user) == {"user": user, "outcome": "deleted"}
    assert api.delete_user(user=user) == {"user": user, "outcome": "not_found"}
    with pytest.raises(NotFoundError):
        api.delete_user(user=user, if_missing="fail")


def test_a_lost_response_to_a_deletion_is_not_a_missing_user(sandbox, api):
    sandbox.control.add_fault("deleteUser", kind="drop_after")
    assert api.delete_user(user=GRACE_MAIL, if_missing="fail")["outcome"] == "deleted"


def test_clears_fields_of_a_user(api, version):
    """Only API v2 can: how v1 empties a field is not known."""
    api.update_user(user=GRACE_ID, job="Welder", to_be_deactivated_at="2030-01-01T00:00:00Z")
    if version == "v1":
        with pytest.raises(NotAvailableError, match="how it empties a field is not known"):
            api.update_user(user=GRACE_ID, clear=["job"])
        return
    api.update_user(user=GRACE_ID, clear=["job", "to_be_deactivated_at"], first_name="Ana")
    found = api.get_user(user=GRACE_ID)
    assert (found["job"], found["to_be_deactivated_at"], found["first_name"]) == (None, None, "Ana")


def test_refuses_to_set_and_clear_a_field(api):
    with pytest.raises(InvalidRequestError, match="clear has job, which is also given"):
        api.update_user(user=GRACE_ID, job="Welder", clear=["job"])
