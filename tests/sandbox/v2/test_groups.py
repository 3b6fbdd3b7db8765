"""Groups, memberships, catalogs and libraries of API v2."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    GRACE_ID,
    LINUS_INVITATION_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)

UNKNOWN = "0" * 24
SALES = f"/groups/{SALES_GROUP_ID}"
LAB = {"name": "Lab", "public": False, "parentId": SALES_GROUP_ID}


def test_a_new_group_is_returned_and_may_share_a_name(client):
    first, second = (client("POST", "/groups", {**LAB, "name": "Sales", "custom": "S1"}) for _ in range(2))
    assert (first.status, first.json) == (
        201,
        {"_id": first.json["_id"], "name": "Sales", "public": False, "parentId": SALES_GROUP_ID, "custom": "S1"},
    )
    assert second.json["_id"] != first.json["_id"]
    assert client("GET", f"/groups/{first.json['_id']}").json == first.json


def test_null_removes_what_is_optional(client):
    lab = client("POST", "/groups", {**LAB, "custom": "L1"}).json["_id"]
    changed = client("PATCH", f"/groups/{lab}", {"custom": None, "name": "Lab 2"})
    assert (changed.status, changed.json) == (200, {**LAB, "_id": lab, "name": "Lab 2"})


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", "/groups", {**LAB, "parentId": UNKNOWN}, 404, "parentGroupNotFound"),
        ("GET", f"/groups/{UNKNOWN}", None, 404, "groupNotFound"),
        ("PATCH", f"/groups/{UNKNOWN}", {"name": "x"}, 404, "groupNotFound"),
        ("PATCH", SALES, {"parentId": UNKNOWN}, 404, "parentGroupNotFound"),
        ("PATCH", SALES, {"parentId": SALES_GROUP_ID}, 400, "parentGroupNotDescendantOrSelf"),
        ("PATCH", f"/groups/{ROOT_GROUP_ID}", {"public": True}, 400, "rootGroupNotPublic"),
        ("DELETE", f"/groups/{ROOT_GROUP_ID}", None, 400, "groupIsRoot"),
        ("DELETE", f"/groups/{UNKNOWN}", None, 404, "groupNotFound"),
        ("GET", f"/groups/{UNKNOWN}/roles", None, 404, "groupNotFound"),
        ("POST", f"/groups/{UNKNOWN}/learner/{GRACE_ID}", None, 404, "groupNotFound"),
        ("POST", f"{SALES}/learner/{UNKNOWN}", None, 404, "userNotFound"),
        ("DELETE", f"/groups/{UNKNOWN}/learner/{GRACE_ID}", None, 404, "groupNotFound"),
        ("DELETE", f"{SALES}/learner/{GRACE_ID}", None, 404, "userNotFoundInGroup"),
        ("DELETE", f"{SALES}/learner/{UNKNOWN}", None, 404, "userNotFoundInGroup"),
        ("GET", f"/groups/{UNKNOWN}/catalog/course-ids", None, 404, "groupNotFound"),
        ("GET", f"/groups/{UNKNOWN}/library/path-ids", None, 404, "groupNotFound"),
    ],
)
def test_documented_errors(client, method, path, body, status, code):
    response = client(method, path, body)
    assert (response.status, response.code) == (status, code)


@pytest.mark.unpublished_requests
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/groups", {"name": "Lab", "public": False}),
        ("POST", "/groups", {**LAB, "name": ""}),
        ("POST", "/groups", {**LAB, "public": "true"}),
        ("PATCH", SALES, {"parentId": "x"}),
        ("POST", f"{SALES}/owner/{GRACE_ID}", None),
        ("POST", f"{SALES}/userAdmin/{GRACE_ID}", None),
        ("GET", f"{SALES}/catalog/path-ids", None),
        ("GET", f"{SALES}/library/path-session-ids", None),
    ],
)
def test_malformed_requests_are_refused(client, method, path, body):
    assert client(method, path, body).status == 400


def test_a_group_with_an_integration_below_it_is_not_deleted(sandbox, client):
    lab = client("POST", "/groups", LAB).json["_id"]
    integration = {"externalPlatform": "provider", "authorId": ADMIN_ID, "groupId": lab}
    created = client("POST", "/integrations", integration).json["_id"]
    assert client("DELETE", SALES).code == "hasActiveIntegrationsOrLtiConnectors"
    assert client("DELETE", f"/integrations/{created}").status == 204
    assert client("DELETE", SALES).status == 204
    assert client("GET", f"/groups/{lab}").code == "groupNotFound"


def test_roles_of_members_are_sorted_by_user(client):
    for role, user in (("user-admin", LINUS_INVITATION_ID), ("learner", GRACE_ID), ("analyst", LINUS_INVITATION_ID)):
        assert client("POST", f"{SALES}/{role}/{user}").status == 204
    assert client("GET", f"{SALES}/roles").json == [
        {"userId": GRACE_ID, "role": "learner"},
        {"userId": LINUS_INVITATION_ID, "role": "analyst"},
        {"userId": LINUS_INVITATION_ID, "role": "userAdmin"},
    ]


def test_the_owner_has_a_role_in_the_root_group(client):
    roles = client("GET", f"/groups/{ROOT_GROUP_ID}/roles").json
    assert {"userId": ADMIN_ID, "role": "owner"} in roles
    assert {"userId": ADMIN_ID, "role": "admin"} in roles


def test_the_owner_is_not_deleted_without_other_roles(client):
    assert client("DELETE", f"/groups/{ROOT_GROUP_ID}/admin/{ADMIN_ID}").status == 204
    assert client("GET", f"/users/{ADMIN_ID}").json["status"] == "active"


def test_only_learners_leave_public_groups_below(client):
    public = client("POST", "/groups", {**LAB, "public": True}).json["_id"]
    private = client("POST", "/groups", {**LAB, "parentId": public}).json["_id"]
    for group in (SALES_GROUP_ID, public, private):
        for role in ("learner", "coach"):
            client("POST", f"/groups/{group}/{role}/{GRACE_ID}")
    for role in ("learner", "coach"):
        assert client("DELETE", f"{SALES}/{role}/{GRACE_ID}").status == 204
    roles = {
        group: [each["role"] for each in client("GET", f"/groups/{group}/roles").json]
        for group in (SALES_GROUP_ID, public, private)
    }
    assert roles == {SALES_GROUP_ID: [], public: ["coach"], private: ["coach", "learner"]}


@pytest.mark.parametrize("is_deleted", [True, False])
def test_whether_the_last_role_takes_the_user_along_can_be_switched(sandbox, client, is_deleted):
    sandbox.control.settings(last_group_deletes_user=is_deleted)
    assert client("DELETE", f"/groups/{ROOT_GROUP_ID}/learner/{GRACE_ID}").status == 204
    assert client("GET", f"/users/{GRACE_ID}").json["status"] == ("deleted" if is_deleted else "active")


def test_empty_catalogs_and_libraries_are_empty_lists(client):
    for kind, contents in (("catalog", ("course", "path-session")), ("library", ("course", "path"))):
        for content in contents:
            response = client("GET", f"{SALES}/{kind}/{content}-ids")
            assert (response.status, response.json) == (200, [])


def test_images_and_addresses_are_kept(client):
    details = {"logoImageId": UNKNOWN, "subdomain": "acme-lab", "privacyPolicy": {"url": "https://acme.test/privacy"}}
    lab = client("POST", "/groups", {**LAB, **details}).json
    assert {name: lab[name] for name in details} == details
    changed = client("PATCH", f"/groups/{lab['_id']}", {"subdomain": None, "url": "lab.acme.test"}).json
    assert (changed["logoImageId"], changed["url"]) == (UNKNOWN, "lab.acme.test")
    assert "subdomain" not in changed


def test_colors_are_set_and_reset(client):
    branding = f"{SALES}/branding"
    changed = client("PATCH", branding, {"colors": {"primary": "#0a1b2c"}})
    assert (changed.status, changed.json["colors"]["primary"]) == (200, "#0a1b2c")
    assert client("PATCH", branding, {}).json == changed.json
    assert client("PATCH", branding, {"colors": {"primary": None}}).json["colors"]["primary"] == "#0a47c2"
    client("PATCH", branding, {"colors": {"primary": "#0a1b2c"}})
    assert client("PATCH", branding, {"colors": None}).json["colors"]["primary"] == "#0a47c2"


@pytest.mark.unpublished_requests
@pytest.mark.parametrize("colors", ["#0a1b2c", {"primary": "red"}, {"primary": 1}, {"text": "#0a1b2c"}])
def test_malformed_colors_are_refused(client, colors):
    assert client("PATCH", f"{SALES}/branding", {"colors": colors}).status == 400


@pytest.mark.unpublished_requests
@pytest.mark.parametrize(
    "details",
    [
        {"imprint": {}},
        {"imprint": {"url": ""}},
        {"imprint": "https://acme.test"},
        {"termsOfUse": {"url": "https://acme.test", "explicitConsent": "yes"}},
        {"logoImageId": "x"},
        {"subdomain": "A"},
    ],
)
def test_invalid_details_are_refused(client, details):
    assert client("POST", "/groups", LAB | details).code == "badRequest"
    assert client("PATCH", SALES, details).code == "badRequest"


@pytest.mark.unpublished_requests
def test_unknown_keys_of_a_policy_are_not_returned(client):
    policy = {"url": "https://acme.test", "explicitConsent": True}
    created = client("POST", "/groups", LAB | {"imprint": policy | {"color": "red"}, "subdomain": "lab-1"})
    assert (created.json["imprint"], created.json["subdomain"]) == (policy, "lab-1")
