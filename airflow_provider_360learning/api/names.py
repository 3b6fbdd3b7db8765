"""
Names in the place of ids: found in a listing of all objects of their kind, which is read once.

A name must match exactly one object. Otherwise an error lists the objects that it matches, because names of 360Learning
are not always unique. Names are compared in the form that :func:`.parse_text` gives them, otherwise exactly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeVar

from airflow_provider_360learning.api.models.base import ActionArguments, Kind, NameOf, Problem
from airflow_provider_360learning.api.models.parsers import is_id, shown
from airflow_provider_360learning.api.named_objects import (
    OBJECTS,
    NamedObjects,
    NewGroup,
    UnknownNameError,
    UnusableNameError,
)
from airflow_provider_360learning.api.text import listed
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

M = TypeVar("M", bound=ActionArguments)

#: The action that lists each kind of object.
_LISTINGS: Mapping[Kind, str] = {
    "group": "list_groups",
    "path": "list_paths",
    "session": "list_path_sessions",
    "course": "list_courses",
    "classroom": "list_classrooms",
    "custom_field": "list_custom_fields",
    "certificate_outline": "list_certificate_outlines",
    "tag": "list_tags",
}
#: The kind of object whose listing an action changes.
_CHANGES: Mapping[str, Kind] = {
    "create_group": "group",
    "update_group": "group",
    "delete_group": "group",
    "create_path": "path",
    "update_path": "path",
    "archive_path": "path",
    "delete_path": "path",
    "create_path_session": "session",
    "create_classroom": "classroom",
    "update_classroom": "classroom",
    "create_custom_field": "custom_field",
    "update_custom_field": "custom_field",
    "delete_custom_field": "custom_field",
    "create_certificate_outline": "certificate_outline",
    "update_certificate_outline": "certificate_outline",
    "delete_certificate_outline": "certificate_outline",
    "create_tag": "tag",
    "update_tag": "tag",
    "delete_tag": "tag",
    "update_path_session": "session",
    "delete_path_session": "session",
}
_PARENT_OF_NEW_GROUPS = "parent_group_id"
#: What the custom fields of an action belong to.
_FIELD_TARGET = "custom_field_target"
#: Fields of ids within which other names are searched.
_SCOPES = ("path_id", _PARENT_OF_NEW_GROUPS)


def listings_of(model: type[ActionArguments]) -> set[str]:
    """
    Return the actions that list what the names of an action's arguments stand for.

    :param model: The model of the arguments.
    """
    return {_LISTINGS[marker.kind] for marker in model.names.values()}


class HasSteps(Protocol):
    """An action, without the types of its arguments and of its result."""

    # Any: those of each action.
    def steps(self, **arguments: Any) -> ActionSteps[Any]:
        """Return the calls of the action."""


class HasActions(Protocol):
    """An adapter of some API version."""

    @property
    def actions(self) -> Mapping[str, HasSteps]:
        """All actions by name."""


class KnownName(NamedTuple):
    """
    A name that was found.

    :param kind: Kind of the object.
    :param text: The name, or the path of a group.
    :param scope: Id of the path or of the parent of new groups within which it was searched, or what the custom field
        belongs to.
    """

    kind: Kind
    text: str
    scope: str | None


@dataclass(frozen=True, slots=True)
class Resolution:
    """
    What the names in the arguments of an action stand for.

    :param ids: The values of the fields of ids; the id of a new group is its placeholder.
    :param problems: What is invalid; then some ids are missing.
    :param new_groups: The groups that must be created.
    """

    ids: dict[str, object] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    new_groups: list[NewGroup] = field(default_factory=list)


class Names:
    """
    Finds what names stand for, with at most one listing per kind of object.

    :param adapter: Has the actions that list objects and create groups.
    """

    def __init__(self, adapter: HasActions) -> None:
        self._adapter = adapter
        self._objects: dict[Kind, NamedObjects] = {}
        self._known: dict[KnownName, str] = {}
        self._new_groups: dict[tuple[str, str], NewGroup] = {}

    @property
    def known(self) -> Mapping[KnownName, str]:
        """The names that were found, with their ids."""
        return self._known

    def restore(self, known: Mapping[KnownName, str]) -> None:
        """
        Use ids that were found before, without a listing.

        :param known: The ids by name.
        """
        self._known.update(known)

    def forget_after(self, action: str) -> None:
        """
        Forget the listing that an action changes, so that it is read again when it is needed.

        :param action: Name of the action.
        """
        if kind := _CHANGES.get(action):
            self._objects.pop(kind, None)
            self._known = {name: id for name, id in self._known.items() if name.kind != kind}

    def resolved(self, arguments: M) -> ActionSteps[M]:
        """
        Return arguments with ids in place of names, after creating missing groups with ``create_groups``.

        :param arguments: Valid arguments.
        :raises InvalidRequestError: naming every name that does not stand for exactly one object; its ``argument`` is
            the first. Nothing was changed.
        """
        self._new_groups.clear()  # those of a call that failed were not created
        found = yield from self.resolve(arguments)
        resolved = arguments.with_ids(found.ids)
        if problems := found.problems or list(resolved.conflicts()):
            text = "; ".join(problem.text for problem in problems)
            raise InvalidRequestError(f"{text}. Nothing was sent.", argument=problems[0].field)
        if found.new_groups:
            for group in dict.fromkeys(found.new_groups):
                yield from self.create(group)
            found = yield from self.resolve(arguments)
            resolved = arguments.with_ids(found.ids)
        for name in arguments.given_names():
            id_field = arguments.names[name].id_field
            names = [shown(each) for each in _texts(getattr(arguments, name))]
            log.info("Resolved %s=%s %s=%s", name, listed(names), id_field, listed(_texts(found.ids[id_field])))
        return resolved

    def resolve(self, arguments: ActionArguments) -> ActionSteps[Resolution]:
        """
        Find the names in the arguments of an action; nothing is changed.

        :param arguments: Valid arguments.
        """
        found = Resolution()
        # Paths and parents first, because other names are searched within them.
        names = sorted(arguments.given_names(), key=lambda name: arguments.names[name].id_field not in _SCOPES)
        for name in names:
            yield from self._resolve_field(arguments, name, found)
        return found

    def create(self, group: NewGroup) -> ActionSteps[None]:
        """
        Create a group, unless the parent has one of this name by now.

        :param group: The group.
        """
        made = yield from self._adapter.actions["create_group"].steps(name=group.name, parent_id=group.parent_id)
        self._known[KnownName("group", group.name, group.parent_id)] = made["group_id"]
        log.info("Missing group: outcome=%s name=%r group_id=%s", made["outcome"], group.name, made["group_id"])

    def _resolve_field(self, arguments: ActionArguments, name: str, found: Resolution) -> ActionSteps[None]:
        """Find the names of one field."""
        marker = arguments.names[name]
        value = getattr(arguments, name)
        scope_field = _scope_of(arguments, marker)
        scope: Any = (found.ids.get(scope_field) or getattr(arguments, scope_field)) if scope_field else None
        if scope_field and scope is None and found.problems and _is_named(arguments, scope_field):
            return  # the name of the path, or of the parent, is the problem
        ids: dict[str, None] = {}
        for index, text in enumerate(_texts(value)):
            try:
                one = yield from self._find(marker.kind, text, scope, create=scope_field == _PARENT_OF_NEW_GROUPS)
            except UnusableNameError as error:
                place = name if isinstance(value, str) else f"{name}[{index}]"
                advice = _advice(arguments, marker, text, error)
                found.problems.append(Problem(place, f"{place} is {shown(text)}, {error}{advice}"))
                continue
            if isinstance(one, NewGroup):
                found.new_groups.append(one)
                one = one.placeholder
            ids[one] = None
        found.ids[marker.id_field] = next(iter(ids), None) if isinstance(value, str) else tuple(ids)

    def _find(self, kind: Kind, text: str, scope: str | None, *, create: bool) -> ActionSteps[str | NewGroup]:
        """Return the id of the object with this name, or the group to create."""
        name = KnownName(kind, text, scope)
        if name in self._known:
            return self._known[name]
        if kind not in self._objects:
            records = yield from self._adapter.actions[_LISTINGS[kind]].steps()
            self._objects[kind] = OBJECTS[kind](records)
        objects = self._objects[kind]
        found = objects.find(text, scope)
        if not found and create and scope is not None:
            return self._distinct(objects.new_group(text, scope))
        if len(found) != 1:
            raise UnusableNameError(objects.ambiguous(found)) if found else objects.no_match(text, scope)
        self._known[name] = found[0].id
        return found[0].id

    def _distinct(self, group: NewGroup) -> NewGroup:
        """Return a new group, unless another one differs from it in case only."""
        other = self._new_groups.setdefault(group.place, group).name
        if other != group.name:
            raise UnusableNameError(
                f"but no group has this name, and {shown(other)}, which does not exist either, differs from it in case "
                "only: use one spelling, or create both groups first"
            )
        return group


def _texts(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else value


def _scope_of(arguments: ActionArguments, marker: NameOf) -> str | None:
    """Return the field of the id within which the names of a field are searched."""
    if marker.kind == "session" and hasattr(arguments, "path_id"):
        return "path_id"
    if marker.kind == "custom_field" and hasattr(arguments, _FIELD_TARGET):
        return _FIELD_TARGET
    creates = _may_be_created(arguments, marker) and getattr(arguments, "create_groups", False)
    return _PARENT_OF_NEW_GROUPS if creates else None


def _may_be_created(arguments: ActionArguments, marker: NameOf) -> bool:
    """Return whether the action can create the groups that a field names."""
    return marker.kind == "group" and marker.id_field != _PARENT_OF_NEW_GROUPS and hasattr(arguments, "create_groups")


def _advice(arguments: ActionArguments, marker: NameOf, text: str, error: UnusableNameError) -> str:
    """Return what to do about a name, if its error does not say so."""
    if is_id(text):
        return f" (it looks like an id, which belongs in {marker.id_field})"
    if not isinstance(error, UnknownNameError):
        return ""
    creation = "; create_groups=True creates missing groups" if _may_be_created(arguments, marker) else ""
    return f" (check the spelling, or give {marker.id_field} instead{creation})"


def _is_named(arguments: ActionArguments, id_field: str) -> bool:
    return any(arguments.names[name].id_field == id_field for name in arguments.given_names())
