"""
External courses of API v2, and the statistics of learners there: bulk jobs on an integration.

An integration connects a group with an external platform. It is looked up by both, or given by its id.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.bulk_jobs import JobKind
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.base import ActionArguments
from airflow_provider_360learning.api.models.external import (
    ArchiveExternalCourses,
    GetExternalCourse,
    ImportExternalCourses,
    ImportExternalCourseStats,
    Library,
)
from airflow_provider_360learning.api.results import ArchivedCourses, ExternalCourseRecord
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.api.v2.integrations import find_integration
from airflow_provider_360learning.api.v2.job_kinds import (
    ARCHIVE_COURSES,
    IMPORT_COURSES,
    IMPORT_STATISTICS,
    archiving_input,
    check_course,
    check_statistic,
    inputs_of,
)
from airflow_provider_360learning.api.v2.jobs import JobActions, raise_refused, refusals
from airflow_provider_360learning.exceptions import InvalidRequestError, NotFoundError, RefusedError

#: Code of the error about a course that an integration does not have.
_NOT_ITS_COURSE = "courseNotBelongToIntegration"


class _LibraryArguments(TypedDict):
    group_id: str
    external_platform: str
    integration_id: str | None


def _check_courses(arguments: ImportExternalCourses) -> None:
    for course in arguments.courses:
        check_course(course)


def _check_statistics(arguments: ImportExternalCourseStats) -> None:
    count = len(arguments.statistics)
    if count > IMPORT_STATISTICS.max_rows:
        raise InvalidRequestError(
            f"statistics has {count} items, but API v2 takes at most {IMPORT_STATISTICS.max_rows} per job. Nothing was "
            "sent.",
            argument="statistics",
        )
    for statistic in arguments.statistics:
        check_statistic(statistic)


class ExternalActions(JobActions):
    """Courses of other providers, and the statistics of learners there."""

    @action(
        ImportExternalCourses,
        write=WriteSpec(
            IMPORT_COURSES.operation, key=("external_id",), batched=True, rows_per_request=IMPORT_COURSES.max_rows
        ),
        check=_check_courses,
    )
    def import_external_courses(self, arguments: ImportExternalCourses) -> ActionSteps[list[str | None]]:
        """
        Create or replace courses of another provider by a bulk job (``importExternalCourses``).

        ``authors`` become the sources of a course; it has no subjects.

        :return: For each course why it was refused, or ``None``.
        """
        return (yield from self._import(IMPORT_COURSES, arguments, arguments.courses, arguments.author_id))

    @action(ArchiveExternalCourses)
    def archive_external_courses(self, arguments: ArchiveExternalCourses) -> ActionSteps[ArchivedCourses]:
        """
        Archive courses of another provider by a bulk job (``archiveExternalCourses``).

        :raises RefusedError: if the job has refused one of them. The others are archived.
        """
        target = yield from self.jobs.target(ARCHIVE_COURSES, **_library(arguments))
        inputs = [archiving_input(each) for each in arguments.external_ids]
        raise_refused(ARCHIVE_COURSES, (yield from self.jobs.run(ARCHIVE_COURSES, inputs, target)))
        return {"outcome": "archived", "courses": len(inputs)}

    @action(GetExternalCourse)
    def get_external_course(self, arguments: GetExternalCourse) -> ActionSteps[ExternalCourseRecord]:
        """
        Return a course of another provider (``getExternalCourse``), and whether it is archived (``getCourse``).

        :raises NotFoundError: if the integration, or the course, does not exist.
        """
        integration_id = yield from find_integration(**_library(arguments))
        path = {"integrationId": integration_id, "externalId": arguments.external_id}
        try:
            item = yield Call("getExternalCourse", path=path)
        except RefusedError as error:
            if error.code != _NOT_ITS_COURSE:
                raise
            raise NotFoundError(
                f"Integration {integration_id} has no course with the external id {arguments.external_id!r}: check the "
                "id",
                operation="getExternalCourse",
                status=error.status,
                code=error.code,
            ) from None
        course_id = first_string(item, "courseId")
        course = yield Call("getCourse", path={"courseId": course_id})
        return {
            "course_id": course_id,
            "external_id": string(item, "externalId"),
            "title": string(item, "name"),
            "language": string(item, "defaultLang"),
            "archived": string(course, "status") == "archived",
            "author_id": string(item, "authorId"),
            "launch_url": string(item, "launchUrl"),
        }

    @action(
        ImportExternalCourseStats,
        write=WriteSpec(
            IMPORT_STATISTICS.operation,
            key=("external_id", "mail", "first_activity"),
            subject_fields=2,
            batched=True,
            rows_per_request=IMPORT_STATISTICS.max_rows,
        ),
        check=_check_statistics,
    )
    def import_external_course_stats(self, arguments: ImportExternalCourseStats) -> ActionSteps[list[str | None]]:
        """
        Import attempts at courses of another provider by a bulk job (``importExternalStatistics``).

        A statistic begins a new attempt if there is none, or if its first activity is later than all that is known of
        the user and the course; otherwise it updates the attempts that are not completed.

        :return: For each statistic why it was refused, or ``None``.
        :raises OutcomeUnknownError: if it is not known whether they were imported.
        """
        return (yield from self._import(IMPORT_STATISTICS, arguments, arguments.statistics, None))

    def _import(
        self, kind: JobKind, arguments: Library, rows: Sequence[ActionArguments], author_id: str | None
    ) -> ActionSteps[list[str | None]]:
        target = yield from self.jobs.target(kind, **_library(arguments), author_id=author_id)
        inputs = [each for row in rows for each in inputs_of(kind, row, target, {})]
        return refusals((yield from self.jobs.run(kind, inputs, target)))


def _library(arguments: Library) -> _LibraryArguments:
    return {
        "group_id": arguments.group_id,
        "external_platform": arguments.external_platform,
        "integration_id": arguments.integration_id,
    }
