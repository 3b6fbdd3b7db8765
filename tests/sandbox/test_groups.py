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
        answer = client("POST", "/groups", data={"name": name, "public": public, "parent": parent})
        assert answer.json()["status"] == "group_created"
        return answer.json()["id"]

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
def test_refused_creations_of_groups(client, body, error):
    answer = client("POST", "/groups", data=body)
    assert (answer.status_code, answer.json()) == (400, {"error": error})


def test_a_new_group_is_below_the_root_and_may_share_a_name(client):
    created = [client("POST", "/groups", json={"name": "Sales", "public": False}).json() for _ in range(2)]
    assert {group["status"] for group in created} == {"group_created"}
    assert created[0]["id"] != created[1]["id"]
    assert client("GET", f"/groups/{created[0]['id']}").json()["parent"] == ROOT_GROUP_ID


def test_the_cap_of_groups(sandbox, client):
    sandbox.control.settings(max_groups=3)
    statuses = [client("POST", "/groups", json={"name": "x", "public": True}).status_code for _ in range(2)]
    assert statuses == [200, 400]


@pytest.mark.parametrize("body", [{"data": {"name": "Selling"}}, {"files": {"name": (None, "Selling")}}])
def test_a_group_is_changed_by_form_or_multipart(client, body):
    assert client("PUT", f"/groups/{SALES_GROUP_ID}", **body).json() == {"status": "group_updated"}
    group = client("GET", f"/groups/{SALES_GROUP_ID}").json()
    assert (group["name"], group["public"]) == ("Selling", True)


def test_a_body_in_an_undocumented_format_is_refused(client):
    answer = client("PUT", f"/groups/{SALES_GROUP_ID}", json={"name": "Selling"})
    assert answer.status_code == 400
    assert client("GET", f"/groups/{SALES_GROUP_ID}").json()["name"] == "Sales"


def test_a_group_goes_with_all_groups_below(client, add_group):
    middle = add_group("Middle")
    lowest = add_group("Lowest", parent=middle)
    assert client("DELETE", f"/groups/{SALES_GROUP_ID}").status_code == 204
    for group in (SALES_GROUP_ID, middle, lowest):
        answer = client("GET", f"/groups/{group}")
        assert (answer.status_code, answer.json()) == (400, {"error": "group_not_found"})


def test_refused_deletions_of_groups(sandbox, client, add_group):
    sandbox.control.settings(integrated_groups=[add_group("Connected")])
    for group, status, error in (
        (UNKNOWN, 400, "group_not_found"),
        (ROOT_GROUP_ID, 400, "cannot remove root group"),
        (SALES_GROUP_ID, 500, "Cannot delete group"),
    ):
        answer = client("DELETE", f"/groups/{group}")
        assert (answer.status_code, answer.json()) == (status, {"error": error})
    assert client("HEAD", f"/groups/{SALES_GROUP_ID}").status_code == 200
    assert client("HEAD", f"/groups/{UNKNOWN}").status_code == 400


def test_unknown_routes_and_malformed_ids_have_another_body(client):
    for path in ("/nothing", "/groups/no-id", "/users/x/y/z"):
        answer = client("GET", path)
        assert answer.status_code == 404
        assert answer.json()["message"] == "Not Found"
        assert "documentation_url" in answer.json()


def test_members_may_be_added_again(client):
    member = f"/groups/{SALES_GROUP_ID}/users/{GRACE_MAIL}"
    for body in ({}, {}, {"role": "coach"}):
        answer = client("PUT", member, data=body)
        assert (answer.status_code, answer.json()) == (200, {})
    group = client("GET", f"/groups/{SALES_GROUP_ID}").json()
    assert [user["_id"] for user in group["users"] + group["coaches"]] == [GRACE_ID, GRACE_ID]
    assert client("DELETE", member, data={"role": "coach"}).status_code == 204
    group = client("GET", f"/groups/{SALES_GROUP_ID}").json()
    assert (len(group["users"]), group["coaches"]) == (1, [])


@pytest.mark.parametrize(("private_too", "left"), [("false", {"Open"}), ("true", {"Open", "Closed", "Below"})])
def test_leaving_a_group_means_leaving_public_groups_below(client, add_group, private_too, left):
    closed = add_group("Closed", public="false")
    ids = {"Open": add_group("Open"), "Closed": closed, "Below": add_group("Below", parent=closed)}
    for group in (SALES_GROUP_ID, *ids.values()):
        client("PUT", f"/groups/{group}/users/{GRACE_ID}")
    body = {"deleteFromPrivateSubgroups": private_too}
    client("DELETE", f"/groups/{SALES_GROUP_ID}/users/{GRACE_ID}", data=body)
    still_in = {role["group"] for role in client("GET", f"/users/{GRACE_ID}/roles").json()}
    assert still_in == {ROOT_GROUP_ID} | {id for name, id in ids.items() if name not in left}


@pytest.mark.parametrize(("deletes", "status"), [(True, 400), (False, 200)])
def test_whether_leaving_the_last_group_deletes_can_be_switched(sandbox, client, deletes, status):
    sandbox.control.settings(last_group_deletes_user=deletes)
    assert client("DELETE", f"/groups/{ROOT_GROUP_ID}/users/{GRACE_ID}").status_code == 204
    assert client("GET", f"/users/{GRACE_ID}").status_code == status


def test_a_catalog_holds_courses_once(client):
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


@pytest.mark.parametrize(("answer", "status"), [("no_content", 204), ("not_found", 400)])
def test_removing_what_is_not_in_a_catalog_can_be_switched(sandbox, client, answer, status):
    sandbox.control.settings(catalog_absent_answer=answer)
    catalog = f"/groups/{SALES_GROUP_ID}/catalog"
    assert client("DELETE", catalog, data={"courses[0]": WELCOME_COURSE_ID}).status_code == status


@pytest.mark.parametrize(
    ("shape", "body"), [("empty_object", b"{}"), ("status", b'{"status":"ok"}'), ("empty_body", b"")]
)
def test_answers_of_unknown_shape_can_be_switched(sandbox, client, shape, body):
    sandbox.control.settings(acknowledgement=shape)
    answer = client("PUT", f"/groups/{SALES_GROUP_ID}/users/{GRACE_ID}")
    assert (answer.status_code, answer.content) == (200, body)
