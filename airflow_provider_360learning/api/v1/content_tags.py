"""The tags of courses in API v1, which calls them skills."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, action
from airflow_provider_360learning.api.course_results import ContentTag
from airflow_provider_360learning.api.fields import strings
from airflow_provider_360learning.api.models.content_tags import ListCourseTags
from airflow_provider_360learning.api.types import ActionSteps, Call


class ContentTagActions(ApiAdapter):
    """Read the tags of courses."""

    @action(ListCourseTags)
    def list_course_tags(self, arguments: ListCourseTags) -> ActionSteps[list[ContentTag]]:
        """
        Return the tags of a course (``getCourse``).

        Assumption: the course has ``skills`` here as in the list of all courses; a guide on migration implies it.

        :raises NotFoundError: if the course does not exist.
        """
        item = yield Call("getCourse", path={"course_id": arguments.course_id})
        return [{"tag_id": tag_id, "source": None} for tag_id in strings(item, "skills")]
