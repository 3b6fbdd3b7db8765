"""Values that a user enters into the connection form, and the settings that a task must then read."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import certifi

from airflow_provider_360learning.api.types import Settings
from airflow_provider_360learning.connections.form import EXTRA_FIELDS
from airflow_provider_360learning.sandbox.demo_company import COMPANY_ID
from airflow_provider_360learning.sandbox.server import Sandbox

#: The DAG of ``tests/airflow/dags`` that reads a connection, and its task.
DAG_ID, TASK_ID = "uses_connection", "read"

#: Two values of each extra field, neither of them the default where there is another one. Requests to the sandbox use
#: no proxy and trust no certificate.
ENTERED: dict[str, Any] = {
    "api_version": "v1",
    "company_id": COMPANY_ID,  # in API v1, the login
    "auth": "api_key_query",
    "token_path": "/entered",
    "connect_timeout": 7,
    "read_timeout": 30.5,
    "total_timeout": 90,
    "max_response_mib": 128,
    "ca_bundle": certifi.where(),
    "proxy": "http://entered:secret@proxy.test:3128",
    "limits": {"company_reads": 40},
}
EDITED: dict[str, Any] = {
    "api_version": "v1",
    "company_id": COMPANY_ID,  # in API v1, the login
    "auth": "api_key_header",
    "token_path": "/edited",
    "connect_timeout": 8,
    "read_timeout": 31.5,
    "total_timeout": 91,
    "max_response_mib": 129,
    "ca_bundle": certifi.__file__,
    "proxy": "http://edited:secret@proxy.test:3128",
    "limits": {"company_reads": 41, "company_writes": 4},
}
assert list(ENTERED) == list(EDITED) == list(EXTRA_FIELDS)


def standard_fields(sandbox: Sandbox) -> dict[str, str]:
    """Return the standard fields of a connection to the sandbox, as they are entered."""
    return {"host": sandbox.url, "login": sandbox.company_id, "password": sandbox.api_key}


def fields_of_v2(sandbox: Sandbox) -> tuple[dict[str, str], dict[str, str]]:
    """Return the standard fields and the extra fields of a connection to API v2 of the sandbox, as they are entered."""
    standard = {"host": sandbox.url, "login": sandbox.client_id, "password": sandbox.client_secret}
    return standard, {"api_version": "v2", "company_id": sandbox.company_id}


def expected_settings(sandbox: Sandbox, extra: dict[str, Any]) -> dict[str, Any]:
    """Return the result of the DAG for a connection to the sandbox with these extra fields."""
    options = {name: value for name, value in extra.items() if name not in ("api_version", "company_id", "limits")}
    settings = Settings(sandbox.url, sandbox.company_id, sandbox.api_key, **options)
    return {**asdict(settings), "limits": extra.get("limits", {})}
