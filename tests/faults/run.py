"""Handing a plan out to processes that run the operators, killing some of them, and trying again as Airflow does."""

from __future__ import annotations

import heapq
import json
import multiprocessing
import multiprocessing.connection
import os
import time
import urllib.request
from collections import Counter, deque
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

from .attempt import attempt
from .judge import Entry, State, Try
from .plan import (
    READ_TIMEOUT,
    REQUESTS_OF_AN_OUTAGE,
    RETRY_DELAY,
    SESSION,
    SESSION_NAME,
    SLOW,
    Piece,
    Plan,
    mark,
    piece_of,
)

#: The vendor's limits times this, for the sandbox and for the client: the run is about faults, not about pace.
FASTER = 5
_LIMITS = {name: figure * FASTER for name, figure in DOCUMENTED_LIMITS.items()}
#: How many tries are under way at once.
AT_ONCE = 12
#: How often a piece of work is tried, killed tries included.
TRIES = 8
#: How often the harness looks around, in seconds.
GLANCE = 0.04
#: A run that takes longer hangs, in seconds.
MAX_RUN = 480.0
#: Moves the sandbox's clock past the end of every token.
TOKEN_LIFE = 3600.0

#: The sandbox is on loopback: never through a proxy.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
_forking = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class Record:
    """What there is to judge after a run.

    :param journal: The sandbox's journal.
    :param state: The sandbox's state.
    :param tries: All tries.
    :param kills: How many processes were killed, by what their request was meeting.
    :param seconds: How long the run took.
    """

    journal: list[Entry]
    state: State
    tries: list[Try]
    kills: Counter[str]
    seconds: float


def run(plan: Plan, folder: Path) -> Record:
    """Do all that a plan says.

    The calling process must have no other threads: it forks one process for each try.

    :param plan: The plan.
    :param folder: StoragePath to keep reports and logs.
    """
    settings = {"limits": _LIMITS, "mails_of_other_companies": plan.taken_mails, "token_life": TOKEN_LIFE}
    with sandbox(limits_enabled=False, **settings) as server:
        control = server.control
        session_id = _prepare(plan, server.url, control)
        os.environ["AIRFLOW_CONN_LEARNING360_DEFAULT"] = _connection(server.url)
        began = time.monotonic()
        runner = _Runner(plan, folder, control, session_id)
        runner.work()
        return Record(_finished(control), control.state(), runner.tries, runner.kills, time.monotonic() - began)


@dataclass
class _Running:
    """A try whose process is alive."""

    piece: Piece
    record: Try
    process: BaseProcess

    @property
    def is_due_to_be_killed(self) -> bool:
        """Whether it has had all the time that it gets."""
        if self.piece.killed_after is None or self.record.number > 1 or self.record.killed:
            return False
        return time.time() >= self.record.began + self.piece.killed_after

    def kill(self) -> bool:
        """Kill it, unless it has just ended by itself."""
        if not self.process.is_alive():
            return False
        self.process.kill()
        self.record.killed = True
        return True


