"""The rules of the architecture: which module imports which, and what a DAG file loads when it is parsed."""

from __future__ import annotations

import ast
import graphlib
import json
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import airflow_provider_360learning
from airflow_provider_360learning import operators, sensors

PACKAGE = airflow_provider_360learning.__name__
ROOT = Path(airflow_provider_360learning.__file__).parent

#: The module that every part may import, and that imports none.
LEAF = "log_text"
#: The part of the package (a subpackage or a module at its root) to the parts that it may import.
MAY_IMPORT = {
    LEAF: set(),
    "exceptions": set(),
    "get_provider_info": {"connections"},  # the fields of the form
    "config": {"get_provider_info"},  # the defaults of the options
    "files": {"exceptions"},
    "api": {"exceptions", "ordered_executor"},
    "metrics": {"api"},  # the usage that it observes
    "connections": {"api", "config", "exceptions"},
    "supervision": set(),
    "ordered_executor": set(),
    # Any operation may upload a file, or write its response to one.
    "hooks": {"files", "connections", "api", "config", "exceptions", "metrics", "supervision"},
    "rows": {
        "files",
        "ordered_executor",
        "supervision",
        "metrics",
        "hooks",
        "connections",
        "api",
        "config",
        "exceptions",
    },
    "exports": {"files", "ordered_executor", "hooks", "connections", "api", "config", "exceptions"},
    # The users that a wait is for are read from the results of bulk tasks.
    "completion": {"rows", "files", "hooks", "connections", "api", "config", "exceptions"},
    "triggers": {"completion", "hooks", "connections", "api", "config", "exceptions"},
    "task_mixins": {"api", "config", "exceptions", "supervision"},
    "readable_tasks": {"get_provider_info", "api"},
    "operators": {
        "metrics",
        "task_mixins",
        "readable_tasks",
        "triggers",
        "rows",
        "exports",
        "sync",
        "files",
        "hooks",
        "connections",
        "api",
        "config",
        "exceptions",
    },
    "sync": {
        "ordered_executor",
        "rows",
        "files",
        "hooks",
        "connections",
        "api",
        "config",
        "exceptions",
    },
    "sensors": {
        "task_mixins",
        "readable_tasks",
        "triggers",
        "completion",
        "hooks",
        "connections",
        "api",
        "config",
        "exceptions",
    },
    "pool": {"connections", "api", "config"},  # its size depends on the limits of the versions in use
    "plugin": {"pool", "config"},
    "retry_policy": {"exceptions"},
    "cli": {
        "sandbox",
        "task_mixins",
        "operators",
        "sensors",
        "completion",  # what the conditions of sensors read
        "pool",
        "hooks",
        "connections",
        "api",
        "config",
        "exceptions",
    },
    # Its routes, formats and limits are a statement of their own: the same error must not hide on both sides.
    "sandbox": set(),
}
#: The module that maps the name of an API version to its implementation.
FACTORY = "api.versions"

#: Libraries and parts of the package that operators and sensors import when they run, not when they are parsed.
NOT_WHEN_PARSED = (
    *("aiohttp", "httpx", "pendulum", "pyarrow", "pydantic", "redis", "requests", "tenacity", "urllib3"),
    *(f"{PACKAGE}.{part}" for part in ("api", "exports", "files", "hooks", "rows", "triggers")),
    # connections.form declares the fields of the form, without a model.
    *(f"{PACKAGE}.connections.{module}" for module in ("base", "learning360", "redis")),
)
PARSE = """
import importlib, json, sys
from airflow.providers.common.compat.sdk import BaseHook, BaseOperator, BaseSensorOperator, DAG, conf, task

loaded = {}
for module in sys.argv[1:]:
    before = set(sys.modules)
    importlib.import_module(module)
    loaded[module] = sorted(set(sys.modules) - before)
print(json.dumps(loaded))
"""


@cache
def imports() -> dict[str, set[str]]:
    """Return the modules of the package by their names within it, and the modules of it that each imports."""
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in ROOT.rglob("*.py")}
    modules = {name.removesuffix(".__init__"): path for name, path in files.items()}
    return {name: set(_imported(ast.parse(path.read_text()), modules)) for name, path in modules.items()}


def _imported(tree: ast.Module, modules: dict[str, Path]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"relative import of {node.module}"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            part = name.removeprefix(f"{PACKAGE}.")
            if part != name:
                # The imported name is a module, or something in one.
                yield part if part in modules else part.rpartition(".")[0] or "__init__"


@pytest.mark.parametrize("part", sorted({name.partition(".")[0] for name in imports()} - {"__init__"}))
def test_imports_run_one_way(part):
    found = {
        f"{name} imports {imported}"
        for name, names in imports().items()
        for imported in names - {"__init__"}
        if name.partition(".")[0] == part and imported.partition(".")[0] not in {part, LEAF, *MAY_IMPORT[part]}
    }
    assert found == set()


def test_no_modules_import_each_other():
    graphlib.TopologicalSorter(imports()).prepare()


def test_every_module_escapes_what_it_logs():
    """The sandbox has a log of its own, and the loggers of the HTTP libraries are not ours."""
    found = {
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*.py")
        if "getLogger(__name__)" in path.read_text() and not path.is_relative_to(ROOT / "sandbox")
    }
    assert found == set()


def test_no_class_uses_the_logger_that_airflow_gives_it():
    """That of a task or a trigger escapes nothing in Airflow 3."""

    def is_logger(node: ast.expr) -> bool:
        return isinstance(node, ast.Name) and node.id == "log"

    used = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in ("log", "_log", "logger") and not is_logger(node.value)
    ]
    assert used == []


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_one_module_imports_the_implementation_of_an_api_version(version):
    room = f"api.{version}"
    importers = {
        name
        for name, names in imports().items()
        if not f"{name}.".startswith(f"{room}.") and any(f"{each}.".startswith(f"{room}.") for each in names)
    }
    assert importers <= {FACTORY}


def test_no_module_compares_the_name_of_an_api_version():
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare) and any(map(_is_version, (node.left, *node.comparators)))
    ]
    assert found == []


def _is_version(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("v1", "v2")


def test_parsing_a_dag_loads_no_client_and_no_model():
    modules = [
        found.name
        for package in (operators, sensors)
        for found in pkgutil.iter_modules(package.__path__, f"{package.__name__}.")
    ]
    assert len(modules) > 8
    printed = subprocess.check_output([sys.executable, "-W", "ignore", "-c", PARSE, *modules], text=True, timeout=180)
    loaded = json.loads(printed.splitlines()[-1])
    assert {
        module: unwanted
        for module, names in loaded.items()
        if (unwanted := [name for name in names if f"{name}.".startswith(tuple(f"{n}." for n in NOT_WHEN_PARSED))])
    } == {}
