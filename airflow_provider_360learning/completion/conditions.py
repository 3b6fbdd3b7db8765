"""
What a wait asks, and when the answer means that it is over.

A question is asked in the same words by a sensor that pokes and by the trigger, so that they cannot disagree.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from airflow_provider_360learning.api.models.base import parse_argument, parse_choice
from airflow_provider_360learning.api.models.fields import parse_id, parse_timestamp, parse_user, parse_users
from airflow_provider_360learning.exceptions import InvalidRequestError

if TYPE_CHECKING:
    from airflow_provider_360learning.api.types import ActionSteps
    from airflow_provider_360learning.api.v1 import ApiV1

#: Most ids in a verdict: it goes through the metadata database.
MAX_NAMED = 20


@dataclass(frozen=True, slots=True)
class CompletionStatus:
    """
    What an answer means for a wait.

    :param is_complete: The wait is over.
    :param impossible: Why it can never be over, if so.
    :param counts: Small numbers that say how far it is.
    :param pending: Some of those who are still waited for.
    """

    is_complete: bool
    impossible: str | None = None
    counts: Mapping[str, int | float | None] = field(default_factory=dict)
    pending: tuple[str, ...] = ()

    def as_result(self) -> dict[str, Any]:
        """What a finished wait leaves in XCom, and an event carries."""
        return {**self.counts, "pending": list(self.pending[:MAX_NAMED])}


class CompletionCondition(Protocol):
    """Something to ask again and again until the verdict is complete."""

    subject: ClassVar[str]

    def check(self) -> None:
        """
        RowChecker the arguments, before anything is sent.

        :raises InvalidRequestError: naming the one that is wrong.
        """

    def ask(self, api: ApiV1) -> ActionSteps[CompletionStatus]:
        """Make the calls of one poke."""


@dataclass(frozen=True, slots=True)
class CourseCompletion:
    """
    Has a user completed a course since a moment?

    :param course_id: Id of the course.
    :param user: Mail or id.
    :param since: Completions before this moment (ISO 8601, with a zone) do not count.
    :param min_score: Lowest score, 0 to 100, that counts.
    """

    subject: ClassVar[str] = "course"
    course_id: str
    user: str
    since: str | None = None
    min_score: float | str | None = None

    def check(self) -> None:
        """See :meth:`CompletionCondition.check`."""
        parse_argument("course_id", parse_id, self.course_id)
        parse_argument("user", parse_user, self.user)
        if self.since is not None:
            parse_argument("since", parse_timestamp, self.since)
        if self.min_score is not None and not 0 <= _number_or(-1, self.min_score) <= 100:
            raise InvalidRequestError(f"min_score is {self.min_score!r}, but must be a number from 0 to 100")

    def ask(self, api: ApiV1) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.ask`."""
        attempts = yield from api.get_user_course_stats.steps(course_id=self.course_id, user=self.user)
        counting = [attempt for attempt in attempts if self._counts(attempt)]
        progress = max((attempt["progress"] or 0 for attempt in attempts), default=0)
        return CompletionStatus(
            is_complete=bool(counting),
            counts={"attempts": len(attempts), "completed": len(counting), "progress": progress},
            pending=() if counting else (self.user,),
        )

    def _counts(self, attempt: Mapping[str, Any]) -> bool:
        completed_at = attempt["completed_at"]
        if not completed_at:
            return False
        if self.since is not None and parse_timestamp(completed_at) < parse_timestamp(self.since):
            return False
        return self.min_score is None or (attempt["score"] or 0) >= _number_or(0, self.min_score)


