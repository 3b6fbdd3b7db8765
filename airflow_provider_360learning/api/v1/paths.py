"""Paths of API v1, their sessions, and who is enrolled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_360learning.api.actions import ApiAdapter, action, confirm_by_lookup, writes
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v1.users import neutral_user
from airflow_provider_360learning.api.values import (
    answered_moment,
    check_choice,
    check_id,
    check_ids,
    check_mail,
    check_text,
    check_users,
    is_id,
    refuse,
    utc,
)
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    InvalidRequestError,
    OutcomeUnknownError,
    RefusedError,
)

_SESSION_ID_KEYS = ("_id", "id", "sessionId")


class PathActions(ApiAdapter):
    """Sessions of paths: create them, enroll, unenroll, read what learners did."""

    @action
    def list_paths(self, *, modified_after: datetime | str | None = None) -> ActionSteps[list[dict[str, Any]]]:
        """
        List paths (``getPaths``).

        :returns: ``path_id``, ``name``, ``group_id``, ``session_ids``.
        """
        items = yield Call("getPaths", query={"modifiedAfter": utc("modified_after", modified_after)})
        return [
            {
                "path_id": item.get("_id"),
                "name": item.get("name"),
                "group_id": item.get("groupId"),
                "session_ids": item.get("sessionIds") or [],
            }
            for item in items
        ]

    @action
    def list_path_sessions(self) -> ActionSteps[list[dict[str, Any]]]:
        """
        List all sessions of all paths (``getPathSessions``).

        :returns: ``session_id``, ``path_id``, ``name``, ``group_id``.
        """
        items = yield Call("getPathSessions")
        return [
            {
                "session_id": item.get("sessionId"),
                "path_id": item.get("pathId"),
                "name": item.get("sessionName"),
                "group_id": item.get("sessionOwnerGroup"),
            }
            for item in items
        ]

    @writes("createPathSession", key=("name", "path_id", "group_id"), makes="session_id")
    @action
    def create_path_session(
        self,
        path_id: str,
        name: str,
        *,
        session_start: datetime | str,
        group_id: str,
        session_end: datetime | str | None = None,
        instructors: Sequence[str] = (),
        additional_information: str | None = None,
        registration_validation: str = "disabled",
        if_exists: str = "skip",
    ) -> ActionSteps[dict[str, Any]]:
        """
        Make sure of a session of a path (``createPathSession``), known by its path, name and owner group.

        All sessions are listed first, and again should the outcome of the creation be unknown; the creation is
        never sent twice.

        :param path_id: Id of the path.
        :param name: Name of the session.
        :param session_start: When it starts, with a time zone.
        :param group_id: Owner group. v2 sets it in a second step.
        :param session_end: When it ends.
        :param instructors: Mails, the main instructor first; by default the platform's owner. v2 requires one.
        :param additional_information: Seen only in exports and through the API.
        :param registration_validation: Who validates registrations. v2 requires it; v1 creates sessions with
            ``disabled``, the only value that it takes here.
        :param if_exists: ``skip`` takes a session that exists as it is, dates included; ``fail`` raises.
        :returns: ``{"session_id", "path_id", "name", "outcome"}``, ``outcome`` being ``created`` or ``already_exists``.
        :raises AlreadyExistsError: with ``if_exists="fail"``.
        :raises RefusedError: if several sessions fit: which one is meant cannot be told.
        :raises OutcomeUnknownError: if the outcome is unknown, and the session is not (yet) listed or the listing
            fails.
        """
        check_text("name", name)
        check_choice("if_exists", if_exists, ("skip", "fail"))
        if registration_validation != "disabled":
            refuse("registration_validation", registration_validation, "disabled: API v1 creates no other sessions")
        wanted = {
            "path_id": check_id("path_id", path_id),
            "name": name,
            "group_id": check_id("group_id", group_id),
        }
        body = {
            "sessionName": name,
            "sessionOwnerGroup": group_id,
            "startDate": utc("session_start", session_start),
            "endDate": utc("session_end", session_end),
            "sessionAdditionalInformation": additional_information,
            "instructorsMails": [check_mail("instructors", mail) for mail in instructors] or None,
        }
        result = {"path_id": path_id, "name": name}
        found = yield from self._find_session(wanted)
        if found is not None:
            if if_exists == "fail":
                raise AlreadyExistsError(f"The session {name!r} exists already: {found}", operation="createPathSession")
            return {"session_id": found, **result, "outcome": "already_exists"}
        try:
            answer = yield Call("createPathSession", path={"path_id": path_id}, body=body)
        except OutcomeUnknownError as unknown:
            found = yield from confirm_by_lookup(unknown, self._find_session(wanted))
            return {"session_id": found, **result, "outcome": "created"}
        session_id = next(answer[key] for key in _SESSION_ID_KEYS if answer.get(key))
        return {"session_id": session_id, **result, "outcome": "created"}

    @writes("addUsersToPathSession", key=("session_id", "users"))
    @action
    def enroll_users(
        self, session_id: str, users: Iterable[str], *, path_id: str | None = None
    ) -> ActionSteps[dict[str, Any]]:
        """
        Enroll users in a path session (``addUsersToPathSession``); those enrolled already stay so.

        What v1 answers about single users is not documented, so a success says that 360Learning took the list.
        Whoever is enrolled can be read with :meth:`list_path_session_users`.

        :param session_id: Id of the session.
        :param users: Mails and ids.
        :param path_id: Id of the path. v2 requires it.
        :returns: ``{"session_id", "outcome": "enrolled", "users"}``, ``users`` being their number.
        """
        path = _session(session_id, path_id)
        given = _not_empty("users", check_users("users", users))
        ids = [user for user in given if is_id(user)]
        mails = [user for user in given if not is_id(user)]
        # The route takes one of the two lists (documented so), hence two calls for a mixed one.
        for body in ({"userEmails": mails}, {"userIds": ids}):
            if any(body.values()):
                yield Call("addUsersToPathSession", path=path, body=body)
        return {"session_id": session_id, "outcome": "enrolled", "users": len(given)}

    @writes("addGroupsToPathSession", key=("session_id", "group_ids"))
    @action
    def enroll_groups(
        self, session_id: str, group_ids: Iterable[str], *, path_id: str | None = None
    ) -> ActionSteps[dict[str, Any]]:
        """
        Enroll groups in a path session (``addGroupsToPathSession``).

        :param session_id: Id of the session.
        :param group_ids: Ids of groups.
        :param path_id: Id of the path. v2 requires it.
        :returns: ``{"session_id", "outcome": "enrolled", "groups"}``, ``groups`` being their number.
        """
        path = _session(session_id, path_id)
        groups = _not_empty("group_ids", check_ids("group_ids", group_ids))
        yield Call("addGroupsToPathSession", path=path, body={"groupIds": groups})
        return {"session_id": session_id, "outcome": "enrolled", "groups": len(groups)}

    @writes("removeUsersFromPathSession", key=("session_id", "users"))
    @action
    def unenroll_users(
        self, session_id: str, users: Iterable[str], *, path_id: str | None = None
    ) -> ActionSteps[dict[str, Any]]:
        """
        Take users out of a path session (``removeUsersFromPathSession``, known from public code only).

        :param session_id: Id of the session.
        :param users: Mails and ids; v1 takes mails, so each id is looked up first.
        :param path_id: Id of the path. v2 requires it.
        :returns: ``{"session_id", "outcome": "unenrolled", "users"}``, ``users`` being their number.
        """
        path = _session(session_id, path_id)
        mails = []
        for user in _not_empty("users", check_users("users", users)):
            mails.append((yield from self._mail_of(user)))
        yield Call("removeUsersFromPathSession", path=path, body={"userEmails": mails})
        return {"session_id": session_id, "outcome": "unenrolled", "users": len(mails)}

    @action
    def list_path_session_users(
        self, session_id: str, *, path_id: str | None = None
    ) -> ActionSteps[list[dict[str, Any]]]:
        """
        List who is enrolled in a path session (``getPathSessionUsers``, known from public code only).

        :param session_id: Id of the session.
        :param path_id: Id of the path. v2 requires it.
        :returns: Users, as :meth:`~.users.UserActions.list_users` has them.
        """
        items = yield Call("getPathSessionUsers", path=_session(session_id, path_id))
        return [neutral_user(item) for item in items]

    @action
    def list_path_session_stats(
        self,
        session_id: str,
        *,
        path_id: str | None = None,
        completed_after: datetime | str | None = None,
        completed_before: datetime | str | None = None,
    ) -> ActionSteps[list[dict[str, Any]]]:
        """
        Read where each learner of a path session stands (``getUsersPathSessionStats``).

        :param session_id: Id of the session.
        :param path_id: Id of the path. v2 requires it.
        :param completed_after: Only learners who completed it after this moment. Whether the moments asked for belong
            to the span is not known.
        :param completed_before: Only learners who completed it before this moment.
        :returns: A list of ``session_id``, ``path_id``, ``user_id``, ``mail``, ``deleted``, ``progress`` (0-100),
            ``score`` (0-100 or ``None``), ``completed_at`` (ISO 8601 or ``None``), ``time_spent_ms``, ``status``: one
            of awaitingCorrection, late, notYetStarted, onTime, sessionNotOpened, successful, toRetake, unsuccessful.
        """
        query = {
            "completedAfter": utc("completed_after", completed_after),
            "completedBefore": utc("completed_before", completed_before),
        }
        answer = yield Call("getUsersPathSessionStats", path=_session(session_id, path_id), query=query)
        session = {"session_id": session_id, "path_id": answer.get("pathId")}
        return [session | _neutral_stats(item) for item in answer["usersStats"]]

    def _find_session(self, wanted: dict[str, str]) -> ActionSteps[str | None]:
        sessions = yield from self.list_path_sessions.steps()
        found = [
            str(session["session_id"])
            for session in sessions
            # Only some keys of the listing are documented: one that is missing does not tell sessions apart.
            if session["name"] == wanted["name"] and all(session[key] in (value, None) for key, value in wanted.items())
        ]
        if len(found) > 1:
            raise RefusedError(
                f"{len(found)} sessions are called {wanted['name']!r} ({', '.join(found)}): rename the others",
                operation="createPathSession",
            )
        return found[0] if found else None

    def _mail_of(self, user: str) -> ActionSteps[str]:
        if not is_id(user):
            return user
        item = yield Call("getUser", path={"user": user})
        return check_mail("mail of " + user, item.get("mail"))


def _session(session_id: str, path_id: str | None) -> dict[str, str]:
    if path_id is not None:
        check_id("path_id", path_id)
    return {"session_id": check_id("session_id", session_id)}


def _not_empty(name: str, values: list[str]) -> list[str]:
    if not values:
        raise InvalidRequestError(f"{name} is empty. Nothing was sent.", argument=name)
    return values


def _neutral_stats(item: dict[str, Any]) -> dict[str, Any]:
    seconds = item.get("totalTimeSpentInSeconds")
    detailed = item.get("detailedStatus")
    status = detailed.get("type") if isinstance(detailed, dict) else detailed
    return {
        "user_id": item.get("_id"),
        "mail": item.get("mail"),
        "deleted": bool(item.get("deleted")),
        "progress": item.get("progress"),
        "score": item.get("score"),
        "completed_at": answered_moment("completedAt", item.get("completedAt")),
        "time_spent_ms": None if seconds is None else round(seconds * 1000),
        # Written with a capital in one place of the documentation.
        "status": status[:1].lower() + status[1:] if isinstance(status, str) else None,
    }
