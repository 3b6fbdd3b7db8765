"""Webhook subscriptions of the sandbox: they are listed with their events and secrets, and nothing is delivered."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    LINUS_INVITATION_ID,
    LINUS_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
)

ACTIVATED = {"eventType": "user.activated", "name": "Onboarding", "url": "https://hooks.acme.test/1"}
MISSING = "/webhooks/subscriptions/" + "0" * 24


@pytest.fixture
def subscribe(client):
    """Return a function that creates a subscription and returns its path."""

    def subscribe(**fields):
        created = client("POST", "/webhooks/subscriptions", {**ACTIVATED, **fields})
        assert created.status == 201
        return f"/webhooks/subscriptions/{created.json['_id']}"

    return subscribe


def test_creates_lists_changes_and_deletes_subscriptions(client, subscribe):
    path, other = subscribe(), subscribe(eventType="group.created")
    shown = {**ACTIVATED, "_id": path[-24:], "status": "active"}
    assert client("GET", path).json == shown
    assert client("GET", "/webhooks/subscriptions").ids == [path[-24:], other[-24:]]
    assert client("GET", "/webhooks/subscriptions?eventType[in]=group.created").ids == [other[-24:]]
    changes = {"name": "Again", "status": "inactive", "url": "https://hooks.acme.test/2"}
    assert client("PATCH", path, changes).json == client("GET", path).json == {**shown, **changes}
    assert client("PATCH", path, {}).json == {**shown, **changes}
    assert client("DELETE", path).status == 204
    assert client("GET", path).code == client("DELETE", path).code == "subscriptionNotFound"


def test_refuses_a_second_subscription_of_the_same_url_and_an_unreachable_one(client, sandbox, subscribe):
    path = subscribe()
    other = subscribe(url="https://hooks.acme.test/2")
    assert client("POST", "/webhooks/subscriptions", ACTIVATED).code == "subscriptionAlreadyExists"
    assert client("PATCH", other, {"url": ACTIVATED["url"]}).code == "subscriptionAlreadyExists"
    assert client("PATCH", path, {"url": ACTIVATED["url"]}).status == 200
    sandbox.control.settings(unreachable_urls=["https://down.acme.test"], max_webhook_subscriptions=2)
    for url in ("https://down.acme.test", "ftp://hooks.acme.test"):
        assert client("POST", "/webhooks/subscriptions", {**ACTIVATED, "url": url}).code == "urlUnreachable"
    third = client("POST", "/webhooks/subscriptions", {**ACTIVATED, "url": "https://hooks.acme.test/3"})
    assert third.code == "subscriptionsLimitReached"


def test_lists_the_events_since_the_subscription(client, sandbox, subscribe):
    path = subscribe()
    sandbox.control.accept_invitation(LINUS_MAIL)
    (event,) = client("GET", f"{path}/events").json
    assert (event["status"], event["payload"]["type"]) == ("delivered", "user.activated")
    data = event["payload"]["data"]
    assert (data["userId"], data["mail"]) == (LINUS_INVITATION_ID, LINUS_MAIL)
    assert data["firstActivatedAt"] <= event["createdAt"]
    since = f"{event['createdAt'][:19]}Z"
    assert len(client("GET", f"{path}/events?createdAt[gte]={since}&status[eq]=delivered").json) == 1
    assert client("GET", f"{path}/events?createdAt[lt]={since}").json == []
    sandbox.control.settings(unreachable_urls=[ACTIVATED["url"]])
    assert client("GET", f"{path}/events?status[eq]=failed").ids == [event["_id"]]
    sandbox.control.advance(91 * 86_400)
    client.authenticate(sandbox.client_id, sandbox.client_secret)
    assert client("GET", f"{path}/events").json == [], "events are kept for 90 days"


def test_has_events_of_users_groups_and_sessions(client, subscribe):
    types = (
        *("user.invited", "user.updated", "user.deleted", "user.reactivated"),
        *("group.created", "group.updated", "group.deleted"),
    )
    paths = {each: subscribe(eventType=each) for each in types}
    membership = {"groupId": ROOT_GROUP_ID, "role": "learner"}
    new = {"mail": "new@acme.test", "firstName": "New", "membership": membership}
    user_id = client("POST", "/users", new).json["_id"]
    assert client("PATCH", f"/users/{user_id}", {"job": "Clerk"}).status == 200
    assert client("DELETE", f"/users/{user_id}").status == 204
    assert client("POST", "/users", new).status == 200
    group = client("POST", "/groups", {"name": "Lab", "public": True, "parentId": ROOT_GROUP_ID}).json["_id"]
    assert client("PATCH", f"/groups/{group}", {"name": "Laboratory"}).status == 200
    assert client("DELETE", f"/groups/{group}").status == 204
    data = {
        each: [event["payload"]["data"] for event in client("GET", f"{path}/events").json]
        for each, path in paths.items()
    }
    assert [len(each) for each in data.values()] == [1] * 7
    assert data["user.invited"][0]["firstName"] == "New"
    assert data["group.deleted"][0]["name"] == "Laboratory"


def test_has_events_of_paths_and_their_sessions(client, subscribe):
    types = ("path.archived", "path.session.added", "path.session.removed")
    paths = {each: subscribe(eventType=each) for each in types}
    path = f"/paths/{ONBOARDING_PATH_ID}"
    session = {
        "name": "May",
        "startDate": "2096-05-01T00:00:00.000Z",
        "mainInstructorId": ADMIN_ID,
        "registrationRequestValidation": "disabled",
    }
    session_id = client("POST", f"{path}/sessions", session).json["_id"]
    assert client("DELETE", f"{path}/sessions/{session_id}").status == 204
    for _ in range(2):
        assert client("PUT", f"{path}/archive", {"archived": True}).status == 200
    for event_type, subscription in paths.items():
        (event,) = client("GET", f"{subscription}/events").json
        assert (event["payload"]["type"], event["payload"]["data"]["pathId"]) == (event_type, ONBOARDING_PATH_ID)


def test_has_events_of_bulk_jobs(client, run, subscribe):
    created, ended = subscribe(eventType="bulk.operation.created"), subscribe(eventType="bulk.operation.ended")
    run("PUT", "/bulk/skills", {"externalId": "sql", "name": "SQL", "parentExternalIds": []})
    ((first,), (last,)) = (client("GET", f"{path}/events").json for path in (created, ended))
    assert first["payload"]["data"]["type"] == "upsertSkills"
    assert last["payload"]["data"]["status"] == "completed"
    assert last["payload"]["data"]["bulkOperationId"] == first["payload"]["data"]["bulkOperationId"]


def test_an_inactive_subscription_has_no_new_events(client, sandbox, subscribe):
    path = subscribe()
    client("PATCH", path, {"status": "inactive"})
    sandbox.control.accept_invitation(LINUS_MAIL)
    assert client("GET", f"{path}/events").json == []


def test_secrets_are_returned_by_their_own_operations_only(client, sandbox, subscribe):
    path = subscribe()
    first = client("GET", f"{path}/secrets").json["secret"]
    rotated = client("POST", f"{path}/secrets/rotate")
    assert rotated.status == 201
    assert client("GET", f"{path}/secrets").json == rotated.json != {"secret": first}
    texts = f"{sandbox.control.state()} {sandbox.control.journal()} {client('GET', path).json}"
    assert first not in texts
    assert rotated.json["secret"] not in texts


def test_retries_the_events_of_at_most_three_days(client, subscribe):
    path = subscribe()
    start, later = "2026-01-01T00:00:00.000Z", "2026-01-04T00:00:00.000Z"
    for kind in ("failure", "success"):
        retry = f"{path}/events/retry-{kind}"
        assert client("POST", retry, {"startDate": start, "endDate": later}).status == 204
        too_late = {"startDate": start, "endDate": later.replace("00Z", "01Z")}
        for period in ({"startDate": later, "endDate": start}, {"startDate": start, "endDate": start}, too_late):
            assert client("POST", retry, period).code == "invalidRetryTimeframe"
        client("PATCH", path, {"status": "inactive"})
        assert client("POST", retry, {"startDate": start, "endDate": later}).code == "activeSubscriptionNotFound"
        client("PATCH", path, {"status": "active"})


def test_an_unknown_subscription_is_not_found(client):
    for path in (MISSING, f"{MISSING}/events", f"{MISSING}/secrets"):
        assert client("GET", path).code == "subscriptionNotFound"
    assert client("POST", f"{MISSING}/secrets/rotate").code == "subscriptionNotFound"
    assert client("PATCH", MISSING, {"name": "x"}).code == "subscriptionNotFound"
