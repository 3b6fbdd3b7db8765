"""API keys that are added and revoked while the sandbox runs, by its control routes and its command."""

from __future__ import annotations

import json

import pytest

from airflow_provider_360learning.cli.definition import main
from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID
from demo.ports import unused_port


@pytest.fixture
def status_of(new_client):
    """Return a function that sends a request with an API key, and returns the status of the response."""

    def status(key, way="headers"):
        if way == "query":
            return new_client({})("GET", "/users", params={"company": COMPANY_ID, "apiKey": key}).status_code
        return new_client({"X-company-id": COMPANY_ID, "X-apiKey": key})("GET", "/users").status_code

    return status


@pytest.fixture
def fetch_token(new_client):
    """Return a function that requests a token with an API key."""

    def fetch(key):
        body = {"grant_type": "client_credentials", "client_id": COMPANY_ID, "client_secret": key}
        return new_client({})("POST", "/api/v2/oauth2/token", json=body)

    return fetch


@pytest.fixture
def command(sandbox, capsys, tmp_path):
    """Return a function that runs ``sandbox`` for the running sandbox with options, and returns what it prints."""

    def run(*options, control_url=sandbox.control_url):
        url_file = tmp_path / "url"
        url_file.write_text(control_url)
        main(["sandbox", "--url-file", str(url_file), *options])
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("way", ["headers", "query"])
def test_keys_are_valid_side_by_side_until_they_are_revoked(sandbox, status_of, way):
    new = sandbox.control.add_api_key()
    assert new != API_KEY
    assert (status_of(API_KEY, way), status_of(new, way)) == (200, 200)
    sandbox.control.revoke_api_key(API_KEY)
    assert (status_of(API_KEY, way), status_of(new, way)) == (401, 200)


@pytest.mark.parametrize("outlive", [False, True])
def test_tokens_of_a_revoked_key_are_invalid_unless_a_setting_says_otherwise(sandbox, new_client, fetch_token, outlive):
    sandbox.control.settings(tokens_outlive_keys=outlive)
    new = sandbox.control.add_api_key()
    tokens = [fetch_token(key).json()["access_token"] for key in (API_KEY, new)]
    sandbox.control.revoke_api_key(API_KEY)
    old, other = (new_client({"Authorization": f"Bearer {token}"})("GET", "/users") for token in tokens)
    assert (old.status_code, other.status_code) == (200 if outlive else 401, 200)
    if not outlive:
        assert old.json() == {"error": "invalid_token", "error_description": "invalid signature"}
    refused = fetch_token(API_KEY)
    assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})


def test_the_connection_has_the_newest_key(sandbox):
    new = sandbox.control.add_api_key()
    assert json.loads(sandbox.connection_json())["password"] == sandbox.api_key == new


def test_a_key_can_be_revoked_once(sandbox):
    sandbox.control.revoke_api_key(API_KEY)
    for key in (API_KEY, "unheard-of"):
        with pytest.raises(ValueError, match="not a valid API key") as caught:
            sandbox.control.revoke_api_key(key)
        assert key not in str(caught.value)


def test_a_reset_restores_the_first_key_alone(sandbox, status_of):
    new = sandbox.control.add_api_key()
    sandbox.control.revoke_api_key(API_KEY)
    sandbox.control.reset()
    assert (status_of(API_KEY), status_of(new)) == (200, 401)


def test_the_journal_shows_no_key(sandbox, status_of, fetch_token):
    new = sandbox.control.add_api_key()
    sandbox.control.revoke_api_key(API_KEY)
    for key in (API_KEY, new):
        status_of(f"{key}", "query")
        status_of(f"{key}")
        fetch_token(key)
    text = json.dumps(sandbox.control.journal())
    assert len(sandbox.control.journal()) == 6
    assert API_KEY not in text
    assert new not in text


def test_the_command_adds_and_revokes_keys(command, status_of):
    new = command("--add-api-key").removeprefix("New API key: ").strip()
    assert (status_of(API_KEY), status_of(new)) == (200, 200)
    assert "revoked" in command("--revoke-api-key", API_KEY)
    assert (status_of(API_KEY), status_of(new)) == (401, 200)


def test_the_command_adds_a_key_before_it_revokes_another(command, status_of):
    printed = command("--add-api-key", "--revoke-api-key", API_KEY)
    new = printed.splitlines()[0].removeprefix("New API key: ")
    assert (status_of(API_KEY), status_of(new)) == (401, 200)


def test_the_command_reports_what_it_cannot_do_in_one_message(command, sandbox):
    with pytest.raises(SystemExit, match="not a valid API key"):
        command("--revoke-api-key", "unheard-of")
    url = f"http://127.0.0.1:{unused_port()}"
    with pytest.raises(SystemExit, match=f"No sandbox responds at {url}, the address in "):
        command("--add-api-key", control_url=f"{url}/_sandbox/token")
    with pytest.raises(SystemExit, match="is not a control URL"):
        command("--add-api-key", control_url=url)
    with pytest.raises(SystemExit, match="is not a control URL") as refused:
        command("--add-api-key", control_url="the content of another file")
    assert "content" not in str(refused.value)
    with pytest.raises(SystemExit, match=r"at its start\.$"):
        command("--add-api-key", control_url=f"{sandbox.url}/_sandbox/other")
    with pytest.raises(SystemExit, match=r"No control URL can be read from unheard-of: .*No such file"):
        main(["sandbox", "--url-file", "unheard-of", "--add-api-key"])
    with pytest.raises(SystemExit, match="--url-file is missing"):
        main(["sandbox", "--add-api-key"])
