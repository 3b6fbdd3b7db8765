"""Airflow with the CeleryExecutor: PostgreSQL as database, Redis as broker, and workers that share no folder."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import psycopg2
import psycopg2.extras

from demo.airflow_stack import AirflowStack
from tests.postgres_server import PostgresServer
from tests.redis_server import RedisServer

#: Database of Airflow at the PostgreSQL server.
DATABASE = "airflow"
_START_TIMEOUT = 300.0
_STOP_TIMEOUT = 180.0


@dataclass(frozen=True)
class Worker:
    """
    A worker with a home and a temporary folder of its own.

    :param name: Its name.
    :param address: Source address of its tasks, in its environment as ``WORKER_ADDRESS``.
    :param queues: The queues that it consumes.
    :param concurrency: Number of tasks that it runs at the same time.
    """

    name: str
    address: str
    queues: Sequence[str]
    concurrency: int

    def command(self) -> list[str]:
        """Return the arguments of ``airflow``."""
        options = {"celery-hostname": f"{self.name}@{self.name}", "queues": ",".join(self.queues)}
        options["concurrency"] = str(self.concurrency)
        return ["celery", "worker", "--skip-serve-logs", *(f"--{name}={value}" for name, value in options.items())]

    def env(self, home: Path) -> dict[str, str]:
        """
        Create its folders, and return their environment variables.

        :param home: The folder of all workers.
        """
        folder = home / self.name
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        folders = {"AIRFLOW_HOME": str(folder), "HOME": str(folder), "TMPDIR": str(folder / "tmp")}
        return {**folders, "WORKER_ADDRESS": self.address}


class CeleryStack(AirflowStack):
    """
    An Airflow whose tasks run in Celery workers, which are started and stopped one by one.

    :param home: AIRFLOW_HOME of all components but the workers.
    :param dags_folder: Folder of the DAG files.
    :param postgres: The server of the metadata database and of Celery's results.
    :param redis: The server of the broker.
    :param env: More environment variables of all processes.
    """

    def __init__(
        self, home: Path, dags_folder: Path, postgres: PostgresServer, redis: RedisServer, env: Mapping[str, str]
    ) -> None:
        credentials = f"{quote(postgres.user, '')}:{quote(postgres.password, '')}"
        url = f"postgresql+psycopg2://{credentials}@{postgres.host}:{postgres.port}/{DATABASE}"
        celery = {
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{url}",
            "AIRFLOW__CELERY__BROKER_URL": f"redis://{redis.host}:{redis.port}/0",
            "AIRFLOW__CORE__PARALLELISM": "16",
            # No process that removes old versions of DAG files beside each worker.
            "AIRFLOW__DAG_PROCESSOR__STALE_BUNDLE_CLEANUP_INTERVAL": "0",
        }
        super().__init__(home, dags_folder, {**celery, **env}, executor="CeleryExecutor")
        self._workers: dict[str, tuple[Sequence[str], Mapping[str, str]]] = {}
        self._lock = threading.Lock()
        _create_database(postgres)
        self._database = _connect(postgres, DATABASE)

    def stop(self) -> None:
        """Terminate all processes of the stack, and close the connection to its database."""
        super().stop()
        self._database.close()

    def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """
        Return the rows of a query of the metadata database.

        :param sql: a SELECT
        :param parameters: values of its placeholders
        """
        with self._lock, self._database.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(sql.replace("?", "%s"), parameters)
            return [dict(row) for row in cursor]

    def logs(self, dag_id: str, run_id: str | None = None, task_id: str | None = None) -> str:
        """
        Return the text of the task logs of all workers.

        :param dag_id: the DAG
        :param run_id: one run, by default all
        :param task_id: one task, by default all
        """
        pattern = f"*/logs/dag_id={dag_id}/run_id={run_id or '*'}/task_id={task_id or '*'}/**/*.log"
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.home.glob(pattern)))

    # Workers

    @contextmanager
    def workers(self, workers: Sequence[Worker], rate_limiter: str, connections: Mapping[str, str]) -> Iterator[None]:
        """
        Run workers inside a ``with`` block.

        :param workers: The workers.
        :param rate_limiter: The rate limiter of their tasks; its connection has the same id.
        :param connections: Connections of their tasks by id, as JSON.
        """
        settings = {
            "AIRFLOW__LEARNING360__RATE_LIMITER": rate_limiter,
            "AIRFLOW__LEARNING360__RATE_LIMITER_CONN_ID": "" if rate_limiter == "auto" else rate_limiter,
            **{f"AIRFLOW_CONN_{name.upper()}": connection for name, connection in connections.items()},
        }
        try:
            for worker in workers:
                self._workers[worker.name] = worker.command(), {**self.env, **settings, **worker.env(self.home)}
                self._start_worker(worker.name)
            for worker in workers:
                self._wait_for_worker(worker.name)
            yield
        finally:
            self._stop_workers()

    def kill_worker_of(self, pid: int, number: signal.Signals, all_processes: bool) -> None:
        """
        Send a signal to a worker, and start it again when it has exited, as systemd does.

        :param pid: Id of a process that it has started.
        :param number: The signal.
        :param all_processes: Whether all of its processes get the signal, instead of the main one only.
        """
        ancestors = {process.pid for process in psutil.Process(pid).parents()}
        (name,) = (name for name, process in list(self._processes.items()) if process.pid in ancestors)
        process = self._processes.pop(name)  # which is expected to exit from now on
        for each in _session(process.pid) if all_processes else [process.pid]:
            with suppress(ProcessLookupError):
                os.kill(each, number)
        process.wait(_STOP_TIMEOUT)
        self._start_worker(name)
        self._wait_for_worker(name)

    def _stop_workers(self) -> None:
        stopping = [process for name in self._workers if (process := self._processes.pop(name, None))]
        self._workers.clear()
        for process in stopping:
            process.send_signal(signal.SIGQUIT)
        for process in stopping:
            process.wait(_STOP_TIMEOUT)

    def _start_worker(self, name: str) -> None:
        arguments, env = self._workers[name]
        (self.component_logs / f"{name}.log").unlink(missing_ok=True)
        self._start_process(name, arguments, env)

    def _wait_for_worker(self, name: str) -> None:
        self.wait_until(lambda: f"{name} ready" in self.component_log(name), _START_TIMEOUT, f"{name} is not ready")

    def _has_database(self) -> bool:
        return False


def _session(leader: int) -> list[int]:
    """Return the ids of the processes of a session, the leader first."""
    found = []
    for pid in psutil.pids():
        with suppress(ProcessLookupError):
            if os.getsid(pid) == leader:
                found.append(pid)
    return sorted(found, key=lambda pid: pid != leader)


def _create_database(server: PostgresServer) -> None:
    connection = _connect(server, server.database)
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {DATABASE}")
    finally:
        connection.close()


def _connect(server: PostgresServer, database: str) -> Any:
    connection = psycopg2.connect(
        host=server.host, port=server.port, user=server.user, password=server.password, dbname=database
    )
    connection.autocommit = True
    return connection
