"""However an attempt ends, it returns its lease if it can: the next one need not wait for it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from airflow_provider_360learning.rows.checkpoints import open_checkpoints
from airflow_provider_360learning.rows.writers import PerRowWriter
from tests.conftest import BIN
from tests.rows.attempt import task_context
from tests.rows.support import ROOT, bulk, files_in, make_operator, outcomes_in, people, writes
from tests.unlimited_sandbox import after_requests

pytestmark = pytest.mark.slow

SUPERVISOR = "import subprocess, sys; subprocess.run(sys.argv[1:])"
#: How the processes end: the signals to the supervisor and to the task, which gets forwarded ones as well.
ENDS = {
    "SIGTERM to all processes": ([signal.SIGTERM], [signal.SIGTERM]),
    "SIGTERM to all processes, forwarded by the supervisor": ([], 3 * [signal.SIGTERM]),
    "SIGKILL to the supervisor": ([signal.SIGKILL], []),
}


@pytest.fixture(params=[False, True], ids=["file", "task state"])
def task_state(request, tmp_path):
    return tmp_path / "task_state.json" if request.param else None


@pytest.fixture
def arguments(sandbox, tmp_path):
    sandbox.control.settings(delay_before_ms=20)
    return {
        "action": "create_user",
        "rows": people(400),
        "results_path": str(tmp_path / "results"),
        "defaults": {"if_exists": "fail"},
    }


def wait_until_gone(pid):
    deadline = time.monotonic() + 180
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")


@pytest.mark.parametrize("end", ENDS)
def test_returns_the_lease_however_its_processes_end(sandbox, arguments, task_state, end, tmp_path):
    attempt = [BIN / "python", "-m", "tests.rows.attempt", "--supervised", json.dumps(arguments)]
    supervisor = subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, *map(str, attempt), *([str(task_state)] if task_state else [])],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    tasks = []

    def end_it():
        with open(f"/proc/{supervisor.pid}/task/{supervisor.pid}/children") as children:
            tasks.append(int(children.read()))
        to_supervisor, to_task = ENDS[end]
        for each in to_supervisor:
            supervisor.send_signal(each)
        for each in to_task:
            os.kill(tasks[0], each)
            time.sleep(0.01)  # signals of the same kind are merged while one is pending

    with supervisor, after_requests(sandbox, 60, "/users", end_it, hold_others=True):
        supervisor.wait(180)
    wait_until_gone(tasks[0])
    sent = {entry["user"] for entry in writes(sandbox)}
    assert 60 <= len(sent) < 400

    context = task_context(task_state)
    found = open_checkpoints(make_operator(**arguments)._config(context), context).take_over()
    assert found.lease_until == 0
    # A row whose thread got no turn ends what is certain, though up to this many rows after it were sent.
    assert found.done_up_to <= len(sent) <= found.done_up_to + PerRowWriter.rows_ahead, "unconfirmed rows are bounded"
    sandbox.control.clear_journal()
    bulk(**arguments, context=context)
    assert len(writes(sandbox)) == 400 - found.done_up_to
    assert outcomes_in(arguments["results_path"]) == ["created"] * 400
    left = {name for name in files_in(arguments["results_path"]) if not name.startswith("progress-")}
    assert left == {"results.jsonl", "manifest.json"}
