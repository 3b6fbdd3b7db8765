"""
Memory, CPU time and requests of planning and applying a sync of 20,000 people of whom 300 change, in both versions.

``python -m tests.benchmarks.sync``: the company is one that a sync has managed before, so that the state knows what was
applied. Each task runs in a process of its own. The journal of the sandbox counts the requests.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.sandbox.demo_company import CLIENT_ID, CLIENT_SECRET
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.planning import company_of, identity_of
from airflow_provider_360learning.sync.state import AppliedPlan, Remembered, SyncState, save_state
from tests.benchmarks.support import PeakMemory, Server, Table, arguments, in_processes, make_api, sandbox

CONNECTION = "AIRFLOW_CONN_LEARNING360_DEFAULT"
NAMESPACE, PLATFORM = "hr:", "HR"
NOW = datetime.now(UTC)
GROUPS = 40
#: Goals above an idle task.
MAX_MEGABYTES, MAX_CPU_SECONDS = 200, 30
#: How many people change in each way; together 300.
CHANGES = {"joins": 60, "job": 80, "group": 50, "manager": 30, "site": 20, "mail": 20, "leaves": 20, "leaves_at": 20}
#: The people whom planning reads one by one, and how many requests one takes. API v1 lists no date of deactivation.
READ = {"v1": ("manager", "site", "leaves", "leaves_at"), "v2": ("manager", "site")}
REQUESTS_PER_PERSON = {"v1": 1, "v2": 2}


@dataclass(frozen=True)
class Scenario:
    """
    What is measured.

    :param version: Version of the API.
    :param people: Number of people.
    :param scale: The number of changes is divided by this.
    :param key: Where 360Learning has the key of a person.
    :param verify: Which people are read one by one.
    :param limited: Whether the rate limits apply.
    """

    version: str
    people: int
    scale: int = 1
    key: str = "custom"
    verify: str = "changed"
    limited: bool = False

    @property
    def changes(self) -> dict[str, int]:
        """How many people change in each way."""
        return {kind: number // self.scale for kind, number in CHANGES.items()}

    @property
    def max_reads(self) -> int:
        """The maximum number of requests for one person each."""
        people = self.people if self.verify == "full" else sum(self.changes[kind] for kind in READ[self.version])
        return people * REQUESTS_PER_PERSON[self.version]

    def sync_options(self) -> dict[str, Any]:
        """Return options that need most of what can be read."""
        return {
            "key": self.key,
            "external_platform": PLATFORM if self.key == "external_id" else None,
            "key_namespace": NAMESPACE,
            "groups_mode": "exact",
            "managed_groups": ["Acme"],
            "default_group": "Acme",
            "leavers": "both",
            "leaver_action": "deactivate",
            "owned": ["first_name", "last_name", "job"],
            "verify": self.verify,
        }


@dataclass(frozen=True)
class Task:
    """
    What one process does.

    :param scenario: What is measured.
    :param connection: The connection to 360Learning.
    :param folder: Folder of the source, the plans and the state.
    :param plan_id: The plan to apply; by default, one is made.
    """

    scenario: Scenario
    connection: str
    folder: str
    plan_id: str | None = None


@dataclass(frozen=True)
class Figures:
    """
    What it needed.

    :param result: The result of the task.
    """

    megabytes: float
    cpu_seconds: float
    seconds: float
    result: Mapping[str, Any]

    def cells(self) -> list[str]:
        """Return the cells of a table."""
        return [f"{self.cpu_seconds:.1f} s", f"{self.megabytes:.0f} MB", f"{self.seconds:.1f} s"]

    @property
    def missed(self) -> list[str]:
        """The goals that it misses."""
        memory = [f"{self.megabytes:.0f} MB"] if self.megabytes > MAX_MEGABYTES else []
        return memory + ([f"{self.cpu_seconds:.1f} s of CPU"] if self.cpu_seconds >= MAX_CPU_SECONDS else [])


def main() -> None:
    """Print a row for each plan, and for each that is applied, and exit with 1 if a claim is wrong."""
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"  # of the processes that plan and apply
    count = 2000 if arguments(__doc__).parse_args().quick else 20_000
    missed: list[str] = []
    applied = []
    requests = {"requests": 8, "for one person": 14, "at most": 8}
    table = Table({"API": 3, "key": 11, "verify": 7, "people": 7, "changes": 7, **requests} | _COSTS)
    for scenario in (
        *(Scenario(version, count) for version in VERSIONS),
        Scenario("v2", count, key="external_id"),
        *(Scenario(version, count // 10, scale=10, verify="full") for version in VERSIONS),
    ):
        with company_of_scenario(scenario) as (server, task):
            made, journal = run(server, task)
            reads = reads_of(journal, scenario.version)
            table.row(
                *(scenario.version, scenario.key, scenario.verify, f"{scenario.people:,}", changes_of(made)),
                *(len(journal), reads, scenario.max_reads, *made.cells()),
            )
            what = f"{scenario.version} {scenario.key} {scenario.verify}"
            missed += [f"planning, {what}: {miss}" for miss in made.missed]
            missed += [f"{what}: {reads} requests for one person"] if reads > scenario.max_reads else []
            if scenario.verify == "changed":
                done, journal = run(server, task, made.result["plan_id"])
                applied.append((scenario, made, done, len(journal)))
                missed += [f"applying, {what}: {miss}" for miss in done.missed]
    for version in VERSIONS:
        scenario = Scenario(version, count // 10, scale=10, limited=True)
        with company_of_scenario(scenario) as (server, task):
            made, _ = run(server, task)
            done, journal = run(server, task, made.result["plan_id"])
            applied.append((scenario, made, done, len(journal)))
    print()
    table = Table({"API": 3, "key": 11, "limits": 6, "people": 7, "changes": 7, "requests": 8} | _COSTS | _AT_THE_LIMIT)
    for scenario, made, done, sent in applied:
        limits = "on" if scenario.limited else "off"
        expected = made.result["seconds"]
        share = f"{expected / done.seconds:.0%}" if scenario.limited else ""
        table.row(
            *(scenario.version, scenario.key, limits, f"{scenario.people:,}", changes_of(made), sent),
            *(*done.cells(), f"{expected} s", share),
        )
    print(f"\nGoal: at most {MAX_MEGABYTES} MB above an idle task, and less than {MAX_CPU_SECONDS} s of CPU.")
    print(*(f"Missed: {miss}" for miss in missed), sep="\n")
    sys.exit(bool(missed))


_COSTS = {"CPU": 7, "memory": 7, "wall": 8}
_AT_THE_LIMIT = {"expected at the limit": 21, "share of the limit": 18}


def changes_of(figures: Figures) -> int:
    """Return the number of changes of a plan, without what it only reports."""
    return sum(number for name, number in figures.result["counts"].items() if name != "not_verifiable")


def reads_of(journal: list[dict[str, Any]], version: str) -> int:
    """Return how many requests have read one person."""
    endpoints = VERSIONS[version].spec.endpoints
    per_person = {name for name, endpoint in endpoints.items() if endpoint.path.startswith("/users/{")}
    return sum(entry["operation"] in per_person and entry["method"] == "GET" for entry in journal)


@contextlib.contextmanager
def company_of_scenario(scenario: Scenario) -> Iterator[tuple[Server, Task]]:
    """Run a sandbox with the company, and provide a task whose folder has the rows and the state."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "company.json").write_text(json.dumps(company(scenario)))
        with sandbox(seed=folder / "company.json", limits_enabled=False) as server:
            save_remembered(server, scenario, folder)
            with (folder / "people.jsonl").open("w") as file:
                file.writelines(json.dumps(row) + "\n" for row in wanted(scenario))
            server.control.settings(limits_enabled=scenario.limited)
            yield server, Task(scenario, connection_to(server, scenario), name)


