"""When a bulk job has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from pydantic import Field

from airflow_provider_360learning.api.models.fields import Id
from airflow_provider_360learning.api.text import counted, one_line
from airflow_provider_360learning.completion.condition import MAX_PROGRESS, CompletionCondition, CompletionStatus
from airflow_provider_360learning.exceptions import NotAvailableError

if TYPE_CHECKING:
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.types import ActionSteps


class BulkJobResult(TypedDict):
    """
    Result of a wait for a bulk job.

    ``job_id`` and ``type`` say which job it is, ``state`` is ``completed`` or ``error`` once it has ended, ``rows`` is
    the number of results, and ``refused`` the number of results that report an error.
    """

    job_id: str
    type: str
    state: str
    rows: int
    refused: int


class BulkJobCompletion(CompletionCondition):
    """A bulk job has ended, and not in the state ``error``."""

    subject: ClassVar[str] = "bulk_job"

    job_id: Id = Field(description="Id of the bulk job.")

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """See :meth:`CompletionCondition.poll`."""
        if api.jobs is None:
            raise NotAvailableError(f"Bulk jobs are not available in API {api.client.spec.name}", argument="job_id")
        status = yield from api.jobs.status(self.job_id)
        results = (yield from api.jobs.results(self.job_id)) if status.ended else []
        refused = sum(result.error is not None for result in results)
        result = BulkJobResult(
            job_id=status.job_id, type=status.type, state=status.state, rows=len(results), refused=refused
        )
        if status.ended:
            progress = f"Bulk job {self.job_id}: {counted(len(results), 'row')}, {refused:,} refused"
        else:
            progress = f"Bulk job {self.job_id} is {status.state}"
            progress += "" if status.progress is None else f" at row {status.progress:,}"
        failure = f"Bulk job {self.job_id} ended with an error: {status.error}" if status.state == "error" else None
        return CompletionStatus(status.state == "completed", result, one_line(progress, MAX_PROGRESS), failure)
