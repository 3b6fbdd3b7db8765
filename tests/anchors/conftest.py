"""The sandbox of these tests, with a path session that Grace is enrolled in."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.unlimited_sandbox import make_session, sandbox, unlimited_server  # noqa: F401 - fixtures


@pytest.fixture
def session_id(sandbox: Sandbox) -> str:  # noqa: F811
    """Return the id of a session that Grace completes in an hour of the sandbox's clock."""
    return make_session(sandbox, GRACE_MAIL)
