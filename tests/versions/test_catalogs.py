"""Catalogs of groups, in all API versions."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error
from airflow_provider_360learning.sandbox.demo_company import (
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.factory import MakeApi, api_factory

MISSING_ID = "0" * 24


@pytest.fixture
def api(make_api: MakeApi, sandbox: Sandbox) -> LearningApi:
    """Return the API of the sandbox, whose waits for jobs move the sandbox's clock."""
    return make_api(client={"sleep": sandbox.control.advance})


@pytest.fixture
def session_id(sandbox: Sandbox) -> str:
    """Create a path session."""
    with api_factory(sandbox, "v1") as make:
        may = make().create_path_session(
            path_id=ONBOARDING_PATH_ID, name="May", session_start="2026-05-01T00:00:00Z", group_id=ROOT_GROUP_ID
        )
    sandbox.control.clear_journal()
    return str(may["session_id"])


def courses_of(api: LearningApi) -> set[str | None]:
    return {item["id"] for item in api.get_catalog(group_id=SALES_GROUP_ID)["courses"]}


def test_adds_to_and_removes_from_a_catalog(api: LearningApi) -> None:
    items = [WELCOME_COURSE_ID, SECURITY_COURSE_ID]
    assert api.add_to_catalog(group_id=SALES_GROUP_ID, course_ids=items) == {
        "group_id": SALES_GROUP_ID,
        "outcome": "added",
        "items": 2,
    }
    assert courses_of(api) == set(items)
    assert api.add_to_catalog(group_id=SALES_GROUP_ID, course_ids=items)["outcome"] == "added"
    assert api.remove_from_catalog(group_id=SALES_GROUP_ID, course_ids=items[:1]) == {
        "group_id": SALES_GROUP_ID,
        "outcome": "removed",
        "items": 1,
    }
    assert courses_of(api) == {SECURITY_COURSE_ID}


def test_path_sessions_come_into_a_catalog(api: LearningApi, session_id: str) -> None:
    assert api.add_to_catalog(group_id=SALES_GROUP_ID, session_ids=[session_id])["items"] == 1
    assert [item["id"] for item in api.get_catalog(group_id=SALES_GROUP_ID)["paths"]] == [session_id]
    api.remove_from_catalog(group_id=SALES_GROUP_ID, session_ids=[session_id])
    assert api.get_catalog(group_id=SALES_GROUP_ID) == {"courses": [], "paths": []}


def test_an_unknown_course_is_an_error_that_retries_do_not_mend(api: LearningApi) -> None:
    with pytest.raises(Learning360Error) as raised:
        api.add_to_catalog(group_id=SALES_GROUP_ID, course_ids=[MISSING_ID])
    assert not raised.value.transient


@pytest.mark.parametrize("arguments", [{}, {"course_ids": ["x"]}])
def test_invalid_arguments_are_refused_before_anything_is_sent(
    api: LearningApi, sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError):
        api.add_to_catalog(group_id=SALES_GROUP_ID, **arguments)
    assert sandbox.control.journal() == []
