"""
What waits cost: requests an interval, and how late the triggerer's event loop and its threads become.

``python -m tests.benchmarks.waits [--quick] [--only TEXT]``: an ``airflow triggerer`` takes on many waits at once, as
after a restart, and each wants to ask at once. Beside them runs a trigger that wants its turn every 5 ms, and a
thread of the loop's own every 50 ms, and notes how late they come. Requests are counted in the sandbox's journal.
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
from tests.benchmarks.waits import Watch

with DAG("waits", schedule=None):
    Watch(task_id="watch", report={report!r})
"""
#: Seconds from poke to poke; and where each wait has a question of its own, which takes turns at 10 reads a second.
INTERVAL, LONG_INTERVAL = 30, 300
#: How late the loop and its threads may be, in seconds.
AIM = 0.05


# Triggers


class Watching(BaseTrigger):
    """Note, once a second, how late this event loop and its threads were."""

    def __init__(self, report: str) -> None:
        super().__init__()
        self.report = report
        self._worst: dict[str, float] = {}
        self._collected = 0.0
        self._collecting_since: float | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{MODULE}.Watching", {"report": self.report}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        gc.callbacks.append(self._on_collection)
        watchers = [asyncio.create_task(self._watch_turns()), asyncio.create_task(self._watch_threads())]
        while not any(watcher.done() for watcher in watchers):
            self._worst = {"loop": 0.0, "loop without gc": 0.0, "thread": 0.0, "thread without gc": 0.0}
            await asyncio.sleep(1)
            line = {"at": time.time(), "triggers": _running_triggers(), **self._worst}
            await asyncio.to_thread(_append, self.report, line)
        yield TriggerEvent("a watcher ended")

    async def _watch_turns(self) -> None:
        while True:
            due, collected = time.perf_counter() + 0.005, self._seconds_of_gc()
            await asyncio.sleep(0.005)
            self._note("loop", time.perf_counter() - due, collected)

    async def _watch_threads(self) -> None:
        while True:
            asked, collected = time.perf_counter(), self._seconds_of_gc()
            self._note("thread", await asyncio.to_thread(time.perf_counter) - asked, collected)
            await asyncio.sleep(0.05)

    def _on_collection(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self._collected, self._collecting_since = self._seconds_of_gc(), None

    def _seconds_of_gc(self) -> float:
        # Another thread that collects may be told of the end only after this one has had its turn.
        since = self._collecting_since
        return self._collected + (time.perf_counter() - since if since else 0.0)

    def _note(self, kind: str, late: float, collected: float) -> None:
        self._worst[kind] = max(self._worst[kind], late)
        late -= self._seconds_of_gc() - collected
        self._worst[kind + " without gc"] = max(self._worst[kind + " without gc"], late)


def _running_triggers() -> int:
    # Airflow 3 wraps them.
    names = ("run_trigger", "greenback_shim")
    return sum(getattr(task.get_coro(), "__name__", "") in names for task in asyncio.all_tasks())


def _append(file: str, line: dict[str, Any]) -> None:
    with open(file, "a") as report:
        report.write(json.dumps(line) + "\n")


class Sleeping(BaseTrigger):
    """Do nothing: what so many triggers cost by themselves."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{MODULE}.Sleeping", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        await asyncio.sleep(3600)
        yield TriggerEvent("over")


class AskingForItself(BaseTrigger):
    """Ask as one would write it: each for itself, in a thread of the loop's own or on the loop itself."""

    def __init__(self, url: str, on_the_loop: bool) -> None:
        super().__init__()
        self.url, self.on_the_loop = url, on_the_loop

    def serialize(self) -> tuple[str, dict[str, Any]]:
        return f"{MODULE}.AskingForItself", {"url": self.url, "on_the_loop": self.on_the_loop}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        answer: Any = ...
        while answer:
            answer = self._ask() if self.on_the_loop else await asyncio.to_thread(self._ask)
            self.log.info("Seen: %s", answer)
            await asyncio.sleep(INTERVAL)
        yield TriggerEvent("over")

    def _ask(self) -> Any:
        headers = {"X-company-id": COMPANY_ID, "X-apiKey": API_KEY}
        return requests.get(self.url, headers=headers, timeout=30).json()


class Watch(BaseOperator):
    """The one task that there is; the waits are copies of its row in the database."""

    def __init__(self, *, report: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.report = report

    def execute(self, context: Any) -> None:
        self.defer(trigger=Watching(self.report), method_name="execute")


# The waits


def sleeping(server: Server, session: str, number: int) -> BaseTrigger:
    """Make a trigger that does nothing."""
    return Sleeping()


def on_one_question(server: Server, session: str, number: int) -> BaseTrigger:
    """Make the trigger of our sensors, whose question all others have as well."""
    return _ours(session, 1000, INTERVAL)


def on_different_questions(server: Server, session: str, number: int) -> BaseTrigger:
    """Make the trigger of our sensors, with a question of its own."""
    return _ours(session, 1000 + number, LONG_INTERVAL)


def _ours(session: str, min_enrolled: int, interval: int) -> BaseTrigger:
    from airflow_provider_360learning.completion.conditions import PathSessionCompletion, to_dict
    from airflow_provider_360learning.triggers.completion import Learning360CompletionTrigger

    return Learning360CompletionTrigger(
        learning360_conn_id="learning360_default",
        question=to_dict(PathSessionCompletion(session, min_enrolled=min_enrolled)),
        poke_interval=interval,
        first_poke=0.0,
        deadline=time.time() + 3600,
    )


def asking_in_a_thread(server: Server, session: str, number: int) -> BaseTrigger:
    """Make a trigger that asks for itself."""
    return AskingForItself(f"{server.url}/api/v1/paths/sessions/{session}/stats/users", on_the_loop=False)


def asking_on_the_loop(server: Server, session: str, number: int) -> BaseTrigger:
    """Make a trigger that asks for itself and blocks the loop meanwhile."""
    return AskingForItself(f"{server.url}/api/v1/paths/sessions/{session}/stats/users", on_the_loop=True)


@dataclass(frozen=True)
class Row:
    """So many waits of a kind."""

    count: int
    kind: Callable[[Server, str, int], BaseTrigger]
    limits: bool = True

    def __str__(self) -> str:
        return f"{self.count} {self.kind.__name__.replace('_', ' ')}"


MANY = 2000
#: The first two are compared with the third.
SHARED, NAIVE = Row(MANY, on_one_question), Row(MANY, asking_in_a_thread, limits=False)
ROWS = [
    Row(MANY, sleeping),
    Row(1, on_one_question),
    Row(100, on_one_question),
    SHARED,
    Row(MANY, on_different_questions),
    Row(100, asking_on_the_loop, limits=False),
    NAIVE,
]
QUICK = [Row(100, on_one_question), SHARED]


# Measuring


@dataclass(frozen=True)
class Figures:
    """What became of a row; seconds."""

    requests: int
    loop_at_the_start: float
    loop: float
    loop_without_gc: float
    thread: float
    thread_without_gc: float


def main() -> None:
    """Print a row for each kind and number of waits, and what sharing saves."""
    parser = arguments(__doc__)
    parser.add_argument("--only", default="", help="rows with this text only, such as '2000 on one'")
    parser.add_argument("--insert", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.insert:
        insert(Path(asked.insert))
        return
    table = Table(
        {"Waits": 27, f"requests in {INTERVAL} s": 0, "loop late, starting": 0}
        | {"loop late": 0, "without GC": 0, "thread late": 0, "without GC ": 0}
    )
    measured = {}
    with prepared_home() as home:
        for row in QUICK if asked.quick else ROWS:
            if asked.only in str(row):
                measured[row] = measure(row, home)
                requests, *seconds = astuple(measured[row])
                table.row(row, requests, *(f"{1000 * each:.0f} ms" for each in seconds))
    conclude(measured)


def conclude(measured: dict[Row, Figures]) -> None:
    """Compare with the aim, and with waits that ask for themselves."""
    ours = {row: figures for row, figures in measured.items() if "question" in str(row)}
    late = max((max(figures.loop_without_gc, figures.thread_without_gc) for figures in ours.values()), default=0.0)
    print(
        f"\nAim: while waiting, late by at most {1000 * AIM:.0f} ms. On our questions, at most {1000 * late:.0f} ms, "
        "apart from the times when Python collects the garbage of the whole process."
    )
    if {SHARED, NAIVE} <= set(measured):
        shared, naive = measured[SHARED].requests, measured[NAIVE].requests
        print(f"Requests of {MANY} waits on one question, shared to each for itself: {shared} to {naive}.")


@contextmanager
def prepared_home() -> Iterator[Path]:
    """Make an Airflow home whose database has a deferred task, of which there can be copies."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        dags = home / "dags"
        dags.mkdir(parents=True)
        (dags / "waits.py").write_text(DAG.format(report=str(_report(home))))
        with AirflowStack(home, dags, env={"PYTHONPATH": str(ROOT)}) as stack:
            stack.trigger(DAG_ID, run_id=RUN_ID)
            # By then, the process that deferred the task is gone, and does not end with the stack.
            _until(lambda: _lines(home), "a trigger watches the loop", stack)
        with closing(sqlite3.connect(home / "airflow.db")) as database:
            database.execute("VACUUM INTO ?", (str(home / "prepared.db"),))
        yield home


def measure(row: Row, home: Path) -> Figures:
    """Let a triggerer run the waits of a row for an interval, and say what came of it."""
    for left in home.glob("airflow.db*"):  # its journal as well
        left.unlink()
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
            began = time.time()
            start([row.kind(server, session, number) for number in range(row.count)], stack)
            _until(lambda: _lines(home)[-1]["triggers"] > row.count, f"{row} are running", stack)
            started = time.time()
            time.sleep(INTERVAL)
            over = time.time()
            # What is under way is told once more before the triggerer ends.
            _until(lambda: _lines(home)[-1]["at"] > over, "a last line", stack)
            moments = [entry["wall_time"] for entry in server.control.journal()]
    # A line tells of the second before it.
    starting = [line for line in _lines(home) if began < line["at"] <= started + 1]
    waiting = [line for line in _lines(home) if started + 1 < line["at"]]
    return Figures(
        requests=sum(started < moment <= over for moment in moments),
        loop_at_the_start=_worst(starting, "loop"),
        loop=_worst(waiting, "loop"),
        loop_without_gc=_worst(waiting, "loop without gc"),
        thread=_worst(waiting, "thread"),
        thread_without_gc=_worst(waiting, "thread without gc"),
    )


def make_session(server: Server) -> str:
    """Make a path session with a learner who will not be done."""
    api = make_api(server.url, SqliteStore(":memory:"))
    made = api.create_path_session(
        path_id=ONBOARDING_PATH_ID, name="Autumn", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
    )
    api.enroll_users(session_id=made["session_id"], users=[GRACE_MAIL])
    return str(made["session_id"])


def start(triggers: list[BaseTrigger], stack: AirflowStack) -> None:
    """Give the triggerer all these at once."""
    plan = stack.home / "plan"
    plan.write_text(json.dumps([trigger.serialize() for trigger in triggers]))
    command = [str(stack.bin_dir / "python"), "-m", MODULE, "--insert", str(plan)]
    subprocess.run(command, env=stack.env, cwd=ROOT, check=True)


def insert(plan: Path) -> None:
    """WriteSpec triggers into the database, each with a copy of the one task; run in the stack's environment."""
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


def _worst(lines: list[dict[str, Any]], kind: str) -> float:
    return max((line[kind] for line in lines), default=0.0)


def _until(is_so: Callable[[], Any], what: str, stack: AirflowStack, seconds: float = 300) -> None:
    for _ in range(int(seconds * 5)):
        if is_so():
            return
        time.sleep(0.2)
    raise SystemExit(f"Not within {seconds:g} s: {what}\n{stack.component_log('triggerer')[-3000:]}")


if __name__ == "__main__":
    main()
