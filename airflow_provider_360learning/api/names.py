"""
Names in the place of ids: found in a listing of all objects of their kind, which is read once.

A name must match exactly one object. Otherwise an error lists the objects that it matches, because names of 360Learning
are not always unique. Names are compared in the form that :func:`.parse_text` gives them, otherwise exactly.
"""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple, Protocol, TypeVar

from airflow_provider_360learning.api.models.base import ActionArguments, Kind, NameOf, Problem
from airflow_provider_360learning.api.models.parsers import is_id, normalized, shown
from airflow_provider_360learning.api.text import listed
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

M = TypeVar("M", bound=ActionArguments)

#: Separates the names of parents from that of a group.
SEPARATOR = "/"
#: Maximum number of separators in a text, because each of them may stand between two names.
MAX_SEPARATORS = 50
#: Maximum number of objects that an error lists.
MAX_LISTED = 5
#: Maximum number of characters of the name of one of them.
MAX_LABEL = 100
#: Maximum number of names for which similar ones are searched, which takes a look at every object.
MAX_SUGGESTIONS = 5
#: Maximum number of names with which one is compared for that; with more, it would take seconds.
MAX_COMPARED = 5000

#: The action that lists each kind of object.
_LISTINGS: Mapping[Kind, str] = {
    "group": "list_groups",
    "path": "list_paths",
    "session": "list_path_sessions",
    "course": "list_courses",
}
#: The kind of object whose listing an action changes.
_CHANGES: Mapping[str, Kind] = {
    "create_group": "group",
    "update_group": "group",
    "delete_group": "group",
    "create_path_session": "session",
}
_PARENT_OF_NEW_GROUPS = "parent_group_id"
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


class NewGroup(NamedTuple):
    """A group that does not exist yet."""

    parent_id: str
    name: str

    @property
    def placeholder(self) -> str:
        """What stands for its id until it is created; not an id, and different for names that differ in case."""
        return "new group " + hashlib.sha256(f"{self.parent_id.lower()}\n{self.name}".encode()).hexdigest()[:24]

    @property
    def place(self) -> tuple[str, str]:
        """Its parent and its name, in which case does not count."""
        return self.parent_id.lower(), self.name.casefold()


