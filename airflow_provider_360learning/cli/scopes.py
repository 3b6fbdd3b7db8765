"""The OAuth scopes that each operator and sensor needs, for `check --scopes` and the documentation."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import NamedTuple

from airflow_provider_360learning import operators, sensors
from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.needs import scopes_of, scopes_of_names, scopes_of_rows
from airflow_provider_360learning.api.versions import ApiVersion

_FINDERS = (scopes_of, scopes_of_names, scopes_of_rows)


class Needs(NamedTuple):
    """
    What an action, an operator or a sensor needs.

    :param scopes: OAuth scopes that it may need, depending on its arguments.
    :param for_names: The scopes that it needs besides if names are given in the place of ids.
    :param for_rows: Those of the bulk jobs that apply it to many rows.
    """

    scopes: frozenset[str]
    for_names: frozenset[str]
    for_rows: frozenset[str]


def needs_of_actions(version: ApiVersion) -> dict[str, Needs]:
    """
    Return what each action of an API version needs, by its name.

    :param version: The API version.
    """
    names = [
        name
        for name in dir(LearningApi)
        if name.startswith("read_") or isinstance(inspect.getattr_static(LearningApi, name), Action)
    ]
    return {name: _needs(version, name) for name in names}


def needs_of_operators(version: ApiVersion) -> dict[str, Needs]:
    """
    Return what each operator and sensor needs, by the name of its class.

    :param version: The API version.
    """
    found = {}
    for name, used in operators_and_sensors():
        needs = [_needs(version, each) for each in used]
        scopes, names, rows = (frozenset[str]().union(*each) for each in zip(*needs, strict=True))
        found[name] = Needs(scopes, names - scopes, rows)
    return found


def _needs(version: ApiVersion, action: str) -> Needs:
    adapter = version.adapter
    assert isinstance(adapter, type)
    return Needs(*(frozenset(find(adapter, action, version.spec)) for find in _FINDERS))


def operators_and_sensors() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the operators and sensors that run actions of their own choice: the name of the class, and the actions."""
    for package in (operators, sensors):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, found in sorted(vars(importlib.import_module(module.name)).items()):
                actions: tuple[str, ...] = getattr(found, "actions", ())
                if isinstance(found, type) and found.__module__ == module.name and actions:
                    yield name, actions
