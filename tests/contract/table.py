"""
Which actions there are, and what stands behind each of them, counted from the code.

docs/versions.md shows it (``make docs``).
"""

from __future__ import annotations

import ast
import inspect
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.needs import operations_of
from airflow_provider_360learning.api.v2.job_kinds import KINDS
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.cli.scopes import operators_and_sensors
from airflow_provider_360learning.sandbox import server
from tests.contract import specs, specs_v1

#: Tests that run each of their cases on all versions.
FOLDER = Path(__file__).parents[1] / "versions"

_ROUTES = {version.name: {route.operation for route in version.routes} for version in server.VERSIONS}


@dataclass
class Row:
    """
    An action.

    :param operations: The operations that it may call, by API version; a version that does not have the action is
        missing.
    :param missing_routes: Those of them that the sandbox does not have.
    :param classes: The operators and sensors that run it.
    :param is_bulk: Whether tasks apply it to many rows.
    :param job: The operation that submits a bulk job for many rows in API v2.
    :param tests: The modules of tests that run it on all versions.
    """

    action: str
    operations: dict[str, frozenset[str]] = field(default_factory=dict)
    missing_routes: dict[str, frozenset[str]] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    is_bulk: bool = False
    job: str | None = None
    tests: list[str] = field(default_factory=list)


@cache
def rows() -> tuple[Row, ...]:
    """Return all actions, in alphabetical order."""
    found: dict[str, Row] = {}
    for version in VERSIONS.values():
        adapter, spec = version.adapter, version.spec
        assert isinstance(adapter, type)
        for name in _actions(adapter):
            row = found.setdefault(name, Row(name))
            action = inspect.getattr_static(adapter, name)
            if isinstance(action, Action) and not action.is_available:
                continue
            operations = operations_of(adapter, name, spec)
            row.operations[spec.name] = operations
            row.missing_routes[spec.name] = operations - _ROUTES[spec.name]
            row.is_bulk |= name in KINDS or (isinstance(action, Action) and _has_rows(action))
    for name, used in operators_and_sensors():
        for action in found.keys() & set(used):  # the others are methods of the bulk jobs
            found[action].classes.append(name.removeprefix("Learning360"))
    for name, kind in KINDS.items():
        found[name].job = kind.operation
    for module, named in _tests():
        for action in named & found.keys():
            found[action].tests.append(module)
    return tuple(found[name] for name in sorted(found))


class Counts(NamedTuple):
    """
    Numbers of operations of an API version.

    :param known: Operations that the vendor or public clients describe.
    :param by_name: Those that can be called by name.
    :param in_actions: Those that actions may call.
    :param in_operators: Those that operators and sensors may call through these actions.
    :param in_bulk: Those that actions on many rows may call.
    :param in_sandbox: Those that the sandbox has.
    :param tested: Those whose request, as it arrives at a server, is compared with their description
        (tests/api/test_every_operation.py).
    """

    known: int
    by_name: int
    in_actions: int
    in_operators: int
    in_bulk: int
    in_sandbox: int
    tested: int


@cache
def operations() -> dict[str, Counts]:
    """Return the numbers of operations of each API version."""
    described = {"v1": specs_v1.facts().keys(), "v2": {one.name for one in specs.published()}}
    known = {"v1": len(json.loads(specs_v1.FACTS.read_text(encoding="utf-8"))), "v2": len(described["v2"])}
    return {
        name: Counts(
            known[name],
            len(version.spec.endpoints),
            _count(name, rows()),
            _count(name, (row for row in rows() if row.classes)),
            _count(name, (row for row in rows() if row.is_bulk)),
            len(_ROUTES[name] & version.spec.endpoints.keys()),
            len(described[name] & version.spec.endpoints.keys()),
        )
        for name, version in VERSIONS.items()
    }


def _count(version: str, of: Iterable[Row]) -> int:
    return len(frozenset[str]().union(*(row.operations.get(version, ()) for row in of)))


def _actions(adapter: type) -> Iterator[str]:
    for name in dir(LearningApi):
        offered = inspect.getattr_static(adapter, name, None)
        if isinstance(offered, Action) or (offered and name.startswith("read_")):
            yield name


def _has_rows(action: Action[..., object]) -> bool:
    return action.write is not None and not action.write.batched


def _tests() -> Iterator[tuple[str, set[str]]]:
    """Yield each module of tests and the names of attributes and strings in it, which those of actions are among."""
    for path in sorted(FOLDER.glob("test_*.py")):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        attributes = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        yield path.stem, attributes | {str(node.value) for node in nodes if isinstance(node, ast.Constant)}
