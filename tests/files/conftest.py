"""What tests of files share: the places where files lie."""

from __future__ import annotations

import pytest

from tests.files.object_store import object_store  # noqa: F401 - a fixture


@pytest.fixture(params=["local", "object store"])
def place(request, tmp_path):
    """A folder, of each kind in turn."""
    if request.param == "local":
        return str(tmp_path)
    request.getfixturevalue("object_store")
    return "memory://bucket/folder"
