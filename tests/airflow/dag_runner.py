"""Runs DAGs without running components of Airflow, in one process, because starting Airflow takes longer than a run."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.airflow_stack import AirflowStack

ROOT = Path(__file__).parents[2]
CODE = """
import inspect, json, os, shutil, sys
from datetime import datetime, timezone
from pathlib import Path

from tests.newest_execution_api import serve_newest_version_only

# dag.test() parses and stores all DAGs of the folder: for each run, it has the file of one DAG only.
files = Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
folder = Path(os.environ["AIRFLOW_HOME"], "dags_of_run")
os.environ["AIRFLOW__CORE__DAGS_FOLDER"] = str(folder)
texts = {file: file.read_text() for file in files.glob("*.py")}

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

def put(dag_id):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for data in files.iterdir():  # which examples look for beside themselves
        if data not in texts:
            (folder / data.name).symlink_to(data)
    file = min((file for file, text in texts.items() if dag_id in text), key=lambda file: file.stem != dag_id)
    return shutil.copy(file, folder)

serve_newest_version_only()
for line in sys.stdin:
    dag_id, day, env = json.loads(line)
    os.environ.update(env)
    # Parsed for each run, as in a worker: notifiers render their templates in place.
    dag = DagBag(put(dag_id)).dags[dag_id]
    run_date = datetime.fromisoformat(day).replace(tzinfo=timezone.utc)
    date = "logical_date" if "logical_date" in inspect.signature(dag.test).parameters else "execution_date"
    run = dag.test(**{date: run_date})
    tasks = {task.task_id: str(task.state) for task in run.get_task_instances()}
    print("\\nFINISHED " + json.dumps([str(run.state), tasks, run.run_id]), flush=True)
"""
#: Seconds.
TIMEOUT = 300.0


@dataclass(frozen=True)
class FinishedRun:
    """The states, the id and the log of a finished DAG run."""

    state: str
    tasks: dict[str, str]
    run_id: str
    log: str


class DagRunner:
    """
    A process that runs DAGs with ``dag.test()``.

    :param stack: An Airflow without running components.
    """

    def __init__(self, stack: AirflowStack) -> None:
        self.home = stack.home
        self._process = subprocess.Popen(
            [str(stack.bin_dir / "python"), "-W", "ignore", "-c", CODE],
            env=stack.env,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, dag_id: str, day: str, env: Mapping[str, str] | None = None) -> FinishedRun:
        """
        Run a DAG once.

        :param dag_id: The DAG.
        :param day: Logical date of the run, which no other run of the DAG has.
        :param env: Environment variables from this run on.
        """
        watchdog = threading.Timer(TIMEOUT, self._process.kill)
        watchdog.start()
        print(json.dumps([dag_id, day, env or {}]), file=self._process.stdin, flush=True)
        log = []
        try:
            for line in self._process.stdout:
                if line.startswith("FINISHED "):
                    return FinishedRun(*json.loads(line.removeprefix("FINISHED ")), "".join(log))
                log.append(line)
        finally:
            watchdog.cancel()
        raise AssertionError("".join(log))

    def stop(self) -> None:
        """End the process, without its own end, which takes seconds."""
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
