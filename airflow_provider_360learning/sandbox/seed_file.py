"""Companies that users describe in a YAML or JSON file, by names instead of ids."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path as FilePath
from typing import Annotated, TypeVar, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from airflow_provider_360learning.sandbox.state.budget import StorageFullError
from airflow_provider_360learning.sandbox.state.model import (
    CourseStatus,
    CustomField,
    FieldKind,
    FieldTarget,
    PersonStatus,
    Profile,
    Role,
)
from airflow_provider_360learning.sandbox.state.state import State

Found = TypeVar("Found")

#: Maximum number of problems that an error lists.
MAX_PROBLEMS = 10

Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]
Name = Annotated[str, StringConstraints(min_length=1)]
Mail = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+$")]


class _Described(BaseModel):
    """
    An object of the file.

    :param id: its id, 24 hexadecimal digits; by default, one is made.
    """

    model_config = ConfigDict(extra="forbid")

    id: Id | None = None


class SeedField(_Described):
    """A custom field."""

    name: Name
    target: FieldTarget = "users"
    kind: FieldKind = "string"
    authorized_values: list[str] = []


class SeedGroup(_Described):
    """
    A group.

    :param parent: name of the group above, which precedes it in the file; by default the root group.
    """

    name: Name
    parent: Name | None = None
    public: bool = True
    custom: str | None = None


class SeedUser(_Described):
    """
    A user.

    :param groups: names of groups, where the user is a learner, or roles by name of the group; by default, an active
        user is a learner in the root group.
    :param custom_fields: values by name of the custom field.
    :param managers: email addresses of users in the file.
    :param external_ids: the user's ids by name of the other platform.
    """

    mail: Mail
    status: PersonStatus = "active"
    first_name: str | None = None
    last_name: str | None = None
    custom: str | None = None
    phone: str | None = None
    language: str | None = None
    job: str | None = None
    organization: str | None = None
    labels: list[str] | None = None
    groups: list[Name] | dict[Name, Annotated[list[Role], Field(min_length=1)]] = []
    custom_fields: dict[Name, str] = {}
    managers: list[Mail] = []
    external_ids: dict[Name, Name] = {}

    @property
    def roles(self) -> Mapping[str, list[Role]]:
        """The roles by name of the group."""
        return self.groups if isinstance(self.groups, dict) else {name: ["learner"] for name in self.groups}


class SeedCourse(_Described):
    """
    A course.

    :param group: name of its group; by default the root group.
    :param author: email address of its author; by default the administrator.
    """

    name: str
    status: CourseStatus = "published"
    group: Name | None = None
    author: Mail | None = None


class SeedPath(_Described):
    """
    A path.

    :param courses: names of its courses.
    :param group: name of its group; by default the root group.
    :param author: email address of its author; by default the administrator.
    """

    name: Name
    courses: Annotated[list[Name], Field(min_length=1)]
    group: Name | None = None
    author: Mail | None = None
    archived: bool = False


class SeedSession(_Described):
    """
    A session of a path.

    :param path: name of the path.
    :param start: its start; a time without a zone is in UTC.
    :param users: email addresses of the users who are enrolled.
    :param groups: names of the groups that are enrolled.
    """

    name: Name
    path: Name
    start: datetime
    end: datetime | None = None
    users: list[Mail] = []
    groups: list[Name] = []


class SeedFile(BaseModel):
    """
    A company, besides its administrator.

    :param company: name of the root group.
    """

    model_config = ConfigDict(extra="forbid")

    company: Name = "Acme"
    custom_fields: list[SeedField] = []
    groups: list[SeedGroup] = []
    users: list[SeedUser] = []
    courses: list[SeedCourse] = []
    paths: list[SeedPath] = []
    sessions: list[SeedSession] = []

    def fill(self, state: State) -> None:
        """
        Add everything to a state that has a root group and its administrator.

        :raises ValueError: if a name is unknown or ambiguous, an id is repeated, or there is too much.
        """
        try:
            _Filling(self, state).run()
        except StorageFullError as error:
            raise ValueError(str(error)) from None


def read_seed(file: FilePath) -> SeedFile:
    """
    Read a company from a YAML or JSON file.

    :raises ValueError: if it is invalid.
    """
    try:
        content = _parsed(file)
    except ValueError as error:
        raise ValueError(f"{file} is not valid {'JSON' if file.suffix == '.json' else 'YAML'}: {error}") from None
    try:
        return SeedFile.model_validate({} if content is None else content)
    except ValidationError as error:
        found = error.errors()
        problems = [f"{'.'.join(map(str, each['loc'])) or 'file'}: {each['msg']}" for each in found[:MAX_PROBLEMS]]
        more = f"; and {len(found) - MAX_PROBLEMS} more" if len(found) > MAX_PROBLEMS else ""
        raise ValueError(f"{file} is invalid: {'; '.join(problems)}{more}") from None


def _parsed(file: FilePath) -> object:
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".json":
        return json.loads(text)
    try:
        import yaml
    except ImportError:
        raise ValueError("PyYAML is not installed; use JSON, in a file whose name ends in .json") from None
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None


class _Filling:
    """
    Adds the objects of a file to a state, with names in the place of ids.

    :param seed: the file.
    :param state: the state.
    """

    def __init__(self, seed: SeedFile, state: State) -> None:
        self._seed = seed
        self._state = state
        self._groups = {seed.company: state.root.id}
        self._fields: dict[str, CustomField] = {}
        self._courses: dict[str, str] = {}
        self._paths: dict[str, str] = {}

    def run(self) -> None:
        """Add everything."""
        seed, state = self._seed, self._state
        self._check_unique()
        state.root.name = seed.company
        for field in seed.custom_fields:
            added = CustomField(
                field.id or state.new_id(), field.name, field.target, field.kind, tuple(field.authorized_values)
            )
            state.put_custom_field(added)
            self._fields[field.name] = added
        for group in seed.groups:
            parent = self._group(group.parent, f"parent of group {group.name!r}")
            self._groups[group.name] = state.add_group(
                group.name, public=group.public, parent=parent, custom=group.custom, id=group.id
            ).id
        for user in seed.users:
            self._add_user(user)
        for user in seed.users:
            self._add_managers(user)
        for course in seed.courses:
            where = f"course {course.name!r}"
            group_id, author = self._group(course.group, where), self._author(course.author, where)
            self._courses[course.name] = state.add_course(
                course.name, group=group_id, author=state.people[author].mail, status=course.status, id=course.id
            ).id
        for path in seed.paths:
            self._add_path(path)
        for session in seed.sessions:
            self._add_session(session)

    def _check_unique(self) -> None:
        """Refuse what is there twice, so that each name and each id stands for one object."""
        seed = self._seed
        described: list[_Described] = [
            *seed.custom_fields, *seed.groups, *seed.users, *seed.courses, *seed.paths, *seed.sessions
        ]  # fmt: skip
        known = [*self._state.people, *self._state.groups]
        names = {
            "custom_fields": [each.name for each in seed.custom_fields],
            "groups": [seed.company, *(each.name for each in seed.groups)],
            "users": [each.mail.lower() for each in seed.users],
            "courses": [each.name for each in seed.courses],
            "paths": [each.name for each in seed.paths],
            "ids": [*known, *(each.id for each in described if each.id)],
        }
        for kind, values in names.items():
            if repeated := [value for value, count in Counter(values).items() if count > 1]:
                raise ValueError(f"{kind}: {repeated[0]!r} is there more than once")

    def _add_user(self, user: SeedUser) -> None:
        state, where = self._state, f"user {user.mail}"
        given = user.model_dump(include=set(Profile.__annotations__) - {"custom_fields"}, exclude_none=True)
        profile = cast("Profile", given)
        if user.custom_fields:
            profile["custom_fields"] = {
                self._field(name, value, where).id: value for name, value in user.custom_fields.items()
            }
        status: PersonStatus = "active" if user.status == "deleted" else user.status
        person = state.add_person(user.mail, profile, status=status, id=user.id)
        roles = user.roles or ({self._seed.company: ["learner"]} if user.status == "active" else {})
        for name, held in roles.items():
            state.join(person, self._group(name, where), list(held))
        for platform, value in user.external_ids.items():
            if state.external_ids.with_value(platform, "user", value) is not None:
                raise ValueError(f"{where}: another user has the id {value!r} in {platform!r}")
            state.external_ids.add(platform, person.id, "user", value)
        if user.status == "deleted":
            state.delete_person(person)

    def _add_managers(self, user: SeedUser) -> None:
        where, managers = f"user {user.mail}", dict.fromkeys(user.managers)
        person = self._state.people[self._person(user.mail, where)]
        person.managers = [self._person(mail, where) for mail in managers]

    def _add_path(self, path: SeedPath) -> None:
        where = f"path {path.name!r}"
        added = self._state.add_path(
            path.name,
            id=path.id,
            group=self._group(path.group, where),
            author=self._author(path.author, where),
            courses=[_found(self._courses, name, where) for name in path.courses],
        )
        added.archived = path.archived
        self._paths[path.name] = added.id

    def _add_session(self, session: SeedSession) -> None:
        state, where = self._state, f"session {session.name!r}"
        path = state.paths[_found(self._paths, session.path, where)]
        added = state.add_session(path.id, session.name, path.group, _seconds(session.start), id=session.id)
        if session.end is not None and _seconds(session.end) < added.start:
            raise ValueError(f"{where}: its end is before its start")
        added.end = None if session.end is None else _seconds(session.end)
        people = [state.people[self._person(mail, where)] for mail in session.users]
        for person in people:
            if person.status == "deleted":
                raise ValueError(f"{where}: the user {person.mail} is deleted")
        state.add_users(added, people)
        for name in session.groups:
            group = state.groups[self._group(name, where)]
            members = [state.people[id] for id in group.members]
            state.add_group_to_audience(added, group, [each for each in members if each.status == "active"])

    def _field(self, name: str, value: str, where: str) -> CustomField:
        """Return the custom field of users with a name, which may have a value."""
        field = _found(self._fields, name, where)
        if field.target != "users":
            raise ValueError(f"{where}: the custom field {name!r} is one of {field.target}")
        if field.authorized_values and value not in field.authorized_values:
            raise ValueError(f"{where}: {value!r} is not among the authorized_values of {name!r}")
        if field.kind == "date" and not _is_date(value):
            raise ValueError(f"{where}: {name!r} is {value!r}, but must be a date such as '2026-01-31'")
        return field

    def _group(self, name: str | None, where: str) -> str:
        return self._state.root.id if name is None else _found(self._groups, name, where)

    def _author(self, mail: str | None, where: str) -> str:
        if mail is None and self._state.owner is not None:
            return self._state.owner
        return self._person(mail or "", where)

    def _person(self, mail: str, where: str) -> str:
        person = self._state.find(mail)
        if person is None:
            raise ValueError(f"{where}: the user {mail} is not in the file")
        return person.id


def _found(known: Mapping[str, Found], name: str, where: str) -> Found:
    if name not in known:
        raise ValueError(f"{where}: {name!r} is none of {_listed(known)}")
    return known[name]


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _listed(names: Iterable[str]) -> str:
    known = [repr(name) for name in names]
    return ", ".join([*known[:MAX_PROBLEMS], *(["…"] if len(known) > MAX_PROBLEMS else [])]) or "those of the file"


def _seconds(time: datetime) -> float:
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()
