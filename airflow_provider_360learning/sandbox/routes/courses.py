"""Courses."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.calls import Answer, Call
from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.periods import asked_period
from airflow_provider_360learning.sandbox.routing import operation
from airflow_provider_360learning.sandbox.state import Course


@operation("getCourses", "GET", "/courses")
def get_courses(call: Call) -> Answer:
    """List all courses of the asked periods."""
    created = asked_period(call, "createdAfter", "createdBefore")
    modified = asked_period(call, "modifiedAfter", "modifiedBefore")
    return Answer(
        [
            _summary(each) | {"skills": [], "defaultLang": "en"}
            for each in call.world.courses.values()
            if created.holds(iso(each.created_at)) and modified.holds(iso(each.modified_at))
        ]
    )


@operation("getCourse", "GET", "/courses/{course_id}")
def get_course(call: Call) -> Answer:
    """Show one course."""
    course = call.course(call.path["course_id"])
    group = call.world.groups.get(course.group)
    return Answer(
        _summary(course)
        | {
            "coAuthors": [],
            "group": course.group,
            "groupName": group.name if group else "",
            "courseDuration": 15,
            "translationsLangs": [],
        }
    )


def _summary(course: Course) -> dict[str, object]:
    return {
        "_id": course.id,
        "name": course.name,
        "author": course.author,
        "description": "",
        "status": "archived" if course.archived else "published",
        "lang": "en",
        "creationDate": iso(course.created_at),
        "modificationDate": iso(course.modified_at),
    }
