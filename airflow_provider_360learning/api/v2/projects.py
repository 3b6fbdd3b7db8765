"""Learning needs and projects of API v2."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, action
from airflow_provider_360learning.api.course_results import (
    LearningNeedRecord,
    ProjectRecord,
)
from airflow_provider_360learning.api.fields import boolean, objects, string, strings
from airflow_provider_360learning.api.models.projects import ListLearningNeeds, ListProjects
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.timestamps import read_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call


class ProjectActions(ApiAdapter):
    """List learning needs and projects."""

    @action(ListLearningNeeds)
    def list_learning_needs(self, arguments: ListLearningNeeds) -> ActionSteps[list[LearningNeedRecord]]:
        """Return all learning needs (``getLearningNeeds``), 500 per request."""
        items = yield from all_items(Call("getLearningNeeds"))
        return [
            {
                "learning_need_id": string(item, "_id"),
                "name": string(item, "name"),
                "status": string(item, "status"),
                "group_id": string(item, "groupId"),
                "author_id": string(item, "authorId"),
                "created_at": read_timestamp("createdAt", item.get("createdAt")),
                "questions": [
                    {"title": string(each, "title"), "answer": string(each, "answer")}
                    for each in objects(item, "questions")
                ],
                "suggested_expert_ids": strings(item, "suggestedExpertIds"),
                "volunteer_ids": strings(item, "volunteerIds"),
            }
            for item in items
        ]

    @action(ListProjects)
    def list_projects(self, arguments: ListProjects) -> ActionSteps[list[ProjectRecord]]:
        """Return all projects (``getProjects``), 500 per request."""
        items = yield from all_items(Call("getProjects"))
        return [
            {
                "project_id": string(item, "_id"),
                "name": string(item, "name"),
                "completed": boolean(item, "completed"),
                "group_id": string(item, "groupId"),
            }
            for item in items
        ]
