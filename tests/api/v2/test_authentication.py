"""Authentication in API v2: the token request, renewal, new clients, and credentials of the other version."""

from __future__ import annotations

import time

import pytest
from pydantic import SecretStr

from airflow_provider_360learning.api.auth import Credentials
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.exceptions import AuthenticationError
from tests.api.factory import api_factory
from tests.api.support import TOKEN, Response, TinyServer


def test_every_request_but_that_for_a_token_has_the_version_in_a_header(make_api):
    def respond(request):
        if request.target == "/api/v2/oauth2/token":
            return Response({"token_type": "Bearer", "access_token": TOKEN, "expires_in": "3600"})
        return Response([])

    with TinyServer(respond) as server:
        make_api(server.url, company_id="company", client_id="client", api_key="secret").client.call(Call("getGroups"))
    token, groups = server.requests
    assert token.json == {"grant_type": "client_credentials", "client_id": "client", "client_secret": "secret"}
    assert "360-api-version" not in token.headers
    assert groups.headers["360-api-version"] == "v2.0"
    assert groups.headers["Authorization"] == f"Bearer {TOKEN}"


@pytest.mark.realtime
@pytest.mark.parametrize("expires_in", [0.5, "0.5"])
def test_reads_the_lifetime_of_a_token_as_string_or_number(make_api, expires_in):
    """The OpenAPI document says that it is a number, and the vendor's guide shows a string."""

    def respond(request):
        if request.target.endswith("/oauth2/token"):
            return Response({"token_type": "Bearer", "access_token": TOKEN, "expires_in": expires_in})
        return Response([])

    with TinyServer(respond) as server:
        client = make_api(server.url).client
        client.call(Call("getGroups"))
        client.call(Call("getGroups"))
        assert [request.method for request in server.requests] == ["POST", "GET", "GET"]
        time.sleep(0.5)
        client.call(Call("getGroups"))
        assert [request.method for request in server.requests][3:] == ["POST", "GET"]


def test_a_revoked_token_is_renewed_once(sandbox, api, sent):
    api.list_groups()
    sandbox.control.revoke_tokens()
    assert api.list_groups()
    assert [entry["status"] for entry in sent("getGroups")] == [200, 401, 200]
    assert len(sent("generateToken")) == 2


def test_a_new_secret_may_belong_to_a_new_client(sandbox, make_api, sent):
    stored = []

    def reread():
        return Credentials(stored[0]["client_id"], SecretStr(stored[0]["client_secret"]))

    api = make_api(client={"reread_credentials": reread})
    old = sandbox.client_id
    api.list_groups()
    stored.append(sandbox.control.add_client())
    sandbox.control.revoke_client(old)
    assert api.list_groups()
    assert set(api.client.secrets) >= {stored[0]["client_secret"]}


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_credentials_of_the_other_version_are_named_as_the_likely_cause(sandbox, version, sent):
    """The token endpoint is that of both versions, so that it may issue a token."""
    theirs = {
        "v1": {"company_id": sandbox.client_id, "api_key": sandbox.client_secret},
        "v2": {"client_id": sandbox.company_id, "api_key": sandbox.api_key},
    }
    with api_factory(sandbox, version) as make, pytest.raises(AuthenticationError) as caught:
        make(**theirs[version]).list_groups()
    other = {"v1": "API v2", "v2": "API v1"}[version]
    assert f"credentials of {other}" in str(caught.value)
    assert "API version to" in str(caught.value)
    assert len(sent("generateToken")) == 2, "a second token might have been accepted"


@pytest.mark.parametrize(("code", "status"), [("invalid_client", 401), ("invalid_request", 400)])
def test_a_token_endpoint_that_refuses_may_have_credentials_of_api_v1(make_api, code, status):
    advice = r"client ID \(login\) and client secret \(password\).*API v1"
    with (
        TinyServer(lambda request: Response({"error": code}, status)) as server,
        pytest.raises(AuthenticationError, match=advice),
    ):
        make_api(server.url).list_groups()
    assert len(server.requests) == 1


def test_another_error_of_the_token_endpoint_is_not_about_the_credentials(make_api):
    with (
        TinyServer(lambda request: Response({"message": "Not Found"}, 404)) as server,
        pytest.raises(AuthenticationError, match="check the connection's Base URL and token path") as caught,
    ):
        make_api(server.url).list_groups()
    assert "API v1" not in str(caught.value)
