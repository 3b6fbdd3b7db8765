"""Custom links in API v2."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, GRACE_ID

UNKNOWN = "0" * 24
CALENDAR = {"type": "calendar", "name": "Calendar", "order": 3, "iconName": "agenda"}
URLS = f"/users/{GRACE_ID}/custom-links"


@pytest.fixture
def calendar(client):
    return client("POST", "/custom-links", CALENDAR).json["_id"]


@pytest.fixture
def url(client, calendar):
    client("POST", URLS, {"customLinkId": calendar, "url": "https://cal.test"})
    return client("GET", URLS).ids[0]


def test_a_new_link_is_returned_listed_replaced_and_deleted(client, calendar):
    assert client("GET", "/custom-links").json == [{"_id": calendar, **CALENDAR}]
    replaced = {"type": "agenda", "name": "Agenda", "order": 0}
    response = client("PUT", f"/custom-links/{calendar}", replaced)
    assert (response.status, response.json) == (200, {"_id": calendar, **replaced})
    assert client("DELETE", f"/custom-links/{calendar}").status == 204
    assert client("GET", "/custom-links").json == []


def test_the_url_of_a_user_is_listed_replaced_and_deleted(client, calendar, url):
    assert client("GET", URLS).json == [{"_id": url, "customLinkId": calendar, "url": "https://cal.test"}]
    assert client("PUT", f"{URLS}/{url}", {"customLinkId": calendar, "url": "https://x.test"}).status == 200
    assert client("GET", URLS).json == [{"_id": url, "customLinkId": calendar, "url": "https://x.test"}]
    assert client("DELETE", f"{URLS}/{url}").status == 204
    assert client("GET", URLS).json == []


def test_the_urls_of_a_deleted_link_are_deleted(client, calendar, url):
    client("DELETE", f"/custom-links/{calendar}")
    assert client("GET", URLS).json == []


@pytest.mark.parametrize(
    ("change", "code"), [({"type": "x", "name": "x"}, "order"), ({"type": "x", "order": 1}, "name"), ({}, "name")]
)
def test_names_types_and_positions_are_unique(client, calendar, change, code):
    response = client("POST", "/custom-links", {**CALENDAR, **change})
    assert (response.status, response.code) == (400, f"{code}AlreadyUsed")


def test_a_type_is_unique(client, calendar):
    response = client("POST", "/custom-links", {**CALENDAR, "name": "x", "order": 1})
    assert (response.status, response.code) == (400, "typeAlreadyUsed")


def test_a_user_has_one_url_for_a_link(client, calendar, url):
    other = client("POST", "/custom-links", {"type": "mail", "name": "Mail", "order": 4}).json["_id"]
    client("POST", URLS, {"customLinkId": other, "url": "https://mail.test"})
    for method, path in (("POST", URLS), ("PUT", f"{URLS}/{url}")):
        response = client(method, path, {"customLinkId": other, "url": "https://x.test"})
        assert (response.status, response.code) == (409, "customLinkAlreadyUsed")


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("PUT", f"/custom-links/{UNKNOWN}", "customLinkNotFound"),
        ("DELETE", f"/custom-links/{UNKNOWN}", "customLinkNotFound"),
        ("GET", f"/users/{UNKNOWN}/custom-links", "userNotFound"),
        ("POST", f"/users/{UNKNOWN}/custom-links", "userNotFound"),
        ("POST", URLS, "customLinkNotFound"),
        ("PUT", f"{URLS}/{UNKNOWN}", "customUserLinkNotFound"),
        ("DELETE", f"{URLS}/{UNKNOWN}", "customUserLinkNotFound"),
    ],
)
def test_documented_errors(client, method, path, code):
    bodies = {
        "PUT": CALENDAR if path.startswith("/custom-links") else {"customLinkId": UNKNOWN, "url": "https://x.test"}
    }
    bodies["POST"] = {"customLinkId": UNKNOWN, "url": "https://x.test"}
    response = client(method, path, bodies.get(method))
    assert (response.status, response.code) == (404, code)


def test_a_user_does_not_have_the_url_of_another(client, url):
    response = client("DELETE", f"/users/{ADMIN_ID}/custom-links/{url}")
    assert (response.status, response.code) == (404, "customUserLinkNotFound")


@pytest.mark.unpublished_requests
@pytest.mark.parametrize("change", [{"order": 1.5}, {"order": -1}, {"iconName": "x"}, {"type": None}])
def test_malformed_requests_are_refused(client, change):
    assert client("POST", "/custom-links", {**CALENDAR, **change}).status == 400


def test_an_order_may_be_a_whole_number_with_a_fraction(client):
    created = client("POST", "/custom-links", {**CALENDAR, "order": 7.0})
    assert (created.status, created.json["order"]) == (201, 7)
