"""The OAuth scopes that each operator and sensor needs, for `check --scopes` and the documentation."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any, NamedTuple

from airflow_provider_360learning import operators, sensors
from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.names import listings_of
from airflow_provider_360learning.api.needs import scopes_of, scopes_of_names, scopes_of_rows
from airflow_provider_360learning.api.versions import ApiVersion
from airflow_provider_360learning.completion import CONDITIONS

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
    for name, kind in _classes():
        needs = [_needs(version, each) for each in kind.actions]
        scopes, names, rows = (frozenset[str]().union(*each) for each in zip(*needs, strict=True))
        names = names.union(*(_needs(version, listing).scopes for listing in _listings_of(kind)))
        found[name] = Needs(scopes, names - scopes, rows)
    return found


def _listings_of(kind: Any) -> set[str]:
    """Return the actions that list what the names stand for that a sensor's condition takes; none for an operator."""
    subject = getattr(kind, "subject", None)
    return set() if subject is None else listings_of(CONDITIONS[subject])


def _needs(version: ApiVersion, action: str) -> Needs:
    adapter = version.adapter
    assert isinstance(adapter, type)
    return Needs(*(frozenset(find(adapter, action, version.spec)) for find in _FINDERS))


def operators_and_sensors() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the operators and sensors that run actions of their own choice: the name of the class, and the actions."""
    return ((name, kind.actions) for name, kind in _classes())


# Any: a subclass of one of two classes without a common base.
def _classes() -> Iterator[tuple[str, Any]]:
    """Yield the operators and sensors that run actions of their own choice."""
    for package in (operators, sensors):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            for name, found in sorted(vars(importlib.import_module(module.name)).items()):
                if isinstance(found, type) and found.__module__ == module.name and getattr(found, "actions", None):
                    yield name, found
