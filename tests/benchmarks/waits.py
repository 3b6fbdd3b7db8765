"""
Measure waits: requests per interval, and the delay of the triggerer's event loop and of its threads.

``python -m tests.benchmarks.waits [--quick] [--only TEXT]``: an ``airflow triggerer`` starts many waits at the same
time, as after a restart, each of which is due. A further trigger schedules a callback every 5 ms and a thread of the
loop's executor every 50 ms, and records their delays. Requests are counted in the sandbox's journal.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import shutil
import sqlite3
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import requests
from airflow.providers.common.compat.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.sandbox.demo_company import (
    API_KEY,
    COMPANY_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
)
from demo.airflow_stack import AirflowStack
from tests.benchmarks.support import Server, Table, arguments, make_api, sandbox

ROOT = Path(__file__).parents[2]
MODULE = "tests.benchmarks.waits"
DAG_ID, RUN_ID = "waits", "benchmark"
DAG = """
from airflow.providers.common.compat.sdk import DAG
from tests.benchmarks.waits import ObserveDelays

with DAG("waits", schedule=None):
    ObserveDelays(task_id="watch", report={report!r})
"""
#: Seconds between pokes. Different conditions need more, because they share 10 reads per second.
INTERVAL, LONG_INTERVAL = 30, 300
#: Maximum delay of the loop and its threads in seconds.
AIM = 0.05


# Triggers


class DelayTrigger(BaseTrigger):
    """Record the maximum delays of this event loop and its threads, once per second."""

    def __init__(self, report: str) -> None:
        super().__init__()
        self.report = report
        self._delays: dict[str, float] = {}
        self._collected = 0.0
        self._collecting_since: float | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{MODULE}.DelayTrigger", {"report": self.report}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        gc.callbacks.append(self._on_collection)
        watchers = [asyncio.create_task(self._watch_loop()), asyncio.create_task(self._watch_threads())]
        while not any(watcher.done() for watcher in watchers):
            self._delays = {"loop": 0.0, "loop without gc": 0.0, "thread": 0.0, "thread without gc": 0.0}
            await asyncio.sleep(1)
            line = {"at": time.time(), "triggers": _running_triggers(), **self._delays}
            await asyncio.to_thread(_append, self.report, line)
        yield TriggerEvent("a watcher failed")

    async def _watch_loop(self) -> None:
        while True:
            due, collected = time.perf_counter() + 0.005, self._seconds_of_gc()
            await asyncio.sleep(0.005)
            self._record("loop", time.perf_counter() - due, collected)

    async def _watch_threads(self) -> None:
        while True:
            submitted, collected = time.perf_counter(), self._seconds_of_gc()
            self._record("thread", await asyncio.to_thread(time.perf_counter) - submitted, collected)
            await asyncio.sleep(0.05)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self._collected, self._collecting_since = self._seconds_of_gc(), None

    def _seconds_of_gc(self) -> float:
        # The callback of another thread that collects may run after this one.
        since = self._collecting_since
        return self._collected + (time.perf_counter() - since if since else 0.0)

    def _record(self, kind: str, delay: float, collected: float) -> None:
        self._delays[kind] = max(self._delays[kind], delay)
        delay -= self._seconds_of_gc() - collected
        self._delays[kind + " without gc"] = max(self._delays[kind + " without gc"], delay)


def _running_triggers() -> int:
    # Airflow 3 wraps them.
    names = ("run_trigger", "greenback_shim")
    return sum(getattr(task.get_coro(), "__name__", "") in names for task in asyncio.all_tasks())


def _append(file: str, line: dict[str, Any]) -> None:
    with open(file, "a") as report:
        report.write(json.dumps(line) + "\n")


class SleepingTrigger(BaseTrigger):
    """Do nothing, to measure the cost of triggers in general."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{MODULE}.SleepingTrigger", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(3600)
        yield TriggerEvent("success")


class RequestingTrigger(BaseTrigger):
    """Send requests without sharing, in a thread of the loop's executor or on the loop itself."""

    def __init__(self, url: str, on_the_loop: bool) -> None:
        super().__init__()
        self.url, self.on_the_loop = url, on_the_loop

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{MODULE}.RequestingTrigger", {"url": self.url, "on_the_loop": self.on_the_loop}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        response: Any = ...
        while response:
            response = self._request() if self.on_the_loop else await asyncio.to_thread(self._request)
            self.log.info("Poll: response=%s", response)
            await asyncio.sleep(INTERVAL)
        yield TriggerEvent("success")

    def _request(self) -> Any:
        headers = {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY}
        return requests.get(self.url, headers=headers, timeout=30).json()


