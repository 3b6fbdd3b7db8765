"""User actions: their effect at the sandbox, their results, and what they refuse before anything is sent."""

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
    DEPARTMENT_FIELD_ID,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SITE_FIELD_ID,
)
from tests.api.support import everything_about

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
def test_creates_or_invites_a_user_by_mode(state, api, sent, mode, password, outcome, mailed):
    made = api.create_user(mail=ANA, first_name="Ana", mode=mode, password=password)
    assert made == {"mail": ANA, "user_id": made["user_id"], "outcome": outcome}
    assert len(made["user_id"]) == 24
    assert [mail["kind"] for mail in state()["mails_sent"]] == mailed
    (entry,) = sent("createOrInviteUser")
    assert entry["body"]["sendCredentials"] == ("true" if "mail" in mode else "false"), (
        "its default is documented in two ways"
    )


def test_invites_by_default(api):
    assert api.create_user(mail=ANA)["outcome"] == "invited"


def test_sends_all_fields_of_a_user(state, api, sent):
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


def test_skip_leaves_an_existing_user_unchanged(api, sent):
    made = api.create_user(mail=GRACE_MAIL, first_name="Someone", job="Else")
    assert made == {"mail": GRACE_MAIL, "user_id": GRACE_ID, "outcome": "already_exists"}
    assert api.get_user(user=GRACE_ID)["first_name"] == "Grace"


def test_update_updates_an_existing_user(state, api):
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


def test_fail_raises_for_an_existing_user(api):
    with pytest.raises(AlreadyExistsError, match="user_already_exists"):
        api.create_user(mail=GRACE_MAIL, if_exists="fail")


def test_pending_invitation_by_if_exists(api):
    assert api.create_user(mail=LINUS_MAIL) == {"mail": LINUS_MAIL, "user_id": None, "outcome": "already_invited"}
    pending = api.create_user(mail=LINUS_MAIL, job="Chemist", if_exists="update")
    assert pending == {"mail": LINUS_MAIL, "user_id": None, "outcome": "already_invited"}
    with pytest.raises(AlreadyExistsError, match="invitation_already_exists"):
        api.create_user(mail=LINUS_MAIL, if_exists="fail")


@pytest.mark.parametrize("setting", ["mails_of_other_companies", "mails_invited_elsewhere"])
def test_refuses_an_address_of_another_company(sandbox, api, sent, setting):
    sandbox.control.settings(**{setting: [ANA]})
    with pytest.raises(RefusedError):
        api.create_user(mail=ANA)
    assert len(sent("createOrInviteUser")) == 1


def test_reports_an_address_that_360learning_refuses(api):
    with pytest.raises(InvalidRequestError, match="invalidEmails"):
        api.create_user(mail="ana@nowhere")


def test_looks_up_the_id_that_a_response_lacks(sandbox, api):
    sandbox.control.add_fault(
        "createOrInviteUser", kind="status", status=200, body={"status": "user_created"}, when="after"
    )
    made = api.create_user(mail=ANA, mode="create_active")
    assert made == {"mail": ANA, "user_id": api.get_user(user=ANA)["user_id"], "outcome": "created"}


@pytest.mark.parametrize(
    "response",
    [{"status": 200, "body": {"status": "already_invited"}}, {"status": 400, "body": {"error": "already_invited"}}],
    ids=["status", "error"],
)
def test_recognizes_already_invited(sandbox, api, sent, response):
    """Clients have seen the word, and no record says where it stands."""
    sandbox.control.add_fault("createOrInviteUser", kind="status", **response)
    assert api.create_user(mail=ANA) == {"mail": ANA, "user_id": None, "outcome": "already_invited"}
    sandbox.control.add_fault("createOrInviteUser", kind="status", **response)
    with pytest.raises(AlreadyExistsError):
        api.create_user(mail=ANA, if_exists="fail")
    assert len(sent("createOrInviteUser")) == 2


@pytest.mark.parametrize(
    "response",
    [
        {"status": 200, "body": {"status": "email_already_used"}},
        {"status": 400, "body": {"error": "email_already_used"}},
    ],
    ids=["status", "error"],
)
def test_recognizes_email_already_used(sandbox, api, response):
    for if_exists, outcome in (("skip", "already_exists"), ("update", "updated")):
        sandbox.control.add_fault("createOrInviteUser", kind="status", **response)
        made = api.create_user(mail=GRACE_MAIL, job="Admiral", if_exists=if_exists)
        assert made == {"mail": GRACE_MAIL, "user_id": GRACE_ID, "outcome": outcome}


def test_reports_and_logs_a_restored_user(sandbox, api, caplog):
    body = {"status": "user_created", "_id": FIELD_ID, "warning": "User has been reactivated"}
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=200, body=body)
    made = api.create_user(mail=ANA, mode="create_active")
    assert made == {"mail": ANA, "user_id": FIELD_ID, "outcome": "restored"}
    assert "Restored the deleted user with this email address: user_id=" in caplog.text


