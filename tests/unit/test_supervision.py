"""A task process whose supervisor is killed, without Airflow; tests/airflow has the same test with it."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from airflow_provider_360learning.supervision import is_supervised

ROOT = Path(__file__).parents[2]

TASK = """
import os
from airflow_provider_360learning.supervision import exit_if_orphaned

print("started", flush=True)
input()
# here
exit_if_orphaned()
print("continues", flush=True)
"""
FORKS = "pid = os.fork()\nif pid: os._exit(os.waitpid(pid, 0)[1])"
SUPERVISOR = "import subprocess, sys, time; subprocess.Popen(sys.argv[1:]); time.sleep(300)"


@contextmanager
def started(*between, task=TASK):
    """Start a supervisor and its task, with these programs in between, and yield the supervisor."""
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, *map(str, between), sys.executable, "-c", task],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with supervisor:
        try:
            assert supervisor.stdout.readline() == "started\n"
            yield supervisor
        finally:
            supervisor.kill()


def reach_next_request(supervisor):
    """Let the task reach its next request; return its output and its log."""
    supervisor.stdin.write("\n")
    supervisor.stdin.close()
    output = supervisor.stdout.readline()
    supervisor.kill()
    return output, supervisor.stderr.read()


@pytest.fixture
def sudo(tmp_path):
    """Return a program of that name, which starts another one and waits for it."""
    program = tmp_path / "sudo"
    program.write_text('#!/bin/sh\n"$@"\nexit $?\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("levels", [0, 1, 2])
def test_exits_if_the_supervisor_is_gone(sudo, levels):
    """With ``run_as_user``, sudo is in between, twice if it allocates a terminal; it outlives the supervisor."""
    with started(*[sudo] * levels) as supervisor:
        supervisor.kill()
        supervisor.wait()
        output, log = reach_next_request(supervisor)
    assert output == ""
    assert "Supervisor process is gone; Airflow will retry this task." in log


@pytest.mark.parametrize("levels", [0, 1])
def test_continues_while_the_supervisor_lives(sudo, levels):
    with started(*[sudo] * levels) as supervisor:
        assert reach_next_request(supervisor)[0] == "continues\n"


def test_a_process_forked_by_a_task_continues():
    with started(task=TASK.replace("# here", FORKS)) as supervisor:
        assert reach_next_request(supervisor)[0] == "continues\n"


@pytest.mark.slow
@pytest.mark.parametrize("task_instance", [None, SimpleNamespace(raw=False)], ids=["a script", "a test on Airflow 2"])
def test_a_process_that_airflow_did_not_start_has_no_supervisor(task_instance):
    assert not is_supervised(task_instance)
