"""The three authentication methods, the documented errors, and the lifetime of tokens."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID

WRONG_ID = "f" * 24


def token_request(**changes):
    body = {"grant_type": "client_credentials", "client_id": COMPANY_ID, "client_secret": API_KEY} | changes
    return {name: value for name, value in body.items() if value is not None}


@pytest.fixture
def token(client):
    response = client("POST", "/api/v2/oauth2/token", json=token_request())
    assert response.status_code == 200
    return response.json()["access_token"]


@pytest.mark.parametrize(
    ("headers", "query", "refusal"),
    [
        ({}, {}, {"error": "missing_company_id"}),
        ({"Authorization": "Basic eDp5"}, {}, {"error": "missing_company_id"}),
        ({"X-apiKey": API_KEY}, {}, {"error": "missing_company_id"}),
        ({"X-company-id": WRONG_ID, "X-apiKey": API_KEY}, {}, {"error": "invalid_company_id"}),
        ({"X-company-id": COMPANY_ID}, {}, {"error": "invalid_api_key"}),
        ({"X-company-id": COMPANY_ID, "X-apiKey": "wrong"}, {}, {"error": "invalid_api_key"}),
        ({}, {"apiKey": API_KEY}, {"error": "missing_company_id"}),
        ({}, {"company": WRONG_ID, "apiKey": API_KEY}, {"error": "invalid_company_id"}),
        ({}, {"company": COMPANY_ID, "apiKey": "wrong"}, {"error": "invalid_api_key"}),
        (
            {"Authorization": "Bearer nonsense"},
            {},
            {"error": "invalid_token", "error_description": "invalid signature"},
        ),
    ],
)
def test_invalid_credentials_get_the_documented_errors(new_client, headers, query, refusal):
    response = new_client(headers)("GET", "/users", params=query)
    assert (response.status_code, response.json()) == (401, refusal)


@pytest.mark.parametrize("way", ["token", "headers", "query"])
def test_each_authentication_method_works_and_is_journaled(sandbox, new_client, token, way):
    headers = {
        "token": {"Authorization": f"Bearer {token}"},
        "headers": {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY},
        "query": {},
    }[way]
    query = {"company": COMPANY_ID, "apiKey": API_KEY} if way == "query" else {}
    assert new_client(headers)("GET", "/users", params=query).status_code == 200
    assert sandbox.control.journal()[-1]["auth"] == way


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"grant_type": None}, 400, "invalid_request"),
        ({"client_id": None}, 400, "invalid_request"),
        ({"client_secret": None}, 400, "invalid_request"),
        ({"client_id": WRONG_ID}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
    ],
)
def test_invalid_token_requests_get_the_documented_errors(client, changes, status, error):
    response = client("POST", "/api/v2/oauth2/token", json=token_request(**changes))
    assert (response.status_code, response.json()) == (status, {"error": error})


def test_token_lifetime_is_a_string_and_follows_the_sandbox_clock(sandbox, new_client):
    sandbox.control.settings(token_life=100)
    response = new_client({})("POST", "/api/v2/oauth2/token", json=token_request()).json()
    assert (response["token_type"], response["expires_in"]) == ("Bearer", "100")
    with_token = new_client({"Authorization": f"Bearer {response['access_token']}"})
    sandbox.control.advance(98)
    assert with_token("GET", "/users").status_code == 200
    sandbox.control.advance(2)
    refused = with_token("GET", "/users")
    assert refused.status_code == 401
    assert refused.json() == {"error": "invalid_token", "error_description": "jwt expired"}


def test_revoked_tokens_are_invalid_and_new_ones_valid(sandbox, new_client, token):
    sandbox.control.revoke_tokens()
    refused = new_client({"Authorization": f"Bearer {token}"})("GET", "/users")
    assert refused.json()["error"] == "invalid_token"
    fresh = new_client({})("POST", "/api/v2/oauth2/token", json=token_request()).json()["access_token"]
    assert new_client({"Authorization": f"Bearer {fresh}"})("GET", "/users").status_code == 200


@pytest.mark.unpublished_requests
def test_token_path_can_be_changed(sandbox, client):
    sandbox.control.settings(token_path="/api/v1/oauth2/token")
    assert client("POST", "/api/v1/oauth2/token", json=token_request()).status_code == 200
    # It is an unknown route of API v2, which authenticates by token only.
    assert client("POST", "/api/v2/oauth2/token", json=token_request()).status_code == 401
