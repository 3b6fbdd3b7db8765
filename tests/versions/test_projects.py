"""Learning needs and projects: the same in both versions of the API, apart from what only API v2 returns."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    LEARNING_NEED_ID,
    PROJECT_ID,
    SALES_GROUP_ID,
)


def test_lists_learning_needs(api, version):
    (need,) = api.list_learning_needs()
    questions = [{"title": "Which problem would this training solve?", "answer": "Negotiations take long."}]
    assert need == {
        "learning_need_id": LEARNING_NEED_ID,
        "name": "Negotiation",
        "status": "new",
        "group_id": SALES_GROUP_ID,
        "author_id": GRACE_ID,
        "created_at": need["created_at"],
        "questions": {"v1": None, "v2": questions}[version],
        "suggested_expert_ids": {"v1": None, "v2": []}[version],
        "volunteer_ids": {"v1": None, "v2": []}[version],
    }
    assert need["created_at"].endswith("Z")


def test_lists_projects(api):
    project = {"project_id": PROJECT_ID, "name": "Sales kit", "completed": False, "group_id": SALES_GROUP_ID}
    assert api.list_projects() == [project]
