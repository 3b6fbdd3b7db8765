"""Sessions of paths."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import AudienceMode, Group, Person, Session
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import dates, ids

operations = Operations()

_VALIDATIONS = ("disabled", "instructors", "managers", "adminsAndManagers", "adminsCoachesInstructorsManagers")
_MAX_INSTRUCTORS = 100

#: Modes of an audience, and what they mean.
MODES: dict[str, AudienceMode] = {
    "dynamic": "dynamic",
    "dynamicEnrollment": "dynamic_enrollment",
    "dynamicUnenrollment": "dynamic_unenrollment",
    "manual": "manual",
}
_SESSION_DATES = dates("createdAt", "modifiedAt", "startDate", "endDate")


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
    "reenrollment and IP filtering are accepted and not kept.",
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
    info, others, limit = (
        call.text("additionalInformation"),
        _instructor_ids(call),
        call.integer("userLimit", minimum=1),
    )
    if path.archived:
        raise ApiError(400, "pathArchived")
    _check_dates(start, end)
    instructors = call.people([main, *others])
    session = call.state.add_session(path.id, name, _owner_group(call, instructors[0]).id, start)
    session.end, session.info, session.registration_request = end, info, validation
    session.user_limit = limit
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
    info, group, limit = call.text("additionalInformation"), call.id("groupId"), call.integer("userLimit", minimum=1)
    if session.root is not None:
        raise ApiError(400, "childPathSession")
    if has_ended(call, session):
        raise ApiError(400, "unsupportedEndDateUpdate" if "endDate" in fields else "sessionEnded")
    start, end = session.start if start is None else start, end if "endDate" in fields else session.end
    _check_dates(start, end)
    owner = session.owner_group if group is None else call.group(group).id
    instructors = _changed_instructors(call, session)
    session.name, session.start, session.end, session.owner_group = name or session.name, start, end, owner
    session.info = info if "additionalInformation" in fields else session.info
    session.registration_request = validation or session.registration_request
    session.user_limit = limit if "userLimit" in fields else session.user_limit
    for each in (session, *(child for child in call.state.sessions.values() if child.root == session.id)):
        each.instructors = instructors
    call.state.touch(session)
    return Response(_full_session(call, session))


@operations.add(
    "modifyChildPathSession",
    "PATCH",
    "/paths/{pathId}/child-sessions/{childSessionId}",
    scope="paths:write",
    bodies=("json",),
)
def modify_child_path_session(call: Call) -> Response:
    """Change the given fields of a session that is a part of the session of another path."""
    session = call.session("childSessionId")
    info = call.text("additionalInformation")
    if session.root is None:
        raise ApiError(400, "rootPathSession")
    if has_ended(call, session):
        raise ApiError(400, "sessionEnded")
    session.instructors = _changed_instructors(call, session)
    session.info = info if "additionalInformation" in call.fields else session.info
    call.state.touch(session)
    return Response(_full_session(call, session))


@operations.add("deletePathSession", "DELETE", "/paths/{pathId}/sessions/{sessionId}", scope="paths:write")
def delete_path_session(call: Call) -> Response:
    """Delete a session."""
    call.state.delete_session(call.session())
    return NO_CONTENT


# Objects of responses


def _session(call: Call, session: Session) -> dict[str, object]:
    """Return a session as the listing of all sessions shows it. Fields without a value are absent."""
    main, *others = _instructors(call, session)
    validation = session.registration_request
    optional = {
        "endDate": None if session.end is None else iso(session.end),
        "additionalInformation": session.info or None,
        "rootSessionId": session.root,
        "userLimit": session.user_limit,
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


# State


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


def _changed_instructors(call: Call, session: Session) -> list[str]:
    """Return the email addresses of the instructors after a change that may leave some of them out."""
    main, *others = (each.id for each in _instructors(call, session))
    if "instructorIds" in call.fields:
        others = _instructor_ids(call)
    return [person.mail for person in call.people([call.id("mainInstructorId") or main, *others])]


def _instructor_ids(call: Call) -> list[str]:
    ids = call.ids("instructorIds") or []
    if len(ids) > _MAX_INSTRUCTORS:
        raise call.malformed(f"instructorIds must have at most {_MAX_INSTRUCTORS} items.")
    return ids


def _owner_group(call: Call, instructor: Person) -> Group:
    """Return the group in which the main instructor is an editor: a public one, the highest, the largest."""
    state = call.state
    groups = [group for group in state.groups_of(instructor) if "editor" in group.members[instructor.id]]

    def depth(group: Group) -> int:
        return 0 if group.parent is None else 1 + depth(state.groups[group.parent])

    return min(groups, key=lambda each: (not each.public, depth(each), -len(each.members)), default=state.root)


def has_ended(call: Call, session: Session) -> bool:
    """Return whether a session has ended."""
    return session.end is not None and session.end <= call.now


def _check_dates(start: float, end: float | None) -> None:
    if end is not None and end < start:
        raise ApiError(400, "invalidStartOrEndDate")
