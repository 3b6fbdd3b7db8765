"""How far learners are, computed from the enrollment and the clock on each request. Nothing runs in between."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

from airflow_provider_360learning.sandbox.state.model import Attempt, Path, Person, Session
from airflow_provider_360learning.sandbox.state.programs import ProgramSession

ProgressStatus = Literal["not_open", "not_started", "on_time", "late", "successful", "unsuccessful"]

#: This share of a learner's time passes before the first activity.
IDLE_SHARE = 0.25

_SCORES = {True: 90, False: 40}


@dataclass(frozen=True)
class Progress:
    """
    The progress of one learner in one session.

    :param started_at: time of the first activity, possibly in the future.
    :param completed_at: time of completion, possibly in the future.
    """

    session: Session | ProgramSession
    person: Person
    now: float
    started_at: float
    completed_at: float
    successful: bool

    @property
    def started(self) -> bool:
        """Whether there was an activity."""
        return self.now >= self.started_at

    @property
    def completed(self) -> bool:
        """Whether the learner has completed the session, with or without success."""
        return self.now >= self.completed_at

    @property
    def late(self) -> bool:
        """Whether the session has ended before the learner completed it."""
        return not self.completed and self.session.end is not None and self.now > self.session.end

    @property
    def percent(self) -> int:
        """Progress in the path, 0 to 100."""
        return _percent(self.now, self.started_at, self.completed_at)

    @property
    def seconds_spent(self) -> float:
        """Time spent so far."""
        return max(0.0, min(self.now, self.completed_at) - self.started_at)

    @property
    def score(self) -> int | None:
        """Score; ``None`` before completion."""
        return _SCORES[self.successful] if self.completed else None

    @property
    def status(self) -> ProgressStatus:
        """The status of the learner."""
        if self.completed:
            return "successful" if self.successful else "unsuccessful"
        if self.now < self.session.start:
            return "not_open"
        if self.late:
            return "late"
        return "on_time" if self.started else "not_started"

    def attempt(self, path: Path, course: str) -> Attempt | None:
        """
        Return the attempt on one of the path's courses, which are taken one after the other.

        :return: ``None`` if that course has not been started.
        """
        share = (self.completed_at - self.started_at) / len(path.courses)
        started_at = self.started_at + path.courses.index(course) * share
        completed_at = started_at + share
        if self.now < started_at:
            return None
        completed = self.now >= completed_at
        last = min(self.now, completed_at)
        return Attempt(
            id=hashlib.sha256("|".join((self.session.id, self.person.id, course)).encode()).hexdigest()[:24],
            progress=_percent(self.now, started_at, completed_at),
            score=_SCORES[self.successful] if completed else None,
            time_spent_ms=int((last - started_at) * 1000),
            first_activity=started_at,
            last_activity=last,
            completed_at=completed_at if completed else None,
            path=path.id,
            session=self.session.id,
        )


def progress_of(person: Person, session: Session, now: float, *, seconds: float, successful: bool) -> Progress:
    """
    Compute the progress of a learner, whose time starts with the session or the enrollment.

    :param seconds: time from that start to completion.
    :param successful: whether the learner will complete with success.
    """
    former = session.former.get(person.id)
    since = session.enrolled[person.id] if former is None else former.since
    return progress_since(since, person, session, now, seconds=seconds, successful=successful)


def progress_since(
    since: float, person: Person, session: Session | ProgramSession, now: float, *, seconds: float, successful: bool
) -> Progress:
    """
    Compute the progress of a learner (other parameters: see :func:`progress_of`).

    :param since: time of the enrollment.
    """
    # An invited person has not started, and will not before accepting.
    enrolled_at = now if person.status == "invited" else since
    start = max(enrolled_at, session.start)
    return Progress(
        session=session,
        person=person,
        now=now,
        started_at=start + IDLE_SHARE * seconds,
        completed_at=start + seconds,
        successful=successful,
    )


def _percent(now: float, start: float, end: float) -> int:
    return max(0, min(100, int(100 * (now - start) / (end - start))))
