"""
``make demo``: the onboarding DAG in real Airflow, twice, against one sandbox, and what came of it.

Exits 0 only if both runs ended exactly as they should, and what the sandbox saw agrees with what they say.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_360learning.sandbox.server import Sandbox

from .airflow_stack import AirflowStack

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
DAG_ID = "onboarding_new_hires"
#: A run takes about half a minute; a machine under load more.
RUN_TIMEOUT = 150.0

NEW_ACCOUNTS = {
    f"{name}@acme.test"
    for name in (
        "ada.lovelace",
        "alan.turing",
        "barbara.liskov",
        "emmy.noether",
        "hedy.lamarr",
        "lise.meitner",
        "margaret.hamilton",
        "mary.jackson+hire",
        "tu.youyou",
    )
}
GRACE, LINUS = "grace.hopper@acme.test", "linus.pauling@acme.test"


@dataclass(frozen=True)
class Run:
    """One run of the DAG: what it says, and what Airflow and the sandbox saw of it."""

    state: str
    said: dict[str, Any]
    failed: set[str]
    journal: list[dict[str, Any]]
    #: What exists at the sandbox after the run.
    there: dict[str, Any]
    #: Whether the wait held no worker.
    was_deferred: bool
    seconds: float

    def done(self, operation: str) -> list[dict[str, Any]]:
        """List the requests of an operation that were done."""
        return [entry for entry in self.journal if entry["operation"] == operation and entry["done"]]


def main() -> int:
    """Run the demonstration and return the exit status."""
    began = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    with Sandbox(settings={"learner_seconds": 12}) as sandbox:
        print(f"A sandbox stands in for 360Learning at {sandbox.url}. Starting Airflow …", flush=True)
        env = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": sandbox.connection_json(),
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(HOME / "budget"),
            "ONBOARDING_POKE_SECONDS": "3",
        }
        with AirflowStack(HOME, ROOT / "dags_examples", env) as airflow:
            print(f"Airflow {airflow.version} is up after {time.monotonic() - began:.0f} s.", flush=True)
            first = run_once(airflow, sandbox)
            report("First run", first)
            second = run_once(airflow, sandbox)
            report("Second run, of the same file", second)
    problems = [f"first run: {problem}" for problem in problems_of(first, NEW_ACCOUNTS, {GRACE}, "created")]
    problems += [
        f"second run: {problem}" for problem in problems_of(second, set(), NEW_ACCOUNTS | {GRACE}, "already_exists")
    ]
    print(f"\nBoth runs together, Airflow's start included: {time.monotonic() - began:.0f} s.")
    if problems:
        print("Not as it should be (logs are in .demo/):", *problems, sep="\n  - ")
        return 1
    print("As it should be: refused_rows fails each run, so that nobody overlooks line 8. Everything is stopped.")
    return 0


def run_once(airflow: AirflowStack, sandbox: Sandbox) -> Run:
    """Run the DAG to its end."""
    sandbox.control.clear_journal()
    began = time.monotonic()
    run_id = airflow.trigger(DAG_ID)
    state = airflow.wait(DAG_ID, run_id, RUN_TIMEOUT)
    seconds = time.monotonic() - began
    waiting = airflow.logs(DAG_ID, run_id, "wait_for_completion")
    return Run(
        state=state,
        said=airflow.xcom(DAG_ID, run_id, "summary") or {},
        failed={task["task_id"] for task in airflow.task_instances(DAG_ID, run_id) if task["state"] != "success"},
        journal=sandbox.control.journal(),
        there=sandbox.control.state(),
        was_deferred="as DEFERRED" in waiting,
        seconds=seconds,
    )


def report(title: str, run: Run) -> None:
    """Print what a run did, for people."""
    said = run.said
    refused = [f"line {fault['line']}, {fault['field']}: {fault['problem']}" for fault in said.get("refused", [])]
    too_many = sum(entry["status"] == 429 for entry in run.journal)
    rows = {
        "groups created": _listed(said.get("groups_created", [])),
        "accounts created": _listed(said.get("created", [])),
        "had an account": _listed(said.get("existed", [])),
        "invited, waiting for acceptance": _listed(said.get("invited", [])),
        "refused": "; ".join(refused) or "none",
        "session": said.get("session"),
        "enrolled": _listed(said.get("enrolled", [])),
        "completed": f"{said.get('completed')} of {len(said.get('enrolled', []))}",
        "requests": f"{len(run.journal)}, of them {too_many} answered 429",
        "ended": f"{run.state} after {run.seconds:.0f} s; tasks that failed: {_listed(run.failed)}",
    }
    print(f"\n{title}")
    for label, value in rows.items():
        print(f"  {label:32}{value}")
    sys.stdout.flush()


def problems_of(run: Run, created: set[str], existed: set[str], session: str) -> list[str]:
    """Compare a run with what it should have been; what the sandbox saw is asked first."""
    said = run.said
    refused = [(fault["line"], fault["field"]) for fault in said.get("refused", [])]
    groups = {"Engineering", "Research"} if session == "created" else set()
    checks = {
        "accounts made at the sandbox": ({entry["user"] for entry in run.done("createOrInviteUser")}, created),
        "accounts said to be created": (set(said.get("created", ())), created),
        "people said to have had an account": (set(said.get("existed", ())), existed),
        "people said to be invited": (said.get("invited"), [LINUS]),
        "rows said to be refused": (refused, [(8, "mail")]),
        "groups made at the sandbox": ({entry["body"]["name"] for entry in run.done("createGroup")}, groups),
        "groups said to be created": (set(said.get("groups_created", ())), groups),
        "sessions made at the sandbox": (len(run.done("createPathSession")), int(session == "created")),
        "session": (said.get("session"), session),
        "people enrolled at the sandbox": ({one["mail"] for one in run.there["enrollments"]}, created | existed),
        "people said to be enrolled": (set(said.get("enrolled", ())), created | existed),
        "completed": (said.get("completed"), len(created | existed)),
        "mails sent": (run.there["mails_sent"], []),
        "the wait was deferred (in the second run, there is nothing to wait for)": (
            run.was_deferred,
            session == "created",
        ),
        "answers 429": ([entry["id"] for entry in run.journal if entry["status"] == 429], []),
        "tasks that failed (refused_rows alone should)": (run.failed, {"refused_rows"}),
        "state": (run.state, "failed"),
    }
    return [f"{what}: {is_} instead of {should}" for what, (is_, should) in checks.items() if is_ != should]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


if __name__ == "__main__":
    sys.exit(main())
