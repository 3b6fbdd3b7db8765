"""Many rows in a DAG run of the installed Airflow: rows from XCom, retries, and the result of a failed task."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:  # Airflow 2
    from airflow.models.dagbag import DagBag

from airflow_provider_360learning.sandbox.server import Sandbox
from demo.airflow_stack import AirflowStack
from tests.conftest import AIRFLOW_VERSION
from tests.newest_execution_api import serve_newest_version_only
from tests.rows.support import files_in, manifest_in, outcomes_in
from tests.unlimited_sandbox import CONNECTION, UNLIMITED

pytestmark = pytest.mark.slow

HAS_TASK_STATE_STORE = tuple(map(int, AIRFLOW_VERSION.split(".")[:2])) >= (3, 3)

DAG_FILE = """
import json
from datetime import datetime, timedelta

from airflow.providers.common.compat.sdk import DAG, BaseNotifier, task
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.sandbox.control import SandboxControl


class DiesAtTheEnd(Learning360BulkOperator):
    def execute(self, context):
        done = super().execute(context)
        if context["ti"].try_number == 1:
            raise RuntimeError("before Airflow recorded the result")
        return done


class FileNotifier(BaseNotifier):
    template_fields = ("file", "report", "pulled")

    def __init__(self):
        super().__init__()
        self.file = "FOLDER/notification-{{ ti.task_id }}{{ ti.map_index if ti.map_index >= 0 }}.json"
        self.report = "{{ run_report | default(exception) }}"
        self.pulled = "{{ ti.xcom_pull(task_ids=ti.task_id, map_indexes=ti.map_index) | tojson }}"

    def notify(self, context):
        summary = context.get("run_summary")
        with open(self.file, "w") as file:
            json.dump({"report": self.report, "pulled": json.loads(self.pulled), "summary": summary}, file)


def notify(context):
    FileNotifier()(context)  # dag.test() runs all tasks in one process, and a notifier renders its templates in place


def end_outage(context):
    SandboxControl("SANDBOX").clear_faults()


def bulk(task_id, kind=Learning360BulkOperator, **arguments):
    notifiers = {"on_success_callback": notify, "on_failure_callback": notify}
    return kind(task_id=task_id, results_path=f"FOLDER/{task_id}", **notifiers, **arguments)


with DAG(
    "many_rows_in_one_task",
    schedule=None,
    start_date=datetime(2026, 1, 1),
    default_args={"retry_delay": timedelta(0)},
):
    @task
    def people():
        return [{"mail": f"{name}@acme.test", "mode": "create_active"} for name in ("ana", "bo", "cy")]

    @task
    def person(name):
        return {"mail": f"{name}@acme.test", "mode": "create_active"}

    bulk("from_a_task", action="create_user", rows=people())
    bulk("from_mapped_tasks", action="create_user", rows=person.expand(name=["di", "ed", "fay"]))
    missing = {"rows": [{"user": "x@acme.test"}], "defaults": {"if_missing": "fail"}}
    bulk("failing", action="delete_user", **missing, retries=2)
    bulk("invalid", action="create_user", rows=[{"mail": "x"}])
    Learning360BulkOperator.partial(
        task_id="mapped",
        action="create_user",
        results_path="FOLDER/mapped",
        on_invalid="skip",
        on_success_callback=notify,
        on_failure_callback=notify,
    ).expand(rows=[[{"mail": "gi"}, {"mail": "gi@acme.test"}], [{"mail": "hal"}]])
    labs = [{"name": f"Lab {number}"} for number in range(12)]
    bulk("resumed", action="create_group", rows=labs, retries=1, on_retry_callback=end_outage)
    shops = [{"name": f"Shop {number}"} for number in range(3)]
    bulk("died", DiesAtTheEnd, action="create_group", rows=shops, retries=1)
