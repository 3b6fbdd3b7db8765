"""The actions on courses, their tags, catalogs and statistics, as a part of :class:`~.interface.LearningApi`."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.course_results import (
    ArchivedCourse,
    Catalog,
    ChangedCatalog,
    ChangedCourseTags,
    ChangedPathTags,
    ContentTag,
    CourseAttempt,
    CourseRecord,
    CreatedCourse,
    LearningNeedRecord,
    ProjectRecord,
    UpdatedCourse,
    UserCourseAttempt,
)
from airflow_provider_360learning.api.models.content_tags import (
    AddCourseTags,
    AddPathTags,
    ListCourseTags,
    ListPathTags,
    RemoveCourseTags,
    RemovePathTags,
    ReplaceCourseTags,
    ReplacePathTags,
)
from airflow_provider_360learning.api.models.courses import (
    AddToCatalog,
    ArchiveCourse,
    GetCatalog,
    GetCourse,
    GetUserCourseStats,
    ListCourses,
    ListUserCourseStats,
    RemoveFromCatalog,
)
from airflow_provider_360learning.api.models.elearning import CreateElearningCourse, UpdateElearningCourse
from airflow_provider_360learning.api.models.projects import ListLearningNeeds, ListProjects
from airflow_provider_360learning.api.types import ActionSteps


class CourseApi(Protocol):
    """Courses, catalogs, tags of courses and paths, statistics of a user, learning needs and projects."""

    @action(ListCourses)
    def list_courses(self, arguments: ListCourses) -> ActionSteps[list[CourseRecord]]:
        """Return courses."""
        ...

    @action(GetCourse)
    def get_course(self, arguments: GetCourse) -> ActionSteps[CourseRecord]:
        """Return a course."""
        ...

    @action(ArchiveCourse)
    def archive_course(self, arguments: ArchiveCourse) -> ActionSteps[ArchivedCourse]:
        """Archive or restore a course."""
        ...

    @action(CreateElearningCourse)
    def create_elearning_course(self, arguments: CreateElearningCourse) -> ActionSteps[CreatedCourse]:
        """Create a course from a file in an eLearning standard, unless the author has one of this name in the group."""
        ...

    @action(UpdateElearningCourse)
    def update_elearning_course(self, arguments: UpdateElearningCourse) -> ActionSteps[UpdatedCourse]:
        """Change a course in an eLearning standard; fields that are not given keep their values."""
        ...

    @action(ListCourseTags)
    def list_course_tags(self, arguments: ListCourseTags) -> ActionSteps[list[ContentTag]]:
        """Return the tags of a course."""
        ...

    @action(AddCourseTags)
    def add_course_tags(self, arguments: AddCourseTags) -> ActionSteps[ChangedCourseTags]:
        """Add tags to a course, which keeps the others."""
        ...

    @action(RemoveCourseTags)
    def remove_course_tags(self, arguments: RemoveCourseTags) -> ActionSteps[ChangedCourseTags]:
        """Remove tags from a course."""
        ...

    @action(ReplaceCourseTags)
    def replace_course_tags(self, arguments: ReplaceCourseTags) -> ActionSteps[ChangedCourseTags]:
        """Replace all tags of a course."""
        ...

    @action(GetCatalog)
    def get_catalog(self, arguments: GetCatalog) -> ActionSteps[Catalog]:
        """Return the catalog of a group."""
        ...

    @action(AddToCatalog)
    def add_to_catalog(self, arguments: AddToCatalog) -> ActionSteps[ChangedCatalog]:
        """Add courses and path sessions to the catalog of a group."""
        ...

    @action(RemoveFromCatalog)
    def remove_from_catalog(self, arguments: RemoveFromCatalog) -> ActionSteps[ChangedCatalog]:
        """Remove courses and path sessions from the catalog of a group."""
        ...

    @action(GetUserCourseStats)
    def get_user_course_stats(self, arguments: GetUserCourseStats) -> ActionSteps[list[CourseAttempt]]:
        """Return the attempts of a user at a course."""
        ...

    @action(ListUserCourseStats)
    def list_user_course_stats(self, arguments: ListUserCourseStats) -> ActionSteps[list[UserCourseAttempt]]:
        """Return the attempts of a user at all courses."""
        ...

    @action(ListLearningNeeds)
    def list_learning_needs(self, arguments: ListLearningNeeds) -> ActionSteps[list[LearningNeedRecord]]:
        """Return all learning needs."""
        ...

    @action(ListProjects)
    def list_projects(self, arguments: ListProjects) -> ActionSteps[list[ProjectRecord]]:
        """Return all projects."""
        ...

    @action(ListPathTags)
    def list_path_tags(self, arguments: ListPathTags) -> ActionSteps[list[ContentTag]]:
        """Return the tags of a path."""
        ...

    @action(AddPathTags)
    def add_path_tags(self, arguments: AddPathTags) -> ActionSteps[ChangedPathTags]:
        """Add tags to a path, which keeps the others."""
        ...

    @action(RemovePathTags)
    def remove_path_tags(self, arguments: RemovePathTags) -> ActionSteps[ChangedPathTags]:
        """Remove tags from a path."""
        ...

    @action(ReplacePathTags)
    def replace_path_tags(self, arguments: ReplacePathTags) -> ActionSteps[ChangedPathTags]:
        """Replace all tags of a path."""
        ...
