"""Notification emails, in both versions."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import NotFoundError, RefusedError
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_ID, GRACE_MAIL
from tests.api.factory import api_factory


@pytest.fixture
def subscribed(sandbox):
    return lambda: {each["mail"]: each["email_notifications"] for each in sandbox.control.state()["users"]}


@pytest.mark.parametrize("user", [GRACE_MAIL, GRACE_ID])
def test_stops_and_resumes_the_emails_to_a_user(api, subscribed, user):
    for _ in range(2):
        assert api.unsubscribe_from_email_notifications(user=user) == {"user": user, "outcome": "unsubscribed"}
        assert subscribed() == {ADMIN_MAIL: True, GRACE_MAIL: False}
    for _ in range(2):
        assert api.subscribe_to_email_notifications(user=user) == {"user": user, "outcome": "subscribed"}
        assert subscribed() == {ADMIN_MAIL: True, GRACE_MAIL: True}


@pytest.mark.parametrize("user", ["missing@acme.test", "64b1f0c2a9d3e40012acffff"])
def test_an_unknown_user_is_not_found(api, subscribed, user):
    for action in (api.subscribe_to_email_notifications, api.unsubscribe_from_email_notifications):
        with pytest.raises(NotFoundError):
            action(user=user)


def test_requests_have_email_addresses_also_for_users_who_are_given_by_id(api, sent):
    action = api.actions["unsubscribe_from_email_notifications"]
    action(user=GRACE_ID)
    (entry,) = sent(action.write.operation)
    assert GRACE_MAIL in str(entry["body"])
    assert GRACE_ID not in str(entry["body"])


def test_a_row_that_a_bulk_job_refuses_is_an_error_in_api_v2(sandbox, subscribed):
    sandbox.control.settings(bulk_rows_refused=[GRACE_MAIL])
    with api_factory(sandbox, "v2") as make, pytest.raises(RefusedError, match="360Learning refuses 1 of 1"):
        make().unsubscribe_from_email_notifications(user=GRACE_MAIL)
    assert subscribed()[GRACE_MAIL]


def test_a_lost_response_is_a_success(sandbox, api, subscribed):
    action = api.actions["unsubscribe_from_email_notifications"]
    sandbox.control.add_fault(action.write.operation, kind="drop_after")
    assert action(user=GRACE_MAIL)["outcome"] == "unsubscribed"
    assert not subscribed()[GRACE_MAIL]
