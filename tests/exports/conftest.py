"""The sandbox of these tests."""

from __future__ import annotations

from tests.unlimited_sandbox import sandbox, unlimited_server  # noqa: F401 - fixtures
