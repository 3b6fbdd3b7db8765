"""Look-ups that API v2 needs because it knows users and path sessions by their ids only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import TypeAlias
from urllib.parse import quote

from airflow_provider_360learning.api.actions import ApiAdapter
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.parsers import is_id, shown
from airflow_provider_360learning.api.pages import all_items, each_page
from airflow_provider_360learning.api.statistics_by_id import DeletedUsers
from airflow_provider_360learning.api.text import counted, listed, listed_ids
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.exceptions import (
    Learning360Error,
    NotFoundError,
    RefusedError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

#: Maximum number of characters of the query of a look-up. No maximum is documented; servers and proxies accept 4 kB at
#: least, together with the rest of the URL.
MAX_QUERY = 3_800
#: Maximum number of users, and of path sessions, whose ids a client keeps: about 20 MB.
MAX_KNOWN = 100_000
#: Minimum number of look-ups instead of which the listing of all users is tried.
MIN_LOOKUPS_FOR_LISTING = 4
#: Maximum number of addresses or ids that an error lists.
MAX_LISTED = 5

#: Users by email address, as it was given, and by id.
Accounts: TypeAlias = "dict[str, dict[str, ResponseObject]]"

#: Codes of errors as API v1 has them.
USER_NOT_FOUND = "user_not_found"
SESSION_NOT_FOUND = "path_session_not_found"


@dataclass(frozen=True, slots=True)
class FoundUsers:
    """
    The result of looking up many users.

    :param ids: Id by email address, as it was given. Ids that were given stand for themselves.
    :param errors: What is wrong with the other addresses: :class:`NotFoundError` or :class:`RefusedError`.
    """

    ids: Mapping[str, str]
    errors: Mapping[str, Learning360Error]


@dataclass(slots=True)
class KnownIds:
    """
    Ids by what they were looked up with; the oldest ones are removed when there are too many.

    Threads share it: each operation on the dictionary is atomic, except for those under the lock.

    :param maximum: Maximum number of ids.
    """

    maximum: int = MAX_KNOWN
    _ids: dict[str, str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, key: str) -> str | None:
        """Return the id, if it is known."""
        return self._ids.get(key)

    def put(self, key: str, id: str) -> None:
        """Remember an id."""
        with self._lock:
            self._ids[key] = id
            if len(self._ids) > self.maximum:
                del self._ids[next(iter(self._ids))]

    def forget(self, key_or_id: str) -> None:
        """Forget an id, and everything that was found to have it."""
        with self._lock:
            id = self._ids.pop(key_or_id, key_or_id)
            for key in [each for each, known in self._ids.items() if known == id]:
                del self._ids[key]


class _EnoughPages(Exception):
    """Ends the reading of a listing before its last page."""


@dataclass(slots=True)
class _Memory:
    """
    What a client remembers of its look-ups.

    :param user_ids: Ids of users by email address, as it was looked up.
    :param path_ids: Ids of paths by id of the session, in lower case.
    :param root_group_id: Id of the root group.
    :param min_pages: Minimum number of pages of the listing of all users.
    """

    user_ids: KnownIds = field(default_factory=KnownIds)
    path_ids: KnownIds = field(default_factory=KnownIds)
    root_group_id: str | None = None
    min_pages: int = 0


class Lookups(ApiAdapter):
    """
    Ids of users by email address, email addresses by id, the path of a session, and the root group.

    What is found is remembered as long as the client lives, except for users whom :meth:`forget_user` names. What is
    not found is looked up again.
    """

    # Users

    def user_id_of(self, user: str) -> ActionSteps[str]:
        """
        Return the id of a user.

        :param user: Email address, or an id, which is returned as it is.
        :raises NotFoundError: if no active or invited user has the address.
        :raises RefusedError: naming the ids, if several have it.
        """
        return (yield from self.user_ids_of([user]))[user]

    def user_ids_of(self, users: Collection[str]) -> ActionSteps[Mapping[str, str]]:
        """
        Return the ids of users, looked up together.

        :param users: Email addresses and ids.
        :return: Id by email address or id, as it was given, and in that order.
        :raises NotFoundError: naming the first addresses that no active or invited user has.
        :raises RefusedError: naming the ids, if several users have an address.
        """
        found = yield from self.find_user_ids(users)
        for error in found.errors.values():
            if not isinstance(error, NotFoundError):
                raise error
        if found.errors:
            raise not_found(found.errors)
        return found.ids

    def ids_in_statistics(self, users: Collection[str]) -> ActionSteps[Mapping[str, str]]:
        """
        See :meth:`~..statistics_by_id.StatisticsById.ids_in_statistics`.

        What is remembered is not used: the client of a triggerer lives for weeks, in which an address can become that
        of another user. Each wait remembers the ids itself.
        """
        ids = {user: user for user in users if is_id(user)}
        found = yield from self._find([user for user in users if user not in ids], _identity)
        deleted = yield from self._find(
            [mail for mail, accounts in found.items() if not accounts], _identity, deleted=True
        )
        for mail, accounts in found.items():
            if len(accounts) > 1:
                raise ambiguous(mail, accounts)
            if accounts := accounts or deleted[mail]:
                ids[mail] = first_string(accounts[-1], "_id")
        return ids

    def deleted_among(self, ids: Collection[str]) -> ActionSteps[DeletedUsers]:
        """See :meth:`~..statistics_by_id.StatisticsById.deleted_among`."""
        deleted: set[str] = set()

        def keep(id: str, item: ResponseObject) -> None:
            if string(item, "status") == "deleted":
                deleted.add(id.lower())

        requests = yield from self._read_users(ids, keep, {"status[eq]": "deleted"})
        return DeletedUsers(frozenset(deleted), requests)

    def find_user_ids(self, users: Collection[str]) -> ActionSteps[FoundUsers]:
        """
        Look up the ids of users, and return the error of each that is not found instead of raising it.

        :param users: Email addresses and ids.
        """
        known = self._memory.user_ids
        ids = {user: user if is_id(user) else known.get(user) for user in users}
        unknown = [user for user, id in ids.items() if id is None]
        accounts = (yield from self._find(unknown, _identity)) if unknown else {}
        errors: dict[str, Learning360Error] = {}
        for mail, found in accounts.items():
            if len(found) == 1:
                ids[mail] = id = first_string(found[0], "_id")
                known.put(mail, id)
            else:
                errors[mail] = ambiguous(mail, found) if found else not_found([mail])
        return FoundUsers({user: id for user, id in ids.items() if id is not None}, errors)

    def find_account(self, mail: str) -> ActionSteps[ResponseObject | None]:
        """
        Return the active or invited user with an email address, as 360Learning has it now.

        If no user has it, it is looked up in lower case as well: whether letter case makes a difference to the server's
        filter is not known.

        :param mail: Email address.
        :raises RefusedError: naming the ids, if several users have it.
        """
        for spelling in dict.fromkeys([mail, mail.lower()]):
            accounts = (yield from self.find_accounts([spelling]))[spelling]
            if len(accounts) > 1:
                raise ambiguous(spelling, accounts)
            if accounts:
                return accounts[0]
        return None

    def deleted_user_id_of(self, mail: str) -> ActionSteps[str]:
        """
        Return the id of the deleted user with an email address.

        :param mail: Email address.
        :raises NotFoundError: if no deleted user has the address.
        :raises RefusedError: naming the ids, if several have it.
        """
        users = (yield from self._find([mail], _identity, deleted=True))[mail]
        if len(users) > 1:
            raise ambiguous(mail, users)
        if not users:
            raise NotFoundError(
                f"No user has the email address {shown(mail)}, not even a deleted one: check the spelling",
                operation="getUsers",
                code=USER_NOT_FOUND,
            )
        return first_string(users[0], "_id")

    def find_accounts(self, mails: Collection[str]) -> ActionSteps[Mapping[str, Sequence[ResponseObject]]]:
        """
        Return the active and invited users with each of several email addresses, as 360Learning has them now.

        Deleted users are left out. Whether letter case makes a difference is left to the server.

        :param mails: Email addresses.
        :return: The users by address, as it was given; an empty list for an address that no user has.
        """
        return (yield from self._find(mails, lambda item: item))

    def _find(
        self, mails: Collection[str], keep: Callable[[ResponseObject], ResponseObject], *, deleted: bool = False
    ) -> ActionSteps[Mapping[str, Sequence[ResponseObject]]]:
        """
        Find users by email address, see :meth:`find_accounts`.

        :param mails: Email addresses.
        :param keep: Returns what to keep of a user. There can be tens of thousands.
        :param deleted: Whether to find deleted users instead.
        """
        found: Accounts = {mail: {} for mail in mails}
        requests = sum(1 for _ in _chunks(found))
        if requests >= MIN_LOOKUPS_FOR_LISTING and not deleted:
            yield from self._find_in_listing(found, keep, requests // 2)
        for chunk in _chunks([mail for mail, users in found.items() if not users]):
            query = {"mail[in]": list(chunk.values()), "status[eq]" if deleted else "status[ne]": "deleted"}
            for item in (yield from all_items(Call("getUsers", query=query))):
                mail = chunk.get((string(item, "mail") or "").lower())
                if mail is not None and (string(item, "status") == "deleted") == deleted:
                    found[mail][first_string(item, "_id")] = keep(item)
        return {mail: _exact(mail, list(users.values())) for mail, users in found.items()}

    def _find_in_listing(
        self, found: Accounts, keep: Callable[[ResponseObject], ResponseObject], max_pages: int
    ) -> ActionSteps[None]:
        """
        Find users in the listing of all, unless it has more pages than that is worth.

        Only exact addresses are found here: whether others are the same is left to the server.

        :param found: The users by address, to be filled.
        :param keep: Returns what to keep of a user.
        :param max_pages: Maximum number of pages to read.
        """
        memory = self._memory
        if memory.min_pages > max_pages:
            return
        accounts: Accounts = {mail: {} for mail in found}
        pages = 0

        def take(items: list[ResponseObject]) -> None:
            nonlocal pages
            pages += 1
            if pages > max_pages:  # another account with one of the addresses may be on a later page
                memory.min_pages = pages
                raise _EnoughPages
            for item in items:
                mail = string(item, "mail")
                if mail in accounts and string(item, "status") != "deleted":
                    accounts[mail][first_string(item, "_id")] = keep(item)

        with suppress(_EnoughPages):
            yield from each_page(Call("getUsers", query={"status[ne]": "deleted"}), take)
            found.update(accounts)

    def mails_of(self, ids: Collection[str]) -> ActionSteps[Mapping[str, str]]:
        """
        Return the email addresses of users, deleted ones included, for exports. Nothing is remembered.

        :param ids: Ids.
        :return: Address by id, as it was given; users without an address, and unknown ones, are missing.
        """
        mails: dict[str, str] = {}

        def keep(id: str, item: ResponseObject) -> None:
            if mail := string(item, "mail"):
                mails[id] = mail

        yield from self._read_users(ids, keep)
        return mails

    def users_of(self, ids: Collection[str]) -> ActionSteps[Mapping[str, ResponseObject]]:
        """
        Return users as 360Learning has them, deleted ones included. Nothing is remembered.

        :param ids: Ids.
        :return: User by id, as it was given; unknown ones are missing.
        """
        users: dict[str, ResponseObject] = {}
        yield from self._read_users(ids, users.__setitem__)
        return users

    def _read_users(
        self,
        ids: Collection[str],
        keep: Callable[[str, ResponseObject], None],
        query: JsonObject | None = None,
    ) -> ActionSteps[int]:
        """
        Read users one by one, or from the listing of all users where that takes fewer requests.

        :param ids: Ids.
        :param keep: Takes an id, as it was given, and its user.
        :param query: Selects the users of the listing.
        :return: Number of requests.
        """
        wanted = {id.lower(): id for id in ids}
        pages = 0

        def take(items: list[ResponseObject]) -> None:
            nonlocal pages
            pages += 1
            for item in items:
                id = wanted.pop((string(item, "_id") or "").lower(), None)
                if id is not None:
                    keep(id, item)
            # A missing user costs one request, and an unknown number of pages are left.
            if pages > len(wanted):
                raise _EnoughPages

        if len(wanted) > 1:
            with suppress(_EnoughPages):
                yield from each_page(Call("getUsers", query=query or {}), take)
                wanted.clear()  # all users were listed
        for id in list(wanted.values()):
            try:
                keep(id, (yield Call("getUser", path={"userId": id})))
            except NotFoundError:
                continue
        return pages + len(wanted)

    def forget_user(self, *users: str) -> None:
        """
        Forget what was looked up about users, because a write may have changed it.

        :param users: Email addresses and ids.
        """
        for user in users:
            self._memory.user_ids.forget(user)

    @cached_property
    def _memory(self) -> _Memory:
        return _Memory()

    # Path sessions and groups

    def path_id_of(self, session_id: str) -> ActionSteps[str]:
        """
        Return the id of the path of a session.

        :param session_id: Id of the session.
        :raises NotFoundError: if the session does not exist.
        """
        known = self._memory.path_ids.get(session_id.lower())
        if known is not None:
            return known
        session = yield from self.session_of(session_id)
        path_id = first_string(session, "pathId")
        self._memory.path_ids.put(session_id.lower(), path_id)
        return path_id

    def path_and_session(self, session_id: str, path_id: str | None) -> ActionSteps[Mapping[str, str]]:
        """
        Return path and session as the segments of an operation.

        :param session_id: Id of the session.
        :param path_id: Id of its path, if it is known.
        :raises NotFoundError: if the path is looked up, and the session does not exist.
        """
        return {"pathId": path_id or (yield from self.path_id_of(session_id)), "sessionId": session_id}

    def session_of(self, session_id: str) -> ActionSteps[ResponseObject]:
        """
        Return a session whose path is not known.

        :param session_id: Id of the session.
        :raises NotFoundError: if the session does not exist.
        """
        items = yield from all_items(Call("getAllPathSessions", query={"sessionId[eq]": session_id}))
        if not items:
            raise NotFoundError(
                f"No path has a session with the id {session_id}: check the id",
                operation="getAllPathSessions",
                code=SESSION_NOT_FOUND,
            )
        paths = {first_string(item, "pathId") for item in items}
        if len(paths) > 1:
            raise UnexpectedResponseError(
                f"360Learning's response cannot be used: {len(paths)} paths have the session {session_id}",
                operation="getAllPathSessions",
            )
        session: ResponseObject = items[0]
        return session

    @property
    def knows_root_group(self) -> bool:
        """Whether the root group was looked up."""
        return self._memory.root_group_id is not None

    def root_group_id(self) -> ActionSteps[str]:
        """
        Return the id of the root group, which has no parent.

        :raises UnexpectedResponseError: if no group, or more than one, has no parent.
        """
        if self._memory.root_group_id is not None:
            return self._memory.root_group_id
        items = yield from all_items(Call("getGroups"))
        roots = [first_string(item, "_id") for item in items if not string(item, "parentId")]
        if len(roots) != 1:
            raise UnexpectedResponseError(
                f"360Learning lists {counted(len(roots), 'group')} without a parent instead of the root group alone: "
                "give group_id",
                operation="getGroups",
            )
        self._memory.root_group_id = roots[0]
        return roots[0]


def not_found(mails: Collection[str]) -> NotFoundError:
    """
    Return the error about email addresses that no user has.

    :param mails: The addresses.
    """
    first = listed([shown(mail) for mail in islice(mails, MAX_LISTED)], MAX_LISTED * 80, total=len(mails))
    return NotFoundError(
        f"No active or invited user has the email address {first}: check the spelling, capital letters included",
        operation="getUsers",
        code=USER_NOT_FOUND,
    )


def without_mail(user: str) -> NotFoundError:
    """
    Return the error about a user without an email address, which an operation needs.

    :param user: Id of the user.
    """
    return NotFoundError(
        f"No user with an email address has the id {shown(user)}: check the id",
        operation="getUsers",
        code=USER_NOT_FOUND,
    )


def ambiguous(mail: str, users: Sequence[ResponseObject]) -> RefusedError:
    """
    Return the error about an email address that several users have.

    :param mail: The address.
    :param users: The users.
    """
    ids = [first_string(user, "_id") for user in users]
    return RefusedError(
        f"{len(ids)} users have the email address {shown(mail)} ({listed_ids(ids)}): give the id of the right one",
        operation="getUsers",
    )


def _identity(item: ResponseObject) -> ResponseObject:
    """Return id and email address of a user."""
    return {"_id": item.get("_id"), "mail": item.get("mail")}


def _exact(mail: str, users: Sequence[ResponseObject]) -> Sequence[ResponseObject]:
    """Return those of several users whose email address has the given letter case, or all if there are none."""
    return [user for user in users if string(user, "mail") == mail] or users


def _chunks(mails: Iterable[str]) -> Iterator[dict[str, str]]:
    """
    Split email addresses so that the query of each look-up has a bounded length.

    Addresses that differ in letter case only are looked up apart: what each response contains shows whether letter case
    makes a difference to the server.

    :return: The addresses by themselves in lower case.
    """
    chunk: dict[str, str] = {}
    length = 0
    postponed: list[str] = []
    for mail in mails:
        if mail.lower() in chunk:
            postponed.append(mail)
            continue
        size = len(f"mail[in][{len(chunk)}]=&") + len(quote(mail, safe=""))
        if chunk and length + size > MAX_QUERY:
            yield chunk
            chunk, length = {}, 0
        chunk[mail.lower()] = mail
        length += size
    if chunk:
        yield chunk
    if postponed:
        yield from _chunks(postponed)