def test_reports_a_restored_user_without_an_id(sandbox, api, sent):
    """An invited person cannot be looked up."""
    body = {"status": "invitation_created", "warning": "User has been reactivated"}
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=200, body=body)
    assert api.create_user(mail=ANA) == {"mail": ANA, "user_id": None, "outcome": "restored"}
    assert len(sent()) == 2, "one is for the token"


def test_refuses_custom_fields_of_a_new_user_before_anything_is_sent(api, sent):
    with pytest.raises(NotAvailableError, match="custom_fields is not available in API v1") as raised:
        api.create_user(mail=ANA, custom_fields={FIELD_ID: "Lyon"})
    assert raised.value.argument == "custom_fields"
    assert sent() == []


def test_restores_a_deleted_user(api):
    api.delete_user(user=GRACE_MAIL)
    assert api.create_user(mail=GRACE_MAIL, mode="create_active")["outcome"] == "restored"


@pytest.mark.parametrize("password", ["s3cret", "  e\u0301\u00a0x  "])
def test_sends_a_password_unchanged(sandbox, api, password):
    api.create_user(mail=ANA, mode="create_active", password=password)
    assert sandbox.control.has_password(ANA, password)
    api.update_user(user=ANA, password=password + "2")
    assert sandbox.control.has_password(ANA, password + "2")


def test_never_shows_a_password(api, sent):
    """A ValidationError has all values, so that it must not be part of any error."""
    for call in (
        lambda: api.create_user(mail="x", mode="create_active", password="planted-secret"),
        lambda: api.create_user(mail=ANA, password="planted-secret"),
        lambda: api.create_user(mail=ANA, role="analyst", mode="create_active", password="planted-secret"),
        lambda: api.update_user(user=ANA, password=["planted-secret"]),
        lambda: api.update_user(user=ANA, Kennwort="planted-secret"),
    ):
        with pytest.raises(InvalidRequestError) as raised:
            call()
        assert "planted-secret" not in everything_about(raised.value)
    assert sent() == []


def test_logs_a_status_that_does_not_fit_the_mode(sandbox, api, caplog):
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=200, body={"status": "invitation_created"})
    assert api.create_user(mail=ANA, mode="create_active")["outcome"] == "invited"
    assert "mode=create_active, but 360Learning reports outcome=invited" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "problem"),
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
def test_reports_an_invalid_argument_before_anything_is_sent(api, sent, arguments, problem):
    with pytest.raises(InvalidRequestError, match=f"{problem}.*Nothing was sent"):
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


#: A user with all 24 keys that were recorded in production, and those documented since, and what each becomes.
RECORDED = {
    "_id": (GRACE_ID, "user_id"),
    "mail": (GRACE_MAIL, "mail"),
    "firstName": ("Grace", "first_name"),
    "lastName": ("Hopper", "last_name"),
    "lastLoginAt": ("2024-03-05T08:15:00.120Z", "last_login_at"),
    "toDeactivateAt": ("2090-01-01T00:00:00.000Z", "to_be_deactivated_at"),
    "imageUrl": ("https://images.test/1.png", "image_url"),
    "groups": ([{"_id": SALES_GROUP_ID, "name": "Sales"}], "groups"),
    "managers": ([{"_id": "1"}], "managers"),
    "subordinates": ([{"_id": "2"}], "subordinates"),
    "labels": (["old"], "labels"),
    "skills": ([{"_id": "3"}], "skills"),
    "certifications": ([{"_id": "4"}], "certifications"),
    "paths": ([{"_id": "5"}], "paths"),
    "assignedPrograms": (2, "assigned_programs"),
    "completedPrograms": (1, "completed_programs"),
    "totalTimeSpentInMinutes": (12.5, "total_time_spent_minutes"),
    "publications": (3, "publications"),
    "comments": (4, "comments"),
    "messages": (5, "messages"),
    "reactions": (6, "reactions"),
    "championStatus": ("gold", "champion_status"),
    "championAchievements": ({"coursesPublished": [1]}, "champion_achievements"),
    "learnerAchievements": ({"coursesPlayed": [2]}, "learner_achievements"),
    # documented, not recorded
    "averageScore": (87.5, "average_score"),
    "custom": ("E-17", "custom"),
    "primaryGroupId": (SALES_GROUP_ID, "primary_group_id"),
    "externalIds": ([{"externalId": "7"}], "external_ids"),
}


def test_returns_every_field_of_a_user(sandbox, api):
    body = {key: value for key, (value, _) in RECORDED.items()}
    custom_fields = [{"customFieldId": DEPARTMENT_FIELD_ID, "name": "Department", "value": "Navy"}]
    sandbox.control.add_fault("getUser", kind="invalid_content", body={**body, "customFields": custom_fields})
    found = api.get_user(user=GRACE_MAIL)
    expected = {name: value for value, name in RECORDED.values()} | {"custom_fields": {DEPARTMENT_FIELD_ID: "Navy"}}
    assert {name: value for name, value in found.items() if value is not None} == expected


def test_the_sandbox_has_the_recorded_fields_of_a_user(api):
    found = api.get_user(user=ADMIN_MAIL)
    recorded = {name for _, name in RECORDED.values()} - {"average_score", "custom", "primary_group_id"}
    assert {name for name in recorded if found[name] is None} == {"to_be_deactivated_at"}


