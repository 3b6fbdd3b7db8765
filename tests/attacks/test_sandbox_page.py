"""Names that are markup, and other ways to what the page of the sandbox shows and to the token of its control."""

from __future__ import annotations

import importlib.resources
import json
import logging
import re

import pytest
import requests

from airflow_provider_360learning.sandbox import page
from airflow_provider_360learning.sandbox.demo_company import API_KEY, COMPANY_ID
from airflow_provider_360learning.sandbox.overview import MAX_CHARACTERS
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.support import eventually

CREDENTIALS = {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY}
#: Names of groups: markup, ends of scripts, ends of lines in JavaScript, text that runs backwards, and too much.
NAMES = (
    *(
        "<img src=x onerror=alert(1)>",
        '"><svg onload=alert(1)>',
        "</script><script>alert(1)</script>",
        "</textarea><b>",
    ),
    *("\u2028alert(1)\u2029", "\u202egnp.exe\u2066", "\ud800", "\x1b[2J\x00", "{{7*7}}${7*7}", "x" * 1_000_000),
)
#: What turns text into markup or a script, or loads something.
MARKUP = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser|srcdoc|\beval\b"
    r"|\bFunction\s*\(|setTimeout\(\s*[\"'`]|setHTML|\.href\s*=|\.src\s*=|location\s*=|window\.open|postMessage|import\("
)


@pytest.fixture
def token(sandbox: Sandbox) -> str:
    return sandbox.control_url.rpartition("/")[2]


@pytest.fixture
def hostile(sandbox: Sandbox) -> Sandbox:
    """Return the sandbox of a company whose groups have hostile names, which are also in its journal."""
    sandbox.control.settings(limits_enabled=False)
    for name in NAMES:
        body = json.dumps({"name": name, "public": True}).encode()
        headers = {**CREDENTIALS, "Content-Type": "application/json"}
        assert requests.post(f"{sandbox.url}/api/v1/groups", body, headers=headers, timeout=10).status_code == 200
    return sandbox


def file_of_page(name: str) -> str:
    return importlib.resources.files(page).joinpath(name).read_text()


def test_the_page_gets_all_names_as_short_texts(hostile):
    overview = requests.get(f"{hostile.control_url}/overview", timeout=10)
    assert overview.headers["Content-Type"] == "application/json"
    assert overview.content.isascii()
    names = [group["name"] for group in overview.json()["groups"]["items"]]
    assert names[: len(NAMES)] == [*[f"{name[:MAX_CHARACTERS]}…" if len(name) > 200 else name for name in NAMES[::-1]]]
    assert len(overview.content) < 50_000


def test_journal_and_state_contain_every_name(hostile):
    assert [entry["body"]["name"] for entry in hostile.control.journal()] == list(NAMES)
    assert set(NAMES) <= {group["name"] for group in hostile.control.state()["groups"]}


def test_methods_on_the_page_are_short(sandbox):
    requests.request("X" * 5000, f"{sandbox.url}/api/v1/users", headers=CREDENTIALS, timeout=10)
    (request,) = requests.get(f"{sandbox.control_url}/overview", timeout=10).json()["requests"]["items"]
    assert len(request["method"]) <= MAX_CHARACTERS + 1


def test_the_script_of_the_page_makes_no_markup_of_texts():
    assert MARKUP.findall(file_of_page("page.js")) == []


def test_the_page_has_no_script_style_or_address_of_its_own():
    html = file_of_page("index.html")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\s(?:on\w+|style)=|javascript:|https?://", html) == []
    assert re.findall(r"(?:src|href)=\"([^\"]*)\"", html) == ["/page.svg", "/page.css", "/page.js"]
    assert "@import" not in file_of_page("page.css")
    assert "url(" not in file_of_page("page.css")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", page.FILES)
def test_the_policy_of_the_page_allows_its_own_files_only(sandbox, method, path):
    headers = requests.request(method, sandbox.url + path, timeout=10).headers
    policy = dict(each.split(" ", 1) for each in headers["Content-Security-Policy"].split("; "))
    assert policy.pop("require-trusted-types-for") == "'script'"
    assert set(policy.values()) == {"'none'", "'self'"}
    assert {"default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"} <= {
        name for name, value in policy.items() if value == "'none'"
    }
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize("path", ["/overview", "/journal", "/state", "/settings", "/evidence", "/unknown"])
def test_a_browser_runs_nothing_in_a_control_response_and_tells_nobody_its_address(sandbox, path):
    headers = requests.get(sandbox.control_url + path, timeout=10).headers
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] == "no-store"


# The token


def test_a_failure_of_control_does_not_log_the_token(sandbox, token, caplog):
    """Bytes that are not UTF-8 fail in FastAPI itself."""
    caplog.set_level(logging.DEBUG)
    response = requests.post(f"{sandbox.control_url}/faults", b"\xff", timeout=10)
    assert response.status_code == 500
    assert token not in response.text
    event = "Sandbox failed; closing the connection: "
    eventually(lambda: any(line.startswith(event) for line in caplog.messages))  # after the response
    (line,) = [line for line in caplog.messages if line.startswith(event)]
    assert line.startswith(f"{event}POST /_sandbox/***/faults\n")
    assert token not in line


def test_the_token_is_in_no_file_response_or_journal(sandbox, token):
    """What a browser asks for beside a control page, and an address with a slash too many."""
    paths = ["/favicon.ico", "/", "/page.js", f"//_sandbox/{token}/state", f"/api/v1/_sandbox/{token}/state"]
    for path in paths:
        response = requests.get(sandbox.url + path, headers={"Referer": f"{sandbox.control_url}/state"}, timeout=10)
        assert token not in response.text + str(response.headers)
    overview = requests.get(f"{sandbox.control_url}/overview", timeout=10).text
    assert token not in json.dumps([sandbox.control.journal(), sandbox.control.state(), overview])
