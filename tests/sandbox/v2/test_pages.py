"""Cursor pages and filters of API v2."""

from __future__ import annotations

import base64

import pytest

from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_ID, LINUS_INVITATION_ID
from airflow_provider_360learning.sandbox.routing import Refusal
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.v2.filters import boolean, dates, ids, parse_query

ALL_USERS = [ADMIN_ID, GRACE_ID, LINUS_INVITATION_ID]


def ids_of(pages):
    return [id for page in pages for id in page.ids]


def test_pages_are_as_long_as_published(sandbox, client):
    sandbox.control.add_users(f"user-{number}@acme.test" for number in range(500))
    assert [len(page.json) for page in client.pages("/users")] == [500, 3]


@pytest.mark.parametrize(
    ("form", "start"), [("absolute", "http://127"), ("absolute_path", "/api"), ("relative", "api/")]
)
def test_link_has_the_form_of_the_setting(sandbox, client, form, start):
    sandbox.control.settings(max_page_size=2, link_urls=form)
    first = client("GET", "/users")
    assert first.next.startswith(start)
    last = client("GET", f"/{first.next}" if form == "relative" else first.next)
    assert ids_of([first, last]) == ALL_USERS
    assert "link" not in last.headers


def test_a_cursor_keeps_the_filters(sandbox, client):
    sandbox.control.settings(max_page_size=1)
    path = "/users?mail[in][0]=admin@acme.test&mail[in][1]=LINUS.pauling@acme.test"
    assert ids_of(client.pages(path)) == [ADMIN_ID, LINUS_INVITATION_ID]


def test_a_shuffled_list_has_each_item_once_even_if_it_grows(sandbox, client):
    sandbox.control.settings(list_order="shuffled", max_page_size=10)
    sandbox.control.add_users(f"user-{number}@acme.test" for number in range(30))
    first = client("GET", "/users")
    sandbox.control.add_users(f"late-{number}@acme.test" for number in range(7))
    found = first.ids + ids_of(client.pages(first.next))
    assert found[:3] != ALL_USERS
    assert len(found) == len(set(found)) == 40


@pytest.mark.unpublished_requests
@pytest.mark.parametrize("query", ["next=tampered", "{next}&status[eq]=active", "groups?{next}"])
def test_a_cursor_is_valid_for_its_list_and_alone(sandbox, client, query):
    sandbox.control.settings(max_page_size=1)
    cursor = client("GET", "/users").next.partition("?")[2]
    query = query.format(next=cursor)
    assert client("GET", f"/{query}" if "?" in query else f"/users?{query}").status == 400


@pytest.mark.unpublished_requests
@pytest.mark.parametrize(
    "content",
    [
        b"[" * 20_000,
        b"\xff",
        b'["/api/v2/users", "", "1", 3]',
        b'["/api/v2/users", "", -1, 3]',
        b'["/api/v2/users", "", 1]',
        b'["/api/v2/users", "job[eq]=x", 1, 3]',
        b"{}",
    ],
)
def test_forged_cursors_are_malformed_requests(client, content):
    cursor = base64.urlsafe_b64encode(content).decode().rstrip("=")
    assert client("GET", f"/users?next={cursor}").status == 400
    assert client("GET", "/users?next=%C3%A9").status == 400


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("mail[eq]=grace.hopper@acme.test", [GRACE_ID]),
        ("mail[ne]=grace.hopper@acme.test", [ADMIN_ID, LINUS_INVITATION_ID]),
        ("mail[nin][0]=admin@acme.test&mail[nin][1]=grace.hopper@acme.test", [LINUS_INVITATION_ID]),
        ("mail[in]=admin@acme.test&mail[in]=grace.hopper@acme.test", [ADMIN_ID, GRACE_ID]),
        ("status[eq]=invited", [LINUS_INVITATION_ID]),
        ("status[ne]=invited&mail[eq]=admin%40acme.test", [ADMIN_ID]),
        ("username[eq]=ghost", []),
        ("mail[eq]=Grace.Hopper@acme.test", [GRACE_ID]),
    ],
)
def test_users_are_filtered(client, query, expected):
    assert client("GET", f"/users?{query}").ids == expected


def test_case_of_letters_can_matter(sandbox, client):
    sandbox.control.settings(mail_filter_case="sensitive")
    assert client("GET", "/users?mail[eq]=Grace.Hopper@acme.test").json == []


@pytest.mark.unpublished_requests
@pytest.mark.parametrize(
    "query",
    [
        "mail%5Beq%5D=admin@acme.test",
        "mail=admin@acme.test",
        "mail[gte]=admin@acme.test",
        "job[eq]=Engineer",
        "status[eq]=asleep",
        "mail[eq][0]=admin@acme.test",
        "status[eq]=active&status[eq]=invited",
    ],
)
def test_other_filters_are_malformed_requests(sandbox, client, query):
    refused = client("GET", f"/users?{query}")
    assert (refused.status, refused.code) == (400, "badRequest")
    sandbox.control.settings(malformed_request_body="framework")
    assert client("GET", f"/users?{query}").json["error"] == "Bad Request"


@pytest.mark.unpublished_requests
def test_brackets_may_be_encoded_by_a_setting(sandbox, client):
    sandbox.control.settings(encoded_brackets="accepted")
    assert client("GET", "/users?mail%5Bin%5D%5B0%5D=admin@acme.test").ids == [ADMIN_ID]


def parse(raw_query):
    filters = (*dates("completedAt"), ids("tagIds", "in"), ids("courseId"), boolean("isMain"))
    conditions, _ = parse_query(Settings(), raw_query, filters, ())
    return conditions


@pytest.mark.parametrize(
    ("query", "values", "expected"),
    [
        # 2026-01-01T00:00:00Z is 1767225600. Milliseconds of a bound are ignored.
        ("completedAt[gte]=2026-01-01T00:00:00.900Z", {"completedAt": 1767225600.0}, True),
        ("completedAt[lt]=2026-01-01T00:00:00.900Z", {"completedAt": 1767225600.0}, False),
        ("completedAt[lt]=2026-01-01T00:00:00Z", {"completedAt": 1767225599.9}, True),
        ("completedAt[gte]=2026-01-01T00:00:00Z&completedAt[lt]=2026-01-02T00:00:00Z", {"completedAt": None}, False),
        ("tagIds[in][0]=" + "a" * 24, {"tagIds": ["b" * 24, "a" * 24]}, True),
        ("tagIds[in][0]=" + "a" * 24, {"tagIds": []}, False),
        ("courseId[nin][0]=" + "A" * 24, {"courseId": "a" * 24}, False),
        ("isMain[eq]=true", {"isMain": True}, True),
    ],
)
def test_conditions(query, values, expected):
    assert parse(query).hold(**values) is expected


@pytest.mark.parametrize(
    "query", ["completedAt[gte]=2026-01-01", "completedAt[gt]=2026-01-01T00:00:00Z", "courseId[eq]=1", "isMain[eq]=1"]
)
def test_invalid_values_are_malformed_requests(query):
    with pytest.raises(Refusal):
        parse(query)
