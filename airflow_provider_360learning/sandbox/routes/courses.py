"""Courses."""

from __future__ import annotations

from collections.abc import Callable

from ..calls import Answer, ApiError, Call
from ..clock import iso, parse_iso
from ..routing import operation
from ..world import Course


@operation("getCourses", "GET", "/courses")
def get_courses(call: Call) -> Answer:
    """List all courses of the asked period. Courses are never modified here."""
    fits = within(call, *(f"{event}{end}" for event in ("created", "modified") for end in ("After", "Before")))
    courses = [each for each in call.world.courses.values() if fits(each.created_at)]
    return Answer([_summary(each) | {"skills": [], "defaultLang": "en"} for each in courses])


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


def within(call: Call, *names: str) -> Callable[[float], bool]:
    """Make a filter from those of the named query parameters that are given.

    :param names: names that end with ``After`` or ``Before``. Whether the ends belong to the period is not
        documented: here they do.
    """
    bounds = []
    for name in names:
        if name not in call.query:
            continue
        moment = parse_iso(call.query[name])
        if moment is None:
            raise ApiError(400, f"Request validation failed: {name} must be a valid ISO 8601 date string")
        bounds.append((1 if name.endswith("After") else -1, moment))
    return lambda value: all((value - bound) * sign >= 0 for sign, bound in bounds)


def _summary(course: Course) -> dict[str, object]:
    return {
        "_id": course.id,
        "name": course.name,
        "author": course.author,
        "description": "",
        "status": "published",
        "lang": "en",
        "creationDate": iso(course.created_at),
        "modificationDate": iso(course.created_at),
    }
