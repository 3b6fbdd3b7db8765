"""A neutral state, and versions in front of it. tests/unit/test_architecture.py has the rules of all imports."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

import airflow_provider_360learning
from airflow_provider_360learning.sandbox.routing import Response, Route, Router
from airflow_provider_360learning.sandbox.v1.version import V1

ROOT = Path(airflow_provider_360learning.__file__).parents[1]
SANDBOX = "airflow_provider_360learning.sandbox"


def imports_by_module():
    """Return the modules of our package that each module of the sandbox imports."""
    imports = {}
    for file in (ROOT / SANDBOX.replace(".", "/")).rglob("*.py"):
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        imports[module] = set()
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("airflow_provider_360learning"):
                # `from package import module` imports a module, too.
                names = [f"{node.module}.{name.name}" for name in node.names]
                modules = [name for name in names if (ROOT / (name.replace(".", "/") + ".py")).exists()]
                imports[module].update(modules or [node.module])
    return imports


@pytest.mark.parametrize("name", ["v1", "v2"])
def test_only_the_server_imports_a_version(name):
    imports = imports_by_module()
    version = f"{SANDBOX}.{name}"
    importers = {
        module
        for module, targets in imports.items()
        if not module.startswith(version) and any(target.startswith(version) for target in targets)
    }
    assert importers == {f"{SANDBOX}.server"}


def test_state_imports_only_the_clock():
    imports = imports_by_module()
    outside = {
        target
        for module, targets in imports.items()
        if module.startswith(f"{SANDBOX}.state")
        for target in targets
        if not target.startswith(f"{SANDBOX}.state")
    }
    assert outside == {f"{SANDBOX}.clock"}


def test_second_version_is_mounted_beside_the_first():
    route = Route("listUsers", "GET", "/users", lambda exchange: Response([]))
    second = replace(V1, name="v2", prefix="/api/v2", routes=(route,))
    router = Router((V1, second))
    matches = {
        path: router.match("GET", path, "/api/v2/oauth2/token")
        for path in ("/api/v1/users", "/api/v2/users", "/api/v2/nothing", "/nothing")
    }
    assert {path: (match.version.name, match.operation) for path, match in matches.items()} == {
        "/api/v1/users": ("v1", "getUsers"),
        "/api/v2/users": ("v2", "listUsers"),
        "/api/v2/nothing": ("v2", None),
        "/nothing": ("v1", None),
    }
