"""The example of a sync in a running Airflow: approved, rejected, not answered, and applied by its id."""

from __future__ import annotations

import csv
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from demo.run import EXAMPLES

pytestmark = pytest.mark.slow

TIMEOUT = 300
JOINER = {
    "personnel_number": "1009",
    "mail": "annie.easley@acme.test",
    "first_name": "Annie",
    "last_name": "Easley",
    "department": "Engineering",
    "job": "Engineer",
    "manager": "1002",
    "status": "active",
}


@dataclass(frozen=True)
class Run:
    """A finished run of a DAG of the example."""

    stack: AirflowStack
    dag_id: str
    run_id: str
    state: str

    @property
    def tasks(self) -> dict[str, str]:
        """The states of its tasks."""
        return {task["task_id"]: task["state"] for task in self.stack.task_instances(self.dag_id, self.run_id)}

    @property
    def plan(self) -> dict[str, Any]:
        """The result of its first task."""
        return dict(self.stack.xcom(self.dag_id, self.run_id, "plan"))

    @property
    def approval(self) -> dict[str, Any]:
        """What the approval showed, and the response."""
        return dict(self.stack.request("GET", approval_path(self.dag_id, self.run_id)))

    def log(self, task_id: str | None = None) -> str:
        """Return the log of a task, or of all."""
        return self.stack.logs(self.dag_id, self.run_id, task_id)


@dataclass
class Company:
    """
    A company whose people were synced once.

    :param people: The rows of the file. Each test takes another person out.
    """

    stack: AirflowStack
    platform: Sandbox
    people: list[dict[str, str]]

    def write(self, people: Sequence[Mapping[str, str]]) -> None:
        """Write the file."""
        with Path(self.stack.env["SYNC_PEOPLE"]).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(self.people[0]))
            writer.writeheader()
            writer.writerows(people)

    def leaves(self, key: str) -> None:
        """Take a person out of the file."""
        self.people = [row for row in self.people if row["personnel_number"] != key]
        self.write(self.people)

    def sync(self, dag_id: str = "sync_people", response: str = "") -> Run:
        """
        Run a DAG until it ends.

        :param response: The response to the approval, by default none. It is given each time that the task asks, and
            not while the process that asks still runs: Airflow would lose it, and retry the task.
        """
        run_id = self.stack.trigger(dag_id)
        return self._finish(dag_id, run_id, lambda: self._respond(dag_id, run_id, response))

    def apply(self, plan: Mapping[str, Any], dag_id: str = "apply_sync_people") -> Run:
        """Apply a plan by its id."""
        return self._finish(dag_id, self.stack.trigger(dag_id, {"plan_id": plan["plan_id"]}))

    def is_leaving(self, mail: str) -> bool:
        """Return whether the date of deactivation of a person is set."""
        [user] = [user for user in self.platform.control.state()["users"] if user["mail"] == mail]
        return "deactivate_at" in user["profile"]

    def _finish(self, dag_id: str, run_id: str, on_poll: Callable[[], None] = lambda: None) -> Run:
        run = Run(self.stack, dag_id, run_id, self.stack.wait(dag_id, run_id, TIMEOUT, on_poll))
        print(run.log())  # shown if the test fails
        assert "@acme.test" not in run.log()
        return run

    def _respond(self, dag_id: str, run_id: str, response: str) -> None:
        tasks = {task["task_id"]: task for task in self.stack.task_instances(dag_id, run_id)}
        task = tasks.get("approve", {"state": None})
        if not response or task["state"] not in ("awaiting_input", "deferred"):
            return
        path = approval_path(dag_id, run_id)
        if self._has_asked(run_id, task["try_number"]) and not self.stack.request("GET", path)["response_received"]:
            self.stack.request("PATCH", path, {"chosen_options": [response], "params_input": {}})

    def _has_asked(self, run_id: str, try_number: int) -> bool:
        """Return whether the scheduler knows that the process of the approval, which asks, has ended."""
        task = rf"task_id='approve', run_id='{run_id}', try_number={try_number}\b"
        log = self.stack.component_log("scheduler")
        return re.search(f"Received executor event with state success for .*{task}", log) is not None


def approval_path(dag_id: str, run_id: str) -> str:
    """Return the path of an approval in Airflow's API."""
    return f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"


@pytest.fixture(scope="module")
def company(stack, platform):
    platform.control.reset()
    for folder in ("", "-v2"):
        shutil.rmtree(stack.env["SYNC_FOLDER"] + folder, ignore_errors=True)
    with (EXAMPLES / "people.csv").open(newline="") as stream:
        company = Company(stack, platform, list(csv.DictReader(stream)))
    company.write(company.people)
    run = company.sync(response="Approve")  # because an account gets its key
    assert run.state == "success"
    assert (run.plan["counts"]["create"], run.plan["destructive"]) == (7, 1)
    if not stack.is_airflow_3:
        assert company.apply(run.plan).state == "success"
    return company


def test_a_second_run_changes_nothing_and_a_file_cut_in_half_is_refused(company):
    company.write(company.people)
    company.platform.control.clear_journal()
    run = company.sync()
    assert run.state == "success"
    assert (run.tasks["approve"], run.tasks["apply"], run.tasks["report"]) == ("skipped", "success", "success")
    assert set(run.plan["counts"]) <= {"not_verifiable"}
    company.write(company.people[:3])
    refused = company.sync()
    assert refused.state == "failed"
    assert refused.plan["guards"]["max_source_change"] == {"limit": 1, "actual": 5, "passed": False}
    writes = [entry for entry in company.platform.control.journal() if entry["method"] != "GET"]
    assert {entry["operation"] for entry in writes} <= {"generateToken"}


@pytest.mark.airflow(">=3", reason="approvals came with Airflow 3.1")
def test_an_approved_plan_is_applied(company):
    company.leaves("1006")
    run = company.sync(response="Approve")
    assert (run.state, run.tasks["apply"]) == ("success", "success")
    assert "`1006`" in run.approval["body"]
    assert "acme.test" not in run.approval["body"]
    assert company.is_leaving("lise.meitner@acme.test")


def test_a_plan_that_was_not_approved_is_applied_by_its_id_only(company):
    company.leaves("1007")
    run = company.sync(response="Reject")
    assert (run.state, run.tasks["apply"]) == ("success", "skipped")
    assert not company.is_leaving("tu.youyou@acme.test")
    assert "was not applied" in run.log("report")
    by_hand = company.apply(run.plan)
    assert (by_hand.state, by_hand.tasks) == ("success", {"apply": "success"})
    assert company.is_leaving("tu.youyou@acme.test")
    again = company.apply(run.plan)
    assert again.state == "failed"
    assert "was applied at" in again.log()


def test_on_api_v2_a_plan_without_a_response_in_time_is_not_applied(company):
    company.people.append(JOINER)
    company.leaves("1003")
    company.platform.control.clear_journal()
    run = company.sync("sync_people_v2")
    assert (run.state, run.tasks["apply"]) == ("success", "skipped")
    assert (run.plan["counts"]["create"], run.plan["counts"]["deactivate"]) == (1, 1)
    assert "was not applied" in run.log("report")
    writes = [entry for entry in company.platform.control.journal() if entry["method"] != "GET"]
    assert {entry["path"] for entry in writes} <= {"/api/v2/oauth2/token"}
    assert company.apply(run.plan, "apply_sync_people_v2").state == "success"
    assert company.is_leaving("alan.turing@acme.test")
