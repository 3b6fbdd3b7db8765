"""What tests of many rows share: a sandbox without limits, and the places where files lie."""

from __future__ import annotations

import pytest

from tests.files.conftest import place  # noqa: F401 - a fixture
from tests.files.object_store import object_store  # noqa: F401 - a fixture
from tests.unlimited_sandbox import sandbox, unlimited_server  # noqa: F401 - fixtures


@pytest.fixture
def results(place):  # noqa: F811 - the fixture
    """A folder for results, of each kind in turn."""
    return f"{place}/results"
