"""The OAuth scopes that each operator and sensor needs, for `check --scopes` and the documentation."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
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
    :param for_names: Those that it needs besides if names are given in the place of ids.
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
    adapter = version.adapter
    assert isinstance(adapter, type)
    names = [name for name, one in vars(LearningApi).items() if isinstance(one, Action) or name.startswith("read_")]
    names.append("read_course_attempts")  # of a protocol that it extends
    return {
        name: Needs(*(frozenset(find(adapter, name, version.spec)) for find in _FINDERS)) for name in sorted(set(names))
    }


def needs_of_operators(actions: Mapping[str, Needs]) -> dict[str, Needs]:
    """
    Return what each operator and sensor needs, by the name of its class.

    :param actions: What each action needs.
    """
    found = {}
    for name, used in operators_and_sensors():
        scopes, names, rows = (
            frozenset[str]().union(*each) for each in zip(*(actions[each] for each in used), strict=True)
        )
        found[name] = Needs(scopes, names - scopes, rows)
    return found


def operators_and_sensors() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the operators and sensors that run actions of their own choice: the name of the class, and the actions."""
    for package in (operators, sensors):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, found in sorted(vars(importlib.import_module(module.name)).items()):
                actions: tuple[str, ...] = getattr(found, "actions", ())
                if isinstance(found, type) and found.__module__ == module.name and actions:
                    yield name, actions
