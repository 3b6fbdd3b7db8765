"""
A line about the progress of a test run every ten seconds, for ``make test``.

``make`` prints the output of parallel runs one after the other, each when it has ended. The lines of this plugin go to
file descriptor 9, which the Makefile connects with the terminal.
"""

from __future__ import annotations

import importlib.metadata
import os
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

INTERVAL = 10.0
#: Higher than those that make uses for itself.
_DESCRIPTOR = 9


class Progress:
    """
    Count the tests that have ended.

    :param name: What the lines begin with.
    :param write: Prints a line.
    :param clock: Returns seconds.
    """

    def __init__(self, name: str, write: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._name, self._write, self._clock = name, write, clock
        self._total = self._ended = self._failed = 0
        self._began = self._printed = clock()
        write(f"{name}: collecting tests")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note the number of tests, without workers."""
        self._total = len(session.items)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        """Note the number of tests, with workers: each of them collects all."""
        self._total = len(ids)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count failures, and print each at once: its report follows at the end, perhaps half an hour later."""
        if report.failed:
            self._failed += 1
            self._write(f"{self._name}: {report.nodeid} failed in {report.when}, after {report.duration:.0f} s")

    def pytest_runtest_logfinish(self) -> None:
        """Count a test, and print a line if it is time."""
        self._ended += 1
        now = self._clock()
        if now - self._printed >= INTERVAL:
            self._printed = now
            tests = f"{self._ended} of {self._total} tests, {self._failed} failed"
            self._write(f"{self._name}: {tests}, after {now - self._began:.0f} s")


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin, in the process that prints the report."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Progress(f"Airflow {importlib.metadata.version('apache-airflow')}", _write))


def _write(line: str) -> None:
    with suppress(OSError):  # not started by `make test`
        os.write(_DESCRIPTOR, f"{line}\n".encode())
