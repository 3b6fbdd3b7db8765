"""No output of a DAG run contains a key or token, at level DEBUG and without Airflow's masking (``dag.test()``)."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import pytest

from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, ONBOARDING_PATH_ID, ROOT_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.unlimited_sandbox import UNLIMITED

pytestmark = pytest.mark.slow

WAYS = ("oauth2", "api_key_header", "api_key_query")
#: With characters that are encoded in a query.
WRONG_KEY = "wr0ng/key+with%strange&characters=7"
#: The sandbox's tokens are JSON Web Tokens, whose two readable parts start like this. Airflow 3 masks the rest of those
#: that it knows, but they must not be logged at all.
TOKEN = re.compile(r"eyJ([\w-]{8,}|\*\*\*)")
#: Airflow 3.3 itself logs at DEBUG each value that it is asked to mask, including the password of every connection.
#: The supervisor of a real task omits the value.
AIRFLOWS_OWN = re.compile(r"Sending request .*MaskSecret\(.*")

DAGS = """
from datetime import datetime, timedelta

try:
    from airflow.sdk import DAG, task
except ImportError:  # Airflow 2
    from airflow import DAG
    from airflow.decorators import task

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.users import Learning360UpdateUserOperator
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

with DAG("secretive", schedule=None, start_date=datetime(2026, 1, 1)):
    for way in WAYS:
        for name, connection, user in (
            ("good", way, GRACE),
            ("wrong_key", f"wrong_key_{way}", GRACE),
            ("dropped_once", way, f"dropped.once.{way}@acme.test"),
            ("echoed", way, f"echoed.{way}@acme.test"),
        ):
            Learning360UpdateUserOperator(
                task_id=f"{name}_{way}", learning360_conn_id=connection, user=user, job="Clerk"
            )
        Learning360PathSessionCompletionSensor(
            task_id=f"echoed_to_the_trigger_{way}", learning360_conn_id=way, session_id=SESSIONS[way],
            deferrable=True, poke_interval=0.1,
        )

        @task(task_id=f"dropped_{way}")
        def dropped(way):
            Learning360Hook(way, max_attempts=1).api.update_user(user=f"dropped.always.{way}@acme.test", job="Clerk")

        @task(task_id=f"refused_{way}")
        def refused(way):
            Learning360Hook(f"refused_{way}", max_attempts=2).api.update_user(user="nobody@acme.test", job="Clerk")

        dropped(way)
        refused(way)

with DAG("leaking", schedule=None, start_date=datetime(2026, 1, 1)):
    for way in WAYS:

        @task(task_id=f"leak_{way}")
        def leak(way):
            api = Learning360Hook(way).api
            api.list_groups()
            key, *token = api.client.auth.secrets
            print("planted key", key)
            print("planted token", *token)

        leak(way)
"""

RUN = """
import sys

from tests.newest_execution_api import serve_newest_version_only

try:
    from airflow.dag_processing.dagbag import DagBag
except ImportError:
    from airflow.models.dagbag import DagBag

serve_newest_version_only()
for dag in sorted(DagBag(sys.argv[1]).dags.values(), key=lambda dag: dag.dag_id):
    for stream in (sys.stdout, sys.stderr):
        print(f"=== {dag.dag_id} ===", file=stream, flush=True)
    ended = dag.test()
    states = {ti.task_id: str(ti.state) for ti in ended.get_task_instances()}
    print(f"=== states of {dag.dag_id}: {__import__('json').dumps(states)}", flush=True)
