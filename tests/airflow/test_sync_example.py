"""The example of a sync in a running Airflow: approved, rejected, and applied by its id."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from demo.run import EXAMPLES

pytestmark = pytest.mark.slow

TIMEOUT = 180
LEAVER, LEAVER_MAIL = "1006", "lise.meitner@acme.test"


@dataclass
class Nights:
    """A company whose people were synced once."""

    stack: AirflowStack
    platform: Sandbox

    def sync(self) -> str:
        """Start a run, and return its id."""
        return self.stack.trigger("sync_people")

    def end(self, run_id: str, dag_id: str = "sync_people") -> dict[str, str]:
        """Wait until a run has succeeded, and return the states of its tasks."""
        assert self.stack.wait(dag_id, run_id, TIMEOUT) == "success", self.stack.logs(dag_id, run_id)
        return {task["task_id"]: task["state"] for task in self.stack.task_instances(dag_id, run_id)}

    def plan(self, run_id: str) -> dict[str, Any]:
        """Return the result of the plan of a run."""
        return dict(self.stack.xcom("sync_people", run_id, "plan"))

    def respond(self, run_id: str, option: str) -> str:
        """Wait for the approval, give a response, and return what it showed."""
        path = f"/api/v2/dags/sync_people/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"

        def waits() -> bool:
            states = {task["task_id"]: task["state"] for task in self.stack.task_instances("sync_people", run_id)}
            return states.get("approve") in ("awaiting_input", "deferred")

        self.stack.wait_until(waits, TIMEOUT, "the approval did not wait")
        body = str(self.stack.request("GET", path)["body"])
        self.stack.request("PATCH", path, {"chosen_options": [option], "params_input": {}})
        return body

    def without_leaver(self) -> None:
        """Take a person out of the file."""
        file = Path(self.stack.env["SYNC_PEOPLE"])
        with file.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        with file.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, list(rows[0]))
            writer.writeheader()
            writer.writerows(row for row in rows if row["personnel_number"] != LEAVER)

    def is_leaving(self) -> bool:
        """Return whether the date of deactivation of the person is set."""
        [user] = [user for user in self.platform.control.state()["users"] if user["mail"] == LEAVER_MAIL]
        return "deactivate_at" in user["profile"]


@pytest.fixture
def nights(stack, platform):
    platform.control.reset()
    shutil.copy(EXAMPLES / "people.csv", stack.env["SYNC_PEOPLE"])
    shutil.rmtree(stack.env["SYNC_FOLDER"], ignore_errors=True)
    nights = Nights(stack, platform)
    run_id = nights.sync()
    tasks = nights.end(run_id)
    assert (tasks["approve"], tasks["apply"], tasks["report"]) == ("skipped", "success", "success")
    assert nights.plan(run_id)["counts"]["create"] == 7
    nights.without_leaver()
    return nights


def test_a_second_run_changes_nothing_and_a_file_cut_in_half_is_refused(nights):
    shutil.copy(EXAMPLES / "people.csv", nights.stack.env["SYNC_PEOPLE"])
    nights.platform.control.clear_journal()
    run_id = nights.sync()
    assert nights.end(run_id)["apply"] == "success"
    assert set(nights.plan(run_id)["counts"]) <= {"not_verifiable"}
    file = Path(nights.stack.env["SYNC_PEOPLE"])
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:4]))
    refused = nights.sync()
    assert nights.stack.wait("sync_people", refused, TIMEOUT) == "failed"
    assert nights.plan(refused)["guards"]["max_source_change"] == {"limit": 1, "actual": 5, "passed": False}
    writes = [entry for entry in nights.platform.control.journal() if entry["method"] != "GET"]
    assert {entry["operation"] for entry in writes} <= {"generateToken"}


@pytest.mark.airflow(">=3", reason="approvals came with Airflow 3.1")
def test_an_approved_plan_is_applied(nights):
    run_id = nights.sync()
    body = nights.respond(run_id, "Approve")
    assert f"`{LEAVER}`" in body
    assert "acme.test" not in body
    assert nights.end(run_id)["apply"] == "success"
    assert nights.is_leaving()


def test_a_plan_that_was_not_approved_is_applied_by_its_id_only(nights):
    run_id = nights.sync()
    if nights.stack.is_airflow_3:
        nights.respond(run_id, "Reject")
    assert nights.end(run_id)["apply"] == "skipped"
    assert not nights.is_leaving()
    assert "was not applied" in nights.stack.logs("sync_people", run_id, "report")
    plan_id = nights.plan(run_id)["plan_id"]
    by_hand = nights.stack.trigger("apply_sync_people", {"plan_id": plan_id})
    assert nights.end(by_hand, "apply_sync_people") == {"apply": "success"}
    assert nights.is_leaving()
    again = nights.stack.trigger("apply_sync_people", {"plan_id": plan_id})
    assert nights.stack.wait("apply_sync_people", again, TIMEOUT) == "failed"
    assert "was applied at" in nights.stack.logs("apply_sync_people", again)
