"""When the attendance of a classroom slot is recorded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar, TypedDict

from pydantic import Field, PrivateAttr

from airflow_provider_360learning.api.models.base import Problem
from airflow_provider_360learning.api.models.fields import Id
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
    from airflow_provider_360learning.api.classroom_results import SlotRegistration
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.types import ActionSteps


class SlotAttendanceResult(TypedDict):
    """
    Result of a wait for the attendance of a slot.

    ``registered`` is the number of users that count: registered and not deleted, and in ``users`` if that is given. The
    attendance of ``recorded`` of them is recorded, ``needed`` must be, and ``present`` of them were present.
    ``pending`` contains up to 20 users whose attendance is not recorded.
    """

    registered: int
    recorded: int
    present: int
    needed: int
    pending: list[str]


class SlotAttendance(CompletionCondition):
    """The attendance of enough users is recorded; deleted users do not count, and a slot without users never does."""

    subject: ClassVar[str] = "slot_attendance"

    slot_id: Id = Field(description="Id of the slot.")
    users: WaitedUsers | None = Field(
        default=None,
        description="Email addresses and ids to wait for, registered already or not; by default all registered users.",
    )
    required: Required = Field(
        default="all", description="'all' of them, 'any', a number (1, 2, …) or a share (0.8, rounded up)."
    )
    min_registered: AtLeastOne = Field(
        default=1, description="Minimum number of registered users, if users is not given."
    )

    _known: UsersInStatistics = PrivateAttr(default_factory=UsersInStatistics)

    def conflicts(self) -> Iterator[Problem]:
        """See :meth:`ActionArguments.conflicts`."""
        if self.users is not None and needed_of(self.required, len(self.users)) > len(self.users):
            yield Problem("required", f"required is {self.required!r}, but users contains only {len(self.users)}")

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.poll`."""
        registrations = yield from api.list_registrations.steps(slot_id=self.slot_id)
        current = {each["user_id"].lower(): each for each in registrations if each["status"] != "archived"}
        if api.statistics_by_id is not None and (current or self.users):
            yield from self._known.update(api.statistics_by_id, self.users or (), current if self.users is None else ())
        return self._evaluate(current)

    def _evaluate(self, current: Mapping[str, SlotRegistration]) -> CompletionStatus:
        """Return the status for the registrations that have not ended, by id of the user in lower case."""
        awaited = list(self._awaited(current))
        registered = [each for _, each in awaited if each is not None]
        recorded = [each for each in registered if each["attended"] is not None]
        pending = [user for user, each in awaited if each is None or each["attended"] is None]
        needed = needed_of(self.required, len(awaited))
        result = SlotAttendanceResult(
            registered=len(registered),
            recorded=len(recorded),
            present=sum(each["attended"] is True for each in recorded),
            needed=needed,
            pending=pending[:MAX_PENDING],
        )
        is_large_enough = len(registered) >= (self.min_registered if self.users is None else 1)
        failure = None if awaited or self.users is None else "None of the users exists any more"
        is_complete = failure is None and is_large_enough and len(recorded) >= needed
        waiting_for = 0 if is_complete else len(pending)
        return CompletionStatus(is_complete, result, self._progress(result, len(awaited), waiting_for), failure)

    def _awaited(self, current: Mapping[str, SlotRegistration]) -> Iterator[tuple[str, SlotRegistration | None]]:
        """Yield the users that count, as they were given, with their registrations; deleted ones do not count."""
        ids = {user: user for user in current} if self.users is None else self._ids_of(self.users)
        for id, user in ids.items():
            if not self._known.is_deleted(id):
                yield user, current.get(id)

    def _ids_of(self, users: Sequence[str]) -> Mapping[str, str]:
        """Return users by id in lower case, so that each counts once; a user who does not exist is not registered."""
        return {self._known.ids.get(user, user).lower(): user for user in users}

    def _progress(self, result: SlotAttendanceResult, awaited: int, waiting_for: int) -> str:
        """Return how many are recorded, and as many of the users who are not as fit."""
        text = f"Attendance of {result['recorded']:,} of {awaited:,} recorded"
        if details := ", ".join(self._details(result, awaited)):
            text += f" ({details})"
        if not waiting_for:
            return text
        text += "; waiting for "
        return text + listed(result["pending"], MAX_PROGRESS - len(text), waiting_for)

    def _details(self, result: SlotAttendanceResult, awaited: int) -> Iterator[str]:
        """Yield the numbers that are not as expected."""
        if result["needed"] != awaited:
            yield f"{result['needed']:,} needed"
        if missing := awaited - result["registered"]:
            yield f"{missing:,} not registered yet"
        if self.users is None and result["registered"] < self.min_registered:
            yield f"at least {self.min_registered:,} must be registered"
