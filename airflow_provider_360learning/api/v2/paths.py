"""Paths of API v2, their sessions and their learners."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from operator import itemgetter

from airflow_provider_360learning.api.actions import WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.fields import (
    boolean,
    counts_by_name,
    first_string,
    nested,
    number,
    string,
    strings_if_any,
)
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.models.paths import (
    CreatePathSession,
    EnrollGroups,
    EnrollUsers,
    GetPathSessionStatuses,
    ListPaths,
    ListPathSessions,
    ListPathSessionStats,
    ListPathSessionUsers,
    UnenrollGroups,
    UnenrollUsers,
)
from airflow_provider_360learning.api.pages import all_items, read_pages
from airflow_provider_360learning.api.path_results import (
    CreatedPathSession,
    EnrolledGroups,
    EnrolledUsers,
    PathRecord,
    PathSessionRecord,
    PathSessionStatistic,
    PathSessionStatuses,
)
from airflow_provider_360learning.api.path_session_statuses import statuses_of_session
from airflow_provider_360learning.api.results import (
    UserRecord,
)
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.api.timestamps import read_timestamp, write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonValue, ResponseObject
from airflow_provider_360learning.api.v2.audience import Audience, AudienceSteps
from airflow_provider_360learning.api.v2.owner import OwnerLookup
from airflow_provider_360learning.api.v2.path_definitions import PUBLISHED, neutral_path
from airflow_provider_360learning.api.v2.sorted_rows import SortedRows
from airflow_provider_360learning.api.v2.timestamps import at_or_after, before
from airflow_provider_360learning.api.v2.user_records import neutral_user
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

#: Maximum number of instructors: the main one, and the others.
MAX_INSTRUCTORS = 101
#: Learners of all sessions that are sorted in memory, with about 1 KB each.
MAX_IN_MEMORY = 10_000
#: Maximum number of times that enrollments are read to unenroll users: for each way of being enrolled, and to see that
#: none is left.
MAX_CHECKS = 4


def _check_session(arguments: CreatePathSession) -> None:
    count = len(arguments.instructors)
    if count > MAX_INSTRUCTORS:
        raise InvalidRequestError(
            f"instructors contains {count} addresses, but API v2 allows at most {MAX_INSTRUCTORS}. Nothing was sent.",
            argument="instructors",
        )


def neutral_session(item: ResponseObject) -> PathSessionRecord:
    """Read a session of any v2 route."""
    return {
        "session_id": string(item, "_id"),
        "path_id": string(item, "pathId"),
        "name": string(item, "name"),
        "group_id": string(item, "groupId"),
        "session_start": read_timestamp("startDate", item.get("startDate")),
        "session_end": read_timestamp("endDate", item.get("endDate")),
        "additional_information": string(item, "additionalInformation"),
        "main_instructor_id": string(item, "mainInstructorId"),
        "instructor_ids": strings_if_any(item, "instructorIds"),
        "instructor_mails": None,
        "registration_validation": string(item, "registrationRequestValidation"),
        "user_limit": number(item, "userLimit"),
        "automatic_reenrollment": dict(nested(item, "automaticReenrollment")) or None,
        "ip_filtering": dict(nested(item, "ipFiltering")) or None,
        "is_audience_builder": boolean(item, "isAudienceBuilder"),
        "root_session_id": string(item, "rootSessionId"),
        "created_at": read_timestamp("createdAt", item.get("createdAt")),
        "modified_at": read_timestamp("modifiedAt", item.get("modifiedAt")),
    }


class PathActions(AudienceSteps, OwnerLookup):
    """Sessions of paths: create them, enroll and unenroll learners, read their statistics."""

    @action(ListPaths)
    def list_paths(self, arguments: ListPaths) -> ActionSteps[list[PathRecord]]:
        """
        Return paths that are not archived (``getPaths``), with the ids of their sessions (``getAllPathSessions``).

        The filter of API v2 counts whole seconds, so that the time of modification is compared once more.
        """
        after = arguments.modified_after
        query = {**PUBLISHED, "modifiedAt[gte]": at_or_after(after) if after else None}
        items = yield from all_items(Call("getPaths", query=query))
        items = [item for item in items if _is_in(item, "modifiedAt", after, None)]
        sessions: dict[str | None, list[str]] = {}
        for session in (yield from all_items(Call("getAllPathSessions"))) if items else ():
            sessions.setdefault(string(session, "pathId"), []).append(first_string(session, "_id"))
        return [neutral_path(item, sessions.get(first_string(item, "_id"), [])) for item in items]

    @action(ListPathSessions)
    def list_path_sessions(self, arguments: ListPathSessions) -> ActionSteps[list[PathSessionRecord]]:
        """Return all sessions of all paths (``getAllPathSessions``)."""
        items = yield from all_items(Call("getAllPathSessions"))
        return [neutral_session(item) for item in items]

    @action(
        CreatePathSession,
        write=WriteSpec(
            "createPathSession", key=("name", "path_id", "group_id"), makes="session_id", writes=lambda arguments: 2
        ),
        check=_check_session,
    )
    def create_path_session(self, arguments: CreatePathSession) -> ActionSteps[CreatedPathSession]:
        """
        Create a session of a path (``createPathSession``), unless the path has one of this name and owner group.

        360Learning derives the owner group of a new session from its main instructor; a second request sets the wanted
        one (``modifyPathSession``). Until then, the additional information of the session says which group that is. A
        session of this name that still says so is one whose creation was interrupted: it is completed instead of
        creating another one. The time of creation alone would not distinguish it from a session of the same name in
        another group.

        :return: ``outcome`` is ``created`` or ``already_exists``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the session exists.
        :raises InvalidRequestError: if the session would have ended already; nothing was created.
        :raises NotFoundError: if the path, the group or an instructor does not exist; nothing was created.
        :raises RefusedError: if several sessions match, so that the choice would be arbitrary.
        :raises OutcomeUnknownError: if the outcome is unknown, and the session is not listed (yet) or the listing
            fails.
        """
        path_id, name = arguments.path_id, arguments.name
        existing, unfinished = yield from self._find_sessions(arguments)
        if existing is not None:
            found = first_string(existing, "_id")
            if arguments.if_exists == "fail":
                raise AlreadyExistsError(
                    f"The session {name!r:.200} exists already: {found}", operation="createPathSession"
                )
            return {"session_id": found, "path_id": path_id, "name": name, "outcome": "already_exists"}
        # Before anything is created: the group is set when the session exists.
        _refuse_past_end(arguments)
        yield Call("getGroup", path={"groupId": arguments.group_id})
        fields = yield from self._session_fields(arguments)
        if unfinished is None:
            session_id, changes = (yield from self._start_session(arguments, fields)), {}
        else:
            session_id, changes = first_string(unfinished, "_id"), _differences(unfinished, fields)
            log.info("Completing a session whose creation was interrupted: session_id=%s name=%r", session_id, name)
        yield Call(
            "modifyPathSession",
            path={"pathId": path_id, "sessionId": session_id},
            body={**changes, "groupId": arguments.group_id, "additionalInformation": arguments.additional_information},
            nulls=("additionalInformation",),
        )
        return {"session_id": session_id, "path_id": path_id, "name": name, "outcome": "created"}

    @action(EnrollUsers, write=WriteSpec("updateSessionAudience", key=("session_id", "users")))
    def enroll_users(self, arguments: EnrollUsers) -> ActionSteps[EnrolledUsers]:
        """
        Enroll users in a path session (``updateSessionAudience``); users who are enrolled already stay enrolled.

        Users who were excluded are enrolled again.

        :raises RefusedError: if the audience of the session cannot be changed.
        """
        path = yield from self.session_to_change(arguments.session_id, arguments.path_id)
        ids = yield from self.user_ids_of(arguments.users)
        yield from self.change_audience(path, lambda audience: audience.with_users(ids.values()))
        return {"session_id": arguments.session_id, "outcome": "enrolled", "users": len(arguments.users)}

    @action(EnrollGroups, write=WriteSpec("updateSessionAudience", key=("session_id", "group_ids")))
    def enroll_groups(self, arguments: EnrollGroups) -> ActionSteps[EnrolledGroups]:
        """
        Enroll groups in a path session (``updateSessionAudience``). Members who were unenrolled stay so.

        :raises RefusedError: if the audience of the session cannot be changed, or the path takes users only.
        """
        groups = arguments.group_ids
        path = yield from self.session_to_change(arguments.session_id, arguments.path_id)
        yield from self.change_audience(path, lambda audience: audience.with_groups(groups))
        return {"session_id": arguments.session_id, "outcome": "enrolled", "groups": len(groups)}

    @action(UnenrollGroups, write=WriteSpec("updateSessionAudience", key=("session_id", "group_ids")))
    def unenroll_groups(self, arguments: UnenrollGroups) -> ActionSteps[EnrolledGroups]:
        """
        Unenroll groups from a path session (``updateSessionAudience``).

        Users who are also enrolled by themselves, or as members of another group, stay enrolled.

        :raises RefusedError: if the audience of the session cannot be changed.
        """
        groups = arguments.group_ids
        path = yield from self.session_to_change(arguments.session_id, arguments.path_id)
        yield from self.change_audience(path, lambda audience: audience.without_groups(groups))
        return {"session_id": arguments.session_id, "outcome": "unenrolled", "groups": len(groups)}

    @action(UnenrollUsers, write=WriteSpec("updateSessionAudience", key=("session_id", "users")))
    def unenroll_users(self, arguments: UnenrollUsers) -> ActionSteps[EnrolledUsers]:
        """
        Unenroll users from a path session (``updateSessionAudience``, ``archiveSelfEnrollment``).

        Users who are enrolled as members of a group are excluded; the group stays enrolled.

        :raises RefusedError: if the audience of the session cannot be changed.
        """
        path = yield from self.session_to_change(arguments.session_id, arguments.path_id)
        ids = yield from self.user_ids_of(arguments.users)
        removed = frozenset(id.lower() for id in ids.values())
        yield from self.holding_audience(path, self._unenroll(path, removed))
        return {"session_id": arguments.session_id, "outcome": "unenrolled", "users": len(arguments.users)}

    @action(ListPathSessionUsers)
    def list_path_session_users(self, arguments: ListPathSessionUsers) -> ActionSteps[list[UserRecord]]:
        """
        Return the users enrolled in a path session (``getEnrollments``).

        API v2 lists their ids; the rest is read user by user, or from the listing of all users where that takes fewer
        requests.
        """
        path = yield from self.path_and_session(arguments.session_id, arguments.path_id)
        enrolled = yield from self.enrollments(path)
        users = yield from self.users_of(enrolled)
        return [neutral_user(item) for id in enrolled if (item := users.get(id)) and item["status"] != "deleted"]

    @action(GetPathSessionStatuses)
    def get_path_session_statuses(self, arguments: GetPathSessionStatuses) -> ActionSteps[PathSessionStatuses]:
        """
        Return how many learners of a path session have each status (``getSessionStats``).

        :raises NotFoundError: if the session does not exist.
        """
        response = yield Call(
            "getSessionStats", path=(yield from self.path_and_session(arguments.session_id, arguments.path_id))
        )
        return statuses_of_session(arguments.session_id, counts_by_name(response, "usersCountByStatus"))

    @action(ListPathSessionStats)
    def list_path_session_stats(self, arguments: ListPathSessionStats) -> ActionSteps[list[PathSessionStatistic]]:
        """
        Return the state of each learner of a path session (``getUserStats``), apart from unenrolled ones.

        Learners who completed at ``completed_before`` are not included. ``mail`` and ``deleted`` are ``None`` unless
        ``with_mails`` is given.
        """
        after, until = arguments.completed_after, arguments.completed_before
        path = yield from self.path_and_session(arguments.session_id, arguments.path_id)
        items = yield from all_items(Call("getUserStats", path=path, query=_completed(after, until)))
        items = [item for item in items if _is_enrolled(item) and _is_in(item, "completedAt", after, until)]
        users: Mapping[str, ResponseObject] = {}
        if arguments.with_mails:
            users = yield from self.users_of([first_string(item, "userId") for item in items])
        return [_neutral_statistic(path, item, users) for item in items]

    def stats_of_all_sessions(
        self, completed_after: datetime | None, completed_before: datetime | None
    ) -> Iterator[PathSessionStatistic]:
        """
        Yield the state of each learner of all sessions (``getPathStats``), by session and user.

        2,000 learners per request are never more requests than one or more per session. The order of the list is not
        documented.
        """
        query = _completed(completed_after, completed_before)
        rows: SortedRows[PathSessionStatistic] = SortedRows(itemgetter("session_id", "user_id"), MAX_IN_MEMORY)
        for items in read_pages(self.client.call, Call("getPathStats", query=query)):
            rows.extend(
                _neutral_statistic(
                    {"pathId": first_string(item, "pathId"), "sessionId": first_string(item, "sessionId")}, item, {}
                )
                for item in items
                if _is_enrolled(item) and _is_in(item, "completedAt", completed_after, completed_before)
            )
        yield from rows

    def _find_sessions(
        self, arguments: CreatePathSession
    ) -> ActionSteps[tuple[ResponseObject | None, ResponseObject | None]]:
        """Return the session of this name and owner group, and the one whose creation was interrupted."""
        items = yield from all_items(Call("getAllPathSessions", query={"pathId[eq]": arguments.path_id}))
        named = [item for item in items if normalized(string(item, "name")) == arguments.name]
        mark = _mark_of(arguments.group_id)
        unfinished = [item for item in named if string(item, "additionalInformation") == mark]
        existing = [
            item
            for item in named
            if first_string(item, "groupId").lower() == arguments.group_id.lower() and item not in unfinished
        ]
        return _only(existing, arguments.name), _only(unfinished, arguments.name)

    def _unfinished_session_id(self, arguments: CreatePathSession) -> ActionSteps[str | None]:
        _, unfinished = yield from self._find_sessions(arguments)
        return None if unfinished is None else first_string(unfinished, "_id")

    def _session_fields(self, arguments: CreatePathSession) -> ActionSteps[dict[str, JsonValue]]:
        """Return the fields of the session, without the fields that are set when it exists."""
        main, *others = yield from self.ids_or_owner(arguments.instructors, "instructors", "createPathSession")
        return {
            "name": arguments.name,
            "startDate": write_timestamp(arguments.session_start),
            "endDate": write_timestamp(arguments.session_end),
            "mainInstructorId": main,
            "instructorIds": others,
            "registrationRequestValidation": arguments.registration_validation,
        }

    def _start_session(self, arguments: CreatePathSession, fields: Mapping[str, JsonValue]) -> ActionSteps[str]:
        """Create the session in the group that 360Learning chooses, and return its id."""
        body = {**fields, "additionalInformation": _mark_of(arguments.group_id)}
        try:
            session = yield Call("createPathSession", path={"pathId": arguments.path_id}, body=body)
        except OutcomeUnknownError as unknown:
            return (yield from confirm_by_lookup(unknown, self._unfinished_session_id(arguments)))
        return first_string(session, "_id")

    def _unenroll(self, path: Mapping[str, str], ids: frozenset[str]) -> ActionSteps[None]:
        """
        Remove users from the audience; exclude users who are enrolled as members of a group.

        Which users are members shows in the enrollments that remain when they are enrolled in no other way.
        """
        excluded: set[str] = set()
        for _ in range(MAX_CHECKS):
            audience = yield from self.current_audience(path)
            enrolled = yield from self.enrollments(path)
            if audience.groups:
                excluded |= {id for id in ids - audience.users if enrolled.get(id) is False}
            change = partial(Audience.without_users, ids=ids, excluded=frozenset(excluded))
            was_written = yield from self.replace_audience(path, change, audience)
            by_self = sorted(id for id in ids if enrolled.get(id))
            for id in by_self:
                yield from self._end_self_enrollment(path, id)
            if not (audience.groups and (was_written or by_self)):
                return
        raise UnexpectedResponseError(
            f"Users are still enrolled in the session {path['sessionId']} after they were removed {MAX_CHECKS} times: "
            "they enroll themselves, or another client enrolls them. Repeating the removal is safe.",
            operation="archiveSelfEnrollment",
        )

    def _end_self_enrollment(self, path: Mapping[str, str], user_id: str) -> ActionSteps[None]:
        try:
            yield Call("archiveSelfEnrollment", path={**path, "userId": user_id})
        except NotFoundError as error:
            if error.code != "learnerNotEnrolled":
                raise  # else it has ended meanwhile, or by a request whose response was lost


def _refuse_past_end(arguments: CreatePathSession) -> None:
    """Refuse a session that would be created and never completed, because 360Learning changes no ended session."""
    end = arguments.session_end
    if end is not None and end <= datetime.now(UTC):
        raise InvalidRequestError(
            f"session_end is {write_timestamp(end)}, which is in the past: API v2 sets the owner group of a session in "
            "a second request, which it refuses for a session that has ended. Give a later end. Nothing was created.",
            operation="createPathSession",
            argument="session_end",
        )


def _mark_of(group_id: str) -> str:
    """Return the additional information of a session until its owner group is set."""
    return f"Being created by Airflow; its owner group will be {group_id.lower()}"


def _only(sessions: Sequence[ResponseObject], name: str) -> ResponseObject | None:
    if len(sessions) > 1:
        ids = listed_ids([first_string(each, "_id") for each in sessions])
        raise RefusedError(
            f"{len(sessions)} sessions have the name {name!r:.200} ({ids}): rename the others",
            operation="createPathSession",
        )
    return sessions[0] if sessions else None


def _differences(session: ResponseObject, fields: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return the fields in which a session is not as wanted, because the interrupted call had other arguments."""
    return {name: value for name, value in fields.items() if value is not None and value != session.get(name)}


