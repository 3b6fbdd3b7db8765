"""The users of bulk tasks that a wait is for: a trigger carries them if they are few, otherwise where they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, overload

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import is_local
from airflow_provider_360learning.hooks.rate_limiter import reason_for_several_hosts
from airflow_provider_360learning.rows.users import BulkUsers, read_users

if TYPE_CHECKING:
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.types import ActionSteps

#: Maximum number of users in the arguments of a trigger.
MAX_USERS_IN_TRIGGER = 1000
#: Maximum length of their JSON: the arguments of a trigger are a text column of 64 KiB on MySQL, encrypted, which makes
#: them a third longer.
MAX_LENGTH_IN_TRIGGER = 40_000
_MAXIMUM = f"{MAX_USERS_IN_TRIGGER:,} users and {MAX_LENGTH_IN_TRIGGER:,} characters"
#: Name of the argument of a trigger that stands for the users.
USERS_FROM = "users_from"
#: Deleted users are listed at every so many polls, where statistics do not say who is deleted.
POLLS_PER_LISTING = 10


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
    :param deleted: Ids of the users who were deleted when that was listed last.
    """

    ids: dict[str, str] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()
    _names: dict[str, str] = field(default_factory=dict)
    _polls: int = 0

    def update(self, api: LearningApi, users: Sequence[str]) -> ActionSteps[None]:
        """
        Look up the given users once, and the deleted ones at every tenth poll.

        :param api: The actions of 360Learning.
        :param users: The users that the wait is for; empty if it is for all.
        """
        self._polls += 1
        if self._polls % POLLS_PER_LISTING == 1:
            records = yield from api.list_users.steps(deleted=True)
            self.deleted = frozenset(str(record["user_id"]).lower() for record in records)
            unknown = [user for user in users if user not in self.ids]
            self.ids.update((yield from api.ids_in_statistics(unknown)) if unknown else {})
            by_mail = {str(record["mail"]).lower(): str(record["user_id"]) for record in records}
            for user in unknown:  # an address that finds no user may be that of a deleted one
                if user not in self.ids and user.lower() in by_mail:
                    self.ids[user] = by_mail[user.lower()]
            self._names = {id.lower(): user for user, id in self.ids.items() if "@" in user}

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