class ObserveDelays(BaseOperator):
    """Defer to :class:`DelayTrigger`. The waits are copies of this task's row in the database."""

    def __init__(self, *, report: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report = report

    def execute(self, context: Any) -> None:
        self.defer(trigger=DelayTrigger(self.report), method_name="execute")


# The waits


def sleeping(server: Server, session: str, number: int) -> BaseTrigger:
    """Return a trigger that does nothing."""
    return SleepingTrigger()


def with_one_condition(server: Server, session: str, number: int) -> BaseTrigger:
    """Return the trigger of our sensors, with the same condition for all."""
    return _ours(session, 1000, INTERVAL)


def with_different_conditions(server: Server, session: str, number: int) -> BaseTrigger:
    """Return the trigger of our sensors, with a condition per wait."""
    return _ours(session, 1000 + number, LONG_INTERVAL)


def _ours(session: str, min_enrolled: int, interval: int) -> BaseTrigger:
    from airflow_provider_360learning.triggers.completion import Learning360CompletionTrigger

    return Learning360CompletionTrigger(
        learning360_conn_id="learning360_default",
        subject="path_session",
        arguments={"session_id": session, "min_enrolled": min_enrolled},
        poke_interval=interval,
        first_poke=0.0,
        deadline=time.time() + 3600,
    )


def requesting_in_a_thread(server: Server, session: str, number: int) -> BaseTrigger:
    """Return a trigger that sends requests of its own in a thread."""
    return RequestingTrigger(f"{server.url}/api/v1/paths/sessions/{session}/stats/users", on_the_loop=False)


def requesting_on_the_loop(server: Server, session: str, number: int) -> BaseTrigger:
    """Return a trigger that sends requests of its own and blocks the loop meanwhile."""
    return RequestingTrigger(f"{server.url}/api/v1/paths/sessions/{session}/stats/users", on_the_loop=True)


@dataclass(frozen=True)
class Row:
    """A number of waits of one kind."""

    count: int
    kind: Callable[[Server, str, int], BaseTrigger]
    limits: bool = True

    def __str__(self) -> str:
        return f"{self.count} {self.kind.__name__.replace('_', ' ')}"


MANY = 2000
#: The benchmark compares these two.
SHARED, NAIVE = Row(MANY, with_one_condition), Row(MANY, requesting_in_a_thread, limits=False)
ROWS = [
    Row(MANY, sleeping),
    Row(1, with_one_condition),
    Row(100, with_one_condition),
    SHARED,
    Row(MANY, with_different_conditions),
    Row(100, requesting_on_the_loop, limits=False),
    NAIVE,
]
QUICK = [Row(100, with_one_condition), SHARED]


# Measuring


@dataclass(frozen=True)
class Figures:
    """The figures of a row; delays are in seconds."""

    requests: int
    loop_at_the_start: float
    loop: float
    loop_without_gc: float
    thread: float
    thread_without_gc: float


def main() -> None:
    """Print a row per kind and number of waits, and the effect of shared polls."""
    parser = arguments(__doc__)
    parser.add_argument("--only", default="", help="rows that contain this text, such as '2000 with one'")
    parser.add_argument("--insert", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.insert:
        insert(Path(options.insert))
        return
    table = Table(
        {"Waits": 30, f"requests in {INTERVAL} s": 0, "loop delay, starting": 0}
        | {"loop delay": 0, "without GC": 0, "thread delay": 0, "without GC ": 0}
    )
    measured = {}
    with prepared_home() as home:
        for row in QUICK if options.quick else ROWS:
            if options.only in str(row):
                measured[row] = measure(row, home)
                requests, *seconds = astuple(measured[row])
                table.row(row, requests, *(f"{1000 * each:.0f} ms" for each in seconds))
    conclude(measured)


def conclude(measured: dict[Row, Figures]) -> None:
    """Compare with the aim, and with waits that send requests of their own."""
    ours = {row: figures for row, figures in measured.items() if "condition" in str(row)}
    delay = max((max(figures.loop_without_gc, figures.thread_without_gc) for figures in ours.values()), default=0.0)
    print(
        f"\nAim: delay at most {1000 * AIM:.0f} ms while waiting. Maximum of our triggers: {1000 * delay:.0f} ms, "
        "without the garbage collections of the process."
    )
    if {SHARED, NAIVE} <= set(measured):
        shared, naive = measured[SHARED].requests, measured[NAIVE].requests
        print(f"Requests of {MANY} waits with one condition: {shared} shared, {naive} without sharing.")


@contextmanager
def prepared_home() -> Iterator[Path]:
    """Provide an Airflow home whose database has a deferred task to copy."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        dags = home / "dags"
        dags.mkdir(parents=True)
        (dags / "waits.py").write_text(DAG.format(report=str(_report(home))))
        with AirflowStack(home, dags, env={"PYTHONPATH": str(ROOT)}) as stack:
            stack.trigger(DAG_ID, run_id=RUN_ID)
            # The process that deferred the task has exited by then, so that stopping the stack does not kill it.
            _until(lambda: _lines(home), "a trigger watches the loop", stack)
        with closing(sqlite3.connect(home / "airflow.db")) as database:
            database.execute("VACUUM INTO ?", (str(home / "prepared.db"),))
        yield home


def measure(row: Row, home: Path) -> Figures:
    """Run the waits of a row in a triggerer for an interval and return the figures."""
    for file in home.glob("airflow.db*"):  # including its journal
        file.unlink()
    shutil.copy(home / "prepared.db", home / "airflow.db")
    shutil.rmtree(home / "logs", ignore_errors=True)
    _report(home).unlink(missing_ok=True)
    env = {
        "PYTHONPATH": str(ROOT),
        "AIRFLOW__TRIGGERER__CAPACITY": str(MANY + 10),
        "AIRFLOW__TRIGGERER__DEFAULT_CAPACITY": str(MANY + 10),
        "AIRFLOW__LEARNING360__RATE_LIMITER_DIR": str(home / "state"),
        "AIRFLOW__LEARNING360__RATE_LIMITER": "host",
    }
    with sandbox(limits_enabled=row.limits, delay_before_ms=20, delay_after_ms=20, learner_seconds=36000) as server:
        session = make_session(server)
        with AirflowStack(home, home / "dags", env=env, components=["triggerer"]) as stack:
            stack.command("connections", "add", "learning360_default", "--conn-json", server.connection)
            _until(lambda: _lines(home), "a trigger watches the loop", stack)
            starting = time.time()
            start([row.kind(server, session, number) for number in range(row.count)], stack)
            _until(lambda: _lines(home)[-1]["triggers"] > row.count, f"{row} are running", stack)
            started = time.time()
            time.sleep(INTERVAL)
            ended = time.time()
            # The last second is recorded afterwards.
            _until(lambda: _lines(home)[-1]["at"] > ended, "a last line", stack)
            arrivals = [entry["wall_time"] for entry in server.control.journal()]
    # A line covers the second before it.
    at_start = [line for line in _lines(home) if starting < line["at"] <= started + 1]
    waiting = [line for line in _lines(home) if started + 1 < line["at"]]
    return Figures(
        requests=sum(started < arrival <= ended for arrival in arrivals),
        loop_at_the_start=_maximum(at_start, "loop"),
        loop=_maximum(waiting, "loop"),
        loop_without_gc=_maximum(waiting, "loop without gc"),
        thread=_maximum(waiting, "thread"),
        thread_without_gc=_maximum(waiting, "thread without gc"),
    )


def make_session(server: Server) -> str:
    """Create a path session with a learner who does not complete it in time."""
    api = make_api(server.url, SqliteStore(":memory:"))
    made = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="Autumn", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    api.enroll_users(session_id=made["session_id"], users=[GRACE_MAIL])
    return str(made["session_id"])


def start(triggers: list[BaseTrigger], stack: AirflowStack) -> None:
    """Add all triggers to the database in one transaction."""
    plan = stack.home / "plan"
    plan.write_text(json.dumps([trigger.serialize() for trigger in triggers]))
    command = [str(stack.bin_dir / "python"), "-m", MODULE, "--insert", str(plan)]
    subprocess.run(command, env=stack.env, cwd=ROOT, check=True)


def insert(plan: Path) -> None:
    """Insert triggers into the database, each with a copy of the task. Runs in the stack's environment."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.models.trigger import Trigger
    from airflow.utils.session import create_session

    tasks = TaskInstance.__table__
    with create_session() as session:
        triggers = [Trigger(*trigger) for trigger in json.loads(plan.read_text())]
        session.add_all(triggers)
        session.flush()
        (task,) = session.execute(tasks.select()).mappings()
        for number, trigger in enumerate(triggers):
            own = {"map_index": number, "trigger_id": trigger.id} | ({"id": uuid.uuid4()} if "id" in task else {})
            session.execute(tasks.insert().values(dict(task) | own))


def _report(home: Path) -> Path:
    return home.with_name("report")


def _lines(home: Path) -> list[dict[str, Any]]:
    report = _report(home)
    return [json.loads(line) for line in report.read_text().splitlines()] if report.exists() else []


def _maximum(lines: list[dict[str, Any]], kind: str) -> float:
    return max((line[kind] for line in lines), default=0.0)


def _until(condition: Callable[[], Any], what: str, stack: AirflowStack, seconds: float = 300) -> None:
    for _ in range(int(seconds * 5)):
        if condition():
            return
        time.sleep(0.2)
    raise SystemExit(f"Not within {seconds:g} s: {what}\n{stack.component_log('triggerer')[-3000:]}")


if __name__ == "__main__":
    main()
