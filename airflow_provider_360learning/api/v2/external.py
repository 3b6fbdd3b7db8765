"""Courses of other providers, and statistics of learners, in API v2."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.models.external import (
    ArchiveExternalCourses,
    GetExternalCourse,
    ImportExternalCourses,
    ImportExternalCourseStats,
)
from airflow_provider_360learning.api.results import ArchivedCourses, ExternalCourseRecord
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.stubs import not_built


class ExternalActions(Lookups):
    """Courses of other providers, and the statistics of learners there."""

    @action(ImportExternalCourses)
    def import_external_courses(self, arguments: ImportExternalCourses) -> ActionSteps[list[str | None]]:
        """Create or update courses of another provider."""
        raise not_built("import_external_courses")  # STUB
        yield

    @action(ArchiveExternalCourses)
    def archive_external_courses(self, arguments: ArchiveExternalCourses) -> ActionSteps[ArchivedCourses]:
        """Archive courses of another provider."""
        raise not_built("archive_external_courses")  # STUB
        yield

    @action(GetExternalCourse)
    def get_external_course(self, arguments: GetExternalCourse) -> ActionSteps[ExternalCourseRecord]:
        """Return a course of another provider."""
        raise not_built("get_external_course")  # STUB
        yield

    @action(ImportExternalCourseStats)
    def import_external_course_stats(self, arguments: ImportExternalCourseStats) -> ActionSteps[list[str | None]]:
        """Import attempts at courses of another provider."""
        raise not_built("import_external_course_stats")  # STUB
        yield
