"""
Measure tasks with many rows: killed at random times, with high latency, with faults, and through bulk jobs.

``python -m tests.benchmarks.bulk``; ``--only kills``, ``updates``, ``statistics`` or ``jobs`` runs one part. Each row
of a table has its own sandbox. All figures come from its journal and state and from the result files.
"""

from __future__ import annotations

import contextlib
import csv
import json
import multiprocessing
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import accumulate, islice, product
from pathlib import Path
from typing import Any

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    API_KEY,
    CLIENT_ID,
    CLIENT_SECRET,
    COMPANY_ID,
    ROOT_GROUP_ID,
)
from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS
from demo.airflow_stack import AirflowStack
from tests.airflow.conftest import DAGS, EARLY_DETECTION
from tests.benchmarks.at_the_limit import unlimited_api
from tests.benchmarks.support import (
    Entry,
    Server,
    Table,
    arguments,
    arrival_times,
    counted,
    in_processes,
    passed,
    rate,
    sandbox,
)
from tests.kill_recovery import KilledRun, PlannedKill, RecoveryReport, Victim

ROOT = Path(__file__).parents[2]
#: Multiple of the documented limits, in the sandbox and in the connection, for the parts with many rows.
FASTER = 10


def main() -> None:
    """Print the tables and exit with 1 after any violation."""
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=PARTS, help="only this part")
    parser.add_argument("--seed", type=int, default=360, help="seed of the random times")
    options = parser.parse_args()
    violations: list[str] = []
    for name in [options.only] if options.only else PARTS:
        print(flush=True)
        violations += PARTS[name](options.quick, random.Random(options.seed))
    for violation in violations:
        print(f"\nVIOLATION: {violation}")
    sys.exit(bool(violations))


def faster() -> dict[str, int]:
    """Return the sandbox's limits times :data:`FASTER`."""
    return {name: FASTER * calls for name, calls in DOCUMENTED_LIMITS.items()}


def connection(server: Server, *, limits: bool) -> str:
    """Return an Airflow connection to a sandbox, optionally with the higher limits."""
    fields = json.loads(server.connection)
    if limits:
        fields["extra"]["limits"] = {name: FASTER * limit.requests for name, limit in API_V1.limits.items()}
    return json.dumps(fields)


# Killed at random times


def kills(quick: bool, dice: random.Random) -> Iterator[str]:
    """Create users while five processes are killed, with results in files and in an object store."""
    rows = 300 if quick else 3000
    print(f"{rows:,} creations in one task of Airflow {version('apache-airflow')}, limits times {FASTER}.\n")
    table = Table(
        {"Results on": 12, "killed": 72, "attempts": 8, "requests": 8, "sent again": 10, "for done rows": 13}
        | {
            "during a newer attempt": 22,
            "sent by orphans": 15,
            "missing or twice": 16,
            "results": 7,
            "429s": 4,
            "min": 4,
        }
    )
    for name, in_object_store in (("local files", False), ("object store", True)):
        victims: list[Victim] = ["supervisor", "task"] if in_object_store else ["task", "supervisor"]
        times = sorted(dice.sample(range(1, rows), 5))
        plan = [PlannedKill(requests, victims[n % 2]) for n, requests in enumerate(times)]
        started = time.monotonic()
        with killed_run(rows, in_object_store) as run:
            evidence = run.kill(plan, timeout=1500)
            report = RecoveryReport(evidence)
            violations = report.violations()
        first = min(entry["wall_time"] for entry in evidence.journal)
        table.row(
            *(name, ", ".join(f"{kill.victim} {kill.at - first:.0f} s" for kill in evidence.kills)),
            *(len(report.attempts), len(report.sent), " + ".join(map(str, report.resent_per_attempt().values()))),
            *(len(report.sent_after_result()), len(report.sent_after_takeover())),
            f"{max(report.orphan_seconds().values()):.2f} s",
            len(report.users_not_created_once() + report.users_not_mailed_once()),
            *(len(evidence.results), report.throttled, f"{(time.monotonic() - started) / 60:.1f}"),
        )
        yield from (f"{name}: {violation}" for violation in violations)


