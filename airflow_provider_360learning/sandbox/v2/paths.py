"""Paths, their sessions, audiences, enrollments and statistics."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from airflow_provider_360learning.sandbox.clock import ALWAYS, iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.learners import Learners
from airflow_provider_360learning.sandbox.state.model import AudienceMode, Group, Path, Person, Session
from airflow_provider_360learning.sandbox.state.progress import Progress, ProgressStatus
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations, is_id
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import choices, dates, ids

operations = Operations()

_VALIDATIONS = ("disabled", "instructors", "managers", "adminsAndManagers", "adminsCoachesInstructorsManagers")

#: Modes of an audience, and what they mean.
MODES: dict[str, AudienceMode] = {
    "dynamic": "dynamic",
    "dynamicEnrollment": "dynamic_enrollment",
    "dynamicUnenrollment": "dynamic_unenrollment",
    "manual": "manual",
}
_MODE_NAMES = {mode: name for name, mode in MODES.items()}

#: Types of filters, and the documented maximum number of ids in each.
_FILTERS = {"users": 20_000, "groups": 5_000, "excludedLearners": 20_000}
_MAX_FILTERS = 3
_MAX_INSTRUCTORS = 100

#: All documented statuses of a learner. What a learner whose session has ended is documented to be has another name.
_STATUSES: dict[ProgressStatus, str] = {
    "not_open": "sessionNotOpened",
    "not_started": "notYetStarted",
    "on_time": "onTime",
    "late": "unsuccessful",
    "successful": "successful",
    "unsuccessful": "unsuccessful",
}
_ALL_STATUSES = (
    "awaitingCorrection",
    "late",
    "notYetStarted",
    "onTime",
    "sessionNotOpened",
    "successful",
    "toRetake",
    "unsuccessful",
)

_SESSION_DATES = dates("createdAt", "modifiedAt", "startDate", "endDate")


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


# Paths


@operations.add(
    "getPaths",
    "GET",
    "/paths",
    scope="paths:read",
    page_size=200,
    filters=(*dates("createdAt", "modifiedAt"), choices("status", "eq", "archived", "published")),
)
def get_paths(call: Call) -> Response:
    """List all paths, also archived ones."""
    paths = [
        path
        for path in call.state.paths.values()
        if call.conditions.hold(createdAt=path.created_at, modifiedAt=path.modified_at, status=_path_status(path))
    ]
    return call.page(paths, _path)


@operations.add("getPath", "GET", "/paths/{pathId}", scope="paths:read")
def get_path(call: Call) -> Response:
    """Return one path."""
    return Response(_path(call.learning_path(call.path["pathId"])))


@operations.add("archiveOrUnarchivePath", "PUT", "/paths/{pathId}/archive", scope="paths:write", bodies=("json",))
def archive_path(call: Call) -> Response:
    """Archive a path without running sessions, or restore it."""
    path = call.learning_path(call.path["pathId"])
    call.require("archived")
    archived = bool(call.boolean("archived"))
    if archived and any(each.start <= call.now and not _has_ended(call, each) for each in call.state.sessions_of(path)):
        raise ApiError(400, "pathHasRunningSessions")
    call.state.archive_path(path, archived)
    return Response()


# Sessions


@operations.add(
    "getAllPathSessions",
    "GET",
    "/paths/sessions",
    scope="paths:read",
    page_size=500,
    filters=(*_SESSION_DATES, ids("sessionId"), ids("pathId")),
    assumes="Sessions of archived paths, and sessions that are a part of another one, are listed.",
)
def get_all_path_sessions(call: Call) -> Response:
    """List all sessions of all paths."""
    sessions = [each for each in call.state.sessions.values() if _is_listed(call, each)]
    return call.page(sessions, lambda session: _session(call, session))


@operations.add(
    "getPathSessions", "GET", "/paths/{pathId}/sessions", scope="paths:read", page_size=100, filters=_SESSION_DATES
)
def get_path_sessions(call: Call) -> Response:
    """List the sessions of a path."""
    path = call.learning_path(call.path["pathId"])
    sessions = [each for each in call.state.sessions_of(path) if _is_listed(call, each)]
    return call.page(sessions, lambda session: _full_session(call, session))


@operations.add("getPathSession", "GET", "/paths/{pathId}/sessions/{sessionId}", scope="paths:read")
def get_path_session(call: Call) -> Response:
    """Return one session."""
    return Response(_full_session(call, call.session()))


@operations.add(
    "createPathSession",
    "POST",
    "/paths/{pathId}/sessions",
    scope="paths:write",
    bodies=("json",),
    assumes="An instructor without the role of an editor in any group makes the root group the owner. Options of "
    "reenrollment, user limits and IP filtering are accepted and not kept.",
)
def create_path_session(call: Call) -> Response:
    """Create a session, whose owner group is derived from the main instructor (documented in a guide)."""
    path = call.learning_path(call.path["pathId"])
    call.require("mainInstructorId", "registrationRequestValidation", "startDate", "name")
    validation = call.choice("registrationRequestValidation", _VALIDATIONS)
    name, start, end = call.text("name"), call.date("startDate"), call.date("endDate")
    main = call.id("mainInstructorId")
    assert name is not None
    assert start is not None
    assert main is not None
    info, others = call.text("additionalInformation"), _instructor_ids(call)
    if path.archived:
        raise ApiError(400, "pathArchived")
    _check_dates(start, end)
    instructors = _people(call, [main, *others])
    session = call.state.add_session(path.id, name, _owner_group(call, instructors[0]).id, start)
    session.end, session.info, session.registration_request = end, info, validation
    session.instructors = [person.mail for person in instructors]
    session.mode = "manual" if path.uses_tokens else MODES[call.settings.audience_mode]
    return Response(_full_session(call, session))


@operations.add(
    "modifyPathSession",
    "PATCH",
    "/paths/{pathId}/sessions/{sessionId}",
    scope="paths:write",
    bodies=("json",),
    assumes="A session that has ended refuses all changes.",
)
def modify_path_session(call: Call) -> Response:
    """Change the given fields of a session."""
    session, fields = call.session(), call.fields
    validation = call.choice("registrationRequestValidation", _VALIDATIONS)
    name, start, end = call.text("name"), call.date("startDate"), call.date("endDate")
    info, group = call.text("additionalInformation"), call.id("groupId")
    main = call.id("mainInstructorId")
    others = _instructor_ids(call) if "instructorIds" in fields else None
    if session.root is not None:
        raise ApiError(400, "childPathSession")
    if _has_ended(call, session):
        raise ApiError(400, "unsupportedEndDateUpdate" if "endDate" in fields else "sessionEnded")
    start, end = session.start if start is None else start, end if "endDate" in fields else session.end
    _check_dates(start, end)
    owner = session.owner_group if group is None else call.group(group).id
    present = _instructors(call, session)
    instructors = _people(
        call,
        [
            main or present[0].id,
            *([each.id for each in present[1:]] if others is None else others),
        ],
    )
    session.name, session.start, session.end, session.owner_group = name or session.name, start, end, owner
    session.info = info if "additionalInformation" in fields else session.info
    session.instructors = [person.mail for person in instructors]
    session.registration_request = validation or session.registration_request
    call.state.touch(session)
    return Response(_full_session(call, session))


@operations.add("deletePathSession", "DELETE", "/paths/{pathId}/sessions/{sessionId}", scope="paths:write")
def delete_path_session(call: Call) -> Response:
    """Delete a session."""
    call.state.delete_session(call.session())
    return NO_CONTENT


# Audiences and enrollments


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
    _people(call, [*users, *excluded])
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
    enrollments = [
        each
        for session in call.state.sessions_of(path)
        for each in _enrollments(call, session)
        if call.conditions.hold(
            status=each.status,
            createdAt=each.since,
            modifiedAt=each.until or each.since,
            sessionId=session.id,
        )
    ]
    return call.page(enrollments, _enrollment)


# Statistics


@operations.add(
    "getSessionStats",
    "GET",
    "/paths/{pathId}/sessions/{sessionId}/user-statuses",
    scope="pathStats:read",
    assumes="Learners who were unenrolled are not counted. No learner gets a certificate.",
)
def get_session_stats(call: Call) -> Response:
    """Count the learners of a session by status."""
    session, learners = call.session(), call.company.learners
    counts = Counter(
        _STATUSES[learners.progress(session, each.person).status]
        for each in _enrollments(call, session)
        if each.until is None and (each.person.status != "deleted" or call.settings.deleted_users_in_counts)
    )
    return Response({"certificates": 0, "usersCountByStatus": {status: counts[status] for status in _ALL_STATUSES}})


@operations.add(
    "getUserStats",
    "GET",
    "/paths/{pathId}/sessions/{sessionId}/user-stats",
    scope="pathStats:read",
    page_size=2_000,
    filters=(*dates("completedAt"), ids("userId")),
    assumes="`dueDate` is the end of the session.",
)
def get_user_stats(call: Call) -> Response:
    """Return the progress of each learner of a session, also of unenrolled ones."""
    learners = call.company.learners
    return call.page(_in_statistics(call, learners, call.session()), lambda each: _statistic(learners, each))


@operations.add(
    "getPathStats",
    "GET",
    "/paths/stats",
    scope="pathStats:read",
    page_size=2_000,
    filters=(
        choices("status", "eq", "archived", "published"),
        *dates("completedAt"),
        ids("pathId"),
        ids("userId"),
    ),
    assumes="The status is that of the enrollment.",
)
def get_path_stats(call: Call) -> Response:
    """Return the progress of each learner of each session."""
    learners = call.company.learners
    sessions = [each for each in call.state.sessions.values() if call.conditions.on("pathId").hold(pathId=each.path)]
    found = [each for session in sessions for each in _in_statistics(call, learners, session)]
    of_status = call.conditions.on("status")
    if of_status:
        found = [each for each in found if of_status.hold(status=each.status)]

    def statistic(each: Enrollment) -> dict[str, object]:
        return {**_statistic(learners, each), "pathId": each.session.path, "sessionId": each.session.id}

    return call.page(found, statistic)


# Objects of responses


def _path(path: Path) -> dict[str, object]:
    options = (
        "linearProgression",
        "mandatoryReplay",
        "displayForum",
        "displayClassroomMessages",
        "automatedReminders",
        "notificationOnStepCreation",
    )
    step_options = {"optional": False, "showCorrection": "onCompletion", "showForum": "never"}
    return {
        "_id": path.id,
        "name": path.name,
        "authorId": path.author,
        "coAuthorIds": [],
        "groupId": path.group,
        "createdAt": iso(path.created_at),
        "modifiedAt": iso(path.modified_at),
        "defaultLang": "en",
        "sourceLang": "en",
        "status": _path_status(path),
        "options": dict.fromkeys(options, False),
        "steps": [{"_id": course, "type": "course", "options": step_options} for course in path.courses],
        "translations": [],
    }


def _path_status(path: Path) -> str:
    return "archived" if path.archived else "published"


def _session(call: Call, session: Session) -> dict[str, object]:
    """Return a session as the listing of all sessions shows it. Fields without a value are absent."""
    main, *others = _instructors(call, session)
    validation = session.registration_request
    optional = {
        "endDate": None if session.end is None else iso(session.end),
        "additionalInformation": session.info or None,
        "rootSessionId": session.root,
    }
    return {
        "_id": session.id,
        "pathId": session.path,
        "name": session.name,
        "groupId": session.owner_group,
        "mainInstructorId": main.id,
        "instructorIds": [person.id for person in others],
        "registrationRequestValidation": validation if validation in _VALIDATIONS else "disabled",
        "startDate": iso(session.start),
        "createdAt": iso(session.created_at),
        "modifiedAt": iso(session.modified_at),
        "isAudienceBuilder": session.has_audience_builder,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _full_session(call: Call, session: Session) -> dict[str, object]:
    return {**_session(call, session), "translations": []}


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


def _statistic(learners: Learners, enrollment: Enrollment) -> dict[str, object]:
    learner = learners.progress(enrollment.session, enrollment.person)
    optional = {
        "completedAt": learner.completed_at if learner.completed else None,
        "startedAt": learner.started_at if learner.started else None,
        "unenrolledAt": enrollment.until,
        "dueDate": enrollment.session.end,
    }
    return {
        "_id": enrollment.id,
        "userId": enrollment.person.id,
        "progress": learner.percent,
        "status": _status(learner),
        "timeSpent": int(learner.seconds_spent * 1000),
        "enrolledAt": iso(enrollment.since),
        "selfEnrolled": enrollment.by_self,
        **({} if learner.score is None else {"score": learner.score}),
        **{name: iso(seconds) for name, seconds in optional.items() if seconds is not None},
    }


def _status(learner: Progress) -> dict[str, object]:
    ended = {"reason": "sessionEnded"} if learner.status == "late" else {}
    return {"type": _STATUSES[learner.status], **ended}


# State


def _enrollments(call: Call, session: Session) -> Iterator[Enrollment]:
    people = call.state.people
    for id, since in session.enrolled.items():
        yield Enrollment(session, people[id], since, None, id in session.self_enrolled)
    for id, former in session.former.items():
        yield Enrollment(session, people[id], *former)


def _in_statistics(call: Call, learners: Learners, session: Session) -> list[Enrollment]:
    """Return the enrollments in a session that fulfill the conditions on users and on completion."""
    enrollments = list(_enrollments(call, session))
    if session.former and not call.settings.unenrolled_in_statistics:
        enrollments = [each for each in enrollments if each.until is None]
    if of_user := call.conditions.on("userId"):
        enrollments = [each for each in enrollments if of_user.hold(userId=each.person.id)]
    period = call.conditions.period("completedAt")
    if period == ALWAYS:
        return enrollments
    return [each for each in enrollments if period.holds(learners.completed_at(session, each.person))]


def _is_listed(call: Call, session: Session) -> bool:
    return call.conditions.hold(
        createdAt=session.created_at,
        modifiedAt=session.modified_at,
        startDate=session.start,
        endDate=session.end,
        sessionId=session.id,
        pathId=session.path,
    )


def _instructors(call: Call, session: Session) -> list[Person]:
    """Return the instructors of a session, the main one first: the owner of the platform, if none was given."""
    people = [person for each in session.instructors if (person := call.state.find(each))]
    owner = call.state.owner
    assert owner is not None
    return people or [call.state.people[owner]]


def _instructor_ids(call: Call) -> list[str]:
    ids = call.ids("instructorIds") or []
    if len(ids) > _MAX_INSTRUCTORS:
        raise call.malformed(f"instructorIds must have at most {_MAX_INSTRUCTORS} items.")
    return ids


def _people(call: Call, user_ids: list[str]) -> list[Person]:
    """Return users who are not deleted, or refuse."""
    people = [call.state.people.get(each) for each in user_ids]
    found = [person for person in people if person and person.status != "deleted"]
    if len(found) < len(people):
        raise ApiError(404, "usersNotFound")
    return found


def _owner_group(call: Call, instructor: Person) -> Group:
    """Return the group in which the main instructor is an editor: a public one, the highest, the largest."""
    state = call.state
    groups = [group for group in state.groups_of(instructor) if "editor" in group.members[instructor.id]]

    def depth(group: Group) -> int:
        return 0 if group.parent is None else 1 + depth(state.groups[group.parent])

    return min(groups, key=lambda each: (not each.public, depth(each), -len(each.members)), default=state.root)


def _has_ended(call: Call, session: Session) -> bool:
    return session.end is not None and session.end <= call.now


def _check_dates(start: float, end: float | None) -> None:
    if end is not None and end < start:
        raise ApiError(400, "invalidStartOrEndDate")


def _check_change(call: Call, session: Session) -> None:
    """Refuse a change of the learners of a session that is a part of another one, or has ended."""
    if session.root is not None:
        raise ApiError(400, "childPathSession")
    if _has_ended(call, session):
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
