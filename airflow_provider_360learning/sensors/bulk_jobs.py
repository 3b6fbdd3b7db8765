"""Sensors for bulk jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_360learning.sensors.base import Learning360BaseSensor


class Learning360BulkJobSensor(Learning360BaseSensor):
    """
    Wait until a bulk job of API v2 has ended (``getBulkOperation``). API v1 has no bulk jobs.

    Operators wait for their own jobs; this sensor is for jobs that others submit. A job that ends in the state
    ``error`` fails the task. The result has the keys ``job_id``, ``type``, ``state``, ``rows`` (number of results) and
    ``refused`` (number of results that report an error).

    .. seealso:: :class:`airflow_provider_360learning.api.bulk_jobs.BulkJobs` and docs/sensors.md

    :param job_id: Id of the bulk job.
    """

    subject = "bulk_job"
    actions = ("jobs.status", "jobs.results")
    name_arguments = ("job_id",)
    template_fields: Sequence[str] = ("learning360_conn_id", "job_id")

    def __init__(self, *, job_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.job_id = job_id