def _is_enrolled(item: ResponseObject) -> bool:
    """Return whether a learner is enrolled. Who is enrolled again may keep the end of the first time (assumption)."""
    ended = read_timestamp("unenrolledAt", item.get("unenrolledAt"))
    return ended is None or ended < (read_timestamp("enrolledAt", item.get("enrolledAt")) or "")


def _completed(start: datetime | None, end: datetime | None) -> Mapping[str, str | None]:
    """Return the filter for completions in a period."""
    return {
        "completedAt[gte]": at_or_after(start) if start else None,
        "completedAt[lt]": before(end) if end else None,
    }


def _is_in(item: ResponseObject, name: str, start: datetime | None, end: datetime | None) -> bool:
    """Return whether a timestamp is in a period, of which filters of API v2 count whole seconds only."""
    if start is None and end is None:
        return True
    value = read_timestamp(name, item.get(name))
    if value is None:
        return False
    time = datetime.fromisoformat(value)
    return (start is None or start <= time) and (end is None or time < end)


def _neutral_statistic(
    path: Mapping[str, str], item: ResponseObject, users: Mapping[str, ResponseObject]
) -> PathSessionStatistic:
    user_id = first_string(item, "userId")
    user = users.get(user_id, {})
    spent = number(item, "timeSpent")
    status = item.get("status")
    return {
        "session_id": path["sessionId"],
        "path_id": path["pathId"],
        "user_id": user_id,
        "mail": string(user, "mail"),
        "deleted": user["status"] == "deleted" if user else None,
        "progress": number(item, "progress"),
        "score": number(item, "score"),
        "completed_at": read_timestamp("completedAt", item.get("completedAt")),
        "time_spent_ms": None if spent is None else round(spent),
        "status": string(status, "type") if isinstance(status, dict) else None,
        "enrolled_at": read_timestamp("enrolledAt", item.get("enrolledAt")),
        "unenrolled_at": read_timestamp("unenrolledAt", item.get("unenrolledAt")),
        "started_at": read_timestamp("startedAt", item.get("startedAt")),
        "due_date": read_timestamp("dueDate", item.get("dueDate")),
        "certificate_id": string(item, "certificateId"),
        "self_enrolled": boolean(item, "selfEnrolled"),
        "status_reason": string(status, "reason") if isinstance(status, dict) else None,
        "enrollment_id": string(item, "_id"),
    }
