"""When a user has completed a course."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Annotated, ClassVar, TypedDict

from pydantic import Field, PlainValidator, PrivateAttr

from airflow_provider_360learning.api.models.fields import COURSE, CourseName, Id, Percent, Timestamp, User, id_or_name
from airflow_provider_360learning.api.models.parsers import parse_timestamp
from airflow_provider_360learning.api.text import counted, listed, one_line
from airflow_provider_360learning.completion.condition import (
    MAX_PENDING,
    MAX_PROGRESS,
    CompletionCondition,
    CompletionStatus,
)
from airflow_provider_360learning.completion.users import UsersInStatistics, parse_awaited_users
from airflow_provider_360learning.exceptions import NotFoundError

if TYPE_CHECKING:
    from airflow_provider_360learning.api.course_results import (
        CourseAttempt,
        CourseCompletionRecord,
    )
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.statistics_by_id import StatisticsById
    from airflow_provider_360learning.api.types import ActionSteps

#: Number of users who have not completed the course after which a poll ends: 10 s at the rate limit.
MAX_PENDING_POLLED = 100
#: Maximum number of users per poll: one minute at the rate limit.
MAX_POLLED = 600
#: Completions so long before the latest one are read again, because others may appear later.
OVERLAP = timedelta(hours=1)
#: One of so many polls reads all completions again.
FULL_POLL_INTERVAL = 50


class CourseCompletionResult(TypedDict):
    """
    Result of a wait for a course.

    ``attempts`` is the number of attempts of the user at the course, ``completed`` the number of attempts that count,
    ``progress`` the highest progress of them (0 to 100), and ``pending`` the user, unless the course is completed.
    """

    attempts: int
    completed: int
    progress: float
    pending: list[str]


class CourseCompletionOfUsersResult(TypedDict):
    """
    Result of a wait for a course and the users of bulk tasks.

    ``users`` is the number of users that count (deleted ones do not), ``done`` the number of those who have completed
    the course, as far as they were polled, and ``pending`` contains up to 20 users who have not.
    """

    users: int
    done: int
    pending: list[str]


class CourseCompletion(CompletionCondition):
    """A user has completed a course."""

    subject: ClassVar[str] = "course"

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE
    user: User = Field(description="Email address or id of the user.")
    since: Timestamp | None = Field(default=None, description="Completions before this time do not count.")
    min_score: Percent | None = Field(default=None, description="Minimum score, 0 to 100.")
    #: Id of the user where statistics have ids only, once it was looked up.
    _user_id: str | None = PrivateAttr(default=None)

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.poll`."""
        if api.statistics_by_id is not None and self._user_id is None:
            self._user_id = (yield from api.statistics_by_id.ids_in_statistics([self.user])).get(self.user)
        user = self._user_id or self.user
        attempts = yield from api.get_user_course_stats.steps(course_id=self.course_id, user=user)
        completed = [attempt for attempt in attempts if counts(attempt, self.since, self.min_score)]
        result = CourseCompletionResult(
            attempts=len(attempts),
            completed=len(completed),
            progress=max((attempt["progress"] or 0 for attempt in attempts), default=0),
            pending=[] if completed else [self.user],
        )
        return CompletionStatus(bool(completed), result, self._progress(result))

    def _progress(self, result: CourseCompletionResult) -> str:
        user = one_line(self.user)
        if result["completed"]:
            return f"{user} has completed the course"
        if not result["attempts"]:
            return f"{user} has not started the course"
        return f"{user} is at {result['progress']:g} % of the course ({counted(result['attempts'], 'attempt')})"


