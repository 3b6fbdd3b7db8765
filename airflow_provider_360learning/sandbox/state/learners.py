"""What the learners of a company have done at a given time, for all API versions."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from airflow_provider_360learning.sandbox.state.model import Attempt, Course, Person, Session
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

    def of_course(self, course: Course) -> Iterator[Person]:
        """Yield each person who may have an attempt on a course, once."""
        enrolled = [id for session in self.state.sessions_with(course) for id in session.enrolled]
        for id in dict.fromkeys([*enrolled, *self.state.reported_attempts(course.id)]):
            yield self.state.people[id]

    def attempts(self, course: Course, person: Person) -> list[Attempt]:
        """Return a person's attempts on a course, in paths and as other platforms report them."""
        in_paths = [
            self.progress(session, person).attempt(self.state.paths[session.path], course.id)
            for session in self.state.sessions_with(course)
            if person.id in session.enrolled
        ]
        return [*filter(None, in_paths), *self.state.reported_attempts(course.id).get(person.id, [])]
