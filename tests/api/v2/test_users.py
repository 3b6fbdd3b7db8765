"""What the user actions of API v2 do alone: creation in several requests, custom fields, and what only v1 has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    GRACE_MAIL,
    HIRING_FIELD_ID,
    LINUS_INVITATION_ID,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SITE_FIELD_ID,
)
from tests.api.support import everything_about

SPECIFICATIONS = Path(__file__).parents[2] / "contract" / "openapi"
ANA = "ana@acme.test"
PASSWORD = "s3cret-12"
UNKNOWN_FIELD_ID = "64b1f0c2a9d3e40012ab1119"
#: A creation with all steps.
COMPLETE = {
    "mail": ANA,
    "first_name": "Ana",
    "group_id": SALES_GROUP_ID,
    "role": "coach",
    "other_group_ids": [ROOT_GROUP_ID],
    "primary_group_id": ROOT_GROUP_ID,
    "custom_fields": {DEPARTMENT_FIELD_ID: "Lab"},
}
#: Its requests, without requests that only read.
STEPS = ["createUser", "addUserRoleToGroup", "updateUser", "updateUserCustomFieldValues"]
ACTIVE_STEPS = [*STEPS, "replacePassword", "activateUser"]
WRITES = {"POST", "PUT", "PATCH", "DELETE"}


@pytest.fixture
def state(sandbox):
    return sandbox.control.state


@pytest.fixture
def writes(sent):
    """Return the operations of the requests that changed something, in order."""

    def operations():
        return [each["operation"] for each in sent() if each["method"] in WRITES and each["auth"] == "token"]

    return operations


def account(state, mail=ANA):
    """Return the only account with an email address."""
    (found,) = [each for each in state()["users"] + state()["invitations"] if each["mail"] == mail]
    return found


def roles_of(state, user_id):
    return {
        (each["group"], role) for each in state()["memberships"] if each["user"] == user_id for role in each["roles"]
    }


def assert_complete(sandbox, state, mode="create_active"):
    """Assert that there is one account, which has all that the creation asks for."""
    found = account(state)
    assert found["status"] == ("active" if mode == "create_active" else "invited")
    assert found["profile"]["first_name"] == "Ana"
    assert found["profile"]["primary_group"] == ROOT_GROUP_ID
    assert found["profile"]["custom_fields"] == {DEPARTMENT_FIELD_ID: "Lab"}
    assert roles_of(state, found["id"]) == {(SALES_GROUP_ID, "coach"), (ROOT_GROUP_ID, "coach")}
    assert mode == "invite" or sandbox.control.has_password(ANA, PASSWORD)
    invitations = ["invitation"] if mode == "invite" else []
    assert [mail["kind"] for mail in state()["mails_sent"]] == invitations, "the invitation is sent once"


def run_calls(api, steps, number):
    """Make the first calls of an action, as a task that is killed then does; return whether the action has ended."""
    step, response = steps, None
    for _ in range(number):
        try:
            call = step.send(response)
        except StopIteration:
            return True
        # What is no call is a lock, for which nothing competes.
        response = api.client.call(call) if isinstance(call, Call) else None
    return False


# Create


@pytest.mark.parametrize(("mode", "steps"), [("create_active", ACTIVE_STEPS), ("invite", STEPS)])
def test_creates_a_user_in_several_requests_and_activates_last(sandbox, state, api, writes, mode, steps):
    password = PASSWORD if mode == "create_active" else None
    made = api.create_user(**COMPLETE, mode=mode, password=password)
    assert made == {
        "mail": ANA,
        "user_id": account(state)["id"],
        "outcome": "created" if mode == "create_active" else "invited",
    }
    assert writes() == steps
    assert_complete(sandbox, state, mode)


def test_a_user_of_one_group_is_invited_by_one_request(api, writes):
    api.create_user(mail=ANA, group_id=SALES_GROUP_ID, primary_group_id=SALES_GROUP_ID)
    assert writes() == ["createUser"]


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize("step", range(len(ACTIVE_STEPS)))
def test_a_dropped_request_of_a_creation_is_settled_at_once(sandbox, state, api, kind, step):
    sandbox.control.add_fault(ACTIVE_STEPS[step], kind=kind)
    assert api.create_user(**COMPLETE, mode="create_active", password=PASSWORD)["outcome"] == "created"
    assert_complete(sandbox, state)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["create_active", "invite"])
@pytest.mark.parametrize("if_exists", ["skip", "update", "fail"])
def test_a_retry_completes_a_creation_wherever_it_was_cut(sandbox, state, api, make_api, mode, if_exists):
    """The task is killed after each of the requests in turn."""
    arguments = {**COMPLETE, "mode": mode, "if_exists": if_exists}
    if mode == "create_active":
        arguments["password"] = PASSWORD
    ended, number = False, 0
    while not ended:
        sandbox.control.reset()
        number += 1
        ended = run_calls(api, api.create_user.steps(**arguments), number)
        exists = bool([each for each in state()["users"] + state()["invitations"] if each["mail"] == ANA])
        is_active = exists and account(state)["status"] == "active"
        retry = make_api()
        if if_exists == "fail" and (is_active or (exists and mode == "invite")):
            with pytest.raises(AlreadyExistsError):  # documented: also when the task has created the user
                retry.create_user(**arguments)
        else:
            outcome = retry.create_user(**arguments)["outcome"]
            if if_exists == "update" and (is_active or (exists and mode == "invite")):
                assert outcome == "updated"
            elif mode == "create_active":
                assert outcome == ("already_exists" if is_active else "created")
            else:
                assert outcome in ("invited", "already_invited")
        assert_complete(sandbox, state, mode)
    assert number > len(STEPS)


@pytest.mark.parametrize("kind", ["drop_before", "drop_after"])
@pytest.mark.parametrize("mode", ["create_active", "invite"])
def test_a_restored_user_is_recognized_after_a_lost_response(sandbox, state, api, kind, mode):
    api.delete_user(user=GRACE_MAIL)
    sandbox.control.add_fault("createUser", kind=kind)
    made = api.create_user(mail=GRACE_MAIL, mode=mode)
    assert made == {"mail": GRACE_MAIL, "user_id": GRACE_ID, "outcome": "restored"}
    assert len(state()["mails_sent"]) == (mode == "invite")


def test_a_restored_user_is_recognized_by_the_status_alone(sandbox, api):
    sandbox.control.settings(restoration_dates_shown=False)
    api.delete_user(user=GRACE_MAIL)
    assert api.create_user(mail=GRACE_MAIL, mode="create_active")["outcome"] == "restored"


def test_a_retry_recognizes_a_restored_user(api):
    api.delete_user(user=GRACE_MAIL)
    assert not run_calls(api, api.create_user.steps(mail=GRACE_MAIL, mode="create_active"), 2)
    assert api.create_user(mail=GRACE_MAIL, mode="create_active")["outcome"] == "restored"


def test_an_invited_account_is_completed_by_create_active(sandbox, state, api):
    made = api.create_user(mail=LINUS_MAIL, first_name="Someone", mode="create_active", password=PASSWORD)
    assert made == {"mail": LINUS_MAIL, "user_id": LINUS_INVITATION_ID, "outcome": "created"}
    linus = account(state, LINUS_MAIL)
    assert (linus["status"], linus["profile"]["first_name"]) == ("active", "Linus"), "skip keeps its fields"
    assert roles_of(state, linus["id"]) == {(ROOT_GROUP_ID, "learner")}
    assert sandbox.control.has_password(LINUS_MAIL, PASSWORD)


def test_an_invited_account_is_updated_and_completed_by_create_active(state, api):
    made = api.create_user(mail=LINUS_MAIL, first_name="L.", mode="create_active", if_exists="update")
    assert made["outcome"] == "created"
    linus = account(state, LINUS_MAIL)
    assert (linus["status"], linus["profile"]["first_name"]) == ("active", "L.")


def test_an_invited_account_of_another_creation_is_left_unchanged(state, api):
    """It has another profile, or is not in the first group."""
    before = account(state, LINUS_MAIL)
    names = {"first_name": "Linus", "last_name": "Pauling"}
    for given in ({"first_name": "Someone"}, names):
        made = api.create_user(mail=LINUS_MAIL, **given, group_id=SALES_GROUP_ID, other_group_ids=[ROOT_GROUP_ID])
        assert made == {"mail": LINUS_MAIL, "user_id": LINUS_INVITATION_ID, "outcome": "already_invited"}
    assert account(state, LINUS_MAIL) == before
    assert roles_of(state, LINUS_INVITATION_ID) == set()


def test_an_invited_account_with_another_profile_is_left_unchanged(api, writes):
    """It is in the first group, but was created with another name."""
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=LINUS_INVITATION_ID)
    made = api.create_user(
        mail=LINUS_MAIL, first_name="Someone", group_id=SALES_GROUP_ID, other_group_ids=[ROOT_GROUP_ID]
    )
    assert made["outcome"] == "already_invited"
    assert writes() == ["addUserRoleToGroup", "createUser"]


def test_a_pending_invitation_is_updated(state, api):
    made = api.create_user(mail=LINUS_MAIL, job="Chemist", group_id=SALES_GROUP_ID, if_exists="update")
    assert made == {"mail": LINUS_MAIL, "user_id": LINUS_INVITATION_ID, "outcome": "updated"}
    assert account(state, LINUS_MAIL)["profile"]["job"] == "Chemist"
    assert roles_of(state, LINUS_INVITATION_ID) == {(SALES_GROUP_ID, "learner"), (ROOT_GROUP_ID, "learner")}
    assert state()["mails_sent"] == []


@pytest.mark.parametrize("mode", ["create_active", "invite"])
def test_a_lost_refusal_is_not_a_creation(sandbox, api, writes, mode):
    """The account existed before, and 360Learning said so in a response that was lost."""
    for if_exists in ("skip", "fail"):
        sandbox.control.add_fault("createUser", kind="drop_after")
        if if_exists == "fail":
            with pytest.raises(AlreadyExistsError):
                api.create_user(mail=GRACE_MAIL, mode=mode, if_exists=if_exists)
        else:
            assert api.create_user(mail=GRACE_MAIL, mode=mode)["outcome"] == "already_exists"
    assert writes() == ["createUser", "createUser"]


def test_a_role_that_the_user_has_is_not_added(api, writes):
    api.create_user(mail=GRACE_MAIL, job="Admiral", group_id=ROOT_GROUP_ID, if_exists="update")
    assert writes() == ["createUser", "updateUser"]


def test_an_unsettled_creation_is_sent_a_few_times_only(sandbox, state, api, sent):
    sandbox.control.add_fault("createUser", kind="drop_before", count=100)
    with pytest.raises(OutcomeUnknownError):
        api.create_user(mail=ANA)
    assert len(sent("createUser")) == 3


def test_an_unsettled_creation_is_not_sent_again_without_a_lookup(sandbox, make_api, sent):
    api = make_api(client={"max_attempts": 1})
    sandbox.control.add_fault("createUser", kind="drop_after")
    sandbox.control.add_fault("getUsers", kind="server_error")
    with pytest.raises(OutcomeUnknownError):
        api.create_user(mail=ANA)
    assert len(sent("createUser")) == 1


def test_the_root_group_is_looked_up_once_and_logged(api, sent, caplog):
    caplog.set_level("INFO")
    for mail in (ANA, "bob@acme.test"):
        api.create_user(mail=mail)
    assert len(sent("getGroups")) == 1
    assert caplog.text.count(f"using the root group: group_id={ROOT_GROUP_ID}") == 1


@pytest.mark.parametrize("role", ["analyst", "contributor", "user-admin"])
def test_gives_the_roles_of_api_v2(api, role):
    api.create_user(mail=ANA, group_id=SALES_GROUP_ID, other_group_ids=[ROOT_GROUP_ID], role=role)
    assert {(each["group_id"], each["role"]) for each in api.list_user_roles(user=ANA)} == {
        (SALES_GROUP_ID, role),
        (ROOT_GROUP_ID, role),
    }


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"mode": "create_active_and_mail_password", "password": PASSWORD}, "mode"),
        ({"mode": "create_active_and_mail_generated_password"}, "mode"),
        ({"labels": ["new"]}, "labels"),
        ({"invitation_expires_after_days": 30}, "invitation_expires_after_days"),
    ],
)
def test_refuses_what_only_api_v1_has_before_anything_is_sent(api, sent, arguments, argument):
    with pytest.raises(NotAvailableError, match=f"{argument} .*is not available in API v2") as raised:
        api.create_user(mail=ANA, **arguments)
    assert raised.value.argument == argument
    assert sent() == []


def test_refuses_a_short_password_before_anything_is_sent(api, sent):
    for call in (
        lambda: api.create_user(mail=ANA, mode="create_active", password="planted"),
        lambda: api.update_user(user=GRACE_MAIL, password="planted"),
    ):
        with pytest.raises(InvalidRequestError, match="password has fewer than 8 characters") as raised:
            call()
        assert raised.value.argument == "password"
        assert "planted" not in everything_about(raised.value)
    assert sent() == []


def test_sets_a_password_that_must_be_changed(state, api):
    api.create_user(mail=ANA, mode="create_active", password=PASSWORD, password_must_be_changed=True)
    api.update_user(user=GRACE_MAIL, password=PASSWORD)
    assert account(state)["password_must_be_changed"] is True
    assert account(state, GRACE_MAIL)["password_must_be_changed"] is False


def test_refuses_an_address_of_another_company(sandbox, api, sent):
    sandbox.control.settings(mails_of_other_companies=[ANA])
    with pytest.raises(RefusedError, match="mailUsedTooManyTimes"):
        api.create_user(mail=ANA)
    assert len(sent("createUser")) == 1


# Custom fields


def test_custom_fields_are_merged(api, sent):
    api.update_user(user=GRACE_MAIL, custom_fields={DEPARTMENT_FIELD_ID: "Navy", SITE_FIELD_ID: "Lyon"})
    api.update_user(user=GRACE_MAIL, custom_fields={DEPARTMENT_FIELD_ID: "Yale", HIRING_FIELD_ID: "2026-01-31"})
    assert api.get_user(user=GRACE_MAIL)["custom_fields"] == {
        DEPARTMENT_FIELD_ID: "Yale",
        SITE_FIELD_ID: "Lyon",
        HIRING_FIELD_ID: "2026-01-31",
    }
    assert len(sent("getCustomFields")) == 1


def test_custom_fields_that_do_not_change_are_not_written(api, writes):
    fields = {DEPARTMENT_FIELD_ID.upper(): "Navy", HIRING_FIELD_ID: "2026-01-31"}
    for _ in range(2):
        api.update_user(user=GRACE_MAIL, custom_fields=fields)
    assert writes() == ["updateUserCustomFieldValues"]


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({UNKNOWN_FIELD_ID: "x"}, NotFoundError, f"No custom field of users has the id {UNKNOWN_FIELD_ID}"),
        ({HIRING_FIELD_ID: "soon"}, InvalidRequestError, "'soon' for .*, but that field is a date"),
    ],
)
def test_reports_an_invalid_custom_field_before_anything_is_changed(api, writes, create, fields, error, text):
    arguments = {"mail": ANA} if create else {"user": GRACE_MAIL, "first_name": "Amazing"}
    with pytest.raises(error, match=text):
        (api.create_user if create else api.update_user)(**arguments, custom_fields=fields)
    assert writes() == []


def test_reports_a_value_that_is_not_authorized(api):
    with pytest.raises(InvalidRequestError, match="unauthorizedValue"):
        api.update_user(user=GRACE_MAIL, custom_fields={SITE_FIELD_ID: "Rome"})


def test_custom_fields_are_merged_where_the_server_keeps_those_left_out(sandbox, api):
    sandbox.control.settings(custom_values_left_out="kept")
    api.update_user(user=GRACE_MAIL, custom_fields={SITE_FIELD_ID: "Lyon"})
    api.update_user(user=GRACE_MAIL, custom_fields={DEPARTMENT_FIELD_ID: "Navy"})
    found = api.get_user(user=GRACE_MAIL)["custom_fields"]
    assert found == {SITE_FIELD_ID: "Lyon", DEPARTMENT_FIELD_ID: "Navy"}


# Read, change, delete


def test_lists_invited_users(api):
    assert LINUS_MAIL in [user["mail"] for user in api.list_users()]
    assert api.get_user(user=LINUS_MAIL)["user_id"] == LINUS_INVITATION_ID
    assert {"group_id": ROOT_GROUP_ID, "role": "owner"} in api.list_user_roles(user=ADMIN_ID)


def test_reads_users_page_by_page(sandbox, api, sent):
    sandbox.control.add_users([f"user-{number}@acme.test" for number in range(7)])
    sandbox.control.settings(max_page_size=3)
    seen = []

    def take(users):
        for user in users:
            seen.append((user["mail"], len(sent("getUsers"))))
        return len(seen)

    assert api.read_users(take) == 10
    assert [pages for _, pages in seen] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4]


def test_a_page_that_fails_is_read_again(sandbox, api):
    sandbox.control.add_users([f"user-{number}@acme.test" for number in range(7)])
    sandbox.control.settings(max_page_size=3)
    sandbox.control.add_fault("getUsers", kind="drop_midway", after=1)
    mails = api.read_users(lambda users: [user["mail"] for user in users])
    assert len(mails) == len(set(mails)) == 10


def test_accepts_the_own_address_where_the_server_does(sandbox, api, sent):
    sandbox.control.settings(own_mail_refused=False)
    assert api.update_user(user=GRACE_MAIL, mail=GRACE_MAIL, job="Admiral")["outcome"] == "updated"
    assert len(sent("updateUser")) == 1


def test_a_deletion_of_the_owner_is_refused(api):
    with pytest.raises(RefusedError, match="userIsCompanyOwner"):
        api.delete_user(user=ADMIN_MAIL)


def test_an_invited_user_is_deleted_and_restored(api):
    assert api.delete_user(user=LINUS_MAIL)["outcome"] == "deleted"
    assert api.delete_user(user=LINUS_MAIL)["outcome"] == "not_found"
    assert api.create_user(mail=LINUS_MAIL) == {
        "mail": LINUS_MAIL,
        "user_id": LINUS_INVITATION_ID,
        "outcome": "restored",
    }


# All fields


#: A user with all published fields, and what each becomes.
PUBLISHED = {
    "_id": (GRACE_ID, "user_id"),
    "mail": (GRACE_MAIL, "mail"),
    "username": ("grace", "username"),
    "status": ("active", "status"),
    "lang": ("fr", "lang"),
    "firstName": ("Grace", "first_name"),
    "lastName": ("Hopper", "last_name"),
    "job": ("Admiral", "job"),
    "organization": ("Navy", "organization"),
    "phone": ("+33 1", "phone"),
    "custom": ("E-17", "custom"),
    "deletedAt": (["2024-01-01T00:00:00.000Z", "2025-01-01T00:00:00.000Z"], "deleted_at"),
    "primaryGroupId": (SALES_GROUP_ID, "primary_group_id"),
    "reactivatedAt": (["2024-02-01T00:00:00.000Z"], "reactivated_at"),
    "lastLoginDate": ("2024-03-05T08:15:00.120Z", "last_login_at"),
    "toBeDeactivatedAt": ("2090-01-01T00:00:00.000Z", "to_be_deactivated_at"),
    "profileImageId": (ROOT_GROUP_ID, "profile_image_id"),
}


def test_returns_every_published_field_of_a_user(sandbox, api):
    user = {key: value for key, (value, _) in PUBLISHED.items()}
    expected = {name: value for value, name in PUBLISHED.values()}
    for operation, body in (("getUser", user), ("getUsers", [user])):
        sandbox.control.add_fault(operation, kind="invalid_content", body=body)
    assert api.list_users() == [expected]
    found = api.get_user(user=GRACE_ID)
    assert {name: value for name, value in found.items() if value is not None} == {**expected, "custom_fields": {}}


def test_the_published_fields_are_those_of_the_specification():
    schemas = json.loads((SPECIFICATIONS / "v2-core.json").read_text())["components"]["schemas"]
    assert PUBLISHED.keys() == schemas["UserDTO"]["properties"].keys()
