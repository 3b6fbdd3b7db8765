"""The connection form of Airflow 3: what it shows and saves works in a DAG run, for every field, also after an edit."""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any

import pytest
import requests

from tests.airflow.form_values import DAG_ID, EDITED, ENTERED, TASK_ID, expected_settings, fields_of_v2, standard_fields

pytestmark = [
    pytest.mark.slow,
    pytest.mark.airflow(">=3.2", reason="the form is read from the provider info since 3.2"),
]

MASK = "***"


class WebInterface:
    """
    Sends the requests that the pages of Airflow 3 send when a user fills in a form.

    Written after the code of the pages (``useAddConnection``, ``useEditConnection``, ``TestConnectionButton``).
    """

    def __init__(self, stack):
        self._stack = stack
        self._session = requests.Session()
        token = self._session.get(f"{stack.url}/auth/token", timeout=30).json()["access_token"]
        self._session.headers["Authorization"] = f"Bearer {token}"

    def request(self, method, path, expected_status=200, **arguments):
        response = self._session.request(method, self._stack.url + path, timeout=300, **arguments)
        assert response.status_code == expected_status, response.text
        return response.json()

    def form(self) -> dict[str, Any]:
        forms = self.request("GET", "/ui/connections/hook_meta")
        (form,) = [form for form in forms if form["connection_type"] == "learning360"]
        return form

    def add(self, conn_id, standard, extra):
        """Fill in the form and save it: the extra has all fields, ``None`` for the empty ones."""
        extra = {**self._initial_extra(), **extra}
        body = {"connection_id": conn_id, "conn_type": "learning360", "extra": json.dumps(extra, indent=2)}
        self.request("POST", "/api/v2/connections", 201, json={**body, **standard})

    def edit(self, conn_id, extra=None, **standard):
        """Change fields of the form and save it: it sends all fields, and names those that have changed."""
        shown = self._shown(conn_id)
        fields = {**(json.loads(shown["extra"]) or self._initial_extra()), **(extra or {})}
        # The text of the extra always changes, because the page writes the JSON in another way.
        body = {**shown, **standard, "extra": json.dumps(fields, indent=2)}
        changed = [name for name, value in body.items() if value != shown[name]]
        body["port"] = int(body["port"]) if body["port"] else None
        self.request("PATCH", f"/api/v2/connections/{conn_id}", json=body, params={"update_mask": changed})

    def test(self, conn_id, expected_status=200):
        """Press the button *Test*."""
        body = self._shown(conn_id)
        body["port"] = int(body["port"] or 0)
        return self.request("POST", "/api/v2/connections/test", expected_status, json=body)

    def _initial_extra(self):
        return {name: field["value"] for name, field in self.form()["extra_fields"].items()}

    def _shown(self, conn_id):
        stored = self.request("GET", f"/api/v2/connections/{conn_id}")
        del stored["team_name"]
        return {name: "" if value is None else str(value) for name, value in stored.items()} | {
            "extra": stored["extra"] or "{}"
        }

    def run_dag(self, conn_id):
        """Run the DAG with the connection, and return the settings that its task has read."""
        run_id = self._stack.trigger(DAG_ID, {"connection": conn_id})
        assert self._stack.wait(DAG_ID, run_id, timeout=300) == "success", self._stack.logs(DAG_ID, run_id)
        return self._stack.xcom(DAG_ID, run_id, TASK_ID)


@pytest.fixture(scope="module")
def web(stack):
    return WebInterface(stack)


def test_the_form_shows_no_masked_value(web):
    assert MASK not in json.dumps(web.form())


@pytest.mark.parametrize("entered", [{}, ENTERED], ids=["nothing", "everything"])
def test_a_saved_form_and_an_edited_description_work_in_a_dag(web, platform, entered):
    conn_id = "with_nothing" if entered == {} else "with_everything"
    web.add(conn_id, standard_fields(platform), entered)
    settings = web.run_dag(conn_id)
    assert settings == expected_settings(platform, entered)
    web.edit(conn_id, description="edited")
    assert web.request("GET", f"/api/v2/connections/{conn_id}")["description"] == "edited"
    assert web.run_dag(conn_id) == settings


def test_every_field_can_be_edited_alone(web, platform):
    web.add("edited", {"host": "http://127.0.0.1:9", "login": "wrong", "password": "wrong-key"}, ENTERED)
    for name, value in standard_fields(platform).items():
        web.edit("edited", **{name: value})
    for name, value in EDITED.items():
        web.edit("edited", extra={name: value})
    assert web.run_dag("edited") == expected_settings(platform, EDITED)


def test_a_field_that_was_saved_as_masked_is_named(web, platform):
    web.add("masked", {**standard_fields(platform), "port": 1}, {"token_path": MASK, "proxy": MASK})
    tested = web.test("masked")
    assert not tested["status"]
    for name in ("token_path", "proxy"):
        assert f"field extra.{name}: was masked by Airflow, enter it again" in tested["message"]


@pytest.mark.parametrize("entered", [{}, ENTERED], ids=["nothing", "everything"])
def test_the_test_button_works_for_a_connection_with_a_port(web, platform, entered):
    conn_id = "tested_nothing" if entered == {} else "tested_everything"
    web.add(conn_id, {**standard_fields(platform), "port": 443}, entered)
    assert web.test(conn_id) == {"status": True, "message": "360Learning accepts the credentials"}


def test_the_form_makes_a_connection_to_api_v2(web, platform):
    standard, extra = fields_of_v2(platform)
    web.add("of_v2", {**standard, "port": 443}, extra)
    tested = web.test("of_v2")
    assert tested["status"]
    assert "which have the scopes users:read" in tested["message"]


@pytest.mark.skipif(
    importlib.metadata.version("apache-airflow") not in ("3.3.1", "3.3.2"),
    reason="the documentation names these two versions (docs/airflow-versions.md)",
)
def test_airflow_refuses_to_test_a_connection_without_a_port(web, platform):
    web.add("portless", standard_fields(platform), {})
    assert "host or port to test differs" in web.test("portless", expected_status=400)["detail"]