class _Runner:
    def __init__(self, plan: Plan, folder: Path, control: SandboxControl, session_id: str) -> None:
        self.tries: list[Try] = []
        self.kills: Counter[str] = Counter()
        self._plan = plan
        self._control = control
        self._session_id = session_id
        self._folder = folder
        self._reports = _Reports(folder / "reports.jsonl")
        self._untried = deque(plan.pieces)
        #: When a piece may be tried again, its number, and the number of the try.
        self._again: list[tuple[float, int, int]] = []
        self._running: dict[int, _Running] = {}
        self._seen = 0
        self._met: Counter[int] = Counter()

    def work(self) -> None:
        """Try everything until it has an end."""
        deadline = time.monotonic() + MAX_RUN
        while self._untried or self._again or self._running:
            if time.monotonic() > deadline:
                raise TimeoutError(f"The run hangs at {[one.piece for one in self._running.values()]}")
            self._start_what_is_due()
            multiprocessing.connection.wait([one.process.sentinel for one in self._running.values()], GLANCE)
            self._look_into_journal()
            self._kill_what_is_due()
            self._take_in_what_ended()

    def _start_what_is_due(self) -> None:
        while len(self._running) < AT_ONCE:
            if self._again and self._again[0][0] <= time.monotonic():
                _, number, count = heapq.heappop(self._again)
                self._start(self._plan.pieces[number], count)
            elif self._untried:
                piece = self._untried.popleft()
                self._trouble_everybody(piece.number)
                self._start(piece, 1)
            else:
                break

    def _trouble_everybody(self, number: int) -> None:
        if number in self._plan.outages:
            self._control.add_fault(kind="status", status=503, count=REQUESTS_OF_AN_OUTAGE)
        match self._plan.token_ends.get(number):
            case "revoked":
                self._control.revoke_tokens()
            case "expired":
                self._control.advance(TOKEN_LIFE)

    def _start(self, piece: Piece, count: int) -> None:
        arguments = {name: self._session_id if value == SESSION else value for name, value in piece.arguments.items()}
        record = Try(piece.number, count, began=time.time())
        label = {"piece": piece.number, "number": count}
        log = self._folder / f"{mark(piece.number)}.log"
        process = _forking.Process(
            target=attempt, args=(piece.operation, arguments, label, self._reports.path, log), daemon=True
        )
        process.start()
        self.tries.append(record)
        self._running[piece.number] = _Running(piece, record, process)

    def _look_into_journal(self) -> None:
        """Kill who is to be killed as soon as a request has met its fault."""
        for entry in self._control.journal(after=self._seen):
            self._seen = entry["id"]
            number = piece_of(entry)
            if number is None or not entry["fault"]:
                continue
            troubles = self._plan.pieces[number].troubles[self._met[number] :]
            self._met[number] += 1
            if troubles and troubles[0].kills and number in self._running:
                self.kills[troubles[0].name] += self._running[number].kill()

    def _kill_what_is_due(self) -> None:
        for one in self._running.values():
            if one.is_due_to_be_killed:
                self.kills["killed at any moment"] += one.kill()

    def _take_in_what_ended(self) -> None:
        for number, one in list(self._running.items()):
            if one.process.is_alive():
                continue
            one.process.join()
            del self._running[number]
            one.record.report = self._reports.of(number, one.record.number)
            if one.record.report is None and not one.record.killed:
                raise RuntimeError(f"A process died by itself; see {self._folder / mark(number)}.log")
            if one.record.end in ("killed", "failed") and one.record.number < TRIES:
                due = time.monotonic() + RETRY_DELAY
                heapq.heappush(self._again, (due, number, one.record.number + 1))


@dataclass
class _Reports:
    """The file that the processes report to, read as it grows."""

    path: Path
    _known: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    _read: int = 0

    def of(self, piece: int, number: int) -> dict[str, Any] | None:
        """Return what a try reported, if it came to that."""
        if self.path.exists():
            with self.path.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
            self._read += len(lines)
            for line in lines.splitlines():
                told = json.loads(line)
                self._known[told["piece"], told["number"]] = told["report"]
        return self._known.get((piece, number))


# The sandbox


def _prepare(plan: Plan, url: str, control: SandboxControl) -> str:
    """Make the people and the session that the plan needs, ask for its faults, and return the session's id."""
    for mail in plan.people:
        _post(f"{url}/api/v1/users", {"mail": mail, "password": "secret-1", "sendCredentials": False})
    session = {"sessionName": SESSION_NAME, "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": "2040-01-01T00:00:00Z"}
    made = _post(f"{url}/api/v1/paths/{ONBOARDING_PATH_ID}/sessions", session)
    for piece in plan.pieces:
        for kind in piece.troubles:
            control.add_fault(piece.operation, mentions=mark(piece.number), **(kind.fault or {}))
    for fault in plan.elsewhere:
        control.add_fault(**fault)
    control.settings(limits_enabled=True)
    control.clear_journal()
    return str(made["id"])


def _post(url: str, body: dict[str, Any]) -> dict[str, Any]:
    headers = {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with _opener.open(request, timeout=30) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


def _connection(url: str) -> str:
    extra = {"limits": _LIMITS, "read_timeout": READ_TIMEOUT}
    connection = {"conn_type": "learning360", "host": url, "login": COMPANY_ID, "password": API_KEY, "extra": extra}
    return json.dumps(connection)


def _finished(control: SandboxControl) -> list[Entry]:
    """Return the journal when nothing is under way any more: slow answers go on after their clients."""
    deadline = time.monotonic() + 10 * SLOW
    while True:
        journal = control.journal()
        under_way = [entry for entry in journal if not entry["status"] and entry["fault"] in (None, "delay")]
        if not under_way or time.monotonic() > deadline:
            return journal
        time.sleep(GLANCE)
