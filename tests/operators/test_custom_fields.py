"""Operators for the values of custom fields of courses and path sessions, which only API v2 has."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.custom_fields import (
    Learning360RemoveCourseCustomFieldOperator,
    Learning360RemovePathSessionCustomFieldOperator,
    Learning360SetCourseCustomFieldOperator,
    Learning360SetPathSessionCustomFieldOperator,
)
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.unlimited_sandbox import CONNECTION, operations

COURSE = {"course": "Welcome to Acme", "custom_field": "Level"}
SESSION = {"session": "May", "path": "Onboarding", "custom_field": "Level"}

#: Operators with arguments, and the line that each logs, with the id of the custom field and of the object.
LINES = [
    (
        Learning360SetCourseCustomFieldOperator,
        {**COURSE, "value": "A"},
        'Set custom field Level ({field}) of course "Welcome to Acme" ({id})',
    ),
    (
        Learning360RemoveCourseCustomFieldOperator,
        COURSE,
        'Removed custom field Level ({field}) of course "Welcome to Acme" ({id})',
    ),
    (
        Learning360SetPathSessionCustomFieldOperator,
        {**SESSION, "value": "A"},
        "Set custom field Level ({field}) of session May ({id})",
    ),
    (
        Learning360RemovePathSessionCustomFieldOperator,
        SESSION,
        "Removed custom field Level ({field}) of session May ({id})",
    ),
]


@pytest.mark.parametrize(("operator", "arguments", "line"), LINES, ids=lambda value: getattr(value, "__name__", ""))
def test_an_operator_changes_a_value_and_logs_it_in_one_line(sandbox, monkeypatch, caplog, operator, arguments, line):
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version="v2"))
    api = Learning360Hook().api
    field = api.create_custom_field(name="Level", target_type="contents")["custom_field_id"]
    api.create_path_session(
        path="Onboarding", name="May", session_start="2026-05-01T00:00:00Z", group="Acme", instructors=[GRACE_MAIL]
    )
    caplog.clear()
    result = operator(task_id="one", **arguments).execute({})
    id = result.get("course_id") or result["session_id"]
    assert caplog.text.count(line.format(field=field, id=id)) == 1


def test_api_v1_refuses_them_before_anything_is_sent(sandbox):
    task = Learning360SetCourseCustomFieldOperator(task_id="one", **COURSE, value="A")
    with pytest.raises(AirflowFailException, match="set_course_custom_field is not available: only API v2 has it"):
        task.execute({})
    assert operations(sandbox) == []
