"""The selection of the rate limiter by setting, executor and environment, and the fallback to pool slots."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.hooks.rate_limiter import build_rate_limiter, select_rate_limiter

ROOT = Path(__file__).parents[2]

ONE_HOST = [
    "LocalExecutor",
    "SequentialExecutor",
    "airflow.executors.local_executor.LocalExecutor",
    "mine:LocalExecutor",
]
CELERY = [
    "CeleryExecutor",
    "airflow.providers.celery.executors.celery_executor.CeleryExecutor",
    "mine:CeleryExecutor",
]
SEVERAL_HOSTS = [
    "KubernetesExecutor",
    "CeleryKubernetesExecutor",
    "my_company.executors.OwnExecutor",
]
SEVERAL_EXECUTORS = [
    "CeleryExecutor,KubernetesExecutor",
    "CeleryExecutor,CeleryExecutor",
    "CeleryExecutor;team_a=CeleryExecutor",
    "LocalExecutor,KubernetesExecutor",
    "LocalExecutor, LocalExecutor",
    "LocalExecutor;team_a=CeleryExecutor",
]


@pytest.fixture
def environment(monkeypatch):
    def configure(rate_limiter=None, executor="LocalExecutor", kubernetes=False):
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", executor)
        for name, value in (
            ("AIRFLOW__CELERY__BROKER_URL", "redis://:the-password@broker.test/1"),
            ("AIRFLOW__LEARNING360__RATE_LIMITER", rate_limiter),
            ("KUBERNETES_SERVICE_HOST", "10.0.0.1" if kubernetes else None),
        ):
            if value:
                monkeypatch.setenv(name, value)
            else:
                monkeypatch.delenv(name, raising=False)

    return configure


@pytest.mark.parametrize("rate_limiter", [None, "auto"])
@pytest.mark.parametrize("executor", ONE_HOST)
def test_auto_is_host_if_the_executor_runs_all_tasks_on_one_host(environment, rate_limiter, executor):
    environment(rate_limiter, executor)
    choice = select_rate_limiter()
    assert (choice.backend, choice.warning) == ("host", None)
    assert choice.reason == "[learning360] rate_limiter = auto, and all tasks run on this host"


@pytest.mark.parametrize("kubernetes", [False, True])
@pytest.mark.parametrize("executor", CELERY)
def test_auto_is_the_broker_of_celery(environment, executor, kubernetes):
    environment("auto", executor, kubernetes)
    choice = select_rate_limiter()
    assert (choice.backend, choice.warning) == ("redis", None)
    assert choice.reason == (
        "[learning360] rate_limiter = auto, and the broker of Celery is redis://broker.test:6379/1"
    )


@pytest.mark.parametrize("executor", SEVERAL_HOSTS + SEVERAL_EXECUTORS)
def test_auto_is_pool_slots_if_tasks_may_run_on_several_hosts(environment, executor):
    environment("auto", executor)
    choice = select_rate_limiter()
    assert (choice.backend, choice.warning) == ("pool_slots", None)
    assert "executor" in choice.reason


@pytest.mark.parametrize("executor", ONE_HOST)
def test_auto_is_pool_slots_in_kubernetes_with_any_executor(environment, executor):
    """Worker pods were long started with LocalExecutor in their environment."""
    environment("auto", executor, kubernetes=True)
    choice = select_rate_limiter()
    assert (choice.backend, choice.reason) == (
        "pool_slots",
        "[learning360] rate_limiter = auto, and this process runs in Kubernetes",
    )


@pytest.mark.parametrize("kubernetes", [False, True])
@pytest.mark.parametrize("executor", [*ONE_HOST, *CELERY, *SEVERAL_HOSTS])
@pytest.mark.parametrize("rate_limiter", ["host", "redis", "postgres", "pool_slots"])
def test_a_setting_overrides_the_selection_with_a_warning_if_it_does_not_fit(
    environment, rate_limiter, executor, kubernetes
):
    environment(rate_limiter, executor, kubernetes)
    choice = select_rate_limiter()
    assert (choice.backend, choice.reason) == (rate_limiter, f"[learning360] rate_limiter = {rate_limiter}")
    fits = rate_limiter != "host" or (executor in ONE_HOST and not kubernetes)
    assert (choice.warning is None) is fits


def test_an_error_names_an_unknown_setting(environment):
    environment("everywhere")
    with pytest.raises(ValueError, match=r"\[learning360\] rate_limiter = 'everywhere'"):
        select_rate_limiter()


# In processes of their own, because a process selects once

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
    print("usage:", api.client.usage)
"""


