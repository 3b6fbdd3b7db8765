"""
Show the provider in real Airflow against one sandbox, in four scenes, and check each of them (``make demo``).

1. Twelve new hires, one of them in an invalid row: the eleven valid rows are done, then the run fails and names line,
   field and reason.
2. The row is corrected: the run succeeds, only the new person is created, and everyone completes the path session.
3. 100 updates in one task, at the rate limit.
4. The connection changes to API v2, and nothing else: the onboarding runs again, and creates no user and no other
   object.

The exit status is 0 only if each scene ended like this and the sandbox's journal agrees.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack, StackError

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "dags_examples"
HOME = ROOT / ".demo"
NEW_HIRES, JOBS = HOME / "new_hires.csv", HOME / "jobs.csv"
ONBOARDING, UPDATES = "onboarding_new_hires", "bulk_update_users"
CONNECTION = "learning360_default"
#: Maximum seconds of a scene, which takes about 30 s, and longer on a busy machine.
SCENE_TIMEOUT = 300.0
#: Seconds between two lines about the progress of a task.
PROGRESS_INTERVAL = 4.0

CREATED = {
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
#: She has an account already, and he an invitation.
GRACE, LINUS = "grace.hopper@acme.test", "linus.pauling@acme.test"
INVALID_MAIL, KATHERINE = "katherine.johnson.acme.test", "katherine.johnson@acme.test"
#: Number of updates, and what the company may send per second (``company_writes``).
UPDATED, UPDATES_PER_SECOND = 100, 5
NEW_JOB = "Consultant"

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """
    What Airflow and the sandbox recorded about one run of a DAG.

    :param state: State of the run.
    :param tasks: State of each task.
    :param results: Result of each task that has one.
    :param log: The log of all tasks.
    :param journal: Requests that arrived during the run.
    :param company: State of the sandbox after the run.
    """

    state: str
    tasks: Mapping[str, str | None]
    results: Mapping[str, Any]
    log: str
    journal: Sequence[JsonObject]
    company: Mapping[str, Sequence[JsonObject]]

    def done(self, *operations: str) -> list[JsonObject]:
        """Return the successful requests of some operations."""
        return [entry for entry in self.journal if entry["operation"] in operations and entry["done"]]

    def outcomes(self, task_id: str) -> dict[str, int] | None:
        """Return the number of rows of a bulk task by outcome."""
        result = self.results.get(task_id)
        return result and result["outcomes"]

    def created(self) -> list[str]:
        """Return the email addresses for which an account was created."""
        return sorted(entry["user"] for entry in self.done("createOrInviteUser"))

    def throttled(self) -> int:
        """Return the number of requests that exceeded a limit."""
        return sum(entry["status"] == 429 for entry in self.journal)

    def versions(self) -> set[str]:
        """Return the API versions of the requests, other than those for tokens."""
        paths = [entry["path"] for entry in self.journal if entry["operation"] != "generateToken"]
        return {path.split("/")[2] for path in paths}


# What the scenes must end with


def problems_with_an_invalid_row(run: Run) -> list[str]:
    """Return what differs from the description of the first scene."""
    lines = [line for line in run.log.splitlines() if INVALID_MAIL in line]
    return _differences(
        {
            "state of the run": (run.state, "failed"),
            "state of create_accounts": (run.tasks.get("create_accounts"), "failed"),
            "rows by outcome": (
                run.outcomes("create_accounts"),
                {"already_invited": 1, "created": 9, "invalid": 1, "updated": 1},
            ),
            "accounts created at the sandbox": (run.created(), sorted(CREATED)),
            "groups created at the sandbox": (
                sorted(entry["body"]["name"] for entry in run.done("createGroup")),
                ["Engineering", "Research"],
            ),
            "the log names line, field and reason": (any("line 8" in line and "mail" in line for line in lines), True),
            "enrollments": (len(run.company["enrollments"]), 0),
            "emails sent": (len(run.company["mails_sent"]), 0),
        }
    )


def problems_with_the_corrected_row(run: Run, new_hires: Path) -> list[str]:
    """
    Return what differs from the description of the second scene.

    :param new_hires: The corrected file.
    """
    with new_hires.open(newline="") as file:
        departments = {row["mail"]: row["department"] for row in csv.DictReader(file)}
    everyone = sorted(departments)
    completion = run.results.get("wait_for_completion") or {}
    return _differences(
        {
            "state of the run": (run.state, "success"),
            "rows by outcome": (run.outcomes("create_accounts"), {"created": 1, "updated": 11}),
            "accounts created at the sandbox": (run.created(), [KATHERINE]),
            "groups created at the sandbox": (len(run.done("createGroup")), 0),
            "members of the departments": (_departments(run.company, everyone), departments),
            "sessions created at the sandbox": (len(run.done("createPathSession")), 1),
            "users enrolled at the sandbox": (sorted(one["mail"] for one in run.company["enrollments"]), everyone),
            "users who have completed the session": (completion.get("done"), len(everyone)),
            "emails sent": (len(run.company["mails_sent"]), 0),
        }
    )


def problems_with_updates(run: Run) -> list[str]:
    """Return what differs from the description of the third scene."""
    updates = run.done("updateUser")
    arrivals = [entry["arrived_at"] for entry in updates]
    jobs = Counter(user["profile"].get("job") for user in run.company["users"])
    return _differences(
        {
            "state of the run": (run.state, "success"),
            "rows by outcome": (run.outcomes("update_users"), {"updated": UPDATED}),
            "users updated at the sandbox": (sorted(entry["user"] for entry in updates), _mails()),
            "users who have the new job": (jobs[NEW_JOB], UPDATED),
            "updates per second": (_average_rate(arrivals) > UPDATES_PER_SECOND / 2, True),
        }
    )


def problems_with_the_other_version(run: Run, before: Run) -> list[str]:
    """
    Return what differs from the description of the fourth scene.

    :param before: The run of the same DAG before the connection changed.
    """
    created = ("createUser", "createGroup", "createPathSession", "createIntegration")
    kinds = ("users", "groups", "memberships", "sessions", "enrollments", "mails_sent")
    return _differences(
        {
            "state of the run": (run.state, "success"),
            "API versions of its requests": (run.versions(), {"v2"}),
            "rows by outcome": (run.outcomes("create_accounts"), {"updated": 12}),
            "objects created at the sandbox": ([entry["operation"] for entry in run.done(*created)], []),
            "objects of the company": (
                {kind: len(run.company[kind]) for kind in kinds},
                {kind: len(before.company[kind]) for kind in kinds},
            ),
            "users who have completed the session": (
                (run.results.get("wait_for_completion") or {}).get("done"),
                (before.results.get("wait_for_completion") or {}).get("done"),
            ),
        }
    )


def _differences(checks: Mapping[str, tuple[object, object]]) -> list[str]:
    return [
        f"{what}: {actual}, expected {expected}" for what, (actual, expected) in checks.items() if actual != expected
    ]


def _departments(company: Mapping[str, Sequence[JsonObject]], mails: Sequence[str]) -> dict[str, str]:
    """Return the group of each user below the root group."""
    names = {group["id"]: group["name"] for group in company["groups"] if group["parent"]}
    return {
        member["mail"]: names[member["group"]]
        for member in company["memberships"]
        if member["mail"] in mails and member["group"] in names
    }


def _average_rate(arrivals: Sequence[float]) -> float:
    """Return requests per second; the last window of the limit, one second, belongs to their time."""
    return len(arrivals) / (max(arrivals) - min(arrivals) + 1) if arrivals else 0.0


# The scenes


class Demo:
    """
    The scenes, one after the other, with a line per step.

    :param airflow: The running Airflow.
    :param sandbox: The sandbox.
    :param log: Prints a line.
    """

    def __init__(self, airflow: AirflowStack, sandbox: Sandbox, log: Callable[[str], None]) -> None:
        self._airflow, self._sandbox, self._log = airflow, sandbox, log
        self.connect("POST")

    def invalid_row(self) -> list[str]:
        """Run the first scene and return its problems."""
        self._log("Scene 1: 12 new hires from a file; line 8 has an invalid email address")
        run = self._run(ONBOARDING, _onboarding_progress)
        self._log(f"  rows by outcome: {run.outcomes('create_accounts')}")
        self._log(f"  {_reason(run)}")
        return self._ended(run, problems_with_an_invalid_row(run), "failed as described: the 11 valid rows are done")

    def corrected_row(self) -> list[str]:
        """Run the second scene and return its problems."""
        self._log("Scene 2: line 8 is corrected, and Linus has accepted his invitation")
        NEW_HIRES.write_text(NEW_HIRES.read_text().replace(INVALID_MAIL, KATHERINE))
        self._sandbox.control.accept_invitation(LINUS)
        run = self._onboarded = self._run(ONBOARDING, _onboarding_progress)
        self._log(f"  rows by outcome: {run.outcomes('create_accounts')}")
        self._log(f"  accounts created: {', '.join(run.created())}")
        problems = problems_with_the_corrected_row(run, NEW_HIRES)
        return self._ended(run, problems, "succeeded as described: all 12 have completed the path session")

    def updates(self) -> list[str]:
        """Run the third scene and return its problems."""
        self._log(f"Scene 3: {UPDATED} updates in one task; the limit is {UPDATES_PER_SECOND} per second")
        self._sandbox.control.add_users(_mails())
        JOBS.write_text("E-Mail,Job title,Remarks\n" + "".join(f"{mail},{NEW_JOB},\n" for mail in _mails()))
        run = self._run(UPDATES, _updates_progress)
        rate = _average_rate([entry["arrived_at"] for entry in run.done("updateUser")])
        text = f"succeeded as described: {rate:.1f} updates per second, {rate / UPDATES_PER_SECOND:.0%} of the limit"
        return self._ended(run, problems_with_updates(run), text)

    def other_version(self) -> list[str]:
        """Run the fourth scene and return its problems."""
        self._log("Scene 4: the connection changes to API v2; the same DAG, the same file")
        company = self._sandbox.control.state()
        before = replace(self._onboarded, company=company)
        self.connect("PATCH", f"/{CONNECTION}", api_version="v2")
        run = self._run(ONBOARDING, _onboarding_progress)
        self._log(f"  rows by outcome: {run.outcomes('create_accounts')}")
        text = f"succeeded as described: API {', '.join(run.versions())} only, no user and no other object was created"
        return self._ended(run, problems_with_the_other_version(run, before), text)

    def connect(self, method: str, path: str = "", **extra: str) -> None:
        """
        Create or change the connection of the DAGs in Airflow.

        :param method: ``POST`` to create it, ``PATCH`` to change it.
        :param path: Path of the connection that is changed.
        :param extra: Extra fields.
        """
        fields = self._sandbox.connection(**extra)
        body = {**fields, "connection_id": CONNECTION, "extra": json.dumps(fields["extra"])}
        self._airflow.request(method, f"/api/v2/connections{path}", body)

    def _run(self, dag_id: str, progress: Callable[[Sequence[JsonObject]], str]) -> Run:
        airflow, control = self._airflow, self._sandbox.control
        control.clear_journal()
        run_id = airflow.trigger(dag_id)
        watch = Watch(airflow, dag_id, run_id, lambda: progress(control.journal()), self._log)
        state = airflow.wait(dag_id, run_id, SCENE_TIMEOUT, on_poll=watch)
        tasks = {task["task_id"]: task["state"] for task in airflow.task_instances(dag_id, run_id)}
        return Run(
            state=state,
            tasks=tasks,
            results={task_id: airflow.xcom(dag_id, run_id, task_id) for task_id in tasks},
            log=airflow.logs(dag_id, run_id),
            journal=control.journal(),
            company=control.state(),
        )

    def _ended(self, run: Run, problems: list[str], text: str) -> list[str]:
        # On a busy machine, a request may be sent so late that it exceeds a limit; it is sent again.
        self._log(f"  {'did NOT end as described' if problems else text}; {run.throttled()} throttled requests (429)")
        return problems


class Watch:
    """
    Print when a task changes its state, and in between how far it is.

    :param airflow: The Airflow that runs the DAG.
    :param dag_id: The DAG.
    :param run_id: Its run.
    :param progress: Returns what was done so far.
    :param log: Prints a line.
    """

    _shown = ("running", "deferred", "success", "failed", "upstream_failed", "up_for_retry")

    def __init__(
        self, airflow: AirflowStack, dag_id: str, run_id: str, progress: Callable[[], str], log: Callable[[str], None]
    ) -> None:
        self._airflow, self._dag_id, self._run_id = airflow, dag_id, run_id
        self._progress, self._log = progress, log
        self._states: dict[str, str] = {}
        self._text = ""
        self._printed = time.monotonic()

    def __call__(self) -> None:
        """Print what has changed."""
        for task in self._airflow.task_instances(self._dag_id, self._run_id):
            name, state = task["task_id"], task["state"]
            if state in self._shown and self._states.get(name) != state:
                self._states[name] = state
                self._print(f"{name}: {state}")
        if time.monotonic() - self._printed > PROGRESS_INTERVAL:
            text = self._progress()
            if text and text != self._text:
                self._text = text
                self._print(f"… {text}")

    def _print(self, text: str) -> None:
        self._printed = time.monotonic()
        self._log(f"  {text}")


def _mails() -> list[str]:
    return [f"user.{number:03}@acme.test" for number in range(1, UPDATED + 1)]


def _reason(run: Run) -> str:
    """Return the part of the log that names the invalid row."""
    for line in run.log.splitlines():
        start = line.find("row 7")
        if start >= 0 and INVALID_MAIL in line:
            return line[start:].split('"')[0]
    return "the log does not name the invalid row"


def _onboarding_progress(journal: Sequence[JsonObject]) -> str:
    done = Counter(entry["operation"] for entry in journal if entry["done"])
    steps = {
        "groups created": done["createGroup"],
        "accounts created": done["createOrInviteUser"],
        "accounts updated": done["updateUser"],
        "polls for completion": done["getUsersPathSessionStats"] + done["getUserStats"],
    }
    return ", ".join(f"{number} {text}" for text, number in steps.items() if number)


def _updates_progress(journal: Sequence[JsonObject]) -> str:
    arrivals = [entry["arrived_at"] for entry in journal if entry["operation"] == "updateUser" and entry["done"]]
    rate = _average_rate(arrivals)
    if not rate:
        return ""
    throttled = sum(entry["status"] == 429 for entry in journal)
    return (
        f"{len(arrivals)} of {UPDATED} updates, {rate:.1f} per second ({rate / UPDATES_PER_SECOND:.0%} of the limit), "
        f"{throttled} throttled (429), {(UPDATED - len(arrivals)) / rate:.0f} s left"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run the demo and return the exit status.

    :param arguments: Those of the command line.
    """
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave Airflow and the sandbox open until interrupted")
    keep = parser.parse_args(arguments).keep
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    began = time.monotonic()

    def log(line: str) -> None:
        seconds = int(time.monotonic() - began)
        print(f"{seconds // 60}:{seconds % 60:02}  {line}", flush=True)

    _prepare_home()
    problems: list[str] = []
    try:
        with Sandbox(settings={"learner_seconds": 6}) as sandbox:
            log(f"Sandbox for 360Learning: {sandbox.url}")
            with AirflowStack(HOME, HOME / "dags", _environment(), report=log) as airflow:
                log(f"Airflow {airflow.version} is running")
                demo = Demo(airflow, sandbox, log)
                problems = [*demo.invalid_row(), *demo.corrected_row(), *demo.updates(), *demo.other_version()]
                if keep:
                    _keep_open(airflow, sandbox)
                log("Stopping Airflow and the sandbox")
    except StackError as error:
        problems.append(str(error))
    except KeyboardInterrupt:
        problems.append("interrupted")
    if problems:
        log("The demo did not end as described (logs are in .demo/):")
        print(*(f"  - {problem}" for problem in problems), sep="\n")
        return 1
    log("All scenes ended as described, and the sandbox's journal agrees. All processes are stopped.")
    return 0


