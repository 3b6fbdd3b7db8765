"""Fixtures of the tests of a sync: the API of the sandbox in each version, and syncs through the operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.sync.sync_runs import Syncs
from tests.unlimited_sandbox import CONNECTION
from tests.versions.conftest import api, make_api, sent, version  # noqa: F401 - fixtures


@pytest.fixture
def syncs(sandbox: Sandbox, version: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Syncs:  # noqa: F811
    """Run syncs against the sandbox, on each API version."""
    limits = dict.fromkeys(VERSIONS[version].spec.limits, 1000)
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version=version, limits=limits))
    sandbox.control.settings(bulk_job_seconds=0, limits_enabled=False)
    return Syncs(tmp_path)
