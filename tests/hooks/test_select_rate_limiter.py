"""Which budget holds, by setting, executor and surroundings; and what is shared where it cannot."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.hooks.rate_limiter import select_rate_limiter

ROOT = Path(__file__).parents[2]

LOCAL = ["LocalExecutor", "SequentialExecutor", "airflow.executors.local_executor.LocalExecutor", "mine:LocalExecutor"]
SPREAD = [
    "CeleryExecutor",
    "KubernetesExecutor",
    "airflow.providers.celery.executors.celery_executor.CeleryExecutor",
    "my_company.executors.EverywhereExecutor",
]
SEVERAL = ["LocalExecutor,KubernetesExecutor", "LocalExecutor, LocalExecutor", "LocalExecutor;team_a=CeleryExecutor"]


@pytest.fixture
def surroundings(monkeypatch):
    def set_up(rate_limiter=None, executor="LocalExecutor", kubernetes=False):
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
        for name, value in (
            ("AIRFLOW__LEARNING360__RATE_LIMITER", rate_limiter),
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1" if kubernetes else None),
        ):
            if value:
                monkeypatch.setenv(name, value)
            else:
                monkeypatch.delenv(name, raising=False)

    return set_up


@pytest.mark.parametrize("rate_limiter", [None, "auto"])
@pytest.mark.parametrize("executor", LOCAL)
def test_auto_is_host_where_every_task_runs_on_this_host(surroundings, rate_limiter, executor):
    surroundings(rate_limiter, executor)
    choice = select_rate_limiter()
    assert (choice.kind, choice.warning) == ("host", None)
    assert choice.reason == "[learning360] rate_limiter = auto, and every task runs on this host"


@pytest.mark.parametrize("executor", SPREAD + SEVERAL)
def test_auto_is_slots_where_tasks_may_run_on_several_hosts(surroundings, executor):
    surroundings("auto", executor)
    choice = select_rate_limiter()
    assert (choice.kind, choice.warning) == ("pool_slots", None)
    assert "executor" in choice.reason


@pytest.mark.parametrize("executor", LOCAL)
def test_auto_is_slots_in_kubernetes_whatever_the_executor_says(surroundings, executor):
    """Worker pods were long started with LocalExecutor in their environment."""
    surroundings("auto", executor, kubernetes=True)
    choice = select_rate_limiter()
    assert (choice.kind, choice.reason) == (
        "pool_slots",
        "[learning360] rate_limiter = auto, and this runs in Kubernetes",
    )


@pytest.mark.parametrize("kubernetes", [False, True])
@pytest.mark.parametrize("executor", [*LOCAL, *SPREAD])
@pytest.mark.parametrize("rate_limiter", ["host", "redis", "pool_slots"])
def test_a_setting_holds_and_warns_where_it_does_not_fit(surroundings, rate_limiter, executor, kubernetes):
    surroundings(rate_limiter, executor, kubernetes)
    choice = select_rate_limiter()
    assert (choice.kind, choice.reason) == (rate_limiter, f"[learning360] rate_limiter = {rate_limiter}")
    fits = rate_limiter != "host" or (executor in LOCAL and not kubernetes)
    assert (choice.warning is None) is fits


def test_a_setting_that_is_none_is_named(surroundings):
    surroundings("everywhere")
    with pytest.raises(ValueError, match=r"\[learning360\] rate_limiter = 'everywhere'"):
        select_rate_limiter()


# In processes of their own: a process decides once

SCRIPT = """
import logging, sys, time
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(levelname)s %(message)s", force=True)
logging.getLogger("airflow_provider_360learning").setLevel(logging.INFO)
class Task:
    pool_slots = 1
for _ in range(2):
    api = Learning360Hook(task=Task()).api
    api.list_groups()
    print(api.client.usage)
"""


def run(sandbox, **environment):
    finished = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "AIRFLOW_CONN_LEARNING360_DEFAULT": sandbox.connection_json(auth="api_key_header"),
            "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return [line for line in finished.stdout.splitlines() if "Rate limiter" in line or "requests" in line]


def test_the_first_call_says_which_budget_holds_and_why(sandbox, tmp_path):
    said, *usages = run(sandbox, AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(tmp_path / "state"))
    assert (
        said
        == "INFO Rate limiter selected: backend=host ([learning360] rate_limiter = auto, and every task runs on this host)"
    )
    assert len(usages) == 2
    (file,) = (tmp_path / "state").glob("*.sqlite3")
    assert file.stat().st_size > 0


def test_without_a_usable_folder_each_task_keeps_to_its_share_with_one_warning(sandbox, tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "state"
    chosen, warned, *usages = run(sandbox, AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(folder))
    assert chosen.startswith("INFO Rate limiter selected: backend=host")
    assert (
        warned == f"WARNING Rate limiter: the state folder cannot be used ({folder}: Not a directory): using pool_slots"
    )
    assert len(usages) == 2
    assert len(sandbox.control.journal()) == 2


def test_uses_its_share_with_one_warning_if_the_file_has_another_format(sandbox, tmp_path):
    host_store(str(tmp_path))
    (file,) = tmp_path.glob("*.sqlite3")
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 2")
    _, warned, *usages = run(sandbox, AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(tmp_path))
    assert f"{file}: has format version 2, but this version of the provider uses format version 1" in warned
    assert warned.startswith("WARNING ")
    assert warned.endswith("using pool_slots")
    assert len(usages) == 2


def test_slots_shares_nothing(sandbox, tmp_path):
    chosen, *usages = run(
        sandbox,
        AIRFLOW__LEARNING360__RATE_LIMITER="pool_slots",
        AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(tmp_path / "state"),
    )
    assert chosen == "INFO Rate limiter selected: backend=pool_slots ([learning360] rate_limiter = pool_slots)"
    assert len(usages) == 2
    assert not (tmp_path / "state").exists()
