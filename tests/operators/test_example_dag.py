"""Parse the example DAGs without network, disk or client, and check their structure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "dags_examples"

#: Parses a folder in a process that may not open connections, and prints the result. Then it runs the files again:
#: Airflow has read its own files by now, so the DAG files may not read from the disk either.
CODE = """
import json, pathlib, runpy, sys

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

NETWORK, DISK = ("socket.connect", "socket.getaddrinfo"), ("open", "os.listdir", "os.scandir", "os.mkdir")
is_parsed = False

def refuse(event, arguments):
    if event in NETWORK:
        raise PermissionError("network access")
    # A timetable of Airflow opens a file of its library whenever it is created.
    if is_parsed and event in DISK and not (path := str(arguments[0])).endswith(".py") and sys.prefix not in path:
        raise PermissionError(f"disk access to {path}")

def error_of(path):
    try:
        runpy.run_path(str(path))
    except PermissionError as error:
        return str(error)

sys.addaudithook(refuse)
bag = DagBag(sys.argv[1])
files = sorted(pathlib.Path(sys.argv[1]).glob("*.py"))
is_parsed = True
errors = {**bag.import_errors, **{str(path): error for path in files if (error := error_of(path))}}
dags = {
    dag.dag_id: {
        "timetable": type(dag.timetable).__name__,
        "catchup": dag.catchup,
        "max_active_runs": dag.max_active_runs,
        "tasks": {task.task_id: sorted(task.downstream_task_ids) for task in dag.tasks},
        "pools": {task.task_id: task.pool for task in dag.tasks},
        "rules": {task.task_id: str(getattr(task.trigger_rule, "value", task.trigger_rule)) for task in dag.tasks},
        "on_failure": sorted(task.task_id for task in dag.tasks if task.on_failure_callback),
        "on_success": sorted(task.task_id for task in dag.tasks if task.on_success_callback),
        "in_order": sorted(task.task_id for task in dag.tasks if task.depends_on_past),
        "one_at_a_time": sorted(task.task_id for task in dag.tasks if task.max_active_tis_per_dag == 1),
        "reschedule": sorted(task.task_id for task in dag.tasks if getattr(task, "mode", "") == "reschedule"),
    }
    for dag in bag.dags.values()
}
print("\\n" + json.dumps({"errors": errors, "dags": dags, "modules": sorted(sys.modules)}))
"""


def parse(folder):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CODE, str(folder)],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def parsed():
    return parse(EXAMPLES)


@pytest.fixture(scope="module")
def dag(parsed):
    return parsed["dags"]["onboarding_new_hires"]


def test_examples_parse_without_errors_network_and_disk(parsed):
    assert parsed["errors"] == {}
    assert {path.stem for path in EXAMPLES.glob("*.py")} <= parsed["dags"].keys()


def test_parsing_examples_imports_operators_and_sensors_only(parsed):
    ours = [name.split(".") for name in parsed["modules"] if name.startswith("airflow_provider_360learning.")]
    assert {"operators", "sensors"} <= {package for _, package, *_ in ours}
    assert {package for _, package, *_ in ours} & {
        "api",
        "exports",
        "files",
        "hooks",
        "rows",
        "sandbox",
        "triggers",
    } == set()


@pytest.mark.slow
def test_detects_network_and_disk_access(tmp_path):
    connects, reads = tmp_path / "connects.py", tmp_path / "reads.py"
    connects.write_text("import socket\nfrom airflow import DAG\nsocket.create_connection(('127.0.0.1', 9))\n")
    reads.write_text("from airflow import DAG\nopen('/etc/hosts')\n")
    errors = parse(tmp_path)["errors"]
    assert "network access" in errors[str(connects)]
    assert "disk access to /etc/hosts" in errors[str(reads)]


def test_onboarding_runs_do_not_overlap(dag):
    assert dag["max_active_runs"] == 1


def test_onboarding_is_four_tasks_in_the_shared_pool(dag):
    assert dag["tasks"] == {
        "create_accounts": ["create_session", "enroll", "wait_for_completion"],
        "create_session": ["enroll", "wait_for_completion"],
        "enroll": ["wait_for_completion"],
        "wait_for_completion": [],
    }
    assert set(dag["pools"].values()) == {"learning360"}


def test_onboarding_fits_on_a_page():
    assert len((EXAMPLES / "onboarding_new_hires.py").read_text().splitlines()) <= 60


def test_users_are_deleted_behind_the_guard_only(parsed):
    dag = parsed["dags"]["offboarding"]
    assert dag["tasks"] == {
        "copy_file": ["delete_users", "dry_run"],
        "dry_run": ["guard"],
        "guard": ["delete_users"],
        "delete_users": [],
    }
    assert dag["rules"]["delete_users"] == "all_success"


@pytest.mark.parametrize("dag_id", ["scheduled_statistics_import", "course_statistics_export"])
def test_statistics_are_scheduled_by_data_intervals(parsed, dag_id):
    assert parsed["dags"][dag_id]["timetable"] == "CronDataIntervalTimetable"


def test_months_are_imported_in_order_and_one_at_a_time(parsed):
    dag = parsed["dags"]["scheduled_statistics_import"]
    assert dag["catchup"]
    assert dag["in_order"] == dag["one_at_a_time"] == ["import_courses", "import_statistics"]


def test_waiting_for_a_file_holds_no_worker(parsed):
    assert parsed["dags"]["scheduled_statistics_import"]["reschedule"] == ["wait_for_file"]


def test_imports_report_success_and_failure_in_callbacks_and_the_last_one_decides_the_state_of_the_run(parsed):
    dag = parsed["dags"]["scheduled_statistics_import"]
    assert dag["tasks"] == {
        "wait_for_file": ["import_courses"],
        "import_courses": ["import_statistics"],
        "import_statistics": [],
    }
    assert set(dag["rules"].values()) == {"all_success"}
    assert dag["on_failure"] == sorted(dag["tasks"])
    assert dag["on_success"] == ["import_statistics"]


def test_export_runs_in_the_default_pool_and_loads_one_night_at_a_time(parsed):
    dag = parsed["dags"]["course_statistics_export"]
    assert dag["tasks"] == {"export": ["load"], "load": []}
    assert dag["pools"]["export"] == "default_pool"
    assert dag["one_at_a_time"] == ["load"]
