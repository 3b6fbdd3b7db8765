"""Paths of API v2: what v2 alone does."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError, NotFoundError
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    SALES_GROUP_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)

MISSING_ID = "0" * 24
SAFETY = {"name": "Safety", "group_id": SALES_GROUP_ID, "course_ids": [SECURITY_COURSE_ID]}


@pytest.fixture
def state(sandbox):
    """Return a function that returns a list of the sandbox's state."""
    return lambda name: sandbox.control.state()[name]


def test_creates_a_path_without_steps(api, state):
    made = api.create_path(name="Safety", group_id=SALES_GROUP_ID)
    path = state("paths")[-1]
    assert (path["id"], path["author"], path["steps"]) == (made["path_id"], ADMIN_ID, [])
    assert api.create_path(name="Safety", group_id=SALES_GROUP_ID)["outcome"] == "already_exists"


@pytest.mark.parametrize("if_exists", ["skip", "update", "fail"])
def test_completes_a_path_whose_creation_was_interrupted(sandbox, make_api, state, if_exists):
    api = make_api(client={"sleep": lambda seconds: None, "max_attempts": 1})
    sandbox.control.add_fault("updateSteps", kind="drop_before")
    with pytest.raises(Exception, match="updateSteps"):
        api.create_path(**SAFETY)
    assert state("paths")[-1]["steps"] == []
    assert api.create_path(**SAFETY, if_exists=if_exists)["outcome"] == "created"
    assert [path["courses"] for path in state("paths")[1:]] == [[SECURITY_COURSE_ID]]


def test_reads_the_courses_before_a_path_is_created(api, sent):
    with pytest.raises(NotFoundError, match="courseNotFound"):
        api.create_path(**{**SAFETY, "course_ids": [WELCOME_COURSE_ID, MISSING_ID]})
    assert sent("createPath") == []


def test_one_author_replaces_the_main_author_only(api, state):
    path_id = api.create_path(**SAFETY, authors=[GRACE_MAIL])["path_id"]
    api.update_path(path_id=path_id, authors=[ADMIN_MAIL, GRACE_MAIL], additional_information="P-17")
    path = state("paths")[-1]
    assert (path["author"], path["co_authors"], path["info"]) == (ADMIN_ID, [GRACE_ID], "P-17")
    with pytest.raises(InvalidRequestError, match="mainAuthorAsCoAuthor"):
        api.update_path(path_id=path_id, authors=[GRACE_MAIL])