class KnownName(NamedTuple):
    """
    A name that was found.

    :param kind: Kind of the object.
    :param text: The name, or the path of a group.
    :param scope: Id of the path, or of the parent of new groups, within which it was searched.
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


class _NameError(Exception):
    """A name does not stand for one object; the message completes "<field> is <name>, …"."""


class _UnknownNameError(_NameError):
    """No object has this name, nor a similar one."""


class Names:
    """
    Finds what names stand for, with at most one listing per kind of object.

    :param adapter: Has the actions that list objects and create groups.
    """

    def __init__(self, adapter: HasActions) -> None:
        self._adapter = adapter
        self._objects: dict[Kind, _Objects] = {}
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
            except _NameError as error:
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
            self._objects[kind] = _OBJECTS[kind](records)
        objects = self._objects[kind]
        found = objects.find(text, scope)
        if not found and create and scope is not None:
            return self._distinct(objects.new_group(text, scope))
        if len(found) != 1:
            raise _NameError(objects.ambiguous(found)) if found else objects.no_match(text, scope)
        self._known[name] = found[0].id
        return found[0].id

    def _distinct(self, group: NewGroup) -> NewGroup:
        """Return a new group, unless another one differs from it in case only."""
        other = self._new_groups.setdefault(group.place, group).name
        if other != group.name:
            raise _NameError(
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
    creates = _may_be_created(arguments, marker) and getattr(arguments, "create_groups", False)
    return _PARENT_OF_NEW_GROUPS if creates else None


def _may_be_created(arguments: ActionArguments, marker: NameOf) -> bool:
    """Return whether the action can create the groups that a field names."""
    return marker.kind == "group" and marker.id_field != _PARENT_OF_NEW_GROUPS and hasattr(arguments, "create_groups")


def _advice(arguments: ActionArguments, marker: NameOf, text: str, error: _NameError) -> str:
    """Return what to do about a name, if its error does not say so."""
    if is_id(text):
        return f" (it looks like an id, which belongs in {marker.id_field})"
    if not isinstance(error, _UnknownNameError):
        return ""
    creation = "; create_groups=True creates missing groups" if _may_be_created(arguments, marker) else ""
    return f" (check the spelling, or give {marker.id_field} instead{creation})"


def _is_named(arguments: ActionArguments, id_field: str) -> bool:
    return any(arguments.names[name].id_field == id_field for name in arguments.given_names())


@dataclass(frozen=True, slots=True)
class _Object:
    """
    An object that has a name.

    :param id: Its id.
    :param name: Its name, normalized.
    :param parent_id: Id of the parent of a group, or of the path of a session, in lower case, if it is known.
    """

    id: str
    name: str
    parent_id: str = ""


class _Objects:
    """
    The objects of one kind.

    :param records: All of them, as the action that lists them returns them.
    """

    kind: Kind
    #: What to do about a name that matches several objects.
    advice = "give the id instead"

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._objects = [self._object(record) for record in records]
        self._by_name: dict[str, list[_Object]] = {}
        for one in self._objects:
            if one.id and one.name:
                self._by_name.setdefault(one.name, []).append(one)
        self._similar: dict[str, list[str]] = {}

    def _object(self, record: Mapping[str, Any]) -> _Object:
        return _Object(record[f"{self.kind}_id"] or "", normalized(record["name"]))

    def find(self, text: str, scope: str | None) -> Sequence[_Object]:
        """
        Return the objects that a name matches.

        :param text: The name.
        :param scope: Id of the path or parent within which it is searched.
        """
        return self._by_name.get(text, ())

    def new_group(self, text: str, parent_id: str) -> NewGroup:
        """
        Return the group to create.

        :param text: Its name.
        :param parent_id: Id of its parent.
        """
        raise NotImplementedError

    def label(self, one: _Object) -> str:
        """Return how an error names an object."""
        return shown(one.name)

    def ambiguous(self, found: Sequence[_Object]) -> str:
        """Return what an error says about a name that matches several objects."""
        labels = [self.label(one) for one in found]
        matches = [f"{_shortened(label)} ({one.id})" for label, one in zip(labels[:MAX_LISTED], found, strict=False)]
        more = [f"{len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
        advice = self.advice if len(set(labels)) == len(found) else "give the id instead, or rename all but one"
        return f"which matches {len(found)} {self.kind}s: {', '.join(matches + more)}: {advice}"

    def no_match(self, text: str, scope: str | None) -> _NameError:
        """Return the error about a name that matches nothing."""
        if text not in self._similar and len(self._similar) < MAX_SUGGESTIONS:
            self._similar[text] = self._search_similar(text)
        similar = self._similar.get(text)
        place = f"{self.kind} of this path" if self.kind == "session" and scope is not None else self.kind
        problem = f"but no {place} has this name"
        return _NameError(f"{problem} (similar: {', '.join(similar)})") if similar else _UnknownNameError(problem)

    @cached_property
    def _labels(self) -> Mapping[str, str]:
        return {name.casefold(): self.label(objects[0]) for name, objects in self._by_name.items()}

    def _search_similar(self, text: str) -> list[str]:
        if len(self._labels) > MAX_COMPARED or len(text) > MAX_LABEL:
            return []
        # Of a path of names, the last one.
        texts = dict.fromkeys([text.casefold(), text.casefold().rpartition(SEPARATOR)[2]])
        close = [name for each in texts for name in difflib.get_close_matches(each, self._labels)]
        return [_shortened(self._labels[name]) for name in dict.fromkeys(close)][:MAX_LISTED]


class _Paths(_Objects):
    kind = "path"


class _Courses(_Objects):
    kind = "course"

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        super().__init__(record for record in records if record["status"] != "deleted")


class _Sessions(_Objects):
    kind = "session"
    advice = "give the path as well, or the id instead"

    def _object(self, record: Mapping[str, Any]) -> _Object:
        return _Object(record["session_id"] or "", normalized(record["name"]), (record["path_id"] or "").lower())

    def find(self, text: str, scope: str | None) -> Sequence[_Object]:
        """Return the sessions of this name; with a scope, those of one path."""
        found = super().find(text, scope)
        # The path of a listed session may be unknown: then it does not distinguish sessions.
        return found if scope is None else [one for one in found if one.parent_id in ("", scope.lower())]

    def label(self, one: _Object) -> str:
        """Return the name of a session, and the id of its path."""
        return shown(one.name) + (f" of path {one.parent_id}" if one.parent_id else "")


class _Groups(_Objects):
    kind = "group"
    advice = "give the names of its parents as well (Parent/Group), or the id instead"

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        super().__init__(records)
        self._by_id = {one.id.lower(): one for one in self._objects if one.id}
        self._by_place = {NewGroup(one.parent_id, one.name).place: one for one in self._objects if one.id and one.name}

    def _object(self, record: Mapping[str, Any]) -> _Object:
        return _Object(record["group_id"] or "", normalized(record["name"]), (record["parent_id"] or "").lower())

    def find(self, text: str, scope: str | None) -> Sequence[_Object]:
        """
        Return the groups of this name, or of this path of names.

        A ``/`` may separate names, or be part of one: both match. With a scope, a child of that group takes precedence.
        """
        found = [*self._by_name.get(text, ()), *self._at_path(text)]
        return [one for one in found if scope is not None and one.parent_id == scope.lower()] or found

    def _at_path(self, text: str) -> list[_Object]:
        """
        Return the groups of this path of names.

        It may begin at any parent; a path that begins at the root group matches that group only.
        """
        if not 0 < text.count(SEPARATOR) <= MAX_SEPARATORS:
            return []
        ends = [text[index + 1 :] for index, character in enumerate(text) if character == SEPARATOR]
        found = [one for end in ends for one in self._by_name.get(end, ()) if self._is_path_of(one, text)]
        return [one for one in found if self._path_of(one) == text] or found

    def new_group(self, text: str, parent_id: str) -> NewGroup:
        """
        Return the group to create.

        :raises _NameError: for a name with a ``/``, which may be meant as a path; if the parent does not exist; and if
            it has a group whose name differs in case only.
        """
        if SEPARATOR in text:
            raise _NameError(
                f"but no group has this name, and create_groups creates none with a {SEPARATOR} in its name, which may "
                "separate the names of parents: create it first"
            )
        if parent_id.lower() not in self._by_id:
            raise _NameError(f"but no group has this name, nor the id {parent_id} of the parent to create it under")
        group = NewGroup(parent_id, text)
        if other := self._by_place.get(group.place):
            raise _NameError(
                f"but no group has this name, and {self.label(other)} ({other.id}) differs from it in case only: use "
                "that spelling, or create the group first"
            )
        return group

    def label(self, one: _Object) -> str:
        """Return the names of a group and all of its parents."""
        return shown(self._path_of(one))

    def _is_path_of(self, group: _Object, text: str) -> bool:
        """Return whether a text is the name of a group, after those of some or all of its parents."""
        end = SEPARATOR + group.name
        parent = self._by_id.get(group.parent_id)
        return text == group.name or (
            parent is not None and text.endswith(end) and self._is_path_of(parent, text.removesuffix(end))
        )

    def _path_of(self, group: _Object) -> str:
        names = [group.name]
        parent = self._by_id.get(group.parent_id)
        while parent is not None and len(names) <= MAX_SEPARATORS:
            names.append(parent.name)
            parent = self._by_id.get(parent.parent_id)
        return SEPARATOR.join(reversed(names))


_OBJECTS: Mapping[Kind, type[_Objects]] = {"group": _Groups, "path": _Paths, "session": _Sessions, "course": _Courses}


def _shortened(label: str) -> str:
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"
