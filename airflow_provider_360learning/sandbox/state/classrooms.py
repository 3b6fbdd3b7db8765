"""Classrooms, their slots, and who is registered and present there. Times are seconds since the epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Literal

from airflow_provider_360learning.sandbox.clock import Clock
from airflow_provider_360learning.sandbox.state.budget import MemoryBudget

#: What the session of a slot is a session of.
SessionKind = Literal["path", "program"]


@dataclass
class Classroom:
    """
    A classroom, whose slots are its dates.

    :param group: id of its group.
    :param media: ids of attached media.
    """

    id: str
    name: str
    group: str
    created_at: float
    modified_at: float
    message: str | None = None
    objective: str | None = None
    media: list[str] = field(default_factory=list)


@dataclass
class Registration:
    """
    A registration of a user for a slot.

    :param attended: ``None`` until the attendance is recorded.
    :param going: what the user has answered; ``None`` until then.
    :param archived_at: when it ended; ``None`` if it has not.
    """

    id: str
    user: str
    created_at: float
    modified_at: float
    attended: bool | None = None
    going: bool | None = None
    answered_at: float = 0
    archived_at: float | None = None

    @property
    def status(self) -> str:
        """``published``, or ``archived`` if it has ended."""
        return "published" if self.archived_at is None else "archived"


@dataclass
class Sheet:
    """An attendance sheet, with the code that learners check in with."""

    id: str
    name: str
    code: str


@dataclass
class Slot:
    """
    A date of a classroom in a session.

    :param session: id of the session.
    :param hours: its duration, as it is reported.
    :param capacity: maximum number of registrations; ``None`` for no maximum, and no waitlist.
    :param register_until: until when learners register themselves; ``None`` if they cannot.
    :param trainers: ids of the trainers.
    :param registrations: by id of the user; a user who registers again has the same one.
    :param waitlist: time of the request by id of the user, in order.
    """

    id: str
    classroom: str
    session: str
    session_kind: SessionKind
    name: str
    start: float
    end: float
    hours: float
    virtual: bool
    location: str
    created_at: float
    modified_at: float
    capacity: int | None = None
    timezone: str | None = None
    register_until: float | None = None
    trainers: list[str] = field(default_factory=list)
    media: list[str] = field(default_factory=list)
    registrations: dict[str, Registration] = field(default_factory=dict)
    waitlist: dict[str, float] = field(default_factory=dict)
    sheets: dict[str, Sheet] = field(default_factory=dict)

    @property
    def current(self) -> list[Registration]:
        """The registrations that have not ended."""
        return [each for each in self.registrations.values() if each.archived_at is None]

    @property
    def is_full(self) -> bool:
        """Whether it has as many registrations as it may."""
        return self.capacity is not None and len(self.current) >= self.capacity


class Classrooms:
    """
    The classrooms of a company.

    :param clock: dates what is created and changed.
    :param budget: bounds its memory.
    :param new_id: returns the next id.
    """

    def __init__(self, clock: Clock, budget: MemoryBudget, new_id: Callable[[], str]) -> None:
        self.classrooms: dict[str, Classroom] = {}
        self.slots: dict[str, Slot] = {}
        self._clock = clock
        self._budget = budget
        self._new_id = new_id

    def add(self, name: str, group: str, *, id: str | None = None) -> Classroom:
        """Create a classroom. Names need not be unique (assumption)."""
        self._budget.take()
        now = self._clock.now()
        classroom = Classroom(id or self._new_id(), name, group, created_at=now, modified_at=now)
        self.classrooms[classroom.id] = classroom
        return classroom

    def add_slot(
        self,
        classroom: str,
        session: str,
        session_kind: SessionKind,
        *,
        name: str,
        start: float,
        end: float,
        hours: float,
        virtual: bool,
        location: str,
    ) -> Slot:
        """Create a slot."""
        self._budget.take()
        now = self._clock.now()
        slot = Slot(
            self._new_id(), classroom, session, session_kind, name, start, end, hours, virtual, location, now, now
        )
        self.slots[slot.id] = slot
        return slot

    def touch(self, item: Classroom | Slot | Registration) -> None:
        """Record that an object was changed."""
        item.modified_at = self._clock.now()

    def slots_of(self, classroom: Classroom) -> list[Slot]:
        """Return the slots of a classroom."""
        return [slot for slot in self.slots.values() if slot.classroom == classroom.id]

    def register(self, slot: Slot, user: str) -> Registration:
        """Register a user, who leaves the waitlist. A registration that has ended is restored without attendance."""
        now = self._clock.now()
        found = slot.registrations.get(user)
        if found is None:
            self._budget.take()
            found = slot.registrations[user] = Registration(self._new_id(), user, now, now)
        elif found.archived_at is not None:
            found.archived_at, found.attended, found.going, found.modified_at = None, None, None, now
        slot.waitlist.pop(user, None)
        return found

    def wait(self, slot: Slot, user: str) -> None:
        """Put a user on the waitlist; a user who is on it keeps the place."""
        self._budget.take()
        slot.waitlist.setdefault(user, self._clock.now())

    def set_attendance(self, registration: Registration, attended: bool) -> None:
        """Record whether a registered user was present."""
        registration.attended = attended
        self.touch(registration)

    def answer(self, registration: Registration, going: bool | None) -> None:
        """Record what a user answers to the invitation; ``None`` removes the answer."""
        registration.going, registration.answered_at = going, self._clock.now()
        self.touch(registration)

    def add_sheet(self, slot: Slot, name: str) -> Sheet:
        """Create an attendance sheet."""
        self._budget.take()
        id = self._new_id()
        sheet = slot.sheets[id] = Sheet(id, name, code=f"{int(id, 16) % 10_000:04}")
        return sheet

    def leave_session(self, session: str, user: str) -> None:
        """End the registrations of a user who is not enrolled in a session any more."""
        for slot in self.slots_in(session):
            registration = slot.registrations.get(user)
            if registration is not None and registration.archived_at is None:
                registration.archived_at = registration.modified_at = self._clock.now()
            slot.waitlist.pop(user, None)

    def forget(self, user: str) -> None:
        """Remove a user without a trace."""
        for slot in self.slots.values():
            slot.registrations.pop(user, None)
            slot.waitlist.pop(user, None)

    def delete_slots_in(self, session: str) -> None:
        """Delete the slots of a session."""
        for slot in list(self.slots_in(session)):
            del self.slots[slot.id]

    def slots_in(self, session: str) -> Iterator[Slot]:
        """Yield the slots of a session."""
        return (slot for slot in self.slots.values() if slot.session == session)

    def as_dict(self) -> dict[str, list[dict[str, object]]]:
        """Return everything as JSON values."""
        return {
            "classrooms": [asdict(classroom) for classroom in self.classrooms.values()],
            "slots": [_slot(slot) for slot in self.slots.values()],
            "registrations": [
                {"slot": slot.id, **asdict(registration), "status": registration.status}
                for slot in self.slots.values()
                for registration in slot.registrations.values()
            ],
        }


def _slot(slot: Slot) -> dict[str, object]:
    """Return a slot; registrations are listed apart from it."""
    fields = {key: value for key, value in asdict(slot).items() if key != "registrations"}
    return {**fields, "waitlist": list(slot.waitlist), "sheets": [asdict(sheet) for sheet in slot.sheets.values()]}