@contextlib.contextmanager
def killed_run(rows: int, in_object_store: bool) -> Iterator[KilledRun]:
    """Start a sandbox and an Airflow that detects killed processes early, and prepare a run in them."""
    with (
        sandbox(limits=faster(), delay_before_ms=50, delay_after_ms=50) as server,
        tempfile.TemporaryDirectory() as base,
    ):
        folder = Path(base) / "run"
        folder.mkdir()
        env = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": connection(server, limits=True),
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(Path(base) / "rate-limiter"),
            "PYTHONPATH": str(ROOT),
            **EARLY_DETECTION,
        }
        with AirflowStack(Path(base) / "airflow", DAGS, env) as stack:
            yield KilledRun(stack, server.control, folder, rows, in_object_store=in_object_store)


# Worker processes


@dataclass(frozen=True)
class Plan:
    """The work of one process."""

    url: str
    connection: str
    folder: str
    file: str
    resend: bool = False

    def prepare(self) -> None:
        """Configure a new process, before it imports Airflow."""
        os.environ |= {
            "AIRFLOW_HOME": self.folder,
            "AIRFLOW_CONN_LEARNING360_DEFAULT": self.connection,
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": self.folder,
            "AIRFLOW__LEARNING360__RATE_LIMITER": "host",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }


def write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    """Write a CSV file."""
    with file.open("w", newline="") as text:
        writer = csv.DictWriter(text, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def create_users(server: Server, count: int) -> list[str]:
    """Create this number of users and return their email addresses."""
    api = unlimited_api(server.url)
    people = [f"person-{number}@many.test" for number in range(count)]
    for mail in people:
        api.create_user(mail=mail, mode="create_active")
    return people


# High latency

#: The limit that updates reach first.
UPDATES_LIMIT = "company_writes"
LATENCY = {"delay_before_ms": 200, "delay_after_ms": 200}
#: Minimum share of the limit, without a 429.
AIM = 0.94


def updates(quick: bool, dice: random.Random) -> Iterator[str]:
    """Update users with 400 ms of latency: with the operator, with the same file again, and in a loop."""
    rows, calls = 60 if quick else 300, API_V1.limits[UPDATES_LIMIT].requests
    print(f"{rows} updates with 400 ms of latency; the limit is {calls} per second.\n")
    table = Table(
        {"By": 44, "writes": 6, "reads": 5, "429s": 4, "seconds": 7, "first to last": 13, "without the first burst": 23}
    )
    with ThreadPoolExecutor() as pool:  # they mostly sleep
        journals = [each for found in pool.map(lambda ways: measure(ways, rows), WAYS) for each in found.items()]
    for name, journal in journals:
        sent = counted(journal, UPDATES_LIMIT)
        arrivals, throttled = arrival_times(sent), len(sent) - len(passed(sent))
        seconds = arrivals[-1] - arrivals[0] if sent else 0
        shares = [(len(sent) - 1) / seconds / calls if sent else 0, rate(arrivals, calls) / calls]
        table.row(
            *(name, len(sent), len(counted(journal, "company_reads")), throttled, f"{seconds:.1f}"),
            *(f"{share:.1%}" for share in shares),
        )
        if name == OURS and (len(sent) != rows or throttled or min(shares) < AIM):
            yield f"updates: {len(sent)} requests for {rows} rows, {throttled} throttled, {min(shares):.1%} of limit"
        if name == AGAIN and sent:
            yield f"updates: {len(sent)} writes for the same file again"
    print(f"\nAim: {AIM:.0%} of the limit and no 429; with the same file again, no write.")


def measure(ways: Mapping[str, Callable[[Plan], None]], rows: int) -> dict[str, list[Entry]]:
    """Update in each way, one after the other, and return the sandbox's journals."""
    journals = {}
    with sandbox(limits_enabled=False) as server, tempfile.TemporaryDirectory() as folder:
        people = create_users(server, rows)
        file = Path(folder) / "people.csv"
        write_rows(file, [{"user": mail, "job": f"Rear Admiral {number}"} for number, mail in enumerate(people)])
        server.control.settings(limits_enabled=True, **LATENCY)
        for name, way in ways.items():
            server.control.clear_journal()
            in_processes(way, [Plan(server.url, server.connection, folder, str(file))])
            journals[name] = server.control.journal()
    return journals


def update_by_operator(plan: Plan) -> None:
    """Execute the operator as a task does."""
    plan.prepare()
    from airflow_provider_360learning.operators.bulk import Learning360BulkOperator

    Learning360BulkOperator(
        task_id="update", action="update_user", rows=plan.file, results_path=f"{plan.folder}/results"
    ).execute({})


def update_in_a_loop(plan: Plan) -> None:
    """Send one request after the other."""
    import requests

    session = requests.Session()
    session.trust_env = False
    session.headers.update({"X-company-id": COMPANY_ID, "X-apiKey": API_KEY})
    with open(plan.file, newline="") as file:
        for row in csv.DictReader(file):
            url = f"{plan.url}/api/v1/users/{row['user']}"
            session.put(url, json={"job": row["job"]}, timeout=30).raise_for_status()


OURS, AGAIN = "Learning360BulkOperator", "Learning360BulkOperator, same file again"
#: Ways in the same dictionary share a sandbox.
WAYS: list[dict[str, Callable[[Plan], None]]] = [
    {OURS: update_by_operator, AGAIN: update_by_operator},
    {"requests, sequentially": update_in_a_loop},
]


# Faults

STATISTICS_LIMIT = "importExternalCoursesStats"
ROWS_PER_REQUEST = 20
PLATFORM = "provider"
COURSES, LEARNERS = 50, 200
LATENCY_OF_STATISTICS = 100
#: Injected in this order.
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 503, "when": "before"},
    {"kind": "drop_after"},
    {"kind": "rate_limited", "retry_after": 1},
    {"kind": "status", "status": 503, "when": "after"},
    {"kind": "drop_before"},
    {"kind": "garbage"},
]
#: Requests per fault. Each fault occurs at least once.
REQUESTS_PER_FAULT = 20


