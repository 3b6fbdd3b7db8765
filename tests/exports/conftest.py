"""The sandbox of these tests."""

from __future__ import annotations

from tests.fast_sandbox import fast_server, sandbox  # noqa: F401 - fixtures
