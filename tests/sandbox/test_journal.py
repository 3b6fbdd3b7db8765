"""The journal describes requests without secrets; the other controls change the sandbox."""

from __future__ import annotations

import json
import time

import pytest

from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID, GRACE_MAIL, ROOT_GROUP_ID

PASSWORD = "hunter2-hunter2"


def test_entry_describes_a_request(sandbox, client):
    body = {"mail": "ana@acme.test", "password": PASSWORD, "groups[0]": ROOT_GROUP_ID}
    before = time.monotonic()
    client("POST", "/users", data=body)
    client("POST", "/users", data=body)
    client("GET", "/nothing")
    created, refused, unknown = sandbox.control.journal()
    assert before < created["arrived_at"] < refused["arrived_at"] < unknown["arrived_at"] < time.monotonic()
    assert abs(created["wall_time"] - time.time()) < 60
    described = {name: created[name] for name in ("operation", "method", "path", "ip", "user", "auth", "fault", "body")}
    assert described == {
        "operation": "createOrInviteUser",
        "method": "POST",
        "path": "/api/v1/users",
        "ip": "127.0.0.1",
        "user": "ana@acme.test",
        "auth": "headers",
        "fault": None,
        "body": {"mail": "ana@acme.test", "password": "***", "groups": [ROOT_GROUP_ID]},
    }
    outcomes = [(entry["status"], entry["done"], entry["error"]) for entry in (created, refused, unknown)]
    assert outcomes == [(200, True, None), (400, False, "user_already_exists"), (404, False, "Not Found")]
    assert unknown["operation"] is None


def test_journal_contains_no_secret(sandbox, client, new_client):
    secret = {"grant_type": "client_credentials", "client_id": COMPANY_ID, "client_secret": API_KEY}
    token = client("POST", "/api/v2/oauth2/token", json=secret).json()["access_token"]
    new_client({"Authorization": f"Bearer {token}"})("GET", "/users")
    new_client({})("GET", "/users", params={"company": COMPANY_ID, "apiKey": API_KEY})
    client("GET", f"/users/{API_KEY}", params={"other": f"x{API_KEY}"})
    client("PUT", f"/users/{GRACE_MAIL}", json={"password": PASSWORD, "lang": f"x{API_KEY}"})
    client("DELETE", f"/users/{GRACE_MAIL}", data={"company": COMPANY_ID, "apiKey": API_KEY})
    client("PUT", "/groups/x", files={"password": (None, PASSWORD)})
    client("POST", "/users", data=f"{{{PASSWORD}", headers={"Content-Type": "application/json"})
    written = json.dumps(sandbox.control.journal())
    assert len(sandbox.control.journal()) == 8
    for secret_text in (API_KEY, token, PASSWORD):
        assert secret_text not in written
    assert PASSWORD not in json.dumps(sandbox.control.state())


def test_ids_continue_after_clearing_the_journal(sandbox, client):
    client("GET", "/users")
    sandbox.control.clear_journal()
    client("GET", "/users")
    assert [entry["id"] for entry in sandbox.control.journal()] == [2]


def test_journal_returns_entries_after_an_id(sandbox, client):
    for _ in range(2):
        client("GET", "/users")
    sandbox.control.clear_journal()
    for _ in range(3):
        client("GET", "/users")
    new = [[entry["id"] for entry in sandbox.control.journal(after=seen)] for seen in (0, 3, 5)]
    assert new == [[3, 4, 5], [4, 5], []]


def test_reset_starts_over(sandbox, client, add_user):
    fresh = sandbox.control.state()
    add_user("ana@acme.test")
    sandbox.control.settings(learner_seconds=5, limits_enabled=True)
    sandbox.control.add_fault(kind="drop_before", count=9)
    sandbox.control.advance(10_000)
    sandbox.control.reset()
    settings = sandbox.control.settings()
    assert (settings["learner_seconds"], settings["limits_enabled"]) == (20, False)
    assert client("GET", "/users").status_code == 200
    assert abs(sandbox.control.journal()[-1]["clock"] - time.time()) < 60
    ids = lambda state: [user["id"] for user in state["users"]]  # noqa: E731
    assert ids(sandbox.control.state()) == ids(fresh)


def test_empty_seed_has_a_root_group_and_an_administrator(sandbox):
    sandbox.control.reset(seed="empty")
    state = sandbox.control.state()
    assert {name: len(things) for name, things in state.items() if things} == {
        "users": 1,
        "groups": 1,
        "memberships": 1,
    }
    with pytest.raises(ValueError, match="seed"):
        sandbox.control.reset(seed="other")


def test_invalid_settings_are_refused_and_change_nothing(sandbox):
    before = sandbox.control.settings()
    for invalid in ({"learner_secons": 5}, {"acknowledgment": "maybe"}, {"limits": {"deleteUser": 0}}):
        with pytest.raises(ValueError, match=next(iter(invalid))):
            sandbox.control.settings(**invalid)
    assert sandbox.control.settings() == before


def test_ids_are_the_same_in_every_run(sandbox, add_user):
    first = [add_user("a@acme.test"), add_user("b@acme.test")]
    sandbox.control.reset()
    assert [add_user("c@acme.test"), add_user("d@acme.test")] == first
