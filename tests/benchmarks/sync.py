"""
Memory, CPU time and requests of planning a sync of 20,000 people of whom 300 change, in both versions of the API.

``python -m tests.benchmarks.sync``: the company is one that a sync has managed before, so that the state knows what was
applied. Each version plans in a process of its own. The journal of the sandbox counts the requests.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.planning import Place, PlanSettings, company_of, identity_of, make_plan
from airflow_provider_360learning.sync.state import AppliedPlan, Remembered, SyncState, save_state
from tests.benchmarks.support import PeakMemory, Table, arguments, in_processes, make_api, sandbox

NAMESPACE = "hr:"
NOW = datetime(2026, 12, 1, 2, tzinfo=UTC)
GROUPS = 40
#: Goals above an idle task.
MAX_MEGABYTES, MAX_CPU_SECONDS = 200, 30
#: Operations that are requested for one person.
PER_PERSON = ("getUser", "getManagers", "getUserCustomFieldValues")
#: How many people change in each way; together 300.
CHANGES = {"joins": 60, "job": 100, "group": 60, "manager": 30, "mail": 20, "leaves": 30}


@dataclass(frozen=True)
class Task:
    """What one process plans."""

    url: str
    version: str
    folder: str
    root: str


@dataclass(frozen=True)
class Figures:
    """What it needed."""

    megabytes: float
    cpu_seconds: float
    seconds: float
    changes: Mapping[str, int]
    expected_seconds: int


def main() -> None:
    """Print a row for each version, and exit with 1 if a goal is missed."""
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "ERROR"  # of the processes that plan
    count = 2000 if arguments(__doc__).parse_args().quick else 20_000
    table = Table(
        {"API": 3, "people": 7, "of them change": 14, "changes": 7, "requests": 8, "for one person": 14}
        | {"CPU": 7, "memory": 8, "wall": 7, "applying at the limit": 21}
    )
    missed = []
    for version in VERSIONS:
        with tempfile.TemporaryDirectory() as folder:
            figures, journal = measure(version, count, Path(folder))
        operations = Counter(entry["operation"] for entry in journal)
        per_person = sum(operations[operation] for operation in PER_PERSON)
        table.row(
            *(version, f"{count:,}", sum(CHANGES.values()), sum(figures.changes.values())),
            *(sum(operations.values()), per_person),
            *(f"{figures.cpu_seconds:.1f} s", f"{figures.megabytes:.0f} MB", f"{figures.seconds:.1f} s"),
            f"{figures.expected_seconds} s",
        )
        if figures.megabytes > MAX_MEGABYTES or figures.cpu_seconds > MAX_CPU_SECONDS:
            missed.append(version)
    print(f"\nGoal: at most {MAX_MEGABYTES} MB above an idle task, and less than {MAX_CPU_SECONDS} s of CPU.")
    sys.exit(bool(missed))


def measure(version: str, count: int, folder: Path) -> tuple[Figures, list[dict[str, Any]]]:
    """Return the figures of a plan, and the journal of its requests."""
    (folder / "company.json").write_text(json.dumps(company(count)))
    with sandbox(seed=folder / "company.json", limits_enabled=False) as server:
        api = make_api(server.url, None, version, overrides=dict.fromkeys(VERSIONS[version].spec.limits, 1000))
        ids = {user["mail"]: user["user_id"] for user in api.list_users()}
        [root] = [group["group_id"] for group in api.list_groups() if group["parent_id"] is None]
        options = sync_options(root)
        state = SyncState(dict(remembered(count, ids)), (AppliedPlan(plan_id="0", applied_at=NOW, rows=count),))
        save_state(folder / "state", state, identity_of(company_of(api), options))
        del state
        with (folder / "people.jsonl").open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in wanted(count))
        server.control.clear_journal()
        [figures] = in_processes(plan, [Task(server.url, version, str(folder), root)])
        return figures, server.control.journal()


def plan(task: Task) -> Figures:
    """Make a plan in this process."""
    from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator  # noqa: F401 - as a task does
    from airflow_provider_360learning.rows.sources import make_source

    folder = Path(task.folder)
    limits = dict.fromkeys(VERSIONS[task.version].spec.limits, 1000)
    api = make_api(task.url, None, task.version, overrides=limits)
    place = Place(plan_path=str(folder / "plans"), state_path=str(folder / "state"), file_mode=0o600)
    settings = PlanSettings(verify="changed", valid_for=timedelta(days=1), redact=False, timezone=UTC, interval="1")
    memory, cpu, wall = PeakMemory(), time.process_time(), time.monotonic()
    source = make_source(str(folder / "people.jsonl"))
    made = make_plan(api, source, sync_options(task.root), place, settings, NOW)
    megabytes, cpu, wall = memory.megabytes, time.process_time() - cpu, time.monotonic() - wall
    changes = Counter(change.action for change in made.changes.changes)
    return Figures(megabytes, cpu, wall, changes, made.seconds)


def sync_options(root: str) -> SyncOptions:
    """Return options that need most of what can be read."""
    return SyncOptions(
        key="custom",
        key_namespace=NAMESPACE,
        groups_mode="exact",
        managed_groups=(root,),
        default_group=root,
        leavers="both",
        leaver_action="deactivate",
        owned=frozenset({"first_name", "last_name", "job"}),
    )


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


def manager_of(number: int) -> int:
    """Return the number of the manager of a person; the first has none."""
    return number // 20


def company(count: int) -> dict[str, Any]:
    """Return the seed of the sandbox."""
    users = [
        {
            "mail": mail_of(number),
            "custom": f"{NAMESPACE}{number}",
            "groups": [group_of(number)],
            "managers": [mail_of(manager_of(number))] if number else [],
            **{{"lang": "language"}.get(name, name): value for name, value in fields_of(number).items()},
        }
        for number in range(count)
    ]
    return {"groups": [{"name": f"Team {n}", "public": False} for n in range(GROUPS)], "users": users}


def remembered(count: int, ids: Mapping[str | None, str | None]) -> Iterator[tuple[str, Remembered]]:
    """Yield what an earlier run has applied, by key."""
    for number in range(count):
        manager = {"manager": ids[mail_of(manager_of(number))]} if number else {}
        mail = mail_of(number)
        yield str(number), Remembered(user_id=ids[mail], mail=mail, applied=fields_of(number) | manager)


def wanted(count: int) -> Iterator[dict[str, Any]]:
    """Yield the rows: those of the company with the changes."""
    kinds = (kind for kind, number in CHANGES.items() if kind != "joins" for _ in range(number))
    for number in range(count + CHANGES["joins"]):
        row = {"key": str(number), "mail": mail_of(number), "groups": group_of(number), **fields_of(number)}
        row["manager"] = str(manager_of(number)) if number else None
        kind = next(kinds, None) if number >= 100 else None
        if kind == "job":
            row["job"] = "Nurse"
        elif kind == "group":
            row["groups"] = group_of(number + 1)
        elif kind == "manager":
            row["manager"] = "1" if row["manager"] != "1" else "2"
        elif kind == "mail":
            row["mail"] = f"new-{mail_of(number)}"
        elif kind == "leaves":
            row["status"] = "inactive"
        yield row


if __name__ == "__main__":
    main()
