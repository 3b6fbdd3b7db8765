"""The pool listener as Airflow calls it: in another process, through the real listener manager."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.airflow.conftest import execute_sql, insert_pool

#: Reads environments and command lines from stdin, forks, and creates a Job per command line, which is when Airflow
#: calls the listener. The process looks like ``airflow COMMAND``.
START_JOBS = """
import json, os, sys
sys.argv = ["airflow", *json.loads(sys.argv[1])]
from airflow.jobs.job import Job
from airflow.models import import_all_models
from sqlalchemy.orm import configure_mappers
import_all_models()
configure_mappers()
for line in sys.stdin:
    if child := os.fork():
        os.waitpid(child, 0)
        continue
    env, *commands = json.loads(line)
    os.environ.update(env)
    for command in commands:
        sys.argv = ["airflow", *command]
        Job()
    print("started", flush=True)
    os._exit(0)
"""
SCHEDULER = ["scheduler"]


def start_process(env, command):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", START_JOBS, json.dumps(command)],
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_jobs(env, *commands):
    """Create a Job per command line in a new process and return its output."""
    with start_process(env, commands[0]) as process:
        output, _ = process.communicate(json.dumps([{}, *commands]) + "\n", timeout=300)
    assert "started" in output, output
    return output


class Scheduler:
    """A process that looks like ``airflow scheduler``, with a database of its own."""

    def __init__(self, env):
        self._env = env
        self._process = start_process(env, SCHEDULER)

    def start_job(self, **env):
        """Create a Job with environment variables and return the output."""
        print(json.dumps([env, SCHEDULER]), file=self._process.stdin, flush=True)
        output = []
        for line in self._process.stdout:
            if line == "started\n":
                return "".join(output)
            output.append(line)
        raise AssertionError("".join(output))

    def pool(self, name="learning360"):
        """Return slots, include_deferred and description of a pool."""
        return pool(self._env, name)

    def insert_pool(self, slots, include_deferred=0):
        insert_pool(self._env, slots, include_deferred)

    def insert_connection(self, extra):
        values = f"'c', 'learning360', '{json.dumps(extra)}', 0, 0"
        execute_sql(
            self._env,
            f"INSERT INTO connection (conn_id, conn_type, extra, is_encrypted, is_extra_encrypted) VALUES ({values})",
        )

    def reset(self):
        execute_sql(self._env, "DELETE FROM slot_pool WHERE pool <> 'default_pool'")
        execute_sql(self._env, "DELETE FROM connection")

    def stop(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(300)


def pool(env, name="learning360"):
    found = execute_sql(env, f"SELECT slots, include_deferred, description FROM slot_pool WHERE pool = '{name}'")
    return found[0] if found else None


@pytest.fixture(scope="module")
def scheduler_process(migrated_db, tmp_path_factory):
    home = tmp_path_factory.mktemp("scheduler")
    shutil.copy(migrated_db, home / "airflow.db")
    process = Scheduler({"AIRFLOW_HOME": str(home)})
    yield process
    process.stop()


@pytest.fixture
def scheduler(scheduler_process):
    """Return the process, without pools and connections."""
    scheduler_process.reset()
    return scheduler_process


@pytest.mark.slow
def test_a_starting_component_creates_the_pool(scheduler):
    output = scheduler.start_job()
    assert scheduler.pool()[:2] == (5, 0)
    assert "Pool 'learning360' created with 5 slots" in output


def test_the_pool_is_created_as_configured(scheduler):
    scheduler.start_job(AIRFLOW__LEARNING360__POOL="shared", AIRFLOW__LEARNING360__POOL_SLOTS="3")
    assert scheduler.pool() is None
    assert scheduler.pool("shared")[:2] == (3, 0)


@pytest.mark.slow
def test_other_processes_do_not_open_the_database(tmp_path):
    commands = [["api-server"], ["webserver"], ["tasks", "run"], ["celery", "worker"], []]
    output = start_jobs({"AIRFLOW_HOME": str(tmp_path)}, *commands)
    assert "360Learning" not in output
    assert not (tmp_path / "airflow.db").exists()


@pytest.mark.slow
def test_a_task_process_of_a_scheduler_does_not_open_the_database(tmp_path):
    """Start a task marker instead of a Job: children of the LocalExecutor look like a scheduler otherwise."""
    code = (
        "import sys; sys.argv = ['airflow', 'scheduler']\n"
        "from airflow_provider_360learning.plugin import PoolListener\n"
        "PoolListener().on_starting(component=object())\n"
    )
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    finished = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "360Learning" not in finished.stdout + finished.stderr
    assert not (tmp_path / "airflow.db").exists()


def test_create_pool_off_creates_no_pool(scheduler):
    output = scheduler.start_job(AIRFLOW__LEARNING360__CREATE_POOL="False")
    assert scheduler.pool() is None
    assert "Pool" not in output


def test_an_existing_pool_is_not_changed(scheduler):
    scheduler.insert_pool(slots=5)
    output = scheduler.start_job()
    assert scheduler.pool() == (5, 0, "mine")
    assert "WARNING" not in output.upper()


@pytest.mark.parametrize(
    ("slots", "include_deferred", "warning"),
    [
        (3, 0, "exists with 3 slots, but 5 fit the connections (no connection to 360Learning is defined yet)"),
        (5, 1, "it includes deferred tasks"),
    ],
)
def test_a_pool_that_differs_is_reported_and_not_changed(scheduler, slots, include_deferred, warning):
    scheduler.insert_pool(slots, include_deferred)
    output = scheduler.start_job()
    assert scheduler.pool() == (slots, include_deferred, "mine")
    (line,) = [line for line in output.splitlines() if warning in line]
    assert "warning" in line.lower()


def test_an_invalid_setting_is_logged_and_stops_no_component(scheduler):
    output = scheduler.start_job(AIRFLOW__LEARNING360__POOL_SLOTS="x")
    assert "Pool of the 360Learning provider not checked" in output
    assert "[learning360] pool_slots = 'x'" in output


@pytest.mark.slow
def test_a_pool_of_another_size_than_configured_is_reported(scheduler):
    scheduler.insert_pool(3)
    output = scheduler.start_job(AIRFLOW__LEARNING360__POOL_SLOTS="4")
    assert "exists with 3 slots, but [learning360] pool_slots is 4" in output


def connection(version):
    return json.dumps({"conn_type": "learning360", "extra": {"api_version": version} if version else {}})


@pytest.mark.parametrize(
    ("versions", "slots", "reason"),
    [
        (["v2", "v2"], 10, "every connection uses API v2"),
        (["v1"], 5, "every connection uses API v1"),
        (["v2", "v1"], 5, "a connection uses API v1"),
        (["v2", None], 5, "a connection uses API v1"),
        (["v2", "v9"], 5, "a connection uses API v1"),
    ],
    ids=str,
)
def test_the_pool_has_as_many_slots_as_the_slowest_version_writes_per_second(scheduler, versions, slots, reason):
    variables = {f"AIRFLOW_CONN_C{number}": connection(version) for number, version in enumerate(versions)}
    others = {"AIRFLOW_CONN_OTHER": "http://a.test", "AIRFLOW_CONN_BROKEN": "{"}
    output = scheduler.start_job(**variables, **others)
    assert scheduler.pool()[:2] == (slots, 0)
    assert f"Pool 'learning360' created with {slots} slots ({reason})" in output


@pytest.mark.parametrize(("extra", "slots"), [({"api_version": "v2"}, 10), ({}, 5)], ids=str)
def test_connections_of_the_database_decide_as_well(scheduler, extra, slots):
    scheduler.insert_connection(extra)
    scheduler.start_job()
    assert scheduler.pool()[0] == slots


def test_a_database_without_tables_is_logged_and_stops_no_component(tmp_path):
    output = start_jobs({"AIRFLOW_HOME": str(tmp_path)}, SCHEDULER)
    assert "Pool of the 360Learning provider not checked" in output
    assert "no such table: slot_pool" in output


CREATE_POOLS = """
import os, sys, time
from airflow.models import import_all_models
from airflow_provider_360learning.pool import ensure_pool
from sqlalchemy.orm import configure_mappers
import_all_models()
configure_mappers()
start, components = time.time() + 0.2, []
for _ in range(4):
    if component := os.fork():
        components.append(component)
        continue
    for number in range(10):
        os.environ["AIRFLOW__LEARNING360__POOL"] = f"race{number}"
        time.sleep(max(0, start + 0.1 * number - time.time()))
        os.write(1, f"{ensure_pool()}\\n".encode())  # in one piece
    os._exit(0)
sys.exit(any(os.waitpid(component, 0)[1] for component in components))
"""


@pytest.mark.slow
def test_components_that_start_at_the_same_time_create_one_pool(fresh_db):
    command, env = [sys.executable, "-W", "ignore", "-c", CREATE_POOLS], {**os.environ, **fresh_db}
    finished = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300, check=False)
    assert finished.returncode == 0, finished.stderr
    for number in range(10):
        lines = [line for line in finished.stdout.splitlines() if f"'race{number}'" in line]
        assert len(lines) == 4
        assert sum("created" in line for line in lines) == 1, lines
    assert execute_sql(fresh_db, "SELECT count(*) FROM slot_pool WHERE pool LIKE 'race%'") == [(10,)]
