"""
The example DAGs in real Airflow, on both lines, as their pages describe them.

The examples of statistics have a file of their own; `make demo` runs onboarding and updates with a real scheduler.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from demo.run import (
    EXAMPLES,
    INVALID_MAIL,
    KATHERINE,
    LINUS,
    ONBOARDING,
    ROOT,
    UPDATES,
    Run,
    problems_with_an_invalid_row,
    problems_with_the_corrected_row,
)
from tests.airflow.dag_runner import DagRunner, FinishedRun

pytestmark = pytest.mark.slow


@dataclass
class Examples:
    """An Airflow that runs the examples against sandboxes, and the folder of their input files."""

    stack: AirflowStack
    runner: DagRunner
    sandbox: Sandbox
    other_company: Sandbox
    files: Path

    def run(self, dag_id: str, day: str, version: str = "v1") -> tuple[FinishedRun, Run]:
        """
        Run a DAG once, and return its log, and what Airflow and the sandbox recorded.

        :param version: API version of its connections.
        """
        self.sandbox.control.clear_journal()
        connections = connections_of(self.sandbox, self.other_company, version)
        finished = self.runner.run(dag_id, day, connections)
        run = Run(
            state=finished.state,
            tasks=finished.tasks,
            results={task: self.stack.xcom(dag_id, finished.run_id, task) for task in finished.tasks},
            log=finished.log,
            journal=self.sandbox.control.journal(),
            company=self.sandbox.control.state(),
        )
        print(finished.log)  # shown if the test fails
        return finished, run


def connections_of(sandbox: Sandbox, other_company: Sandbox, version: str) -> dict[str, str]:
    """Return the connections of the examples as environment variables."""
    ours = sandbox.connection_json(api_version=version)
    return {
        "AIRFLOW_CONN_LEARNING360_DEFAULT": ours,
        "AIRFLOW_CONN_LEARNING360_SANDBOX": ours,
        "AIRFLOW_CONN_LEARNING360_ACME": ours,
        "AIRFLOW_CONN_LEARNING360_GLOBEX": other_company.connection_json(api_version=version),
    }


@pytest.fixture(scope="module")
def running(migrated_db, tmp_path_factory):
    home, files = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("files")
    shutil.copy(migrated_db, home / "airflow.db")
    fast = {"learner_seconds": 3, "limits_enabled": False}
    with Sandbox(settings=fast) as sandbox, Sandbox(seed="empty") as other_company:
        env = {
            **connections_of(sandbox, other_company, "v1"),
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(home / "rate-limiter"),
            "ONBOARDING_FILE": str(files / "new_hires.csv"),
            "ONBOARDING_POKE_SECONDS": "1",
            "OFFBOARDING_FILE": str(files / "leavers.csv"),
        }
        with AirflowStack(home, EXAMPLES, env, components=[]) as stack:
            runner = DagRunner(stack)
            try:
                yield Examples(stack, runner, sandbox, other_company, files)
            finally:
                runner.stop()


@pytest.fixture
def examples(running):
    """Restore the input files and the companies."""
    running.sandbox.control.reset()
    for name in ("new_hires.csv", "leavers.csv"):
        shutil.copy(EXAMPLES / name, running.files)
    return running


def test_onboarding_fails_for_an_invalid_row_and_continues_when_it_is_corrected(examples):
    _, first = examples.run(ONBOARDING, "2026-01-01")
    assert "\n".join(problems_with_an_invalid_row(first)) == ""
    new_hires = examples.files / "new_hires.csv"
    new_hires.write_text(new_hires.read_text().replace(INVALID_MAIL, KATHERINE))
    examples.sandbox.control.accept_invitation(LINUS)
    _, second = examples.run(ONBOARDING, "2026-01-02")
    assert "\n".join(problems_with_the_corrected_row(second, new_hires)) == ""


def test_onboarding_leaves_people_out_who_are_still_invited(examples):
    new_hires = examples.files / "new_hires.csv"
    new_hires.write_text(new_hires.read_text().replace(INVALID_MAIL, KATHERINE))
    _, run = examples.run(ONBOARDING, "2026-01-03")
    assert run.state == "success"
    enrolled = {enrollment["mail"] for enrollment in run.company["enrollments"]}
    assert len(enrolled) == 11
    assert LINUS not in enrolled
    assert run.results["wait_for_completion"]["done"] == 11


def test_onboarding_runs_unchanged_on_api_v2(examples):
    """It completes the account of the invited person, so that all are enrolled."""
    new_hires = examples.files / "new_hires.csv"
    new_hires.write_text(new_hires.read_text().replace(INVALID_MAIL, KATHERINE))
    _, run = examples.run(ONBOARDING, "2026-01-04", "v2")
    assert (run.state, run.versions()) == ("success", {"v2"})
    assert run.outcomes("create_accounts") == {"created": 11, "updated": 1}
    enrolled = {enrollment["mail"] for enrollment in run.company["enrollments"]}
    assert len(enrolled) == 12
    assert LINUS in enrolled
    assert run.results["wait_for_completion"]["done"] == 12
    assert run.company["mails_sent"] == []


def test_updates_map_columns_and_skip_rows_that_were_accepted_before(examples):
    _, first = examples.run(UPDATES, "2026-01-01")
    assert first.outcomes("update_users") == {"updated": 2}
    jobs = {user["mail"]: user["profile"].get("job") for user in first.company["users"]}
    assert jobs == {"admin@acme.test": "Administrator", "grace.hopper@acme.test": "Rear Admiral"}
    _, second = examples.run(UPDATES, "2026-01-02")
    assert second.outcomes("update_users") == {"unchanged": 2}
    assert second.done("updateUser") == []


def test_the_first_example_creates_a_user_without_an_email(examples):
    finished, run = examples.run("first_user", "2026-01-01")
    (quoted,) = re.findall(r"^Created user .*", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert quoted in finished.log
    assert run.state == "success"
    assert run.created() == ["ana.roy@acme.test"]
    assert run.company["mails_sent"] == []


def test_the_first_example_does_not_use_the_default_connection():
    assert 'learning360_conn_id="learning360_sandbox"' in (EXAMPLES / "first_user.py").read_text()


def test_two_companies_are_exported_side_by_side(examples):
    _, run = examples.run("two_companies", "2026-01-01")
    assert run.state == "success"
    rows = {company: run.results[f"export_users_of_{company}"]["rows"] for company in ("acme", "globex")}
    assert rows == {"acme": 2, "globex": 1}


@pytest.mark.parametrize(("version", "day"), [("v1", "2026-01-01"), ("v2", "2026-01-02")])
def test_any_operation_writes_its_response(examples, version, day):
    finished, run = examples.run("any_operation", day, version)
    assert (run.state, run.versions()) == ("success", {version})
    result = run.results["list_groups"]
    rows = [json.loads(line) for line in Path(result["output_path"]).read_text().splitlines()]
    assert len(rows) == result["items"] == len(run.company["groups"])
    assert f"Called getGroups: output_path={result['output_path']} items={len(rows)}" in finished.log


@pytest.mark.parametrize(("version", "day"), [("v1", "2026-01-01"), ("v2", "2026-01-06")])
def test_offboarding_deletes_the_leavers(examples, version, day):
    _, run = examples.run("offboarding", day, version)
    assert (run.state, run.versions()) == ("success", {version})
    assert len(run.done("deleteUser")) == 1
    assert [user["mail"] for user in run.company["users"] if user["status"] == "deleted"] == ["grace.hopper@acme.test"]


@pytest.mark.parametrize(
    ("day", "leavers", "reason"),
    [
        ("2026-01-02", ["Admin@acme.test"], "These accounts must stay: admin@acme.test; nothing was deleted"),
        ("2026-01-05", ["64b1f0c2a9d3e40012ac0001"], "Give email addresses instead of ids: 64b1f0c2a9d3e40012ac0001"),
        ("2026-01-03", [f"user.{number}@acme.test" for number in range(21)], "21 leavers, at most 20 are usual"),
    ],
)
def test_the_guard_keeps_a_wrong_file_from_the_deletion(examples, day, leavers, reason):
    (examples.files / "leavers.csv").write_text("\n".join(["user", *leavers]))
    finished, run = examples.run("offboarding", day)
    assert run.state == "failed"
    assert reason in finished.log
    assert run.tasks["delete_users"] == "upstream_failed"
    assert run.done("deleteUser") == []


def test_a_file_without_leavers_deletes_nothing(examples):
    (examples.files / "leavers.csv").write_text("user\n")
    _, run = examples.run("offboarding", "2026-01-04")
    assert run.state == "success"
    assert run.done("deleteUser") == []
