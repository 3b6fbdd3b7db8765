"""The page of the sandbox in a headless Chromium, and what any client can read of it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import requests

from airflow_provider_360learning.sandbox.control import CONTROL_PATH
from airflow_provider_360learning.sandbox.demo_company import (
    API_KEY,
    CLIENT_SECRET,
    GRACE_MAIL,
    LINUS_MAIL,
    ROOT_GROUP_ID,
)
from airflow_provider_360learning.sandbox.page import FILES
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.support import eventually
from tests.screenshots.browser import Browser, is_installed

#: Markup that would run as a script in a page that takes names for HTML.
ATTACK = '<img src=x onerror="document.title=666"><script>document.title=666</script>'

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def running_browser() -> Iterator[Browser]:
    if not is_installed():
        pytest.skip("Chromium or its driver is missing (Debian's packages chromium and chromium-driver)")
    with Browser(1280, 1000) as browser:
        yield browser


@pytest.fixture
def page(running_browser: Browser, sandbox: Sandbox) -> Browser:
    """Return a browser that shows the page of a fresh sandbox."""
    running_browser.open("about:blank")  # an address that differs in its fragment only is not loaded again
    running_browser.open(sandbox.page_url)
    running_browser.wait_for_text("Live")
    return running_browser


def rows(page: Browser, part: str) -> list[str]:
    """Return the texts of the rows of a table."""
    script = "return [...document.querySelectorAll(`#${arguments[0]} tbody tr`)].map((row) => row.innerText)"
    return [str(text) for text in page.run(script, part)]


@pytest.mark.slow
def test_page_shows_the_company(page, sandbox):
    assert any(LINUS_MAIL in row and "invited" in row for row in rows(page, "people"))
    assert any(row.startswith("Sales\tAcme\t0\tpublic") for row in rows(page, "groups"))
    assert rows(page, "sessions") == ["No path has a session."]
    assert rows(page, "jobs") == ["No bulk job was submitted."]


@pytest.mark.slow
def test_requests_appear_without_a_reload(page, client):
    client("GET", "/users")
    page.wait_for_text("getUsers")
    client("GET", "/users/unknown@acme.test")
    page.wait_for_text("user_not_found")
    newest = rows(page, "requests")[0].split("\t")
    assert newest[1:3] == ["v1 GET getUser", "400"]
    assert newest[3].endswith(" ms")


@pytest.mark.slow
def test_names_are_shown_as_text(page, client, add_user):
    client("POST", "/groups", json={"name": ATTACK, "public": True})
    add_user("ana@acme.test", ROOT_GROUP_ID)
    client("PUT", "/users/ana@acme.test", json={"firstName": ATTACK, "lastName": "\u202eevil"})
    client("GET", f"/users/{requests.utils.quote(ATTACK, safe='')}")
    page.wait_for_text("evil")
    assert page.text().count(ATTACK) >= 3
    assert page.run("return [document.title, document.querySelectorAll('img, script:not([src])').length]") == [
        "360Learning sandbox",
        0,
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    "attempt",
    ["document.body.innerHTML = '<b>x</b>'", "document.body.insertAdjacentHTML('beforeend', '<b>x</b>')"],
)
def test_the_policy_forbids_text_to_become_markup(page, attempt):
    outcome = page.run(f"try {{ {attempt}; return 'done' }} catch (error) {{ return error.name }}")
    assert outcome == "TypeError"


@pytest.mark.slow
def test_a_fault_hits_the_next_request(page, client):
    page.enter("//input[@id='fault-operation']", "getUsers")
    page.choose("fault-kind", "status")
    page.enter("//input[@id='fault-status']", "502")
    page.click("//form[@id='fault']//button[.='Add']")
    page.wait_for_text("status: next request of getUsers")
    assert client("GET", "/groups").status_code == 200
    assert client("GET", "/users").status_code == 502
    page.wait_for_text("fault: status")
    assert "status: next request" not in page.text()


@pytest.mark.slow
def test_faults_can_be_removed(page, client):
    page.choose("fault-kind", "drop_before")
    page.click("//form[@id='fault']//button[.='Add']")
    page.click("//button[.='Remove all faults']")
    page.wait_until("return document.querySelectorAll('#faults li').length === 0")
    assert client("GET", "/users").status_code == 200


@pytest.mark.slow
def test_the_clock_is_advanced(page, sandbox):
    page.enter("//input[@id='clock-amount']", "2")
    page.choose("clock-unit", "86400")
    page.click("//button[.='Advance']")
    page.wait_for_text("2 d ahead")
    assert sandbox.control.advance(0) - time.time() == pytest.approx(2 * 86400, abs=60)


@pytest.mark.slow
def test_switches_change_settings(page, sandbox):
    page.click("//label[contains(., 'Rate limits apply')]/input")
    eventually(lambda: sandbox.control.settings()["limits_enabled"])
    page.enter("//input[@id='delay']", "7")
    eventually(lambda: sandbox.control.settings()["delay_after_ms"] == 7)


@pytest.mark.slow
def test_the_use_of_a_limit_is_shown(page, sandbox, client):
    sandbox.control.settings(limits_enabled=True, limits={"createOrInviteUser": 1})
    for number in range(2):
        client("POST", "/users", json={"mail": f"ana{number}@acme.test"})
    page.wait_for_text("limit: createOrInviteUser")
    [limit] = [row for row in rows(page, "limits") if "createOrInviteUser" in row]
    assert limit.split("\t")[:4] == ["v1 createOrInviteUser", "1 of 1", "1", "1"]


@pytest.mark.slow
def test_an_invitation_is_accepted(page, sandbox):
    page.click(f"//tr[td[.='{LINUS_MAIL}']]//button[.='Accept']")
    page.wait_until("return ![...document.querySelectorAll('#people button')].length")
    assert LINUS_MAIL in [user["mail"] for user in sandbox.control.state()["users"]]


@pytest.mark.slow
def test_people_are_found(page, sandbox):
    page.enter("//input[@id='find']", "GRACE")
    page.wait_until("return document.querySelectorAll('#people tbody tr').length === 1")
    assert GRACE_MAIL in rows(page, "people")[0]
    page.enter("//input[@id='find']", "unknown-name")
    page.wait_until("return document.querySelector('#people tbody').innerText.includes('Nothing was found')")
    page.enter("//input[@id='find']", "")
    page.wait_for_text(LINUS_MAIL)


@pytest.mark.slow
def test_no_secret_is_on_the_page(page, sandbox, client):
    client("PUT", f"/users/{GRACE_MAIL}", json={"password": "hunter2-hunter2"})
    page.wait_for_text("updateUser")
    html = page.run("return document.documentElement.outerHTML + location.href")
    token = sandbox.control_url.rpartition("/")[2]
    assert [secret for secret in (token, API_KEY, CLIENT_SECRET, "hunter2-hunter2") if secret in html] == []
    page.open(sandbox.url)  # the tab remembers the token
    page.wait_for_text("Live")


@pytest.mark.slow
def test_a_page_without_the_token_asks_for_it(running_browser, sandbox):
    running_browser.open("about:blank")
    running_browser.open(f"{sandbox.url}/#wrong")
    running_browser.wait_for_text("This is not the token of the sandbox that runs now")
    assert GRACE_MAIL not in running_browser.run("return document.documentElement.outerHTML")
    running_browser.enter("//input[@id='control-url']", sandbox.control_url)
    running_browser.click("//button[.='Connect']")
    running_browser.wait_for_text(GRACE_MAIL)


@pytest.mark.slow
def test_a_sandbox_that_stops_is_reported(running_browser):
    with Sandbox() as stopped:
        running_browser.open(stopped.page_url)
        running_browser.wait_for_text(GRACE_MAIL)
    running_browser.wait_for_text("The sandbox does not respond")


@pytest.mark.slow
def test_the_page_fits_a_phone(page, client, add_user):
    for number in range(3):
        add_user(f"{'long' * 20}{number}@acme.test", ROOT_GROUP_ID)
    page.wait_for_text("createOrInviteUser")
    with page.phone():
        assert page.run("return [window.innerWidth, document.documentElement.scrollWidth]") == [390, 390]
        wide = (
            "return [...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth).length"
        )
        assert page.run(wide) == 0


# Without a browser


def test_files_of_the_page_need_no_token_and_are_not_journaled(sandbox):
    for path in FILES:
        response = requests.get(sandbox.url + path, timeout=10)
        assert response.status_code == 200
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert sandbox.control.journal() == []


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_the_page_is_refused_to_other_sites(sandbox, headers):
    assert requests.get(sandbox.url, headers=headers, timeout=10).status_code == 403


def test_what_the_page_shows_needs_the_token(sandbox):
    response = requests.get(f"{sandbox.url}{CONTROL_PATH}/guess/overview", timeout=10)
    assert (response.status_code, GRACE_MAIL in response.text) == (403, False)


def test_the_overview_of_a_large_company_is_small(sandbox):
    sandbox.control.add_users([f"user{number}@acme.test" for number in range(500)])
    overview = requests.get(f"{sandbox.control_url}/overview", timeout=10)
    people = overview.json()["people"]
    assert (people["total"], len(people["items"])) == (503, 50)
    assert people["items"][0]["mail"] == "user499@acme.test"
    assert len(overview.content) < 50_000


def test_halves_of_surrogate_pairs_do_not_break_the_page(sandbox, client):
    assert client("POST", "/groups", data=b'{"name":"\\ud800","public":true}', headers=JSON).status_code == 200
    groups = requests.get(f"{sandbox.control_url}/overview", timeout=10).json()["groups"]["items"]
    assert "\ud800" in [group["name"] for group in groups]
