"""Notification emails, in both versions."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_ID, GRACE_MAIL


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


def test_a_lost_response_is_a_success(sandbox, api, subscribed):
    action = api.actions["unsubscribe_from_email_notifications"]
    sandbox.control.add_fault(action.write.operation, kind="drop_after")
    assert action(user=GRACE_MAIL)["outcome"] == "unsubscribed"
    assert not subscribed()[GRACE_MAIL]