def test_lists_users(api):
    assert {user["mail"] for user in api.list_users()} == {ADMIN_MAIL, GRACE_MAIL}
    api.delete_user(user=GRACE_MAIL)
    (deleted,) = api.list_users(deleted=True)
    assert {name: value for name, value in deleted.items() if value is not None} == {
        "user_id": GRACE_ID,
        "mail": GRACE_MAIL,
        "first_name": "Grace",
        "last_name": "Hopper",
    }


def test_lists_roles_by_neutral_names(api):
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_MAIL, role="editor")
    assert sorted(api.list_user_roles(user=GRACE_MAIL), key=str) == [
        {"group_id": ROOT_GROUP_ID, "role": "learner"},
        {"group_id": SALES_GROUP_ID, "role": "editor"},
    ]
    with pytest.raises(NotFoundError):
        api.list_user_roles(user="missing@acme.test")


# Change


def test_updates_a_user(api, sent):
    future = datetime.datetime(2090, 1, 2, 3, 4, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=2)))
    changed = api.update_user(
        user=GRACE_ID, first_name="Amazing", custom="E-1", to_be_deactivated_at=future, custom_fields={FIELD_ID: "Lyon"}
    )
    assert changed == {"user": GRACE_ID, "outcome": "updated"}
    found = api.get_user(user=GRACE_ID)
    assert (found["first_name"], found["last_name"], found["custom"]) == ("Amazing", "Hopper", "E-1")
    assert found["to_be_deactivated_at"] == "2090-01-02T01:04:05.000Z"
    assert found["custom_fields"] == {FIELD_ID: "Lyon"}
    assert set(sent("updateUser")[0]["body"]) == {"firstName", "custom", "toDeactivateAt"}


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_custom_fields_that_are_not_given_keep_their_values(api, sent, user):
    api.update_user(user=user, custom_fields={FIELD_ID: "Navy", SITE_FIELD_ID: "Lyon"})
    api.update_user(user=user, custom_fields={SITE_FIELD_ID: "Paris"})
    assert api.get_user(user=GRACE_ID)["custom_fields"] == {FIELD_ID: "Navy", SITE_FIELD_ID: "Paris"}
    assert not sent("updateUser"), "nothing but custom fields has changed"
    api.update_user(user=user, mail="amazing@acme.test", custom_fields={SITE_FIELD_ID: "Lyon"})
    assert api.get_user(user="amazing@acme.test")["custom_fields"] == {FIELD_ID: "Navy", SITE_FIELD_ID: "Lyon"}


def test_changes_an_address(api):
    api.update_user(user=GRACE_MAIL, mail="grace@acme.test")
    assert api.get_user(user="grace@acme.test")["user_id"] == GRACE_ID


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_accepts_the_address_that_the_user_has_already(api, user):
    """v1 refuses it, which a retry after a kill meets."""
    assert api.update_user(user=user, mail=GRACE_MAIL, first_name="Amazing") == {"user": user, "outcome": "updated"}
    assert api.get_user(user=GRACE_ID)["first_name"] == "Amazing"


@pytest.mark.parametrize("taken", [ADMIN_MAIL, LINUS_MAIL])
def test_refuses_the_address_of_another_user(api, taken):
    with pytest.raises(AlreadyExistsError):
        api.update_user(user=GRACE_MAIL, mail=taken, first_name="Amazing")
    assert api.get_user(user=GRACE_ID)["first_name"] == "Grace"


def test_reports_an_invitation_after_a_change_of_address(sandbox, api):
    sandbox.control.add_fault("updateUser", kind="status", status=200, body={"status": "invitation_created"})
    assert api.update_user(user=GRACE_MAIL, mail=ANA)["outcome"] == "invited"


def test_update_raises_for_a_missing_user(api):
    with pytest.raises(NotFoundError):
        api.update_user(user="missing@acme.test", first_name="No")
    with pytest.raises(NotFoundError):
        api.update_user(user="missing@acme.test", mail=ANA)


def test_refuses_a_deactivation_in_the_past(api):
    with pytest.raises(InvalidRequestError, match="must be in the future"):
        api.update_user(user=GRACE_MAIL, to_be_deactivated_at="2020-01-01T00:00:00Z")


@pytest.mark.parametrize(
    ("arguments", "problem"),
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
def test_reports_an_invalid_change_before_anything_is_sent(api, sent, arguments, problem):
    with pytest.raises(InvalidRequestError, match=f"{problem}.*Nothing was sent"):
        api.update_user(**{"user": GRACE_MAIL, **arguments})
    assert sent() == []


# Delete


def test_deletes_a_user_once(api, state):
    assert api.delete_user(user=GRACE_MAIL) == {"user": GRACE_MAIL, "outcome": "deleted"}
    assert api.delete_user(user=GRACE_MAIL) == {"user": GRACE_MAIL, "outcome": "not_found"}
    with pytest.raises(NotFoundError, match="user_not_found"):
        api.delete_user(user=GRACE_MAIL, if_missing="fail")
    with pytest.raises(InvalidRequestError, match="if_missing"):
        api.delete_user(user=GRACE_MAIL, if_missing="ignore")
