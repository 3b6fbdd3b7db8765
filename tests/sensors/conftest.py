"""The sandbox of these tests, with a path session that nobody is enrolled in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.unlimited_sandbox import make_session, sandbox, unlimited_server, with_tokens  # noqa: F401 - fixtures


@pytest.fixture
def api(sandbox: Sandbox):  # noqa: F811
    """The actions, to prepare the company with."""
    return Learning360Hook().api


@pytest.fixture
def session_id(sandbox: Sandbox) -> str:  # noqa: F811
    return make_session(sandbox)


@pytest.fixture
def enroll(sandbox: Sandbox, api, session_id: str) -> Callable[..., None]:  # noqa: F811
    """Enroll users in the session."""

    def enroll(*users: str) -> None:
        api.enroll_users(session_id=session_id, users=users)
        sandbox.control.clear_journal()

    return enroll
