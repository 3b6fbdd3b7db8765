"""The state of the company, and every change that an API can make to it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping

from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.state.budget import OBJECT_BYTES, MemoryBudget, memory_of
from airflow_provider_360learning.sandbox.state.classrooms import Classrooms
from airflow_provider_360learning.sandbox.state.external_contents import ExternalContents
from airflow_provider_360learning.sandbox.state.external_ids import ExternalIds
from airflow_provider_360learning.sandbox.state.jobs import BulkJobs
from airflow_provider_360learning.sandbox.state.links import Links
from airflow_provider_360learning.sandbox.state.model import (
    AudienceMode,
    Certificate,
    CertificateOutline,
    Course,
    CourseStatus,
    CustomField,
    FormerEnrollment,
    Group,
    LearningNeed,
    MailKind,
    Path,
    PathStep,
    Person,
    PersonStatus,
    Profile,
    Project,
    Role,
    SentMail,
    Session,
)
from airflow_provider_360learning.sandbox.state.programs import Programs
from airflow_provider_360learning.sandbox.state.skills import Skills
from airflow_provider_360learning.sandbox.state.tags import Tag, Tags
from airflow_provider_360learning.sandbox.state.webhooks import Webhooks

#: What has values of custom fields.
HasCustomValues = Person | Course | Session


class State:
    """
    Everything that exists in the company.

    :param clock: dates what is created.
    :param budget: bounds its memory.
    """

    def __init__(self, clock: Clock, budget: MemoryBudget) -> None:
        self.budget = budget
        self.people: dict[str, Person] = {}
        self.groups: dict[str, Group] = {}
        self.courses: dict[str, Course] = {}
        self.paths: dict[str, Path] = {}
        self.sessions: dict[str, Session] = {}
        self.custom_fields: dict[str, CustomField] = {}
        self.certificates: dict[str, Certificate] = {}
        self.certificate_outlines: dict[str, CertificateOutline] = {}
        self.skills = Skills(budget)
        self.webhooks = Webhooks(self.new_id, clock, budget)
        self.jobs = BulkJobs(clock, budget, self.webhooks.record)
        self.tags = Tags(budget)
        self.links = Links(budget)
        self.external_ids = ExternalIds(self.new_id, budget)
        self.learning_needs: dict[str, LearningNeed] = {}
        self.projects: dict[str, Project] = {}
        #: Id of the owner of the platform, who has this role in the root group.
        self.owner: str | None = None
        self.mails_sent: list[SentMail] = []
        self._clock = clock
        self._ids = 0
        self.classrooms = Classrooms(clock, budget, self.new_id)
        self.programs = Programs(clock, budget, self.new_id)
        self.external = ExternalContents(clock, budget, self.new_id, self.add_course)
        self._id_by_mail: dict[str, str] = {}
        #: When invitations expire, by the id of the person; others do not.
        self._invited_until: dict[str, float] = {}

    def new_id(self) -> str:
        """Return the next id. Every run gets the same ids, and none can be derived from another."""
        self._ids += 1
        return hashlib.sha256(f"360learning sandbox {self._ids}".encode()).hexdigest()[:24]

    def advance(self) -> None:
        """Do what is due by now: work of bulk jobs, and the end of invitations."""
        self.jobs.advance()
        now = self._clock.now()
        for id, until in list(self._invited_until.items()):
            if until <= now:
                del self._invited_until[id]
                person = self.people.get(id)
                if person is not None and person.status == "invited":
                    self.delete_person(person, keep_invitations=bool(person.deleted_at))

    def expire_invitation(self, person: Person, *, at: float) -> None:
        """Let an invitation expire at a time, unless it is accepted before."""
        self._invited_until[person.id] = at

    # People. Email addresses are compared without regard to case (assumption).

    def find(self, mail_or_id: str) -> Person | None:
        """Return the active, invited or deleted person with this email address or id."""
        return self.people.get(self._id_by_mail.get(mail_or_id.lower(), mail_or_id))

    def add_person(
        self, mail: str, profile: Profile, *, status: PersonStatus = "active", id: str | None = None
    ) -> Person:
        """Create a person, or restore the deleted one with this email address under the same id."""
        person = self.find(mail)
        if person is None:
            self.budget.take()
            person = Person(id or self.new_id(), mail)
            self.people[person.id] = person
            self._id_by_mail[mail.lower()] = person.id
        elif person.status == "deleted":
            person.reactivated_at.append(self._clock.now())
        was_deleted = person.status == "deleted"
        self._invited_until.pop(person.id, None)
        person.status = status
        person.profile.update(profile)
        if was_deleted:
            self._record_user("user.reactivated", person, reactivatedAt=self._clock.now())
        elif status == "invited":
            self._record_user("user.invited", person, invitedAt=self._clock.now())
        else:
            self._record_user("user.created", person, createdAt=self._clock.now())
        return person

    def touch_user(self, person: Person) -> None:
        """Record that fields of a user were changed."""
        self._record_user("user.updated", person, updatedAt=self._clock.now())

    def _record_user(self, event_type: str, person: Person, **times: float) -> None:
        profile = person.profile
        self.webhooks.record(
            event_type,
            userId=person.id,
            mail=person.mail,
            firstName=profile.get("first_name"),
            lastName=profile.get("last_name"),
            **times,
        )

    def accept(self, person: Person) -> None:
        """
        Turn an invitation into an account. Learning starts now, also where a group was enrolled before.

        A restored account keeps its statistics.
        """
        person.status = "active"
        if not person.reactivated_at:
            self._record_user("user.activated", person, firstActivatedAt=self._clock.now())
        for session in self.sessions.values():
            if person.id in session.enrolled or self._is_in_group(session, person):
                self.enroll(session, person)
                if not any(session.enrolled[person.id] < time for time in person.reactivated_at):
                    session.enrolled[person.id] = self._clock.now()

    def log_in(self, person: Person) -> None:
        """Record a login."""
        person.last_login_at = self._clock.now()

    def change_mail(self, person: Person, mail: str) -> None:
        """Change a person's email address."""
        del self._id_by_mail[person.mail.lower()]
        for course in self.courses.values():
            if course.author == person.mail:
                course.author = mail
        person.mail = mail
        self._id_by_mail[mail.lower()] = person.id

    def delete_person(self, person: Person, *, keep_invitations: bool = False) -> None:
        """
        Delete an account softly, or an invitation without a trace.

        :param keep_invitations: whether an invitation is an account, which is deleted softly, too; that of a deleted
            user always is.
        """
        for group in self.groups.values():
            group.members.pop(person.id, None)
        if person.status == "active" or keep_invitations or person.reactivated_at:
            person.status = "deleted"
            person.deleted_at.append(self._clock.now())
            self._record_user("user.deleted", person, deletedAt=self._clock.now())
            return
        del self.people[person.id]
        del self._id_by_mail[person.mail.lower()]
        self.classrooms.forget(person.id)
        self.programs.forget(person.id)
        self.external_ids.remove_all(person.id)
        for subordinate in self.people.values():
            if person.id in subordinate.managers:
                subordinate.managers.remove(person.id)
        for session in self.sessions.values():
            for ids in (session.users, session.excluded, session.enrolled, session.self_enrolled, session.former):
                ids.pop(person.id, None)

    def managers_of(self, person: Person) -> list[Person]:
        """Return the managers of a person, without deleted ones (assumption)."""
        return [manager for id in person.managers if (manager := self.people[id]).status != "deleted"]

    def subordinates_of(self, manager: Person) -> list[Person]:
        """Return the people whose manager a person is, without deleted ones (assumption)."""
        return [each for each in self.people.values() if manager.id in each.managers and each.status != "deleted"]

    def pseudonymize(self, person: Person) -> None:
        """Replace names and email address of a person, and remove the other details; the id stays."""
        pseudonym = f"pseudonym{self.new_id()}"
        self.change_mail(person, pseudonym)
        person.profile = {"first_name": pseudonym, "last_name": pseudonym}

    def has_image(self, id: str) -> bool:
        """Return whether a user or a group has an image with an id."""
        of_users = (person.profile.get("image") for person in self.people.values())
        return id in of_users or any(id in group.details.values() for group in self.groups.values())

    def put_certificate(self, certificate: Certificate) -> None:
        """Add a certificate, or replace the one with its id."""
        self.budget.take()
        self.certificates[certificate.id] = certificate

    def put_certificate_outline(self, outline: CertificateOutline) -> None:
        """Add an outline of certificates, or replace the one with its id."""
        self.budget.take(OBJECT_BYTES + memory_of(outline.texts))
        self.certificate_outlines[outline.id] = outline

    def put_custom_field(self, field: CustomField) -> None:
        """Add a custom field, or replace the one with its id."""
        self.budget.take(OBJECT_BYTES + memory_of(list(field.authorized_values)))
        self.custom_fields[field.id] = field

    def delete_custom_field(self, field: CustomField) -> None:
        """Delete a custom field with all of its values."""
        del self.custom_fields[field.id]
        for target, values in self._values_of(field):
            self.set_custom_values(target, {id: value for id, value in values.items() if id != field.id})

    def custom_values(self, target: HasCustomValues) -> Mapping[str, object]:
        """Return the values of custom fields that something has, by id of the field."""
        return target.profile.get("custom_fields", {}) if isinstance(target, Person) else target.custom_fields

    def set_custom_values(self, target: HasCustomValues, values: dict[str, object]) -> None:
        """Replace the values of custom fields that something has."""
        self.budget.take(memory_of(values))
        if isinstance(target, Person):
            target.profile["custom_fields"] = values
        else:
            target.custom_fields = values

    def values_in_use(self, field: CustomField) -> set[str]:
        """Return all values that a custom field has anywhere."""
        return {str(values[field.id]) for _, values in self._values_of(field)}

    def _values_of(self, field: CustomField) -> Iterator[tuple[HasCustomValues, Mapping[str, object]]]:
        """Yield everything that has a value of a custom field, with all of its values."""
        targets: list[HasCustomValues] = [*self.people.values(), *self.courses.values(), *self.sessions.values()]
        for target in targets:
            values = self.custom_values(target)
            if field.id in values:
                yield target, values

    def send_mail(self, to: str, kind: MailKind) -> None:
        """Record an email."""
        self.budget.take()
        self.mails_sent.append(SentMail(to, kind))

    # Groups

    @property
    def root(self) -> Group:
        """The group without a parent, which stands for the whole platform."""
        return next(group for group in self.groups.values() if group.parent is None)

    def add_group(
        self, name: str, *, public: bool, parent: str | None, custom: str | None = None, id: str | None = None
    ) -> Group:
        """Create a group. Names need not be unique (assumption)."""
        self.budget.take()
        group = Group(id or self.new_id(), name, public, parent, custom)
        self.groups[group.id] = group
        self.webhooks.record("group.created", groupId=group.id, name=name, createdAt=self._clock.now())
        return group

    def touch_group(self, group: Group) -> None:
        """Record that fields of a group were changed."""
        self.webhooks.record(
            "group.updated",
            groupId=group.id,
            name=group.name,
            public=group.public,
            parentId=group.parent,
            custom=group.custom,
            updatedAt=self._clock.now(),
        )

    def children(self, group: Group) -> list[Group]:
        """Return the groups directly below a group."""
        return [child for child in self.groups.values() if child.parent == group.id]

    def branch(self, group: Group) -> list[Group]:
        """Return a group and all groups below it."""
        return [group, *(below for child in self.children(group) for below in self.branch(child))]

    def delete_group(self, group: Group) -> None:
        """Delete a group and all groups below it."""
        for deleted in self.branch(group):
            del self.groups[deleted.id]
            self.programs.forget(deleted.id)
            now = self._clock.now()
            self.webhooks.record("group.deleted", groupId=deleted.id, name=deleted.name, deletedAt=now)
            for session in self.sessions.values():
                if deleted.id in session.groups:
                    session.groups.remove(deleted.id)
                    for id in deleted.members:
                        self._follow_departure(session, self.people[id])

    def groups_of(self, person: Person) -> list[Group]:
        """Return the groups that a person is a member of."""
        return [group for group in self.groups.values() if person.id in group.members]

    def join(
        self, person: Person, group_id: str, roles: list[Role], *, enroll: bool = True, above: bool = False
    ) -> None:
        """
        Add roles of a person in a group; roles held before stay.

        :param enroll: whether the person is enrolled in the sessions that the group is enrolled in.
        :param above: whether a learner of a public group joins the groups above, up to and including the first private
            one.
        """
        group = self.groups[group_id]
        if above and "learner" in roles and group.public and group.parent is not None:
            self.join(person, group.parent, ["learner"], enroll=enroll, above=True)
        members = group.members
        if person.id not in members:
            self.budget.take()
        held = members.setdefault(person.id, [])
        held.extend(role for role in roles if role not in held)
        for session in self.sessions.values():
            grows = enroll and session.mode in ("dynamic", "dynamic_enrollment")
            if grows and group_id in session.groups and person.status == "active" and person.id not in session.excluded:
                self.enroll(session, person)

    def leave(
        self, person: Person, group: Group, role: Role | None, *, private_subgroups: bool, subgroups: bool = True
    ) -> None:
        """
        Remove a person from a group and from the groups below it.

        :param role: remove this role only.
        :param private_subgroups: whether private groups below, and the groups below those, are left, too.
        :param subgroups: whether groups below are left at all.
        """
        held = group.members.get(person.id, [])
        kept = [each for each in held if role not in (None, each)]
        if kept:
            group.members[person.id] = kept
        else:
            group.members.pop(person.id, None)
            for session in self.sessions.values():
                if group.id in session.groups:
                    self._follow_departure(session, person)
        for child in self.children(group) if subgroups else ():
            if child.public or private_subgroups:
                self.leave(person, child, role, private_subgroups=private_subgroups)

    # Courses, paths and their sessions

    def add_course(
        self, name: str, *, group: str, author: str, status: CourseStatus = "published", id: str | None = None
    ) -> Course:
        """Create a course."""
        self.budget.take()
        now = self._clock.now()
        course = Course(id or self.new_id(), name, group, author, created_at=now, modified_at=now, status=status)
        self.courses[course.id] = course
        return course

    def delete_tag(self, tag: Tag) -> None:
        """Delete a tag, also from courses and paths."""
        del self.tags[tag.id]
        contents: list[Course | Path] = [*self.courses.values(), *self.paths.values()]
        for content in contents:
            content.tags = [each for each in content.tags if each != tag.id]

    def add_path(self, name: str, *, group: str, author: str, courses: list[str], id: str | None = None) -> Path:
        """Create a path."""
        self.budget.take()
        now = self._clock.now()
        steps = [PathStep("course", course) for course in courses]
        path = Path(id or self.new_id(), name, group, author, steps, created_at=now, modified_at=now)
        self.paths[path.id] = path
        self.webhooks.record("path.created", pathId=path.id, createdAt=now)
        return path

    def archive_path(self, path: Path, archived: bool) -> None:
        """Archive a path, or restore it."""
        now = self._clock.now()
        if archived and not path.archived:
            self.webhooks.record("path.archived", pathId=path.id, name=path.name, archivedAt=now)
        path.archived, path.modified_at = archived, now

    def delete_path(self, path: Path) -> None:
        """Delete a path with its sessions, also from libraries (assumption)."""
        for session in self.sessions_of(path):
            if session.id in self.sessions:  # else it was a part of one that was deleted before
                self.delete_session(session)
        for group in self.groups.values():
            if path.id in group.library_paths:
                group.library_paths.remove(path.id)
        del self.paths[path.id]
        self.webhooks.record("path.deleted", pathId=path.id, name=path.name, deletedAt=self._clock.now())

    def paths_with(self, kind: str, id: str) -> list[Path]:
        """Return the paths that have a step."""
        return [path for path in self.paths.values() if any((kind, id) == (each.kind, each.id) for each in path.steps)]

    def add_session(self, path: str, name: str, owner_group: str, start: float, *, id: str | None = None) -> Session:
        """Create a session of a path."""
        self.budget.take()
        now = self._clock.now()
        session = Session(id or self.new_id(), path, name, owner_group, start, created_at=now, modified_at=now)
        self.sessions[session.id] = session
        self.webhooks.record("path.session.added", pathId=path, sessionId=session.id, name=name, createdAt=now)
        return session

    def touch(self, item: Path | Session) -> None:
        """Record that a path or a session was changed."""
        item.modified_at = self._clock.now()

    def sessions_of(self, path: Path) -> list[Session]:
        """Return the sessions of a path."""
        return [session for session in self.sessions.values() if session.path == path.id]

    def sessions_with(self, course: Course) -> list[Session]:
        """Return the sessions of the paths that contain a course."""
        return [session for session in self.sessions.values() if course.id in self.paths[session.path].courses]

    def delete_session(self, session: Session) -> None:
        """Delete a session with its slots of classrooms and the sessions that are parts of it, also from catalogs."""
        del self.sessions[session.id]
        self.classrooms.delete_slots_in(session.id)
        head = {"pathId": session.path, "sessionId": session.id, "name": session.name}
        self.webhooks.record("path.session.removed", **head, deletedAt=self._clock.now())
        for child in [each for each in self.sessions.values() if each.root == session.id]:
            self.delete_session(child)
        for group in self.groups.values():
            if session.id in group.path_sessions:
                group.path_sessions.remove(session.id)

    # Audiences and enrollments

    def enroll(self, session: Session, person: Person, *, by_self: bool = False) -> None:
        """
        Enroll a person. An enrollment that exists keeps its time (assumption).

        :param by_self: whether the person enrolls without being in the audience.
        """
        if person.id in session.enrolled:
            return
        self.budget.take()
        session.enrolled[person.id] = self._clock.now()
        session.former.pop(person.id, None)
        if by_self:
            session.self_enrolled[person.id] = None

    def end_enrollment(self, session: Session, person: Person) -> None:
        """End an enrollment, if there is one, and the registrations for slots of the session."""
        self.classrooms.leave_session(session.id, person.id)
        since = session.enrolled.pop(person.id, None)
        if since is not None:
            by_self = person.id in session.self_enrolled
            session.self_enrolled.pop(person.id, None)
            session.former[person.id] = FormerEnrollment(since, self._clock.now(), by_self)

    def add_users(self, session: Session, people: Iterable[Person]) -> None:
        """Add users to an audience."""
        for person in people:
            session.users[person.id] = None
            session.excluded.pop(person.id, None)
            self.enroll(session, person)

    def add_group_to_audience(self, session: Session, group: Group, people: Iterable[Person]) -> None:
        """
        Add a group to an audience.

        :param people: its members who are enrolled.
        """
        if group.id not in session.groups:
            session.groups.append(group.id)
        for person in people:
            session.excluded.pop(person.id, None)
            self.enroll(session, person)

    def remove_group_from_audience(self, session: Session, group: Group) -> None:
        """Remove a group from an audience; its members are unenrolled unless they are in the audience otherwise."""
        if group.id in session.groups:
            session.groups.remove(group.id)
            for person in map(self.people.__getitem__, group.members):
                if not self._is_in_audience(session, person):
                    self.end_enrollment(session, person)

    def remove_user(self, session: Session, person: Person) -> None:
        """Remove a person from an audience, in which other members of the same groups stay."""
        session.users.pop(person.id, None)
        if self._is_in_group(session, person):
            session.excluded[person.id] = None
        self.end_enrollment(session, person)

    def replace_audience(
        self,
        session: Session,
        users: Iterable[str],
        groups: Iterable[str],
        excluded: Iterable[str],
        mode: AudienceMode,
    ) -> None:
        """
        Replace an audience; who is not in the new one is unenrolled, apart from self-enrolled learners.

        Invited members of groups are enrolled when they accept.

        :param users: ids of its users.
        :param groups: ids of its groups.
        :param excluded: ids of the excluded learners.
        :param mode: how it follows changes of the groups.
        """
        session.users, session.excluded = dict.fromkeys(users), dict.fromkeys(excluded)
        session.groups, session.mode = list(dict.fromkeys(groups)), mode
        members = [
            id for each in session.groups for id in self.groups[each].members if self.people[id].status == "active"
        ]
        audience = dict.fromkeys(id for id in (*session.users, *members) if id not in session.excluded)
        for id in audience:
            self.enroll(session, self.people[id])
        for id in [id for id in session.enrolled if id not in audience and id not in session.self_enrolled]:
            self.end_enrollment(session, self.people[id])
        self.touch(session)

    def _is_in_group(self, session: Session, person: Person) -> bool:
        """Return whether a person is in an audience as a member of a group."""
        is_member = any(person.id in self.groups[each].members for each in session.groups)
        return is_member and person.id not in session.excluded

    def _is_in_audience(self, session: Session, person: Person) -> bool:
        """Return whether a person is in an audience, or has enrolled without being in it."""
        return person.id in session.users or person.id in session.self_enrolled or self._is_in_group(session, person)

    def _follow_departure(self, session: Session, person: Person) -> None:
        """Unenroll a person who has left a group of an audience, if the audience follows."""
        if session.mode in ("dynamic", "dynamic_unenrollment") and not self._is_in_audience(session, person):
            self.end_enrollment(session, person)

    def complete(self, size: int) -> None:
        """
        Complete a state whose attributes were set from a file.

        :param size: size of the file in bytes.
        """
        self.jobs.interrupt()
        self.budget.restart(size)
