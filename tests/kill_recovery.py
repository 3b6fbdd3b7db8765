"""
Many rows in one task of a real Airflow whose processes are killed, and a judge of what came of it.

The judge knows the sandbox's journal and state and the files of the results; it shares no code with the package.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from airflow_provider_360learning.sandbox.control import SandboxControl
from demo.airflow_stack import AirflowStack
from tests.fake_object_store import PROTOCOL

DAG_ID = "many_rows"
#: What sends a row.
OPERATION = "createOrInviteUser"

Entry = dict[str, Any]
Victim = Literal["task", "supervisor"]


def address_of(attempt: int) -> str:
    """Give the address that an attempt leaves from."""
    return f"127.0.1.{attempt}"


def attempt_of(entry: Entry) -> int:
    """Tell which attempt sent a request."""
    return int(entry["ip"].rpartition(".")[2])


@dataclass(frozen=True)
class Kill:
    """
    A process that was killed.

    :param at: Seconds since the epoch.
    :param task: The attempt's task process; where the supervisor was killed, it has to end by itself.
    """

    attempt: int
    victim: Victim
    at: float
    task: int


@dataclass(frozen=True)
class Part:
    """A part of the results, as it lay there before it was merged."""

    written_at: float
    rows: list[int]


@dataclass
class Evidence:
    """All that is known of a run from outside."""

    mails: list[str]
    kills: list[Kill] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    journal: list[Entry] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)
    results: list[dict[str, Any]] = field(default_factory=list)


class KilledRun:
    """
    A run of the DAG ``many_rows``, from its start to its end.

    :param stack: The Airflow that runs it.
    :param control: The sandbox that it writes to.
    :param folder: An empty folder for its files.
    :param rows: How many people to create.
    :param on_shelf: Whether rows and results are objects in a store without append, instead of local files.
    :param conf: More for the DAG: ``connection``, ``lease``.
    """

    def __init__(
        self, stack: AirflowStack, control: SandboxControl, folder: Path, rows: int, *, on_shelf: bool, **conf: Any
    ) -> None:
        self._stack = stack
        self._control = control
        self._folder = folder
        self._suffix = ".object" if on_shelf else ""
        place = f"{PROTOCOL}:/" if on_shelf else str(folder)
        self._conf = {
            "connection": "learning360_default",
            "rows": f"{place}/files/people.csv",
            "results_path": f"{place}/files/results",
            "fake_object_store": str(folder),
            "notes": str(folder / "notes"),
            **conf,
        }
        self.evidence = Evidence([f"person-{number}@many.test" for number in range(rows)])

    def kill(self, plan: Sequence[tuple[int, Victim]], timeout: float) -> Evidence:
        """
        Run it to its end, killing a process whenever so many requests have arrived.

        :param plan: Numbers of requests that create somebody, and whom to kill then.
        :param timeout: Seconds for the whole run.
        """
        self._write_people()
        deadline = time.monotonic() + timeout
        with self._watching_parts():
            run_id = self._stack.trigger(DAG_ID, self._conf)
            for requests, victim in plan:
                self._kill_one(run_id, requests, victim, deadline)
            state = self._stack.wait(DAG_ID, run_id, deadline - time.monotonic())
        if state != "success":
            raise RuntimeError(f"{DAG_ID} is {state}:\n{self._stack.logs(DAG_ID, run_id)[-5000:]}")
        self.evidence.journal = self._control.journal()
        self.evidence.state = self._control.state()
        lines = (self._folder / f"files/results/results.jsonl{self._suffix}").read_text().splitlines()
        self.evidence.results = [json.loads(line) for line in lines]
        return self.evidence

    def _write_people(self) -> None:
        for name in ("notes", "files"):
            (self._folder / name).mkdir()
        with (self._folder / f"files/people.csv{self._suffix}").open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["mail", "first_name"])
            rows.writerows((mail, f"Number {number}") for number, mail in enumerate(self.evidence.mails))

    def _kill_one(self, run_id: str, requests: int, victim: Victim, deadline: float) -> None:
        killed = max((kill.attempt for kill in self.evidence.kills), default=0)
        arrived = last_id = 0
        while True:
            for entry in self._control.journal(after=last_id):
                arrived, last_id = arrived + (entry["operation"] == OPERATION), entry["id"]
            note = self._last_note()
            if arrived >= requests and note and note["attempt"] > killed:
                break
            if time.monotonic() > deadline or self._stack.run_state(DAG_ID, run_id) in ("success", "failed"):
                raise RuntimeError(f"nobody to kill after {requests} requests:\n{self._stack.logs(DAG_ID)[-5000:]}")
            time.sleep(0.05)
        os.kill(note[victim], signal.SIGKILL)
        self.evidence.kills.append(Kill(note["attempt"], victim, time.time(), note["task"]))

    def _last_note(self) -> dict[str, int]:
        notes = [json.loads(note.read_text()) for note in (self._folder / "notes").glob("*.json")]
        return max(notes, key=lambda note: note["attempt"], default={})

    @contextmanager
    def _watching_parts(self) -> Iterator[None]:
        """Note, meanwhile, each part that is written: in the end, they are merged and removed."""
        over = threading.Event()
        seen: set[tuple[Path, float]] = set()

        def watch() -> None:
            while not over.wait(0.05):
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
            over.set()
            watcher.join()


class CompletionStatus:
    """
    What the evidence says.

    :param evidence: The evidence.
    """

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self.sent = [entry for entry in evidence.journal if entry["operation"] == OPERATION]
        #: How many of them arrived for each person.
        self.times_sent = Counter(entry["user"] for entry in self.sent if entry["status"] != 429)
        self.refused = sum(entry["status"] == 429 for entry in evidence.journal)
        self.attempts = sorted({attempt_of(entry) for entry in self.sent})

    def wrong(self) -> list[str]:
        """Name everything that must not be."""
        checks = {
            "people are not there exactly once": self.people_wrong(),
            "people did not get exactly one mail": self.mails_wrong(),
            "results are missing, twice, not in order or not true": self.results_wrong(),
            "requests for rows that were done": self.sent_when_done(),
            "requests of an attempt after the first write of a newer one": self.sent_beside_newer(),
            "processes that live on after their supervisor": self.alive(),
        }
        return [f"{len(found)} {what}, the first: {found[0]}" for what, found in checks.items() if found]

    def people_wrong(self) -> list[str]:
        there = Counter(user["mail"] for user in self._evidence.state["users"])
        return [mail for mail in self._evidence.mails if there[mail] != 1]

    def mails_wrong(self) -> list[str]:
        got = Counter(mail["to"] for mail in self._evidence.state["mails_sent"])
        return [mail for mail in self._evidence.mails if got[mail] != 1]

    def results_wrong(self) -> list[Any]:
        ids = {user["mail"]: user["id"] for user in self._evidence.state["users"]}
        expected = [(number, mail, ids.get(mail)) for number, mail in enumerate(self._evidence.mails, 1)]
        told = [(result["row"], result["key"], result["id"]) for result in self._evidence.results]
        outcomes = {result["outcome"] for result in self._evidence.results} - {"created", "already_exists"}
        return [*outcomes, *[pair for pair in zip(expected, told, strict=False) if pair[0] != pair[1]]] + (
            [] if len(told) == len(expected) else [f"{len(told)} results"]
        )

    def sent_when_done(self) -> list[Entry]:
        """List the requests for rows whose result was in a part when they arrived."""
        number_of = {mail: number for number, mail in enumerate(self._evidence.mails, 1)}
        done_at: dict[int, float] = {}
        for part in sorted(self._evidence.parts, key=lambda part: part.written_at):
            for row in part.rows:
                done_at.setdefault(row, part.written_at)
        never = float("inf")
        return [entry for entry in self.sent if entry["wall_time"] > done_at.get(number_of[entry["user"]], never)]

    def sent_beside_newer(self) -> list[Entry]:
        """List the requests of any kind that an attempt sent after a newer one had sent_up_to to write."""
        began = {attempt: self._first_write(attempt) for attempt in self.attempts}
        return [
            entry
            for entry in self._evidence.journal
            if any(entry["wall_time"] >= at for newer, at in began.items() if newer > attempt_of(entry))
        ]

    def sent_again(self) -> dict[int, int]:
        """Count for each attempt the people for whom an earlier one had sent a request."""
        first_sent_by = {entry["user"]: attempt_of(entry) for entry in reversed(self.sent)}
        again = Counter(attempt_of(entry) for entry in self.sent if attempt_of(entry) > first_sent_by[entry["user"]])
        return {attempt: again[attempt] for attempt in self.attempts}

    def sent_by_orphans(self) -> dict[int, float]:
        """Tell for how many seconds attempts whose supervisor was killed went on to send."""
        last = {attempt_of(entry): entry["wall_time"] for entry in self._evidence.journal}
        kills = [kill for kill in self._evidence.kills if kill.victim == "supervisor"]
        return {kill.attempt: max(0.0, last.get(kill.attempt, 0.0) - kill.at) for kill in kills}

    def alive(self) -> list[int]:
        """List the task processes that are still there."""
        return [kill.task for kill in self._evidence.kills if _is_alive(kill.task)]

    def _first_write(self, attempt: int) -> float:
        return min(entry["wall_time"] for entry in self.sent if attempt_of(entry) == attempt)


def _is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