def _prepare_home() -> None:
    """Create an empty folder for Airflow, with copies of the DAGs and of the file that the second scene corrects."""
    shutil.rmtree(HOME, ignore_errors=True)
    (HOME / "dags").mkdir(parents=True)
    for dag_id in (ONBOARDING, UPDATES):
        shutil.copy(EXAMPLES / f"{dag_id}.py", HOME / "dags")
    shutil.copy(EXAMPLES / NEW_HIRES.name, NEW_HIRES)


def _environment() -> dict[str, str]:
    return {
        "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(HOME / "rate-limiter"),
        "ONBOARDING_FILE": str(NEW_HIRES),
        "ONBOARDING_POKE_SECONDS": "2",
        "BULK_JOBS": str(JOBS),
        "BULK_RESULTS": str(HOME / "bulk"),
    }


def _keep_open(airflow: AirflowStack, sandbox: Sandbox) -> None:
    print(
        f"""
Airflow and the sandbox stay open until Ctrl-C. They accept connections from this machine only.

  Airflow   {airflow.url}   no login: every visitor is an administrator
  sandbox   {sandbox.page_url}
            API v1: company ID {sandbox.company_id}, API key {sandbox.api_key}
            API v2: client ID {sandbox.client_id}, client secret {sandbox.client_secret}
""",
        flush=True,
    )
    with suppress(KeyboardInterrupt):
        threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
