"""When enough learners of a path session have a status."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar, TypeAlias, TypedDict, get_args

from pydantic import Field, PlainValidator

from airflow_provider_360learning.api.models.base import parse_choice
from airflow_provider_360learning.api.models.choices import LearnerStatus
from airflow_provider_360learning.api.models.fields import PATH, PATH_ID, SESSION, Id, PathName, SessionName, id_or_name
from airflow_provider_360learning.api.models.parsers import parse_filled_list
from airflow_provider_360learning.completion.condition import CompletionCondition, CompletionStatus
from airflow_provider_360learning.completion.required import AtLeastOne, Required, needed_of

if TYPE_CHECKING:
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.types import ActionSteps


class PathSessionStatusResult(TypedDict):
    """
    Result of a wait for statuses of learners.

    ``enrolled`` is the number of learners, ``done`` the number of learners who have one of the awaited statuses,
    ``needed`` the number of learners who must have one, and ``statuses`` the number of learners by status.
    """

    enrolled: int
    done: int
    needed: int
    statuses: dict[str, int]


#: Statuses of learners.
Statuses: TypeAlias = Annotated[
    Sequence[str], PlainValidator(partial(parse_filled_list, parse_choice(*get_args(LearnerStatus))))
]


class PathSessionStatusCondition(CompletionCondition):
    """Enough learners of a path session have one of some statuses; a session without learners never does."""

    subject: ClassVar[str] = "path_session_statuses"

    session_id: Id = id_or_name("Id of the session.")
    session: SessionName = SESSION
    path_id: Id | None = PATH_ID
    path: PathName = PATH
    statuses: Statuses = Field(
        default=("successful",),
        description="The statuses that count: ``awaitingCorrection``, ``late``, ``notYetStarted``, ``onTime``, "
        "``sessionNotOpened``, ``successful``, ``toRetake`` and ``unsuccessful``.",
    )
    required: Required = Field(
        default="all", description="'all' learners, 'any', a number (1, 2, …) or a share (0.8, rounded up)."
    )
    min_enrolled: AtLeastOne = Field(default=1, description="Minimum number of learners.")

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.poll`."""
        counts = yield from api.get_path_session_statuses.steps(session_id=self.session_id, path_id=self.path_id)
        return self.evaluate(counts["statuses"], counts["enrolled"])

    def evaluate(self, statuses: dict[str, int], enrolled: int) -> CompletionStatus:
        """
        Return the status for the learners of a session.

        :param statuses: Number of learners by status.
        :param enrolled: Number of all learners.
        """
        done = sum(statuses.get(status, 0) for status in self.statuses)
        needed = needed_of(self.required, enrolled)
        result = PathSessionStatusResult(enrolled=enrolled, done=done, needed=needed, statuses=statuses)
        return CompletionStatus(enrolled >= self.min_enrolled and done >= needed, result, self._progress(result))

    def _progress(self, result: PathSessionStatusResult) -> str:
        enrolled, needed = result["enrolled"], result["needed"]
        details = [f"{needed:,} needed"] if needed != enrolled else []
        if enrolled < self.min_enrolled:
            details.append(f"at least {self.min_enrolled:,} must be enrolled")
        text = f"{result['done']:,} of {enrolled:,} {' or '.join(self.statuses)}"
        return f"{text} ({', '.join(details)})" if details else text
