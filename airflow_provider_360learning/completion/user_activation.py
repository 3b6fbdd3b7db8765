"""When users are active."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Annotated, ClassVar, TypedDict

from pydantic import Field, PlainValidator, PrivateAttr

from airflow_provider_360learning.api.text import listed
from airflow_provider_360learning.completion.condition import (
    MAX_PENDING,
    MAX_PROGRESS,
    CompletionCondition,
    CompletionStatus,
)
from airflow_provider_360learning.completion.users import parse_awaited_users

if TYPE_CHECKING:
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.types import ActionSteps

#: Number of users that are asked about together: 10 s at the rate limit where each takes a request.
USERS_PER_LOOKUP = 100


class UserActivationResult(TypedDict):
    """
    Result of a wait for active users.

    ``users`` is their number, ``done`` the number of active ones, as far as they were polled, and ``pending``
    contains up to 20 users who are not.
    """

    users: int
    done: int
    pending: list[str]


class UserActivation(CompletionCondition):
    """
    All users are active: they have accepted their invitation, or their account was created as an active one.

    The condition remembers who is active and does not poll these users again. A poll ends after 100 users some of whom
    are not, because the condition is not met then.
    """

    subject: ClassVar[str] = "user_activation"

    users: Annotated[Sequence[str], PlainValidator(parse_awaited_users)] = Field(
        description="Email addresses and ids of the users."
    )
    #: Users who need not be polled again.
    _active: set[str] = PrivateAttr(default_factory=set)

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.poll`."""
        unfinished = self._unfinished()
        pending: list[str] = []
        while not pending and (batch := list(islice(unfinished, USERS_PER_LOOKUP))):
            active = yield from api.active_among(batch)
            self._active.update(active)
            pending = [user for user in batch if user not in active]
        result = UserActivationResult(users=len(self.users), done=len(self._active), pending=pending[:MAX_PENDING])
        return CompletionStatus(not pending, result, self._progress(result))

    def _unfinished(self) -> Iterator[str]:
        return (user for user in self.users if user not in self._active)

    def _progress(self, result: UserActivationResult) -> str:
        text = f"{result['done']:,} of {result['users']:,} active"
        if not result["pending"]:
            return text
        text += "; waiting for "
        return text + listed(result["pending"], MAX_PROGRESS - len(text), result["users"] - result["done"])
