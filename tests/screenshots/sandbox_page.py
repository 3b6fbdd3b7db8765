"""The picture of the sandbox's page in docs/sandbox.md."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import requests

from airflow_provider_360learning.sandbox.demo_company import ONBOARDING_PATH_ID, ROOT_GROUP_ID, SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.screenshots.browser import Browser

#: Seconds of requests before the picture is taken.
SECONDS = 20
WIDTH, HEIGHT = 1280, 2310
PEOPLE = ("Ana Roy", "Bo Chen", "Cléa Petit", "Dev Patel", "Eva Horn", "Femi Ade", "Gus Berg", "Hana Mori")


def sandbox_page(folder: Path) -> None:
    """Show the page while people are created, added to a group and enrolled, faster than the limits allow."""
    with Sandbox(settings={"learner_seconds": 5, "bulk_job_seconds": 3}) as sandbox, Browser(WIDTH, HEIGHT) as browser:
        _work(sandbox)
        sandbox.control.add_fault("updateUser", kind="drop_after", count=2)
        browser.open(sandbox.page_url)
        browser.wait_for_text("Live")
        file = folder / "sandbox-page.png"
        browser.take_picture(file)
        print(file, flush=True)


def _work(sandbox: Sandbox) -> None:
    call = _client(sandbox)
    start = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    session = {"sessionName": "January", "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": start}
    session_id = call("POST", f"/paths/{ONBOARDING_PATH_ID}/sessions/", session).json()["id"]
    call("PATCH", f"/paths/sessions/{session_id}/groups", {"groupIds": [SALES_GROUP_ID]})
    end = time.monotonic() + SECONDS
    for number, name in enumerate(PEOPLE):
        first, last = name.split()
        mail = f"{first}.{last}@acme.test".lower()
        user = {"mail": mail, "firstName": first, "lastName": last, "password": "x", "groups": [ROOT_GROUP_ID]}
        for _ in range(2 * number):
            call("GET", "/users")
        call("POST", "/users", user | {"sendCredentials": number % 4 == 3})
        call("PUT", f"/groups/{SALES_GROUP_ID}/users/{mail}")
        call("PUT", f"/users/{mail}", {"job": "Engineer"})
        call("GET", f"/users/{mail}")
        time.sleep(max(0.0, (end - time.monotonic()) / (len(PEOPLE) - number)))


def _client(sandbox: Sandbox) -> Callable[..., requests.Response]:
    session = requests.Session()
    session.trust_env = False
    session.headers.update({"X-company-id": sandbox.company_id, "X-apiKey": sandbox.api_key})

    def call(method: str, path: str, body: object = None) -> requests.Response:
        return session.request(method, f"{sandbox.url}/api/v1{path}", json=body, timeout=10)

    return call
