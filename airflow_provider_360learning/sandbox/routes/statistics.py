"""Statistics of courses and of path sessions."""

from __future__ import annotations

from collections import Counter
from typing import Any

from airflow_provider_360learning.sandbox.calls import Answer, ApiError, Call
from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.generated import GeneratedAttempts
from airflow_provider_360learning.sandbox.learners import Standing, standing
from airflow_provider_360learning.sandbox.periods import ALWAYS, Period, asked_period
from airflow_provider_360learning.sandbox.result_cap import Room
from airflow_provider_360learning.sandbox.routing import operation
from airflow_provider_360learning.sandbox.state import Course, Person, Session

#: Filter to date of an attempt.
_ATTEMPT_DATES = {"completedAt": "completedAt", "firstActivityAt": "firstActivity", "lastActivityAt": "lastActivity"}


@operation("getCoursesStats", "GET", "/courses/stats")
def get_courses_stats(call: Call) -> Answer:
    """List the attempts on all courses, by course and user. Courses without any are left out: an assumption."""
    entries, room = [], Room(call.settings)
    if call.settings.generated_attempts:
        return Answer(GeneratedAttempts(call.settings).answer(_asked_periods(call), room))
    for course in call.world.courses.values():
        stats = _course_stats(call, course, room)
        if stats:
            entries.append(_entry(call, course={"_id": course.id, "name": course.name}, stats=stats))
    return Answer(entries)


@operation("getCourseStats", "GET", "/courses/{course_id}/stats")
def get_course_stats(call: Call) -> Answer:
    """List the attempts on a course, by user."""
    course = call.course(call.path["course_id"])
    return Answer(_course_stats(call, course, Room(call.settings)))


@operation("getUserCourseStats", "GET", "/courses/{course_id}/stats/{user_email}")
def get_user_course_stats(call: Call) -> Answer:
    """List one user's attempts on a course. The shape is an assumption; no attempts make an empty list."""
    course, person = call.course(call.path["course_id"]), call.person(call.path["user_email"])
    return Answer({"attempts": _attempts(call, course, person, _asked_periods(call)), "user": _user(person)})


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
    completed = asked_period(call, "completedAfter", "completedBefore")
    return Answer(
        _head(call, session)
        | {
            "usersStats": [
                _user_stats(call, each) for each in _standings(call, session) if completed.holds(_completed_at(each))
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


def _course_stats(call: Call, course: Course, room: Room) -> list[dict[str, Any]]:
    """Return the attempts on a course in the asked period, by user."""
    periods = _asked_periods(call)
    learners = [id for session in call.world.sessions_with(course) for id in session.enrolled]
    stats: list[dict[str, Any]] = []
    for person_id in dict.fromkeys([*learners, *call.world.external.attempts(course.id)]):
        person = call.world.people[person_id]
        attempts = _attempts(call, course, person, periods)
        if attempts := attempts[: room.take(len(attempts))]:
            stats.append(_entry(call, user=_user(person), attempts=attempts))
    return stats


def _attempts(call: Call, course: Course, person: Person, periods: dict[str, Period]) -> list[dict[str, object]]:
    """Return a user's attempts on a course in paths and those that other platforms report."""
    in_paths = [
        standing(session, person, call.now, call.settings).attempt(call.world.paths[session.path], course.id)
        for session in call.world.sessions_with(course)
        if person.id in session.enrolled
    ]
    reported = [attempt.plain() for attempt in call.world.external.attempts(course.id).get(person.id, ())]
    return [
        attempt
        for attempt in [*filter(None, in_paths), *reported]
        if all(period.holds(attempt.get(date)) for date, period in periods.items())
    ]


def _entry(call: Call, **parts: object) -> dict[str, Any]:
    """Put attempts together with whose they are, in the order that is set."""
    return dict(reversed(parts.items())) if call.settings.attempts_first else parts


def _asked_periods(call: Call) -> dict[str, Period]:
    return {
        date: period
        for name, date in _ATTEMPT_DATES.items()
        if (period := asked_period(call, f"{name}After", f"{name}Before")) != ALWAYS
    }
