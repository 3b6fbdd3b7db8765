"""Pages of Airflow 3."""

from __future__ import annotations

from tests.airflow.form_values import ENTERED
from tests.screenshots.browser import ENTER, SELECT_ALL, Browser

_SAVE = "//button[normalize-space()='Save']"
#: Extra fields with a plain input.
_TEXT_FIELDS = ("token_path", "ca_bundle", "proxy")
#: Extra fields with a numeric input.
_NUMBER_FIELDS = ("connect_timeout", "read_timeout", "total_timeout", "max_response_mib")


class Connections:
    """
    The page of connections.

    :param browser: The browser.
    :param url: Address of Airflow's web interface.
    """

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url

    def open_empty_form(self, conn_id: str) -> None:
        """Open the form of a new connection with the fields of this type."""
        self._browser.open(f"{self._url}/connections")
        self._browser.click("//button[contains(., 'Add Connection')]")
        self._browser.enter("//input[@name='connection_id']", conn_id)
        self._browser.click("//input[@role='combobox']/ancestor::div[3]")
        self._browser.type(f"360Learning{ENTER}")
        self._browser.find("//input[@name='host']")

    def show_extra_fields(self) -> None:
        """Open the section of the extra fields, which closes that of the standard fields."""
        self._browser.click("//button[normalize-space()='Extra Fields']")
        self._browser.find("//input[@id='element_token_path']")

    def fill_in(self, **fields: str) -> None:
        """Enter values into standard fields."""
        for name, value in fields.items():
            self._browser.enter(f"//*[@name='{name}']", value)

    def fill_in_extra(self) -> None:
        """Enter a value into each extra field that is not edited as JSON."""
        self._browser.click("//*[@id='element_auth']//input[@role='combobox']/ancestor::div[3]")
        self._browser.type(f"{ENTERED['auth']}{ENTER}")
        for name in _TEXT_FIELDS:
            self._browser.enter(f"//input[@name='element_{name}']", str(ENTERED[name]))
        for name in _NUMBER_FIELDS:
            self._browser.click(f"//input[@name='element_{name}']")
            self._browser.type(f"{SELECT_ALL}{ENTERED[name]}")

    def fill_in_v2(self, company_id: str) -> None:
        """Select API v2, and enter the ID of the company."""
        self._browser.click("//*[@id='element_api_version']//input[@role='combobox']/ancestor::div[3]")
        self._browser.type(f"v2{ENTER}")
        self._browser.enter("//input[@name='element_company_id']", company_id)

    def save(self) -> None:
        """Save the open form, and wait until it is closed."""
        self._browser.click(_SAVE)
        self._browser.wait_for_text("successfully")

    def open_edit_form(self, conn_id: str) -> None:
        """Open the form of a stored connection."""
        self._browser.open(f"{self._url}/connections")
        self._browser.click(f"{_row(conn_id)}//button[@aria-label='Edit Connection']")
        self._browser.find("//input[@name='host']")

    def press_test(self, conn_id: str) -> None:
        """Press the button that tests a connection, and wait for the result."""
        self._browser.open(f"{self._url}/connections")
        self._browser.click(f"{_row(conn_id)}//button[@aria-label='Test Connection']")
        self._browser.wait_for_text("Test Connection", "differs", "accepts")


def _row(conn_id: str) -> str:
    return f"//tr[td[normalize-space()='{conn_id}']]"


def show_log(browser: Browser, url: str, dag_id: str, run_id: str, task_id: str) -> None:
    """Open the log of a task."""
    browser.open(f"{url}/dags/{dag_id}/runs/{run_id}/tasks/{task_id}")
    browser.wait_for_text("Post Execute", "INFO")


def show_run(browser: Browser, url: str, dag_id: str, run_id: str) -> None:
    """Open the page of a DAG run, which shows the grid of the DAG beside it."""
    browser.open(f"{url}/dags/{dag_id}/runs/{run_id}")
    browser.wait_for_text("Task Instances")
