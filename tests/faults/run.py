"""Run a plan in processes, kill some of them, and retry as Airflow does."""

from __future__ import annotations

import heapq
import json
import multiprocessing
import multiprocessing.connection
import os
import time
import urllib.request
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from airflow_provider_360learning.sandbox.control import SandboxControl
from airflow_provider_360learning.sandbox.demo_company import (
    API_KEY,
    COMPANY_ID,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
)
from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS
from tests.benchmarks.support import sandbox
from tests.faults.attempt import attempt
from tests.faults.evaluate import Attempt, Entry, State
from tests.faults.plan import (
    READ_TIMEOUT,
    REQUESTS_OF_AN_OUTAGE,
    RETRY_DELAY,
    SESSION,
    SESSION_NAME,
    SLOW,
    Plan,
    PlannedWrite,
    mark,
    write_of,
)

#: Multiple of the documented limits, in the sandbox and in the client, for a shorter run.
FASTER = 5
_LIMITS = {name: figure * FASTER for name, figure in DOCUMENTED_LIMITS.items()}
#: Number of concurrent attempts.
CONCURRENCY = 12
#: Maximum number of attempts per write, killed ones included.
MAX_ATTEMPTS = 8
#: Seconds between polls of the journal.
POLL_INTERVAL = 0.04
#: Maximum seconds of a run.
MAX_RUN = 480.0
#: Seconds that a token is valid on the sandbox's clock.
TOKEN_LIFE = 3600.0

#: The sandbox is on loopback, where no proxy can reach it.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_forking = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Record:
    """
    The evidence of a run.

    :param journal: The sandbox's journal.
    :param state: The sandbox's state.
    :param attempts: All attempts.
    :param kills: Number of killed processes per kind of fault.
    :param seconds: Duration of the run.
    """

    journal: Sequence[Entry]
    state: State
    attempts: list[Attempt]
    kills: Counter[str]
    seconds: float


def run(plan: Plan, folder: Path) -> Record:
    """
    Run a plan and return the evidence.

    The calling process must not have other threads, because it forks running process per attempt.

    :param plan: The plan.
    :param folder: Folder for reports and logs.
    """
    settings = {"limits": _LIMITS, "mails_of_other_companies": plan.foreign_mails, "token_life": TOKEN_LIFE}
    with sandbox(limits_enabled=False, **settings) as server:
        control = server.control
        session_id = _prepare(plan, server.url, control)
        os.environ["AIRFLOW_CONN_LEARNING360_DEFAULT"] = _connection(server.url)
        started = time.monotonic()
        runner = _Runner(plan, folder, control, session_id)
        runner.work()
        return Record(_finished(control), control.state(), runner.attempts, runner.kills, time.monotonic() - started)


@dataclass
class _Running:
    """An attempt whose process is alive."""

    write: PlannedWrite
    record: Attempt
    process: BaseProcess

    @property
    def is_due_to_be_killed(self) -> bool:
        """Return whether its time to live is over."""
        if self.write.killed_after is None or self.record.number > 1 or self.record.killed:
            return False
        return time.time() >= self.record.started + self.write.killed_after

    def kill(self) -> bool:
        """Kill it and return True, unless it has just exited."""
        if not self.process.is_alive():
            return False
        self.process.kill()
        self.record.killed = True
        return True


