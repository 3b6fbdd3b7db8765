"""Sessions of paths, their enrollments and statistics."""

from __future__ import annotations

from collections import Counter

from airflow_provider_360learning.sandbox.clock import iso, parse_iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Person, Session
from airflow_provider_360learning.sandbox.state.progress import Progress, ProgressStatus
from airflow_provider_360learning.sandbox.v1.call import NO_CONTENT, ApiError, Call, Operations, is_id

operations = Operations()

#: The documented `detailedStatus` of a learner. The spelling of `unsuccessful` is a setting.
_DETAILED_STATUS: dict[ProgressStatus, str] = {
    "not_open": "sessionNotOpened",
    "not_started": "notYetStarted",
    "on_time": "onTime",
    "late": "late",
    "successful": "successful",
}


@operations.add("getPathSessions", "GET", "/paths/sessions", assumes="Keys beyond ids, name and owner group.")
def get_path_sessions(call: Call) -> Response:
    """List all sessions of all paths."""
    return Response([_summary(session) for session in call.state.sessions.values()])


@operations.add(
    "getPathSession", "GET", "/paths/sessions/{session_id}", assumes="The keys; only their meaning is documented."
)
def get_path_session(call: Call) -> Response:
    """Return one session."""
    session = call.session()
    return Response(
        {
            **_summary(session),
            "pathName": call.state.paths[session.path].name,
            "sessionAdditionalInformation": session.info or "",
            "instructorsMails": session.instructors,
            "skills": [],
            "users": _enrolled(call, session),
            "groups": session.groups,
        }
    )


@operations.add(
    "getGroupPathsSessions",
    "GET",
    "/groups/{group_id}/pathsSessions",
    evidence="client",
    assumes="The sessions whose audience has the group, with the keys of getPathSessions.",
)
def get_group_paths_sessions(call: Call) -> Response:
    """List the sessions that a group is invited to."""
    group = call.group(call.path["group_id"])
    return Response([_summary(each) for each in call.state.sessions.values() if group.id in each.groups])


@operations.add(
    "createPathSession",
    "POST",
    "/paths/{path_id}/sessions",
    bodies=("json",),
    assumes="An end before the start is refused; instructors must be active users.",
    lenient_ids=True,
)
def create_path_session(call: Call) -> Response:
    """Create a session of a path."""
    path = call.learning_path(call.path["path_id"])
    body = call.fields
    if not isinstance(body.get("sessionName"), str) or not body["sessionName"]:
        raise ApiError(400, "invalid_session_name")
    start = parse_iso(body.get("startDate"))
    if start is None:
        raise ApiError(400, "invalid_start_date")
    end = parse_iso(body.get("endDate"))
    if body.get("endDate") is not None and (end is None or end < start):
        raise ApiError(400, "invalid_end_date")
    owner = _owner_group(call, "invalid_session_owner_group")
    instructors = _instructors(call) if "instructorsMails" in body else []
    session = call.state.add_session(path.id, str(body["sessionName"]), owner, start)
    session.end, session.info, session.instructors = end, _info(call), instructors
    return Response({call.settings.session_id_key: session.id})


@operations.add(
    "updatePathSession",
    "PATCH",
    "/paths/sessions/{session_id}",
    bodies=("json",),
    assumes="The full text of the error for an empty `instructorsMails`.",
)
def update_path_session(call: Call) -> Response:
    """Change a session. Unlike in other PATCH routes, name, owner group and start are always required."""
    session, body = call.session(), call.fields
    if session.id in call.settings.non_root_sessions:
        raise ApiError(400, "Cannot update a non root session")
    name = body.get("sessionName")
    if not isinstance(name, str) or not name:
        raise _invalid("sessionName should not be empty")
    start = parse_iso(body.get("startDate"))
    if start is None:
        raise _invalid("startDate must be a valid ISO 8601 date string")
    end = parse_iso(body.get("endDate"))
    if body.get("endDate") is not None and end is None:
        raise _invalid("endDate must be a valid ISO 8601 date string")
    owner = _owner_group(call, "Request validation failed: sessionOwnerGroup should not be empty")
    if "instructorsMails" in body and not body["instructorsMails"]:
        raise _invalid("instructorsMails should not be empty")
    instructors = _instructors(call) if "instructorsMails" in body else session.instructors
    _check_dates(call, session, start, end)
    session.name, session.owner_group, session.start, session.instructors = name, owner, start, instructors
    session.end = end if "endDate" in body else session.end
    session.info = _info(call) if "sessionAdditionalInformation" in body else session.info
    # Documented: a missing value switches the validation of registrations off, and any update removes the limit.
    session.registration_request = body.get("registrationRequest")
    session.user_limit = None
    call.state.touch(session)
    return call.acknowledge()


