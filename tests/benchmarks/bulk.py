"""
Many rows in one task: killed at random moments, at the limit whatever the latency, and through faults.

``python -m tests.benchmarks.bulk``; ``--only kills``, ``updates`` or ``statistics`` for a part of it. Each row of a
table has a sandbox of its own. Figures are recomputed from its journal and state and from the files of the results.
"""

from __future__ import annotations

import contextlib
import csv
import json
import os
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from itertools import islice, product
from pathlib import Path
from typing import Any

from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, API_KEY, COMPANY_ID, ROOT_GROUP_ID
from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS
from demo.airflow_stack import AirflowStack
from tests.airflow.conftest import DAGS, SOON_MISSED
from tests.benchmarks.at_the_limit import free_api
from tests.benchmarks.support import (
    Entry,
    Server,
    Table,
    arguments,
    counted,
    in_processes,
    moments,
    passed,
    rate,
    sandbox,
)
from tests.kill_recovery import CompletionStatus, KilledRun, Victim

ROOT = Path(__file__).parents[2]
#: How many times the documented limits the sandbox allows, and the connection says, where the size asks for it.
FASTER = 10


def main() -> None:
    """Print the tables; ends with 1 if anything is not as it must be."""
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=PARTS, help="only this part")
    parser.add_argument("--seed", type=int, default=360, help="start of the random moments")
    asked = parser.parse_args()
    wrong: list[str] = []
    for name in [asked.only] if asked.only else PARTS:
        print(flush=True)
        wrong += PARTS[name](asked.quick, random.Random(asked.seed))
    for each in wrong:
        print(f"\nWRONG: {each}")
    sys.exit(bool(wrong))


def faster() -> dict[str, int]:
    """Give the sandbox's limits times :data:`FASTER`."""
    return {name: FASTER * calls for name, calls in DOCUMENTED_LIMITS.items()}


def connection(server: Server, *, limits: bool) -> str:
    """Make an Airflow connection to a sandbox, which may tell of limits that are higher."""
    fields = json.loads(server.connection)
    if limits:
        fields["extra"]["limits"] = {name: FASTER * limit.requests for name, limit in API_V1.limits.items()}
    return json.dumps(fields)


# Killed at random moments


def kills(quick: bool, chance: random.Random) -> Iterator[str]:
    """Create people while five processes are killed: once with files, once with objects."""
    rows = 300 if quick else 3000
    print(f"{rows:,} creations in one task of Airflow {version('apache-airflow')}, limits times {FASTER}.\n")
    table = Table(
        {"Results on": 12, "killed": 72, "attempts": 8, "requests": 8, "sent again": 10, "for rows done": 13}
        | {"beside a newer attempt": 22, "orphans sent on": 15, "not there once": 14, "results": 7, "429s": 4, "min": 4}
    )
    for name, on_shelf in (("local files", False), ("object store", True)):
        victims: list[Victim] = ["supervisor", "task"] if on_shelf else ["task", "supervisor"]
        plan = [(moment, victims[n % 2]) for n, moment in enumerate(sorted(chance.sample(range(1, rows), 5)))]
        began = time.monotonic()
        with killed_run(rows, on_shelf) as run:
            evidence = run.kill(plan, timeout=1500)
            verdict = CompletionStatus(evidence)
            wrong = verdict.wrong()
        first = min(entry["wall_time"] for entry in evidence.journal)
        table.row(
            *(name, ", ".join(f"{kill.victim} {kill.at - first:.0f} s" for kill in evidence.kills)),
            *(len(verdict.attempts), len(verdict.sent), " + ".join(map(str, verdict.sent_again().values()))),
            *(len(verdict.sent_when_done()), len(verdict.sent_beside_newer())),
            *(f"{max(verdict.sent_by_orphans().values()):.2f} s", len(verdict.people_wrong() + verdict.mails_wrong())),
            *(len(evidence.results), verdict.refused, f"{(time.monotonic() - began) / 60:.1f}"),
        )
        yield from (f"{name}: {each}" for each in wrong)