class _Runner:
    def __init__(self, plan: Plan, folder: Path, control: SandboxControl, session_id: str) -> None:
        self.attempts: list[Attempt] = []
        self.kills: Counter[str] = Counter()
        self._plan = plan
        self._control = control
        self._session_id = session_id
        self._folder = folder
        self._reports = _Reports(folder / "reports.jsonl")
        self._pending = deque(plan.writes)
        #: Times of the next attempts, numbers of the writes, and numbers of the attempts.
        self._retries: list[tuple[float, int, int]] = []
        self._running: dict[int, _Running] = {}
        self._last_id = 0
        self._met: Counter[int] = Counter()

    def work(self) -> None:
        """Attempt everything until it has an end."""
        deadline = time.monotonic() + MAX_RUN
        while self._pending or self._retries or self._running:
            if time.monotonic() > deadline:
                raise TimeoutError(
                    f"The run does not end; running: {[running.write for running in self._running.values()]}"
                )
            self._start_due_attempts()
            multiprocessing.connection.wait(
                [running.process.sentinel for running in self._running.values()], POLL_INTERVAL
            )
            self._kill_after_faults()
            self._kill_due_attempts()
            self._collect_ended_attempts()

    def _start_due_attempts(self) -> None:
        while len(self._running) < CONCURRENCY:
            if self._retries and self._retries[0][0] <= time.monotonic():
                _, number, count = heapq.heappop(self._retries)
                self._start(self._plan.writes[number], count)
            elif self._pending:
                write = self._pending.popleft()
                self._apply_global_faults(write.number)
                self._start(write, 1)
            else:
                break

    def _apply_global_faults(self, number: int) -> None:
        if number in self._plan.outages:
            self._control.add_fault(kind="status", status=503, count=REQUESTS_OF_AN_OUTAGE)
        match self._plan.token_ends.get(number):
            case "revoked":
                self._control.revoke_tokens()
            case "expired":
                self._control.advance(TOKEN_LIFE)

    def _start(self, write: PlannedWrite, count: int) -> None:
        arguments = {name: self._session_id if value == SESSION else value for name, value in write.arguments.items()}
        record = Attempt(write.number, count, started=time.time())
        label = {"write": write.number, "number": count}
        log = self._folder / f"{mark(write.number)}.log"
        process = _forking.Process(
            target=attempt, args=(write.operation, arguments, label, self._reports.path, log), daemon=True
        )
        process.start()
        self.attempts.append(record)
        self._running[write.number] = _Running(write, record, process)

    def _kill_after_faults(self) -> None:
        """Kill processes whose request has just met a fault that kills."""
        for entry in self._control.journal(after=self._last_id):
            self._last_id = entry["id"]
            number = write_of(entry)
            if number is None or not entry["fault"]:
                continue
            faults = self._plan.writes[number].faults[self._met[number] :]
            self._met[number] += 1
            if faults and faults[0].kills and number in self._running:
                self.kills[faults[0].name] += self._running[number].kill()

    def _kill_due_attempts(self) -> None:
        for running in self._running.values():
            if running.is_due_to_be_killed:
                self.kills["killed at any time"] += running.kill()

    def _collect_ended_attempts(self) -> None:
        for number, running in list(self._running.items()):
            if running.process.is_alive():
                continue
            running.process.join()
            del self._running[number]
            running.record.report = self._reports.of(number, running.record.number)
            if running.record.report is None and not running.record.killed:
                raise RuntimeError(f"A process exited without a report; see {self._folder / mark(number)}.log")
            if running.record.end in ("killed", "failed") and running.record.number < MAX_ATTEMPTS:
                due = time.monotonic() + RETRY_DELAY
                heapq.heappush(self._retries, (due, number, running.record.number + 1))


@dataclass
class _Reports:
    """The file of reports, read incrementally."""

    path: Path
    _known: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    _read: int = 0

    def of(self, write: int, number: int) -> dict[str, Any] | None:
        """Return the report of an attempt, if there is running."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
            self._read += len(lines)
            for line in lines.splitlines():
                report = json.loads(line)
                self._known[report["write"], report["number"]] = report["report"]
        return self._known.get((write, number))


# The sandbox


def _prepare(plan: Plan, url: str, control: SandboxControl) -> str:
    """Create the users and the session of the plan, inject its faults, and return the session's id."""
    for mail in plan.users:
        _post(f"{url}/api/v1/users", {"mail": mail, "password": "secret-1", "sendCredentials": False})
    session = {"sessionName": SESSION_NAME, "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": "2040-01-01T00:00:00Z"}
    made = _post(f"{url}/api/v1/paths/{ONBOARDING_PATH_ID}/sessions", session)
    for write in plan.writes:
        for kind in write.faults:
            control.add_fault(write.operation, mentions=mark(write.number), **(kind.fault or {}))
    for fault in plan.other_faults:
        control.add_fault(**fault)
    control.settings(limits_enabled=True)
    control.clear_journal()
    return str(made["id"])


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with _opener.open(request, timeout=30) as response:
        decoded: dict[str, Any] = json.load(response)
        return decoded


def _connection(url: str) -> str:
    extra = {"limits": _LIMITS, "read_timeout": READ_TIMEOUT}
    connection = {"conn_type": "learning360", "host": url, "login": COMPANY_ID, "password": API_KEY, "extra": extra}
    return json.dumps(connection)


def _finished(control: SandboxControl) -> Sequence[Entry]:
    """Return the journal after all requests have ended: slow responses outlive their clients."""
    deadline = time.monotonic() + 10 * SLOW
    while True:
        journal = control.journal()
        in_flight = [entry for entry in journal if not entry["status"] and entry["fault"] in (None, "delay")]
        if not in_flight or time.monotonic() > deadline:
            return journal
        time.sleep(POLL_INTERVAL)
