"""Notification emails of API v1."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action
from airflow_provider_360learning.api.fields import first_string
from airflow_provider_360learning.api.models.parsers import is_id
from airflow_provider_360learning.api.models.users import (
    SubscribeToEmailNotifications,
    UnsubscribeFromEmailNotifications,
)
from airflow_provider_360learning.api.results import EmailSubscription
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject


class NotificationActions(ApiAdapter):
    """Switch notification emails to users on and off."""

    @action(SubscribeToEmailNotifications, write=WriteSpec("subscribeToEmailNotifications", key=("user",)))
    def subscribe_to_email_notifications(
        self, arguments: SubscribeToEmailNotifications
    ) -> ActionSteps[EmailSubscription]:
        """
        Let 360Learning send notification emails to a user (``subscribeToEmailNotifications``).

        :raises NotFoundError: if the user does not exist.
        """
        yield Call("subscribeToEmailNotifications", body=(yield from _body(arguments.user)))
        return {"user": arguments.user, "outcome": "subscribed"}

    @action(UnsubscribeFromEmailNotifications, write=WriteSpec("unsubscribeToEmailNotifications", key=("user",)))
    def unsubscribe_from_email_notifications(
        self, arguments: UnsubscribeFromEmailNotifications
    ) -> ActionSteps[EmailSubscription]:
        """
        Stop all notification emails to a user (``unsubscribeToEmailNotifications``).

        :raises NotFoundError: if the user does not exist.
        """
        yield Call("unsubscribeToEmailNotifications", body=(yield from _body(arguments.user)))
        return {"user": arguments.user, "outcome": "unsubscribed"}


def _body(user: str) -> ActionSteps[JsonObject]:
    """Return the body for a user; the operations know email addresses only."""
    mail = first_string((yield Call("getUser", path={"user": user})), "mail") if is_id(user) else user
    return {"usersEmails": [mail]}