def connection_to(server: Server, scenario: Scenario) -> str:
    """Return an Airflow connection to a sandbox, as JSON."""
    connection = json.loads(server.connection)
    if scenario.version == "v2":
        connection |= {"login": CLIENT_ID, "password": CLIENT_SECRET, "extra": {"api_version": "v2"}}
    if not scenario.limited:
        connection["extra"]["limits"] = unlimited(scenario.version)
    return json.dumps(connection)


def unlimited(version: str) -> dict[str, int]:
    """Return limits that do not slow down a measurement."""
    return dict.fromkeys(VERSIONS[version].spec.limits, 1000)


def save_remembered(server: Server, scenario: Scenario, folder: Path) -> None:
    """Save the state of the sync."""
    api = make_api(server.url, None, scenario.version, overrides=unlimited(scenario.version))
    ids = {user["mail"]: user["user_id"] for user in api.list_users()}
    [site] = [field["custom_field_id"] for field in api.list_custom_fields(target_type="users")]
    people = dict(remembered(scenario, ids, f"custom_fields.{site.lower()}"))
    state = SyncState(people, (AppliedPlan(plan_id="0", applied_at=NOW, rows=scenario.people),))
    given = scenario.sync_options()
    options = SyncOptions(**{name: given[name] for name in ("key", "external_platform", "key_namespace")})
    save_state(folder / "state", state, identity_of(company_of(api), options))