@contextlib.contextmanager
def killed_run(rows: int, on_shelf: bool) -> Iterator[KilledRun]:
    """Start a sandbox, and an Airflow that notices soon whom it misses, and make a run in them ready."""
    with (
        sandbox(limits=faster(), delay_before_ms=50, delay_after_ms=50) as server,
        tempfile.TemporaryDirectory() as place,
    ):
        folder = Path(place) / "run"
        folder.mkdir()
        env = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": connection(server, limits=True),
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(Path(place) / "budget"),
            "PYTHONPATH": str(ROOT),
            **SOON_MISSED,
        }
        with AirflowStack(Path(place) / "airflow", DAGS, env) as stack:
            yield KilledRun(stack, server.control, folder, rows, on_shelf=on_shelf)


# What runs in a process of its own


@dataclass(frozen=True)
class Plan:
    """What one process has to do."""

    url: str
    connection: str
    folder: str
    file: str
    resend: bool = False

    def prepare(self) -> None:
        """Make a fresh process one that has this connection, before it imports Airflow."""
        os.environ |= {
            "AIRFLOW_HOME": self.folder,
            "AIRFLOW_CONN_LEARNING360_DEFAULT": self.connection,
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": self.folder,
            "AIRFLOW__LEARNING360__RATE_LIMITER": "host",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }


