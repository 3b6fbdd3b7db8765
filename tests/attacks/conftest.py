"""Fixtures of the attacks: a limit on the memory of each, and the API of a hostile server."""

from __future__ import annotations

import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.api.conftest import api, make_api, sent  # noqa: F401 - fixtures
from tests.redis_server import RedisServer

#: Maximum of what an attack may add to the memory of the process, in MB, unless its marker ``max_peak_mb`` has another.
MAX_PEAK_MB = 300

_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers of attacks with a maximum of their own (less input proves the same), and of several users."""
    config.addinivalue_line("markers", "max_peak_mb(number): what an attack may add to memory, in MB")
    config.addinivalue_line("markers", "needs_root: acts as several users of the host: `make test-root`")


@pytest.fixture(autouse=True)
def garbage_stays(request: pytest.FixtureRequest) -> Iterator[None]:
    """
    Collect no garbage of earlier tests while a text is parsed that is nested too deeply.

    No stack would be left to finalize it, which pytest reports as a failure.
    """
    if "deep" not in request.node.name:
        yield
        return
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(autouse=True)
def bounded_memory(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a case whose peak memory is more than the maximum above that before it; measured on Linux only."""
    marker = request.node.get_closest_marker("max_peak_mb")
    maximum = marker.args[0] if marker else MAX_PEAK_MB
    idle = _memory("VmRSS")
    try:
        _CLEAR_REFS.write_text("5")  # resets the peak
    except OSError:
        yield
        return
    yield
    peak = _memory("VmHWM") - idle
    assert peak <= maximum, f"The peak of memory was {peak:.0f} MB above idle"


@pytest.fixture(scope="module")
def running_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Run a Redis server for all tests of a module."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_server(running_redis: RedisServer) -> RedisServer:
    """Return a Redis server without data."""
    redis.Redis(running_redis.host, running_redis.port).flushall()
    return running_redis


def _memory(name: str) -> float:
    """Return a value of this process's memory in MB, 0 where there is none."""
    text = _STATUS.read_text() if _STATUS.exists() else ""
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    return int(found[1]) / 1024 if found else 0.0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave the attacks to the whole suite: together, they take a minute. Skip attacks that need root without it."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)
            if item.get_closest_marker("needs_root") and os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="only root can act as other users"))
