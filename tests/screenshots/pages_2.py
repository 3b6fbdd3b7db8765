"""Pages of Airflow 2."""

from __future__ import annotations

import json

from tests.airflow.form_values import ENTERED
from tests.screenshots.browser import Browser

_PREFIX = "extra__learning360__"


class Connections:
    """
    The pages of connections.

    :param browser: The browser.
    :param url: Address of Airflow's web interface.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url

    def open_empty_form(self, conn_id: str) -> None:
        """Open the form of a new connection with the fields of this type."""
        self._browser.open(f"{self._url}/connection/add")
        self._browser.enter("//input[@id='conn_id']", conn_id)
        self._browser.run("$('#conn_type').val('learning360').trigger('change')")
        self._browser.find(f"//input[@id='{_PREFIX}token_path']")

    def fill_in(self, host: str, login: str, password: str) -> None:
        """Enter a value into each field."""
        for name, value in {"host": host, "login": login, "password": password}.items():
            self._browser.enter(f"//input[@id='{name}']", value)
        for name, value in ENTERED.items():
            text = json.dumps(value) if isinstance(value, dict) else str(value)
            self._browser.enter(f"//input[@id='{_PREFIX}{name}']", text)

    def fill_in_v2(self, host: str, login: str, password: str, company_id: str) -> None:
        """Enter a connection to API v2."""
        fields = {"host": host, "login": login, "password": password}
        extra = {f"{_PREFIX}api_version": "v2", f"{_PREFIX}company_id": company_id}
        for name, value in {**fields, **extra}.items():
            self._browser.enter(f"//input[@id='{name}']", value)

    def edit(self, description: str) -> None:
        """Change a field of the open form."""
        self._browser.enter("//textarea[@id='description']", description)

    def press_test(self) -> None:
        """Press the button that tests the open form."""
        self._browser.click("//button[@id='test-connection']")

    def save(self) -> None:
        """Save the open form."""
        self._browser.click("//form[@id='model_form']//button[@type='submit']")
        self._browser.wait_for_text("Added Row", "Changed Row")

    def open_edit_form(self, conn_id: str) -> None:
        """Open the form of a stored connection."""
        self._browser.open(f"{self._url}/connection/list/?_flt_3_conn_id={conn_id}")
        self._browser.click("//a[contains(@href, '/connection/edit/')]")
        self._browser.find(f"//input[@id='{_PREFIX}token_path']")
