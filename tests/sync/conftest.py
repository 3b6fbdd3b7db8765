"""Fixtures of the tests of a sync: the API of the sandbox in each version."""

from __future__ import annotations

from tests.versions.conftest import api, make_api, sent, version  # noqa: F401 - fixtures
