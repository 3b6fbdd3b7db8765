"""
Run a separate, real Airflow for demo and tests: fresh database, own home, loopback only.

::

    with AirflowStack(home, dags_folder, env={"AIRFLOW_CONN_…": "…"}) as airflow:
        run_id = airflow.trigger("onboarding")
        state = airflow.wait("onboarding", run_id, timeout=60)
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from demo.ports import unused_port

#: Maximum number of seconds of one step, which takes far less on a busy machine as well.
_WATCHDOG_TIMEOUT = 300.0
_STOP_TIMEOUT = 10.0
_POLL = 0.2
_LOOPBACK = "127.0.0.1"
_FINISHED = ("success", "failed")
_COMPONENTS_3 = ("api-server", "scheduler", "dag-processor", "triggerer")
#: On Airflow 2 the scheduler parses the DAGs, and tasks need no API.
_COMPONENTS_2 = ("scheduler", "triggerer")
#: Components that write heartbeats to the database, and the types of their jobs.
_JOBS = {"scheduler": "SchedulerJob", "dag-processor": "DagProcessorJob", "triggerer": "TriggererJob"}


class StackError(RuntimeError):
    """The stack did not start, or a command or DAG run did not end in time."""


class AirflowStack:
    """
    Airflow's components, one process each, that run inside a ``with`` block.

    :param home: AIRFLOW_HOME; an existing ``airflow.db`` is used, otherwise one is created
    :param dags_folder: folder of the DAG files
    :param env: environment variables in addition to the caller's, whose ``AIRFLOW_…`` variables are removed
    :param bin_dir: the ``bin`` folder of the environment to run, by default that of this process
    :param executor: by default LocalExecutor; SequentialExecutor on Airflow 2, which allows no other with SQLite
    :param components: the components to start, by default all of the version; ``[]`` starts none
    :param report: called with a line per step of the start
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        env: Mapping[str, str] | None = None,
        bin_dir: Path | None = None,
        executor: str | None = None,
        components: Collection[str] | None = None,
        report: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.home = home.resolve()
        self.bin_dir = bin_dir or Path(sys.executable).parent
        self.version = self._airflow_version()
        self.is_airflow_3 = int(self.version.partition(".")[0]) >= 3
        self.port = unused_port()
        self.url = f"http://{_LOOPBACK}:{self.port}"
        self.database = self.home / "airflow.db"
        self.component_logs = self.home / "components"
        self.executor = executor or ("LocalExecutor" if self.is_airflow_3 else "SequentialExecutor")
        if components is None:
            components = _COMPONENTS_3 if self.is_airflow_3 else _COMPONENTS_2
        self.components = components
        self.env = self._environment(dags_folder.resolve(), env or {})
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._sessions: set[int] = set()
        self._report = report

    # Start and stop

    def __enter__(self) -> AirflowStack:
        try:
            self.component_logs.mkdir(parents=True, exist_ok=True)
            if not self._has_database():
                self._report("Creating Airflow's database")
                self.command("db", "migrate")
            for name in self.components:
                self._report(f"Starting {name}")
                self._start(name)
            self._report("Waiting until all components are healthy")
            self._wait_until_healthy()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Terminate all processes of the stack, orphans included. Can be called twice."""
        for process in self._processes.values():
            _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_TIMEOUT
        for process in self._processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
        # Each component leads a session: every process left in it is ours, even if its parent is gone.
        left = []
        for pid in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                left.append(psutil.Process(pid))
                left[-1].kill()
        psutil.wait_procs(left, timeout=_STOP_TIMEOUT)
        for process in self._processes.values():
            process.wait()
        self._processes.clear()
        self._sessions.clear()

    def processes(self) -> list[int]:
        """Return the ids of all running processes of the stack: components, their workers, running tasks, orphans."""
        return [pid for pid in psutil.pids() if _session_of(pid) in self._sessions]

    def is_running(self, component: str) -> bool:
        """
        Return whether a component is running.

        :param component: api-server, scheduler, dag-processor or triggerer
        """
        return self._processes[component].poll() is None

    # DAG runs

    def trigger(
        self,
        dag_id: str,
        conf: Mapping[str, Any] | None = None,
        run_id: str | None = None,
        timeout: float = _WATCHDOG_TIMEOUT,
    ) -> str:
        """
        Start a DAG run as soon as the DAG is parsed, and return its run id.

        :param dag_id: the DAG
        :param conf: the run's configuration
        :param run_id: id of the run; generated by default
        :param timeout: seconds to wait for the DAG to be parsed
        """
        self.wait_until(lambda: self._is_parsed(dag_id), timeout, f"DAG {dag_id} was not parsed")
        run_id = run_id or f"run_{secrets.token_hex(4)}"
        if "api-server" in self.components:  # a request takes seconds less than a command, which imports Airflow first
            run = {"dag_run_id": run_id, "logical_date": None, "conf": dict(conf or {})}
            self.request("POST", f"/api/v2/dags/{dag_id}/dagRuns", run)
        else:
            # With the microseconds, runs that are triggered in the same second have different logical dates.
            options = ["--no-replace-microseconds", "--run-id", run_id, "--conf", json.dumps(dict(conf or {}))]
            self.command("dags", "trigger", dag_id, *options)
        return run_id

    def wait(self, dag_id: str, run_id: str, timeout: float, on_poll: Callable[[], None] = lambda: None) -> str:
        """
        Wait until a DAG run has ended, and return its state.

        :param dag_id: the DAG
        :param run_id: its run
        :param timeout: seconds after which :class:`StackError` is raised with the states of the tasks
        :param on_poll: called several times per second until the run has ended
        """

        def has_ended() -> bool:
            on_poll()
            return self.run_state(dag_id, run_id) in _FINISHED

        try:
            self.wait_until(has_ended, timeout, "not ended")
        except StackError as error:
            tasks = {(t["task_id"], t["map_index"]): t["state"] for t in self.task_instances(dag_id, run_id)}
            raise StackError(f"{dag_id} {run_id} has tasks {tasks}: {error}") from None
        return str(self.run_state(dag_id, run_id))

    def wait_until(self, condition: Callable[[], bool], timeout: float, problem: str) -> None:
        """
        Wait until a condition is true while all components run.

        :param condition: called several times per second
        :param timeout: seconds after which :class:`StackError` is raised
        :param problem: first words of its message
        """
        for _ in _ticks(timeout):
            if condition():
                return
            self._check_components()
        logs = "".join(f"\n{name}: {self.component_log(name)[-1000:]}" for name in self._processes)
        raise StackError(f"{problem} within {timeout:g} s{logs}")

    def run_state(self, dag_id: str, run_id: str) -> str | None:
        """
        Return the state of a DAG run, or None if there is no such run.

        :param dag_id: the DAG
        :param run_id: its run
        """
        rows = self.query("SELECT state FROM dag_run WHERE dag_id = ? AND run_id = ?", dag_id, run_id)
        return rows[0]["state"] if rows else None

    def task_instances(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """
        Return the task instances of a run from the metadata database.

        :param dag_id: the DAG
        :param run_id: its run
        """
        return self.query(
            "SELECT task_id, map_index, rendered_map_index, state, pool, pool_slots, try_number, max_tries, operator, "
            "pid, start_date, end_date, duration FROM task_instance WHERE dag_id = ? AND run_id = ? "
            "ORDER BY task_id, map_index",
            dag_id,
            run_id,
        )

    def xcom(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1, key: str = "return_value") -> Any:
        """
        Return an XCom of a task, or None.

        :param dag_id: the DAG
        :param run_id: its run
        :param task_id: the task
        :param map_index: index of the mapped task instance
        :param key: the XCom's key
        """
        rows = self.query(
            "SELECT value FROM xcom WHERE dag_id = ? AND run_id = ? AND task_id = ? AND map_index = ? AND key = ?",
            *(dag_id, run_id, task_id, map_index, key),
        )
        value = json.loads(rows[0]["value"]) if rows else None
        if self.is_airflow_3 and isinstance(value, str):
            # Airflow 3 stores the JSON document of anything but a string as a JSON string.
            with contextlib.suppress(ValueError):
                return json.loads(value)
        return value

    def logs(self, dag_id: str, run_id: str | None = None, task_id: str | None = None) -> str:
        """
        Return the text of the task logs, those of triggers included.

        :param dag_id: the DAG
        :param run_id: one run, by default all
        :param task_id: one task, by default all
        """
        pattern = f"dag_id={dag_id}/run_id={run_id or '*'}/task_id={task_id or '*'}/**/*.log"
        return "\n".join(_text(path) for path in sorted((self.home / "logs").glob(pattern)))

    # The deployment

    def pools(self) -> dict[str, dict[str, Any]]:
        """Return the pools by name: slots, include_deferred and description."""
        rows = self.query("SELECT pool, slots, include_deferred, description FROM slot_pool")
        return {row.pop("pool"): row | {"include_deferred": bool(row["include_deferred"])} for row in rows}

    def component_log(self, component: str) -> str:
        """
        Return the output of a component so far.

        :param component: api-server, scheduler, dag-processor or triggerer
        """
        return _text(self.component_logs / f"{component}.log")

    def command(self, *arguments: str, timeout: float = _WATCHDOG_TIMEOUT) -> str:
        """
        Run an ``airflow`` command in the stack's environment and return its output.

        :param arguments: the command line after ``airflow``
        :param timeout: maximum seconds
        """
        done = subprocess.run(
            [str(self.bin_dir / "airflow"), *arguments],
            env=self.env,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if done.returncode != 0:
            raise StackError(f"airflow {' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def query(self, sql: str, *parameters: Any) -> list[dict[str, Any]]:
        """
        Return the rows of a query of the metadata database.

        :param sql: a SELECT
        :param parameters: values of its placeholders
        """
        # Not "mode=ro", which fails while the last writer removes its write-ahead log.
        uri = f"{self.database.as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_WATCHDOG_TIMEOUT)) as database:
            database.execute("PRAGMA query_only = ON")
            database.row_factory = sqlite3.Row
            return [dict(row) for row in database.execute(sql, parameters)]

    def request(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """
        Send a request to the API server of Airflow 3 and return its decoded response.

        :param method: GET, POST or PATCH
        :param path: path under :attr:`url`
        :param body: JSON object to send
        """
        token = _fetch("GET", f"{self.url}/auth/token")["access_token"]
        return _fetch(method, f"{self.url}{path}", body, token)

    # Inside

    def _airflow_version(self) -> str:
        code = "import importlib.metadata as m; print(m.version('apache-airflow'))"
        return subprocess.check_output([str(self.bin_dir / "python"), "-c", code], text=True).strip()

    def _environment(self, dags_folder: Path, extra: Mapping[str, str]) -> dict[str, str]:
        # Without compiled modules, each of the many processes takes a second longer to start.
        unwanted = ("AIRFLOW_", "PYTHONDONTWRITEBYTECODE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
        return {
            **inherited,
            "PATH": f"{self.bin_dir}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
            "PYTHONWARNINGS": "ignore",
            "NO_PROXY": f"{_LOOPBACK},localhost",
            "no_proxy": f"{_LOOPBACK},localhost",
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__DAGS_FOLDER": str(dags_folder),
            "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
            "AIRFLOW__CORE__EXECUTOR": self.executor,
            # Components that start together could each generate another one.
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__PARALLELISM": "4",
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__HOST": _LOOPBACK,
            "AIRFLOW__API__PORT": str(self.port),
            "AIRFLOW__API__SECRET_KEY": secrets.token_urlsafe(32),
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_urlsafe(32),
            "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.2",
            **extra,
        }

    def _start(self, name: str) -> None:
        # The log servers would listen on all addresses; Airflow has no setting for that.
        quiet = ["--skip-serve-logs"] if name in ("scheduler", "triggerer") else []
        self._start_process(name, [name, *quiet], self.env)

    def _start_process(self, name: str, arguments: Sequence[str], env: Mapping[str, str]) -> None:
        with (self.component_logs / f"{name}.log").open("ab") as output:
            self._processes[name] = subprocess.Popen(
                [str(self.bin_dir / "airflow"), *arguments],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._sessions.add(self._processes[name].pid)

    def _has_database(self) -> bool:
        return self.database.exists()

    def _wait_until_healthy(self) -> None:
        self.wait_until(self._is_healthy, _WATCHDOG_TIMEOUT, "Airflow did not become healthy")

    def _check_components(self) -> None:
        for name, process in list(self._processes.items()):
            if process.poll() is not None:
                raise StackError(f"Airflow's {name} has exited:\n{self.component_log(name)[-3000:]}")

    def _is_healthy(self) -> bool:
        if "api-server" in self.components and not _responds(f"{self.url}/api/v2/version"):
            return False
        rows = self.query("SELECT job_type FROM job WHERE state = 'running'")
        return {_JOBS[name] for name in self.components if name in _JOBS} <= {row["job_type"] for row in rows}

    def _is_parsed(self, dag_id: str) -> bool:
        if self.query("SELECT 1 FROM serialized_dag WHERE dag_id = ?", dag_id):
            return True
        errors = self.query("SELECT filename, stacktrace FROM import_error")
        if errors:
            raise StackError(f"{errors[0]['filename']} cannot be imported:\n{errors[0]['stacktrace']}")
        return False


def _ticks(timeout: float) -> Iterator[None]:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        yield
        time.sleep(_POLL)


def _responds(url: str) -> bool:
    try:
        _fetch("GET", url, timeout=2)
    except OSError:
        return False
    return True


# Any: what JSON can hold.
def _fetch(
    method: str, url: str, body: Mapping[str, Any] | None = None, token: str = "", timeout: float = _WATCHDOG_TIMEOUT
) -> Any:
    request = urllib.request.Request(url, headers={"Content-Type": "application/json"}, method=method)
    request.data = None if body is None else json.dumps(body).encode()
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=timeout) as response:
        return json.load(response)


def _signal_group(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
