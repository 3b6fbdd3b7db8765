"""Courses and catalogs of API v2."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.models.courses import (
    AddToCatalog,
    GetCatalog,
    GetUserCourseStats,
    ListCourses,
    RemoveFromCatalog,
)
from airflow_provider_360learning.api.results import Catalog, ChangedCatalog, CourseAttempt, CourseRecord
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.stubs import not_built


class CourseActions(Lookups):
    """List courses, change catalogs, read the attempts of users."""

    @action(ListCourses)
    def list_courses(self, arguments: ListCourses) -> ActionSteps[list[CourseRecord]]:
        """Return courses."""
        raise not_built("list_courses")  # STUB
        yield

    @action(GetCatalog)
    def get_catalog(self, arguments: GetCatalog) -> ActionSteps[Catalog]:
        """Return the catalog of a group."""
        raise not_built("get_catalog")  # STUB
        yield

    @action(AddToCatalog)
    def add_to_catalog(self, arguments: AddToCatalog) -> ActionSteps[ChangedCatalog]:
        """Add courses and path sessions to the catalog of a group."""
        raise not_built("add_to_catalog")  # STUB
        yield

    @action(RemoveFromCatalog)
    def remove_from_catalog(self, arguments: RemoveFromCatalog) -> ActionSteps[ChangedCatalog]:
        """Remove courses and path sessions from the catalog of a group."""
        raise not_built("remove_from_catalog")  # STUB
        yield

    @action(GetUserCourseStats)
    def get_user_course_stats(self, arguments: GetUserCourseStats) -> ActionSteps[list[CourseAttempt]]:
        """Return the attempts of a user at a course."""
        raise not_built("get_user_course_stats")  # STUB
        yield
