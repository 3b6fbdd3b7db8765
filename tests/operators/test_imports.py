"""What the import of an operator or sensor costs every parse of a DAG file: none of the client's libraries."""

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
    "sensors.courses",
    "sensors.paths",
]

#: Refuses the import, by a statement (also of what is loaded already) or by ``importlib``, of what it is told to.
CODE = """
import builtins, importlib.abc, json, sys, time

modules, refused = json.loads(sys.argv[1])
try:
    import airflow.sdk
except ImportError:
    import airflow.models
from airflow.providers.common.compat.sdk import (
    AirflowException, AirflowFailException, AirflowSensorTimeout, AirflowSkipException,
    BaseOperator, BaseSensorOperator, PokeReturnValue, conf,
)

def is_refused(name):
    return any(name == each or name.startswith(each + ".") for each in refused)

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if is_refused(name):
            raise ImportError("refused: " + name)

usual_import = builtins.__import__

def watched_import(name, globals=None, locals=None, fromlist=(), level=0):
    package = (globals or {}).get("__package__") or ""
    base = name
    if level:
        base = ".".join(filter(None, [package.rsplit(".", level - 1)[0], name]))
    for each in [base, *(base + "." + part for part in fromlist or ())]:
        if is_refused(each):
            raise ImportError("refused: " + each)
    return usual_import(name, globals, locals, fromlist, level)

if refused:
    sys.meta_path.insert(0, Finder())
    builtins.__import__ = watched_import
start = time.perf_counter()
for module in modules:
    importlib.import_module("airflow_provider_360learning." + module)
print(json.dumps({"ms": 1000 * (time.perf_counter() - start), "loaded": sorted(sys.modules)}))
"""

REFUSED = ["requests", "urllib3", "tenacity", "redis", "pendulum", "airflow_provider_360learning.api"]


def import_in_new_process(modules, refused, code=CODE):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, json.dumps([modules, refused])],
        # Compiled modules, as everywhere: without them, the first import compiles each time.
        env={name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_no_operator_or_sensor_module_imports_the_client_or_its_libraries():
    loaded = import_in_new_process(MODULES, REFUSED)["loaded"]
    ours = [name for name in loaded if name.startswith("airflow_provider_360learning.")]
    assert [name for name in ours if ".hooks" in name or ".triggers" in name or ".api" in name] == []


@pytest.mark.parametrize(
    "planted",
    [
        "import tenacity",
        "from requests import Session",
        "from airflow_provider_360learning.api import client",
        "import importlib; importlib.import_module('redis')",
    ],
)
def test_the_check_sees_an_import_that_is_planted(planted):
    code = CODE.replace("start = time.perf_counter()", planted)
    with pytest.raises(AssertionError, match="refused: "):
        import_in_new_process(MODULES, REFUSED, code=code)


def test_the_import_of_the_user_operators_is_cheap(capsys):
    """In a process that has imported Airflow and the names that operators use of it."""
    # The first one may have to compile.
    costs = sorted(import_in_new_process(["operators.users"], [])["ms"] for _ in range(2))
    with capsys.disabled():
        print(f"\nimport of operators.users: {', '.join(f'{cost:.1f}' for cost in costs)} ms (aim: 20 ms)")
    assert costs[0] < 100