@operations.add("deletePathSession", "DELETE", "/paths/sessions/{session_id}")
def delete_path_session(call: Call) -> Response:
    """Delete a session."""
    call.state.delete_session(call.session())
    status = call.settings.delete_session_status
    return NO_CONTENT if status == 204 else call.acknowledge()


@operations.add("getPathSessionUsers", "GET", "/paths/sessions/{session_id}/users", assumes="The keys of a user.")
def get_path_session_users(call: Call) -> Response:
    """List the enrolled users."""
    return Response(_enrolled(call, call.session()))


@operations.add(
    "addUsersToPathSession",
    "PATCH",
    "/paths/sessions/{session_id}/users",
    bodies=("json", "form"),
    assumes="An enrolled user is accepted and keeps the time of enrollment; the error for a body without a list.",
)
def add_users_to_path_session(call: Call) -> Response:
    """Enroll users, given by email address or by id."""
    session = call.session()
    call.state.add_users(session, _listed_people(call, "userEmails", "userIds"))
    return call.acknowledge()


@operations.add(
    "addGroupsToPathSession",
    "PATCH",
    "/paths/sessions/{session_id}/groups",
    bodies=("json", "form"),
    assumes="The members of a group are enrolled, but not those of groups below it.",
)
def add_groups_to_path_session(call: Call) -> Response:
    """Enroll groups with their members."""
    session = call.session()
    groups = [call.group(each) for each in _required(call, "groupIds")]
    for group in groups:
        people = map(call.state.people.__getitem__, group.members)
        call.state.add_group_to_audience(session, group, filter(call.visible, people))
    return call.acknowledge()


@operations.add(
    "removeUsersFromPathSession",
    "DELETE",
    "/paths/sessions/{session_id}/users",
    bodies=("json",),
    evidence="client",
    assumes="A user who is not enrolled is accepted.",
)
def remove_users_from_path_session(call: Call) -> Response:
    """Unenroll users."""
    session = call.session()
    for person in _listed_people(call, "userEmails"):
        call.state.remove_user(session, person)
    return call.acknowledge()


@operations.add(
    "removeGroupsFromPathSession",
    "DELETE",
    "/paths/sessions/{session_id}/groups",
    bodies=("json",),
    evidence="client",
    assumes="A group that is not enrolled is accepted; members who are enrolled in another way stay enrolled.",
)
def remove_groups_from_path_session(call: Call) -> Response:
    """Unenroll groups."""
    session = call.session()
    for group in [call.group(each) for each in _required(call, "groupIds")]:
        call.state.remove_group_from_audience(session, group)
    return call.acknowledge()


@operations.add(
    "getPathSessionStats",
    "GET",
    "/paths/sessions/{session_id}/stats",
    assumes="`started` counts learners with an activity, completed or not; `inProgress` those who have not completed.",
)
def get_path_session_stats(call: Call) -> Response:
    """Count the learners of a session by status."""
    session = call.session(error="session_not_found")
    learners = [
        each
        for each in _learners(call, session)
        if each.person.status != "deleted" or call.settings.deleted_users_in_counts
    ]
    completed, started = sum(each.completed for each in learners), sum(each.started for each in learners)
    return Response(
        _session_head(call, session)
        | {
            call.settings.users_status_key: {
                "completed": completed,
                "enrolled": len(learners),
                "inProgress": started - completed,
                "selfEnrolled": 0,
                "started": started,
            },
            "detailedStatus": Counter(_detailed_status(call, each) for each in learners),
        }
    )


@operations.add(
    "getUsersPathSessionStats",
    "GET",
    "/paths/sessions/{session_id}/stats/users",
    assumes="The error for an unknown session is that of getPathSessionStats.",
)
def get_users_path_session_stats(call: Call) -> Response:
    """Return the progress of each learner of a session, or of those who completed it in a period."""
    session = call.session(error="session_not_found")
    completed = call.period("completedAfter", "completedBefore")
    return Response(
        _session_head(call, session)
        | {
            "usersStats": [
                _user_stats(call, each)
                for each in _learners(call, session)
                if completed.holds(each.completed_at if each.completed else None)
            ]
        }
    )