"""


class Finished:
    """A DAG run that has ended."""

    def __init__(self, folder, journal, groups, tasks, results):
        self.folder, self.journal, self.groups, self.tasks, self.results = folder, journal, groups, tasks, results

    def state_and_tries(self, task_id):
        return self.tasks[task_id]["state"], self.tasks[task_id]["try_number"]

    def notification(self, task_id):
        return json.loads((self.folder / f"notification-{task_id}.json").read_text())

    def creations(self, name):
        creations = [entry for entry in self.journal if entry["operation"] == "createGroup"]
        return [entry for entry in creations if entry["body"]["name"].startswith(name)]


@pytest.fixture(scope="module")
def finished(airflow_home, airflow_db, tmp_path_factory):
    folder = tmp_path_factory.mktemp("many-rows")
    file = Path(airflow_home / "dags" / "many_rows_in_one_task.py")
    with Sandbox(settings={"limits_enabled": False}) as sandbox, pytest.MonkeyPatch.context() as environment:
        environment.setenv(CONNECTION, sandbox.connection_json(auth="api_key_header", limits=UNLIMITED))
        file.write_text(DAG_FILE.replace("FOLDER", str(folder)).replace("SANDBOX", sandbox.control_url))
        # The outcome of these rows is unknown; several in a row end the attempt.
        sandbox.control.add_fault("createGroup", kind="drop_before", mentions="Lab", count=1000)
        try:
            serve_newest_version_only()
            bag = DagBag(str(file))
            assert bag.import_errors == {}
            run_id = bag.dags["many_rows_in_one_task"].test().run_id
        finally:
            file.unlink()
        groups = [group["name"] for group in sandbox.control.state()["groups"]]
        journal = sandbox.control.journal()
    database = AirflowStack(airflow_home, airflow_home / "dags", components=[])
    tasks = {one["task_id"]: one for one in database.task_instances("many_rows_in_one_task", run_id)}
    results = {name: database.xcom("many_rows_in_one_task", run_id, name, -1) for name in tasks}
    return Finished(folder, journal, groups, tasks, results)


@pytest.mark.parametrize("task_id", ["from_a_task", "from_mapped_tasks"])
def test_reads_rows_from_the_results_of_other_tasks(finished, task_id):
    assert finished.state_and_tries(task_id) == ("success", 1)
    assert outcomes_in(finished.folder / task_id) == ["created"] * 3
    assert finished.results[task_id] == {
        "action": "create_user",
        "rows": 3,
        "outcomes": {"created": 3},
        "results_path": f"{finished.folder}/{task_id}/results.jsonl",
        "rejected_path": None,
        "retryable": 0,
        "first_rejected": [],
        "run": manifest_in(finished.folder / task_id)["run"],
    }


def test_a_failed_task_is_not_retried_and_returns_its_summary(finished):
    assert finished.state_and_tries("failing") == ("failed", 1)
    assert finished.results["failing"]["outcomes"] == {"refused": 1}


@pytest.mark.parametrize(
    ("task_id", "start"),
    [
        ("from_a_task", "create_user: 3 of 3 rows accepted (3 created)"),
        ("failing", "Failed: 1 of 1 row is refused, failed or unknown, but only 0 may be"),
        ("died", "create_group: 3 of 3 rows accepted (3 created)"),
        ("resumed", "create_group: 12 of 12 rows accepted ("),
        ("mapped0", "create_user: 1 of 2 rows accepted (1 invited), 1 rejected (1 invalid)"),
        ("mapped1", "Failed: none of 1 row was accepted"),
    ],
)
def test_notifiers_show_the_summary_whether_a_task_succeeds_or_fails(finished, task_id, start):
    notification = finished.notification(task_id)
    assert notification["report"].startswith(start)
    assert notification["summary"]["results_path"] in notification["report"]
    assert notification["pulled"] == notification["summary"]


def test_notifiers_show_the_invalid_rows_of_a_task_that_sent_nothing(finished):
    notification = finished.notification("invalid")
    assert notification["report"].startswith("Failed: 1 of 1 row is invalid, so that nothing was sent")
    assert notification["pulled"] == notification["summary"]
    assert notification["summary"]["results_path"] is None


def test_a_retry_resumes(finished):
    assert finished.state_and_tries("resumed") == ("success", 2)
    assert set(outcomes_in(finished.folder / "resumed")) <= {"created", "already_exists"}
    assert len(outcomes_in(finished.folder / "resumed")) == 12
    assert Counter(name for name in finished.groups if name.startswith("Lab")) == {f"Lab {n}": 1 for n in range(12)}


def test_a_retry_after_a_finished_run_sends_nothing(finished):
    assert finished.state_and_tries("died") == ("success", 2)
    assert len(finished.creations("Shop")) == 3
    assert finished.results["died"]["outcomes"] == {"created": 3}
    assert outcomes_in(finished.folder / "died") == ["created"] * 3


def test_the_checkpoint_is_in_the_task_state_store_or_beside_the_results(finished):
    files = files_in(finished.folder / "died")
    kept = [name for name in files if name.startswith("progress-")]
    assert len(kept) == (0 if HAS_TASK_STATE_STORE else 1)
    assert set(files) - set(kept) == {"results.jsonl", "manifest.json"}
    for name in kept:
        assert json.loads(files[name])["finished"] != ""
