"""Paths of API v1: what it does not have, and what it sends."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import NotAvailableError
from airflow_provider_360learning.sandbox.demo_company import ONBOARDING_PATH_ID, SALES_GROUP_ID, WELCOME_COURSE_ID

SAFETY = {"name": "Safety", "group_id": SALES_GROUP_ID, "course_ids": [WELCOME_COURSE_ID]}


def test_sends_only_what_is_given(api, sent):
    api.create_path(**SAFETY)
    assert sent("createPath")[0]["body"] == {
        "name": "Safety",
        "ownerGroup": SALES_GROUP_ID,
        "steps": [{"type": "course", "id": WELCOME_COURSE_ID}],
    }
    api.update_path(path_id=ONBOARDING_PATH_ID, automated_reminders=False)
    assert sent("updatePath")[0]["body"] == {"sendAutomatedReminders": False}


@pytest.mark.parametrize(
    ("action", "arguments", "problem"),
    [
        ("create_path", {"name": "Safety", "group_id": SALES_GROUP_ID}, "course_ids is missing or empty: API v1"),
        (
            "create_path",
            {**SAFETY, "if_exists": "update", "additional_information": "x"},
            "additional_information is not available in API v1 with if_exists='update'",
        ),
        (
            "update_path",
            {"path_id": ONBOARDING_PATH_ID, "additional_information": "x"},
            "additional_information is not available in API v1, which sets it at the creation",
        ),
    ],
)
def test_refuses_what_only_v2_can_set(api, sent, action, arguments, problem):
    with pytest.raises(NotAvailableError, match=problem):
        getattr(api, action)(**arguments)
    assert sent() == []


@pytest.mark.parametrize("key", ["_id", "id", "pathId"])
def test_finds_the_id_of_a_new_path_under_any_likely_key(sandbox, api, key):
    sandbox.control.add_fault("createPath", kind="status", status=200, body={key: ONBOARDING_PATH_ID})
    assert api.create_path(**SAFETY)["path_id"] == ONBOARDING_PATH_ID
