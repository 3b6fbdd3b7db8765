"""
What an action needs: the operations that it may call, and their OAuth scopes.

Both are derived from the compiled code of the action and of all that it uses within this package, so that no list can
be out of date. The result may contain operations that are called with some arguments only.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterator, Mapping
from functools import cached_property
from types import CodeType, FunctionType

from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.names import listings_of
from airflow_provider_360learning.api.spec import ApiSpec

#: File of code that dataclasses generates.
_GENERATED = "<string>"

#: The package whose code is followed.
_PACKAGE = __name__.rpartition(".")[0]


def operations_of(adapter: type, action: str, spec: ApiSpec) -> frozenset[str]:
    """
    Return the operations that an action may call.

    :param adapter: Class of the adapter.
    :param action: Name of the action, or of a method of the adapter.
    :param spec: The API version.
    """
    found = set()
    pending: list[object] = [inspect.getattr_static(adapter, action)]
    followed: set[int] = set()
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if value in spec.endpoints:
                found.add(value)
            elif isinstance(named := inspect.getattr_static(adapter, value, None), Action):  # one of `actions`
                pending.append(named)
        elif id(value) not in followed:
            followed.add(id(value))
            pending += _used_by(value, adapter)
    return frozenset(found)


def scopes_of(adapter: type, action: str, spec: ApiSpec) -> tuple[str, ...]:
    """
    Return the OAuth scopes that an action may need; none in versions without scopes.

    :param adapter: Class of the adapter.
    :param action: Name of the action, or of a method of the adapter.
    :param spec: The API version.
    """
    scopes = {spec.endpoints[operation].scope for operation in operations_of(adapter, action, spec)}
    return tuple(sorted(scope for scope in scopes if scope))


def scopes_of_names(adapter: type, action: str, spec: ApiSpec) -> tuple[str, ...]:
    """
    Return the OAuth scopes that an action needs besides, where names are given in the place of ids.

    :param adapter: Class of the adapter.
    :param action: Name of the action.
    :param spec: The API version.
    """
    found = inspect.getattr_static(adapter, action)
    listings = listings_of(found.model) if isinstance(found, Action) else ()
    scopes = {scope for listing in listings for scope in scopes_of(adapter, listing, spec)}
    return tuple(sorted(scopes - set(scopes_of(adapter, action, spec))))


def _used_by(value: object, adapter: type) -> Iterator[object]:
    """Yield what the code of a value names, or what the value contains."""
    if isinstance(value, Action):
        yield value.function
        yield value.check
    elif isinstance(value, staticmethod | classmethod):
        yield value.__func__
    elif isinstance(value, property):
        yield value.fget
    elif isinstance(value, cached_property):
        yield value.func
    elif isinstance(value, Mapping):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, FunctionType):
        # The generated methods of a dataclass name its fields.
        if _is_ours(value) and value.__code__.co_filename != _GENERATED:
            yield from _named_in(value, value.__code__, adapter)
    elif isinstance(value, type):
        if _is_ours(value) and not issubclass(adapter, value):  # of an adapter, only what is named
            yield from vars(value).values()
    elif dataclasses.is_dataclass(value) and _is_ours(type(value)):
        yield from (getattr(value, one.name) for one in dataclasses.fields(value))


def _named_in(function: FunctionType, code: CodeType, adapter: type) -> Iterator[object]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named_in(function, constant, adapter)
        else:
            yield constant
    for name in code.co_names:
        yield inspect.getattr_static(adapter, name, None)
        yield function.__globals__.get(name)


def _is_ours(value: FunctionType | type) -> bool:
    return f"{value.__module__}.".startswith(f"{_PACKAGE}.")
