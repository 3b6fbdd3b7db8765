"""Groups, memberships and catalogs."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

UNKNOWN = "0" * 24


@pytest.fixture
def add_group(client):
    def add(name, parent=SALES_GROUP_ID, public="true"):
        response = client("POST", "/groups", data={"name": name, "public": public, "parent": parent})
        assert response.json()["status"] == "group_created"
        return response.json()["id"]

    return add


def test_only_the_root_group_has_no_parent(client):
    root, sales = client("GET", "/groups").json()
    assert root == {"_id": ROOT_GROUP_ID, "name": "Acme", "public": False}
    assert sales == {"_id": SALES_GROUP_ID, "name": "Sales", "public": True, "parent": ROOT_GROUP_ID}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({"public": "true"}, "missing argument : name"),
        ({"name": "x"}, "missing argument : public"),
        ({"name": "", "public": "true"}, "invalid argument : name"),
        ({"name": "x", "public": "yes"}, "invalid argument : public"),
        ({"name": "x", "public": "true", "parent": UNKNOWN}, "group_not_found"),
    ],
)
def test_invalid_groups_are_refused(client, body, error):
    response = client("POST", "/groups", data=body)
    assert (response.status_code, response.json()) == (400, {"error": error})


def test_new_group_is_below_the_root_and_may_share_a_name(client):
    created = [client("POST", "/groups", json={"name": "Sales", "public": False}).json() for _ in range(2)]
    assert {group["status"] for group in created} == {"group_created"}
    assert created[0]["id"] != created[1]["id"]
    assert client("GET", f"/groups/{created[0]['id']}").json()["parent"] == ROOT_GROUP_ID


def test_number_of_groups_is_limited(sandbox, client):
    sandbox.control.settings(max_groups=3)
    statuses = [client("POST", "/groups", json={"name": "x", "public": True}).status_code for _ in range(2)]
    assert statuses == [200, 400]


@pytest.mark.parametrize("body", [{"data": {"name": "Selling"}}, {"files": {"name": (None, "Selling")}}])
def test_group_is_updated_by_form_or_multipart(client, body):
    assert client("PUT", f"/groups/{SALES_GROUP_ID}", **body).json() == {"status": "group_updated"}
    group = client("GET", f"/groups/{SALES_GROUP_ID}").json()
    assert (group["name"], group["public"]) == ("Selling", True)


def test_undocumented_body_format_is_refused(client):
    response = client("PUT", f"/groups/{SALES_GROUP_ID}", json={"name": "Selling"})
    assert response.status_code == 400
    assert client("GET", f"/groups/{SALES_GROUP_ID}").json()["name"] == "Sales"


def test_deleting_a_group_deletes_its_subgroups(client, add_group):
    middle = add_group("Middle")
    lowest = add_group("Lowest", parent=middle)
    assert client("DELETE", f"/groups/{SALES_GROUP_ID}").status_code == 204
    for group in (SALES_GROUP_ID, middle, lowest):
        response = client("GET", f"/groups/{group}")
        assert (response.status_code, response.json()) == (400, {"error": "group_not_found"})


def test_refused_group_deletions_get_the_documented_errors(sandbox, client, add_group):
    sandbox.control.settings(integrated_groups=[add_group("Connected")])
    for group, status, error in (
        (UNKNOWN, 400, "group_not_found"),
        (ROOT_GROUP_ID, 400, "cannot remove root group"),
        (SALES_GROUP_ID, 500, "Cannot delete group"),
    ):
        response = client("DELETE", f"/groups/{group}")
        assert (response.status_code, response.json()) == (status, {"error": error})
    assert client("HEAD", f"/groups/{SALES_GROUP_ID}").status_code == 200
    assert client("HEAD", f"/groups/{UNKNOWN}").status_code == 400


@pytest.mark.parametrize("path", ["/nothing", "/groups/no-id", "/users/x/y/z"])
def test_unknown_routes_and_malformed_ids_get_the_recorded_404(client, path):
    url = "http://support.360learning.com/hc/fr/articles/210620943-Guide-technique-API"
    response = client("GET", path)
    assert (response.status_code, response.json()) == (404, {"message": "Not Found", "documentation_url": url})


def test_adding_a_member_again_is_accepted(client):
    member = f"/groups/{SALES_GROUP_ID}/users/{GRACE_MAIL}"
    for body in ({}, {}, {"role": "coach"}):
        response = client("PUT", member, data=body)
        assert (response.status_code, response.json()) == (200, {})
    group = client("GET", f"/groups/{SALES_GROUP_ID}").json()
    assert [user["_id"] for user in group["users"] + group["coaches"]] == [GRACE_ID, GRACE_ID]
    assert client("DELETE", member, data={"role": "coach"}).status_code == 204
    group = client("GET", f"/groups/{SALES_GROUP_ID}").json()
    assert (len(group["users"]), group["coaches"]) == (1, [])


@pytest.mark.parametrize(("private_too", "left"), [("false", {"Open"}), ("true", {"Open", "Closed", "Below"})])
def test_leaving_a_group_leaves_public_subgroups(client, add_group, private_too, left):
    closed = add_group("Closed", public="false")
    ids = {"Open": add_group("Open"), "Closed": closed, "Below": add_group("Below", parent=closed)}
    for group in (SALES_GROUP_ID, *ids.values()):
        client("PUT", f"/groups/{group}/users/{GRACE_ID}")
    body = {"deleteFromPrivateSubgroups": private_too}
    client("DELETE", f"/groups/{SALES_GROUP_ID}/users/{GRACE_ID}", data=body)
    still_in = {role["group"] for role in client("GET", f"/users/{GRACE_ID}/roles").json()}
    assert still_in == {ROOT_GROUP_ID} | {id for name, id in ids.items() if name not in left}


@pytest.mark.parametrize(("deletes", "status"), [(True, 400), (False, 200)])
def test_deletion_on_leaving_the_last_group_can_be_switched(sandbox, client, deletes, status):
    sandbox.control.settings(last_group_deletes_user=deletes)
    assert client("DELETE", f"/groups/{ROOT_GROUP_ID}/users/{GRACE_ID}").status_code == 204
    assert client("GET", f"/users/{GRACE_ID}").status_code == status


def test_catalog_contains_each_course_once(client):
    catalog = f"/groups/{SALES_GROUP_ID}/catalog"
    for _ in range(2):
        both = {"courses[0]": WELCOME_COURSE_ID, "courses[1]": SECURITY_COURSE_ID}
        assert client("PUT", catalog, data=both).status_code == 200
    assert client("DELETE", catalog, data={"courses[0]": WELCOME_COURSE_ID}).status_code == 204
    assert client("GET", catalog).json() == {
        "courses": [{"_id": SECURITY_COURSE_ID, "name": "Security basics"}],
        "paths": [],
    }
    assert client("PUT", catalog, data={"courses[0]": UNKNOWN}).json() == {"error": "course_not_found"}


@pytest.mark.parametrize(("response", "status"), [("no_content", 204), ("not_found", 400)])
def test_response_to_removing_an_absent_catalog_item_can_be_switched(sandbox, client, response, status):
    sandbox.control.settings(catalog_absent_response=response)
    catalog = f"/groups/{SALES_GROUP_ID}/catalog"
    assert client("DELETE", catalog, data={"courses[0]": WELCOME_COURSE_ID}).status_code == status


@pytest.mark.parametrize(
    ("shape", "status", "body"),
    [
        ("empty_object", 200, b"{}"),
        ("no_content", 204, b""),
        ("status", 200, b'{"status":"ok"}'),
        ("empty_body", 200, b""),
    ],
)
def test_acknowledgment_can_be_switched(sandbox, client, shape, status, body):
    sandbox.control.settings(acknowledgment=shape)
    response = client("PUT", f"/groups/{SALES_GROUP_ID}/users/{GRACE_ID}")
    assert (response.status_code, response.content) == (status, body)


def test_courses_come_into_a_library_once_and_leave_it(sandbox, client):
    def library():
        return next(group["library_courses"] for group in sandbox.control.state()["groups"] if group["name"] == "Sales")

    where, items = f"/groups/{SALES_GROUP_ID}/library", [WELCOME_COURSE_ID, SECURITY_COURSE_ID]
    for _ in range(2):
        assert client("PUT", where, json={"courses": items}).status_code == 200
        assert library() == items
    for _ in range(2):
        assert client("DELETE", where, json={"courses": items[:1]}).status_code == 200
        assert library() == items[1:]


def test_unknown_courses_do_not_come_into_a_library(client):
    response = client("PUT", f"/groups/{SALES_GROUP_ID}/library", json={"courses": [WELCOME_COURSE_ID, UNKNOWN]})
    assert (response.status_code, response.json()) == (400, {"error": "course_not_found"})
