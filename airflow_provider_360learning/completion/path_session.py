"""When enough learners have completed a path session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, TypedDict

from pydantic import Field, PrivateAttr

from airflow_provider_360learning.api.models.base import Problem
from airflow_provider_360learning.api.models.fields import PATH, PATH_ID, SESSION, Id, PathName, SessionName, id_or_name
from airflow_provider_360learning.api.text import listed
from airflow_provider_360learning.completion.condition import (
    MAX_PENDING,
    MAX_PROGRESS,
    CompletionCondition,
    CompletionStatus,
)
from airflow_provider_360learning.completion.required import AtLeastOne, Required, WaitedUsers, needed_of
from airflow_provider_360learning.completion.users import UsersInStatistics

if TYPE_CHECKING:
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.path_results import PathSessionStatistic
    from airflow_provider_360learning.api.types import ActionSteps


class PathSessionCompletionResult(TypedDict):
    """
    Result of a wait for a path session.

    ``enrolled`` is the number of learners that count: enrolled and not deleted, and in ``users`` if that is given.
    ``done`` of them have completed the session, ``needed`` must have, and ``unsuccessful`` can no longer succeed (with
    ``if_unsuccessful="fail"``, else 0). ``pending`` contains up to 20 users who are not done.
    """

    enrolled: int
    done: int
    needed: int
    unsuccessful: int
    pending: list[str]


class PathSessionCompletion(CompletionCondition):
    """Enough learners have completed a path session; deleted users do not count, and an empty audience never does."""

    subject: ClassVar[str] = "path_session"

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    path_id: Id | None = PATH_ID
    path: PathName = PATH
    users: WaitedUsers | None = Field(
        default=None, description="Email addresses and ids to wait for; by default all enrolled users."
    )
    required: Required = Field(
        default="all", description="'all' of them, 'any', a number (1, 2, …) or a share (0.8, rounded up)."
    )
    status: Literal["completed", "successful"] = Field(
        default="completed", description="'completed' (successful or not) or 'successful'."
    )
    min_enrolled: AtLeastOne = Field(default=1, description="Minimum number of enrolled users, if users is not given.")
    if_not_enrolled: Literal["wait", "ignore", "fail"] = Field(
        default="wait", description="What to do about users who are not enrolled: 'wait', 'ignore' or 'fail'."
    )
    if_unsuccessful: Literal["wait", "fail"] = Field(
        default="wait",
        description="What to do about a final status of unsuccessful with status='successful': 'wait' (the learner may "
        "retake the path) or 'fail' (as soon as too few can still succeed).",
    )

    _known: UsersInStatistics = PrivateAttr(default_factory=UsersInStatistics)

    def conflicts(self) -> Iterator[Problem]:
        """See :meth:`ActionArguments.conflicts`."""
        if self.users is not None and needed_of(self.required, len(self.users)) > len(self.users):
            yield Problem("required", f"required is {self.required!r}, but users contains only {len(self.users)}")

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.poll`."""
        rows = yield from api.list_path_session_stats.steps(session_id=self.session_id, path_id=self.path_id)
        if api.statistics_by_id is not None and rows:
            learners = [row["user_id"] for row in rows if row["user_id"]] if self.users is None else ()
            yield from self._known.update(api.statistics_by_id, self.users or (), learners)
            rows = [self._completed(row) for row in rows]
        return self.evaluate(rows)

    def _completed(self, row: PathSessionStatistic) -> PathSessionStatistic:
        """Return a row with what is known of its user."""
        user_id = row["user_id"]
        return {**row, "mail": row["mail"] or self._known.mail_of(user_id), "deleted": self._known.is_deleted(user_id)}

    def evaluate(self, rows: Sequence[PathSessionStatistic]) -> CompletionStatus:
        """
        Return the status for the learners of a session.

        :param rows: Result of ``list_path_session_stats``.
        """
        enrolled, missing = self._audience(rows)
        done = [row for row in enrolled if self._is_done(row)]
        lost = [row for row in enrolled if self._is_lost(row)]
        pending = [_name(row) for row in enrolled if not (self._is_done(row) or self._is_lost(row))]
        awaited = missing if self.if_not_enrolled == "wait" else []
        audience = len(enrolled) + len(awaited)
        needed = needed_of(self.required, audience)
        result = PathSessionCompletionResult(
            enrolled=len(enrolled),
            done=len(done),
            needed=needed,
            unsuccessful=len(lost),
            pending=[*pending, *awaited][:MAX_PENDING],
        )
        failure = self._failure(audience - len(lost), needed, missing)
        is_complete = not failure and self._is_large_enough(len(enrolled)) and len(done) >= needed
        waiting_for = 0 if is_complete else len(pending) + len(awaited)
        return CompletionStatus(is_complete, result, self._progress(result, len(awaited), waiting_for), failure)

    def _progress(self, result: PathSessionCompletionResult, not_enrolled: int, waiting_for: int) -> str:
        """Return how many are done, and as many of the users who are not as fit."""
        audience = result["enrolled"] + not_enrolled
        text = f"{result['done']:,} of {audience:,} {self.status}"
        if details := ", ".join(self._details(result, audience, not_enrolled)):
            text += f" ({details})"
        if not waiting_for:
            return text
        text += "; waiting for "
        return text + listed(result["pending"], MAX_PROGRESS - len(text), waiting_for)

    def _details(self, result: PathSessionCompletionResult, audience: int, not_enrolled: int) -> Iterator[str]:
        """Return the numbers that are not as expected."""
        if result["needed"] != audience:
            yield f"{result['needed']:,} needed"
        if not_enrolled:
            yield f"{not_enrolled:,} not enrolled yet"
        if result["unsuccessful"]:
            yield f"{result['unsuccessful']:,} unsuccessful"
        if self.users is None and result["enrolled"] < self.min_enrolled:
            yield f"at least {self.min_enrolled:,} must be enrolled"

    def _audience(self, rows: Sequence[PathSessionStatistic]) -> tuple[list[PathSessionStatistic], list[str]]:
        """Return the learners that count, and the given users who are not enrolled; deleted users are in neither."""
        if self.users is None:
            return [row for row in rows if not row["deleted"]], []
        # Deleted users first: the current holder of an email address replaces an earlier one.
        ordered = sorted(rows, key=lambda row: not row["deleted"])
        by_name = {str(name).lower(): row for row in ordered for name in (row["user_id"], row["mail"]) if name}
        found = {user: by_name.get(user.lower()) for user in self.users}
        enrolled = {row["user_id"]: row for row in found.values() if row and not row["deleted"]}
        return list(enrolled.values()), [user for user, row in found.items() if row is None]

    def _is_done(self, row: PathSessionStatistic) -> bool:
        return row["status"] == "successful" if self.status == "successful" else row["completed_at"] is not None

    def _is_lost(self, row: PathSessionStatistic) -> bool:
        return self.status == "successful" and self.if_unsuccessful == "fail" and row["status"] == "unsuccessful"

    def _is_large_enough(self, enrolled: int) -> bool:
        return enrolled >= (self.min_enrolled if self.users is None else 1)

    def _failure(self, reachable: int, needed: int, missing: Sequence[str]) -> str | None:
        """Return why the condition can never be met, if so."""
        if missing and self.if_not_enrolled == "fail":
            return f"{len(missing)} of the users are not enrolled: {listed(missing, MAX_PROGRESS - 40)}"
        # Without a list of users, more may still enroll: then only learners who are lost for "all" are final.
        loses = self.if_unsuccessful == "fail" and self.status == "successful" and reachable < needed
        if loses and (self.users is not None or self.required == "all"):
            return f"{needed} learners must be successful, but only {reachable} still can"
        if self.users is not None and not missing and reachable < max(1, needed):
            return f"{max(1, needed)} of the users must be done, but only {reachable} are not deleted"
        return None


def _name(row: PathSessionStatistic) -> str:
    return row["mail"] or row["user_id"] or ""
