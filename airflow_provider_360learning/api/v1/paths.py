"""Paths of API v1, their sessions and their learners."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.fields import (
    boolean,
    counts_by_name,
    first_string,
    number,
    string,
    strings_if_any,
)
from airflow_provider_360learning.api.models.parsers import is_id, normalized
from airflow_provider_360learning.api.models.paths import (
    CreatePathSession,
    DeletePathSession,
    EnrollGroups,
    EnrollUsers,
    GetPathSessionStatuses,
    ListPaths,
    ListPathSessions,
    ListPathSessionStats,
    ListPathSessionUsers,
    UnenrollGroups,
    UnenrollUsers,
    UpdatePathSession,
)
from airflow_provider_360learning.api.path_results import (
    CreatedPathSession,
    DeletedPathSession,
    EnrolledGroups,
    EnrolledUsers,
    PathRecord,
    PathSessionRecord,
    PathSessionStatistic,
    PathSessionStatuses,
    UpdatedPathSession,
)
from airflow_provider_360learning.api.path_session_statuses import statuses_of_session
from airflow_provider_360learning.api.results import (
    UserRecord,
)
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.api.timestamps import read_timestamp, write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, JsonValue, ResponseObject
from airflow_provider_360learning.api.v1.mails import mail_of
from airflow_provider_360learning.api.v1.path_definitions import neutral_path
from airflow_provider_360learning.api.v1.users import neutral_user
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
)

_SESSION_ID_KEYS = ("_id", "id", "sessionId")
#: Keys of updatePathSession that each request must have, and the arguments that set them.
_REQUIRED_FOR_UPDATE = {"sessionName": "name", "sessionOwnerGroup": "group_id", "startDate": "session_start"}
#: Its key for the validation of registrations. What it may contain is not known.
_VALIDATION = "registrationRequest"


def _check_session(arguments: CreatePathSession) -> None:
    validation = arguments.registration_validation
    if validation != "disabled":
        raise NotAvailableError(
            f"registration_validation {validation!r} is not available in API v1, which creates sessions with "
            "'disabled' only.",
            argument="registration_validation",
        )


def _check_update(arguments: UpdatePathSession) -> None:
    if arguments.registration_validation not in (None, "disabled"):
        raise NotAvailableError(
            f"registration_validation {arguments.registration_validation!r} is not available in API v1, which can only "
            "switch the validation off.",
            argument="registration_validation",
        )
    if arguments.user_limit is not None:
        raise NotAvailableError(
            "user_limit is not available in API v1, each of whose updates of a session removes it.",
            argument="user_limit",
        )


class PathActions(ApiAdapter):
    """Sessions of paths: create them, enroll and unenroll learners, read their statistics."""

    @action(ListPaths)
    def list_paths(self, arguments: ListPaths) -> ActionSteps[list[PathRecord]]:
        """Return paths (``getPaths``)."""
        items = yield Call("getPaths", query={"modifiedAfter": write_timestamp(arguments.modified_after)})
        return [neutral_path(item) for item in items]

    @action(ListPathSessions)
    def list_path_sessions(self, arguments: ListPathSessions) -> ActionSteps[list[PathSessionRecord]]:
        """Return all sessions of all paths (``getPathSessions``)."""
        items = yield Call("getPathSessions")
        return [_neutral_session(item) for item in items]

    @action(
        CreatePathSession,
        write=WriteSpec("createPathSession", key=("name", "path_id", "group_id"), makes="session_id"),
        check=_check_session,
    )
    def create_path_session(self, arguments: CreatePathSession) -> ActionSteps[CreatedPathSession]:
        """
        Create a session of a path (``createPathSession``), unless the path has one of this name and owner group.

        All sessions are listed first, and again if the outcome of the creation is unknown; the creation is never sent
        twice.

        :return: ``outcome`` is ``created`` or ``already_exists``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the session exists.
        :raises RefusedError: if several sessions match, so that the choice would be arbitrary.
        :raises OutcomeUnknownError: if the outcome is unknown, and the session is not listed (yet) or the listing
            fails.
        """
        path_id, name = arguments.path_id, arguments.name
        found = yield from self._find_session(arguments)
        if found is not None:
            if arguments.if_exists == "fail":
                raise AlreadyExistsError(
                    f"The session {name!r:.200} exists already: {found}", operation="createPathSession"
                )
            return {"session_id": found, "path_id": path_id, "name": name, "outcome": "already_exists"}
        body = {
            "sessionName": name,
            "sessionOwnerGroup": arguments.group_id,
            "startDate": write_timestamp(arguments.session_start),
            "endDate": write_timestamp(arguments.session_end),
            "sessionAdditionalInformation": arguments.additional_information,
            "instructorsMails": list(arguments.instructors) or None,
        }
        try:
            response = yield Call("createPathSession", path={"path_id": path_id}, body=body)
        except OutcomeUnknownError as unknown:
            session_id = yield from confirm_by_lookup(unknown, self._find_session(arguments))
        else:
            session_id = first_string(response, *_SESSION_ID_KEYS)
        return {"session_id": session_id, "path_id": path_id, "name": name, "outcome": "created"}

    @action(UpdatePathSession, write=WriteSpec("updatePathSession", key=("session_id",)), check=_check_update)
    def update_path_session(self, arguments: UpdatePathSession) -> ActionSteps[UpdatedPathSession]:
        """
        Change a session (``updatePathSession``); fields that are not given keep their values, but for two.

        Each request must have name, owner group and start, so that the session is read first (``getPathSession``); what
        it returns is sent back. As documented, a request removes the maximum number of learners who enroll themselves,
        which API v1 can neither read nor set, and switches the validation of registrations off unless it contains it.
        That it is returned is not documented: ``reset`` of the result says what was removed.

        :raises InvalidRequestError: naming the argument to give, if 360Learning does not return a required value.
        :raises RefusedError: for a session that is a part of the session of another path.
        """
        path = {"session_id": arguments.session_id}
        session = yield Call("getPathSession", path=path)
        body = _updated_session(session, arguments)
        yield Call("updatePathSession", path=path, body=body)
        is_reset = _VALIDATION not in body and arguments.registration_validation is None
        reset = ["registration_validation"] * is_reset + ["user_limit"]
        return {"session_id": arguments.session_id, "outcome": "updated", "reset": reset}

    @action(DeletePathSession, write=WriteSpec("deletePathSession", key=("session_id",)))
    def delete_path_session(self, arguments: DeletePathSession) -> ActionSteps[DeletedPathSession]:
        """
        Delete a session **with the enrollments of its learners** (``deletePathSession``).

        It leaves the catalogs of groups. What becomes of the statistics of its learners is not documented.

        :raises NotFoundError: with ``if_missing="fail"``, if the session does not exist.
        """
        session_id, path = arguments.session_id, {"session_id": arguments.session_id}
        name = learners = None
        try:
            if arguments.dry_run:
                session = yield Call("getPathSession", path=path)
                name = string(session, "sessionName")
                learners = len((yield Call("getPathSessionUsers", path=path)))
            else:
                yield Call("deletePathSession", path=path)
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"session_id": session_id, "name": None, "learners": None, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"session_id": session_id, "name": None, "learners": None, "outcome": "not_found"}
        outcome: Literal["would_delete", "deleted"] = "would_delete" if arguments.dry_run else "deleted"
        return {"session_id": session_id, "name": name, "learners": learners, "outcome": outcome}

    @action(EnrollUsers, write=WriteSpec("addUsersToPathSession", key=("session_id", "users")))
    def enroll_users(self, arguments: EnrollUsers) -> ActionSteps[EnrolledUsers]:
        """
        Enroll users in a path session (``addUsersToPathSession``); users who are enrolled already stay enrolled.

        What v1 returns about single users is not documented, so success means that 360Learning accepted the list.
        :meth:`list_path_session_users` returns who is enrolled.
        """
        path = {"session_id": arguments.session_id}
        ids = [user for user in arguments.users if is_id(user)]
        mails = [user for user in arguments.users if not is_id(user)]
        # The route takes one of the two lists (documented so), hence two calls for a mixed one.
        for body in ({"userEmails": mails}, {"userIds": ids}):
            if any(body.values()):
                yield Call("addUsersToPathSession", path=path, body=body)
        return {"session_id": arguments.session_id, "outcome": "enrolled", "users": len(arguments.users)}

    @action(EnrollGroups, write=WriteSpec("addGroupsToPathSession", key=("session_id", "group_ids")))
    def enroll_groups(self, arguments: EnrollGroups) -> ActionSteps[EnrolledGroups]:
        """Enroll groups in a path session (``addGroupsToPathSession``)."""
        groups = list(arguments.group_ids)
        path = {"session_id": arguments.session_id}
        yield Call("addGroupsToPathSession", path=path, body={"groupIds": groups})
        return {"session_id": arguments.session_id, "outcome": "enrolled", "groups": len(groups)}

    @action(UnenrollGroups, write=WriteSpec("removeGroupsFromPathSession", key=("session_id", "group_ids")))
    def unenroll_groups(self, arguments: UnenrollGroups) -> ActionSteps[EnrolledGroups]:
        """
        Unenroll groups from a path session (``removeGroupsFromPathSession``, known from public code only).

        Users who are also enrolled by themselves, or as members of another group, stay enrolled (assumption).
        """
        groups = list(arguments.group_ids)
        path = {"session_id": arguments.session_id}
        yield Call("removeGroupsFromPathSession", path=path, body={"groupIds": groups})
        return {"session_id": arguments.session_id, "outcome": "unenrolled", "groups": len(groups)}

    @action(UnenrollUsers, write=WriteSpec("removeUsersFromPathSession", key=("session_id", "users")))
    def unenroll_users(self, arguments: UnenrollUsers) -> ActionSteps[EnrolledUsers]:
        """
        Unenroll users from a path session (``removeUsersFromPathSession``, known from public code only).

        v1 takes email addresses, so that each id is looked up first.
        """
        mails = []
        for user in arguments.users:
            mails.append((yield from mail_of(user)))
        path = {"session_id": arguments.session_id}
        yield Call("removeUsersFromPathSession", path=path, body={"userEmails": mails})
        return {"session_id": arguments.session_id, "outcome": "unenrolled", "users": len(mails)}

    @action(ListPathSessionUsers)
    def list_path_session_users(self, arguments: ListPathSessionUsers) -> ActionSteps[list[UserRecord]]:
        """Return the users enrolled in a path session (``getPathSessionUsers``, known from public code only)."""
        items = yield Call("getPathSessionUsers", path={"session_id": arguments.session_id})
        return [neutral_user(item) for item in items]

    @action(GetPathSessionStatuses)
    def get_path_session_statuses(self, arguments: GetPathSessionStatuses) -> ActionSteps[PathSessionStatuses]:
        """Return how many learners of a path session have each status (``getPathSessionStats``)."""
        session_id = arguments.session_id
        response = yield Call("getPathSessionStats", path={"session_id": session_id})
        counts = counts_by_name(response, "detailedStatus")
        learners: Counter[str] = Counter()
        for name, count in counts.items():  # both spellings of a status count, should a response have them
            learners[_neutral_status(name)] += count
        return statuses_of_session(session_id, learners)

    @action(ListPathSessionStats)
    def list_path_session_stats(self, arguments: ListPathSessionStats) -> ActionSteps[list[PathSessionStatistic]]:
        """
        Return the state of each learner of a path session (``getUsersPathSessionStats``).

        Whether the given times belong to the interval is not known.
        """
        query = {
            "completedAfter": write_timestamp(arguments.completed_after),
            "completedBefore": write_timestamp(arguments.completed_before),
        }
        session_id = arguments.session_id
        response = yield Call("getUsersPathSessionStats", path={"session_id": session_id}, query=query)
        return [_neutral_statistic(session_id, string(response, "pathId"), item) for item in response["usersStats"]]

    def _find_session(self, arguments: CreatePathSession) -> ActionSteps[str | None]:
        sessions = yield from self.list_path_sessions.steps()
        found = [
            str(session["session_id"])
            for session in sessions
            if normalized(session["name"]) == arguments.name
            # Only some keys of the listing are documented: a missing one does not distinguish sessions.
            and _is_same_id(session["path_id"], arguments.path_id)
            and _is_same_id(session["group_id"], arguments.group_id)
        ]
        if len(found) > 1:
            raise RefusedError(
                f"{len(found)} sessions have the name {arguments.name!r:.200} ({listed_ids(found)}): rename the others",
                operation="createPathSession",
            )
        return found[0] if found else None


def _updated_session(session: ResponseObject, arguments: UpdatePathSession) -> JsonObject:
    """
    Return the body that changes a session.

    :param session: The session as it is. Values that it has are sent back, because it is not known whether a request
        without them keeps them.
    """
    given: dict[str, JsonValue] = {
        "sessionName": arguments.name,
        "sessionOwnerGroup": arguments.group_id,
        "startDate": write_timestamp(arguments.session_start),
        "endDate": write_timestamp(arguments.session_end),
        "sessionAdditionalInformation": arguments.additional_information,
        "instructorsMails": list(arguments.instructors) or None,
        _VALIDATION: None,
    }
    body = {key: given[key] if given[key] is not None else session.get(key) for key in given}
    if arguments.registration_validation:
        del body[_VALIDATION]  # which switches it off
    body = {key: value for key, value in body.items() if value}
    for key, argument in _REQUIRED_FOR_UPDATE.items():
        if key not in body:
            raise InvalidRequestError(
                f"360Learning does not return the present {key} of the session {arguments.session_id}, without which "
                f"API v1 updates none: give {argument}. Nothing was changed.",
                operation="updatePathSession",
                argument=argument,
            )
    return body


def _neutral_session(item: ResponseObject) -> PathSessionRecord:
    """Read a session of the listing, of which ``pathId`` and all after ``sessionOwnerGroup`` are assumed."""
    return {
        "session_id": string(item, "sessionId"),
        "path_id": string(item, "pathId"),
        "name": string(item, "sessionName"),
        "group_id": string(item, "sessionOwnerGroup"),
        "session_start": read_timestamp("startDate", item.get("startDate")),
        "session_end": read_timestamp("endDate", item.get("endDate")),
        "additional_information": string(item, "sessionAdditionalInformation"),
        "main_instructor_id": None,
        "instructor_ids": None,
        "instructor_mails": strings_if_any(item, "instructorsMails"),
        "registration_validation": None,
        "user_limit": None,
        "automatic_reenrollment": None,
        "ip_filtering": None,
        "is_audience_builder": None,
        "root_session_id": None,
        "created_at": read_timestamp("createdAt", item.get("createdAt")),
        "modified_at": read_timestamp("modifiedAt", item.get("modifiedAt")),
    }


def _is_same_id(listed: str | None, given: str) -> bool:
    return listed is None or listed.lower() == given.lower()


def _neutral_statistic(session_id: str, path_id: str | None, item: ResponseObject) -> PathSessionStatistic:
    seconds = number(item, "totalTimeSpentInSeconds")
    detailed = item.get("detailedStatus")
    status = detailed.get("type") if isinstance(detailed, dict) else detailed
    return {
        "session_id": session_id,
        "path_id": path_id,
        "user_id": string(item, "_id"),
        "mail": string(item, "mail"),
        # A value that is not a boolean is none of both: learners who are deleted are not waited for.
        "deleted": boolean(item, "deleted") or False,
        "progress": number(item, "progress"),
        "score": number(item, "score"),
        "completed_at": read_timestamp("completedAt", item.get("completedAt")),
        "time_spent_ms": None if seconds is None else round(seconds * 1000),
        "status": _neutral_status(status) if isinstance(status, str) else None,
        "enrolled_at": None,
        "unenrolled_at": None,
        "started_at": None,
        "due_date": None,
        "certificate_id": None,
        "self_enrolled": None,
        "status_reason": None,
        "enrollment_id": None,
    }


def _neutral_status(status: str) -> str:
    """Return a status as it is written in most places of the documentation: one place begins it with a capital."""
    return status[:1].lower() + status[1:]
