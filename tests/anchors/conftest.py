"""The sandbox of these tests, with a path session of which Grace is a learner."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, ONBOARDING_PATH_ID, ROOT_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.fast_sandbox import fast_server, sandbox  # noqa: F401 - fixtures


@pytest.fixture
def session_id(sandbox: Sandbox) -> str:  # noqa: F811
    """The session; Grace needs an hour of the sandbox's time for it."""
    api = Learning360Hook().api
    made = api.create_path_session(
        ONBOARDING_PATH_ID, "Autumn", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    api.enroll_users(made["session_id"], [GRACE_MAIL])
    sandbox.control.clear_journal()
    return str(made["session_id"])
