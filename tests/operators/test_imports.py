"""Importing operators and sensors, as each parse of a DAG file does, loads none of the client's libraries."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

MODULES = [
    "operators.users",
    "operators.groups",
    "operators.courses",
    "operators.paths",
    "operators.bulk",
    "operators.classrooms",
    "operators.imports",
    "operators.operation",
    "operators.exports",
    "sensors.bulk_jobs",
    "sensors.classrooms",
    "sensors.courses",
    "sensors.groups",
    "sensors.paths",
    "sensors.users",
]
REFUSED = [
    *("requests", "urllib3", "tenacity", "redis", "pendulum", "pyarrow", "pydantic"),
    *(
        f"airflow_provider_360learning.{part}"
        for part in ("api", "hooks", "metrics", "completion", "triggers", "files", "rows", "exports")
    ),
]

#: Imports Airflow, and the names of it that operators use, before imports are watched.
PREPARE = """
import importlib, importlib.abc, builtins, json, sys, time

modules, refused, planted = json.loads(sys.argv[1])
try:
    import airflow.sdk
except ImportError:  # Airflow 2
    import airflow.models
from airflow.providers.common.compat.sdk import (
    AirflowException, AirflowFailException, AirflowSensorTimeout, AirflowSkipException,
    BaseOperator, BaseSensorOperator, PokeReturnValue, conf,
)
"""

#: Refuses imports by ``importlib``, and imports by a statement even of modules that Airflow has loaded already.
REFUSE = """
def is_refused(name):
    return any(name == each or name.startswith(each + ".") for each in refused)

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if is_refused(name):
            raise ImportError("refused: " + name)

usual_import = builtins.__import__

def watched_import(name, globals=None, locals=None, fromlist=(), level=0):
    package = (globals or {}).get("__package__") or ""
    base = ".".join(filter(None, [package.rsplit(".", level - 1)[0], name])) if level else name
    for each in [base, *(base + "." + part for part in fromlist or ())]:
        if is_refused(each):
            raise ImportError("refused: " + each)
    return usual_import(name, globals, locals, fromlist, level)

sys.meta_path.insert(0, Finder())
builtins.__import__ = watched_import
for statement in planted:
    try:
        exec(statement)
    except ImportError as error:
        assert "refused: " in str(error), error
    else:
        raise AssertionError("not refused: " + statement)
"""

IMPORT = """
start = time.process_time()
for module in modules:
    importlib.import_module("airflow_provider_360learning." + module)
milliseconds = 1000 * (time.process_time() - start)
print(json.dumps([milliseconds, sorted(sys.modules)]))
"""


def import_in_new_process(code, modules, planted=()):
    """Return the CPU time in milliseconds, and the names of all modules that are loaded afterwards."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, json.dumps([modules, REFUSED, planted])],
        # With compiled modules, as in production: without them, the first import compiles each time.
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_operator_and_sensor_modules_import_no_client_and_none_of_its_libraries():
    planted = [
        "import tenacity",
        "from requests import Session",
        "from airflow_provider_360learning import api",
        "from airflow_provider_360learning.api import client",
        "import importlib; importlib.import_module('redis')",
    ]
    _, loaded = import_in_new_process(PREPARE + REFUSE + IMPORT, MODULES, planted)
    ours = [name for name in loaded if name.startswith("airflow_provider_360learning.")]
    assert [name for name in ours if name.split(".")[1] in ("api", "hooks", "completion", "triggers")] == []


@pytest.mark.slow
def test_importing_the_user_operators_is_fast(capsys):
    # The first one may have to compile.
    costs = sorted(import_in_new_process(PREPARE + IMPORT, ["operators.users"])[0] for _ in range(2))
    with capsys.disabled():
        print(f"\nimport of operators.users: {costs[0]:.1f} ms (aim: 20 ms)")
    assert costs[0] < 100
