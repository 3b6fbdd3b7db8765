"""Arguments of the actions on learning needs and projects."""

from __future__ import annotations

from airflow_provider_360learning.api.models.base import ActionArguments


class ListLearningNeeds(ActionArguments):
    """Arguments of ``list_learning_needs``: none."""


class ListProjects(ActionArguments):
    """Arguments of ``list_projects``: none."""
