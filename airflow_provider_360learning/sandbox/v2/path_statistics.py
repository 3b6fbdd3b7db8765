"""Statistics of the learners of sessions."""

from __future__ import annotations

from collections import Counter

from airflow_provider_360learning.sandbox.clock import ALWAYS, iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.learners import Learners
from airflow_provider_360learning.sandbox.state.model import Session
from airflow_provider_360learning.sandbox.state.progress import Progress, ProgressStatus
from airflow_provider_360learning.sandbox.v2.audiences import Enrollment, enrollments
from airflow_provider_360learning.sandbox.v2.call import Call, Operations
from airflow_provider_360learning.sandbox.v2.filters import choices, dates, ids

operations = Operations()

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


@operations.add(
    "getSessionStats",
    "GET",
    "/paths/{pathId}/sessions/{sessionId}/user-statuses",
    scope="pathStats:read",
    assumes="Learners who were unenrolled are not counted, nor are their certificates.",
)
def get_session_stats(call: Call) -> Response:
    """Count the learners of a session by status."""
    session, learners = call.session(), call.company.learners
    counted = [
        each.person
        for each in enrollments(call, session)
        if each.until is None and (each.person.status != "deleted" or call.settings.deleted_users_in_counts)
    ]
    counts = Counter(_STATUSES[learners.progress(session, person).status] for person in counted)
    certificates = sum(learners.certificate(session, person) is not None for person in counted)
    return Response(
        {"certificates": certificates, "usersCountByStatus": {status: counts[status] for status in _ALL_STATUSES}}
    )


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


def _statistic(learners: Learners, enrollment: Enrollment) -> dict[str, object]:
    learner = learners.progress(enrollment.session, enrollment.person)
    certificate = learners.certificate(enrollment.session, enrollment.person)
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
        **({} if certificate is None else {"certificateId": certificate.id}),
        **{name: iso(seconds) for name, seconds in optional.items() if seconds is not None},
    }


def _status(learner: Progress) -> dict[str, object]:
    ended = {"reason": "sessionEnded"} if learner.status == "late" else {}
    return {"type": _STATUSES[learner.status], **ended}


def _in_statistics(call: Call, learners: Learners, session: Session) -> list[Enrollment]:
    """Return the enrollments in a session that fulfill the conditions on users and on completion."""
    found = list(enrollments(call, session))
    if session.former and not call.settings.unenrolled_in_statistics:
        found = [each for each in found if each.until is None]
    if of_user := call.conditions.on("userId"):
        found = [each for each in found if of_user.hold(userId=each.person.id)]
    period = call.conditions.period("completedAt")
    if period == ALWAYS:
        return found
    return [each for each in found if period.holds(learners.completed_at(session, each.person))]
