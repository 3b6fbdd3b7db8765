"""The sandbox of these tests."""

from __future__ import annotations

from tests.fast_sandbox import fast_server, sandbox, with_tokens  # noqa: F401 - fixtures