"""


class Output(NamedTuple):
    """The output of the runs by DAG, and the states of their tasks."""

    text: dict[str, str]
    states: dict[str, dict[str, str]]


def leaks(text: str, *keys: str) -> set[str]:
    """Return the secrets in a text, in any encoding."""
    found = {key for key in keys if any(form in text for form in (key, quote(key, safe=""), quote_plus(key)))}
    return found | ({"a token"} if TOKEN.search(text) else set())


@pytest.fixture(scope="module")
def output(airflow_home: Path, airflow_db: Path) -> Any:
    file = airflow_home / "dags" / "secrets.py"
    with Sandbox(settings={"limits_enabled": False, "learner_seconds": 3600}) as sandbox:
        environment = _connections(sandbox)
        file.write_text(f"WAYS, GRACE, SESSIONS = {WAYS!r}, {GRACE_MAIL!r}, {_sessions_with_faults(sandbox)!r}\n{DAGS}")
        try:
            finished = subprocess.run(
                [sys.executable, "-W", "ignore", "-c", RUN, str(file)],
                cwd=Path(__file__).parents[2],
                env={**os.environ, **environment, "AIRFLOW__LOGGING__LOGGING_LEVEL": "DEBUG"},
                capture_output=True,
                text=True,
                timeout=180,
                check=False,
            )
        finally:
            file.unlink()
        yield _read(finished.stdout, finished.stderr), sandbox


def _connections(sandbox: Sandbox) -> dict[str, str]:
    connections = {}
    for way in WAYS:
        good = sandbox.connection(auth=way, limits=UNLIMITED)
        connections[way] = good
        connections[f"wrong_key_{way}"] = good | {"password": WRONG_KEY}
        connections[f"refused_{way}"] = good | {"host": "http://127.0.0.1:9"}
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in connections.items()}


def _sessions_with_faults(sandbox: Sandbox) -> dict[str, str]:
    """Inject the faults, and create a session per authentication method, whose second poke is echoed."""
    add_fault = sandbox.control.add_fault
    add_fault("updateUser", kind="drop_before", path_contains="dropped.always", count=99)
    sessions = {}
    for way in WAYS:
        add_fault("updateUser", kind="drop_before", path_contains=f"dropped.once.{way}")
        add_fault("updateUser", kind="echo", path_contains=f"echoed.{way}", status=400)
        sessions[way] = _new_session(sandbox, way)
        add_fault("getUsersPathSessionStats", kind="echo", path_contains=sessions[way], status=400, after=1)
    return sessions


def _new_session(sandbox: Sandbox, name: str) -> str:
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIRFLOW_CONN_PREPARATION", sandbox.connection_json(limits=UNLIMITED))
        made = Learning360Hook("preparation").api.create_path_session(
            path_id=ONBOARDING_PATH_ID, name=name, session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
        )
    return str(made["session_id"])


def _read(*streams: str) -> Output:
    text: dict[str, str] = {}
    states = {}
    for stream in streams:
        parts = re.split(r"^=== (\w+) ===$", stream, flags=re.MULTILINE)
        text["start"] = text.get("start", "") + parts[0]
        for dag_id, part in zip(parts[1::2], parts[2::2], strict=True):
            text[dag_id] = text.get(dag_id, "") + AIRFLOWS_OWN.sub("", part)
    for dag_id, found in re.findall(r"^=== states of (\w+): (.*)$", streams[0], flags=re.MULTILINE):
        states[dag_id] = json.loads(found)
    return Output(text, states)


def test_all_planned_errors_occurred(output):
    written, _ = output
    for way in WAYS:
        states = {task: state for task, state in written.states["secretive"].items() if task.endswith(way)}
        assert states.pop(f"good_{way}") == "success"
        assert set(states.values()) == {"failed"}
    text = written.text["secretive"]
    assert "DEBUG" in text.upper()
    for message in ("broke before the response was complete", "cannot be reached", "invalid_api_key", "invalid_client"):
        assert message in text
    # The echoed headers have masked secrets.
    assert "Bearer ***" in text
    assert "'x-apikey': '***'" in text
    assert "apiKey=***" in text


def test_the_output_contains_no_key_and_no_token(output):
    written, sandbox = output
    for part in ("start", "secretive"):
        lines = [line for line in written.text[part].splitlines() if leaks(line, sandbox.api_key, WRONG_KEY)]
        assert lines == []
        assert leaks(written.text[part], sandbox.api_key, WRONG_KEY) == set()


def test_finds_a_planted_key_and_token(output):
    written, sandbox = output
    assert leaks(written.text["leaking"], sandbox.api_key, WRONG_KEY) == {sandbox.api_key, "a token"}
    assert leaks(f"GET /?apiKey={quote_plus(WRONG_KEY)}", sandbox.api_key, WRONG_KEY) == {WRONG_KEY}
