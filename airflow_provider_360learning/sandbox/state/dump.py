"""The state of the company as JSON values, which ``SandboxControl.state`` returns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.state.jobs import BulkJob
from airflow_provider_360learning.sandbox.state.model import (
    ExternalCourse,
    Group,
    Person,
    ReportedAttempt,
    Session,
)
from airflow_provider_360learning.sandbox.state.state import State
from airflow_provider_360learning.sandbox.state.webhooks import Subscription


def as_dict(state: State) -> dict[str, list[dict[str, object]]]:
    """Return everything in a company as JSON values, with memberships and enrollments as lists of their own."""
    state.advance()
    people = list(state.people.values())
    return {
        "users": [_without(person, "password") for person in people if person.status != "invited"],
        "invitations": [_without(person, "password") for person in people if person.status == "invited"],
        "certificates": [asdict(certificate) for certificate in state.certificates.values()],
        "certificate_outlines": [asdict(outline) for outline in state.certificate_outlines.values()],
        "custom_fields": [asdict(field) for field in state.custom_fields.values()],
        "groups": [_without(group, "members") for group in state.groups.values()],
        "memberships": [
            {"group": group.id, "user": user, "mail": state.people[user].mail, "roles": roles}
            for group in state.groups.values()
            for user, roles in group.members.items()
        ],
        "custom_links": [asdict(link) for link in state.links.links.values()],
        "custom_user_links": [asdict(url) for url in state.links.user_links.values()],
        "tags": [asdict(tag) for tag in state.tags.values()],
        "courses": [asdict(course) for course in state.courses.values()],
        "learning_needs": [asdict(need) for need in state.learning_needs.values()],
        "projects": [asdict(project) for project in state.projects.values()],
        "paths": [asdict(path) | {"courses": path.courses} for path in state.paths.values()],
        "sessions": [_session(session) for session in state.sessions.values()],
        "enrollments": [
            {
                "session": session.id,
                "user": user,
                "mail": state.people[user].mail,
                "since": since,
                "by_self": user in session.self_enrolled,
            }
            for session in state.sessions.values()
            for user, since in session.enrolled.items()
        ],
        **state.classrooms.as_dict(),
        **state.programs.as_dict(),
        "skills": [asdict(skill) for skill in state.skills.skills.values()],
        "skill_jobs": [asdict(job) for job in state.skills.jobs.values()],
        "skill_libraries": [asdict(library) for library in state.skills.libraries.values()],
        "powers": [asdict(power) for power in state.skills.powers.values()],
        "user_jobs": [{"user": user, **jobs} for user, jobs in state.skills.user_jobs.items()],
        "webhooks": [_without(each, "secret") for each in state.webhooks.subscriptions.values()],
        "integrations": [asdict(integration) for integration in state.external.integrations.values()],
        "external_courses": [_external_course(each) for each in state.external.courses.values()],
        "external_attempts": list(_external_attempts(state)),
        "external_ids": [asdict(each) for each in state.external_ids],
        "bulk_jobs": [_job(job, state.jobs.clock.now()) for job in state.jobs.jobs.values()],
        "mails_sent": [asdict(mail) for mail in state.mails_sent],
    }


def _external_attempts(state: State) -> Iterator[dict[str, object]]:
    for external in state.external.courses.values():
        for user, attempts in state.external.reported_attempts(external.course.id).items():
            for attempt in attempts:
                yield _external_key(external) | {"user": user, "mail": state.people[user].mail} | _attempt(attempt)


def _without(item: Person | Group | Session | Subscription, *names: str) -> dict[str, object]:
    return {key: value for key, value in asdict(item).items() if key not in names}


def _session(session: Session) -> dict[str, object]:
    """Return a session with its audience; enrollments are listed apart from it."""
    fields = _without(session, "enrolled", "self_enrolled", "former")
    return fields | {"users": list(session.users), "excluded": list(session.excluded)}


def _external_key(external: ExternalCourse) -> dict[str, object]:
    return {
        "platform": external.platform,
        "group": external.course.group,
        "external_id": external.external_id,
    }


def _external_course(external: ExternalCourse) -> dict[str, object]:
    course = external.course
    return _external_key(external) | {
        "id": course.id,
        "title": course.name,
        "author": external.author,
        "archived": course.status == "archived",
        "details": external.details,
        "times_sent": external.times_sent,
    }


def _job(job: BulkJob, now: float) -> dict[str, object]:
    return {
        "id": job.id,
        "type": job.type,
        "state": job.state(now),
        "rows": len(job.inputs),
        "created_at": iso(job.created_at),
        "started_at": iso(job.started_at) if job.started_at <= now else None,
        "ended_at": None if job.results is None else iso(job.ended_at),
        "inputs": list(job.inputs),
    }


def _attempt(attempt: ReportedAttempt) -> dict[str, object]:
    return {
        "id": attempt.id,
        "progress": attempt.progress,
        "score": attempt.score,
        "result": attempt.result,
        "time_spent_ms": attempt.time_spent_ms,
        "first_activity": iso(attempt.first_activity),
        "last_activity": iso(attempt.last_activity),
        "completed_at": None if attempt.completed_at is None else iso(attempt.completed_at),
        "times_sent": attempt.times_sent,
    }
