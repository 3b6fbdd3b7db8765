"""
An executor in the shape of the KubernetesExecutor: each task runs in a pod, which is a fresh process here.

It runs in the scheduler, which queues tasks, counts pool slots and retries as with any executor. A pod has a home, a
temporary folder, DAG files, a host name, an address and an environment of its own, shares no folder with another pod,
and starts the command that the pods of the KubernetesExecutor start. Its folder is removed when it ends.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from airflow.executors.base_executor import BaseExecutor

ROOT = Path(__file__).parents[2]
#: Environment variable of the scheduler: the folder of all pods.
FOLDER = "PODS_FOLDER"
#: File in this folder: the environment variables of the pods that start from now on, as in a template of pods.
ENVIRONMENT = "environment.json"
#: What a pod has of the environment of this machine.
INHERITED = ("PATH", "LANG", "LD_LIBRARY_PATH")
#: Seconds from SIGTERM to SIGKILL when a pod is deleted, instead of the 30 seconds of Kubernetes.
GRACE_PERIOD = 10.0


@dataclass(frozen=True)
class Pod:
    """
    A pod, as its record says.

    :param name: Its host name.
    :param address: Its source address.
    :param pid: Its first process, which leads a process group.
    :param dag_id: The DAG.
    :param task_id: The task.
    :param map_index: Index of the mapped task instance.
    :param attempt: Number of the attempt.
    :param started: When it was started, in seconds since 1970.
    :param ended: When it was seen to have ended; ``None`` while it runs.
    """

    name: str
    address: str
    pid: int
    dag_id: str
    task_id: str
    map_index: int
    attempt: int
    started: float
    ended: float | None = None


class PodExecutor(BaseExecutor):
    """Starts a pod for each task."""

    is_local = False
    serve_logs = False

    def start(self) -> None:
        """Prepare the folder of the pods."""
        self._folder = Path(os.environ[FOLDER])
        self._pods: dict[Any, tuple[Pod, subprocess.Popen[bytes]]] = {}
        self._count = 0
        for name in ("running", "records", "logs"):
            (self._folder / name).mkdir(exist_ok=True)

    def _process_workloads(self, workloads: Sequence[Any]) -> None:
        for workload in workloads:
            self.queued_tasks.pop(workload.key, None)
            self.running.add(workload.key)
            self._pods[workload.key] = self._start_pod(workload)

    def sync(self) -> None:
        """Report the pods that have ended."""
        for key, (pod, process) in list(self._pods.items()):
            if process.poll() is not None:
                del self._pods[key]
                self._remove(pod)
                (self.success if process.returncode == 0 else self.fail)(key)

    def end(self) -> None:
        """Remove all pods."""
        for pod, process in self._pods.values():
            kill_pod(pod)
            process.wait()
            self._remove(pod)

    def terminate(self) -> None:
        """Remove all pods."""
        self.end()

    def _start_pod(self, workload: Any) -> tuple[Pod, subprocess.Popen[bytes]]:
        self._count += 1
        name, address = f"pod-{self._count}", f"127.0.0.{self._count + 1}"
        home = self._folder / "running" / name
        (home / "tmp").mkdir(parents=True)
        shutil.copytree(os.environ["AIRFLOW__CORE__DAGS_FOLDER"], home / "dags")  # as in an image
        (home / "workload.json").write_text(workload.model_dump_json())
        with (home / "output.log").open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.deployments.kubernetes_pod", name, address, str(home / "workload.json")],
                cwd=home,
                env=self._environment(name, home),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ti = workload.ti
        pod = Pod(
            name, address, process.pid, ti.dag_id, ti.task_id, ti.map_index or 0, ti.try_number, started=time.time()
        )
        self._record(pod)
        return pod, process

    def _record(self, pod: Pod) -> None:
        file = self._folder / "records" / f"{pod.name}.json"
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps(asdict(pod)))
        unfinished.rename(file)

    def _remove(self, pod: Pod) -> None:
        """Keep the log of a pod, as remote logging does, and remove its folder."""
        kill_pod(pod)
        home = self._folder / "running" / pod.name
        shutil.copytree(home / "logs", self._folder / "logs", dirs_exist_ok=True)
        shutil.copy(home / "output.log", self._folder / "logs" / f"{pod.name}.log")
        shutil.rmtree(home)
        self._record(Pod(**{**asdict(pod), "ended": time.time()}))

    def _environment(self, name: str, home: Path) -> dict[str, str]:
        inherited = {key: os.environ[key] for key in INHERITED if key in os.environ}
        given: Mapping[str, str] = json.loads((self._folder / ENVIRONMENT).read_text())
        return {
            **inherited,
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "ignore",
            "NO_PROXY": "127.0.0.1",
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "HOSTNAME": name,
            "KUBERNETES_SERVICE_HOST": "10.0.0.1",
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            # Pods were long started with it, whatever the executor of the scheduler is.
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": os.environ["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"],
            **given,
        }


def pods(folder: Path) -> list[Pod]:
    """
    Return all pods in the order in which they were started.

    :param folder: The folder of all pods.
    """
    found = [Pod(**json.loads(file.read_text())) for file in (folder / "records").glob("*.json")]
    return sorted(found, key=lambda pod: pod.started)


def delete_pod(pod: Pod, grace_period: float = GRACE_PERIOD) -> None:
    """
    Delete a pod as Kubernetes does: SIGTERM, to all processes as the image does, and SIGKILL after the grace period.

    :param pod: The pod.
    :param grace_period: Seconds.
    """
    processes = list(_processes_of(pod))
    for process in processes:
        _send(process, signal.SIGTERM)
    psutil.wait_procs(processes, timeout=grace_period)
    kill_pod(pod)


def kill_pod(pod: Pod) -> None:
    """
    End all processes of a pod at once, as when its node is lost.

    :param pod: The pod.
    """
    for process in _processes_of(pod):
        _send(process, signal.SIGKILL)


def _processes_of(pod: Pod) -> Iterator[psutil.Process]:
    """Yield the processes of the session that a pod leads, its first one last."""
    for pid in sorted(psutil.pids(), reverse=True):
        try:
            if os.getsid(pid) == pod.pid:
                yield psutil.Process(pid)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return
