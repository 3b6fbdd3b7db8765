"""
Run the onboarding DAG twice in real Airflow against one sandbox (``make demo``), and check the results.

The exit status is 0 only if both runs ended exactly as expected, and the sandbox received what the runs report.
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
from demo.airflow_stack import AirflowStack

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
DAG_ID = "onboarding_new_hires"
#: Seconds. A run takes 30 to 70 s, and longer on a busy machine.
RUN_TIMEOUT = 150.0
#: Seconds between two lines about the progress of a run.
PROGRESS_INTERVAL = 10.0

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
    """One run of the DAG: what it reports, and what Airflow and the sandbox recorded."""

    state: str
    summary: dict[str, Any]
    failed: set[str]
    journal: list[dict[str, Any]]
    #: State of the sandbox after the run.
    sandbox_state: dict[str, Any]
    #: Whether the sensor was deferred.
    was_deferred: bool
    seconds: float

    def done(self, operation: str) -> list[dict[str, Any]]:
        """Return the successful requests of an operation."""
        return [entry for entry in self.journal if entry["operation"] == operation and entry["done"]]


def main() -> int:
    """Run the demo and return the exit status."""
    began = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    HOME.mkdir()
    with Sandbox(settings={"learner_seconds": 12}) as sandbox:
        print_now(f"Sandbox for 360Learning: {sandbox.url}")
        env = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": sandbox.connection_json(),
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(HOME / "budget"),
            "ONBOARDING_POKE_SECONDS": "3",
        }
        with AirflowStack(HOME, ROOT / "dags_examples", env, report=print_now) as airflow:
            print_now(f"Airflow {airflow.version} started in {time.monotonic() - began:.0f} s")
            print_now(f"\nFirst run of {DAG_ID}")
            first = run_once(airflow, sandbox)
            report(first)
            print_now(f"\nSecond run of {DAG_ID}, with the same file")
            second = run_once(airflow, sandbox)
            report(second)
            print_now("\nStopping Airflow")
    problems = [f"first run: {problem}" for problem in problems_of(first, NEW_ACCOUNTS, {GRACE}, "created")]
    problems += [
        f"second run: {problem}" for problem in problems_of(second, set(), NEW_ACCOUNTS | {GRACE}, "already_exists")
    ]
    print(f"Total time, including the start of Airflow: {time.monotonic() - began:.0f} s.")
    if problems:
        print("The runs did not end as expected (logs are in .demo/):", *problems, sep="\n  - ")
        return 1
    print(
        "Both runs ended as expected: fail_on_invalid_rows fails each run because line 8 of the file is invalid. "
        "All processes are stopped."
    )
    return 0


def run_once(airflow: AirflowStack, sandbox: Sandbox) -> Run:
    """Run the DAG and wait until it ends."""
    sandbox.control.clear_journal()
    began = time.monotonic()
    run_id = airflow.trigger(DAG_ID)
    state = airflow.wait(DAG_ID, run_id, RUN_TIMEOUT, on_poll=Progress(airflow, run_id))
    seconds = time.monotonic() - began
    waiting = airflow.logs(DAG_ID, run_id, "wait_for_completion")
    return Run(
        state=state,
        summary=airflow.xcom(DAG_ID, run_id, "summary") or {},
        failed={task["task_id"] for task in airflow.task_instances(DAG_ID, run_id) if task["state"] != "success"},
        journal=sandbox.control.journal(),
        sandbox_state=sandbox.control.state(),
        was_deferred="as DEFERRED" in waiting,
        seconds=seconds,
    )


class Progress:
    """
    Print the number of finished tasks every ten seconds.

    :param airflow: The Airflow that runs the DAG.
    :param run_id: The run.
    """

    def __init__(self, airflow: AirflowStack, run_id: str) -> None:
        self._airflow, self._run_id = airflow, run_id
        self._began = self._printed = time.monotonic()

    def __call__(self) -> None:
        """Print a line, if it is time."""
        now = time.monotonic()
        if now - self._printed < PROGRESS_INTERVAL:
            return
        self._printed = now
        states = [task["state"] for task in self._airflow.task_instances(DAG_ID, self._run_id)]
        finished = sum(state in ("success", "failed", "skipped") for state in states)
        print_now(f"  … {now - self._began:.0f} s, {finished} of {len(states)} tasks finished")


def report(run: Run) -> None:
    """Print what a run did."""
    summary = run.summary
    invalid = [f"line {error['line']}, {error['field']}: {error['problem']}" for error in summary.get("invalid", [])]
    throttled = sum(entry["status"] == 429 for entry in run.journal)
    tokens = sum(entry["operation"] == "generateToken" for entry in run.journal)
    reads = sum(entry["method"] == "GET" for entry in run.journal)
    writes = len(run.journal) - reads - tokens
    expected = run.state == "failed" and run.failed == {"fail_on_invalid_rows"}
    rows = {
        "groups created": _listed(summary.get("groups_created", [])),
        "accounts created": _listed(summary.get("created", [])),
        "already exists": _listed(summary.get("already_exists", [])),
        "invited, waiting for acceptance": _listed(summary.get("invited", [])),
        "invalid": "; ".join(invalid) or "none",
        "session": summary.get("session"),
        "enrolled": _listed(summary.get("enrolled", [])),
        "completed": f"{summary.get('completed')} of {len(summary.get('enrolled', []))}",
        "requests": f"{reads} reads, {writes} writes, {tokens} for tokens; {throttled} throttled (429)",
        "failed tasks": _listed(run.failed),
        "state": f"{run.state}{', as expected (line 8 is invalid)' if expected else ''}, after {run.seconds:.0f} s",
    }
    for label, value in rows.items():
        print_now(f"  {label:32}{value}")


def print_now(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def problems_of(run: Run, created: set[str], existed: set[str], session: str) -> list[str]:
    """Return the differences between a run and what is expected, in its report and at the sandbox."""
    summary = run.summary
    invalid = [(error["line"], error["field"]) for error in summary.get("invalid", [])]
    groups = {"Engineering", "Research"} if session == "created" else set()
    checks = {
        "accounts created at the sandbox": ({entry["user"] for entry in run.done("createOrInviteUser")}, created),
        "accounts reported as created": (set(summary.get("created", ())), created),
        "accounts reported as existing": (set(summary.get("already_exists", ())), existed),
        "people reported as invited": (summary.get("invited"), [LINUS]),
        "rows reported as invalid": (invalid, [(8, "mail")]),
        "groups created at the sandbox": ({entry["body"]["name"] for entry in run.done("createGroup")}, groups),
        "groups reported as created": (set(summary.get("groups_created", ())), groups),
        "sessions created at the sandbox": (len(run.done("createPathSession")), int(session == "created")),
        "session": (summary.get("session"), session),
        "users enrolled at the sandbox": ({one["mail"] for one in run.sandbox_state["enrollments"]}, created | existed),
        "users reported as enrolled": (set(summary.get("enrolled", ())), created | existed),
        "completed": (summary.get("completed"), len(created | existed)),
        "mails sent": (run.sandbox_state["mails_sent"], []),
        "the sensor was deferred (in the second run there is nothing to wait for)": (
            run.was_deferred,
            session == "created",
        ),
        "throttled requests": ([entry["id"] for entry in run.journal if entry["status"] == 429], []),
        "failed tasks": (run.failed, {"fail_on_invalid_rows"}),
        "state": (run.state, "failed"),
    }
    return [
        f"{what}: {actual}, expected {expected}" for what, (actual, expected) in checks.items() if actual != expected
    ]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


if __name__ == "__main__":
    sys.exit(main())
