"""Tags of courses and paths: read in both versions of the API, changed in API v2."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.exceptions import InvalidRequestError, NotAvailableError, NotFoundError, RefusedError
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.sandbox.demo_company import (
    ONBOARDING_PATH_ID,
    SAFETY_TAG_ID,
    SALES_TAG_ID,
    SECURITY_COURSE_ID,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sandbox.server import Sandbox
from tests.api.factory import MakeApi, api_factory
from tests.rows.support import results_in
from tests.unlimited_sandbox import CONNECTION

MISSING_ID = "0" * 24
OUTCOMES = {"add": "added", "remove": "removed", "replace": "replaced"}
WRITES = ("courses.updateTags", "paths.updateTags")


@pytest.fixture
def make_v2(sandbox: Sandbox) -> Iterator[MakeApi]:
    """Create APIs of version 2."""
    with api_factory(sandbox, "v2") as make:
        yield make


@pytest.fixture
def v2(make_v2: MakeApi) -> LearningApi:
    """Return the API of version 2, in which tags can be changed."""
    return make_v2()


def tags_of(api: LearningApi, course_id: str = WELCOME_COURSE_ID) -> list[str]:
    return [tag["tag_id"] for tag in api.list_course_tags(course_id=course_id)]


def test_lists_the_tags_of_a_course(api, version):
    source = {"v1": None, "v2": "native"}[version]
    assert api.list_course_tags(course="Security basics") == [{"tag_id": SAFETY_TAG_ID, "source": source}]
    assert tags_of(api) == []
    with pytest.raises(NotFoundError):
        api.list_course_tags(course_id=MISSING_ID)


def test_a_change_is_seen_in_both_versions(api, v2):
    v2.add_course_tags(course_id=WELCOME_COURSE_ID, tags=["Safety", "Sales"])
    assert tags_of(api) == [SAFETY_TAG_ID, SALES_TAG_ID]


@pytest.mark.parametrize("kind", ["course", "path"])
def test_adds_removes_and_replaces_tags(v2, sent, kind):
    subject = {"course": {"course_id": WELCOME_COURSE_ID}, "path": {"path_id": ONBOARDING_PATH_ID}}[kind]
    listing = getattr(v2, f"list_{kind}_tags")

    def changed(verb, *tag_ids):
        result = getattr(v2, f"{verb}_{kind}_tags")(**subject, tag_ids=tag_ids)
        assert result == {**subject, "tags": len(tag_ids), "outcome": OUTCOMES[verb]}
        return [tag["tag_id"] for tag in listing(**subject)]

    assert changed("add", SALES_TAG_ID) == [SALES_TAG_ID]
    assert changed("add", SAFETY_TAG_ID.upper(), SALES_TAG_ID) == [SALES_TAG_ID, SAFETY_TAG_ID]
    assert changed("remove", SALES_TAG_ID, MISSING_ID) == [SAFETY_TAG_ID]
    assert changed("replace", SALES_TAG_ID) == [SALES_TAG_ID]
    assert changed("replace") == []
    assert len(sent(*WRITES)) == 5


def test_tags_that_are_as_wanted_are_not_written(v2, sent):
    v2.add_course_tags(course_id=SECURITY_COURSE_ID, tag_ids=[SAFETY_TAG_ID])
    v2.remove_course_tags(course_id=SECURITY_COURSE_ID, tag_ids=[SALES_TAG_ID])
    assert sent(*WRITES) == []


def test_names_stand_for_tags_courses_and_paths(v2):
    v2.add_path_tags(path="Onboarding", tags=["Sales"])
    assert [tag["tag_id"] for tag in v2.list_path_tags(path="Onboarding")] == [SALES_TAG_ID]
    with pytest.raises(InvalidRequestError, match=r"tags\[0\] is 'Sale', but no tag has this name"):
        v2.add_course_tags(course="Welcome to Acme", tags=["Sale"])


@pytest.mark.parametrize(
    ("action", "arguments", "error"),
    [
        ("add_course_tags", {"course_id": WELCOME_COURSE_ID, "tag_ids": [MISSING_ID]}, NotFoundError),
        ("replace_course_tags", {"course_id": MISSING_ID, "tag_ids": [SAFETY_TAG_ID]}, NotFoundError),
        ("remove_course_tags", {"course_id": MISSING_ID, "tag_ids": [SAFETY_TAG_ID]}, NotFoundError),
        ("remove_path_tags", {"path_id": MISSING_ID, "tag_ids": [SAFETY_TAG_ID]}, NotFoundError),
        ("replace_path_tags", {"path_id": MISSING_ID, "tag_ids": [SAFETY_TAG_ID]}, NotFoundError),
    ],
)
def test_what_does_not_exist_is_not_found(v2, action, arguments, error):
    with pytest.raises(error):
        v2.actions[action](**arguments)


def test_an_archived_path_is_refused(sandbox, v2):
    sandbox.control.change_path(ONBOARDING_PATH_ID, archived=True)
    with pytest.raises(RefusedError) as raised:
        v2.add_path_tags(path_id=ONBOARDING_PATH_ID, tag_ids=[SAFETY_TAG_ID])
    assert raised.value.code == "pathArchived"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "tag_ids or tags is missing or empty"),
        ({"tag_ids": []}, "tag_ids is empty"),
        ({"tag_ids": ["x"]}, r"tag_ids\[0\] is 'x'"),
        ({"tag_ids": [SAFETY_TAG_ID], "tags": ["Safety"]}, "tags is given beside tag_ids"),
    ],
)
def test_tags_that_are_missing_or_invalid_are_refused_before_anything_is_sent(v2, sent, arguments, problem):
    with pytest.raises(InvalidRequestError, match=f"{problem}.*Nothing was sent"):
        v2.add_course_tags(course_id=WELCOME_COURSE_ID, **arguments)
    assert sent() == []


def test_more_tags_than_a_course_can_have_are_refused(v2, sent):
    with pytest.raises(InvalidRequestError, match="would have 101 tags, but API v2 allows at most 100"):
        v2.add_course_tags(course_id=SECURITY_COURSE_ID, tag_ids=[f"{number:024x}" for number in range(100)])
    assert sent(*WRITES) == []
    assert tags_of(v2, SECURITY_COURSE_ID) == [SAFETY_TAG_ID]


def test_tasks_that_add_tags_at_the_same_time_lose_none(sandbox, make_v2, tmp_path, sent):
    """Each has a client of its own, as processes have. Without the lock, all would read before the first one writes."""
    apis = [make_v2(store=SqliteStore(str(tmp_path / "limits.sqlite"))) for _ in range(2)]
    sandbox.control.settings(delay_before_ms=10)
    with ThreadPoolExecutor(2) as pool:
        calls = [
            pool.submit(api.add_course_tags, course_id=WELCOME_COURSE_ID, tag_ids=[tag_id])
            for api, tag_id in zip(apis, (SAFETY_TAG_ID, SALES_TAG_ID), strict=True)
        ]
        for call in calls:
            call.result()
    assert sorted(tags_of(apis[0])) == [SAFETY_TAG_ID, SALES_TAG_ID]
    assert [each["operation"] for each in sent("courses.getTags", *WRITES)][:4] == ["courses.getTags", WRITES[0]] * 2


def test_v1_names_what_it_has_instead(sandbox, sent):
    with api_factory(sandbox, "v1") as make, pytest.raises(NotAvailableError, match="updateSkill"):
        make().add_course_tags(course_id=WELCOME_COURSE_ID, tag_ids=[SAFETY_TAG_ID])
    assert sent() == []


def test_rows_add_tags_and_v1_refuses_them_before_reading_one(sandbox, version, monkeypatch, tmp_path):
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version=version))
    rows = [{"course": "Welcome to Acme", "tags": "Safety;Sales"}, {"course_id": MISSING_ID, "tags": "Safety"}]
    operator = Learning360BulkOperator(
        task_id="bulk", action="add_course_tags", rows=rows, results_path=str(tmp_path), max_failure_ratio=0.5
    )
    if version == "v1":
        with pytest.raises(Exception, match="add_course_tags is not available: only API v2 has it"):
            operator.execute({})
        assert sandbox.control.journal() == []
        return
    operator.execute({})
    assert [line["outcome"] for line in results_in(tmp_path)] == ["added", "refused"]
