"""The connection form of Airflow 2: what it shows and saves works in a DAG run, for every field, also after an edit."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_360learning.connections.form import EXTRA_FIELDS
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from tests.airflow.form_values import DAG_ID, EDITED, ENTERED, TASK_ID, expected_settings, fields_of_v2, standard_fields

pytestmark = [pytest.mark.slow, pytest.mark.airflow("<3", reason="Airflow 3 has another form")]

PREFIX = "extra__learning360__"


class FormFields(HTMLParser):
    """Reads what a browser would send for a page: the values of its form by name."""

    def __init__(self, page: str):
        super().__init__()
        self.values: dict[str, str] = {}
        self._textarea = self._select = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        name = attributes.get("name", "")
        if tag == "input" and name and attributes.get("type") != "submit":
            self.values[name] = attributes.get("value", "")
        elif tag == "textarea":
            self._textarea = name
            self.values[name] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in attributes:
            self.values[self._select] = attributes["value"]

    def handle_endtag(self, tag):
        if tag == "textarea":
            self._textarea = ""

    def handle_data(self, data):
        if self._textarea:
            self.values[self._textarea] += data


class WebInterface:
    """
    Fills in the pages of Airflow 2 and sends what a browser would send.

    The script of the page (``connection_form.js``) removes the fields of other connection types.
    """

    def __init__(self, client, home: Path):
        self._client = client
        self._database = AirflowStack(home, home / "dags", components=[])

    def add(self, conn_id, standard, extra):
        fields = {**self._fields("/connection/add"), "conn_id": conn_id, "conn_type": "learning360"}
        self._save("/connection/add", fields | standard | _entered(extra))

    def edit(self, conn_id, extra=None, **fields):
        page = self._page(conn_id)
        self._save(page, {**self._fields(page), **fields, **_entered(extra or {})})

    def test(self, conn_id, **fields):
        """Press the button *Test* of the form of a stored connection, after an entry of some fields."""
        sent: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, value in {**self._fields(self._page(conn_id)), **fields}.items():
            if name == "conn_id":
                sent["connection_id"] = value
            elif not value or name == "csrf_token":
                continue
            elif name == "extra":
                extra |= json.loads(value)
            elif name.startswith("extra__"):
                extra[name] = extra[re.sub("extra__.+?__", "", name)] = value
            else:
                sent[name] = int(value) if name == "port" else value
        response = self._client.post("/api/v1/connections/test", json={**sent, "extra": json.dumps(extra)})
        assert response.status_code == 200, response.text
        return response.json

    def run_dag(self, conn_id):
        """Run the DAG with the connection, and return the settings that its task has read."""
        from airflow.models.dagbag import DagBag

        bag = DagBag(str(Path(__file__).parent / "dags" / f"{DAG_ID}.py"), include_examples=False)
        run = bag.dags[DAG_ID].test(run_conf={"connection": conn_id})
        assert run.state == "success"
        return self._database.xcom(DAG_ID, run.run_id, TASK_ID)

    def _page(self, conn_id):
        (row,) = self._database.query("SELECT id FROM connection WHERE conn_id = ?", conn_id)
        return f"/connection/edit/{row['id']}"

    def _fields(self, page):
        response = self._client.get(page)
        assert response.status_code == 200
        values = FormFields(response.text).values
        return {
            name: value for name, value in values.items() if not name.startswith("extra__") or name.startswith(PREFIX)
        }

    def _save(self, page, fields):
        response = self._client.post(page, data=fields)
        assert response.status_code == 302, FormFields(response.text).values


def _entered(extra):
    """Return extra fields as they are entered: all of them are text fields."""
    return {
        PREFIX + name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in extra.items()
    }


@pytest.fixture(scope="module")
def platform():
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def web(airflow_home, airflow_db):
    from airflow.www.app import create_app

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW__CORE__TEST_CONNECTION", "Enabled")
        application = create_app({"AUTH_ROLE_PUBLIC": "Admin", "WTF_CSRF_ENABLED": False}, testing=True)
        yield WebInterface(application.test_client(), airflow_home)


@pytest.mark.parametrize("entered", [{}, ENTERED], ids=["nothing", "everything"])
def test_a_saved_form_and_an_edited_description_work_in_a_dag(web, platform, entered):
    conn_id = "with_nothing" if entered == {} else "with_everything"
    web.add(conn_id, standard_fields(platform), entered)
    settings = web.run_dag(conn_id)
    assert settings == expected_settings(platform, entered)
    web.edit(conn_id, description="edited")
    assert web.run_dag(conn_id) == settings


def test_every_field_can_be_edited_alone(web, platform):
    web.add("edited", {"host": "http://127.0.0.1:9", "login": "wrong", "password": "wrong-key"}, ENTERED)
    for name, value in standard_fields(platform).items():
        web.edit("edited", **{name: value})
    for name, value in EDITED.items():
        web.edit("edited", {name: value})
    assert web.run_dag("edited") == expected_settings(platform, EDITED)


def test_limits_that_were_stored_as_an_object_survive_an_edit(web, platform):
    from airflow.models import Connection
    from airflow.utils.session import create_session

    with create_session() as session:
        extra = json.dumps({"limits": ENTERED["limits"]})
        session.add(Connection("object", "learning360", **standard_fields(platform), extra=extra))
    web.edit("object", description="edited")
    assert web.run_dag("object")["limits"] == ENTERED["limits"]


@pytest.mark.parametrize("name", [None, *(name for name in EXTRA_FIELDS if name != "proxy")])
def test_the_test_button_works_with_every_field(web, platform, name):
    conn_id = f"tested_{name}"
    web.add(conn_id, standard_fields(platform), {"auth": "api_key_header", **({name: ENTERED[name]} if name else {})})
    tested = web.test(conn_id, password=platform.api_key)
    assert tested == {"status": True, "message": "360Learning accepts the credentials"}


def test_the_form_makes_a_connection_to_api_v2(web, platform):
    standard, extra = fields_of_v2(platform)
    web.add("of_v2", standard, extra)
    tested = web.test("of_v2", password=platform.client_secret)
    assert tested["status"]
    assert "which have the scopes users:read" in tested["message"]


def test_the_test_button_asks_for_hidden_values(web, platform):
    """Airflow 2 does not add the hidden values of the stored connection when it tests a form."""
    web.add("hidden", standard_fields(platform), {"proxy": ENTERED["proxy"]})
    tested = web.test("hidden")
    assert not tested["status"]
    assert "field password (API key or client secret): is missing" in tested["message"]
    assert "field extra.proxy: was masked by Airflow, enter it again" in tested["message"]
    entered = {"password": platform.api_key, f"{PREFIX}proxy": ENTERED["proxy"]}
    assert web.test("hidden", **entered)["status"]
