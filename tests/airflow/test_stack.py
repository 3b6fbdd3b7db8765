"""All components of a real Airflow: the pool exists, its tasks run, and no process remains."""

from __future__ import annotations

import shutil

import psutil
import pytest

from airflow_provider_360learning.connections import form as connection_form
from demo.airflow_stack import AirflowStack, StackError

pytestmark = pytest.mark.slow


def test_the_pool_exists_as_soon_as_airflow_runs(stack):
    assert stack.pools()["learning360"]["slots"] == 5
    assert stack.pools()["learning360"]["include_deferred"] is False
    logs = [stack.component_log(name) for name in stack.components if name != "api-server"]
    assert sum("Pool 'learning360' created with 5 slots" in log for log in logs) == 1
    assert sum("Pool 'learning360' exists with 5 slots" in log for log in logs) == len(logs) - 1


@pytest.mark.airflow(">=3", reason="Airflow 2 has no api-server")
def test_the_api_server_does_not_touch_the_pool(stack):
    assert "Pool 'learning360'" not in stack.component_log("api-server")


def test_tasks_in_the_pool_run_and_can_be_inspected(stack):
    run_id = stack.trigger("in_the_pool")
    assert stack.wait("in_the_pool", run_id, timeout=300) == "success"
    tasks = stack.task_instances("in_the_pool", run_id)
    assert [(t["task_id"], t["map_index"], t["state"], t["pool"]) for t in tasks] == [
        ("double", 0, "success", "learning360"),
        ("double", 1, "success", "learning360"),
    ]
    assert stack.xcom("in_the_pool", run_id, "double", 1) == {"doubled": 4}
    assert "doubling 2" in stack.logs("in_the_pool", run_id, "double")


@pytest.mark.airflow(">=3.2", reason="the form is read from the provider info since 3.2")
def test_the_connection_form_reaches_the_web_interface(stack):
    forms = stack.request("GET", "/ui/connections/hook_meta")
    (form,) = [f for f in forms if f["connection_type"] == "learning360"]
    assert form["hook_name"] == "360Learning"
    assert list(form["extra_fields"]) == list(connection_form.EXTRA_FIELDS)
    assert form["extra_fields"]["proxy"]["schema"]["format"] == "password"
    assert form["extra_fields"]["read_timeout"]["value"] == 60
    standard = form["standard_fields"]
    assert standard["host"]["title"] == "Base URL"
    assert standard["login"]["title"] == "Company ID or client ID"
    assert not standard["port"]["hidden"]
    assert standard["url_schema"]["hidden"]


def test_a_dag_that_cannot_be_imported_is_reported(migrated_db, tmp_path):
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "broken.py").write_text("import airflow\nraise OSError('this DAG is broken')\n")
    shutil.copy(migrated_db, tmp_path / "airflow.db")
    parsing = "dag-processor" if AirflowStack(tmp_path, tmp_path).is_airflow_3 else "scheduler"
    with (
        AirflowStack(tmp_path, tmp_path / "dags", components=[parsing]) as airflow,
        pytest.raises(StackError, match="this DAG is broken"),
    ):
        airflow.trigger("broken")


def test_a_failing_listener_does_not_stop_the_scheduler_and_no_process_remains(migrated_db, tmp_path):
    """Fail in the middle of the listener: the database driver refuses the number of slots."""
    shutil.copy(migrated_db, tmp_path / "airflow.db")
    (tmp_path / "dags").mkdir()
    too_large = {"AIRFLOW__LEARNING360__POOL_SLOTS": str(2**80)}
    with AirflowStack(tmp_path, tmp_path / "dags", env=too_large, components=["scheduler"]) as airflow:
        log = airflow.component_log("scheduler")
        assert "Pool of the 360Learning provider not checked" in log
        assert "OverflowError" in log
        assert airflow.is_running("scheduler")
        assert "learning360" not in airflow.pools()
        processes = airflow.processes()
        assert processes
    alive = [p for p in processes if psutil.pid_exists(p) and psutil.Process(p).status() != "zombie"]
    assert alive == []
