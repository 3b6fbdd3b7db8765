"""Managers of users in both versions."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.sandbox.demo_company import ADMIN_ID, ADMIN_MAIL, GRACE_ID, GRACE_MAIL

MISSING = "missing@acme.test"


def managers(api, user=GRACE_MAIL):
    return [each["user_id"] for each in api.list_managers(user=user)]


@pytest.mark.parametrize(("user", "manager"), [(GRACE_MAIL, ADMIN_MAIL), (GRACE_ID, ADMIN_ID), (GRACE_ID, ADMIN_MAIL)])
def test_adds_and_removes_a_manager(api, user, manager):
    assert api.add_manager(user=user, manager=manager) == {"user": user, "manager": manager, "outcome": "added"}
    assert managers(api) == [ADMIN_ID]
    assert [each["user_id"] for each in api.list_subordinates(user=manager)] == [GRACE_ID]
    assert api.remove_manager(user=user, manager=manager) == {"user": user, "manager": manager, "outcome": "removed"}
    assert managers(api) == []


def test_other_managers_stay(api):
    other = api.create_user(mail="ana@acme.test", mode="create_active")["user_id"]
    for manager in (ADMIN_ID, other):
        api.add_manager(user=GRACE_ID, manager=manager)
    assert sorted(managers(api)) == sorted([ADMIN_ID, other])
    api.remove_manager(user=GRACE_ID, manager=ADMIN_ID)
    assert managers(api) == [other]


def test_what_is_repeated_changes_nothing(api):
    for _ in range(2):
        assert api.add_manager(user=GRACE_MAIL, manager=ADMIN_MAIL)["outcome"] == "added"
    assert managers(api) == [ADMIN_ID]
    for _ in range(2):
        assert api.remove_manager(user=GRACE_MAIL, manager=ADMIN_MAIL)["outcome"] == "removed"
    assert managers(api) == []


@pytest.mark.parametrize(("user", "manager"), [(GRACE_MAIL, MISSING), (MISSING, GRACE_MAIL)])
def test_an_unknown_user_or_manager_is_not_found(api, user, manager):
    for change in (api.add_manager, api.remove_manager):
        with pytest.raises(NotFoundError):
            change(user=user, manager=manager)
    for read in (api.list_managers, api.list_subordinates):
        with pytest.raises(NotFoundError):
            read(user=MISSING)


@pytest.mark.parametrize("action", ["add_manager", "remove_manager"])
def test_a_lost_response_is_a_success(sandbox, api, action):
    if action == "remove_manager":
        api.add_manager(user=GRACE_MAIL, manager=ADMIN_MAIL)
    sandbox.control.add_fault(api.actions[action].write.operation, kind="drop_after")
    api.actions[action](user=GRACE_MAIL, manager=ADMIN_MAIL)
    assert managers(api) == ([ADMIN_ID] if action == "add_manager" else [])
