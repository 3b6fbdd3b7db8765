"""Statistics of courses and of path sessions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from ..calls import Answer, ApiError, Call
from ..clock import iso, parse_iso
from ..learners import Standing, standing
from ..routing import operation
from ..world import Course, Person, Session
from .courses import within

_ATTEMPT_DATES = {"completedAt": "completedAt", "firstActivityAt": "firstActivity", "lastActivityAt": "lastActivity"}


@operation("getCourseStats", "GET", "/courses/{course_id}/stats")
def get_course_stats(call: Call) -> Answer:
    """List the attempts on a course, by user."""
    course = call.course(call.path["course_id"])
    entries, room = [], call.settings.course_stats_cap
    for person in call.world.people.values():
        attempts = _attempts(call, course, person)[:room]
        room = None if room is None else room - len(attempts)
        if attempts:
            entries.append({"attempts": attempts, "user": _user(person)})
    return Answer(entries)


@operation("getUserCourseStats", "GET", "/courses/{course_id}/stats/{user_email}")
def get_user_course_stats(call: Call) -> Answer:
    """List one user's attempts on a course. The shape is an assumption; no attempts make an empty list."""
    course, person = call.course(call.path["course_id"]), call.person(call.path["user_email"])
    return Answer({"attempts": _attempts(call, course, person), "user": _user(person)})


@operation("getPathSessionStats", "GET", "/paths/sessions/{session_id}/stats")
def get_path_session_stats(call: Call) -> Answer:
    """Count the learners of a session by status.

    Assumption: ``started`` counts who has begun, completed or not; ``inProgress`` who has begun and not completed.
    """
    session = call.session(error="session_not_found")
    standings = [
        each
        for each in _standings(call, session)
        if each.person.state != "deleted" or call.settings.deleted_users_in_counts
    ]
    completed, begun = sum(each.completed for each in standings), sum(each.begun for each in standings)
    return Answer(
        _head(call, session)
        | {
            call.settings.users_status_key: {
                "completed": completed,
                "enrolled": len(standings),
                "inProgress": begun - completed,
                "selfEnrolled": 0,
                "started": begun,
            },
            "detailedStatus": Counter(each.detailed_status(call.settings) for each in standings),
        }
    )


@operation("getUsersPathSessionStats", "GET", "/paths/sessions/{session_id}/stats/users")
def get_users_path_session_stats(call: Call) -> Answer:
    """Show each learner's progress in a session, if asked only of those who completed in a period."""
    # The error is documented for the counts; an assumption here.
    session = call.session(error="session_not_found")
    bounds = ("completedAfter", "completedBefore")
    fits, only_completed = within(call, *bounds), any(name in call.query for name in bounds)
    return Answer(
        _head(call, session)
        | {
            "usersStats": [
                _user_stats(call, each)
                for each in _standings(call, session)
                if not only_completed or _fits(_completed_at(each), fits)
            ]
        }
    )


@operation("getUserPathSessionStats", "GET", "/paths/sessions/{session_id}/stats/{userEmailOrId}")
def get_user_path_session_stats(call: Call) -> Answer:
    """Show one learner's progress in a session."""
    session = call.session()
    person = call.person(call.path["userEmailOrId"], status=404)
    if person.id not in session.enrolled:
        raise ApiError(404, "user_not_enrolled")
    learner = standing(session, person, call.now, call.settings)
    return Answer(
        {
            "progress": learner.progress,
            "globalTime": int(learner.seconds_spent * 1000),
            "score": learner.score,
            "status": learner.status,
            "completedAt": _completed_at(learner),
            "detailedStatus": {"type": learner.detailed_status(call.settings)},
        }
    )


def _head(call: Call, session: Session) -> dict[str, object]:
    return {
        "sessionId": session.id,
        "sessionName": session.name,
        "pathName": call.world.paths[session.path].name,
        "pathId": session.path,
    }


def _standings(call: Call, session: Session) -> list[Standing]:
    people = [call.world.people[each] for each in session.enrolled]
    return [standing(session, person, call.now, call.settings) for person in people]


def _user_stats(call: Call, learner: Standing) -> dict[str, object]:
    person = learner.person
    return {
        "_id": person.id,
        "deleted": person.state == "deleted",
        "firstName": person.profile.get("firstName", ""),
        "lastName": person.profile.get("lastName", ""),
        "mail": person.mail,
        "totalTimeSpentInSeconds": round(learner.seconds_spent, 3),
        "progress": learner.progress,
        "score": learner.score,
        "completedAt": _completed_at(learner),
        "detailedStatus": {"type": learner.detailed_status(call.settings)},
    }


def _completed_at(learner: Standing) -> str | None:
    return iso(learner.completed_at) if learner.completed else None


def _user(person: Person) -> dict[str, object]:
    return {"_id": person.id, "mail": person.mail}


def _attempts(call: Call, course: Course, person: Person) -> list[dict[str, object]]:
    """Return a user's attempts on a course in the asked period."""
    filters = {
        key: within(call, f"{name}After", f"{name}Before")
        for name, key in _ATTEMPT_DATES.items()
        if f"{name}After" in call.query or f"{name}Before" in call.query
    }
    attempts = []
    for session in call.world.sessions.values():
        path = call.world.paths[session.path]
        if person.id not in session.enrolled or course.id not in path.courses:
            continue
        attempt = standing(session, person, call.now, call.settings).attempt(path, course.id)
        if attempt and all(_fits(attempt.get(key), fits) for key, fits in filters.items()):
            attempts.append(attempt)
    return attempts


def _fits(date: object, fits: Callable[[float], bool]) -> bool:
    moment = parse_iso(date)
    return moment is not None and fits(moment)
