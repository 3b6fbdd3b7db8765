"""Learning needs and projects, which API v2 only lists."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import LearningNeed, Project
from airflow_provider_360learning.sandbox.v2.call import Call, Operations

operations = Operations()


@operations.add("getLearningNeeds", "GET", "/learning-needs", scope="learningNeeds:read", page_size=500)
def get_learning_needs(call: Call) -> Response:
    """List all learning needs."""
    return call.page(list(call.state.learning_needs.values()), _need)


@operations.add("getProjects", "GET", "/projects", scope="projects:read", page_size=500)
def get_projects(call: Call) -> Response:
    """List all projects."""
    return call.page(list(call.state.projects.values()), _project)


def _need(need: LearningNeed) -> dict[str, object]:
    return {
        "_id": need.id,
        "groupId": need.group,
        "name": need.name,
        "status": need.status,
        "createdAt": iso(need.created_at),
        "authorId": need.author,
        "questions": list(need.questions),
        "suggestedExpertIds": list(need.experts),
        "volunteerIds": list(need.volunteers),
    }


def _project(project: Project) -> dict[str, object]:
    return {"_id": project.id, "name": project.name, "completed": project.completed, "groupId": project.group}