def run_script(sandbox, **environment):
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
        timeout=180,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    return [line for line in finished.stdout.splitlines() if "Rate limiter" in line or line.startswith("usage: ")]


@pytest.mark.slow
def test_logs_the_selected_backend_and_the_reason_once(sandbox, tmp_path):
    selected, *usages = run_script(sandbox, AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(tmp_path / "state"))
    reason = "[learning360] rate_limiter = auto, and all tasks run on this host"
    assert selected == f"INFO Rate limiter selected: backend=host ({reason})"
    assert len(usages) == 2
    (file,) = (tmp_path / "state").glob("*.sqlite3")
    assert file.stat().st_size > 0


@pytest.mark.slow
@pytest.mark.parametrize("file", ["", "[celery]\nbroker_url = redis://redis:6379/0\n"], ids=["no file", "default"])
def test_uses_the_broker_of_celery(sandbox, redis_server, tmp_path, file):
    """Airflow writes its default of the URL to a new configuration file; a command in the environment precedes it."""
    (tmp_path / "airflow.cfg").write_text(file)
    selected, *usages = run_script(
        sandbox,
        AIRFLOW_CONFIG=str(tmp_path / "airflow.cfg"),
        AIRFLOW__CORE__EXECUTOR="CeleryExecutor",
        AIRFLOW__CELERY__BROKER_URL_CMD=f"echo redis://127.0.0.1:{redis_server.port}/1",
    )
    reason = f"the broker of Celery is redis://127.0.0.1:{redis_server.port}/1"
    assert selected == f"INFO Rate limiter selected: backend=redis ([learning360] rate_limiter = auto, and {reason})"
    assert len(usages) == 2


@pytest.mark.slow
def test_falls_back_to_pool_slots_with_one_warning_without_a_usable_folder(sandbox, tmp_path):
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" / "state"
    selected, warning, *usages = run_script(sandbox, AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(folder))
    assert selected.startswith("INFO Rate limiter selected: backend=host")
    problem = f"backend host is unavailable ({folder}: Not a directory); using pool_slots"
    assert warning == f"WARNING Rate limiter: {problem}"
    assert len(usages) == 2
    assert len(sandbox.control.journal()) == 2


@pytest.mark.slow
def test_uses_its_share_with_one_warning_if_the_file_has_another_format(sandbox, tmp_path):
    host_store(str(tmp_path))
    (file,) = tmp_path.glob("*.sqlite3")
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 3")
    _, warning, *usages = run_script(sandbox, AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(tmp_path))
    assert f"{file}: has format version 3, but this version of the provider uses format version 2" in warning
    assert warning.startswith("WARNING ")
    assert warning.endswith("using pool_slots")
    assert len(usages) == 2


@pytest.mark.slow
def test_pool_slots_shares_nothing(sandbox, tmp_path):
    selected, *usages = run_script(
        sandbox,
        AIRFLOW__LEARNING360__RATE_LIMITER="pool_slots",
        AIRFLOW__LEARNING360__RATE_LIMITER_DIR=str(tmp_path / "state"),
    )
    assert selected == "INFO Rate limiter selected: backend=pool_slots ([learning360] rate_limiter = pool_slots)"
    assert len(usages) == 2
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(("map_index", "slots", "position"), [(0, 1, 0), (7, 1, 7), (7, 2, 14)])
def test_mapped_tasks_have_time_slots_in_their_order(environment, connect, map_index, slots, position):
    environment("pool_slots")
    connection = Learning360Hook().read_connection()
    task = SimpleNamespace(pool_slots=slots)
    built = [build_rate_limiter(connection, task=task, map_index=index) for index in (map_index, None, -1)]
    assert built[0].fallback.position == position
    assert all(0 <= one.fallback.position < 5 for one in built[1:])
