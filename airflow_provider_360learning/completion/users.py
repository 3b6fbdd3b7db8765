"""The users of bulk tasks that a wait is for: a trigger carries them if they are few, otherwise where they are."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

from airflow_provider_360learning.api.models.parsers import parse_filled_list, parse_user
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import is_local
from airflow_provider_360learning.hooks.rate_limiter import reason_for_several_hosts
from airflow_provider_360learning.rows.users import BulkUsers, read_users

if TYPE_CHECKING:
    from airflow_provider_360learning.api.statistics_by_id import StatisticsById
    from airflow_provider_360learning.api.types import ActionSteps

#: Maximum number of users in the arguments of a trigger.
MAX_USERS_IN_TRIGGER = 1000
#: Maximum length of their JSON: the arguments of a trigger are a text column of 64 KiB on MySQL, encrypted, which makes
#: them a third longer.
MAX_LENGTH_IN_TRIGGER = 40_000
_MAXIMUM = f"{MAX_USERS_IN_TRIGGER:,} users and {MAX_LENGTH_IN_TRIGGER:,} characters"
#: Name of the argument of a trigger that stands for the users.
USERS_FROM = "users_from"
#: Number of polls after which users are looked up again, where statistics have their ids only.
POLLS_PER_LOOKUP = 10


class AwaitedUsers(Sequence[str]):
    """
    The users that a wait is for, in memory: as many entries are in the statistics that it polls.

    :param users: The users.
    """

    def __init__(self, users: BulkUsers) -> None:
        self._users = tuple(users)
        self._results = users.results
        self._include_invited = users.include_invited
        #: Number of people who have not accepted their invitation.
        self.pending_invitations = users.pending_invitations
        #: Why there are no users, if so.
        self.reason_for_none = users.reason_for_none()

    def __len__(self) -> int:
        return len(self._users)

    def __iter__(self) -> Iterator[str]:
        return iter(self._users)

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self._users[index]

    def source(self) -> dict[str, object]:
        """
        Return what a trigger reads the users from: the arguments of :func:`read_awaited_users`.

        :raises InvalidRequestError: if the triggerer may not see the files, or if they are too many.
        """
        problem = f"users_from has {len(self):,} users, and a trigger carries at most {_MAXIMUM}"
        for path in (result.results_path for result in self._results):
            if is_local(path) and (reason := reason_for_several_hosts()):
                raise InvalidRequestError(
                    f"{problem}, so that it has to read {path}, a file of this host, which the triggerer may not see: "
                    f"{reason}. Use a results_path in an object store, or deferrable=False.",
                    argument=USERS_FROM,
                )
        results = [result.to_dict() for result in self._results]
        if len(json.dumps(results)) > MAX_LENGTH_IN_TRIGGER:
            raise InvalidRequestError(
                f"{problem}, so that it has to carry the paths of {len(results):,} results, which are too long. Use "
                "one bulk task instead of mapped ones, or deferrable=False.",
                argument=USERS_FROM,
            )
        return {USERS_FROM: results, "include_invited": self._include_invited}


@dataclass(slots=True)
class UsersInStatistics:
    """
    Who the users of statistics are that have ids only. A condition keeps it, so that few polls have to look it up.

    :param ids: Id by email address or id, as it was given, once it was looked up.
    :param deleted: Ids, in lower case, of the users who were deleted when that was looked up last.
    """

    ids: dict[str, str] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
    _names: dict[str, str] = field(default_factory=dict)
    _polls_until_lookup: int = 0

    def update(
        self, statistics: StatisticsById, users: Iterable[str], learners: Iterable[str] = ()
    ) -> ActionSteps[None]:
        """
        Look up the ids of users once, and which users are deleted at the first poll and every tenth.

        If that takes more than ten requests, as many polls pass until it is done again. After a failure, the next poll
        does it.

        :param statistics: The statistics.
        :param users: Email addresses and ids of users.
        :param learners: Ids of other users.
        """
        if self._polls_until_lookup:
            self._polls_until_lookup -= 1
            return
        users = list(users)
        unknown = [user for user in users if user not in self.ids]
        if unknown:
            self.ids.update((yield from statistics.ids_in_statistics(unknown)))
            self._names = {id.lower(): user for user, id in self.ids.items() if "@" in user}
        ids = {self.ids[user] for user in users if user in self.ids}
        found = yield from statistics.deleted_among(ids.union(learners))
        self.deleted = found.ids
        self._polls_until_lookup = max(POLLS_PER_LOOKUP, found.requests) - 1

    def mail_of(self, user_id: str | None) -> str | None:
        """
        Return the email address of a user, if the wait was given it.

        :param user_id: Its id.
        """
        return self._names.get((user_id or "").lower())

    def is_deleted(self, user_id: str | None) -> bool:
        """
        Return whether a user is deleted.

        :param user_id: Its id.
        """
        return (user_id or "").lower() in self.deleted


def read_awaited_users(users_from: object, include_invited: object) -> AwaitedUsers:
    """
    Read the users of bulk tasks. Blocks.

    :param users_from: The argument of a sensor: results of bulk tasks.
    :param include_invited: The argument of a sensor.
    :raises InvalidRequestError: if an argument is invalid.
    :raises StoredStateError: if the results cannot be read.
    """
    with read_users(users_from, include_invited) as users:
        return AwaitedUsers(users)


def parse_awaited_users(value: object) -> Sequence[str]:
    """
    Read the users of bulk tasks, or a list of users that a trigger carries.

    :raises PydanticCustomError: if a user is invalid, or there is none.
    """
    return value if isinstance(value, AwaitedUsers) else parse_filled_list(parse_user, value)


def trigger_arguments(arguments: Mapping[str, object], users: AwaitedUsers | None) -> dict[str, object]:
    """
    Return the arguments of a condition for a trigger, which its column in the database can hold.

    :param arguments: The arguments of the condition, as JSON can express them.
    :param users: Its users, if they come from bulk tasks.
    :raises InvalidRequestError: if it cannot hold them.
    """
    given = arguments.get("users")
    if not isinstance(given, list):
        return dict(arguments)
    if len(given) <= MAX_USERS_IN_TRIGGER and len(json.dumps(given)) <= MAX_LENGTH_IN_TRIGGER:
        return dict(arguments)
    if users is None:
        raise InvalidRequestError(
            f"users contains {len(given):,} users, and a trigger carries at most {_MAXIMUM}. Pass the result "
            "of the bulk task that created them with users_from, leave users out to wait for all enrolled users, or "
            "use deferrable=False.",
            argument="users",
        )
    return {name: value for name, value in arguments.items() if name != "users"} | users.source()
