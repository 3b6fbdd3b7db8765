"""Tokens, clients and scopes of API v2."""

from __future__ import annotations

import pytest

from tests.sandbox.v2.conftest import TOKEN_PATH

WHOLE_BODY = {"grant_type": "client_credentials", "client_id": "acme-other", "client_secret": "wrong"}


def v1_token(sandbox, client):
    body = {
        "grant_type": "client_credentials",
        "client_id": sandbox.company_id,
        "client_secret": sandbox.api_key,
    }
    return client("POST", TOKEN_PATH, body).json["access_token"]


def test_lifetime_is_a_number_or_a_string(sandbox, client):
    assert client.authenticate(sandbox.client_id, sandbox.client_secret).json["expires_in"] == 3600
    sandbox.control.settings(token_life_type="string")
    assert client.authenticate(sandbox.client_id, sandbox.client_secret).json["expires_in"] == "3600"


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"client_secret": None}, 400, "invalid_request"),
        ({"extra": "property"}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({}, 401, "invalid_client"),
    ],
)
@pytest.mark.unpublished_requests
def test_invalid_token_requests_get_flat_errors(client, changes, status, error):
    body = {name: value for name, value in (WHOLE_BODY | changes).items() if value is not None}
    response = client("POST", TOKEN_PATH, body)
    assert (response.status, response.json) == (status, {"error": error})


def test_a_token_is_valid_for_its_version_only(sandbox, client):
    client.headers["Authorization"] = f"Bearer {v1_token(sandbox, client)}"
    response = client("GET", "/users")
    assert (response.status, response.json) == (401, {"error": "invalid_token"})
    assert client("GET", "/api/v1/users").status == 200
    client.authenticate(sandbox.client_id, sandbox.client_secret)
    assert client("GET", "/users").status == 200
    assert client("GET", "/api/v1/users").status == 401


@pytest.mark.unpublished_requests
def test_only_a_token_authenticates(sandbox, client):
    for headers in ({}, {"X-company-id": sandbox.company_id, "X-apiKey": sandbox.api_key}):
        response = client("GET", "/users", headers={"360-api-version": "v2.0", **headers})
        assert (response.status, response.json) == (401, {"error": "invalid_token"})


@pytest.mark.unpublished_requests
@pytest.mark.parametrize("version", [None, "v1.0"])
def test_needs_the_header_of_the_version(client, version):
    client.headers.pop("360-api-version")
    if version:
        client.headers["360-api-version"] = version
    assert client("GET", "/users").status == 400


def test_tokens_expire_and_can_be_revoked(sandbox, client):
    sandbox.control.revoke_tokens()
    assert client("GET", "/users").status == 401
    client.authenticate(sandbox.client_id, sandbox.client_secret)
    assert client("GET", "/users").status == 200
    sandbox.control.advance(3600)
    assert client("GET", "/users").json == {"error": "invalid_token"}


def test_several_clients_are_valid_until_they_are_revoked(sandbox, client, new_client):
    first = sandbox.client_id
    added = sandbox.control.add_client()
    other = new_client()
    assert other.authenticate(added["client_id"], added["client_secret"]).status == 200
    assert (sandbox.client_id, sandbox.client_secret) == (added["client_id"], added["client_secret"])
    sandbox.control.revoke_client(first)
    assert client("GET", "/users").status == 401
    assert other("GET", "/users").status == 200
    with pytest.raises(ValueError, match="not a valid client"):
        sandbox.control.revoke_client(first)


def test_a_company_has_ten_clients_at_most(sandbox):
    for _ in range(9):
        sandbox.control.add_client()
    with pytest.raises(ValueError, match="10 clients"):
        sandbox.control.add_client()
    sandbox.control.revoke_client(sandbox.client_id)
    sandbox.control.add_client()


def test_scopes_are_checked_and_change_at_once(sandbox, client):
    assert client("GET", "/groups").status == 200
    sandbox.control.set_scopes(["users:read"])
    assert client("GET", "/users").status == 200
    refused = client("GET", "/groups")
    assert (refused.status, refused.code) == (403, "invalid_scope")
    assert "groups:read" in refused.json["error"]["message"]
    sandbox.control.settings(scope_error="flat")
    assert client("GET", "/groups").json == {"error": "invalid_scope"}
    sandbox.control.set_scopes(None, sandbox.client_id)
    assert client("GET", "/groups").status == 200


def test_malformed_scopes_are_refused(sandbox):
    with pytest.raises(ValueError, match="not a scope such as users:read: everything"):
        sandbox.control.add_client(["users:read", "everything"])


def test_no_secret_is_in_the_journal(sandbox, client):
    added = sandbox.control.add_client()
    client.authenticate(added["client_id"], added["client_secret"])
    client("GET", f"/users?mail[eq]={added['client_secret']}")
    journal = str(sandbox.control.journal())
    assert "generateToken" in journal
    assert added["client_secret"] not in journal
    assert client.headers["Authorization"].removeprefix("Bearer ") not in journal
