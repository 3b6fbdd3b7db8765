"""Users and invitations: the matrix of creation, the documented errors, unusual email addresses."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    LINUS_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

NEW = "ana@acme.test"
UNUSUAL_MAILS = ["a+b@acme.test", "name#company@acme.test", "a!b@acme.test", "a/b@acme.test", "100%41@acme.test"]


@pytest.mark.parametrize("as_form", [True, False])
@pytest.mark.parametrize(
    ("password", "send", "status", "mails"),
    [
        ("pw", True, "user_created", ["password"]),
        ("pw", False, "user_created", []),
        (None, True, "user_created", ["generated_password"]),
        (None, False, "invitation_created", ["invitation"]),
    ],
)
def test_creation_follows_the_documented_matrix(sandbox, client, as_form, password, send, status, mails):
    body = {"mail": NEW} | ({"password": password} if password else {})
    body["sendCredentials"] = str(send).lower() if as_form else send
    response = client("POST", "/users", **{"data" if as_form else "json": body})
    assert (response.status_code, response.json()["status"]) == (200, status)
    state = sandbox.control.state()
    assert [mail["kind"] for mail in state["mails_sent"]] == mails
    where = "users" if status == "user_created" else "invitations"
    assert response.json()["_id"] in [person["id"] for person in state[where] if person["mail"] == NEW]


@pytest.mark.parametrize(("default", "status"), [(True, "user_created"), (False, "invitation_created")])
def test_default_of_send_credentials_can_be_switched(sandbox, client, default, status):
    sandbox.control.settings(send_credentials_default=default)
    assert client("POST", "/users", data={"mail": NEW}).json()["status"] == status


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"mail": GRACE_MAIL}, "user_already_exists"),
        ({"mail": GRACE_MAIL.upper()}, "user_already_exists"),
        ({"mail": LINUS_MAIL}, "invitation_already_exists"),
        ({"mail": "taken@else.test"}, "unavailableEmails"),
        ({"mail": "wanted@else.test"}, "faultyInvitations"),
        ({"mail": "no-mail"}, "invalid argument: email"),
        ({}, "invalid argument: email"),
        ({"mail": "two@@acme.test"}, "invalidEmails"),
        (
            {"mail": NEW, "groups[0]": ROOT_GROUP_ID, "primaryGroupId": SALES_GROUP_ID},
            "user_not_member_of_primaryGroup",
        ),
        ({"mail": NEW, "groups[0]": "0" * 24}, "group_not_found"),
        ({"mail": NEW, "groups[x]": ROOT_GROUP_ID}, "invalid argument : groups"),
        ({"mail": NEW, "roles[0]": "king"}, "invalid argument : roles"),
        ({"mail": NEW, "sendCredentials": "True"}, "invalid argument : sendCredentials"),
    ],
)
def test_refused_creations_change_nothing(sandbox, client, body, error):
    sandbox.control.settings(mails_of_other_companies=["taken@else.test"], mails_invited_elsewhere=["wanted@else.test"])
    before = sandbox.control.state()
    response = client("POST", "/users", data=body)
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert sandbox.control.state() == before


@pytest.mark.parametrize(
    ("codes", "mail", "code"),
    [
        ("documented", GRACE_MAIL, "user_already_exists"),
        ("documented", LINUS_MAIL, "invitation_already_exists"),
        ("client", GRACE_MAIL, "email_already_used"),
        ("client", LINUS_MAIL, "already_invited"),
    ],
)
@pytest.mark.parametrize(("key", "status"), [("error", 400), ("status", 200)])
def test_response_to_an_existing_user_can_be_switched(sandbox, client, codes, mail, code, key, status):
    sandbox.control.settings(existing_user_codes=codes, existing_user_key=key)
    before = sandbox.control.state()
    response = client("POST", "/users", data={"mail": mail})
    assert (response.status_code, response.json()) == (status, {key: code})
    assert sandbox.control.state() == before


def test_user_is_created_with_groups_and_roles(client):
    body = {"mail": NEW, "password": "pw", "groups[0]": ROOT_GROUP_ID, "groups[1]": SALES_GROUP_ID}
    created = client("POST", "/users", data=body | {"roles[0]": "learner", "roles[1]": "coach"}).json()
    roles = client("GET", f"/users/{created['_id']}/roles").json()
    assert roles == [{"group": group, "roles": ["learner", "coach"]} for group in (ROOT_GROUP_ID, SALES_GROUP_ID)]
    coaches = client("GET", f"/groups/{SALES_GROUP_ID}").json()["coaches"]
    assert coaches == [{"_id": created["_id"], "mail": NEW}]


@pytest.mark.parametrize("name", ["groups[]", "groups"])
@pytest.mark.parametrize("groups", [[ROOT_GROUP_ID, SALES_GROUP_ID], [SALES_GROUP_ID]], ids=["two", "one"])
def test_form_arrays_need_no_index(sandbox, client, name, groups):
    sandbox.control.settings(learners_join_above=False)
    created = client("POST", "/users", data={"mail": NEW, "password": "pw", name: groups})
    assert created.status_code == 200, created.text
    roles = client("GET", f"/users/{NEW}/roles").json()
    assert [role["group"] for role in roles] == groups


@pytest.mark.parametrize("name", ["groups[]", "groups"])
def test_form_arrays_without_an_index_can_be_refused(sandbox, client, name):
    sandbox.control.settings(form_arrays="indexed")
    body = {"mail": NEW, "password": "pw", name: [ROOT_GROUP_ID, SALES_GROUP_ID]}
    assert client("POST", "/users", data=body).status_code == 400


@pytest.mark.parametrize("mail", UNUSUAL_MAILS)
def test_unusual_emails_reach_their_route(client, add_user, segment, mail):
    user = add_user(mail)
    assert client("GET", f"/users/{segment(mail)}").json()["_id"] == user
    assert client("PUT", f"/users/{segment(mail)}/", json={"lang": "fr"}).json() == {"status": "user_updated"}
    assert client("GET", f"/users/{user}").json()["lang"] == "fr"
    assert client("PUT", f"/groups/{SALES_GROUP_ID}/users/{segment(mail)}").status_code == 200
    assert client("DELETE", f"/users/{segment(mail)}").status_code == 204


def test_emails_with_spaces_are_decoded(sandbox, client, segment):
    assert client("GET", f"/users/{segment('a b@acme.test')}").json() == {"error": "user_not_found"}
    entry = sandbox.control.journal()[-1]
    assert (entry["user"], entry["path"]) == ("a b@acme.test", "/api/v1/users/a%20b%40acme.test")


def test_plus_in_a_path_is_literal(client, add_user):
    user = add_user("a+b@acme.test")
    assert client("GET", "/users/a+b@acme.test").json()["_id"] == user


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"mail": GRACE_MAIL}, "mail_already_exists"),
        ({"mail": ADMIN_MAIL}, "mail_already_exists"),
        ({"mail": LINUS_MAIL}, "already_invited"),
        ({"toDeactivateAt": "2001-01-01T00:00:00.000Z"}, "'toDeactivateAt' date must be in the future"),
    ],
)
def test_invalid_updates_are_refused(client, body, error):
    response = client("PUT", f"/users/{GRACE_ID}", json=body)
    assert (response.status_code, response.json()) == (400, {"error": error})


def test_update_is_partial(client):
    assert client("PUT", f"/users/{GRACE_MAIL}", data={"custom": "E-17"}).json() == {"status": "user_updated"}
    assert client("PUT", f"/users/{GRACE_MAIL}", json={"mail": "grace@acme.test"}).status_code == 200
    user = client("GET", "/users/grace@acme.test").json()
    assert (user["_id"], user["firstName"], user["custom"]) == (GRACE_ID, "Grace", "E-17")
    assert user["toDeactivateAt"] == ""
    assert client("GET", f"/users/{GRACE_MAIL}").status_code == 400


def test_fields_without_a_value_are_absent(client):
    users = {user["mail"]: user for user in client("GET", "/users").json()}
    assert set(users[GRACE_MAIL]) == {"_id", "mail", "firstName", "lastName"}
    assert LINUS_MAIL not in users


@pytest.mark.parametrize(("response", "status"), [("user_not_found", 400), ("no_content", 204)])
def test_response_to_a_second_deletion_can_be_switched(sandbox, client, response, status):
    sandbox.control.settings(deleted_user_response=response)
    assert client("DELETE", f"/users/{GRACE_ID}").status_code == 204
    assert client("DELETE", f"/users/{GRACE_ID}").status_code == status
    assert client("DELETE", "/users/unknown@acme.test").json() == {"error": "user_not_found"}
    assert client("GET", f"/users/{GRACE_ID}").json() == {"error": "user_not_found"}
    assert [user["_id"] for user in client("GET", "/users?deleted=true").json()] == [GRACE_ID]


def test_deleted_user_is_restored_without_groups(sandbox, client, add_user):
    sandbox.control.settings(learners_join_above=False)
    client("DELETE", f"/users/{GRACE_ID}")
    assert add_user(GRACE_MAIL, SALES_GROUP_ID) == GRACE_ID
    user = client("GET", f"/users/{GRACE_ID}").json()
    assert user["lastName"] == "Hopper"
    assert [group["_id"] for group in user["groups"]] == [SALES_GROUP_ID]


@pytest.mark.parametrize("password", [None, "secret-2"])
def test_reactivation_succeeds_with_a_warning_and_keeps_the_old_password(sandbox, client, add_user, password):
    add_user(NEW)
    client("DELETE", f"/users/{NEW}")
    body = {"mail": NEW, "sendCredentials": True} | ({"password": password} if password else {})
    restored = client("POST", "/users", json=body)
    assert restored.status_code == 200
    assert restored.json()["status"] == "user_created"
    assert "reactivated" in restored.json()["warning"]
    assert sandbox.control.has_password(NEW, password or "secret-1")


def test_warning_of_a_reactivation_can_be_switched_off(sandbox, client):
    sandbox.control.settings(reactivation_warning=False)
    client("DELETE", f"/users/{GRACE_ID}")
    assert set(client("POST", "/users", json={"mail": GRACE_MAIL}).json()) == {"status", "_id"}


def test_new_user_has_no_warning(client):
    assert set(client("POST", "/users", json={"mail": NEW}).json()) == {"status", "_id"}


RECORDED_KEYS = """
_id assignedPrograms certifications championAchievements championStatus comments completedPrograms firstName groups
imageUrl labels lastLoginAt lastName learnerAchievements mail managers messages paths publications reactions skills
subordinates toDeactivateAt totalTimeSpentInMinutes
"""
#: Keys that the documentation has added since the recording.
LATER_KEYS = {"customFields", "externalIds"}


def test_user_has_the_recorded_keys(client):
    user = client("GET", f"/users/{ADMIN_MAIL}").json()
    assert set(user) == set(RECORDED_KEYS.split()) | LATER_KEYS
    assert [len(user["championAchievements"]), user["toDeactivateAt"]] == [4, ""]


def test_last_login_is_missing_before_the_first_login(sandbox, client):
    assert "lastLoginAt" not in client("GET", f"/users/{GRACE_ID}").json()
    sandbox.control.log_in(GRACE_MAIL)
    assert client("GET", f"/users/{GRACE_ID}").json()["lastLoginAt"].endswith("Z")


def test_update_can_change_the_password(sandbox, client):
    for password in ("secret-1", " secret\u00a02 "):
        client("PUT", f"/users/{GRACE_MAIL}", json={"password": password})
        assert sandbox.control.has_password(GRACE_MAIL, password)
    assert not sandbox.control.has_password(GRACE_MAIL, "secret 2")


def test_notification_emails_have_their_own_routes(sandbox, client):
    def subscribed():
        return {user["mail"]: user["email_notifications"] for user in sandbox.control.state()["users"]}

    mails = {"usersEmails": [GRACE_MAIL]}
    assert client("PUT", "/users/unsubscribeToEmailNotifications", json=mails).status_code == 200
    assert subscribed() == {ADMIN_MAIL: True, GRACE_MAIL: False}
    assert client("PUT", "/users/subscribeToEmailNotifications", json=mails).status_code == 200
    assert subscribed() == {ADMIN_MAIL: True, GRACE_MAIL: True}
    operations = [entry["operation"] for entry in sandbox.control.journal()]
    assert operations == ["unsubscribeToEmailNotifications", "subscribeToEmailNotifications"]


@pytest.mark.parametrize(
    ("body", "error"),
    [({}, "missing argument : usersEmails"), ({"usersEmails": [GRACE_MAIL, "unknown@acme.test"]}, "user_not_found")],
)
def test_invalid_unsubscriptions_change_nothing(sandbox, client, body, error):
    response = client("PUT", "/users/unsubscribeToEmailNotifications", json=body)
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert all(user["email_notifications"] for user in sandbox.control.state()["users"])


@pytest.mark.parametrize(("routes", "status"), [("not_found", 400), ("known", 200)])
def test_visibility_of_invited_users_can_be_switched(sandbox, client, routes, status):
    sandbox.control.settings(invited_user_routes=routes)
    assert client("GET", f"/users/{LINUS_MAIL}").status_code == status
    assert client("PUT", f"/groups/{SALES_GROUP_ID}/users/{LINUS_MAIL}").status_code == status


def test_an_invitation_that_has_restored_a_user_is_deleted_softly(sandbox, client):
    sandbox.control.settings(invited_user_routes="known")
    client("DELETE", f"/users/{GRACE_MAIL}")
    invited = client("POST", "/users", json={"mail": GRACE_MAIL, "sendCredentials": False}).json()
    assert (invited["_id"], "reactivated" in invited["warning"]) == (GRACE_ID, True)
    assert client("DELETE", f"/users/{GRACE_MAIL}").status_code == 204
    (grace,) = (each for each in sandbox.control.state()["users"] if each["id"] == GRACE_ID)
    assert (grace["status"], grace["profile"]["last_name"]) == ("deleted", "Hopper")


def test_accepted_invitation_becomes_a_user_in_its_groups(sandbox, client):
    client("POST", "/users", data={"mail": NEW, "groups[0]": SALES_GROUP_ID, "sendCredentials": "false"})
    assert client("GET", f"/groups/{SALES_GROUP_ID}").json()["users"] == []
    sandbox.control.accept_invitation(NEW)
    assert [user["mail"] for user in client("GET", f"/groups/{SALES_GROUP_ID}").json()["users"]] == [NEW]
    assert client("GET", f"/users/{NEW}").status_code == 200


@pytest.mark.parametrize("deleted", [False, True])
def test_pseudonymized_user_is_deleted_and_has_another_name(sandbox, client, deleted):
    if deleted:
        client("DELETE", f"/users/{GRACE_MAIL}")
    done = client("PUT", f"/users/{GRACE_MAIL}/pseudonymize")
    assert (done.status_code, done.json()) == (200, {"message": "user pseudonymized"})
    (grace,) = (each for each in sandbox.control.state()["users"] if each["id"] == GRACE_ID)
    assert grace["status"] == "deleted"
    assert not {GRACE_MAIL, "Grace", "Hopper"} & {grace["mail"], *grace["profile"].values()}
    assert client("PUT", f"/users/{GRACE_MAIL}/pseudonymize").json() == {"error": "user_not_found"}


def test_invited_user_is_not_pseudonymized(client):
    assert client("PUT", f"/users/{LINUS_MAIL}/pseudonymize").json() == {"error": "user_not_found"}


def test_an_invitation_is_gone_after_its_days(sandbox, client):
    def invite(mail=NEW, days="2"):
        body = {"mail": mail, "sendCredentials": "false", "cancelTheInvitationAfterDays": days}
        return client("POST", "/users", data=body).json()

    def invited():
        return {each["mail"] for each in sandbox.control.state()["invitations"]} - {LINUS_MAIL}

    client("DELETE", f"/users/{GRACE_MAIL}")
    invite()
    invite(GRACE_MAIL)
    invite("accepted@acme.test")
    sandbox.control.accept_invitation("accepted@acme.test")
    sandbox.control.advance(86400)
    assert invite()["error"] == "invitation_already_exists"
    assert invited() == {NEW, GRACE_MAIL}
    sandbox.control.advance(86400)
    assert invited() == set()
    users = {each["mail"]: each["status"] for each in sandbox.control.state()["users"]}
    assert (users[GRACE_MAIL], users["accepted@acme.test"]) == ("deleted", "active")
    assert invite()["status"] == "invitation_created"
    assert invite("other@acme.test", days="soon") == {"error": "invalid argument : cancelTheInvitationAfterDays"}
    assert invited() == {NEW}


@pytest.mark.parametrize("ids", ["user", "own"])
@pytest.mark.parametrize("details", [True, False])
def test_id_and_details_of_an_accepted_invitation_can_be_switched(sandbox, client, ids, details):
    sandbox.control.settings(invitation_ids=ids, accepted_details=details)
    sent = client("POST", "/users", data={"mail": NEW, "sendCredentials": "false", "custom": "hr:1"}).json()
    sandbox.control.accept_invitation(NEW)
    user = client("GET", f"/users/{NEW}").json()
    assert ((user["_id"] == sent["_id"]) is (ids == "user"), "custom" in user) == (True, details)