@dataclass(frozen=True, slots=True)
class PathSessionCompletion:
    """
    Have enough learners completed a path session?

    Deleted users do not count, and an empty audience is never complete.

    :param session_id: Id of the session.
    :param path_id: Id of the path. v2 requires it.
    :param users: Mails and ids to wait for; by default everybody enrolled.
    :param required: ``all``, ``any``, a number (1, 2, …) or a share (0.8) of them.
    :param status: ``completed`` (however it ended) or ``successful``.
    :param min_enrolled: Fewest enrolled users for the audience to count as complete at all.
    :param if_not_enrolled: What a user of ``users`` means who is not enrolled: ``wait`` (the enrollment may be on
        its way), ``ignore`` (not waited for) or ``fail``.
    :param if_unsuccessful: What a final status of unsuccessful means where ``successful`` is waited for:
        ``wait`` (the learner may take it again) or ``fail`` (never successful).
    """

    subject: ClassVar[str] = "path_session"
    session_id: str
    path_id: str | None = None
    users: tuple[str, ...] | None = None
    required: str | int | float = "all"
    status: str = "completed"
    min_enrolled: int | str = 1
    if_not_enrolled: str = "wait"
    if_unsuccessful: str = "wait"

    @property
    def _min_enrolled(self) -> int:
        return int(self.min_enrolled)

    def check(self) -> None:
        """See :meth:`CompletionCondition.check`."""
        parse_argument("session_id", parse_id, self.session_id)
        parse_argument("status", parse_choice("completed", "successful"), self.status)
        parse_argument("if_not_enrolled", parse_choice("wait", "ignore", "fail"), self.if_not_enrolled)
        parse_argument("if_unsuccessful", parse_choice("wait", "fail"), self.if_unsuccessful)
        if self.users is not None and not parse_argument("users", parse_users, self.users):
            raise InvalidRequestError("users is empty; leave it out to wait for everybody enrolled. Nothing was sent.")
        if self.users is not None and self._needed(len(self.users)) > len(self.users):
            raise InvalidRequestError(f"required is {self.required!r}, but users names {len(self.users)} only")
        self._needed(1)
        if not isinstance(_number(self.min_enrolled), int) or self._min_enrolled < 1:
            raise InvalidRequestError(f"min_enrolled is {self.min_enrolled!r}, but must be a whole number from 1")

    def ask(self, api: ApiV1) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.ask`."""
        rows = yield from api.list_path_session_stats.steps(session_id=self.session_id, path_id=self.path_id)
        return self.judge(rows)

    def judge(self, rows: Sequence[Mapping[str, Any]]) -> CompletionStatus:
        """
        Judge the learners of a session.

        :param rows: As :meth:`ApiV1.list_path_session_stats` has them.
        """
        listed, missing = self._audience(rows)
        done = [row for row in listed if self._is_done(row)]
        lost = [row for row in listed if self._is_lost(row)]
        open_ = [row["mail"] or row["user_id"] for row in listed if not (self._is_done(row) or self._is_lost(row))]
        waited_for = missing if self.if_not_enrolled == "wait" else []
        audience = len(listed) + len(waited_for)
        needed = self._needed(audience)
        enough = len(listed) >= self._min_enrolled if self.users is None else bool(listed)
        impossible = self._impossible(audience - len(lost), needed, missing)
        return CompletionStatus(
            is_complete=not impossible and enough and len(done) >= needed,
            impossible=impossible,
            counts={"enrolled": len(listed), "done": len(done), "needed": needed, "unsuccessful": len(lost)},
            pending=tuple([*open_, *waited_for][:MAX_NAMED]),
        )

    def _audience(self, rows: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[str]]:
        """Split into the learners waited for, and the users given who are not enrolled; the deleted are neither."""
        if self.users is None:
            return [row for row in rows if not row["deleted"]], []
        # The deleted first: who has the mail now wins.
        rows = sorted(rows, key=lambda row: not row["deleted"])
        by_name = {str(name).lower(): row for row in rows for name in (row["user_id"], row["mail"]) if name}
        found = {user: by_name.get(user.lower()) for user in self.users}
        listed = {row["user_id"]: row for row in found.values() if row and not row["deleted"]}
        return list(listed.values()), [user for user, row in found.items() if row is None]

    def _is_done(self, row: Mapping[str, Any]) -> bool:
        if self.status == "successful":
            return bool(row["status"] == "successful")
        return row["completed_at"] is not None

    def _is_lost(self, row: Mapping[str, Any]) -> bool:
        return self.status == "successful" and self.if_unsuccessful == "fail" and bool(row["status"] == "unsuccessful")

    def _needed(self, audience: int) -> int:
        """How many must be done. A share is rounded up."""
        if self.required == "all":
            return audience
        if self.required == "any":
            return 1
        number = _number(self.required)
        if isinstance(number, int) and number >= 1:
            return number
        if isinstance(number, float) and 0 < number <= 1:
            # Rounded before it is rounded up: 0.07 * 100 is a little more than 7 to a computer.
            return max(1, math.ceil(round(number * audience, 9)))
        raise InvalidRequestError(
            f"required is {self.required!r}, but must be 'all', 'any', a whole number from 1, or a share such as 0.8"
        )

    def _impossible(self, reachable: int, needed: int, missing: list[str]) -> str | None:
        if missing and self.if_not_enrolled == "fail":
            return f"{len(missing)} of the users are not enrolled: {', '.join(missing[:MAX_NAMED])}"
        # Without a list of users, more may still be enrolled; only failed learners make it impossible.
        lost_for_good = self.if_unsuccessful == "fail" and self.status == "successful" and reachable < needed
        if lost_for_good and (self.users is not None or self.required == "all"):
            return f"{needed} learners must be successful, and only {reachable} still can"
        if self.users is not None and not missing and reachable < max(1, needed):
            return f"{max(1, needed)} of the users must be done, and only {reachable} are not deleted"
        return None


def _number(value: Any) -> int | float | None:
    """Read a number, also from the text that a template renders to."""
    if isinstance(value, str):
        try:
            return float(value) if "." in value else int(value)
        except ValueError:
            return None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number_or(default: float, value: Any) -> float:
    number = _number(value)
    return default if number is None else number


_QUESTIONS: dict[str, type[Any]] = {kind.subject: kind for kind in (CourseCompletion, PathSessionCompletion)}


def to_dict(question: Any) -> dict[str, Any]:
    """WriteSpec a question for the way through the metadata database."""
    return {"subject": question.subject, **asdict(question)}


def from_dict(values: Mapping[str, Any]) -> CompletionCondition:
    """Read what :func:`to_dict` wrote (lists where there were tuples)."""
    kind = _QUESTIONS[values["subject"]]
    fields = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    del fields["subject"]
    question: CompletionCondition = kind(**fields)
    return question
