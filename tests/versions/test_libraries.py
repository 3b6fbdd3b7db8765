"""Libraries of groups, in all API versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error, NotAvailableError
from airflow_provider_360learning.sandbox.demo_company import (
    ONBOARDING_PATH_ID,
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
def v2(sandbox: Sandbox) -> Iterator[LearningApi]:
    """Return the API in the version that can read libraries."""
    with api_factory(sandbox, "v2") as make:
        yield make(client={"sleep": sandbox.control.advance})


def test_adds_courses_to_a_library_and_removes_them(api: LearningApi, v2: LearningApi) -> None:
    items = [WELCOME_COURSE_ID, SECURITY_COURSE_ID]
    for _ in range(2):  # as often as a task is retried
        added = api.add_to_library(group="Sales", course_ids=items)
        assert added == {"group_id": SALES_GROUP_ID, "outcome": "added", "items": 2}
    assert v2.get_library(group="Sales") == {"course_ids": items, "path_ids": []}
    for _ in range(2):
        removed = api.remove_from_library(group_id=SALES_GROUP_ID, courses=["Welcome to Acme"])
        assert removed == {"group_id": SALES_GROUP_ID, "outcome": "removed", "items": 1}
    assert v2.get_library(group="Sales") == {"course_ids": [SECURITY_COURSE_ID], "path_ids": []}
    assert api.get_catalog(group="Sales") == {"courses": [], "paths": []}


def test_adds_paths_in_api_v2(v2: LearningApi) -> None:
    v2.add_to_library(group_id=SALES_GROUP_ID, paths=["Onboarding"], course_ids=[WELCOME_COURSE_ID])
    assert v2.get_library(group_id=SALES_GROUP_ID) == {
        "course_ids": [WELCOME_COURSE_ID],
        "path_ids": [ONBOARDING_PATH_ID],
    }
    v2.remove_from_library(group_id=SALES_GROUP_ID, path_ids=[ONBOARDING_PATH_ID])
    assert v2.get_library(group_id=SALES_GROUP_ID)["path_ids"] == []


@pytest.mark.parametrize("arguments", [{"path_ids": [ONBOARDING_PATH_ID]}, {"paths": ["Onboarding"]}])
def test_refuses_paths_in_api_v1(sandbox: Sandbox, arguments: dict[str, Any]) -> None:
    with api_factory(sandbox, "v1") as make, pytest.raises(NotAvailableError, match="not available in API v1") as error:
        make().add_to_library(group_id=SALES_GROUP_ID, **arguments)
    assert error.value.argument in arguments
    assert sandbox.control.journal() == []


def test_an_unknown_course_or_group_is_an_error_that_retries_do_not_solve(api: LearningApi) -> None:
    for where in ({"course_ids": [MISSING_ID]}, {"course_ids": [WELCOME_COURSE_ID], "group_id": MISSING_ID}):
        with pytest.raises(Learning360Error) as raised:
            api.add_to_library(**{"group_id": SALES_GROUP_ID, **where})
        assert not raised.value.transient


@pytest.mark.parametrize("arguments", [{}, {"course_ids": ["x"]}])
def test_invalid_arguments_are_refused_before_anything_is_sent(
    api: LearningApi, sandbox: Sandbox, arguments: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError):
        api.remove_from_library(group_id=SALES_GROUP_ID, **arguments)
    assert sandbox.control.journal() == []
