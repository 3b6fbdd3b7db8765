"""The bulk example in real Airflow: valid rows become users and join a group, the invalid one is rejected."""

from __future__ import annotations

import json
import shutil

import pytest

from airflow_provider_360learning.sandbox.demo_company import SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from demo.run import CREATED, GRACE, ROOT

pytestmark = pytest.mark.slow


def test_bulk_example_creates_users_and_adds_those_with_an_account_to_a_group(migrated_db, tmp_path):
    shutil.copy(migrated_db, tmp_path / "airflow.db")
    with Sandbox() as sandbox:
        env = {
            "AIRFLOW_CONN_LEARNING360_DEFAULT": sandbox.connection_json(),
            "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(tmp_path / "rate-limiter"),
        }
        with AirflowStack(tmp_path, ROOT / "dags_examples", env, components=[]) as stack:
            stack.command("dags", "test", "bulk_create_users", "2026-01-02")
            (run,) = stack.query("SELECT run_id, state FROM dag_run WHERE dag_id = 'bulk_create_users'")
            assert run["state"] == "success"
            result = stack.xcom("bulk_create_users", run["run_id"], "create_users")
            joined = stack.xcom("bulk_create_users", run["run_id"], "join_group")
        state = sandbox.control.state()
    assert result["outcomes"] == {"already_exists": 1, "already_invited": 1, "created": 9, "invalid": 1}
    assert joined["outcomes"] == {"added": 10}
    assert joined["pending_invitations"] == 1
    members = {member["mail"] for member in state["memberships"] if member["group"] == SALES_GROUP_ID}
    assert members >= CREATED | {GRACE}
    with open(result["rejected_path"].removeprefix("file://"), encoding="utf-8") as file:
        assert [line.split(",")[0] for line in file][1:] == ["katherine.johnson.acme.test"]
    with open(result["results_path"].removeprefix("file://"), encoding="utf-8") as file:
        assert json.loads(file.readline())["key"] == "ada.lovelace@acme.test"
