"""The client's table of API v2 agrees with the published documents."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from airflow_provider_360learning.api.spec import BodyFormat, ResponseShape
from airflow_provider_360learning.api.v2.spec import API_V2
from tests.contract import parameters, specs


def test_the_table_is_up_to_date():
    assert specs.FILE.read_text() == specs.table(), "run make specs"


def test_the_parameters_are_up_to_date():
    assert parameters.FILE.read_text() == parameters.table(), "run make specs"


def test_has_every_published_operation_with_its_scope():
    assert len(API_V2.endpoints) == len(specs.published()) == 161
    assert [name for name, one in API_V2.endpoints.items() if one.scope is None] == [API_V2.token_operation]


def test_never_resends_what_may_not_be_idempotent():
    resent = {name for name, one in API_V2.endpoints.items() if one.may_resend}
    jobs = {name for name, one in API_V2.endpoints.items() if one.response is ResponseShape.JOB}
    posts = {name for name, one in API_V2.endpoints.items() if one.method == "POST"}
    assert len(jobs) == 20
    assert resent & jobs == set()
    assert resent & posts == {API_V2.token_operation}
    assert set(API_V2.endpoints) - resent - jobs - posts == {"updateClassroomSlot", "updateSessionAudience"}


def test_has_the_published_limits():
    assert {name: limit.requests for name, limit in API_V2.limits.items()} == {
        "company_reads": 50,
        "company_writes": 10,
        "createELearningStandardCourse": 1,
        "updateELearningStandardCourse": 1,
    }
    assert all(
        one.limits[-1].name == ("company_reads" if one.is_read else "company_writes")
        for one in API_V2.endpoints.values()
    )


def test_bulk_deletions_have_a_body():
    jobs = [one for one in API_V2.endpoints.values() if one.response is ResponseShape.JOB]
    assert {one.body for one in jobs} == {BodyFormat.JSON}
    assert {one.method for one in jobs} == {"POST", "PUT", "DELETE"}


LOAD = """
import importlib, json, sys, time
from airflow_provider_360learning.api.versions import VERSIONS

version, function = sys.argv[1:]
operations = importlib.import_module(f"airflow_provider_360learning.api.{version}.operations")
read = getattr(operations, function).cache_info().currsize
started = time.process_time()
VERSIONS[version].spec.endpoints["getUsers"]
print(json.dumps([read, time.process_time() - started]))
"""


@pytest.mark.realtime
@pytest.mark.parametrize(("version", "function"), [("v1", "known"), ("v2", "published")])
def test_a_table_is_read_quickly_when_an_operation_is_first_looked_up(version, function):
    command = [sys.executable, "-c", LOAD, version, function]
    read, seconds = json.loads(subprocess.check_output(command, text=True, timeout=180))
    assert read == 0
    assert seconds < 0.02
