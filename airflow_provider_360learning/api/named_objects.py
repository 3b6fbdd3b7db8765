"""Objects by name, of each kind that names can stand for: what a name matches, and what an error says about it."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from airflow_provider_360learning.api.models.base import Kind
from airflow_provider_360learning.api.models.parsers import normalized, shown

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


class UnusableNameError(Exception):
    """A name does not stand for one object; the message completes "<field> is <name>, …"."""


class UnknownNameError(UnusableNameError):
    """No object has this name, nor a similar one."""


@dataclass(frozen=True, slots=True)
class NamedObject:
    """
    An object that has a name.

    :param id: Its id.
    :param name: Its name, normalized.
    :param parent_id: Id of the parent of a group, or of the path of a session, in lower case, if it is known; what a
        custom field belongs to.
    """

    id: str
    name: str
    parent_id: str = ""


class NamedObjects:
    """
    The objects of one kind.

    :param records: All of them, as the action that lists them returns them.
    """

    kind: Kind
    #: What to do about a name that matches several objects.
    advice = "give the id instead"

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        self._objects = [self._object(record) for record in records]
        self._by_name: dict[str, list[NamedObject]] = {}
        for one in self._objects:
            if one.id and one.name:
                self._by_name.setdefault(one.name, []).append(one)
        self._similar: dict[str, list[str]] = {}

    def _object(self, record: Mapping[str, Any]) -> NamedObject:
        return NamedObject(record[f"{self.kind}_id"] or "", normalized(record["name"]))

    def find(self, text: str, scope: str | None) -> Sequence[NamedObject]:
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

    def label(self, one: NamedObject) -> str:
        """Return how an error names an object."""
        return shown(one.name)

    @property
    def noun(self) -> str:
        """What an error calls an object of this kind."""
        return self.kind.replace("_", " ")

    def place(self, scope: str | None) -> str:
        """Return what an error calls an object of this kind and scope."""
        return self.noun

    def ambiguous(self, found: Sequence[NamedObject]) -> str:
        """Return what an error says about a name that matches several objects."""
        labels = [self.label(one) for one in found]
        matches = [f"{_shortened(label)} ({one.id})" for label, one in zip(labels[:MAX_LISTED], found, strict=False)]
        more = [f"{len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
        advice = self.advice if len(set(labels)) == len(found) else "give the id instead, or rename all but one"
        return f"which matches {len(found)} {self.noun}s: {', '.join(matches + more)}: {advice}"

    def no_match(self, text: str, scope: str | None) -> UnusableNameError:
        """Return the error about a name that matches nothing."""
        if text not in self._similar and len(self._similar) < MAX_SUGGESTIONS:
            self._similar[text] = self._search_similar(text)
        similar = self._similar.get(text)
        problem = f"but no {self.place(scope)} has this name"
        return UnusableNameError(f"{problem} (similar: {', '.join(similar)})") if similar else UnknownNameError(problem)

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


class _Paths(NamedObjects):
    kind = "path"


class _Classrooms(NamedObjects):
    kind = "classroom"


class _Tags(NamedObjects):
    kind = "tag"


class _Courses(NamedObjects):
    kind = "course"

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        super().__init__(record for record in records if record["status"] != "deleted")


class _Sessions(NamedObjects):
    kind = "session"
    advice = "give the path as well, or the id instead"

    def _object(self, record: Mapping[str, Any]) -> NamedObject:
        return NamedObject(record["session_id"] or "", normalized(record["name"]), (record["path_id"] or "").lower())

    def find(self, text: str, scope: str | None) -> Sequence[NamedObject]:
        """Return the sessions of this name; with a scope, those of one path."""
        found = super().find(text, scope)
        # The path of a listed session may be unknown: then it does not distinguish sessions.
        return found if scope is None else [one for one in found if one.parent_id in ("", scope.lower())]

    def label(self, one: NamedObject) -> str:
        """Return the name of a session, and the id of its path."""
        return shown(one.name) + (f" of path {one.parent_id}" if one.parent_id else "")

    def place(self, scope: str | None) -> str:
        """Return what an error calls a session, of a path or of any."""
        return self.noun if scope is None else f"{self.noun} of this path"


class _CertificateOutlines(NamedObjects):
    kind = "certificate_outline"

    def _object(self, record: Mapping[str, Any]) -> NamedObject:
        return NamedObject(record["certificate_outline_id"] or "", normalized(record["title"]))


class _CustomFields(NamedObjects):
    kind = "custom_field"

    def _object(self, record: Mapping[str, Any]) -> NamedObject:
        return NamedObject(record["custom_field_id"] or "", normalized(record["name"]), record["target_type"] or "")

    def find(self, text: str, scope: str | None) -> Sequence[NamedObject]:
        """Return the custom fields of this name; with a scope, those of users or of contents."""
        return [one for one in super().find(text, scope) if scope in (None, one.parent_id)]

    def label(self, one: NamedObject) -> str:
        """Return the name of a custom field, and what it belongs to."""
        return f"{shown(one.name)} of {one.parent_id}"

    def place(self, scope: str | None) -> str:
        """Return what an error calls a custom field, of users, of contents or of both."""
        return self.noun if scope is None else f"{self.noun} of {scope}"


class _Groups(NamedObjects):
    kind = "group"
    advice = "give the names of its parents as well (Parent/Group), or the id instead"

    def __init__(self, records: Iterable[Mapping[str, Any]]) -> None:
        super().__init__(records)
        self._by_id = {one.id.lower(): one for one in self._objects if one.id}
        self._by_place = {NewGroup(one.parent_id, one.name).place: one for one in self._objects if one.id and one.name}

    def _object(self, record: Mapping[str, Any]) -> NamedObject:
        return NamedObject(record["group_id"] or "", normalized(record["name"]), (record["parent_id"] or "").lower())

    def find(self, text: str, scope: str | None) -> Sequence[NamedObject]:
        """
        Return the groups of this name, or of this path of names.

        A ``/`` may separate names, or be part of one: both match. With a scope, a child of that group takes precedence.
        """
        found = [*self._by_name.get(text, ()), *self._at_path(text)]
        return [one for one in found if scope is not None and one.parent_id == scope.lower()] or found

    def _at_path(self, text: str) -> list[NamedObject]:
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

        :raises UnusableNameError: for a name with a ``/``, which may be meant as a path; if the parent does not exist;
            and if it has a group whose name differs in case only.
        """
        if SEPARATOR in text:
            raise UnusableNameError(
                f"but no group has this name, and create_groups creates none with a {SEPARATOR} in its name, which may "
                "separate the names of parents: create it first"
            )
        if parent_id.lower() not in self._by_id:
            raise UnusableNameError(
                f"but no group has this name, nor the id {parent_id} of the parent to create it under"
            )
        group = NewGroup(parent_id, text)
        if other := self._by_place.get(group.place):
            raise UnusableNameError(
                f"but no group has this name, and {self.label(other)} ({other.id}) differs from it in case only: use "
                "that spelling, or create the group first"
            )
        return group

    def label(self, one: NamedObject) -> str:
        """Return the names of a group and all of its parents."""
        return shown(self._path_of(one))

    def _is_path_of(self, group: NamedObject, text: str) -> bool:
        """Return whether a text is the name of a group, after those of some or all of its parents."""
        end = SEPARATOR + group.name
        parent = self._by_id.get(group.parent_id)
        return text == group.name or (
            parent is not None and text.endswith(end) and self._is_path_of(parent, text.removesuffix(end))
        )

    def _path_of(self, group: NamedObject) -> str:
        names = [group.name]
        parent = self._by_id.get(group.parent_id)
        while parent is not None and len(names) <= MAX_SEPARATORS:
            names.append(parent.name)
            parent = self._by_id.get(parent.parent_id)
        return SEPARATOR.join(reversed(names))


#: The objects of each kind.
OBJECTS: Mapping[Kind, type[NamedObjects]] = {
    one.kind: one
    for one in (_Groups, _Paths, _Sessions, _Courses, _Classrooms, _CustomFields, _CertificateOutlines, _Tags)
}


def _shortened(label: str) -> str:
    return label if len(label) <= MAX_LABEL else label[: MAX_LABEL - 1] + "…"
