"""Users and invitations: the matrix of creation, the documented refusals, odd mails."""

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
ODD_MAILS = ["a+b@acme.test", "name#company@acme.test", "a!b@acme.test", "a/b@acme.test", "100%41@acme.test"]


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
def test_the_matrix_of_creation(sandbox, client, as_form, password, send, status, mails):
    body = {"mail": NEW} | ({"password": password} if password else {})
    body["sendCredentials"] = str(send).lower() if as_form else send
    answer = client("POST", "/users", **{"data" if as_form else "json": body})
    assert (answer.status_code, answer.json()["status"]) == (200, status)
    state = sandbox.control.state()
    assert [mail["kind"] for mail in state["mails_sent"]] == mails
    where = "users" if status == "user_created" else "invitations"
    assert answer.json()["_id"] in [person["id"] for person in state[where] if person["mail"] == NEW]


@pytest.mark.parametrize(("default", "status"), [(True, "user_created"), (False, "invitation_created")])
def test_what_a_bare_mail_means_can_be_switched(sandbox, client, default, status):
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
        ({"mail": NEW, "groups": ROOT_GROUP_ID}, "invalid argument : groups"),
        ({"mail": NEW, "roles[0]": "king"}, "invalid argument : roles"),
        ({"mail": NEW, "sendCredentials": "True"}, "invalid argument : sendCredentials"),
    ],
)
def test_refused_creations_change_nothing(sandbox, client, body, error):
    sandbox.control.settings(mails_of_other_companies=["taken@else.test"], mails_invited_elsewhere=["wanted@else.test"])
    before = sandbox.control.state()
    answer = client("POST", "/users", data=body)
    assert (answer.status_code, answer.json()) == (400, {"error": error})
    assert sandbox.control.state() == before


def test_groups_and_roles_are_given_at_creation(client):
    body = {"mail": NEW, "password": "pw", "groups[0]": ROOT_GROUP_ID, "groups[1]": SALES_GROUP_ID}
    created = client("POST", "/users", data=body | {"roles[0]": "learner", "roles[1]": "coach"}).json()
    roles = client("GET", f"/users/{created['_id']}/roles").json()
    assert roles == [{"group": group, "roles": ["learner", "coach"]} for group in (ROOT_GROUP_ID, SALES_GROUP_ID)]
    coaches = client("GET", f"/groups/{SALES_GROUP_ID}").json()["coaches"]
    assert coaches == [{"_id": created["_id"], "mail": NEW}]


@pytest.mark.parametrize(
    ("form_arrays", "status"), [("indexed_or_empty", 200), ("indexed", 400)], ids=["accepted", "refused"]
)
def test_form_arrays_with_empty_brackets_can_be_switched(sandbox, client, form_arrays, status):
    sandbox.control.settings(form_arrays=form_arrays)
    body = {"mail": NEW, "password": "pw", "groups[]": [ROOT_GROUP_ID, SALES_GROUP_ID]}
    answer = client("POST", "/users", data=body)
    assert answer.status_code == status
    if status == 200:
        roles = client("GET", f"/users/{NEW}/roles").json()
        assert [role["group"] for role in roles] == [ROOT_GROUP_ID, SALES_GROUP_ID]


@pytest.mark.parametrize("mail", ODD_MAILS)
def test_odd_mails_reach_the_right_route(client, add_user, segment, mail):
    user = add_user(mail)
    assert client("GET", f"/users/{segment(mail)}").json()["_id"] == user
    assert client("PUT", f"/users/{segment(mail)}/", json={"lang": "fr"}).json() == {"status": "user_updated"}
    assert client("GET", f"/users/{user}").json()["lang"] == "fr"
    assert client("PUT", f"/groups/{SALES_GROUP_ID}/users/{segment(mail)}").status_code == 200
    assert client("DELETE", f"/users/{segment(mail)}").status_code == 204


def test_mails_with_spaces_are_decoded(sandbox, client, segment):
    assert client("GET", f"/users/{segment('a b@acme.test')}").json() == {"error": "user_not_found"}
    entry = sandbox.control.journal()[-1]
    assert (entry["user"], entry["path"]) == ("a b@acme.test", "/api/v1/users/a%20b%40acme.test")


def test_a_plus_in_a_path_is_a_plus(client, add_user):
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
def test_refused_updates(client, body, error):
    answer = client("PUT", f"/users/{GRACE_ID}", json=body)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_an_update_is_partial(client):
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


@pytest.mark.parametrize(("answer", "status"), [("user_not_found", 400), ("no_content", 204)])
def test_deleting_twice_can_be_switched(sandbox, client, answer, status):
    sandbox.control.settings(deleted_user_answer=answer)
    assert client("DELETE", f"/users/{GRACE_ID}").status_code == 204
    assert client("DELETE", f"/users/{GRACE_ID}").status_code == status
    assert client("DELETE", "/users/nobody@acme.test").json() == {"error": "user_not_found"}
    assert client("GET", f"/users/{GRACE_ID}").json() == {"error": "user_not_found"}
    assert [user["_id"] for user in client("GET", "/users?deleted=true").json()] == [GRACE_ID]


def test_a_deleted_user_is_restored_without_groups(client, add_user):
    client("DELETE", f"/users/{GRACE_ID}")
    assert add_user(GRACE_MAIL, SALES_GROUP_ID) == GRACE_ID
    user = client("GET", f"/users/{GRACE_ID}").json()
    assert user["lastName"] == "Hopper"
    assert [group["_id"] for group in user["groups"]] == [SALES_GROUP_ID]


@pytest.mark.parametrize(("routes", "status"), [("not_found", 400), ("known", 200)])
def test_what_an_invited_mail_may_do_can_be_switched(sandbox, client, routes, status):
    sandbox.control.settings(invited_user_routes=routes)
    assert client("GET", f"/users/{LINUS_MAIL}").status_code == status
    assert client("PUT", f"/groups/{SALES_GROUP_ID}/users/{LINUS_MAIL}").status_code == status


def test_an_accepted_invitation_is_a_user_in_the_groups_of_the_invitation(sandbox, client):
    client("POST", "/users", data={"mail": NEW, "groups[0]": SALES_GROUP_ID, "sendCredentials": "false"})
    assert client("GET", f"/groups/{SALES_GROUP_ID}").json()["users"] == []
    sandbox.control.accept_invitation(NEW)
    assert [user["mail"] for user in client("GET", f"/groups/{SALES_GROUP_ID}").json()["users"]] == [NEW]
    assert client("GET", f"/users/{NEW}").status_code == 200
