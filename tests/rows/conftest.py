"""Fixtures of tests of many rows: a sandbox without limits, and places for files."""

from __future__ import annotations

import pytest

from tests.files.conftest import place  # noqa: F401 - a fixture
from tests.files.object_store import object_store  # noqa: F401 - a fixture
from tests.unlimited_sandbox import sandbox, unlimited_server  # noqa: F401 - fixtures


@pytest.fixture
def results(place):  # noqa: F811 - the fixture
    """Return a folder for results in each kind of store."""
    return f"{place}/results"