@operations.add("getUserPathSessionStats", "GET", "/paths/sessions/{session_id}/stats/{userEmailOrId}")
def get_user_path_session_stats(call: Call) -> Response:
    """Return one learner's progress in a session."""
    session = call.session()
    person = call.person(call.path["userEmailOrId"], status=404)
    if person.id not in session.enrolled:
        raise ApiError(404, "user_not_enrolled")
    learner = call.company.learners.progress(session, person)
    return Response(
        {
            "progress": learner.percent,
            "globalTime": int(learner.seconds_spent * 1000),
            "score": learner.score,
            "status": "completed" if learner.completed else "late" if learner.late else "onTime",
            "completedAt": _completed_at(learner),
            "detailedStatus": {"type": _detailed_status(call, learner)},
        }
    )


def _session_head(call: Call, session: Session) -> dict[str, object]:
    return {
        "sessionId": session.id,
        "sessionName": session.name,
        "pathName": call.state.paths[session.path].name,
        "pathId": session.path,
    }


def _learners(call: Call, session: Session) -> list[Progress]:
    learners = call.company.learners
    return [learners.progress(session, call.state.people[each]) for each in session.enrolled]


def _user_stats(call: Call, learner: Progress) -> dict[str, object]:
    person = learner.person
    return {
        "_id": person.id,
        "deleted": person.status == "deleted",
        "firstName": person.profile.get("first_name", ""),
        "lastName": person.profile.get("last_name", ""),
        "mail": person.mail,
        "totalTimeSpentInSeconds": round(learner.seconds_spent, 3),
        "progress": learner.percent,
        "score": learner.score,
        "completedAt": _completed_at(learner),
        "detailedStatus": {"type": _detailed_status(call, learner)},
    }


def _detailed_status(call: Call, learner: Progress) -> str:
    return _DETAILED_STATUS.get(learner.status, call.settings.unsuccessful_word)


def _completed_at(learner: Progress) -> str | None:
    return iso(learner.completed_at) if learner.completed else None


def _summary(session: Session) -> dict[str, object]:
    """Return a session as listings show it."""
    return {
        "sessionId": session.id,
        "sessionName": session.name,
        "sessionOwnerGroup": session.owner_group,
        "pathId": session.path,
        "startDate": iso(session.start),
        "endDate": None if session.end is None else iso(session.end),
    }


def _enrolled(call: Call, session: Session) -> list[dict[str, object]]:
    return call.summaries(session.enrolled)


def _required(call: Call, *names: str) -> list[str]:
    """Return the items of the one list that is given, or refuse."""
    lists = [items for name in names if (items := call.strings(name)) is not None]
    if len(lists) != 1:
        raise _invalid(f"{' or '.join(names)} should not be empty")
    return lists[0]


def _listed_people(call: Call, *names: str) -> list[Person]:
    people = []
    for mail_or_id in _required(call, *names):
        try:
            people.append(call.person(mail_or_id))
        except ApiError:
            if call.settings.unknown_mail_in_enrollment != "ignore":
                raise
    return people


def _owner_group(call: Call, invalid: str) -> str:
    owner = call.fields.get("sessionOwnerGroup")
    if not isinstance(owner, str) or not is_id(owner):
        raise ApiError(400, invalid)
    if owner not in call.state.groups:
        raise ApiError(400, "session_owner_group_not_found")
    return owner


def _instructors(call: Call) -> list[str]:
    """Return the email addresses of the instructors, who must be active users."""
    mails = call.fields["instructorsMails"]
    if not isinstance(mails, list):
        raise ApiError(400, "invalid_instructors")
    people = [call.state.find(str(mail)) for mail in mails]
    if not all(person and person.status == "active" for person in people):
        raise ApiError(400, "invalid_instructors")
    return [str(mail) for mail in mails]


def _info(call: Call) -> str | None:
    info = call.fields.get("sessionAdditionalInformation")
    return None if info is None else str(info)


def _check_dates(call: Call, session: Session, start: float, end: float | None) -> None:
    refused = "Session cannot be updated because new session "
    # Responses round dates to milliseconds, so that a date that is sent back may differ by less.
    if abs(start - session.start) >= 0.001:
        if session.start <= call.now and session.enrolled:
            raise ApiError(
                400, "Session startDate cannot be updated because the session is running and has enrolled learners."
            )
        if start < call.now:
            raise ApiError(400, f"{refused}start date is in the past.")
    if end is None:
        return
    if end < call.now and (session.end is None or abs(end - session.end) >= 0.001):
        raise ApiError(400, f"{refused}end date is in the past.")
    if end < start:
        raise ApiError(400, f"{refused}end date precedes session start date.")


def _invalid(detail: str) -> ApiError:
    return ApiError(400, f"Request validation failed: {detail}")
