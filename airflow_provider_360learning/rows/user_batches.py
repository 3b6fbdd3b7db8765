"""Apply an action that takes a list of users to any number of users, in batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    RefusedError,
)
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.progress_log import INTERVAL, duration
from airflow_provider_360learning.rows.users import BulkUsers

log = get_logger(__name__)

R = TypeVar("R")

#: Users per request. Assumption: the API accepts as many. No maximum is documented; a body of 500 email addresses has
#: about 20 KB.
USERS_PER_REQUEST = 500
#: Number of refused users after which no further batch is sent: the reason is not about single users.
MAX_REFUSED = 100
#: Maximum number of refused users in an error.
MAX_NAMED = 10
#: Beginnings of error codes that are about the session, path or slot, which all users share.
_COMMON_ERRORS = (
    *("session", "path", "childPath", "tokenBasedPath", "unsupportedAudience", "invalidAudience"),
    *("classroom", "slot"),
)


class UserBatches(Generic[R]):
    """
    Sends the users of bulk tasks, in batches, one after the other.

    A batch that is refused is sent again in halves, to find the users that it is refused for; the others are done.
    Assumption: a refused request has done nothing. A retry sends all batches again, which changes nothing for users who
    are done: 100,000 users are 200 requests, or 40 seconds at 5 requests per second.

    :param send: Applies the action to a list of users.
    :param users: The users.
    :param size: Maximum number of users of a batch.
    :param clock: Returns seconds of a monotonic clock.
    """

    def __init__(
        self,
        send: Callable[[Sequence[str]], R],
        users: BulkUsers,
        *,
        size: int = USERS_PER_REQUEST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._users = users
        self._size = size
        self._clock = clock
        self._refused: dict[str, Learning360Error] = {}
        self._result: R | None = None

    def send_all(self) -> R:
        """
        Send all batches and return the result of the last one.

        :raises RefusedError: at the end, if users were refused; some of them are named.
        :raises ValueError: if there are no users.
        """
        total, sent = len(self._users), 0
        started = logged_at = self._clock()
        for batch in self._users.batches(self._size):
            self._send_or_halve(batch)
            sent += len(batch)
            if self._clock() - logged_at >= INTERVAL:
                logged_at = self._clock()
                remaining = duration((total - sent) * (logged_at - started) / sent)
                log.info(
                    "users=%s/%s (%.0f %%) remaining=%s refused=%s",
                    f"{sent:,}",
                    f"{total:,}",
                    100 * sent / total,
                    remaining,
                    len(self._refused),
                )
        if self._refused:
            raise self._error(f"{total - len(self._refused):,} of {total:,} users are done")
        if self._result is None:
            raise ValueError("there are no users")
        return self._result

    def _send_or_halve(self, users: Sequence[str]) -> None:
        try:
            self._result = self._send(users)
        except (InvalidRequestError, NotFoundError, RefusedError) as error:
            # Without a status, an argument is invalid and nothing was sent, or a user was looked up and not found.
            is_about_arguments = error.status is None and isinstance(error, InvalidRequestError)
            if is_about_arguments or (error.code or "").startswith(_COMMON_ERRORS):
                raise
            if len(users) == 1:
                self._refuse(users[0], error)
                return
            half = len(users) // 2
            for each in (users[:half], users[half:]):
                self._send_or_halve(each)

    def _refuse(self, user: str, error: Learning360Error) -> None:
        self._refused[user] = error
        if len(self._refused) > MAX_REFUSED:
            raise self._error(f"More than {MAX_REFUSED} users are refused, so that no more are sent") from error

    def _error(self, summary: str) -> RefusedError:
        named = [f"{user} ({_reason(error)})" for user, error in list(self._refused.items())[:MAX_NAMED]]
        if len(self._refused) > MAX_NAMED:
            named.append(f"and {len(self._refused) - MAX_NAMED} more")
        return RefusedError(
            f"{summary}. 360Learning refuses {len(self._refused)}: {', '.join(named)}. Were they deleted, or have they "
            "not accepted their invitation yet? Clear the bulk task, which looks at them again, and then this task."
        )


def _reason(error: Learning360Error) -> str:
    return error.code or str(error.args[0])
