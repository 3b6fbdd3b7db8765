"""The base of all conditions, and the status that they return."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from airflow_provider_360learning.api.models.base import ActionArguments, validate
from airflow_provider_360learning.api.text import MAX_LINE
from airflow_provider_360learning.completion.users import AwaitedUsers
from airflow_provider_360learning.exceptions import Learning360Error

if TYPE_CHECKING:
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.types import ActionSteps

R = TypeVar("R")

#: Maximum number of users in a result, which is stored in the metadata database.
MAX_PENDING = 20
#: Maximum number of characters of the progress, with which log lines begin or end.
MAX_PROGRESS = MAX_LINE - 30


@dataclass(frozen=True, slots=True)
class CompletionStatus:
    """
    The status of a wait after one poll.

    :param is_complete: Whether the condition is met.
    :param result: The progress, which is the result of the sensor once the condition is met. Its keys are those of a
        ``TypedDict`` beside the condition.
    :param progress: How far the wait is, in one line of at most :data:`MAX_PROGRESS` characters.
    :param failure: Why the condition can never be met, if so.
    """

    is_complete: bool
    result: Mapping[str, object]
    progress: str
    failure: str | None = None


class CompletionCondition(ActionArguments):
    """
    A condition that is polled until it is met; its fields are the arguments of a sensor.

    The trigger polls the same condition as the sensor, so that they cannot disagree.
    """

    subject: ClassVar[str]

    @classmethod
    def of(cls, arguments: Mapping[str, object]) -> Self:
        """
        Return the condition with valid arguments.

        :param arguments: The arguments by name.
        :raises InvalidRequestError: naming every invalid one.
        """
        return validate(cls, f"{cls.subject} completion", arguments)

    def arguments(self) -> dict[str, object]:
        """Return the arguments that differ from the defaults, as JSON can express them."""
        return {name: _to_json(value) for name, value in self.given().items()}

    @abstractmethod
    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """
        Return the calls of one poll, and its result.

        :param api: The actions of 360Learning.
        """


def until(deadline: float, steps: ActionSteps[R]) -> ActionSteps[R]:
    """
    Take the steps of an action until a deadline; the one that is in progress then is the last.

    :param deadline: In seconds of :func:`time.monotonic`.
    :param steps: The steps.
    :raises TimeoutError: if there are more.
    """
    outcome: Any = None  # its type depends on the step
    error: Learning360Error | None = None
    while True:
        try:
            step = steps.send(outcome) if error is None else steps.throw(error)
        except StopIteration as end:
            result: R = end.value
            return result
        if time.monotonic() > deadline:
            raise TimeoutError
        outcome = error = None
        try:
            outcome = yield step
        except Learning360Error as raised:
            error = raised


def _to_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple | AwaitedUsers) else value
