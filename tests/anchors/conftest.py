"""The sandbox of these tests, with a path session of which Grace is a learner."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.unlimited_sandbox import make_session, sandbox, unlimited_server  # noqa: F401 - fixtures


@pytest.fixture
def session_id(sandbox: Sandbox) -> str:  # noqa: F811
    """The session; Grace needs an hour of the sandbox's time for it."""
    return make_session(sandbox, GRACE_MAIL)
