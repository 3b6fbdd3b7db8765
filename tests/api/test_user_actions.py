"""Users: what each action does at the sandbox, what it returns, and what it refuses before anything is sent."""

from __future__ import annotations

import datetime

import pytest

from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    RefusedError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

ANA = "ana@acme.test"
FIELD_ID = "64b1f0c2a9d3e40012ab1111"


@pytest.fixture
def state(sandbox):
    return sandbox.control.state


def roles_of(state, user_id):
    return {
        (each["group"], role) for each in state()["memberships"] if each["user"] == user_id for role in each["roles"]
    }


# Create


@pytest.mark.parametrize(
    ("mode", "password", "outcome", "mailed"),
    [
        ("invite", None, "invited", ["invitation"]),
        ("create_active", None, "created", []),
        ("create_active", "s3cret-1", "created", []),
        ("create_active_and_mail_password", "s3cret-1", "created", ["password"]),
        ("create_active_and_mail_generated_password", None, "created", ["generated_password"]),
    ],
)
def test_what_happens_to_a_new_person(state, api, sent, mode, password, outcome, mailed):
    made = api.create_user(mail=ANA, first_name="Ana", mode=mode, password=password)
    assert made == {"mail": ANA, "user_id": made["user_id"], "outcome": outcome}
    assert len(made["user_id"]) == 24
    assert [mail["kind"] for mail in state()["mails_sent"]] == mailed
    (entry,) = sent("createOrInviteUser")
    assert entry["body"]["sendCredentials"] == ("true" if "mail" in mode else "false"), "its default is not certain"


def test_by_default_a_new_person_is_invited(api):
    assert api.create_user(mail=ANA)["outcome"] == "invited"


def test_a_person_with_everything(state, api, sent):
    api.create_user(
        mail=ANA,
        first_name="Ana",
        last_name="Roy",
        group_id=SALES_GROUP_ID,
        role="editor",
        mode="create_active",
        other_group_ids=[ROOT_GROUP_ID],
        primary_group_id=SALES_GROUP_ID,
        job="Engineer",
        organization="Lab",
        phone="+33 1",
        lang="fr",
        custom="E-17",
        labels=["new"],
        invitation_expires_after_days=30,
    )
    (entry,) = sent("createOrInviteUser")
    assert entry["body"] == {
        "mail": ANA,
        "firstName": "Ana",
        "lastName": "Roy",
        "job": "Engineer",
        "organization": "Lab",
        "phone": "+33 1",
        "lang": "fr",
        "custom": "E-17",
        "primaryGroupId": SALES_GROUP_ID,
        "password": "***",
        "sendCredentials": "false",
        "groups": [SALES_GROUP_ID, ROOT_GROUP_ID],
        "roles": ["author"],
        "labels": ["new"],
        "cancelTheInvitationAfterDays": "30",
    }
    found = api.get_user(user=ANA)
    assert (found["first_name"], found["primary_group_id"], found["custom"]) == ("Ana", SALES_GROUP_ID, "E-17")
    assert roles_of(state, found["user_id"]) == {(SALES_GROUP_ID, "editor"), (ROOT_GROUP_ID, "editor")}


def test_who_exists_is_left_alone(api, sent):
    made = api.create_user(mail=GRACE_MAIL, first_name="Someone", job="Else")
    assert made == {"mail": GRACE_MAIL, "user_id": GRACE_ID, "outcome": "already_exists"}
    assert api.get_user(user=GRACE_ID)["first_name"] == "Grace"


def test_who_exists_is_brought_up_to_date(state, api):
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
    assert (SALES_GROUP_ID, "coach") in roles_of(state, GRACE_ID)


def test_who_exists_can_be_an_error(api):
    with pytest.raises(AlreadyExistsError, match="user_already_exists"):
        api.create_user(mail=GRACE_MAIL, if_exists="fail")


def test_a_pending_invitation(api):
    assert api.create_user(mail=LINUS_MAIL) == {"mail": LINUS_MAIL, "user_id": None, "outcome": "already_invited"}
    with pytest.raises(RefusedError, match=r"cannot change an invited person: wait .* if_exists='skip'"):
        api.create_user(mail=LINUS_MAIL, job="Chemist", if_exists="update")
    with pytest.raises(AlreadyExistsError, match="invitation_already_exists"):
        api.create_user(mail=LINUS_MAIL, if_exists="fail")