@dataclass(frozen=True)
class Import:
    """
    One way to import statistics.

    :param rows: Number of rows.
    :param times: Multiple of the documented limits.
    :param resend: Whether unconfirmed rows are sent again.
    :param repeated: What the sandbox does with a statistic that is sent twice.
    :param faults: Whether faults are injected.
    """

    rows: int
    times: int = 1
    resend: bool = False
    repeated: str = "update"
    faults: bool = True


def statistics(quick: bool, dice: random.Random) -> Iterator[str]:
    """Import statistics of other platforms with faults and check each row."""
    limit = API_V1.limits[STATISTICS_LIMIT].requests
    many, few = (1000, 200) if quick else (10_000, 600)
    print(f"Statistics of other platforms, {ROWS_PER_REQUEST} per request, {LATENCY_OF_STATISTICS} ms of latency.\n")
    ways = [
        Import(few, faults=False),
        Import(few),
        Import(few, resend=True),
        Import(many, FASTER, faults=False),
        Import(many, FASTER),
        Import(many, FASTER, resend=True),
        Import(many, FASTER, resend=True, repeated="new_attempt"),
    ]
    table = Table(
        {"Rows": 6, "limits": 8, "unconfirmed": 11, "sent twice": 11, "requests": 8, "faults": 6, "imported": 8}
        | {
            "unknown": 7,
            "of them applied": 15,
            "applied twice": 13,
            "violations": 10,
            "429s": 4,
            "rows per second": 15,
            "of the limit": 12,
        }
    )
    with ThreadPoolExecutor(len(ways) // 2) as pool:
        for way, report in zip(ways, pool.map(import_statistics, ways), strict=True):
            table.row(
                *(way.rows, f"times {way.times}", "sent again" if way.resend else "reported"),
                *(way.repeated.replace("_", " "), len(report.sent), sum(bool(one["fault"]) for one in report.sent)),
                *(report.outcomes["imported"], report.outcomes["unknown"], report.applied_though_unknown),
                *(report.applied_twice, len(report.violations), len(report.sent) - len(passed(report.sent))),
                f"{report.rows_per_second:.1f}",
                f"{report.rows_per_second / (ROWS_PER_REQUEST * limit * way.times):.1%}",
            )
            yield from (f"{way}: {violation}" for violation in report.violations[:5])


def import_statistics(way: Import) -> ImportReport:
    """Import statistics in one way and return the report."""
    with (
        sandbox(limits_enabled=False, repeated_statistics=way.repeated) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        rows = generate_statistics(create_users(server, LEARNERS), way.rows)
        write_rows(Path(folder) / "statistics.csv", rows)
        write_rows(Path(folder) / "courses.csv", generate_courses())
        plan = Plan(
            server.url, connection(server, limits=way.times > 1), folder, f"{folder}/statistics.csv", way.resend
        )
        in_processes(import_courses_by_operator, [plan])
        server.control.clear_journal()
        latency = dict.fromkeys(("delay_before_ms", "delay_after_ms"), LATENCY_OF_STATISTICS / 2)
        server.control.settings(limits_enabled=True, limits=faster() if way.times > 1 else {}, **latency)
        for after, fault in faults(way):
            server.control.add_fault(STATISTICS_LIMIT, after=after, **fault)
        in_processes(import_by_operator, [plan])
        lines = (Path(folder) / "results/results.jsonl").read_text().splitlines()
        journal, state = server.control.journal(), server.control.state()
    return ImportReport(way, rows, list(map(json.loads, lines)), journal, state["external_attempts"])


def faults(way: Import) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield numbers of requests before a fault, and the fault."""
    requests = way.rows // ROWS_PER_REQUEST
    count = max(len(FAULTS), requests // REQUESTS_PER_FAULT) if way.faults else 0
    for number in range(count):
        yield (2 * number + 1) * requests // (2 * count), FAULTS[number % len(FAULTS)]


def generate_courses() -> list[dict[str, Any]]:
    return [
        {"external_id": f"course-{n}", "title": f"Course {n}", "launch_url": f"https://lms.test/{n}", "language": "en"}
        for n in range(COURSES)
    ]


def generate_statistics(people: list[str], count: int) -> list[dict[str, Any]]:
    """Return statistics of each user in each course, up to a number of rows."""
    start = datetime(2026, 9, 1, tzinfo=UTC)
    rows = []
    for number, (mail, course) in enumerate(islice(product(people, range(COURSES)), count)):
        first, spent = start + timedelta(minutes=number), 60 + number
        rows.append(
            {
                "external_id": f"course-{course}",
                "mail": mail,
                "progress": number % 101,
                "time_spent_seconds": spent,
                "first_activity": iso(first),
                "last_activity": iso(first + timedelta(seconds=spent)),
            }
        )
    return rows


def iso(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def import_courses_by_operator(plan: Plan) -> None:
    """Import the courses of the statistics."""
    plan.prepare()
    from airflow_provider_360learning.operators.imports import Learning360ImportExternalCoursesOperator

    Learning360ImportExternalCoursesOperator(
        task_id="courses",
        group_id=ROOT_GROUP_ID,
        external_platform=PLATFORM,
        author_id=ADMIN_ID,
        rows=f"{plan.folder}/courses.csv",
        results_path=f"{plan.folder}/results-of-courses",
    ).execute({})


def import_by_operator(plan: Plan) -> None:
    """Execute the operator as a task does, without a maximum of failures."""
    plan.prepare()
    from airflow_provider_360learning.operators.imports import Learning360ImportStatisticsOperator

    Learning360ImportStatisticsOperator(
        task_id="import",
        group_id=ROOT_GROUP_ID,
        external_platform=PLATFORM,
        rows=plan.file,
        results_path=f"{plan.folder}/results",
        resend_unconfirmed=plan.resend,
        max_failures=1e6,
    ).execute({})


class ImportReport:
    """
    The results of an import, compared with the sandbox's journal and state.

    :param way: The way to import.
    :param rows: The rows.
    :param results: Lines of the result file.
    :param journal: The sandbox's journal.
    :param attempts: The attempts in the sandbox's state.
    """

    def __init__(
        self,
        way: Import,
        rows: list[dict[str, Any]],
        results: list[dict[str, Any]],
        journal: list[Entry],
        attempts: Iterable[Mapping[str, Any]],
    ) -> None:
        self._way = way
        self.sent = counted(journal, STATISTICS_LIMIT)
        self._requests_of: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
        for entry in self.sent:
            for one in entry["body"]["statistics"]:
                self._requests_of[one["externalId"], one["mail"]].append(entry)
        self._stored: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
        for attempt in attempts:
            self._stored[attempt["external_id"], attempt["mail"]].append(attempt)
        self.outcomes = Counter(result["outcome"] for result in results)
        self.applied_twice = self.applied_though_unknown = 0
        #: Violated guarantees.
        self.violations: list[str] = []
        if [result["row"] for result in results] != list(range(1, len(rows) + 1)):
            self.violations.append("results are missing, duplicate or out of order")
        for row, result in zip(rows, results, strict=False):
            self._check(row, result["outcome"])

    @property
    def rows_per_second(self) -> float:
        """Return the rate of rows in accepted requests."""
        calls = API_V1.limits[STATISTICS_LIMIT].requests * self._way.times
        return ROWS_PER_REQUEST * rate(arrival_times(passed(self.sent)), calls)

    def _check(self, row: Mapping[str, Any], outcome: str) -> None:
        key = row["external_id"], row["mail"]
        stored, requests = self._stored[key], self._requests_of[key]
        applied = sum(attempt["times_sent"] for attempt in stored)
        self.applied_twice += applied > 1
        self.applied_though_unknown += applied > 0 and outcome == "unknown"
        met = [entry["fault"] for entry in requests if entry["status"] != 429 and entry["fault"]]
        checks = {
            "is reported as neither imported nor unknown": outcome not in ("imported", "unknown"),
            "is lost": outcome == "imported" and not applied,
            "is unknown without a fault": outcome == "unknown" and not met,
            "was sent again although confirmed": len(passed(requests)) > 1 and not (met and self._way.resend),
            "was applied with other values": not all(_matches(attempt, row) for attempt in stored),
            "was applied another number of times than the journal shows": applied
            != sum(entry["done"] for entry in requests),
        }
        self.violations += [f"{key} {what} ({outcome}, {met})" for what, is_violated in checks.items() if is_violated]


def _matches(attempt: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    names = ("progress", "first_activity", "last_activity")
    return (
        all(attempt[name] == row[name] for name in names)
        and attempt["time_spent_ms"] == 1000 * row["time_spent_seconds"]
        and attempt["completed_at"] == (row["last_activity"] if row["progress"] == 100 else None)
    )


# Bulk jobs of API v2

#: Learners of each course in the statistics that are imported through jobs.
LEARNERS_PER_COURSE = 10_000
JOB_SECONDS = 8
KILLS = 2
#: The journal has the rows of all jobs.
JOBS_SANDBOX = {"limits_enabled": False, "bulk_job_seconds": JOB_SECONDS, "max_journal_mb": 1000}


def jobs(quick: bool, dice: random.Random) -> Iterator[str]:
    """Import statistics through bulk jobs in processes that are killed, and check each row."""
    count = 20_000 if quick else 100_000
    print(f"{count:,} statistics through bulk jobs of API v2 of {JOB_SECONDS} s each, {KILLS} processes are killed.\n")
    table = Table(
        {"rows": 8, "killed after": 24, "submissions": 11, "429s": 4, "at once": 7, "imported": 8, "unknown": 7}
        | {"applied": 8, "applied twice": 13, "results": 8, "violations": 10, "seconds": 7, "peak MiB": 8}
    )
    # In each attempt, a process is killed some seconds after it has submitted a job, or has resumed with one.
    kills = [dice.uniform(0, 2 * JOB_SECONDS) for _ in range(KILLS)]
    started = time.monotonic()
    with sandbox(**JOBS_SANDBOX) as server, tempfile.TemporaryDirectory() as folder:
        server.control.add_users(f"person-{number}@many.test" for number in range(LEARNERS_PER_COURSE))
        rows = list(generate_attempts(count))
        write_rows(Path(folder) / "statistics.csv", rows)
        write_rows(Path(folder) / "courses.csv", generate_courses())
        plan = Plan(server.url, connection_of_v2(server), folder, f"{folder}/statistics.csv")
        in_processes(create_integration, [plan])
        in_processes(import_courses_by_operator, [plan])
        server.control.clear_journal()
        for seconds in kills:
            kill_import(plan, server, seconds)
        (peak,) = in_processes(import_and_measure, [plan])
        lines = [json.loads(line) for line in (Path(folder) / "results/results.jsonl").read_text().splitlines()]
        journal, state = server.control.journal(), server.control.state()
    report = JobsReport(rows, lines, journal, state)
    table.row(
        *(f"{count:,}", " and ".join(f"{seconds:.1f} s" for seconds in kills), len(report.submissions)),
        *(report.throttled, report.max_at_once, report.outcomes["imported"], report.outcomes["unknown"]),
        *(report.applied, report.applied_twice, len(lines), len(report.violations)),
        *(f"{time.monotonic() - started:.0f}", f"{peak:.0f}"),
    )
    yield from (f"jobs: {violation}" for violation in report.violations[:5])


def generate_attempts(count: int) -> Iterator[dict[str, Any]]:
    """Yield one statistic per learner and course."""
    start = datetime(2026, 9, 1, tzinfo=UTC)
    for number in range(count):
        course, learner = divmod(number, LEARNERS_PER_COURSE)
        first = start + timedelta(seconds=number)
        yield {
            "external_id": f"course-{course}",
            "mail": f"person-{learner}@many.test",
            "progress": number % 101,
            "time_spent_seconds": 60,
            "first_activity": iso(first),
            "last_activity": iso(first + timedelta(seconds=60)),
        }


def connection_of_v2(server: Server) -> str:
    """Return an Airflow connection to API v2 of a sandbox."""
    fields = {"conn_type": "learning360", "host": server.url, "login": CLIENT_ID, "password": CLIENT_SECRET}
    return json.dumps(fields | {"extra": {"api_version": "v2", "company_id": COMPANY_ID}})


def create_integration(plan: Plan) -> None:
    """Create the integration that the imports need."""
    plan.prepare()
    from airflow_provider_360learning.api.types import Call
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

    body = {"externalPlatform": PLATFORM, "groupId": ROOT_GROUP_ID, "authorId": ADMIN_ID}
    Learning360Hook().api.client.call(Call("createIntegration", body=body))


def kill_import(plan: Plan, server: Server, seconds: float) -> None:
    """Kill an attempt some seconds after it has submitted a job or polled one."""
    after = max((entry["id"] for entry in server.control.journal()), default=0)
    process = multiprocessing.get_context("spawn").Process(target=import_by_operator, args=[plan])
    process.start()
    operations = {"importExternalStatistics", "getBulkOperation"}
    while process.is_alive() and not any(
        entry["operation"] in operations for entry in server.control.journal(after=after)
    ):
        time.sleep(0.05)
    process.join(seconds)
    process.kill()
    process.join()


def import_and_measure(plan: Plan) -> float:
    """Import the rest, and return the memory of the process at most, in MiB."""
    import_by_operator(plan)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class JobsReport:
    """
    The results of an import through jobs, compared with the sandbox's journal and state.

    :param rows: The rows.
    :param results: Lines of the result file.
    :param journal: The sandbox's journal.
    :param state: The sandbox's state.
    """

    def __init__(
        self,
        rows: list[dict[str, Any]],
        results: list[dict[str, Any]],
        journal: list[Entry],
        state: Mapping[str, list[Mapping[str, Any]]],
    ) -> None:
        self.submissions = [entry for entry in journal if entry["operation"] == "importExternalStatistics"]
        self.throttled = sum(entry["status"] == 429 for entry in journal)
        self.outcomes = Counter(result["outcome"] for result in results)
        applied = Counter[tuple[str, str]]()
        for attempt in state["external_attempts"]:
            applied[attempt["external_id"], attempt["mail"]] += attempt["times_sent"]
        self.applied, self.applied_twice = len(applied), sum(times > 1 for times in applied.values())
        self.max_at_once = max_at_once(state["bulk_jobs"])
        #: Violated guarantees.
        self.violations: list[str] = []
        if [result["row"] for result in results] != list(range(1, len(rows) + 1)):
            self.violations.append("results are missing, duplicate or out of order")
        for row, result in zip(rows, results, strict=False):
            times, outcome = applied[row["external_id"], row["mail"]], result["outcome"]
            if (outcome, times) != ("imported", 1) and not (outcome == "unknown" and times <= 1):
                self.violations.append(f"row {result['row']} is {outcome}, and was applied {times} times")
        if self.throttled or self.max_at_once > 3:
            self.violations.append(f"{self.throttled} throttled, {self.max_at_once} jobs at once")


def max_at_once(jobs: Iterable[Mapping[str, Any]]) -> int:
    """Return how many jobs existed at most that had not ended."""
    events = [(job["created_at"], 1) for job in jobs] + [(job["ended_at"], -1) for job in jobs]
    return max(accumulate(change for _, change in sorted(events)), default=0)


PARTS: dict[str, Callable[[bool, random.Random], Iterator[str]]] = {
    "kills": kills,
    "updates": updates,
    "statistics": statistics,
    "jobs": jobs,
}

if __name__ == "__main__":
    main()
