"""How far learners are: computed from the enrollment and the clock whenever somebody asks. Nothing runs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.state import Path, Person, Session

#: This part of ``learner_seconds`` passes before a learner begins.
IDLE_SHARE = 0.25


@dataclass(frozen=True)
class Standing:
    """How far one learner is in one session.

    :param begun_at: moment of the first activity, maybe still to come.
    :param completed_at: moment of completion, maybe still to come.
    """

    session: Session
    person: Person
    now: float
    begun_at: float
    completed_at: float
    successful: bool

    @property
    def begun(self) -> bool:
        """Whether the learner has done anything yet."""
        return self.now >= self.begun_at

    @property
    def completed(self) -> bool:
        """Whether the learner is through, with or without success."""
        return self.now >= self.completed_at

    @property
    def late(self) -> bool:
        """Whether the session is over and the learner is not through."""
        return not self.completed and self.session.end is not None and self.now > self.session.end

    @property
    def progress(self) -> int:
        """Progress in the path, 0 to 100."""
        return _percent(self.now, self.begun_at, self.completed_at)

    @property
    def seconds_spent(self) -> float:
        """Time spent so far."""
        return max(0.0, min(self.now, self.completed_at) - self.begun_at)

    @property
    def score(self) -> int | None:
        """Score, known at the end."""
        if not self.completed:
            return None
        return 90 if self.successful else 40

    def detailed_status(self, settings: Settings) -> str:
        """Return the documented ``detailedStatus.type``."""
        if self.completed:
            return "successful" if self.successful else settings.unsuccessful_word
        if self.now < self.session.start:
            return "sessionNotOpened"
        if self.late:
            return "late"
        return "onTime" if self.begun else "notYetStarted"

    @property
    def status(self) -> str:
        """Return the documented ``status``, which is coarser."""
        if self.completed:
            return "completed"
        return "late" if self.late else "onTime"

    def attempt(self, path: Path, course: str) -> dict[str, object] | None:
        """Return the attempt on one of the path's courses, which are played one after the other."""
        share = (self.completed_at - self.begun_at) / len(path.courses)
        begun_at = self.begun_at + path.courses.index(course) * share
        completed_at = begun_at + share
        if self.now < begun_at:
            return None
        completed = self.now >= completed_at
        last = min(self.now, completed_at)
        attempt: dict[str, object] = {
            "_id": _id(self.session.id, self.person.id, course),
            "progress": _percent(self.now, begun_at, completed_at),
            "firstActivity": iso(begun_at),
            "lastActivity": iso(last),
            "globalTime": int((last - begun_at) * 1000),
            "path": path.id,
            "pathSession": self.session.id,
        }
        if completed:
            attempt |= {"score": 90 if self.successful else 40, "completedAt": iso(completed_at)}
        return attempt


def standing(session: Session, person: Person, now: float, settings: Settings) -> Standing:
    """Work out how far an enrolled learner is. The clock starts once both enrollment and session have."""
    # Who is only invited has not begun, and never will before accepting.
    enrolled_at = now if person.state == "invited" else session.enrolled[person.id]
    start = max(enrolled_at, session.start)
    return Standing(
        session=session,
        person=person,
        now=now,
        begun_at=start + IDLE_SHARE * settings.learner_seconds,
        completed_at=start + settings.learner_seconds,
        successful=person.mail not in settings.unsuccessful_mails,
    )


def _percent(now: float, start: float, end: float) -> int:
    return max(0, min(100, int(100 * (now - start) / (end - start))))


def _id(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]
