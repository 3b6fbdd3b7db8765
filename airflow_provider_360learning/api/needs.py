"""
What an action needs: the operations that it may call, and their OAuth scopes.

Both are derived from the compiled code of the action and of all that it uses within this package, so that no list can
be out of date. The result may contain operations that are called with some arguments only.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Hashable, Iterable, Iterator, Mapping
from functools import cache, cached_property
from types import CodeType, FunctionType
from typing import get_type_hints

from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.bulk_jobs import JobKind
from airflow_provider_360learning.api.models.base import ActionArguments
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
    :param action: Name of the action, or of a method of the adapter or of one of its attributes (``jobs.status``).
    :param spec: The API version.
    """
    attribute, _, name = action.rpartition(".")
    owner = _attributes_of(adapter).get(attribute) if attribute else adapter
    if attribute and not (isinstance(owner, type) and _is_ours(owner)):
        return frozenset()  # this version has none
    return _operations_in(inspect.getattr_static(owner, name), adapter, spec)


def scopes_of(adapter: type, action: str, spec: ApiSpec) -> tuple[str, ...]:
    """
    Return the OAuth scopes that an action may need; none in versions without scopes.

    :param adapter: Class of the adapter.
    :param action: Name of the action, or of a method of the adapter.
    :param spec: The API version.
    """
    return _scopes(operations_of(adapter, action, spec), spec)


def scopes_of_rows(adapter: type, action: str, spec: ApiSpec) -> tuple[str, ...]:
    """
    Return the OAuth scopes of the bulk jobs that apply an action to many rows; none if no such job exists.

    :param adapter: Class of the adapter.
    :param action: Name of the action.
    :param spec: The API version.
    """
    kind = job_kind_of(adapter, action)
    if kind is None:
        return ()
    jobs = _attributes_of(adapter)["jobs"]
    steps = ["submit", "find_lost", "running", "status", "results"]
    if "external_platform" in kind.row_model.model_fields | inspect.getattr_static(adapter, action).model.model_fields:
        steps.append("target")
    start = (kind, *(inspect.getattr_static(jobs, step) for step in steps))
    return _scopes(_operations_in(start, adapter, spec), spec)


def job_kind_of(adapter: Hashable, action: str) -> JobKind | None:
    """
    Return the kind of bulk jobs that apply an action to many rows; ``None`` if no such job exists.

    :param adapter: Class of the adapter.
    :param action: Name of the action.
    """
    kind: JobKind | None = getattr(_attributes_of(adapter).get("jobs"), "kinds", {}).get(action)
    return kind


def _operations_in(start: object, adapter: type, spec: ApiSpec) -> frozenset[str]:
    found = set()
    pending = [start]
    followed: set[int] = set()
    while pending:
        value = pending.pop()
        if isinstance(value, str):
            if value in spec.endpoints:
                found.add(value)
        elif id(value) not in followed:
            followed.add(id(value))
            pending += _used_by(value, adapter)
    return frozenset(found)


def _scopes(operations: Iterable[str], spec: ApiSpec) -> tuple[str, ...]:
    scopes = {spec.endpoints[operation].scope for operation in operations}
    return tuple(sorted(scope for scope in scopes if scope))


def scopes_of_names(adapter: type, action: str, spec: ApiSpec) -> tuple[str, ...]:
    """
    Return the OAuth scopes that an action needs besides, where names are given in the place of ids.

    :param adapter: Class of the adapter.
    :param action: Name of the action.
    :param spec: The API version.
    """
    found = _members(adapter).get(action)
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
    elif isinstance(value, JobKind):
        yield from (value.operation, value.check, value.accepts)
    elif isinstance(value, Mapping):
        # Of all kinds of jobs, an action submits the kinds that it names.
        if not any(isinstance(each, JobKind) for each in value.values()):
            yield from value.keys()
            yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, FunctionType):
        # The generated methods of a dataclass name its fields.
        if _is_ours(value) and value.__code__.co_filename != _GENERATED:
            yield from _named_in(value, value.__code__, adapter)
    elif isinstance(value, type):
        # Of an adapter and its attributes, only what is named; a model of arguments calls nothing.
        known = any(value is one for one in (*adapter.__mro__, *_attributes_of(adapter).values()))
        if _is_ours(value) and not known and not issubclass(value, ActionArguments):
            yield from vars(value).values()
    elif dataclasses.is_dataclass(value) and _is_ours(type(value)):
        yield from (getattr(value, one.name) for one in dataclasses.fields(value))


def _named_in(function: FunctionType, code: CodeType, adapter: type) -> Iterator[object]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _named_in(function, constant, adapter)
        else:
            yield constant
            if isinstance(constant, str) and isinstance(found := _members(adapter).get(constant), Action):
                yield found  # by its name in `actions`
    owners = [_members(owner) for owner in (adapter, *_owners_named_in(function, code, adapter))]
    for name in code.co_names:
        yield from (members.get(name) for members in owners)
        yield function.__globals__.get(name)


def _owners_named_in(function: FunctionType, code: CodeType, adapter: type) -> Iterator[type]:
    """Yield the classes of an adapter's attributes whose methods a function may call: it names them, or is one."""
    for name, owner in _attributes_of(adapter).items():
        is_method = function.__qualname__.startswith(f"{getattr(owner, '__qualname__', None)}.")
        if isinstance(owner, type) and _is_ours(owner) and (is_method or name in code.co_names):
            yield owner


@cache
def _attributes_of(adapter: Hashable) -> Mapping[str, object]:
    """Return the types of the attributes that instances of an adapter have."""
    return get_type_hints(adapter)


@cache
def _members(owner: Hashable) -> Mapping[str, object]:
    """Return what a class defines or inherits, as it is stored there."""
    assert isinstance(owner, type)
    return {name: one for kind in reversed(owner.__mro__) for name, one in vars(kind).items()}


def _is_ours(value: FunctionType | type) -> bool:
    return f"{value.__module__}.".startswith(f"{_PACKAGE}.")
