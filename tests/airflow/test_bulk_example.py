"""The bulk example in real Airflow: valid rows become users and join a group, the invalid one is rejected."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_360learning.metrics import COMMON_TAGS, METRICS
from airflow_provider_360learning.sandbox.demo_company import SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from demo.run import CREATED, GRACE, ROOT
from tests.statsd_receiver import Line, StatsdReceiver

pytestmark = pytest.mark.slow

PREFIX = "airflow.learning360."
DEPLOY = ROOT / "docs" / "deploy.md"


@dataclass(frozen=True)
class FinishedRun:
    """The run, its results, and the state, requests and metrics that it left."""

    state: str
    created: dict[str, Any]
    joined: dict[str, Any]
    company: dict[str, Any]
    requests: Counter[str]
    metrics: list[Line]

    def total(self, name: str, **tags: str) -> float:
        """Return the sum of a counter over all lines with these tags."""
        found = [line for line in self.metrics if line.name == PREFIX + name and tags.items() <= line.tags.items()]
        return sum(line.value for line in found)


@pytest.fixture(scope="module")
def finished(migrated_db, tmp_path_factory):
    home = tmp_path_factory.mktemp("bulk-example")
    shutil.copy(migrated_db, home / "airflow.db")
    with Sandbox() as sandbox, StatsdReceiver() as statsd:
        env = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": sandbox.connection_json(),
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(home / "rate-limiter"),
            **statsd.environment(),
        }
        with AirflowStack(home, ROOT / "dags_examples", env, components=[]) as stack:
            stack.command("dags", "test", "bulk_create_users", "2026-01-02")
            (run,) = stack.query("SELECT run_id, state FROM dag_run WHERE dag_id = 'bulk_create_users'")
            return FinishedRun(
                run["state"],
                stack.xcom("bulk_create_users", run["run_id"], "create_users"),
                stack.xcom("bulk_create_users", run["run_id"], "join_group"),
                sandbox.control.state(),
                Counter(entry["operation"] for entry in sandbox.control.journal()),
                statsd.lines(PREFIX),
            )


def test_bulk_example_creates_users_and_adds_those_with_an_account_to_a_group(finished):
    assert finished.state == "success"
    assert finished.created["outcomes"] == {"already_exists": 1, "already_invited": 1, "created": 9, "invalid": 1}
    assert finished.joined["outcomes"] == {"added": 10}
    assert finished.joined["pending_invitations"] == 1
    members = {member["mail"] for member in finished.company["memberships"] if member["group"] == SALES_GROUP_ID}
    assert members >= CREATED | {GRACE}
    with open(finished.created["rejected_path"].removeprefix("file://"), encoding="utf-8") as file:
        assert [line.split(",")[0] for line in file][1:] == ["katherine.johnson.acme.test"]
    with open(finished.created["results_path"].removeprefix("file://"), encoding="utf-8") as file:
        assert json.loads(file.readline())["key"] == "ada.lovelace@acme.test"


def test_a_statsd_server_receives_the_requests_and_rows_of_a_bulk_run(finished):
    assert {operation: finished.total("requests", operation=operation) for operation in finished.requests} == (
        finished.requests
    )
    assert finished.total("requests") == finished.requests.total()
    created = {outcome: finished.total("rows.done", action="create_user", outcome=outcome) for outcome in ("created",)}
    assert created == {"created": 9}
    assert finished.total("rows.done", action="create_user") == 11
    assert finished.total("rows.rejected", action="create_user", outcome="invalid") == 1
    assert finished.total("rows.done", action="add_user_to_group") == 10
    assert finished.total("rows.unconfirmed") == 0
    waits = [line for line in finished.metrics if line.name == PREFIX + "rate_limit_wait"]
    assert "createOrInviteUser" in {line.tags["limit"] for line in waits}


def test_metrics_have_the_documented_names_and_tags(finished):
    known = {f"airflow.{metric.name}": metric for metric in METRICS}
    for line in finished.metrics:
        metric = known[line.name]
        assert set(line.tags) == {*COMMON_TAGS, *metric.tags}, line.text
        assert line.kind == {"counter": "c", "timer": "ms"}[metric.kind], line.text


def test_quoted_metrics_are_among_those_received(finished):
    """Times are those of another run."""
    print(*(line.text for line in finished.metrics), sep="\n")  # shown if the test fails
    quoted = [line for line in DEPLOY.read_text().splitlines() if line.startswith(PREFIX)]
    assert len(quoted) >= 5
    received = {_without_time(line.text) for line in finished.metrics}
    assert [line for line in quoted if _without_time(line) not in received] == []


def _without_time(line: str) -> str:
    return re.sub(r":[\d.]+\|ms$", ":0|ms", line)
