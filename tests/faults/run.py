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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from airflow_provider_360learning.sandbox.control import SandboxControl
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_MAIL,
    API_KEY,
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY_ID,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
)
from airflow_provider_360learning.sandbox.v1 import version as v1
from airflow_provider_360learning.sandbox.v2 import version as v2
from tests.benchmarks.support import sandbox
from tests.faults.attempt import attempt
from tests.faults.evaluate import Attempt, Entry, State
from tests.faults.plan import (
    CATALOG,
    OPERATIONS,
    PLATFORM,
    READ_TIMEOUT,
    REQUESTS_OF_AN_OUTAGE,
    RESULTS,
    RETRY_DELAY,
    SESSION,
    SESSION_NAME,
    SLOW,
    TOTAL_TIMEOUT,
    Plan,
    PlannedWrite,
    mark,
    objects_of,
    write_of,
)

#: Multiple of the documented limits, in the sandbox and in the client, for a shorter run.
FASTER = 5
_LIMITS = {
    name: {limit: figure * FASTER for limit, figure in limits.items()}
    for name, limits in (("v1", v1.DOCUMENTED_LIMITS), ("v2", v2.DOCUMENTED_LIMITS))
}
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

#: Operations of API v2 whose requests contain ids alone.
_WITHOUT_MARK = frozenset({"addUserRoleToGroup", "updateSessionAudience", "addContentsToGroupsCatalog"})

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
    settings = {
        "limits": _LIMITS[plan.version],
        "mails_of_other_companies": plan.foreign_mails,
        "token_life": TOKEN_LIFE,
    }
    with sandbox(limits_enabled=False, **settings) as server:
        control = server.control
        ids = _prepare(plan, server.url, control)
        ids |= {f"{RESULTS} {mark(each.number)}": str(folder / RESULTS / mark(each.number)) for each in plan.writes}
        os.environ["AIRFLOW_CONN_LEARNING360_DEFAULT"] = _connection(server.url, plan.version)
        started = time.monotonic()
        runner = _Runner(plan, folder, control, ids, objects_of(control.state()))
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
    def __init__(
        self,
        plan: Plan,
        folder: Path,
        control: SandboxControl,
        ids: Mapping[str, str],
        objects: Mapping[str, int],
    ) -> None:
        self.attempts: list[Attempt] = []
        self.kills: Counter[str] = Counter()
        self._plan = plan
        self._control = control
        self._ids = ids
        self._objects = objects
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
        arguments = {
            name: self._ids.get(value, value) if isinstance(value, str) else value
            for name, value in write.arguments.items()
        }
        action = OPERATIONS[self._plan.version][write.operation].action
        record = Attempt(write.number, count, started=time.time())
        label = {"write": write.number, "number": count}
        log = self._folder / f"{mark(write.number)}.log"
        process = _forking.Process(
            target=attempt, args=(action, arguments, label, self._reports.path, log), daemon=True
        )
        process.start()
        self.attempts.append(record)
        self._running[write.number] = _Running(write, record, process)

    def _kill_after_faults(self) -> None:
        """Kill processes whose request has just met a fault that kills."""
        for entry in self._control.journal(after=self._last_id):
            self._last_id = entry["id"]
            number = write_of(entry, self._objects)
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


def _prepare(plan: Plan, url: str, control: SandboxControl) -> dict[str, str]:
    """Create users, groups and the session of the plan, inject its faults, and return ids by placeholder."""
    for mail in plan.users:
        _post(f"{url}/api/v1/users", {"mail": mail, "password": "secret-1", "sendCredentials": False})
    session = {"sessionName": SESSION_NAME, "sessionOwnerGroup": ROOT_GROUP_ID, "startDate": "2040-01-01T00:00:00Z"}
    made = _post(f"{url}/api/v1/paths/{ONBOARDING_PATH_ID}/sessions", session)
    control.change_session(made["id"], has_audience_builder=True)
    ids = {SESSION: str(made["id"])}
    for number in plan.numbers_of("add_to_catalog"):
        name = f"{CATALOG} {mark(number)}"
        group = {"name": name, "parent": ROOT_GROUP_ID, "public": False}
        ids[name] = str(_post(f"{url}/api/v1/groups", group)["id"])
    if numbers := plan.numbers_of("import_statistics"):
        _prepare_courses(url, control, numbers)
    first_objects: dict[int, str] = {}
    for id, number in objects_of(control.state()).items():
        first_objects.setdefault(number, id)
    for write in plan.writes:
        # A request of API v2 contains the id of its object, where it has no email address or name.
        text = first_objects.get(write.number) if write.operation in _WITHOUT_MARK else None
        for kind in write.faults:
            control.add_fault(write.operation, mentions=text or mark(write.number), **(kind.fault or {}))
    for fault in plan.other_faults:
        control.add_fault(**fault)
    control.settings(limits_enabled=True)
    control.clear_journal()
    return ids


def _prepare_courses(url: str, control: SandboxControl, numbers: Sequence[int]) -> None:
    """Create an integration with a platform, and one external course per write."""
    (author,) = [user["id"] for user in control.state()["users"] if user["mail"] == ADMIN_MAIL]
    credentials = {"grant_type": "client_credentials", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    token = _post(f"{url}/api/v2/oauth2/token", credentials)["access_token"]
    integration = {"externalPlatform": PLATFORM, "authorId": author, "groupId": ROOT_GROUP_ID}
    headers = {"Authorization": f"Bearer {token}", "360-api-version": "v2.0"}
    _post(f"{url}/api/v2/integrations", integration, headers)
    courses = [
        {"externalId": mark(number), "title": "Course", "launchUrl": "https://a.test", "language": "en"}
        for number in numbers
    ]
    place = f"groups/{ROOT_GROUP_ID}/externalPlatforms/{PLATFORM}"
    _post(f"{url}/api/v1/externalContents/{place}/courses", {"authorId": author, "externalCourses": courses})


def _post(url: str, body: dict[str, Any], headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    headers = {"Content-Type": "application/json", **(headers or {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY})}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with _opener.open(request, timeout=30) as response:
        decoded: dict[str, Any] = json.load(response)
        return decoded


def _connection(url: str, version: str) -> str:
    timeouts = {"read_timeout": READ_TIMEOUT, "total_timeout": TOTAL_TIMEOUT}
    extra: dict[str, Any] = {"limits": _LIMITS[version], "api_version": version, **timeouts}
    login, password = COMPANY_ID, API_KEY
    if version == "v2":
        login, password = CLIENT_ID, CLIENT_SECRET
        extra["company_id"] = COMPANY_ID
    connection = {"conn_type": "learning360", "host": url, "login": login, "password": password, "extra": extra}
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
