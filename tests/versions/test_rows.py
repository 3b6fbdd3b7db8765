"""Tasks of many rows give the same results in all versions of the API, whether jobs or requests do the rows."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_MAIL,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)
from tests.api.factory import api_factory
from tests.rows.support import results_in
from tests.unlimited_sandbox import CONNECTION


@pytest.fixture
def lines(sandbox, version, monkeypatch, tmp_path):
    """Apply an action to rows, and return the outcome of each, with what identifies it."""
    limits = dict.fromkeys(VERSIONS[version].spec.limits, 1000)
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(api_version=version, limits=limits))
    sandbox.control.settings(bulk_job_seconds=0)

    def lines(action, rows):
        folder = tmp_path / action
        operator = Learning360BulkOperator(
            task_id="bulk", action=action, rows=rows, results_path=str(folder), max_failure_ratio=0.5
        )
        operator.execute({})
        return [(one["row"], one["key"], one["outcome"], one["id"], one["user"]) for one in results_in(folder)]

    return lines


def test_memberships(lines):
    rows = [{"user": user, "group_id": SALES_GROUP_ID, "role": "coach"} for user in (GRACE_MAIL, ADMIN_MAIL)]
    keys = [f"{user} / {SALES_GROUP_ID} / coach" for user in (GRACE_MAIL, ADMIN_MAIL)]
    for action, outcome in (("add_user_to_group", "added"), ("remove_user_from_group", "removed")):
        expected = zip((1, 2), keys, [outcome] * 2, [None] * 2, (GRACE_MAIL, ADMIN_MAIL), strict=True)
        assert lines(action, rows) == list(expected)


def test_a_membership_of_an_unknown_user(lines):
    rows = [{"user": user, "group_id": SALES_GROUP_ID} for user in ("nobody@acme.test", GRACE_MAIL)]
    assert [line[2] for line in lines("add_user_to_group", rows)] == ["refused", "added"]


def test_catalogs(lines):
    rows = [{"group_id": SALES_GROUP_ID, "course_ids": WELCOME_COURSE_ID}]
    assert [line[2:] for line in lines("add_to_catalog", rows)] == [("added", None, None)]
    assert [line[2:] for line in lines("remove_from_catalog", rows)] == [("removed", None, None)]


@pytest.mark.slow  # API v2 does it with bulk jobs
def test_libraries(lines):
    rows = [{"group_id": SALES_GROUP_ID, "courses": "Welcome to Acme"}]
    assert [line[2:] for line in lines("add_to_library", rows)] == [("added", None, None)]
    assert [line[2:] for line in lines("remove_from_library", rows)] == [("removed", None, None)]


def test_tags(lines):
    rows = [{"name": "Onboarding", "is_main": "true"}, {"name": "Onboarding 2"}]
    outcomes = [(line[1], line[2]) for line in lines("create_tag", rows)]
    assert outcomes == [("Onboarding", "created"), ("Onboarding 2", "created")]
    rows = [{"tag": "Onboarding", "name": "Welcome"}, {"tag": "Onboarding 2", "external_id": "2"}]
    assert [line[2] for line in lines("update_tag", rows)] == ["updated", "updated"]


def test_new_links_share_no_position_although_rows_are_sent_at_the_same_time(lines, sandbox):
    rows = [{"type": f"link {number}", "name": f"Link {number}"} for number in range(8)]
    assert [line[2] for line in lines("create_custom_link", rows)] == ["created"] * 8
    assert sorted(link["order"] for link in sandbox.control.state()["custom_links"]) == list(range(8))


def test_links_of_users(lines):
    assert [line[2] for line in lines("create_custom_link", [{"type": "mail", "name": "Mail"}])] == ["created"]
    rows = [{"user": user, "type": "mail", "url": "https://mail.test"} for user in (GRACE_MAIL, "nobody@acme.test")]
    assert [line[1:3] for line in lines("create_custom_user_link", rows)] == [
        (f"{GRACE_MAIL} / mail", "created"),
        ("nobody@acme.test / mail", "refused"),
    ]
    assert [line[2] for line in lines("delete_custom_user_link", [{"user": GRACE_MAIL, "type": "mail"}])] == ["deleted"]


@pytest.mark.slow  # API v2 does it with bulk jobs
def test_archived_external_courses(lines, sandbox):
    body = {"externalPlatform": "p", "groupId": SALES_GROUP_ID, "authorId": ADMIN_ID}
    with api_factory(sandbox, "v2") as make:
        make().client.call(Call("createIntegration", body=body))
        sandbox.control.settings(faulty_statistics="report")
        course = {"external_id": "1", "title": "x", "launch_url": "https://x.test", "language": "en"}
        make().import_external_courses(
            group_id=SALES_GROUP_ID, external_platform="p", author_id=ADMIN_ID, courses=[course]
        )
    rows = [{"group_id": SALES_GROUP_ID, "external_platform": "p", "external_ids": "1"}]
    assert [line[2] for line in lines("archive_external_courses", rows)] == ["archived"]


def test_deleted_groups(lines):
    rows = [{"group_id": group_id} for group_id in (SALES_GROUP_ID, "0" * 24)]
    assert [line[2] for line in lines("delete_group", rows)] == ["deleted", "not_found"]


@pytest.mark.slow  # three bulk tasks
def test_values_of_custom_fields(lines):
    rows = [
        {"user": GRACE_MAIL, "custom_field": "Department", "value": "Navy"},
        {"user": GRACE_MAIL, "custom_field": "Site", "value": "Rome"},  # not authorized
        {"user": GRACE_MAIL, "custom_field": "Site", "value": "Lyon"},
    ]
    found = lines("set_user_custom_field", rows[::2])
    assert [line[1:] for line in found] == [
        (f"{GRACE_MAIL} / {name}", "set", None, GRACE_MAIL) for name in ("Department", "Site")
    ]
    assert [line[2] for line in lines("set_user_custom_field", rows[:2])] == ["set", "refused"]
    removed = [{"user": GRACE_MAIL, "custom_field": name} for name in ("Department", "Site")]
    assert [line[2] for line in lines("remove_user_custom_field", removed)] == ["removed", "removed"]
