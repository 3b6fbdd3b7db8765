"""The OAuth scopes that each operator and sensor needs, for `check --scopes` and the documentation."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from airflow_provider_360learning import operators, sensors
from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.needs import scopes_of, scopes_of_names
from airflow_provider_360learning.api.versions import ApiVersion


class Needs(NamedTuple):
    """
    What an action, an operator or a sensor needs.

    :param scopes: OAuth scopes that it may need, depending on its arguments.
    :param for_names: Those that it needs besides if names are given in the place of ids.
    """

    scopes: frozenset[str]
    for_names: frozenset[str]


def needs_of_actions(version: ApiVersion) -> dict[str, Needs]:
    """
    Return what each action of an API version needs, by its name.

    :param version: The API version.
    """
    adapter = version.adapter
    assert isinstance(adapter, type)
    found = {name: one for kind in adapter.__mro__ for name, one in vars(kind).items()}
    names = sorted(name for name, one in found.items() if isinstance(one, Action) or name.startswith("read_"))
    return {
        name: Needs(
            frozenset(scopes_of(adapter, name, version.spec)), frozenset(scopes_of_names(adapter, name, version.spec))
        )
        for name in names
    }


def needs_of_operators(actions: Mapping[str, Needs]) -> dict[str, Needs]:
    """
    Return what each operator and sensor needs, by the name of its class.

    :param actions: What each action needs.
    """
    found = {}
    for name, used in operators_and_sensors():
        needed = [actions[each] for each in used]
        scopes = frozenset[str]().union(*(one.scopes for one in needed))
        found[name] = Needs(scopes, frozenset[str]().union(*(one.for_names for one in needed)) - scopes)
    return found


def operators_and_sensors() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the operators and sensors that run actions of their own choice: the name of the class, and the actions."""
    for package in (operators, sensors):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, found in sorted(vars(importlib.import_module(module.name)).items()):
                actions: tuple[str, ...] = getattr(found, "actions", ())
                if isinstance(found, type) and found.__module__ == module.name and actions:
                    yield name, actions
