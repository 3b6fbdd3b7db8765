"""Fixtures for tests of files."""

from __future__ import annotations

import pytest

from tests.files.object_store import object_store  # noqa: F401 - a fixture


@pytest.fixture(params=["local", "object store"])
def place(request, tmp_path):
    """Return a folder on this host, or in an object store."""
    if request.param == "local":
        return str(tmp_path)
    request.getfixturevalue("object_store")
    return "memory://bucket/folder"