@pytest.mark.parametrize("setting", ["mails_of_other_companies", "mails_invited_elsewhere"])
def test_a_mail_of_another_company_is_refused(sandbox, api, sent, setting):
    sandbox.control.settings(**{setting: [ANA]})
    with pytest.raises(RefusedError):
        api.create_user(mail=ANA)
    assert len(sent("createOrInviteUser")) == 1


def test_what_only_360learning_finds_wrong(api):
    with pytest.raises(InvalidRequestError, match="invalidEmails"):
        api.create_user(mail="ana@nowhere")


def test_an_answer_without_an_id_is_looked_up(sandbox, api):
    sandbox.control.add_fault(
        "createOrInviteUser", kind="status", status=200, body={"status": "user_created"}, when="after"
    )
    made = api.create_user(mail=ANA, mode="create_active")
    assert made == {"mail": ANA, "user_id": api.get_user(user=ANA)["user_id"], "outcome": "created"}


def test_logs_a_status_that_does_not_fit_the_mode(sandbox, api, caplog):
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=200, body={"status": "invitation_created"})
    assert api.create_user(mail=ANA, mode="create_active")["outcome"] == "invited"
    assert "mode=create_active, but 360Learning returned status=invitation_created" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"mail": "ana.acme.test"}, "mail is"),
        ({"mail": "ana roy@acme.test"}, "mail is"),
        ({"mail": " "}, "mail is missing or empty"),
        ({"mail": None}, "mail is missing or empty"),
        ({"mode": "activate"}, "mode is 'activate', but must be one of invite, create_active"),
        ({"role": "boss"}, "role is 'boss'"),
        ({"if_exists": "merge"}, "if_exists is"),
        ({"group_id": "Sales"}, r"group_id is 'Sales'"),
        ({"other_group_ids": [SALES_GROUP_ID, "x"]}, r"other_group_ids\[1\] is 'x'"),
        ({"other_group_ids": 7}, "other_group_ids is 7, but must be a list"),
        ({"primary_group_id": SALES_GROUP_ID}, "must be one of group_id and other_group_ids"),
        ({"password": "x"}, "mode 'invite' uses no password"),
        ({"mode": "create_active_and_mail_password"}, "needs a password"),
        ({"mode": "create_active_and_mail_generated_password", "password": "x"}, "uses no password"),
    ],
)
def test_reports_an_invalid_argument_before_anything_is_sent(api, sent, arguments, complaint):
    with pytest.raises(InvalidRequestError, match=f"{complaint}.*Nothing was sent"):
        api.create_user(**{"mail": ANA, **arguments})
    assert sent() == []


@pytest.mark.parametrize("role", ["analyst", "contributor", "user-admin"])
def test_refuses_a_role_of_api_v2_before_anything_is_sent(api, sent, role):
    for call in (
        lambda: api.create_user(mail=ANA, role=role),
        lambda: api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_MAIL, role=role),
        lambda: api.remove_user_from_group(group_id=SALES_GROUP_ID, user=GRACE_MAIL, role=role),
    ):
        with pytest.raises(NotAvailableError, match=f"role '{role}' is not available in API v1") as raised:
            call()
        assert raised.value.argument == "role"
    assert sent() == []


# Read


def test_a_user_is_read(api):
    assert api.get_user(user=GRACE_MAIL) == {
        "user_id": GRACE_ID,
        "mail": GRACE_MAIL,
        "first_name": "Grace",
        "last_name": "Hopper",
        "custom": None,
        "primary_group_id": None,
        "last_login_at": None,
        "to_be_deactivated_at": None,
        "custom_fields": {},
    }
    assert api.get_user(user=GRACE_ID) == api.get_user(user=GRACE_MAIL)


def test_users_are_listed(api):
    assert {user["mail"] for user in api.list_users()} == {ADMIN_MAIL, GRACE_MAIL}
    api.delete_user(user=GRACE_MAIL)
    (deleted,) = api.list_users(deleted=True)
    assert deleted == {
        "user_id": GRACE_ID,
        "mail": GRACE_MAIL,
        "first_name": "Grace",
        "last_name": "Hopper",
        "custom": None,
        "primary_group_id": None,
    }


