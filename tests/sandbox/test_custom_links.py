"""Custom links in API v1, which names them by their type."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import COMPANY_ID, GRACE_ID, GRACE_MAIL

CALENDAR = {"type": "calendar link", "name": "Calendar", "iconName": "agenda"}
URL = {"mail": GRACE_MAIL, "type": "calendar link", "url": "https://cal.test/grace"}
WHERE = {"mail": GRACE_MAIL, "type": "calendar link"}


@pytest.fixture
def calendar(client):
    return client("POST", "/customlinks", json=CALENDAR).json()["customLink"]


@pytest.fixture
def url(client, calendar):
    return client("POST", "/customuserlinks", json=URL).json()


def test_a_new_link_is_listed_with_the_company(client, calendar):
    assert calendar == {"_id": calendar["_id"], "company": COMPANY_ID, **CALENDAR, "order": 0}
    assert client("GET", "/customlinks").json() == [calendar]


def test_a_link_is_changed_and_deleted_by_its_type(client, calendar):
    update = {"type": "calendar link", "update": {"name": "Agenda", "type": "agenda link"}}
    assert client("PUT", "/customlinks", json=update).json() == {"status": "custom_link_updated"}
    assert client("GET", "/customlinks").json() == [{**calendar, "name": "Agenda", "type": "agenda link"}]
    deleted = client("DELETE", "/customlinks", params={"type": "agenda link"})
    assert (deleted.status_code, deleted.json()) == (200, {"status": "custom_link_deleted"})
    assert client("GET", "/customlinks").json() == []


def test_the_url_of_a_user_is_documented(client, calendar, url):
    made = url["customUserLink"]
    assert url == {
        "customUserLink": {
            "_id": made["_id"],
            "userId": GRACE_ID,
            "customLinkId": calendar["_id"],
            "url": "https://cal.test/grace",
        },
        "status": "custom_user_link_created",
    }
    listed = {"url": "https://cal.test/grace", "iconName": "agenda", "name": "Calendar", "type": "calendar link"}
    assert client("GET", "/customuserlinks", params={"mail": GRACE_MAIL}).json() == [listed]


def test_the_url_of_a_user_is_changed_and_deleted(client, url):
    changed = client("PUT", "/customuserlinks", json={**WHERE, "update": {"url": "https://x.test"}})
    assert changed.json() == {"status": "custom_user_link_updated"}
    assert [each["url"] for each in client("GET", "/customuserlinks", params=WHERE).json()] == ["https://x.test"]
    assert client("DELETE", "/customuserlinks", params=WHERE).json() == {"status": "custom_user_link_deleted"}
    assert client("GET", "/customuserlinks", params=WHERE).json() == []


@pytest.mark.parametrize(
    ("method", "path", "body", "error"),
    [
        ("POST", "/customlinks", {"type": "x"}, "missing argument : name"),
        ("POST", "/customlinks", {**CALENDAR, "type": "x"}, "custom_link_already_exists"),
        ("POST", "/customlinks", {"type": "x", "name": "x", "order": -1}, "invalid argument : order"),
        ("POST", "/customlinks", {"type": "x", "name": "x", "iconName": "x"}, "invalid argument : iconName"),
        ("PUT", "/customlinks", {"type": "x", "update": {"name": "x"}}, "custom_link_not_found"),
        ("PUT", "/customlinks", {"type": "calendar link"}, "invalid argument : update"),
        ("DELETE", "/customlinks", None, "missing argument : type"),
        ("GET", "/customuserlinks", None, "missing argument : mail"),
        ("POST", "/customuserlinks", {**URL, "mail": "x@x.test"}, "user_not_found"),
        ("POST", "/customuserlinks", {**URL, "type": "x"}, "custom_link_not_found"),
        ("POST", "/customuserlinks", URL, "custom_user_link_already_exists"),
        ("PUT", "/customuserlinks", {**WHERE, "mail": "admin@acme.test", "update": {"url": "x"}}, "link_not_found"),
    ],
)
def test_invalid_requests_are_refused(client, url, method, path, body, error):
    response = client(method, path, json=body)
    assert response.status_code in (400, 404)
    assert error in response.json()["error"]