def run(server: Server, task: Task, plan_id: str | None = None) -> tuple[Figures, list[dict[str, Any]]]:
    """Make a plan or apply one, in a process of its own, and return its figures and the journal."""
    server.control.clear_journal()
    [figures] = in_processes(execute, [replace(task, plan_id=plan_id)])
    return figures, server.control.journal()


def execute(task: Task) -> Figures:
    """Make a plan or apply one, in this process."""
    os.environ[CONNECTION] = task.connection
    os.environ["AIRFLOW__LEARNING360__RATE_LIMITER_DIR"] = f"{task.folder}/rate-limiter"
    from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator

    places = {"plan_path": f"{task.folder}/plans", "state_path": f"{task.folder}/state"}
    if task.plan_id is None:
        given = {"mode": "plan", "rows": f"{task.folder}/people.jsonl", **task.scenario.sync_options()}
    else:
        given = {"mode": "apply", "plan_id": task.plan_id}
    operator = Learning360SyncUsersOperator(task_id="sync", **places, **given)
    memory, cpu, wall = PeakMemory(), time.process_time(), time.monotonic()
    result = operator.execute({})
    return Figures(memory.megabytes, time.process_time() - cpu, time.monotonic() - wall, result)


# The company, what the sync remembers, and the rows


def mail_of(number: int) -> str:
    """Return the address of a person."""
    return f"person-{number}@many.test"


def fields_of(number: int) -> dict[str, str]:
    """Return the profile of a person."""
    return {
        "first_name": f"Ana {number}",
        "last_name": f"Díaz {number}",
        "job": f"Engineer {number % 50}",
        "organization": f"Acme {number % 7}",
        "phone": f"+49 30 {number}",
        "lang": "en",
    }


def group_of(number: int) -> str:
    """Return the name of the group of a person."""
    return f"Team {number % GROUPS}"


def site_of(number: int) -> str:
    """Return the value of the custom field of a person."""
    return f"Site {number % 30}"


def manager_of(number: int) -> int:
    """Return the number of the manager of a person; the first has none."""
    return number // 20


def company(scenario: Scenario) -> dict[str, Any]:
    """Return the seed of the sandbox."""
    users = [
        {
            "mail": mail_of(number),
            **_key_of(scenario, number),
            "groups": [group_of(number)],
            "custom_fields": {"Site": site_of(number)},
            "managers": [mail_of(manager_of(number))] if number else [],
            **{{"lang": "language"}.get(name, name): value for name, value in fields_of(number).items()},
        }
        for number in range(scenario.people)
    ]
    groups = [{"name": f"Team {number}", "public": False} for number in range(GROUPS)]
    return {"custom_fields": [{"name": "Site"}], "groups": groups, "users": users}


def _key_of(scenario: Scenario, number: int) -> dict[str, Any]:
    key = f"{NAMESPACE}{number}"
    return {"external_ids": {PLATFORM: key}} if scenario.key == "external_id" else {"custom": key}


def remembered(scenario: Scenario, ids: Mapping[str | None, str | None], site: str) -> Iterator[tuple[str, Remembered]]:
    """Yield what an earlier run has applied, by key."""
    for number in range(scenario.people):
        manager = {"manager": ids[mail_of(manager_of(number))]} if number else {}
        mail, applied = mail_of(number), fields_of(number) | {site: site_of(number)}
        yield str(number), Remembered(user_id=ids[mail], mail=mail, applied=applied | manager)


def wanted(scenario: Scenario) -> Iterator[dict[str, Any]]:
    """Yield the rows: those of the company with the changes."""
    changes = scenario.changes
    kinds = (kind for kind, number in changes.items() if kind != "joins" for _ in range(number))
    for number in range(scenario.people + changes["joins"]):
        row = {"key": str(number), "mail": mail_of(number), "groups": group_of(number), **fields_of(number)}
        row |= {"custom_fields.Site": site_of(number), "leaves_at": None, "status": "active"}
        row["manager"] = str(manager_of(number)) if number else None
        match next(kinds, None) if number >= 100 else None:
            case "job":
                row["job"] = "Nurse"
            case "group":
                row["groups"] = group_of(number + 1)
            case "manager":
                row["manager"] = "1" if row["manager"] != "1" else "2"
            case "site":
                row["custom_fields.Site"] = "Site 31"
            case "mail":
                row["mail"] = f"new-{mail_of(number)}"
            case "leaves":
                row["status"] = "inactive"
            case "leaves_at":
                row["leaves_at"] = (NOW + timedelta(days=60)).date().isoformat()
        yield row


if __name__ == "__main__":
    main()
