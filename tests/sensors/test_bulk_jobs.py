"""The sensor that waits for a bulk job."""

from __future__ import annotations

import inspect

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.completion import make_condition
from airflow_provider_360learning.completion.bulk_job import BulkJobResult
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, SALES_GROUP_ID
from airflow_provider_360learning.sensors.bulk_jobs import Learning360BulkJobSensor
from tests.unlimited_sandbox import CONNECTION, operations


@pytest.fixture
def submit(sandbox, monkeypatch):
    """Submit a job of two rows, one of which is refused, and return its id."""
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2"))

    def submit():
        rows = [{"userId": GRACE_ID, "groupId": group, "role": "coach"} for group in (SALES_GROUP_ID, "0" * 24)]
        api = Learning360Hook().api
        job_id = api.client.call(Call("addUsersToGroups", body={"input": rows}))
        sandbox.control.clear_journal()
        return job_id

    return submit


def test_returns_what_the_job_has_done(sandbox, submit):
    sandbox.control.settings(bulk_job_seconds=0)
    result = Learning360BulkJobSensor(task_id="wait", mode="poke", job_id=submit()).execute({})
    assert (result["state"], result["rows"], result["refused"]) == ("completed", 2, 1)
    assert result["type"] == "addUsersToGroups"
    assert BulkJobResult.__annotations__.keys() == result.keys()
    assert all(f"``{key}``" in Learning360BulkJobSensor.__doc__ for key in result)


def test_waits_until_the_job_has_ended(sandbox, submit):
    sandbox.control.settings(bulk_job_seconds=3600)
    sensor = Learning360BulkJobSensor(task_id="wait", mode="poke", job_id=submit())
    assert not sensor.poke({}).is_done
    sandbox.control.advance(3600)
    assert sensor.poke({}).is_done


def test_fails_if_the_job_ends_with_an_error(sandbox, submit):
    sandbox.control.settings(bulk_job_seconds=0, bulk_jobs_fail_after=1)
    with pytest.raises(AirflowFailException, match="ended with an error: An unexpected failure"):
        Learning360BulkJobSensor(task_id="wait", mode="poke", job_id=submit()).execute({})


def test_fails_if_there_is_no_such_job(submit):
    with pytest.raises(AirflowFailException, match="NotFoundError"):
        Learning360BulkJobSensor(task_id="wait", mode="poke", job_id="0" * 24).execute({})


def test_is_refused_where_there_are_no_bulk_jobs(sandbox):
    with pytest.raises(AirflowFailException, match="NotAvailableError: Bulk jobs are not available in API v1"):
        Learning360BulkJobSensor(task_id="wait", mode="poke", job_id="0" * 24).execute({})
    assert operations(sandbox) == []


def test_takes_the_argument_of_its_condition():
    parameters = inspect.signature(Learning360BulkJobSensor.__init__).parameters
    assert parameters["job_id"].default is inspect.Parameter.empty
    assert make_condition("bulk_job", {"job_id": "0" * 24}).arguments() == {"job_id": "0" * 24}
