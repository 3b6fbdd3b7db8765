"""Audiences of sessions, and the enrollments that follow from them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Person, Session
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations, is_id
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import choices, dates, ids
from airflow_provider_360learning.sandbox.v2.path_sessions import MODES, has_ended

operations = Operations()

_MODE_NAMES = {mode: name for name, mode in MODES.items()}

#: Types of filters, and the documented maximum number of ids in each.
_FILTERS = {"users": 20_000, "groups": 5_000, "excludedLearners": 20_000}
_MAX_FILTERS = 3


class Enrollment(NamedTuple):
    """
    An enrollment of a learner, which may have ended.

    :param until: when it ended; ``None`` if it has not.
    """

    session: Session
    person: Person
    since: float
    until: float | None
    by_self: bool

    @property
    def id(self) -> str:
        """Its id, which stays if the learner is enrolled again (assumption)."""
        return hashlib.sha256(f"enrollment|{self.session.id}|{self.person.id}".encode()).hexdigest()[:24]

    @property
    def status(self) -> str:
        """``published``, or ``archived`` if it has ended."""
        return "published" if self.until is None else "archived"


@operations.add(
    "getSessionAudience",
    "GET",
    "/paths/{pathId}/sessions/{sessionId}/audiences",
    scope="paths:read",
    assumes="Filters without ids are not returned.",
)
def get_session_audience(call: Call) -> Response:
    """Return the audience of a session."""
    session = call.session()
    _check_audience(session)
    return Response(_audience(call, session))


@operations.add(
    "updateSessionAudience",
    "PUT",
    "/paths/{pathId}/sessions/{sessionId}/audiences",
    scope="paths:write",
    bodies=("json",),
    assumes="Two filters of one type are an invalid shape; excluded learners must exist; enrollments follow at once; "
    "users who have not accepted their invitation are enrolled if they are given by id.",
)
def update_session_audience(call: Call) -> Response:
    """Replace the audience of a session."""
    session = call.session()
    path = call.state.paths[session.path]
    filters, mode = _filters(call), call.choice("mode", MODES)
    call.require("mode")
    assert mode is not None
    if path.archived:
        raise ApiError(400, "pathArchived")
    _check_change(call, session)
    _check_audience(session)
    if path.uses_tokens:
        _check_tokens(filters, mode)
    users, groups, excluded = (filters.get(kind, []) for kind in _FILTERS)
    call.people([*users, *excluded])
    if not all(each in call.state.groups for each in groups):
        raise ApiError(404, "groupsNotFound")
    call.state.replace_audience(session, users, groups, excluded, MODES[mode])
    return Response(_audience(call, session))


@operations.add(
    "archiveSelfEnrollment",
    "DELETE",
    "/paths/{pathId}/sessions/{sessionId}/self-enrollments/{userId}",
    scope="paths:write",
)
def archive_self_enrollment(call: Call) -> Response:
    """Unenroll a learner who has enrolled without being in the audience."""
    session, user_id = call.session(), call.path["userId"]
    _check_change(call, session)
    if user_id not in session.enrolled:
        raise ApiError(404, "learnerNotEnrolled")
    if user_id not in session.self_enrolled:
        raise ApiError(400, "learnerNotSelfEnrolled")
    call.state.end_enrollment(session, call.state.people[user_id])
    return NO_CONTENT


@operations.add(
    "getEnrollments",
    "GET",
    "/paths/{pathId}/enrollments",
    scope="paths:read",
    page_size=5_000,
    filters=(choices("status", "eq", "archived", "published"), *dates("createdAt", "modifiedAt"), ids("sessionId")),
    assumes="A learner has one enrollment per session; an enrollment is modified when it begins and when it ends.",
)
def get_enrollments(call: Call) -> Response:
    """List the enrollments in all sessions of a path, also enrollments that have ended."""
    path = call.learning_path(call.path["pathId"])
    found = [
        each
        for session in call.state.sessions_of(path)
        for each in enrollments(call, session)
        if call.conditions.hold(
            status=each.status,
            createdAt=each.since,
            modifiedAt=each.until or each.since,
            sessionId=session.id,
        )
    ]
    return call.page(found, _enrollment)


def _audience(call: Call, session: Session) -> dict[str, object]:
    users, excluded = list(session.users), list(session.excluded)
    if call.settings.deleted_users_in_audiences == "removed":
        users, excluded = (
            [id for id in each if call.state.people[id].status != "deleted"] for each in (users, excluded)
        )
    filters = zip(_FILTERS, (users, session.groups, excluded), strict=True)
    return {
        "filters": [{"type": kind, "ids": list(ids)} for kind, ids in filters if ids],
        "mode": _MODE_NAMES[session.mode],
    }


def _enrollment(enrollment: Enrollment) -> dict[str, object]:
    ended = {} if enrollment.until is None else {"archivedAt": iso(enrollment.until)}
    return {
        "_id": enrollment.id,
        "userId": enrollment.person.id,
        "sessionId": enrollment.session.id,
        "createdAt": iso(enrollment.since),
        "modifiedAt": iso(enrollment.until or enrollment.since),
        "isSelfEnrolled": enrollment.by_self,
        "status": enrollment.status,
        **ended,
    }


def enrollments(call: Call, session: Session) -> Iterator[Enrollment]:
    """Yield the enrollments in a session, also enrollments that have ended."""
    people = call.state.people
    for id, since in session.enrolled.items():
        yield Enrollment(session, people[id], since, None, id in session.self_enrolled)
    for id, former in session.former.items():
        yield Enrollment(session, people[id], *former)


def _check_change(call: Call, session: Session) -> None:
    """Refuse a change of the learners of a session that is a part of another one, or has ended."""
    if session.root is not None:
        raise ApiError(400, "childPathSession")
    if has_ended(call, session):
        raise ApiError(400, "sessionEnded")


def _check_audience(session: Session) -> None:
    if not session.has_audience_builder:
        raise ApiError(400, "sessionIsNotAudienceBuilder")
    if session.has_other_filters:
        raise ApiError(400, "unsupportedAudienceFilter")


def _check_tokens(filters: Mapping[str, list[str]], mode: str) -> None:
    """Refuse what a path whose enrollments take tokens does not support."""
    if "groups" in filters:
        raise ApiError(400, "tokenBasedPathAudienceFilter")
    if "excludedLearners" in filters:
        raise ApiError(400, "tokenBasedPathExcludedLearners")
    if mode != "manual":
        raise ApiError(400, "tokenBasedPathMode")


def _filters(call: Call) -> dict[str, list[str]]:
    """Return the ids of the filters of an audience by type."""
    given = call.objects("filters")
    if given is None or len(given) > _MAX_FILTERS:
        raise call.malformed(f"filters must be a list of at most {_MAX_FILTERS} filters.")
    filters: dict[str, list[str]] = {}
    for each in given:
        kind, items = each.get("type"), each.get("ids")
        if not isinstance(kind, str) or kind not in _FILTERS or not isinstance(items, list):
            raise call.malformed(f"A filter must have ids, and a type of {', '.join(_FILTERS)}.")
        if len(items) > _FILTERS[kind] or not all(map(is_id, items)):
            raise call.malformed(f"ids must be a list of at most {_FILTERS[kind]} ids.")
        if kind in filters:
            raise ApiError(400, "invalidAudienceBuilderShape")
        filters[kind] = [str(item).lower() for item in items]
    return filters
