"""The state of the company: who and what exists, and what the API can do to it. No HTTP, no answers."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field
from typing import Literal

from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.external_contents import ExternalContents

#: API v1's roles, and the member list of getGroup that each belongs to.
ROLES = {"learner": "users", "coach": "coaches", "author": "authors", "admin": "admins"}

Profile = dict[str, object]


@dataclass
class Person:
    """Somebody with an account (``active``), with an invitation not accepted yet, or ``deleted``.

    Deletion is soft: enrollments and statistics stay, groups are lost.
    """

    id: str
    mail: str
    profile: Profile = field(default_factory=dict)
    state: Literal["active", "invited", "deleted"] = "active"


@dataclass
class Group:
    """A group, its members with their roles, and its catalog."""

    id: str
    name: str
    public: bool
    parent: str | None
    custom: str | None = None
    members: dict[str, list[str]] = field(default_factory=dict)
    courses: list[str] = field(default_factory=list)
    path_sessions: list[str] = field(default_factory=list)


@dataclass
class Course:
    """A course. Only those of other platforms ever change."""

    id: str
    name: str
    group: str
    author: str
    created_at: float
    modified_at: float
    archived: bool = False


@dataclass
class Path:
    """A path and its courses, in order. It never changes."""

    id: str
    name: str
    group: str
    author: str
    courses: list[str]
    created_at: float


@dataclass
class Session:
    """A path session and since when each learner is enrolled."""

    id: str
    path: str
    name: str
    owner_group: str
    start: float
    end: float | None = None
    info: str | None = None
    instructors: list[str] = field(default_factory=list)
    registration_request: object = None
    groups: list[str] = field(default_factory=list)
    enrolled: dict[str, float] = field(default_factory=dict)


class State:
    """Everything that exists in the company.

    :param clock: dates what is created.
    """

    def __init__(self, clock: Clock) -> None:
        self.people: dict[str, Person] = {}
        self.groups: dict[str, Group] = {}
        self.courses: dict[str, Course] = {}
        self.paths: dict[str, Path] = {}
        self.sessions: dict[str, Session] = {}
        self.external = ExternalContents()
        self.mails_sent: list[dict[str, str]] = []
        self._clock = clock
        self._ids = 0
        self._id_by_mail: dict[str, str] = {}

    def new_id(self) -> str:
        """Return the next id: the same ones in every run, but none that can be guessed from another."""
        self._ids += 1
        return hashlib.sha256(f"360learning sandbox {self._ids}".encode()).hexdigest()[:24]

    # People. Mails are compared without regard to case: an assumption.

    def find(self, mail_or_id: str) -> Person | None:
        """Find somebody, whether active, invited or deleted."""
        return self.people.get(self._id_by_mail.get(mail_or_id.lower(), mail_or_id))

    def add_user(self, mail: str, profile: Profile, id: str | None = None) -> Person:
        """Create an account, or restore the deleted one with this mail, which keeps its id and its past."""
        return self._add(mail, profile, "active", id)

    def invite(self, mail: str, profile: Profile, id: str | None = None) -> Person:
        """Invite somebody."""
        return self._add(mail, profile, "invited", id)

    def _add(self, mail: str, profile: Profile, state: Literal["active", "invited"], id: str | None) -> Person:
        person = self.find(mail)
        if person is None:
            person = Person(id or self.new_id(), mail)
            self.people[person.id] = person
            self._id_by_mail[mail.lower()] = person.id
        person.state = state
        person.profile.update(profile)
        return person

    def accept(self, person: Person) -> None:
        """Make an invitation an account. Learning starts now, also where groups enrolled before."""
        person.state = "active"
        groups = {group.id for group in self.groups_of(person)}
        for session in self.sessions.values():
            if person.id in session.enrolled or groups & set(session.groups):
                session.enrolled[person.id] = self._clock.now()

    def change_mail(self, person: Person, mail: str) -> None:
        """Give somebody another mail."""
        del self._id_by_mail[person.mail.lower()]
        person.mail = mail
        self._id_by_mail[mail.lower()] = person.id

    def delete_person(self, person: Person) -> None:
        """Delete somebody; of an invitation, nothing is left."""
        for group in self.groups.values():
            group.members.pop(person.id, None)
        if person.state == "active":
            person.state = "deleted"
            return
        del self.people[person.id]
        del self._id_by_mail[person.mail.lower()]
        for session in self.sessions.values():
            session.enrolled.pop(person.id, None)

    # Groups

    @property
    def root(self) -> Group:
        """The group without a parent. It stands for the whole platform."""
        return next(group for group in self.groups.values() if group.parent is None)

    def add_group(
        self, name: str, *, public: bool, parent: str | None, custom: str | None = None, id: str | None = None
    ) -> Group:
        """Create a group. Names need not be unique: an assumption."""
        group = Group(id or self.new_id(), name, public, parent, custom)
        self.groups[group.id] = group
        return group

    def children(self, group: Group) -> list[Group]:
        """Return the groups right below one."""
        return [child for child in self.groups.values() if child.parent == group.id]

    def branch(self, group: Group) -> list[Group]:
        """Return a group and all groups below it."""
        return [group, *(below for child in self.children(group) for below in self.branch(child))]

    def delete_group(self, group: Group) -> None:
        """Delete a group and all groups below it."""
        for doomed in self.branch(group):
            del self.groups[doomed.id]
            for session in self.sessions.values():
                if doomed.id in session.groups:
                    session.groups.remove(doomed.id)

    def groups_of(self, person: Person) -> list[Group]:
        """Return the groups that somebody is a member of."""
        return [group for group in self.groups.values() if person.id in group.members]

    def join(self, person: Person, group_id: str, roles: list[str], *, enroll: bool = True) -> None:
        """Give somebody roles in a group; joining again only adds roles.

        :param enroll: whether this enrolls in the sessions that the group is enrolled in.
        """
        held = self.groups[group_id].members.setdefault(person.id, [])
        held.extend(role for role in roles if role not in held)
        for session in self.sessions.values():
            if enroll and group_id in session.groups and person.state == "active":
                self.enroll(session, person)

    def leave(self, person: Person, group: Group, role: str | None, *, private_subgroups: bool) -> None:
        """Take somebody out of a group and of the groups below, down to the first private ones.

        :param role: take away this role only.
        :param private_subgroups: go on through private groups, too.
        """
        held = group.members.get(person.id, [])
        kept = [each for each in held if role not in (None, each)]
        if kept:
            group.members[person.id] = kept
        else:
            group.members.pop(person.id, None)
        for child in self.children(group):
            if child.public or private_subgroups:
                self.leave(person, child, role, private_subgroups=private_subgroups)

    # Courses, paths and their sessions

    def add_course(self, name: str, *, group: str, author: str, id: str | None = None) -> Course:
        """Create a course."""
        now = self._clock.now()
        course = Course(id or self.new_id(), name, group, author, created_at=now, modified_at=now)
        self.courses[course.id] = course
        return course

    def add_path(self, name: str, *, group: str, author: str, courses: list[str], id: str | None = None) -> Path:
        """Create a path."""
        path = Path(id or self.new_id(), name, group, author, courses, self._clock.now())
        self.paths[path.id] = path
        return path

    def add_session(self, path: str, name: str, owner_group: str, start: float) -> Session:
        """Create a session of a path."""
        session = Session(self.new_id(), path, name, owner_group, start)
        self.sessions[session.id] = session
        return session

    def sessions_of(self, path: Path) -> list[Session]:
        """Return a path's sessions."""
        return [session for session in self.sessions.values() if session.path == path.id]

    def sessions_with(self, course: Course) -> list[Session]:
        """Return the sessions of the paths with a course."""
        return [session for session in self.sessions.values() if course.id in self.paths[session.path].courses]

    def delete_session(self, session: Session) -> None:
        """Delete a session, in catalogs too."""
        del self.sessions[session.id]
        for group in self.groups.values():
            if session.id in group.path_sessions:
                group.path_sessions.remove(session.id)

    def enroll(self, session: Session, person: Person) -> None:
        """Enroll somebody; who is enrolled already stays so since then (assumption)."""
        session.enrolled.setdefault(person.id, self._clock.now())

    def plain(self) -> dict[str, object]:
        """Return all of it as plain JSON; memberships and enrollments as lists of their own."""
        everyone = list(self.people.values())
        return {
            "users": [asdict(person) for person in everyone if person.state != "invited"],
            "invitations": [asdict(person) for person in everyone if person.state == "invited"],
            "groups": [_without(group, "members") for group in self.groups.values()],
            "memberships": [
                {"group": group.id, "user": user, "mail": self.people[user].mail, "roles": roles}
                for group in self.groups.values()
                for user, roles in group.members.items()
            ],
            "courses": [asdict(course) for course in self.courses.values()],
            "paths": [asdict(path) for path in self.paths.values()],
            "sessions": [_without(session, "enrolled") for session in self.sessions.values()],
            "enrollments": [
                {"session": session.id, "user": user, "mail": self.people[user].mail, "since": since}
                for session in self.sessions.values()
                for user, since in session.enrolled.items()
            ],
            **self.external.plain(self.people),
            "mails_sent": self.mails_sent,
        }


def _without(thing: Group | Session, name: str) -> dict[str, object]:
    return {key: value for key, value in asdict(thing).items() if key != name}