def write_rows(file: Path, rows: list[dict[str, Any]]) -> None:
    """WriteSpec a CSV file."""
    with file.open("w", newline="") as open_binary:
        writer = csv.DictWriter(open_binary, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def create_people(server: Server, count: int) -> list[str]:
    """Let so many people exist, and give their mails."""
    api = free_api(server.url)
    people = [f"person-{number}@many.test" for number in range(count)]
    for mail in people:
        api.create_user(mail=mail, mode="create_active")
    return people


# At the limit, whatever the latency

#: The limit that updates meet first.
UPDATES_LIMIT = "company_writes"
LATENCY = {"delay_before_ms": 200, "delay_after_ms": 200}
#: The share of the limit to reach, without a 429.
AIM = 0.94


def updates(quick: bool, chance: random.Random) -> Iterator[str]:
    """Update people with 400 ms of latency, with the same file once more, and as a loop would do it."""
    rows, calls = 60 if quick else 300, API_V1.limits[UPDATES_LIMIT].requests
    print(f"{rows} updates with 400 ms of latency; the limit is {calls} a second.\n")
    table = Table(
        {"By": 44, "writes": 6, "reads": 5, "429s": 4, "seconds": 7, "first to last": 13, "without the first burst": 23}
    )
    with ThreadPoolExecutor() as pool:  # all of them sleep most of the time
        journals = [each for found in pool.map(lambda ways: measure(ways, rows), WAYS) for each in found.items()]
    for name, journal in journals:
        sent = counted(journal, UPDATES_LIMIT)
        arrivals, refused = moments(sent), len(sent) - len(passed(sent))
        seconds = arrivals[-1] - arrivals[0] if sent else 0
        shares = [(len(sent) - 1) / seconds / calls if sent else 0, rate(arrivals, calls) / calls]
        table.row(
            *(name, len(sent), len(counted(journal, "company_reads")), refused, f"{seconds:.1f}"),
            *(f"{share:.1%}" for share in shares),
        )
        if name == OURS and (len(sent) != rows or refused or min(shares) < AIM):
            yield f"updates: {len(sent)} requests for {rows} rows, {refused} refused, {min(shares):.1%} of the limit"
        if name == AGAIN and sent:
            yield f"updates: {len(sent)} writes for the same file again"
    print(f"\nAim: {AIM:.0%} of the limit and no 429; with the same file again, no write.")


def measure(ways: Mapping[str, Callable[[Plan], None]], rows: int) -> dict[str, list[Entry]]:
    """Update in some ways, one after the other, and give what the sandbox saw of each."""
    journals = {}
    with sandbox(limits_enabled=False) as server, tempfile.TemporaryDirectory() as folder:
        people = create_people(server, rows)
        file = Path(folder) / "people.csv"
        write_rows(file, [{"user": mail, "job": f"Rear Admiral {number}"} for number, mail in enumerate(people)])
        server.control.settings(limits_enabled=True, **LATENCY)
        for name, way in ways.items():
            server.control.clear_journal()
            in_processes(way, [Plan(server.url, server.connection, folder, str(file))])
            journals[name] = server.control.journal()
    return journals


def update_by_operator(plan: Plan) -> None:
    """Execute the operator, as a task does."""
    plan.prepare()
    from airflow_provider_360learning.operators.bulk import Learning360BulkOperator

    Learning360BulkOperator(
        task_id="update", action="update_user", rows=plan.file, results_path=f"{plan.folder}/results"
    ).execute({})


def update_in_a_loop(plan: Plan) -> None:
    """Send one after the other, as one would write it first."""
    import requests

    session = requests.Session()
    session.trust_env = False
    session.headers.update({"X-company-id": COMPANY_ID, "X-apiKey": API_KEY})
    with open(plan.file, newline="") as file:
        for row in csv.DictReader(file):
            url = f"{plan.url}/api/v1/users/{row['user']}"
            session.put(url, json={"job": row["job"]}, timeout=30).raise_for_status()


OURS, AGAIN = "Learning360BulkOperator", "Learning360BulkOperator, the same file again"
#: Those that belong together have a sandbox of their own.
WAYS: list[dict[str, Callable[[Plan], None]]] = [
    {OURS: update_by_operator, AGAIN: update_by_operator},
    {"requests, one after the other": update_in_a_loop},
]


# Through faults

STATISTICS_LIMIT = "importExternalCoursesStats"
ROWS_A_REQUEST = 20
PLATFORM = "provider"
COURSES, LEARNERS = 50, 200
LATENCY_OF_STATISTICS = 100
#: What goes wrong, one after the other.
FAULTS: list[dict[str, Any]] = [
    {"kind": "status", "status": 503, "when": "before"},
    {"kind": "drop_after"},
    {"kind": "rate_limited", "retry_after": 1},
    {"kind": "status", "status": 503, "when": "after"},
    {"kind": "drop_before"},
    {"kind": "garbage"},
]
#: In so many requests there is one of them; but there is at least one of each.
REQUESTS_A_FAULT = 20


@dataclass(frozen=True)
class Import:
    """
    One way to import statistics.

    :param times: How many times the documented limits hold.
    :param resend: Whether what may have been taken is sent again.
    :param repeated: What the sandbox makes of a statistic that is sent twice.
    """

    rows: int
    times: int = 1
    resend: bool = False
    repeated: str = "update"
    faults: bool = True


def statistics(quick: bool, chance: random.Random) -> Iterator[str]:
    """Import statistics of other platforms through faults, and account for each."""
    many, few = (1000, 200) if quick else (10_000, 600)
    print(f"Statistics of other platforms, {ROWS_A_REQUEST} a request, {LATENCY_OF_STATISTICS} ms of latency.\n")
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
        {"Rows": 6, "limits": 8, "in doubt": 12, "twice is": 11, "requests": 8, "met faults": 10, "imported": 8}
        | {
            "unknown": 7,
            "of these taken": 14,
            "taken twice": 11,
            "wrong": 5,
            "429s": 4,
            "rows a second": 13,
            "of the limit": 12,
        }
    )
    with ThreadPoolExecutor(len(ways) // 2) as pool:
        for way, account in zip(ways, pool.map(import_statistics, ways), strict=True):
            table.row(
                *(way.rows, f"times {way.times}", "sent again" if way.resend else "reported"),
                *(way.repeated.replace("_", " "), len(account.sent), sum(bool(one["fault"]) for one in account.sent)),
                *(account.outcomes["imported"], account.outcomes["unknown"], account.taken_though_unknown),
                *(account.taken_twice, len(account.wrong), len(account.sent) - len(passed(account.sent))),
                f"{account.rows_a_second:.1f}",
                f"{account.rows_a_second / (ROWS_A_REQUEST * API_V1.limits[STATISTICS_LIMIT].requests * way.times):.1%}",
            )
            yield from (f"{way}: {each}" for each in account.wrong[:5])


def import_statistics(way: Import) -> Account:
    """Import them, and look at what came of it."""
    with (
        sandbox(limits_enabled=False, repeated_statistics=way.repeated) as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        rows = made_up_statistics(create_people(server, LEARNERS), way.rows)
        write_rows(Path(folder) / "statistics.csv", rows)
        write_rows(Path(folder) / "courses.csv", made_up_courses())
        plan = Plan(
            server.url, connection(server, limits=way.times > 1), folder, f"{folder}/statistics.csv", way.resend
        )
        in_processes(import_courses_by_operator, [plan])
        server.control.clear_journal()
        there_and_back = dict.fromkeys(("delay_before_ms", "delay_after_ms"), LATENCY_OF_STATISTICS / 2)
        server.control.settings(limits_enabled=True, limits=faster() if way.times > 1 else {}, **there_and_back)
        for after, fault in faults(way):
            server.control.add_fault(STATISTICS_LIMIT, after=after, **fault)
        in_processes(import_by_operator, [plan])
        lines = (Path(folder) / "results/results.jsonl").read_text().splitlines()
        journal, state = server.control.journal(), server.control.state()
    return Account(way, rows, list(map(json.loads, lines)), journal, state["external_attempts"])


def faults(way: Import) -> Iterator[tuple[int, dict[str, Any]]]:
    """Spread the faults: how many requests go well first, and what goes wrong then."""
    requests = way.rows // ROWS_A_REQUEST
    count = max(len(FAULTS), requests // REQUESTS_A_FAULT) if way.faults else 0
    for number in range(count):
        yield (2 * number + 1) * requests // (2 * count), FAULTS[number % len(FAULTS)]


def made_up_courses() -> list[dict[str, Any]]:
    return [
        {"external_id": f"course-{n}", "title": f"Course {n}", "launch_url": f"https://lms.test/{n}", "language": "en"}
        for n in range(COURSES)
    ]


def made_up_statistics(people: list[str], count: int) -> list[dict[str, Any]]:
    """Say of each that they did something in each course."""
    begin = datetime(2026, 9, 1, tzinfo=UTC)
    rows = []
    for number, (mail, course) in enumerate(islice(product(people, range(COURSES)), count)):
        first, spent = begin + timedelta(minutes=number), 60 + number
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


def iso(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def import_courses_by_operator(plan: Plan) -> None:
    """Let the courses exist."""
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
    """Execute the operator, as a task does; rows that are not done are looked at later."""
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


class Account:
    """
    What became of each row: what is told of it, beside what the sandbox saw and has.

    :param rows: The rows.
    :param results: What is told.
    :param journal: What the sandbox saw.
    :param attempts: What it has.
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
        self.taken_twice = self.taken_though_unknown = 0
        #: What must not be.
        self.wrong: list[str] = []
        if [result["row"] for result in results] != list(range(1, len(rows) + 1)):
            self.wrong.append("results are missing, twice, or not in order")
        for row, result in zip(rows, results, strict=False):
            self._settle(row, result["outcome"])

    @property
    def rows_a_second(self) -> float:
        """Rows that arrived in requests that passed."""
        calls = API_V1.limits[STATISTICS_LIMIT].requests * self._way.times
        return ROWS_A_REQUEST * rate(moments(passed(self.sent)), calls)

    def _settle(self, row: Mapping[str, Any], outcome: str) -> None:
        key = row["external_id"], row["mail"]
        stored, requests = self._stored[key], self._requests_of[key]
        taken = sum(attempt["times_sent"] for attempt in stored)
        self.taken_twice += taken > 1
        self.taken_though_unknown += taken > 0 and outcome == "unknown"
        met = [entry["fault"] for entry in requests if entry["status"] != 429 and entry["fault"]]
        faults = {
            "is told as neither imported nor unknown": outcome not in ("imported", "unknown"),
            "is lost": outcome == "imported" and not taken,
            "is unknown for no reason": outcome == "unknown" and not met,
            "was sent again without doubt": len(passed(requests)) > 1 and not (met and self._way.resend),
            "was taken as something else": not all(_is_as_asked(attempt, row) for attempt in stored),
            "is not counted right": taken != sum(entry["done"] for entry in requests),
        }
        self.wrong += [f"{key} {what} ({outcome}, {met})" for what, is_so in faults.items() if is_so]


def _is_as_asked(attempt: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    names = ("progress", "first_activity", "last_activity")
    return (
        all(attempt[name] == row[name] for name in names)
        and attempt["time_spent_ms"] == 1000 * row["time_spent_seconds"]
        and attempt["completed_at"] == (row["last_activity"] if row["progress"] == 100 else None)
    )


PARTS: dict[str, Callable[[bool, random.Random], Iterator[str]]] = {
    "kills": kills,
    "updates": updates,
    "statistics": statistics,
}

if __name__ == "__main__":
    main()
