"""Path sessions and who is enrolled in them."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.calls import Answer, ApiError, Call, is_id
from airflow_provider_360learning.sandbox.clock import iso, parse_iso
from airflow_provider_360learning.sandbox.routing import operation
from airflow_provider_360learning.sandbox.state import Person, Session


@operation("getPathSessions", "GET", "/paths/sessions")
def get_path_sessions(call: Call) -> Answer:
    """List all sessions of all paths."""
    return Answer([_summary(session) for session in call.world.sessions.values()])


@operation("getPathSession", "GET", "/paths/sessions/{session_id}")
def get_path_session(call: Call) -> Answer:
    """Show one session. Its keys are an assumption: only what it is about is documented."""
    session = call.session()
    return Answer(
        {
            **_summary(session),
            "pathName": call.world.paths[session.path].name,
            "sessionAdditionalInformation": session.info or "",
            "instructorsMails": session.instructors,
            "skills": [],
            "users": _enrolled(call, session),
            "groups": session.groups,
        }
    )


@operation("createPathSession", "POST", "/paths/{path_id}/sessions", bodies=("json",), lenient_ids=True)
def create_path_session(call: Call) -> Answer:
    """Create a session of a path."""
    path = call.learning_path(call.path["path_id"])
    body = call.body
    if not isinstance(body.get("sessionName"), str) or not body["sessionName"]:
        raise ApiError(400, "invalid_session_name")
    start = parse_iso(body.get("startDate"))
    if start is None:
        raise ApiError(400, "invalid_start_date")
    end = parse_iso(body.get("endDate"))
    # That it may not precede the start is an assumption.
    if body.get("endDate") is not None and (end is None or end < start):
        raise ApiError(400, "invalid_end_date")
    owner = _owner_group(call, "invalid_session_owner_group")
    instructors = _instructors(call) if "instructorsMails" in body else []
    session = call.world.add_session(path.id, str(body["sessionName"]), owner, start)
    session.end, session.info, session.instructors = end, _info(call), instructors
    return Answer({call.settings.session_id_key: session.id})


@operation("updatePathSession", "PATCH", "/paths/sessions/{session_id}", bodies=("json",))
def update_path_session(call: Call) -> Answer:
    """Change a session. A PATCH in name only: name, owner group and start are required at each call."""
    session, body = call.session(), call.body
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
        raise _invalid("instructorsMails should not be empty")  # the end of this text is an assumption
    _check_dates(call, session, start, end)
    session.name, session.owner_group, session.start = name, owner, start
    session.end = end if "endDate" in body else session.end
    session.info = _info(call) if "sessionAdditionalInformation" in body else session.info
    session.instructors = _instructors(call) if "instructorsMails" in body else session.instructors
    # Leaving it out switches the validation of registrations off: documented.
    session.registration_request = body.get("registrationRequest")
    return call.acknowledge()


@operation("deletePathSession", "DELETE", "/paths/sessions/{session_id}")
def delete_path_session(call: Call) -> Answer:
    """Delete a session."""
    call.world.delete_session(call.session())
    status = call.settings.delete_session_status
    return Answer(status=204) if status == 204 else call.acknowledge()


@operation("getPathSessionUsers", "GET", "/paths/sessions/{session_id}/users")
def get_path_session_users(call: Call) -> Answer:
    """List who is enrolled."""
    return Answer(_enrolled(call, call.session()))


@operation("addUsersToPathSession", "PATCH", "/paths/sessions/{session_id}/users", bodies=("json", "form"))
def add_users_to_path_session(call: Call) -> Answer:
    """Enroll users, given by mail or by id."""
    session = call.session()
    for person in _listed_people(call, "userEmails", "userIds"):
        call.world.enroll(session, person)
    return call.acknowledge()


@operation("addGroupsToPathSession", "PATCH", "/paths/sessions/{session_id}/groups", bodies=("json", "form"))
def add_groups_to_path_session(call: Call) -> Answer:
    """Enroll groups: their own members, not those of groups below (assumption)."""
    session = call.session()
    groups = [call.group(each) for each in _required(call, "groupIds")]
    for group in groups:
        if group.id not in session.groups:
            session.groups.append(group.id)
        for person in map(call.world.people.__getitem__, group.members):
            if call.visible(person):
                call.world.enroll(session, person)
    return call.acknowledge()


@operation("removeUsersFromPathSession", "DELETE", "/paths/sessions/{session_id}/users", bodies=("json",))
def remove_users_from_path_session(call: Call) -> Answer:
    """End enrollments. That somebody listed need not be enrolled is an assumption."""
    session = call.session()
    for person in _listed_people(call, "userEmails"):
        session.enrolled.pop(person.id, None)
    return call.acknowledge()


def _summary(session: Session) -> dict[str, object]:
    """Keys beyond ids, name and owner group are an assumption."""
    return {
        "sessionId": session.id,
        "sessionName": session.name,
        "sessionOwnerGroup": session.owner_group,
        "pathId": session.path,
        "startDate": iso(session.start),
        "endDate": None if session.end is None else iso(session.end),
    }


def _enrolled(call: Call, session: Session) -> list[dict[str, object]]:
    people = [call.world.people[each] for each in session.enrolled]
    return [
        {
            "_id": person.id,
            "mail": person.mail,
            "firstName": person.profile.get("firstName", ""),
            "lastName": person.profile.get("lastName", ""),
        }
        for person in people
        if person.state != "deleted"
    ]


def _required(call: Call, *names: str) -> list[str]:
    """Return the items of the one list that is given. The error without any is an assumption."""
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
    owner = call.body.get("sessionOwnerGroup")
    if not isinstance(owner, str) or not is_id(owner):
        raise ApiError(400, invalid)
    if owner not in call.world.groups:
        raise ApiError(400, "session_owner_group_not_found")
    return owner


def _instructors(call: Call) -> list[str]:
    """Mails of active users (assumption: the documentation says "null or invalid" and is cut there)."""
    mails = call.body["instructorsMails"]
    if not isinstance(mails, list):
        raise ApiError(400, "invalid_instructors")
    people = [call.world.find(str(mail)) for mail in mails]
    if not all(person and person.state == "active" for person in people):
        raise ApiError(400, "invalid_instructors")
    return [str(mail) for mail in mails]


def _info(call: Call) -> str | None:
    info = call.body.get("sessionAdditionalInformation")
    return None if info is None else str(info)


def _check_dates(call: Call, session: Session, start: float, end: float | None) -> None:
    refused = "Session cannot be updated because new session "
    # Dates travel with milliseconds: what was read and is sent back is not a change.
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
