"""The operations that an action may call are derived from its code."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.needs import operations_of, scopes_of, scopes_of_names, scopes_of_rows
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.cli.scopes import needs_of_operators
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.api.factory import api_factory

V1, V2 = VERSIONS["v1"], VERSIONS["v2"]


def test_finds_operations_in_helpers_and_in_other_actions():
    assert operations_of(V1.adapter, "delete_group", V1.spec) == {"getGroups", "deleteGroup"}
    assert operations_of(V1.adapter, "create_group", V1.spec) == {"getGroups", "createGroup", "updateGroup"}
    assert operations_of(V1.adapter, "read_users", V1.spec) == {"getUsers"}
    assert "addUserRoleToGroup" in operations_of(V2.adapter, "create_user", V2.spec)


def test_a_version_without_scopes_needs_none():
    assert {scopes_of(V1.adapter, name, V1.spec) for name in ("create_user", "list_groups")} == {()}


def test_names_in_the_place_of_ids_need_the_scope_of_their_listing():
    assert scopes_of(V2.adapter, "update_group", V2.spec) == ("groups:write",)
    assert scopes_of_names(V2.adapter, "update_group", V2.spec) == ("groups:read",)
    assert scopes_of_names(V2.adapter, "list_groups", V2.spec) == ()


def test_many_rows_need_the_scopes_of_their_jobs():
    assert scopes_of_rows(V2.adapter, "add_user_to_group", V2.spec) == ("bulkOperations:read", "groups:bulk")
    assert "integrations:read" in scopes_of_rows(V2.adapter, "import_external_courses", V2.spec)
    assert scopes_of_rows(V2.adapter, "create_user", V2.spec) == ()
    assert scopes_of_rows(V1.adapter, "add_user_to_group", V1.spec) == ()


def test_a_method_of_the_jobs_needs_what_it_calls():
    assert operations_of(V2.adapter, "jobs.status", V2.spec) == {"getBulkOperation"}
    assert operations_of(V1.adapter, "jobs.status", V1.spec) == set()


def test_the_sensors_need_what_their_waits_call():
    def needs(version):
        return {name: set(needs.scopes) for name, needs in needs_of_operators(version).items() if "Completion" in name}

    assert needs(V2) == {
        "Learning360CourseCompletionSensor": {"courseStats:read", "courses:read", "users:read"},
        "Learning360PathSessionCompletionSensor": {"pathStats:read", "paths:read", "users:read"},
    }
    assert set().union(*needs(V1).values()) == set()


def test_an_action_that_submits_jobs_of_one_kind_needs_no_other():
    found = operations_of(V2.adapter, "add_to_catalog", V2.spec)
    assert {name for name in found if name.startswith(("add", "remove", "import"))} == {"addContentsToGroupsCatalog"}


@pytest.mark.parametrize("version", list(VERSIONS))
def test_actions_call_nothing_else(sandbox, version):
    with api_factory(sandbox, version) as make:
        api = make()
        group_id = api.create_group(name="Lab")["group_id"]
        mail = "new@acme.test"
        calls = {
            "create_user": {"mail": mail, "mode": "create_active", "group_id": group_id, "first_name": "New"},
            "update_user": {"user": mail, "job": "Pilot"},
            "add_user_to_group": {"user": mail, "group_id": group_id, "role": "coach"},
            "remove_user_from_group": {"user": mail, "group_id": group_id, "role": "coach"},
            "get_user": {"user": GRACE_MAIL},
            "list_user_roles": {"user": GRACE_MAIL},
            "delete_user": {"user": mail},
            "delete_group": {"group_id": group_id},
        }
        for name, arguments in calls.items():
            before = len(sandbox.control.journal())
            api.actions[name](**arguments)
            sent = {entry["operation"] for entry in sandbox.control.journal()[before:]}
            assert sent <= operations_of(type(api), name, api.client.spec), name
