"""Programs, which paths have replaced: templates, their sessions, learners and statistics."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.clock import iso, parse_iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.programs import ProgramSession, ProgramTemplate
from airflow_provider_360learning.sandbox.state.progress import Progress, progress_since
from airflow_provider_360learning.sandbox.v1.call import NO_CONTENT, ApiError, Call, Operations

operations = Operations()

_DATED = ("classroom", "webinar", "email")
_ERRORS = "The errors."


@operations.add("getProgramTemplates", "GET", "/programs/templates", evidence="client")
def get_program_templates(call: Call) -> Response:
    """List all templates."""
    return Response([_template(each) for each in call.state.programs.templates.values()])


@operations.add(
    "getProgramTemplate",
    "GET",
    "/programs/templates/{template_id}",
    evidence="client",
    assumes="The error for an unknown template.",
)
def get_program_template(call: Call) -> Response:
    """Return one template."""
    return Response(_template(_template_of(call)))


@operations.add(
    "getProgramTemplateUsers",
    "GET",
    "/programs/templates/{template_id}/users",
    evidence="client",
    assumes="The users are those of all sessions, with the keys of getProgramSessionUsers.",
)
def get_program_template_users(call: Call) -> Response:
    """List the learners of the sessions of a template, each once."""
    template = _template_of(call)
    sessions = [each for each in call.state.programs.sessions.values() if each.template == template.id]
    return Response(call.summaries(dict.fromkeys(id for session in sessions for id in _learners(call, session))))


@operations.add("getProgramSessions", "GET", "/programs/sessions")
def get_program_sessions(call: Call) -> Response:
    """List all sessions."""
    return Response([_full_session(call, each) for each in call.state.programs.sessions.values()])


@operations.add("getProgramSession", "GET", "/programs/sessions/{session_id}")
def get_program_session(call: Call) -> Response:
    """Return one session."""
    return Response(_full_session(call, _session_of(call)))


@operations.add(
    "createProgramSession",
    "POST",
    "/programs/{template_id}/sessions",
    bodies=("json", "form"),
    assumes="Name and start are required; the key of the new id; the errors.",
)
def create_program_session(call: Call) -> Response:
    """Create a session of a template."""
    template = _template_of(call)
    for name in ("name", "startDate"):
        if not call.fields.get(name):
            raise ApiError(400, f"Request validation failed: {name} should not be empty")
    changes = _changes(call)
    session = call.state.programs.add_session(template)
    _apply(session, changes)
    return Response({"_id": session.id})


@operations.add(
    "updateProgramSession",
    "PUT",
    "/programs/{template_id}/sessions/{session_id}",
    bodies=("form",),
    evidence="client",
    assumes="The fields of patchProgramSession, with the same effect; a session of another template is not found.",
)
def update_program_session(call: Call) -> Response:
    """Change the given fields of a session."""
    template, session = _template_of(call), _session_of(call)
    if session.template != template.id:
        raise ApiError(404, "program_session_not_found")
    return _changed(call, session)


@operations.add(
    "patchProgramSession", "PATCH", "/programs/sessions/{session_id}", bodies=("json",), assumes="The errors."
)
def patch_program_session(call: Call) -> Response:
    """Change the given fields of a session."""
    return _changed(call, _session_of(call))


@operations.add("deleteProgramSession", "DELETE", "/programs/sessions/{session_id}", evidence="client")
def delete_program_session(call: Call) -> Response:
    """Delete a session."""
    session = _session_of(call)
    del call.state.programs.sessions[session.id]
    call.state.classrooms.delete_slots_in(session.id)
    return call.acknowledge()


@operations.add("getProgramSessionUsers", "GET", "/programs/sessions/{session_id}/users", evidence="client")
def get_program_session_users(call: Call) -> Response:
    """List the learners of a session."""
    return Response(call.summaries(_learners(call, _session_of(call))))


@operations.add(
    "addUserToProgramSession",
    "PUT",
    "/programs/sessions/{session_id}/users/{user_email}",
    evidence="client",
    assumes="The response of addGroupToProgramSession; a user who is assigned already is accepted.",
)
def add_user_to_program_session(call: Call) -> Response:
    """Assign a user to a session."""
    session, person = _session_of(call), call.person(call.path["user_email"])
    call.state.programs.assign(session.users, person.id)
    return Response({})


@operations.add(
    "deleteUserFromProgramSession",
    "DELETE",
    "/programs/sessions/{session_id}/users/{user_email}",
    evidence="client",
    assumes="A user who is not assigned is accepted; a member of an assigned group stays a learner.",
)
def delete_user_from_program_session(call: Call) -> Response:
    """End the assignment of a user to a session."""
    session, person = _session_of(call), call.person(call.path["user_email"])
    session.users.pop(person.id, None)
    return NO_CONTENT


@operations.add(
    "addGroupToProgramSession",
    "PUT",
    "/programs/sessions/{session_id}/groups/{group_id}",
    evidence="client",
    assumes="A group that is assigned already is accepted.",
)
def add_group_to_program_session(call: Call) -> Response:
    """Assign a group, with the members that it has at any time, to a session."""
    session, group = _session_of(call), call.group(call.path["group_id"])
    call.state.programs.assign(session.groups, group.id)
    return Response({})


@operations.add(
    "deleteGroupFromProgramSession",
    "DELETE",
    "/programs/sessions/{session_id}/groups/{group_id}",
    evidence="client",
    assumes="A group that is not assigned is accepted.",
)
def delete_group_from_program_session(call: Call) -> Response:
    """End the assignment of a group to a session."""
    session, group = _session_of(call), call.group(call.path["group_id"])
    session.groups.pop(group.id, None)
    return NO_CONTENT


@operations.add(
    "getProgramSessionStats",
    "GET",
    "/programs/sessions/{session_id}/stats",
    evidence="client",
    assumes="`attendees` have started; `startTime` and `endTime` are those of the first activity and the completion.",
)
def get_program_session_stats(call: Call) -> Response:
    """Return the progress of each learner of a session."""
    session = _session_of(call)
    learners = [_progress(call, session, id) for id in _learners(call, session)]
    return Response(
        {
            "name": session.name,
            "completed": sum(each.completed for each in learners),
            "registered": len(learners),
            "attendees": sum(each.started for each in learners),
            "usersStats": [_statistic(each) for each in learners],
        }
    )


@operations.add(
    "getUserProgramSessionStats",
    "GET",
    "/programs/sessions/{session_id}/stats/{user_email}",
    evidence="client",
    assumes="The response is an item of getProgramSessionStats; the error for a user who is not assigned.",
)
def get_user_program_session_stats(call: Call) -> Response:
    """Return the progress of one learner in a session."""
    session, person = _session_of(call), call.person(call.path["user_email"])
    _check_assigned(call, session, person.id)
    return Response(_statistic(_progress(call, session, person.id)))


@operations.add(
    "unblockScorm",
    "PUT",
    "/programs/sessions/{session_id}/unblockScorm",
    bodies=("form",),
    evidence="client",
    assumes="The error for a user who is not assigned. Nothing follows from it.",
)
def unblock_scorm(call: Call) -> Response:
    """Unblock the SCORM courses of a learner."""
    session, person = _session_of(call), call.person(str(call.fields.get("user_email", "")))
    _check_assigned(call, session, person.id)
    session.unblocked = list(dict.fromkeys([*session.unblocked, person.id]))
    return call.acknowledge()


@operations.add("getUserPrograms", "GET", "/users/{user_email}/programs", evidence="client", assumes=_ERRORS)
def get_user_programs(call: Call) -> Response:
    """List the sessions that a user is assigned to."""
    person = call.person(call.path["user_email"])
    sessions = call.state.programs.sessions_of(person.id, call.state.groups)
    return Response([_session(call, each) for each in sessions])


@operations.add("getGroupPrograms", "GET", "/groups/{group_id}/programs", evidence="client", assumes=_ERRORS)
def get_group_programs(call: Call) -> Response:
    """List the sessions that a group is assigned to."""
    group = call.group(call.path["group_id"])
    sessions = [each for each in call.state.programs.sessions.values() if group.id in each.groups]
    return Response([_session(call, each) for each in sessions])


def _template_of(call: Call) -> ProgramTemplate:
    template = call.state.programs.templates.get(call.path["template_id"])
    if template is None:
        raise ApiError(404, "program_template_not_found")
    return template


def _session_of(call: Call) -> ProgramSession:
    session = call.state.programs.sessions.get(call.path["session_id"])
    if session is None:
        raise ApiError(404, "program_session_not_found")
    return session


def _changed(call: Call, session: ProgramSession) -> Response:
    _apply(session, _changes(call))
    call.state.programs.touch(session)
    return call.acknowledge()


def _changes(call: Call) -> dict[str, object]:
    """Return the attributes of a session that the given fields set, or refuse."""
    fields = call.fields
    changes: dict[str, object] = {}
    for field, attribute in (("name", "name"), ("sessionCustom", "custom")):
        if field in fields:
            changes[attribute] = call.text(field, empty=field != "name")
    for field, attribute in (("startDate", "start"), ("endDate", "end")):
        if field in fields:
            changes[attribute] = parse_iso(fields[field])
            if changes[attribute] is None:
                raise ApiError(400, f"Request validation failed: {field} must be a valid ISO 8601 date string")
    if (tutors := call.strings("tutors")) is not None:
        changes["tutors"] = [call.person(mail).mail for mail in tutors]
    if "userLimit" in fields:
        changes["user_limit"] = _limit(fields["userLimit"])
    if (reminders := call.boolean("sendAutomatedReminders")) is not None:
        changes["reminders"] = reminders
    dates = {kind: _objects(call, kind) for kind in _DATED if kind in fields}
    custom = {"custom_fields": _objects(call, "customFields")} if "customFields" in fields else {}
    return changes | {"dates": dates} | custom


def _apply(session: ProgramSession, changes: dict[str, object]) -> None:
    dates = session.dates
    for name, value in changes.items():
        setattr(session, name, value)
    session.dates = {**dates, **session.dates}


def _limit(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int | str) or not str(value).isdecimal():
        raise ApiError(400, "invalid argument : userLimit")
    return int(value)


def _objects(call: Call, name: str) -> list[object]:
    value = call.fields[name]
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise ApiError(400, f"invalid argument : {name}")
    return value


def _learners(call: Call, session: ProgramSession) -> dict[str, float]:
    learners = call.state.programs.learners(session, call.state.groups)
    return {id: since for id, since in learners.items() if call.visible(call.state.people[id])}


def _check_assigned(call: Call, session: ProgramSession, user: str) -> None:
    if user not in _learners(call, session):
        raise ApiError(404, "user_not_enrolled")


def _progress(call: Call, session: ProgramSession, user: str) -> Progress:
    person, since = call.state.people[user], _learners(call, session)[user]
    learners = call.company.learners
    successful = person.mail not in learners.unsuccessful_mails
    return progress_since(since, person, session, call.now, seconds=learners.seconds, successful=successful)


def _statistic(learner: Progress) -> dict[str, object]:
    person = learner.person
    return {
        "mail": person.mail,
        "firstName": person.profile.get("first_name", ""),
        "lastName": person.profile.get("last_name", ""),
        **({"startTime": iso(learner.started_at)} if learner.started else {}),
        **({"endTime": iso(learner.completed_at)} if learner.completed else {}),
        "totalTimeSpentInSeconds": round(learner.seconds_spent, 3),
        "score": learner.score,
        "progress": learner.percent,
        "deleted": person.status == "deleted",
    }


def _template(template: ProgramTemplate) -> dict[str, object]:
    return {
        "_id": template.id,
        "name": template.name,
        "description": template.description,
        "author": template.author,
        "elements": [{"type": each.kind, "_id": each.id, "title": each.title} for each in template.elements],
        "skills": [],
        "templateCustom": template.custom,
    }


def _session(call: Call, session: ProgramSession) -> dict[str, object]:
    """Return a session as the lists of a user and of a group show it."""
    template = call.state.programs.templates[session.template]
    return {
        "_id": session.id,
        "name": session.name,
        "description": template.description,
        "author": session.author,
        "tutors": session.tutors,
        "programTemplate": session.template,
        "startDate": iso(session.start),
        "endDate": None if session.end is None else iso(session.end),
        "programDuration": None,
        "programDurationType": "hour",
        "hasUserLimit": session.user_limit is not None,
        **({} if session.user_limit is None else {"userLimit": session.user_limit}),
        "templateCustom": template.custom,
        "sessionCustom": session.custom,
        "skills": [],
        "validateRegistrations": False,
    }


def _full_session(call: Call, session: ProgramSession) -> dict[str, object]:
    template = call.state.programs.templates[session.template]
    return {
        **_session(call, session),
        "lang": "en",
        "customFields": session.custom_fields,
        "modifiedAt": iso(session.modified_at),
        "automatedReminders": session.reminders,
        "requirements": {"courses": [], "programs": [], "paths": []},
        "modules": [{"_id": each.id, "type": each.kind} for each in template.elements if each.kind != "email"],
        "groups": list(session.groups),
        "users": [{"_id": id, "mail": call.state.people[id].mail} for id in _learners(call, session)],
    }
