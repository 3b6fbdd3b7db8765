"""Learning needs and projects of API v1."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, action
from airflow_provider_360learning.api.course_results import (
    LearningNeedRecord,
    ProjectRecord,
)
from airflow_provider_360learning.api.fields import boolean, string
from airflow_provider_360learning.api.models.projects import ListLearningNeeds, ListProjects
from airflow_provider_360learning.api.timestamps import read_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, ResponseObject

_BOOLEANS = {"true": True, "false": False}


class ProjectActions(ApiAdapter):
    """List learning needs and projects."""

    @action(ListLearningNeeds)
    def list_learning_needs(self, arguments: ListLearningNeeds) -> ActionSteps[list[LearningNeedRecord]]:
        """Return all learning needs (``listLearningNeeds``), without questions, experts and volunteers."""
        items = yield Call("listLearningNeeds")
        return [
            {
                "learning_need_id": string(item, "_id"),
                "name": string(item, "name"),
                "status": string(item, "status"),
                "group_id": string(item, "group"),
                "author_id": string(item, "declaredBy"),
                "created_at": read_timestamp("declaredAt", item.get("declaredAt")),
                "questions": None,
                "suggested_expert_ids": None,
                "volunteer_ids": None,
            }
            for item in items
        ]

    @action(ListProjects)
    def list_projects(self, arguments: ListProjects) -> ActionSteps[list[ProjectRecord]]:
        """Return all projects (``listProjects``)."""
        items = yield Call("listProjects")
        return [
            {
                "project_id": string(item, "_id"),
                "name": string(item, "name"),
                "completed": _completed(item),
                "group_id": string(item, "group"),
            }
            for item in items
        ]


def _completed(item: ResponseObject) -> bool | None:
    """Read a boolean, which the example of a guide shows as a string."""
    value = item.get("completed")
    return _BOOLEANS[value] if isinstance(value, str) and value in _BOOLEANS else boolean(item, "completed")
