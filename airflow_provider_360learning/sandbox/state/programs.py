"""Programs, which paths have replaced: templates and their sessions. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.state.budget import MemoryBudget
from airflow_provider_360learning.sandbox.state.model import Group


@dataclass(frozen=True)
class ProgramElement:
    """
    An element of a program.

    :param kind: ``course``, ``classroom``, ``webinar`` or ``email``.
    """

    kind: str
    id: str
    title: str


@dataclass(frozen=True)
class ProgramTemplate:
    """
    A program that sessions are created from.

    :param author: email address of its author.
    """

    id: str
    name: str
    author: str
    elements: tuple[ProgramElement, ...]
    description: str = ""
    custom: str = ""


@dataclass
class ProgramSession:
    """
    A session of a program.

    :param author: email address of its author.
    :param tutors: email addresses.
    :param user_limit: maximum number of learners who register themselves.
    :param dates: dates of its classrooms, webinars and emails, as they were given, by kind.
    :param custom_fields: stored as they were given.
    :param users: time of the assignment by id of the user.
    :param groups: the same by id of the group.
    :param unblocked: ids of the users whose SCORM courses were unblocked.
    """

    id: str
    template: str
    author: str
    modified_at: float
    name: str = ""
    start: float = 0.0
    end: float | None = None
    tutors: list[str] = field(default_factory=list)
    user_limit: int | None = None
    custom: str = ""
    reminders: bool = False
    dates: dict[str, list[object]] = field(default_factory=dict)
    custom_fields: list[object] = field(default_factory=list)
    users: dict[str, float] = field(default_factory=dict)
    groups: dict[str, float] = field(default_factory=dict)
    unblocked: list[str] = field(default_factory=list)


class Programs:
    """
    The programs of a company.

    :param clock: dates what is created and changed.
    :param budget: bounds its memory.
    :param new_id: returns a new id.
    """

    def __init__(self, clock: Clock, budget: MemoryBudget, new_id: Callable[[], str]) -> None:
        self._clock = clock
        self._budget = budget
        self._new_id = new_id
        self.templates: dict[str, ProgramTemplate] = {}
        self.sessions: dict[str, ProgramSession] = {}

    def add_template(self, template: ProgramTemplate) -> None:
        """Add a template."""
        self._budget.take()
        self.templates[template.id] = template

    def add_session(self, template: ProgramTemplate) -> ProgramSession:
        """Create a session of a template."""
        self._budget.take()
        session = ProgramSession(self._new_id(), template.id, template.author, self._clock.now())
        self.sessions[session.id] = session
        return session

    def touch(self, session: ProgramSession) -> None:
        """Record that a session was changed."""
        session.modified_at = self._clock.now()

    def assign(self, assigned: dict[str, float], id: str) -> None:
        """Assign a user or a group; one that is assigned keeps its time (assumption)."""
        if id not in assigned:
            self._budget.take()
            assigned[id] = self._clock.now()

    def learners(self, session: ProgramSession, groups: Mapping[str, Group]) -> dict[str, float]:
        """
        Return since when each user is assigned, alone or as a member of a group, by id.

        :param groups: the groups of the company.
        """
        found = dict(session.users)
        for group, since in session.groups.items():
            for member in groups[group].members:
                found.setdefault(member, since)
        return found

    def sessions_of(self, user: str, groups: Mapping[str, Group]) -> Iterator[ProgramSession]:
        """Yield the sessions that a user is assigned to (parameters: see :meth:`learners`)."""
        for session in self.sessions.values():
            if user in self.learners(session, groups):
                yield session

    def forget(self, id: str) -> None:
        """Remove a user or a group that no longer exists."""
        for session in self.sessions.values():
            session.users.pop(id, None)
            session.groups.pop(id, None)

    def as_dict(self) -> dict[str, list[dict[str, object]]]:
        """Return everything as JSON values."""
        return {
            "program_templates": [asdict(template) for template in self.templates.values()],
            "program_sessions": [asdict(session) for session in self.sessions.values()],
        }
