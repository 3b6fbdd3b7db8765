"""
What bulk jobs do with a row: each function returns one that does a row.

Assumption: whose id ``resourceId`` is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.state.jobs import RowError
from airflow_provider_360learning.sandbox.state.model import ExternalCourse, Group, Integration, ReportedAttempt
from airflow_provider_360learning.sandbox.v2.call import ROLES_IN_BODIES
from airflow_provider_360learning.sandbox.v2.groups import remove_role
from airflow_provider_360learning.sandbox.v2.rows import (
    Apply,
    Date,
    Id,
    Percentage,
    Row,
    Text,
    known,
    person_of,
    read_row,
)


class _Membership(Row):
    user_id: Id
    group_id: Id
    role: Literal["admin", "analyst", "editor", "coach", "contributor", "learner", "userAdmin"]


class _CatalogItem(Row):
    group_id: Id
    content_type: Literal["path-session", "course"]
    content_id: Id


class _LibraryItem(Row):
    group_id: Id
    content_type: Literal["path", "course"]
    content_id: Id


class _Group(Row):
    group_id: Id


class _ArchivedCourse(Row):
    external_id: Text


class _Source(Row):
    name: Text
    logo_url: Text | None = None


class _Translation(Row):
    lang: Text
    translated_fields: dict[str, object]


class _Course(Row):
    default_lang: Text
    external_id: Text
    launch_url: Text
    name: Text
    sources: list[_Source]
    subjects: list[Text]
    content_type: Text | None = None
    description: Text | None = None
    difficulty_level: Literal["advanced", "beginner", "intermediate"] | None = None
    duration: Annotated[int, Field(ge=1, le=100_000)] | None = None
    image_url: Text | None = None
    mobile_launch_url: Text | None = None
    author_id: Id | None = None
    translations: list[_Translation] | None = None

    def details(self) -> dict[str, object]:
        """Return it with the names that API v1 has for its fields."""
        details = {
            "external_id": self.external_id,
            "title": self.name,
            "language": self.default_lang,
            "launch_url": self.launch_url,
            "mobile_launch_url": self.mobile_launch_url,
            "thumbnail_url": self.image_url,
            "description": self.description,
            "authors": [source.name for source in self.sources],
            "skills": list(self.subjects),
            "alternative_languages": [translation.lang for translation in self.translations or ()],
            "course_duration": self.duration,
            "difficulty_level": self.difficulty_level,
            "content_type": self.content_type,
        }
        return {name: value for name, value in details.items() if value is not None}

    def more(self) -> dict[str, object]:
        """Return what API v1 has no fields for."""
        return self.model_dump(include={"sources", "translations"}, by_alias=True, exclude_none=True)


class _SubscriptionEvent(Row):
    mail: Text
    type: Literal["activation", "deactivation"]


class _CourseIdentifier(Row):
    type: Literal["externalId", "internalId"]
    value: Text


class _UserIdentifier(Row):
    type: Literal["mail", "internalId"]
    value: Text


class _Statistic(Row):
    course_identifier: _CourseIdentifier
    user_identifier: _UserIdentifier
    progress: Percentage
    time_spent: Annotated[float, Field(ge=1)]
    first_activity_at: Date
    last_activity_at: Date
    force_new: bool = False
    score: Percentage | None = None
    result: Literal["failed", "success"] | None = None

    def attempt(self, id: str) -> ReportedAttempt:
        """Return the attempt that is reported. Documented: progress 100 means completion at the last activity."""
        return ReportedAttempt(
            id=id,
            sent_first_activity=self.first_activity_at,
            progress=round(self.progress),
            score=self.score,
            result=self.result,
            time_spent_ms=round(self.time_spent),
            first_activity=self.first_activity_at,
            last_activity=self.last_activity_at,
            completed_at=self.last_activity_at if self.progress == 100 else None,
        )


def add_membership(company: Company) -> Apply:
    """Give a user a role in a group."""

    def apply(row: Mapping[str, Any]) -> str:
        read = read_row(_Membership, row)
        person, group = person_of(company, read.user_id), _group(company, read.group_id)
        if person.status == "deleted":
            raise RowError("The user is deleted.")
        role = ROLES_IN_BODIES[read.role]
        company.state.join(
            person,
            group.id,
            [role],
            enroll=company.settings.enrolled_groups_grow,
            above=company.settings.learners_join_above,
        )
        return person.id

    return apply


def remove_membership(company: Company) -> Apply:
    """Remove a role of a user in a group."""

    def apply(row: Mapping[str, Any]) -> str:
        read = read_row(_Membership, row)
        person, group = person_of(company, read.user_id), _group(company, read.group_id)
        role = ROLES_IN_BODIES[read.role]
        if role not in group.members.get(person.id, ()):
            raise RowError("The user does not have this role in the group.")
        remove_role(company, person, group, role)
        return person.id

    return apply


def delete_group(company: Company) -> Apply:
    """Delete a group and all groups below it."""

    def apply(row: Mapping[str, Any]) -> str:
        group, state = _group(company, read_row(_Group, row).group_id), company.state
        if group.parent is None:
            raise RowError("The root group cannot be deleted.")
        integrated = {*company.settings.integrated_groups, *state.external.groups}
        if any(each.id in integrated for each in state.branch(group)):
            raise RowError("The group has active integrations.")
        state.delete_group(group)
        return group.id

    return apply


def change_catalog(company: Company, *, add: bool) -> Apply:
    """Add a course or path session to a catalog, or remove it."""

    def apply(row: Mapping[str, Any]) -> str:
        read, state = read_row(_CatalogItem, row), company.state
        group = _group(company, read.group_id)
        if read.content_type == "course":
            known(state.courses.get(read.content_id), "course")
            items = group.courses
        else:
            known(state.sessions.get(read.content_id), "path session")
            items = group.path_sessions
        strict = company.settings.catalog_absent_response == "not_found"
        _change(items, read.content_id, add=add, refuse_absent=strict)
        return read.content_id

    return apply


def change_library(company: Company, *, add: bool) -> Apply:
    """Add a course or path to a library, or remove it."""

    def apply(row: Mapping[str, Any]) -> str:
        read, state = read_row(_LibraryItem, row), company.state
        group = _group(company, read.group_id)
        if read.content_type == "course":
            known(state.courses.get(read.content_id), "course")
            items = group.library_courses
        else:
            known(state.paths.get(read.content_id), "path")
            items = group.library_paths
        _change(items, read.content_id, add=add, refuse_absent=False)
        return read.content_id

    return apply


def subscribe(company: Company) -> Apply:
    """Switch the notification emails of a user on or off."""

    def apply(row: Mapping[str, Any]) -> str:
        read = read_row(_SubscriptionEvent, row)
        person = known(company.state.find(read.mail) if "@" in read.mail else None, "user")
        if person.status == "deleted":
            raise RowError("The user is deleted.")
        person.email_notifications = read.type == "activation"
        return person.id

    return apply


def import_course(company: Company, integration: Integration) -> Apply:
    """Create a course of an integration, or replace the one with its external id."""

    def apply(row: Mapping[str, Any]) -> str:
        read, state = read_row(_Course, row), company.state
        author = person_of(company, read.author_id or integration.author)
        key = integration.group, integration.platform, read.external_id
        is_new = key not in state.external.courses
        course = state.external.put_course(key, read.name, author, read.details(), read.more()).course
        group = state.groups.get(integration.group)
        if is_new and group is not None:
            group.courses.append(course.id)
            group.library_courses.append(course.id)
        return course.id

    return apply


def archive_course(company: Company, integration: Integration) -> Apply:
    """Archive a course of an integration."""

    def apply(row: Mapping[str, Any]) -> str:
        external = _external(company, integration, read_row(_ArchivedCourse, row).external_id)
        external.course.status = "archived"
        return external.course.id

    return apply


def import_statistic(company: Company, integration: Integration) -> Apply:
    """Store a statistic of a user on a course of an integration."""

    def apply(row: Mapping[str, Any]) -> str:
        read, state = read_row(_Statistic, row), company.state
        identifier = read.course_identifier
        if identifier.type == "externalId":
            external = _external(company, integration, identifier.value)
        else:
            courses = {each.course.id: each for each in state.external.courses_of(integration)}
            external = known(courses.get(identifier.value), "course")
        person = state.find(read.user_identifier.value)
        if person is None or person.status == "deleted":
            raise RowError("There is no such user.")
        return _store(company, external.course.id, person.id, read)

    return apply


def _store(company: Company, course: str, user: str, statistic: _Statistic) -> str:
    """
    Store a statistic by the documented rule.

    It begins an attempt if that is forced, if there is none, or if it begins after everything that is known; otherwise
    it updates the attempts that are not completed.
    """
    state = company.state
    known = state.external.reported_attempts(course).get(user, [])
    attempt = statistic.attempt(state.new_id())
    ends = [max(each.last_activity, each.completed_at or each.last_activity) for each in known]
    if statistic.force_new or not known or attempt.first_activity > max(ends):
        state.external.add_reported_attempt(course, user, attempt)
        return attempt.id
    changed = [index for index, each in enumerate(known) if each.completed_at is None]
    for index in changed:
        state.external.replace_reported_attempt(course, user, index, attempt)
    return known[changed[-1] if changed else -1].id


def _group(company: Company, group_id: str) -> Group:
    return known(company.state.groups.get(group_id), "group")


def _external(company: Company, integration: Integration, external_id: str) -> ExternalCourse:
    key = integration.group, integration.platform, external_id
    return known(company.state.external.courses.get(key), "course")


def _change(items: list[str], item: str, *, add: bool, refuse_absent: bool) -> None:
    if add:
        if item not in items:
            items.append(item)
    elif item in items:
        items.remove(item)
    elif refuse_absent:
        raise RowError("The content is not in the catalog.")
