"""What the learners of a company have done at a given time, for all API versions."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from airflow_provider_360learning.sandbox.state.model import Attempt, Certificate, Course, Person, Session
from airflow_provider_360learning.sandbox.state.progress import Progress, progress_of
from airflow_provider_360learning.sandbox.state.state import State


@dataclass(frozen=True)
class Learners:
    """
    The learners of a company at one time.

    :param state: the company.
    :param now: the time, in seconds since the epoch.
    :param seconds: time from the enrollment of a learner to completion.
    :param unsuccessful_mails: email addresses of learners who complete without success.
    """

    state: State
    now: float
    seconds: float
    unsuccessful_mails: Collection[str]

    def progress(self, session: Session, person: Person) -> Progress:
        """Return the progress of a learner; that of an enrollment that has ended is as it was then."""
        successful = person.mail not in self.unsuccessful_mails
        former = session.former.get(person.id)
        now = self.now if former is None else min(self.now, former.until)
        return progress_of(person, session, now, seconds=self.seconds, successful=successful)

    def completed_at(self, session: Session, person: Person) -> float | None:
        """Return when a learner has completed a session, if so, as :meth:`progress` does, for many learners."""
        former = session.former.get(person.id)
        since = session.enrolled[person.id] if former is None else former.since
        time = max(since, session.start) + self.seconds
        now = self.now if former is None else min(self.now, former.until)
        return time if time <= now and person.status != "invited" else None

    def certificate(self, session: Session, person: Person) -> Certificate | None:
        """Return the certificate of a learner who has completed a session with success, if its path delivers one."""
        outline = self.state.certificate_outlines.get(self.state.paths[session.path].certificate or "")
        if outline is None or not (person.id in session.enrolled or person.id in session.former):
            return None
        progress = self.progress(session, person)
        if progress.status != "successful":
            return None
        id = hashlib.sha256(f"certificate|{session.id}|{person.id}".encode()).hexdigest()[:24]
        delivered_at = progress.completed_at
        delivered = Certificate(
            id, person.id, outline.title, delivered_at, outline.expiration(delivered_at), outline.id, session.id
        )
        return self.state.certificates.get(id, delivered)

    def certificates_of(self, person: Person) -> list[Certificate]:
        """Return the certificates of a person, imported or delivered by paths."""
        delivered = (self.certificate(session, person) for session in self.state.sessions.values())
        stored = [each for each in self.state.certificates.values() if each.user == person.id]
        return list({each.id: each for each in (*filter(None, delivered), *stored)}.values())

    def of_course(self, course: Course) -> Iterator[Person]:
        """Yield each person who may have an attempt on a course, once."""
        enrolled = [id for session in self.state.sessions_with(course) for id in session.enrolled]
        for id in dict.fromkeys([*enrolled, *self.state.external.reported_attempts(course.id)]):
            yield self.state.people[id]

    def attempts(self, course: Course, person: Person) -> list[Attempt]:
        """Return a person's attempts on a course, in paths and as other platforms report them."""
        in_paths = [
            self.progress(session, person).attempt(self.state.paths[session.path], course.id)
            for session in self.state.sessions_with(course)
            if person.id in session.enrolled
        ]
        return [*filter(None, in_paths), *self.state.external.reported_attempts(course.id).get(person.id, [])]
