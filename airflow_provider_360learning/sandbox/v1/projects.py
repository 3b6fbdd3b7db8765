"""Learning needs and projects, which API v1 only lists."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.v1.call import Call, Operations

operations = Operations()


@operations.add("listLearningNeeds", "GET", "/learningneeds", assumes="It has no other keys than the documented ones.")
def list_learning_needs(call: Call) -> Response:
    """List all learning needs."""
    return Response(
        [
            {
                "_id": need.id,
                "group": need.group,
                "name": need.name,
                "status": need.status,
                "declaredAt": iso(need.created_at),
                "declaredBy": need.author,
            }
            for need in call.state.learning_needs.values()
        ]
    )


@operations.add("listProjects", "GET", "/projects", assumes="`completed` is a string, as in the example of a guide.")
def list_projects(call: Call) -> Response:
    """List all projects."""
    return Response(
        [
            {
                "_id": project.id,
                "name": project.name,
                "completed": str(project.completed).lower(),
                "group": project.group,
            }
            for project in call.state.projects.values()
        ]
    )
