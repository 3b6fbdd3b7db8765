"""Ids of users in other platforms, in both versions."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import AlreadyExistsError, InvalidRequestError, NotFoundError
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_ID, GRACE_MAIL

HR = "SAP SuccessFactors"
#: An id may have any characters.
NUMBER = "E/17 #ä?"


def set_id(api, user=GRACE_MAIL, external_id=NUMBER, platform=HR):
    return api.set_external_id(user=user, external_platform=platform, external_id=external_id)


def find(api, external_id=NUMBER, platform=HR):
    return api.get_user_by_external_id(external_platform=platform, external_id=external_id)


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_finds_a_user_by_the_id_that_was_set(api, user):
    done = set_id(api, user)
    assert done == {"user": user, "external_platform": HR, "external_id": NUMBER, "outcome": "set"}
    found = find(api)
    assert (found["user_id"], found["mail"], found["first_name"]) == (GRACE_ID, GRACE_MAIL, "Grace")


def test_replaces_an_earlier_id_of_the_same_platform_only(api):
    set_id(api, external_id="1", platform="BambooHR")
    for external_id in ("2", "2", "3"):
        assert set_id(api, external_id=external_id)["outcome"] == "set"
    assert find(api, "3")["user_id"] == find(api, "1", "BambooHR")["user_id"] == GRACE_ID
    with pytest.raises(NotFoundError):
        find(api, "2")


def test_an_unknown_user_or_id_is_not_found(api):
    with pytest.raises(NotFoundError):
        set_id(api, "missing@acme.test")
    with pytest.raises(NotFoundError):
        find(api)
    set_id(api)
    for elsewhere in ({"external_id": NUMBER.upper()}, {"platform": "BambooHR"}):
        with pytest.raises(NotFoundError):
            find(api, **elsewhere)


def test_a_deleted_user_is_not_found(api):
    set_id(api)
    api.delete_user(user=GRACE_MAIL)
    with pytest.raises(NotFoundError):
        find(api)


def test_an_id_that_another_user_has_is_refused(api):
    set_id(api, ADMIN_MAIL)
    with pytest.raises((AlreadyExistsError, InvalidRequestError)):
        set_id(api, GRACE_MAIL)
    assert find(api)["mail"] == ADMIN_MAIL


@pytest.mark.parametrize("before", [None, "1"])
def test_a_lost_response_is_a_success(sandbox, api, version, before):
    if before is not None:
        set_id(api, external_id=before)
    operation = {"v1": "addExternalIdToUser", "v2": "updateExternalId" if before else "createExternalId"}[version]
    sandbox.control.add_fault(operation, kind="drop_after")
    set_id(api)
    assert find(api)["user_id"] == GRACE_ID


def test_an_external_id_is_never_changed(api):
    set_id(api, external_id="007")
    assert find(api, "007")["user_id"] == GRACE_ID
    with pytest.raises(NotFoundError):
        find(api, "7")
