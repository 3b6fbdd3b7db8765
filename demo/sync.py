"""
Keep a company of 40 people equal to its HR system for three nights, against the sandbox (``make demo-sync``).

1. The company begins: 40 people are created, in four departments and with their managers.
2. Two people join, one moves to another department, one marries and changes name and address, one leaves.
3. The file is cut in half: the guards refuse the plan, and nothing is sent. With the whole file, the person who left
   returns with a new address, and gets the same account.

After each night, the sync runs again and changes nothing. The exit status is 0 only if each night ended like this, and
the sandbox agrees.
"""

from __future__ import annotations

import argparse
import csv
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.sync.plan import Action

HOME = Path(__file__).resolve().parent.parent / ".demo" / "sync"
DEPARTMENTS = ("Engineering", "Finance", "Sales", "Support")
FIRST_NAMES = ("Ada", "Alan", "Barbara", "Emmy", "Hedy", "Katherine", "Lise", "Mary", "Tu", "Vera")
LAST_NAMES = ("Archer", "Baker", "Carter", "Dyer")
#: Keys of the people whom the nights change.
MOVER, BRIDE, LEAVER = "1007", "1013", "1022"
JOINERS = ("1041", "1042")
NEW_NAME, NEW_MAIL, RETURNED_MAIL = "Noether", "barbara.noether@acme.test", "back.again@acme.test"

Row = dict[str, str]
JsonObject = dict[str, Any]


# The people of each night


def first_night() -> list[Row]:
    """Return 40 people; the first of each department manages the others."""
    names = [(first, last) for last in LAST_NAMES for first in FIRST_NAMES]
    return [
        _person(1001 + number, first, last, DEPARTMENTS[number % 4], "" if number < 4 else str(1001 + number % 4))
        for number, (first, last) in enumerate(names)
    ]


def second_night() -> list[Row]:
    """Return the people after two joined, one moved, one married and one left."""
    rows = {row["key"]: row for row in first_night() if row["key"] != LEAVER}
    rows[MOVER] |= {"groups": "Finance", "manager": "1002"}
    rows[BRIDE] |= {"last_name": NEW_NAME, "mail": NEW_MAIL}
    engineer, seller = JOINERS
    return [
        *rows.values(),
        _person(int(engineer), "Grace", "Hopper", "Engineering", "1001"),
        _person(int(seller), "Jean", "Bartik", "Sales", engineer),
    ]


def third_night() -> list[Row]:
    """Return the people after the one who left has returned with a new address."""
    [returning] = [row for row in first_night() if row["key"] == LEAVER]
    return [*second_night(), returning | {"mail": RETURNED_MAIL}]


def _person(number: int, first: str, last: str, department: str, manager: str) -> Row:
    return {
        "key": str(number),
        "mail": f"{first}.{last}@acme.test".lower(),
        "first_name": first,
        "last_name": last,
        "groups": department,
        "manager": manager,
    }


# The company


