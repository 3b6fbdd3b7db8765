"""
The audience of a path session, which API v2 can only replace as a whole.

A change is read, merge, replace and read back. No version check protects the replacement: two tasks that do it at the
same time would lose one of the changes. Therefore a lock in the shared store of the rate limiter serializes them per
session. Without such a store, what another task has overwritten is found when the audience is read back, and repeated.
A write without a response may be applied later: the lock is held until then.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from airflow_provider_360learning.api.actions import exclusively
from airflow_provider_360learning.api.fields import boolean, first_string, objects, string, strings
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.api.timestamps import read_timestamp, write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject, Sleep
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    ServerError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

R = TypeVar("R")

#: Types of filters of an audience, and the maximum number of ids in each.
USERS, GROUPS, EXCLUDED = "users", "groups", "excludedLearners"
MAX_IDS: Mapping[str, int] = {USERS: 20_000, GROUPS: 5_000, EXCLUDED: 20_000}

#: Maximum number of times that a change is written, because another task overwrites it or its outcome is unknown.
MAX_WRITES = 8
#: Seconds after which a change is read back where no lock keeps other tasks from overwriting it: within this time, a
#: task that has read the audience before writes it.
SETTLE_SECONDS = 3.0
#: Status of a response of a gateway that did not wait for 360Learning. Other responses show that the work has ended.
GATEWAY_ERRORS = (502, 504)


@dataclass(frozen=True, slots=True)
class Audience:
    """
    Who a session is for: users and the members of groups, apart from excluded learners. Sets of ids in lower case.

    :param mode: How it follows changes of the groups: kept as it is.
    """

    users: frozenset[str]
    groups: frozenset[str]
    excluded: frozenset[str]
    mode: str

    @classmethod
    def of(cls, item: ResponseObject) -> Audience:
        """
        Read an audience.

        :param item: The object of the response.
        :raises UnexpectedResponseError: for a filter of another type, which replacing the audience would remove.
        """
        ids: dict[str, set[str]] = {kind: set() for kind in MAX_IDS}
        for each in objects(item, "filters"):
            kind = first_string(each, "type")
            if kind not in ids:
                raise UnexpectedResponseError(
                    f"360Learning's response cannot be used: the audience has a filter of the type {kind!r:.200}",
                    operation="getSessionAudience",
                )
            ids[kind] |= _lowered(strings(each, "ids"))
        users, groups, excluded = (frozenset(ids[kind]) for kind in MAX_IDS)
        return cls(users, groups, excluded, first_string(item, "mode"))

    def with_users(self, ids: Iterable[str]) -> Audience:
        """Return the audience with more users, who are no longer excluded."""
        added = _lowered(ids)
        return replace(self, users=self.users | added, excluded=self.excluded - added)

    def with_groups(self, ids: Iterable[str]) -> Audience:
        """Return the audience with more groups. Learners who were excluded one by one stay excluded."""
        return replace(self, groups=self.groups | _lowered(ids))

    def without_groups(self, ids: Iterable[str]) -> Audience:
        """Return the audience without some groups. Learners who are excluded stay excluded."""
        return replace(self, groups=self.groups - _lowered(ids))

    def without_users(self, ids: Iterable[str], excluded: Collection[str]) -> Audience:
        """
        Return the audience without some users.

        :param ids: The users.
        :param excluded: Those of them who are to be excluded, because they are members of a group.
        """
        return replace(self, users=self.users - _lowered(ids), excluded=self.excluded | _lowered(excluded))

    def without(self, ids: frozenset[str]) -> Audience:
        """Return the audience without users and groups that no longer exist."""
        return replace(self, users=self.users - ids, groups=self.groups - ids, excluded=self.excluded - ids)

    @property
    def ids(self) -> frozenset[str]:
        """All users and groups, excluded ones included."""
        return self.users | self.groups | self.excluded

    def body(self) -> JsonObject:
        """
        Return the body that replaces the audience by this one. Filters without ids are left out.

        :raises InvalidRequestError: if it is larger than API v2 allows.
        """
        filters = [
            (kind, sorted(ids))
            for kind, ids in zip(MAX_IDS, (self.users, self.groups, self.excluded), strict=True)
            if ids
        ]
        for kind, ids in filters:
            if len(ids) > MAX_IDS[kind]:
                raise InvalidRequestError(
                    f"The audience of the session would have {len(ids):,} {_NAMES[kind]}, but API v2 allows at most "
                    f"{MAX_IDS[kind]:,}: enroll groups instead, or use several sessions. Nothing was changed.",
                    operation="updateSessionAudience",
                )
        return {"filters": [{"type": kind, "ids": ids} for kind, ids in filters], "mode": self.mode}


_NAMES = {USERS: "users", GROUPS: "groups", EXCLUDED: "excluded learners"}

#: Returns the audience that is wanted instead of another one. Applied to its own result, it changes nothing.
Change = Callable[[Audience], Audience]


class AudienceSteps(Lookups):
    """Changes of the audience of a session, for the actions that enroll and unenroll."""

    def session_to_change(self, session_id: str, path_id: str | None) -> ActionSteps[Mapping[str, str]]:
        """
        Return path and session of a session whose audience can be changed, as the segments of its operations.

        :param session_id: Id of the session.
        :param path_id: Id of its path, if it is known.
        :raises NotFoundError: if the session does not exist.
        :raises RefusedError: saying why its audience cannot be changed; nothing was sent that changes something.
        """
        if path_id is None:
            session = yield from self.session_of(session_id)
        else:
            session = yield Call("getPathSession", path={"pathId": path_id, "sessionId": session_id})
        _refuse_what_cannot_change(session, session_id)
        return {"pathId": first_string(session, "pathId"), "sessionId": session_id}

    def change_audience(self, path: Mapping[str, str], change: Change) -> ActionSteps[None]:
        """
        Change an audience, unless it is as wanted already.

        :param path: Path and session.
        :param change: The change.
        :raises InvalidRequestError: if the audience would be too large.
        :raises OutcomeUnknownError: if a write that may have been applied could not be confirmed.
        """
        yield from self.holding_audience(path, self.replace_audience(path, change))

    def holding_audience(self, path: Mapping[str, str], steps: ActionSteps[R]) -> ActionSteps[R]:
        """
        Run steps while no other task that uses the same store changes the audience.

        :param path: Path and session.
        :param steps: The steps.
        """
        return (yield from exclusively(self.client, f"audience {path['sessionId'].lower()}", steps))

    def replace_audience(
        self, path: Mapping[str, str], change: Change, audience: Audience | None = None
    ) -> ActionSteps[bool]:
        """
        Change an audience as :meth:`change_audience` does; the caller holds the lock.

        :param path: Path and session.
        :param change: The change.
        :param audience: The audience, if it was just read.
        :return: Whether it was written.
        """
        if audience is None:
            audience = yield from self.current_audience(path)
        gone: frozenset[str] = frozenset()
        failure: Learning360Error | None = None
        for count in range(MAX_WRITES):
            wanted = change(audience)
            if wanted == audience:
                return count > 0
            if count and failure is None:
                log.warning(
                    "Another client has overwritten the audience; repeating the change: session_id=%s",
                    path["sessionId"],
                )
            gone, failure = yield from self._write(path, change, audience, gone)
            if seconds := self._seconds_until_settled(failure):
                yield Sleep(seconds)
            audience = yield from self.current_audience(path)
        if change(audience) != audience:
            raise failure or UnexpectedResponseError(
                f"The audience of the session {path['sessionId']} was not as it had been written, {MAX_WRITES} times "
                "in a row: another client overwrites it. Repeating the change is safe.",
                operation="updateSessionAudience",
            )
        return True

    def _seconds_until_settled(self, failure: Learning360Error | None) -> float:
        """
        Return how long to wait between writing and reading back.

        :param failure: The error of the write, if its outcome is unknown. Without a response, 360Learning may still be
            at work, and replace the audience with what was read before: nothing else may write it until then.
            Assumption: the work ends within ``read_timeout`` after the client has stopped waiting.
        """
        is_at_work = failure is not None and (failure.status is None or failure.status in GATEWAY_ERRORS)
        return max(
            self.client.settings.read_timeout if is_at_work else 0.0,
            0.0 if self.client.rate_limiter.shares_places else SETTLE_SECONDS,
        )

    def _write(
        self, path: Mapping[str, str], change: Change, audience: Audience, gone: frozenset[str]
    ) -> ActionSteps[tuple[frozenset[str], Learning360Error | None]]:
        """
        Replace an audience by a changed one.

        :param gone: Users and groups of the audience that are known not to exist any more.
        :return: The users and groups that are known now; the error, if the outcome is unknown: reading the audience
            shows it.
        """
        wanted = change(audience).without(gone)
        try:
            yield Call("updateSessionAudience", path=path, body=wanted.body())
        except (OutcomeUnknownError, ServerError) as error:
            return gone, error
        except NotFoundError as error:
            found = yield from self._missing_in(wanted, error)
            if not found:
                raise
            rest = wanted.without(found)
            if requested := found & change(rest).ids:
                raise _not_found(requested, error) from None
            log.info(
                "Deleted users or groups leave the audience: number=%s session_id=%s", len(found), path["sessionId"]
            )
            return (yield from self._write(path, change, audience, gone | found))
        return gone, None

    def _missing_in(self, audience: Audience, error: NotFoundError) -> ActionSteps[frozenset[str]]:
        """
        Return the users or the groups of an audience that do not exist, or not any more.

        Assumption: an audience keeps deleted users and groups, and is refused with them when it is written.

        :param error: The error of writing it.
        """
        if error.code == "groupsNotFound":
            groups = yield from all_items(Call("getGroups"))
            return audience.groups - _lowered(first_string(group, "_id") for group in groups)
        if error.code != "usersNotFound":
            return frozenset()
        ids = audience.users | audience.excluded
        users = yield from self.users_of(ids)
        return ids - {id for id, user in users.items() if user["status"] != "deleted"}

    def current_audience(self, path: Mapping[str, str]) -> ActionSteps[Audience]:
        """
        Return the audience of a session.

        :param path: Path and session.
        """
        return Audience.of((yield Call("getSessionAudience", path=path)))

    def enrollments(self, path: Mapping[str, str]) -> ActionSteps[dict[str, bool]]:
        """
        Return whether each enrolled user is self-enrolled, by id in lower case.

        :param path: Path and session.
        """
        query = {"sessionId[eq]": path["sessionId"], "status[eq]": "published"}
        items = yield from all_items(Call("getEnrollments", path={"pathId": path["pathId"]}, query=query))
        return {first_string(item, "userId").lower(): bool(boolean(item, "isSelfEnrolled")) for item in items}


def _refuse_what_cannot_change(session: ResponseObject, session_id: str) -> None:
    """Raise the reason for which the audience of a session cannot be changed, under the code of API v2."""
    root = string(session, "rootSessionId")
    end = read_timestamp("endDate", session.get("endDate"))
    if boolean(session, "isAudienceBuilder") is False:
        code, reason = (
            "sessionIsNotAudienceBuilder",
            ("it was not created with the Audience Builder: change its enrollments in 360Learning, or create another"),
        )
    elif root is not None and root.lower() != session_id.lower():
        code, reason = "childPathSession", f"it is a part of the session {root}: change the enrollments of that one"
    elif end is not None and end <= str(write_timestamp(datetime.now(UTC))):
        code, reason = "sessionEnded", f"it ended at {end}: set a later end, or use another session"
    else:
        return
    raise RefusedError(
        f"API v2 cannot change who is enrolled in the session {session_id}, because {reason}. Nothing was changed.",
        operation="updateSessionAudience",
        code=code,
    )


def _not_found(ids: Collection[str], error: NotFoundError) -> NotFoundError:
    """Return the error about users or groups that do not exist, which names the first of them."""
    first = listed_ids(sorted(ids))
    kind = "group" if error.code == "groupsNotFound" else "active or invited user"
    return NotFoundError(
        f"No {kind} has the id {first}: check the ids. Nothing was changed.",
        operation=error.operation,
        status=error.status,
        code=error.code,
    )


def _lowered(ids: Iterable[str]) -> frozenset[str]:
    return frozenset(id.lower() for id in ids)
