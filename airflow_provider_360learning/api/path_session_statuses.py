"""How many learners of a path session have each status, in the form that both versions of the API share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from airflow_provider_360learning.api.models.choices import LearnerStatus
from airflow_provider_360learning.api.path_results import (
    PathSessionStatuses,
)


def statuses_of_session(session_id: str, counts: Mapping[str, int]) -> PathSessionStatuses:
    """
    Return the number of learners by status.

    :param session_id: Id of the session.
    :param counts: The numbers that a response has; a status that is missing has no learners.
    """
    statuses = {status: counts.get(status, 0) for status in get_args(LearnerStatus)}
    return {"session_id": session_id, "enrolled": sum(counts.values()), "statuses": statuses}