class Company:
    """
    A company in the sandbox that a sync keeps equal to its HR system.

    :param sandbox: The sandbox.
    :param home: Folder of the source, the plans and the state.
    :param log: Prints a line.
    """

    def __init__(self, sandbox: Sandbox, home: Path, log: Callable[[str], None]) -> None:
        self._sandbox, self._home, self._log = sandbox, home, log
        #: What differs from the description of the nights.
        self.problems: list[str] = []

    def first(self) -> None:
        """Run the first night."""
        self._log("Night 1: the company begins, with 40 people in four departments")
        self._sync(first_night(), 1)
        self._check(1, {"people": (len(self._people()), 40), "they are as in the file": self._as_in(first_night())})
        self._repeat(first_night(), 1)

    def second(self) -> None:
        """Run the second night."""
        self._log("Night 2: two people join, one moves, one marries, one leaves")
        before = self._people()
        self._sync(second_night(), 2)
        people = self._people()
        self._check(
            2,
            {
                "they are as in the file": self._as_in(second_night()),
                "the account of the marriage": (people[BRIDE]["id"], before[BRIDE]["id"]),
                "status of the leaver": (people[LEAVER]["status"], "deleted"),
            },
        )
        self._leaver = before[LEAVER]
        self._repeat(second_night(), 2)

    def third(self) -> None:
        """Run the third night."""
        self._log("Night 3: the file is cut in half")
        before = self._sandbox.control.state()
        half = third_night()[:20]
        refusal = self._refusal(half, 3)
        self._log(f"  refused, {refusal}")
        unchanged = (self._sandbox.control.state() == before, True)
        self._check(3, {"refused": ("max_leavers" in refusal, True), "nothing changed": unchanged})
        self._log("Night 3, again: the whole file; the person who left returns with a new address")
        self._sync(third_night(), 3)
        people = self._people()
        self._check(
            3,
            {
                "they are as in the file": self._as_in(third_night()),
                "the account of the person who returned": (people[LEAVER]["id"], self._leaver["id"]),
                "address of the person who returned": (people[LEAVER]["mail"], RETURNED_MAIL),
            },
        )
        self._repeat(third_night(), 3)

    def _sync(self, rows: Sequence[Row], night: int) -> JsonObject:
        began = time.monotonic()
        result = self._execute(rows, night)
        changes = {name: count for name, count in result["counts"].items() if name in get_args(Action)}
        self._log(f"  planned: {_shown_counts(changes)}")
        self._log(f"  plan: {_summary_of(result['path'])}")
        self._log(f"  applied: {_shown_counts(result['outcomes'])}")
        seconds = time.monotonic() - began
        self._log(f"  {seconds:.0f} s in all; the plan expects {result['seconds']} s of writes at the rate limit")
        return result

    def _repeat(self, rows: Sequence[Row], night: int) -> None:
        result = self._execute(rows, night)
        changes = {action: count for action, count in result["counts"].items() if action != "not_verifiable"}
        self._check(night, {"a second run changes": (changes, {})})
        self._log("  a second run changes nothing")

    def _refusal(self, rows: Sequence[Row], night: int) -> str:
        from airflow.providers.common.compat.sdk import AirflowFailException

        try:
            self._execute(rows, night)
        except AirflowFailException as error:
            return str(error)
        return "the guards passed"

    def _execute(self, rows: Sequence[Row], night: int) -> JsonObject:
        """
        Write the file of a night, plan and apply.

        :param rows: The people of the file.
        :param night: Number of the night, whose date is the data interval.
        """
        from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator

        file = self._home / "people.csv"
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        operator = Learning360SyncUsersOperator(
            task_id="sync",
            mode="plan_and_apply",
            rows=str(file),
            key="custom",
            key_namespace="hr:",
            joiner_mode="create_active",
            managed_groups=["Acme"],
            groups_mode="exact",
            create_groups=True,
            leavers="both",
            leaver_action="delete",
            plan_path=str(self._home / "plans"),
            state_path=str(self._home / "state"),
        )
        context: Any = {"logical_date": datetime(2026, 12, night, 2, tzinfo=UTC)}
        return dict(operator.execute(context))

    def _people(self) -> dict[str, JsonObject]:
        """Return the users who are managed by key, with the names of their groups and the keys of their managers."""
        state = self._sandbox.control.state()
        groups = {group["id"]: group["name"] for group in state["groups"]}
        keys = {user["id"]: str(user["profile"].get("custom", "")).removeprefix("hr:") for user in state["users"]}
        memberships: dict[str, list[str]] = {}
        for membership in state["memberships"]:
            memberships.setdefault(membership["user"], []).append(groups[membership["group"]])
        return {
            keys[user["id"]]: user
            | {
                "groups": sorted(memberships.get(user["id"], [])),
                "managers": [keys[manager] for manager in user["managers"]],
            }
            for user in state["users"]
            if str(user["profile"].get("custom", "")).startswith("hr:")
        }

    def _as_in(self, rows: Sequence[Row]) -> tuple[object, object]:
        """Return the people whom the sandbox has, and those of the file."""
        has = {key: _shown(user) for key, user in self._people().items() if user["status"] != "deleted"}
        return has, {row["key"]: _wanted(row) for row in rows}

    def _check(self, night: int, checks: Mapping[str, tuple[object, object]]) -> None:
        for what, (actual, expected) in checks.items():
            if actual != expected:
                self.problems.append(f"night {night}, {what}: {actual}, expected {expected}")


def _shown_counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}={count}" for name, count in counts.items()) or "nothing"


def _summary_of(path: str) -> str:
    """Return where the summary of a plan is, as short as possible."""
    summary = Path(path.removeprefix("file://")) / "summary.md"
    return str(summary.relative_to(Path.cwd()) if summary.is_relative_to(Path.cwd()) else summary)


def _shown(user: JsonObject) -> JsonObject:
    profile = user["profile"]
    return {
        "mail": user["mail"],
        "name": f"{profile['first_name']} {profile['last_name']}",
        "groups": user["groups"],
        "managers": user["managers"],
    }


def _wanted(row: Row) -> JsonObject:
    return {
        "mail": row["mail"],
        "name": f"{row['first_name']} {row['last_name']}",
        "groups": [row["groups"]],
        "managers": [row["manager"]] if row["manager"] else [],
    }


def run(
    version: str,
    home: Path,
    log: Callable[[str], None],
    settings: Mapping[str, object] | None = None,
    limits: Mapping[str, int] | None = None,
) -> list[str]:
    """
    Run the three nights and return what differs from their description.

    :param version: Version of the API.
    :param home: An empty folder.
    :param log: Prints a line.
    :param settings: Settings of the sandbox.
    :param limits: Rate limits of the connection, by default the documented ones.
    """
    with Sandbox(seed="empty", settings=dict(settings or {})) as sandbox:
        log(f"Sandbox for 360Learning, API {version}: {sandbox.page_url}")
        os.environ["AIRFLOW_CONN_LEARNING360_DEFAULT"] = sandbox.connection_json(
            api_version=version, limits=dict(limits or {})
        )
        company = Company(sandbox, home, log)
        company.first()
        company.second()
        company.third()
        return company.problems


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the demo and return the exit status.

    :param arguments: Those of the command line.
    """
    parser = argparse.ArgumentParser(prog="make demo-sync", description=__doc__)
    parser.add_argument("--version", choices=("v1", "v2"), default="v2", help="version of the API")
    version = parser.parse_args(arguments).version
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir(parents=True)
    os.environ.update(
        AIRFLOW_HOME=str(HOME / "airflow"),
        AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(HOME / "rate-limiter"),
        AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL",
    )
    began = time.monotonic()

    def log(line: str) -> None:
        seconds = int(time.monotonic() - began)
        print(f"{seconds // 60}:{seconds % 60:02}  {line}", flush=True)

    problems = run(version, HOME, log)
    if problems:
        log("The demo did not end as described:")
        print(*(f"  - {problem}" for problem in problems), sep="\n")
        return 1
    log("All nights ended as described, and the sandbox agrees.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
