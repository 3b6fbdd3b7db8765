"""The plugin's hook as Airflow calls it: in a process of its own, through the real listener manager."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

START_A_JOB = """
import json, sys
commands = json.loads(sys.argv[1])
sys.argv = ["airflow", *commands[0]]
from airflow.jobs.job import Job
for command in commands:
    sys.argv = ["airflow", *command]
    Job()
print("started")
"""


def start_job(env, *commands):
    """Make a Job, which is when Airflow calls the hook, in a process that looks like ``airflow COMMAND``."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", START_A_JOB, json.dumps(commands)],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "started" in done.stdout, done.stderr
    return done.stdout + done.stderr


def sql(env, statement):
    with contextlib.closing(sqlite3.connect(Path(env["AIRFLOW_HOME"]) / "airflow.db")) as database, database:
        return database.execute(statement).fetchall()


def pool(env, name="learning360"):
    found = sql(env, f"SELECT slots, include_deferred, description FROM slot_pool WHERE pool = '{name}'")
    return found[0] if found else None


def make_pool(env, slots, include_deferred=0):
    sql(
        env,
        "INSERT INTO slot_pool (pool, slots, include_deferred, description) "
        f"VALUES ('learning360', {slots}, {include_deferred}, 'mine')",
    )


def test_a_starting_component_creates_the_pool(fresh_db):
    output = start_job(fresh_db, ["scheduler"])
    assert pool(fresh_db)[:2] == (5, 0)
    assert "Pool 'learning360' created with 5 slots" in output


def test_the_pool_is_created_as_configured(fresh_db):
    start_job(
        {**fresh_db, "AIRFLOW__LEARNING360__POOL": "shared", "AIRFLOW__LEARNING360__POOL_SLOTS": "3"},
        ["scheduler"],
    )
    assert pool(fresh_db) is None
    assert pool(fresh_db, "shared")[:2] == (3, 0)


def test_other_processes_do_not_even_open_the_database(tmp_path):
    commands = [["api-server"], ["webserver"], ["tasks", "run"], ["celery", "worker"], []]
    output = start_job({"AIRFLOW_HOME": str(tmp_path)}, *commands)
    assert "360Learning" not in output
    assert not (tmp_path / "airflow.db").exists()


def test_a_task_process_under_a_scheduler_does_not_open_the_database(tmp_path):
    """LocalExecutor's children look like a scheduler, and a task marker starts there instead of a Job."""
    code = (
        "import sys; sys.argv = ['airflow', 'scheduler']\n"
        "from airflow_provider_360learning.plugin import PoolListener\n"
        "PoolListener().on_starting(component=object())\n"
    )
    env = {**os.environ, "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert "360Learning" not in done.stdout + done.stderr
    assert not (tmp_path / "airflow.db").exists()


def test_create_pool_off_creates_nothing(fresh_db):
    output = start_job({**fresh_db, "AIRFLOW__LEARNING360__CREATE_POOL": "False"}, ["scheduler"])
    assert pool(fresh_db) is None
    assert "Pool" not in output


def test_an_existing_pool_is_kept_as_it_is(fresh_db):
    make_pool(fresh_db, slots=5)
    output = start_job(fresh_db, ["scheduler"])
    assert pool(fresh_db) == (5, 0, "mine")
    assert "WARNING" not in output.upper()


@pytest.mark.parametrize(
    ("slots", "include_deferred", "said"),
    [
        (3, 0, "exists with 3 slots, but [learning360] pool_slots is 5"),
        (5, 1, "it includes deferred tasks"),
    ],
)
def test_a_pool_that_differs_is_reported_and_kept(fresh_db, slots, include_deferred, said):
    make_pool(fresh_db, slots, include_deferred)
    output = start_job(fresh_db, ["scheduler"])
    assert pool(fresh_db) == (slots, include_deferred, "mine")
    (line,) = [line for line in output.splitlines() if said in line]
    assert "warning" in line.lower()


def test_a_bad_setting_is_logged_and_stops_nobody(fresh_db):
    output = start_job({**fresh_db, "AIRFLOW__LEARNING360__POOL_SLOTS": "x"}, ["scheduler"])
    assert "Pool of the 360Learning provider not checked" in output
    assert "[learning360] pool_slots = 'x'" in output


def test_a_database_without_tables_is_logged_and_stops_nobody(tmp_path):
    output = start_job({"AIRFLOW_HOME": str(tmp_path)}, ["scheduler"])
    assert "Pool of the 360Learning provider not checked" in output
    assert "no such table: slot_pool" in output


RACE = """
import os, sys, time
from airflow_provider_360learning.pool import ensure_pool
import airflow.models.pool
print("ready", flush=True)
start = float(sys.stdin.readline())
for number in range(20):
    os.environ["AIRFLOW__LEARNING360__POOL"] = f"race{number}"
    time.sleep(max(0, start + 0.1 * number - time.time()))
    print(ensure_pool(), flush=True)
"""


def test_components_that_start_together_make_one_pool_and_none_fails(fresh_db):
    racers = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", RACE],
            env={**os.environ, **fresh_db},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    try:
        for racer in racers:
            assert racer.stdout.readline() == "ready\n", racer.stderr.read()
        start = f"{time.time() + 0.2}\n"
        for racer in racers:
            racer.stdin.write(start)
            racer.stdin.flush()
        outputs = [racer.communicate(timeout=60) for racer in racers]
    finally:
        for racer in racers:
            racer.kill()
    assert [racer.returncode for racer in racers] == [0] * 4, outputs
    for number in range(20):
        said = [line for out, _ in outputs for line in out.splitlines() if f"'race{number}'" in line]
        assert len(said) == 4
        assert sum("created" in line for line in said) == 1, said
    assert sql(fresh_db, "SELECT count(*) FROM slot_pool WHERE pool LIKE 'race%'") == [(20,)]
