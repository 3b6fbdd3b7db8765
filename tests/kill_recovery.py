"""
Run one task with many rows in real Airflow, kill its processes, and report what was lost, sent twice or wrong.

The report compares the sandbox's journal and state with the result files. It shares no code with the package.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import psutil

from airflow_provider_360learning.sandbox.control import SandboxControl
from demo.airflow_stack import AirflowStack
from tests.fake_object_store import PROTOCOL

DAG_ID = "many_rows"
#: The operation that creates the user of a row.
OPERATION = "createOrInviteUser"

Entry = dict[str, Any]
#: ``both`` are the task and its supervisor. The worker is the main process that started the supervisor, ``all`` are it
#: and everything that it started, as when a machine is lost, or systemd stops a service.
Victim = Literal["task", "supervisor", "both", "worker", "all"]


def address_of(attempt: int) -> str:
    """Return the address that an attempt connects from."""
    return f"127.0.1.{attempt}"


def attempt_of(entry: Entry) -> int:
    """Return the number of the attempt that sent a request."""
    return int(entry["ip"].rpartition(".")[2])


class PlannedKill(NamedTuple):
    """
    A process to kill.

    :param requests: Number of requests for rows after which it is killed.
    :param victim: The process.
    :param number: The signal.
    """

    requests: int
    victim: Victim
    number: signal.Signals = signal.SIGKILL


@dataclass(frozen=True)
class Kill:
    """
    A process that was killed.

    :param attempt: Number of the attempt.
    :param victim: Which of its processes was killed.
    :param at: Time in seconds since the epoch.
    :param task: Id of the task process, which has to exit by itself if its supervisor was killed.
    """

    attempt: int
    victim: Victim
    at: float
    task: int


@dataclass(frozen=True)
class Part:
    """A part of the results, as it was before the parts were merged."""

    written_at: float
    rows: list[int]


@dataclass
class Evidence:
    """Everything that can be observed of a run from outside."""

    mails: list[str]
    kills: list[Kill] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    journal: list[Entry] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)
    logs: str = ""


class KilledRun:
    """
    A run of the DAG ``many_rows`` whose processes are killed.

    :param stack: The Airflow that runs it.
    :param control: Control of the sandbox that it writes to.
    :param folder: An empty folder for its files.
    :param rows: Number of users to create.
    :param in_object_store: Whether rows and results are objects in a store without append, instead of local files.
    :param dag_id: The DAG, if it is not ``many_rows`` itself.
    :param kill_worker: Sends a signal to the worker that a process descends from, or to all processes of the worker.
    :param conf: More of the DAG run's conf: ``connection``, ``lease``.
    """

    def __init__(
        self,
        stack: AirflowStack,
        control: SandboxControl,
        folder: Path,
        rows: int,
        *,
        in_object_store: bool,
        dag_id: str = DAG_ID,
        kill_worker: Callable[[int, signal.Signals, bool], None] | None = None,
        **conf: Any,
    ) -> None:
        self._stack = stack
        self._dag_id = dag_id
        self._kill_worker = kill_worker
        self._control = control
        self._folder = folder
        self._suffix = ".object" if in_object_store else ""
        base = f"{PROTOCOL}:/" if in_object_store else str(folder)
        self._conf = {
            "connection": "learning360_default",
            "rows": f"{base}/files/people.csv",
            "results_path": f"{base}/files/results",
            "fake_object_store": str(folder),
            "processes": str(folder / "processes"),
            **conf,
        }
        self.evidence = Evidence([f"person-{number}@many.test" for number in range(rows)])

    def kill(self, plan: Sequence[PlannedKill], timeout: float) -> Evidence:
        """
        Run the DAG to its end and kill processes on the way.

        :param plan: The processes to kill.
        :param timeout: Maximum duration of the run in seconds.
        :raises RuntimeError: If the run does not succeed.
        """
        self._write_rows()
        deadline = time.monotonic() + timeout
        with self._watch_parts():
            run_id = self._stack.trigger(self._dag_id, self._conf)
            for planned in plan:
                self._kill_one(run_id, planned, deadline)
            state = self._stack.wait(self._dag_id, run_id, deadline - time.monotonic())
        if state != "success":
            raise RuntimeError(f"{self._dag_id} is {state}:\n{self._stack.logs(self._dag_id, run_id)[-5000:]}")
        self.evidence.logs = self._stack.logs(self._dag_id, run_id)
        self.evidence.journal = self._control.journal()
        self.evidence.state = self._control.state()
        lines = (self._folder / f"files/results/results.jsonl{self._suffix}").read_text().splitlines()
        self.evidence.results = [json.loads(line) for line in lines]
        return self.evidence

    def _write_rows(self) -> None:
        for name in ("processes", "files"):
            (self._folder / name).mkdir()
        with (self._folder / f"files/people.csv{self._suffix}").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["mail", "first_name"])
            rows.writerows((mail, f"Number {number}") for number, mail in enumerate(self.evidence.mails))

    def _kill_one(self, run_id: str, planned: PlannedKill, deadline: float) -> None:
        killed = max((kill.attempt for kill in self.evidence.kills), default=0)
        arrived = last_id = 0
        while True:
            for entry in self._control.journal(after=last_id):
                arrived, last_id = arrived + (entry["operation"] == OPERATION), entry["id"]
            processes = self._latest_processes()
            if arrived >= planned.requests and processes and processes["attempt"] > killed:
                break
            if time.monotonic() > deadline or self._stack.run_state(self._dag_id, run_id) in ("success", "failed"):
                logs = self._stack.logs(self._dag_id, run_id)
                raise RuntimeError(f"no process to kill after {planned.requests} requests:\n{logs[-5000:]}")
            time.sleep(0.05)
        self.evidence.kills.append(Kill(processes["attempt"], planned.victim, time.time(), processes["task"]))
        if planned.victim in ("worker", "all"):
            assert self._kill_worker is not None
            self._kill_worker(processes["supervisor"], planned.number, planned.victim == "all")
            return
        for process in ("supervisor", "task") if planned.victim == "both" else (planned.victim,):
            os.kill(processes[process], planned.number)

    def _latest_processes(self) -> dict[str, int]:
        files = (self._folder / "processes").glob("*.json")
        return max(
            (json.loads(file.read_text()) for file in files), key=lambda processes: processes["attempt"], default={}
        )

    @contextmanager
    def _watch_parts(self) -> Iterator[None]:
        """Record each part of the results when it is written, because the run merges and removes the parts."""
        stop = threading.Event()
        seen: set[tuple[Path, float]] = set()

        def watch() -> None:
            while not stop.wait(0.05):
                for path in (self._folder / "files/results/parts").glob(f"*/*.jsonl{self._suffix}"):
                    try:
                        found = path, path.stat().st_mtime
                        lines = path.read_text().splitlines() if found not in seen else []
                    except FileNotFoundError:
                        continue
                    if found not in seen:
                        seen.add(found)
                        self.evidence.parts.append(Part(found[1], [json.loads(line)["row"] for line in lines]))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            stop.set()
            watcher.join()


class RecoveryReport:
    """
    Violations of the guarantees of a run, found in its evidence.

    :param evidence: The evidence.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.mails = evidence.mails
        self.sent = [entry for entry in evidence.journal if entry["operation"] == OPERATION]
        self.throttled = sum(entry["status"] == 429 for entry in evidence.journal)
        self.attempts = sorted({attempt_of(entry) for entry in self.sent})

    def violations(self) -> list[str]:
        """Return one line per violated guarantee."""
        checks = {
            "users do not exist exactly once": self.users_not_created_once(),
            "users did not get exactly one email": self.users_not_mailed_once(),
            "results are missing, duplicate, out of order or incorrect": self.invalid_results(),
            "requests for rows with a stored result": self.sent_after_result(),
            "requests of an attempt after the first write of a newer one": self.sent_after_takeover(),
            "task processes outlive their supervisor": self.surviving_processes(),
        }
        return [f"{len(found)} {what}, the first: {found[0]}" for what, found in checks.items() if found]

    def users_not_created_once(self) -> list[str]:
        """Return the email addresses without exactly one user."""
        users = Counter(user["mail"] for user in self._evidence.state["users"])
        return [mail for mail in self._evidence.mails if users[mail] != 1]

    def users_not_mailed_once(self) -> list[str]:
        """Return the email addresses that did not get exactly one email."""
        received = Counter(mail["to"] for mail in self._evidence.state["mails_sent"])
        return [mail for mail in self._evidence.mails if received[mail] != 1]

    def invalid_results(self) -> list[Any]:
        """Return results that differ from the state, and unexpected outcomes and counts."""
        ids = {user["mail"]: user["id"] for user in self._evidence.state["users"]}
        expected = [(number, mail, ids.get(mail)) for number, mail in enumerate(self._evidence.mails, 1)]
        actual = [(result["row"], result["key"], result["id"]) for result in self._evidence.results]
        outcomes = {result["outcome"] for result in self._evidence.results} - {"created", "already_exists"}
        differences = [pair for pair in zip(expected, actual, strict=False) if pair[0] != pair[1]]
        count = [] if len(actual) == len(expected) else [f"{len(actual)} results"]
        return [*outcomes, *differences, *count]

    def sent_after_result(self) -> list[Entry]:
        """Return the requests for rows whose result was in a part when they arrived."""
        row_of = {mail: number for number, mail in enumerate(self._evidence.mails, 1)}
        done_at: dict[int, float] = {}
        for part in sorted(self._evidence.parts, key=lambda part: part.written_at):
            for row in part.rows:
                done_at.setdefault(row, part.written_at)
        never = float("inf")
        return [entry for entry in self.sent if entry["wall_time"] > done_at.get(row_of[entry["user"]], never)]

    def sent_after_takeover(self) -> list[Entry]:
        """Return the requests of any kind that an attempt sent after a newer one had started to write."""
        started = {attempt: self._first_write(attempt) for attempt in self.attempts}
        return [
            entry
            for entry in self._evidence.journal
            if any(entry["wall_time"] >= at for newer, at in started.items() if newer > attempt_of(entry))
        ]

    def resent_per_attempt(self) -> dict[int, int]:
        """Return the number of users per attempt for whom an earlier one had sent a request."""
        first_sent_by = {entry["user"]: attempt_of(entry) for entry in reversed(self.sent)}
        resent = Counter(attempt_of(entry) for entry in self.sent if attempt_of(entry) > first_sent_by[entry["user"]])
        return {attempt: resent[attempt] for attempt in self.attempts}

    def seconds_to_takeover(self) -> float | None:
        """Return the time from the first kill to the first write of the next attempt, if there is another attempt."""
        return self._first_write(self.attempts[1]) - self._evidence.kills[0].at if len(self.attempts) > 1 else None

    def orphan_seconds(self) -> dict[int, float]:
        """Return for how many seconds each attempt kept sending after its supervisor was killed."""
        last = {attempt_of(entry): entry["wall_time"] for entry in self._evidence.journal}
        kills = [kill for kill in self._evidence.kills if kill.victim != "task"]
        return {kill.attempt: max(0.0, last.get(kill.attempt, 0.0) - kill.at) for kill in kills}

    def surviving_processes(self) -> list[int]:
        """Return the ids of the task processes that still run."""
        return [kill.task for kill in self._evidence.kills if _is_alive(kill.task)]

    def _first_write(self, attempt: int) -> float:
        return min(entry["wall_time"] for entry in self.sent if attempt_of(entry) == attempt)


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
