"""
External courses of API v2, and the statistics of learners there: bulk jobs on an integration.

An integration connects a group with an external platform. It is looked up by both, or given by its id.
"""

from __future__ import annotations

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.bulk_jobs import JobTarget
from airflow_provider_360learning.api.external import archiving_of
from airflow_provider_360learning.api.fields import first_string, string
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
    course_input,
    statistic_input,
)
from airflow_provider_360learning.api.v2.job_steps import raise_refused, refusals, run_jobs
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.exceptions import InvalidRequestError, NotFoundError, RefusedError

#: Code of the error about a course that an integration does not have.
_NOT_ITS_COURSE = "courseNotBelongToIntegration"


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


class ExternalActions(Lookups):
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
        target = yield from _target(arguments)
        inputs = [course_input(course, arguments.author_id) for course in arguments.courses]
        return refusals((yield from run_jobs(IMPORT_COURSES, inputs, target)))

    @action(
        ArchiveExternalCourses,
        write=WriteSpec(ARCHIVE_COURSES.operation, key=("group_id", "external_platform", "external_ids")),
    )
    def archive_external_courses(self, arguments: ArchiveExternalCourses) -> ActionSteps[ArchivedCourses]:
        """
        Archive courses of another provider by a bulk job (``archiveExternalCourses``).

        Learners then cannot start them any more. Importing a course again restores it. ``dry_run`` looks each course
        up.

        :raises NotFoundError: if the integration does not exist.
        :raises RefusedError: if the job has refused one of them. The others are archived.
        """
        target = yield from _target(arguments)
        if arguments.dry_run:
            return (yield from archiving_of(arguments, self.get_external_course, target.integration_id))
        inputs = [archiving_input(each) for each in arguments.external_ids]
        raise_refused(ARCHIVE_COURSES, (yield from run_jobs(ARCHIVE_COURSES, inputs, target)))
        return {"outcome": "archived", "courses": len(inputs)}

    @action(GetExternalCourse)
    def get_external_course(self, arguments: GetExternalCourse) -> ActionSteps[ExternalCourseRecord]:
        """
        Return a course of another provider (``getExternalCourse``), and whether it is archived (``getCourse``).

        :raises NotFoundError: if the integration, or the course, does not exist.
        """
        integration_id = yield from _integration_of(arguments)
        path = {"integrationId": integration_id, "externalId": arguments.external_id}
        try:
            item = yield Call("getExternalCourse", path=path)
        except RefusedError as error:
            if error.code != _NOT_ITS_COURSE:
                raise
            raise NotFoundError(
                f"Integration {integration_id} has no course with the external id {arguments.external_id!r:.200}: "
                "check the id",
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
        target = yield from _target(arguments)
        inputs = [statistic_input(statistic) for statistic in arguments.statistics]
        return refusals((yield from run_jobs(IMPORT_STATISTICS, inputs, target)))


def _target(arguments: Library) -> ActionSteps[JobTarget]:
    """Return the integration of a library."""
    return JobTarget((yield from _integration_of(arguments)))


def _integration_of(arguments: Library) -> ActionSteps[str]:
    return find_integration(arguments.group_id, arguments.external_platform, arguments.integration_id)
