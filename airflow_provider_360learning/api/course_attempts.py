"""Attempts of all users at all courses, as every version of the API returns them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol, TypeAlias

#: The timestamp of attempts by which an interval selects them.
DateField: TypeAlias = Literal["completed_at", "last_activity_at"]


class Attempt(NamedTuple):
    """One attempt of a user at a course. Timestamps are in UTC: ``2022-05-16T22:00:00.000Z``."""

    attempt_id: str
    user_id: str | None
    #: Not in API v2.
    user_mail: str | None
    course_id: str | None
    path_id: str | None
    session_id: str | None
    #: 0 to 100.
    progress: float | None
    #: 0 to 100.
    score: float | None
    first_activity: str | None
    last_activity: str | None
    completed_at: str | None
    time_spent_seconds: float | None
    #: Not in API v1.
    version_number: float | None
    #: Not in API v1.
    lang: str | None


class UserMail(NamedTuple):
    """The email address of a user, by the id that statistics have."""

    user_id: str
    mail: str | None
    deleted: bool


class AttemptSink(Protocol):
    """Takes attempts part by part; those of a part count when it is accepted."""

    def hold(self, attempt: Attempt) -> None:
        """Hold an attempt of the current part."""

    def discard(self) -> None:
        """Drop the attempts of the current part, which is read again."""

    def accept(self, until: str) -> None:
        """
        Keep the attempts of the current part, which is complete.

        :param until: Timestamp up to which the interval is complete.
        """


@dataclass(frozen=True, slots=True)
class AttemptsSummary:
    """
    Result of reading the attempts of an interval.

    :param highest_timestamp: The latest timestamp by which an attempt was selected; ``None`` without attempts.
    :param incomplete_at: Timestamps at which attempts may be missing; empty if the result is complete.
    :param largest_response: Attempts in the largest response.
    :param likely_cap: Number of attempts at which the server likely cuts responses; ``None`` if none was cut.
    """

    highest_timestamp: str | None
    incomplete_at: Sequence[str]
    largest_response: int
    likely_cap: int | None


class ReadsCourseAttempts(Protocol):
    """The part of an API adapter that reads attempts."""

    @staticmethod
    def check_date_field(date_field: str) -> None:
        """
        Refuse a timestamp by which this version of the API does not select attempts.

        :param date_field: A :data:`DateField`.
        :raises NotAvailableError: if it does not.
        """

    def mails_in_statistics(self) -> Iterator[UserMail]:
        """
        Yield all users, deleted ones included, if statistics and lists have ids of users only.

        Nothing is yielded, and nothing requested, if they have email addresses anyway.
        """
        ...

    def read_course_attempts(
        self,
        *,
        interval_start: datetime,
        interval_end: datetime,
        sink: AttemptSink,
        date_field: DateField = "completed_at",
        allow_incomplete: bool = False,
    ) -> AttemptsSummary:
        """
        Read the attempts of all users at all courses in an interval, completely.

        :param interval_start: The start, which belongs to the interval. With a time zone.
        :param interval_end: The end, which does not.
        :param sink: Takes the attempts.
        :param date_field: The timestamp that selects attempts.
        :param allow_incomplete: Warn where completeness cannot be proven, instead of failing.
        :raises NotAvailableError: see :meth:`check_date_field`.
        :raises IncompleteResponseError: where it cannot be proven.
        """
        ...
