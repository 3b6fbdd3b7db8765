"""The sandbox of these tests, on the clock of a virtual event loop if one runs, and a path session without learners."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.files.object_store import object_store  # noqa: F401 - a fixture
from tests.sensors.virtual_time import clock
from tests.unlimited_sandbox import make_session, sandbox, with_tokens  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from tests.contract.recorder import Recorder


@pytest.fixture(scope="session")
def unlimited_server(contract_recorder: Recorder) -> Iterator[Sandbox]:
    """Return the server behind ``sandbox``; learners need an hour of the sandbox's time."""
    settings = {"limits_enabled": False, "learner_seconds": 3600}
    with Sandbox(settings=settings, monotonic=clock, middleware=contract_recorder.wrap) as server:
        yield server


@pytest.fixture
def api(sandbox: Sandbox):  # noqa: F811
    """Return the actions, to prepare the company."""
    return Learning360Hook().api


@pytest.fixture
def session_id(sandbox: Sandbox) -> str:  # noqa: F811
    """Return the id of a path session without learners."""
    return make_session(sandbox)


@pytest.fixture
def enroll(sandbox: Sandbox, api, session_id: str) -> Callable[..., None]:  # noqa: F811
    """Return a function that enrolls users in the session."""

    def enroll(*users: str) -> None:
        api.enroll_users(session_id=session_id, users=users)
        sandbox.control.clear_journal()

    return enroll
