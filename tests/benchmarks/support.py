"""Helpers of the benchmarks: the sandbox and workers in processes, figures of the journal, and tables."""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.limiter.store import Store
from airflow_provider_360learning.api.spec import READ_METHODS
from airflow_provider_360learning.api.types import Settings
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.sandbox.control import SandboxControl
from airflow_provider_360learning.sandbox.demo_company import API_KEY, CLIENT_ID, CLIENT_SECRET, COMPANY_ID
from tests.api.stores import open_store as open_shared_store

T = TypeVar("T")
R = TypeVar("R")

Entry = dict[str, Any]

# The fork server has imported the client, so that workers start as fast as Airflow's tasks do.
_WORKERS = multiprocessing.get_context("forkserver")
_WORKERS.set_forkserver_preload(["airflow_provider_360learning.api.versions", "tests.benchmarks.support"])


def arguments(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the argument that all benchmarks have."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a shorter run with less precise figures")
    return parser


# Processes


@dataclass(frozen=True)
class Server:
    """A running sandbox."""

    control: SandboxControl

    @property
    def url(self) -> str:
        return self.control.sandbox_url

    @property
    def connection(self) -> str:
        """Return an Airflow connection to it, as JSON."""
        fields = {"conn_type": "learning360", "host": self.url, "login": COMPANY_ID, "password": API_KEY}
        return json.dumps(fields | {"extra": {"auth": "api_key_header"}})


@contextlib.contextmanager
def sandbox(*, seed: str | Path = "demo", **settings: Any) -> Iterator[Server]:
    """
    Run a sandbox in a process.

    :param seed: The company, or a file that describes it.
    :param settings: Settings of the sandbox.
    """
    with tempfile.TemporaryDirectory() as folder:
        url_file = Path(folder) / "url"
        command = [sys.executable, "-m", "airflow_provider_360learning.cli.definition", "sandbox", "--port", "0"]
        command += ["--seed", str(seed)]
        # Compression would take the CPU time of the processes that are measured.
        settings = {"compressed_responses": False, **settings}
        command += ["--url-file", str(url_file), "--settings", json.dumps(settings)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            try:
                yield Server(_control_of(url_file, process))
            finally:
                process.terminate()


def _control_of(url_file: Path, process: subprocess.Popen[bytes]) -> SandboxControl:
    while not url_file.exists():
        if process.poll() is not None:
            raise RuntimeError("The sandbox did not start")
        time.sleep(0.05)
    return SandboxControl(url_file.read_text())


def in_processes(function: Callable[[T], R], plans: Sequence[T]) -> list[R]:
    """Call a function of a module for all plans at the same time, each in a new process."""
    with ProcessPoolExecutor(len(plans), mp_context=_WORKERS) as pool:
        return list(pool.map(function, plans))


class PeakMemory:
    """The peak memory of this process from now on, in addition to what it uses now."""

    def __init__(self) -> None:
        #: Kilobytes before.
        self.idle = self._status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # resets the peak

    @property
    def megabytes(self) -> float:
        """The peak so far in megabytes."""
        return (self._status("VmHWM") - self.idle) / 1024

    @staticmethod
    def _status(name: str) -> int:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name))


@contextlib.contextmanager
def location_of(store: str) -> Iterator[str]:
    """
    Provide the location of a store: a folder, or the URL of a server that runs meanwhile.

    :param store: memory, host, redis or postgres.
    """
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as running:
        if store == "redis":
            from tests.redis_server import RedisServer

            yield running.enter_context(RedisServer(Path(folder))).url
        elif store == "postgres":
            from tests.postgres_server import PostgresServer

            yield running.enter_context(PostgresServer(durable=True)).url
        else:
            yield folder


def open_store(store: str, location: str) -> Store:
    """Open a store in this process."""
    if store == "memory":
        return SqliteStore(":memory:")
    return open_shared_store(store, location)


def build_rate_limiter(store: Store | None, url: str, **more: Any) -> RateLimiter:
    """Return a rate limiter like the hook's, without Airflow, whose import would take seconds per process."""
    more.setdefault("fallback", Share(0.2, time.monotonic()))
    return RateLimiter(store, base_url=url, company_id=COMPANY_ID, **more)


def make_api(url: str, store: Store | None, version: str = "v1", **rate_limiter: Any) -> LearningApi:
    """Return the API of a version with a rate limiter; without a store, nothing is shared."""
    settings = Settings(url, COMPANY_ID, API_KEY, auth="api_key_header")
    if version == "v2":
        settings = Settings(url, CLIENT_ID, CLIENT_SECRET)
    limiter = build_rate_limiter(store, url, api_version=version, **rate_limiter)
    return VERSIONS[version].adapter(Client(settings, VERSIONS[version].spec, limiter))


# Figures of the journal, independent of the sandbox's own limits


def counted(journal: Iterable[Entry], limit: str) -> list[Entry]:
    """Return the requests that count against a limit, throttled ones included, in order of arrival."""
    return sorted((entry for entry in journal if _counts(entry, limit)), key=lambda entry: entry["arrived_at"])


def _counts(entry: Entry, limit: str) -> bool:
    if not limit.startswith(("company_", "ip_")):
        return bool(entry["operation"] == limit)
    return entry["operation"] != "generateToken" and limit.endswith("reads") == (entry["method"] in READ_METHODS)


def arrival_times(entries: Iterable[Entry]) -> list[float]:
    """Return the arrival times of requests in seconds."""
    return [entry["arrived_at"] for entry in entries]


def passed(entries: Iterable[Entry]) -> list[Entry]:
    """Return the requests that were not answered 429."""
    return [entry for entry in entries if entry["status"] != 429]


def rate(arrivals: Sequence[float], calls: int) -> float:
    """
    Return requests per second, from the mean time in which as many arrived as the limit allows per second.

    All requests divided by the whole time would include the first burst, which does not wait.

    :param arrivals: Arrival times in seconds.
    :param calls: Requests per second that the limit allows.
    """
    spans = [later - earlier for earlier, later in zip(arrivals, arrivals[calls:], strict=False)]
    return calls * len(spans) / sum(spans) if spans else 0.0


def max_per_second(arrivals: Sequence[float]) -> int:
    """Return the maximum number of arrivals in any rolling second."""
    maximum = first = 0
    for last, arrival in enumerate(arrivals):
        while arrival - arrivals[first] >= 1.0:
            first += 1
        maximum = max(maximum, last - first + 1)
    return maximum


# Tables


class Table:
    """
    A Markdown table that is printed row by row, so that a long run shows its progress.

    :param headings: Heading to minimum width. The first column is left-aligned, the others are right-aligned.
    """

    def __init__(self, headings: dict[str, int]) -> None:
        self._widths = [max(width, len(heading)) for heading, width in headings.items()]
        self.row(*headings)
        print("|" + "|".join("-" * (width + 2 - bool(n)) + ":" * bool(n) for n, width in enumerate(self._widths)) + "|")

    def row(self, *cells: object) -> None:
        """Print a row."""
        texts = [str(cell) for cell in cells]
        padded = [
            text.rjust(width) if n else text.ljust(width)
            for n, (text, width) in enumerate(zip(texts, self._widths, strict=True))
        ]
        print(f"| {' | '.join(padded)} |", flush=True)