def test_roles_are_listed_by_their_neutral_names(api):
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_MAIL, role="editor")
    assert sorted(api.list_user_roles(user=GRACE_MAIL), key=str) == [
        {"group_id": ROOT_GROUP_ID, "role": "learner"},
        {"group_id": SALES_GROUP_ID, "role": "editor"},
    ]
    with pytest.raises(NotFoundError):
        api.list_user_roles(user="nobody@acme.test")


# Change


def test_a_user_is_changed(api, sent):
    future = datetime.datetime(2090, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    changed = api.update_user(
        user=GRACE_ID, first_name="Amazing", custom="E-1", to_be_deactivated_at=future, custom_fields={FIELD_ID: "Lyon"}
    )
    assert changed == {"user": GRACE_ID, "outcome": "updated"}
    found = api.get_user(user=GRACE_ID)
    assert (found["first_name"], found["last_name"], found["custom"]) == ("Amazing", "Hopper", "E-1")
    assert found["to_be_deactivated_at"] == "2090-01-02T01:04:05.000Z"
    assert found["custom_fields"] == {FIELD_ID: "Lyon"}
    assert set(sent("updateUser")[0]["body"]) == {"firstName", "custom", "toDeactivateAt", "customFields"}


def test_a_mail_is_changed(api):
    api.update_user(user=GRACE_MAIL, mail="grace@acme.test")
    assert api.get_user(user="grace@acme.test")["user_id"] == GRACE_ID


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_a_mail_that_the_user_has_already_is_fine(api, user):
    """v1 refuses it; a retry meets that after a kill."""
    assert api.update_user(user=user, mail=GRACE_MAIL, first_name="Amazing") == {"user": user, "outcome": "updated"}
    assert api.get_user(user=GRACE_ID)["first_name"] == "Amazing"


@pytest.mark.parametrize("taken", [ADMIN_MAIL, LINUS_MAIL])
def test_a_mail_that_somebody_else_has_is_an_error(api, taken):
    with pytest.raises(AlreadyExistsError):
        api.update_user(user=GRACE_MAIL, mail=taken, first_name="Amazing")
    assert api.get_user(user=GRACE_ID)["first_name"] == "Grace"


def test_a_changed_mail_may_lead_to_an_invitation(sandbox, api):
    sandbox.control.add_fault("updateUser", kind="status", status=200, body={"status": "invitation_created"})
    assert api.update_user(user=GRACE_MAIL, mail=ANA)["outcome"] == "invited"


def test_who_is_not_there_cannot_be_changed(api):
    with pytest.raises(NotFoundError):
        api.update_user(user="nobody@acme.test", first_name="No")
    with pytest.raises(NotFoundError):
        api.update_user(user="nobody@acme.test", mail=ANA)


def test_the_past_is_no_time_to_be_deactivated_at(api):
    with pytest.raises(InvalidRequestError, match="must be in the future"):
        api.update_user(user=GRACE_MAIL, to_be_deactivated_at="2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "at least one field"),
        ({"user": "Grace", "job": "x"}, "user is 'Grace'"),
        ({"mail": "grace"}, "mail is 'grace'"),
        ({"to_be_deactivated_at": "2090-01-01T00:00:00"}, "to_be_deactivated_at is .* with a time zone"),
        ({"to_be_deactivated_at": "soon"}, "to_be_deactivated_at is 'soon'"),
        ({"primary_group_id": "x"}, "primary_group_id is 'x'"),
        ({"custom_fields": {"x": "y"}}, "custom_fields has the key 'x'"),
    ],
)
def test_reports_an_invalid_change_before_anything_is_sent(api, sent, arguments, complaint):
    with pytest.raises(InvalidRequestError, match=f"{complaint}.*Nothing was sent"):
        api.update_user(**{"user": GRACE_MAIL, **arguments})
    assert sent() == []


# Delete


def test_a_user_is_deleted_once(api, state):
    assert api.delete_user(user=GRACE_MAIL) == {"user": GRACE_MAIL, "outcome": "deleted"}
    assert api.delete_user(user=GRACE_MAIL) == {"user": GRACE_MAIL, "outcome": "not_found"}
    with pytest.raises(NotFoundError, match="user_not_found"):
        api.delete_user(user=GRACE_MAIL, if_missing="fail")
    with pytest.raises(InvalidRequestError, match="if_missing"):
        api.delete_user(user=GRACE_MAIL, if_missing="ignore")