class CourseCompletionOfUsers(CompletionCondition):
    """
    All users of bulk tasks have completed a course; deleted users do not count.

    The condition remembers who has completed the course and does not poll these users again. Where 360Learning is asked
    about one user at a time, a poll ends after 100 users who have not, because the condition is not met then, and after
    600 users in all, so that it takes a minute at most; the next poll continues with the others. Where it returns the
    completions of many users, a poll reads those since the last one.
    """

    subject: ClassVar[str] = "course_of_users"

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE
    users: Annotated[Sequence[str], PlainValidator(parse_awaited_users)] = Field(description="The users.")
    since: Timestamp | None = Field(default=None, description="Completions before this time do not count.")
    min_score: Percent | None = Field(default=None, description="Minimum score, 0 to 100.")
    #: Users who need not be polled again.
    _done: set[str] = PrivateAttr(default_factory=set)
    _deleted: set[str] = PrivateAttr(default_factory=set)
    _known: UsersInStatistics = PrivateAttr(default_factory=UsersInStatistics)
    #: The latest completion, and the number of polls, where the completions of all users are read together.
    _latest: datetime | None = PrivateAttr(default=None)
    _polls: int = PrivateAttr(default=0)

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.poll`."""
        if api.statistics_by_id is not None:
            pending = yield from self._poll_together(api.statistics_by_id)
        else:
            pending = yield from self._poll_each(api)
        users = len(self.users) - len(self._deleted)
        result = CourseCompletionOfUsersResult(users=users, done=len(self._done), pending=pending[:MAX_PENDING])
        failure = None if users else "None of the users exists any more"
        is_complete = bool(users) and len(self._done) == users
        return CompletionStatus(is_complete, result, self._progress(result), failure)

    def _unfinished(self) -> Iterator[str]:
        return (user for user in self.users if user not in self._done and user not in self._deleted)

    def _poll_each(self, api: LearningApi) -> ActionSteps[list[str]]:
        """Ask about one user at a time, and return the polled users who have not completed the course."""
        pending: list[str] = []
        for user in islice(self._unfinished(), MAX_POLLED):
            if len(pending) == MAX_PENDING_POLLED:
                break
            try:
                attempts = yield from api.get_user_course_stats.steps(course_id=self.course_id, user=user)
            except NotFoundError as error:
                if error.code != "user_not_found":
                    raise
                self._deleted.add(user)
                continue
            completed = any(counts(attempt, self.since, self.min_score) for attempt in attempts)
            (self._done.add if completed else pending.append)(user)
        return pending

    def _poll_together(self, statistics: StatisticsById) -> ActionSteps[list[str]]:
        """Read the completions since the last poll, and return the users who have not completed the course."""
        yield from self._known.update(statistics, self._unfinished())
        for user in list(self._unfinished()):
            id = self._known.ids.get(user)
            if id is None or self._known.is_deleted(id):
                self._deleted.add(user)
        waiting = {self._known.ids[user].lower() for user in self._unfinished()}
        done = set()
        latest = self._latest

        def take(completion: CourseCompletionRecord) -> None:
            nonlocal latest
            if completion["completed_at"]:
                latest = max(filter(None, [latest, parse_timestamp(completion["completed_at"])]))
            if (id := completion["user_id"].lower()) in waiting and counts(completion, self.since, self.min_score):
                done.add(id)

        yield from statistics.course_completions(self.course_id, list(waiting), self._next_since(), take)
        self._done.update(user for user in self._unfinished() if self._known.ids[user].lower() in done)
        # Only now: after a failure, the next poll reads the same completions.
        self._latest = latest
        self._polls += 1
        return list(self._unfinished())

    def _next_since(self) -> datetime | None:
        """
        Return since when completions are read.

        Assumption: few of them appear later than others that were completed an hour later; every 50th poll finds them.
        """
        if self._latest is None or self._polls % FULL_POLL_INTERVAL == 0:
            return self.since
        return max(filter(None, [self.since, self._latest - OVERLAP]))

    def _progress(self, result: CourseCompletionOfUsersResult) -> str:
        text = f"{result['done']:,} of {result['users']:,} have completed the course"
        remaining = result["users"] - result["done"]
        if not remaining:
            return text
        if not result["pending"]:
            return f"{text}; {remaining:,} not polled yet"
        text += "; waiting for "
        return text + listed(result["pending"], MAX_PROGRESS - len(text), remaining)


def counts(attempt: CourseAttempt | CourseCompletionRecord, since: datetime | None, min_score: float | None) -> bool:
    """
    Return whether an attempt counts as a completion.

    :param attempt: The attempt.
    :param since: Completions before this time do not count.
    :param min_score: Minimum score, 0 to 100.
    """
    if not attempt["completed_at"]:
        return False
    if since is not None and parse_timestamp(attempt["completed_at"]) < since:
        return False
    return min_score is None or (attempt["score"] or 0) >= min_score
