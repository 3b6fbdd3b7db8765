"""Notification emails of API v2."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.bulk_jobs import JobKind, JobTarget
from airflow_provider_360learning.api.fields import string
from airflow_provider_360learning.api.models.users import (
    SubscribeToEmailNotifications,
    UnsubscribeFromEmailNotifications,
)
from airflow_provider_360learning.api.results import EmailSubscription
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.api.v2.accounts import AccountActions
from airflow_provider_360learning.api.v2.job_kinds import SUBSCRIBE, UNSUBSCRIBE, subscription_input
from airflow_provider_360learning.api.v2.job_steps import raise_refused, run_jobs
from airflow_provider_360learning.api.v2.lookups import without_mail


class NotificationActions(AccountActions):
    """Switch notification emails to users on and off, by bulk jobs."""

    @action(SubscribeToEmailNotifications, write=WriteSpec(SUBSCRIBE.operation, key=("user",)))
    def subscribe_to_email_notifications(
        self, arguments: SubscribeToEmailNotifications
    ) -> ActionSteps[EmailSubscription]:
        """
        Let 360Learning send notification emails to a user, by a bulk job (``createSubscriptionEvents``).

        :raises NotFoundError: if the user does not exist, or has no email address.
        :raises RefusedError: if the job has refused it.
        """
        yield from self._switch(SUBSCRIBE, arguments.user, on=True)
        return {"user": arguments.user, "outcome": "subscribed"}

    @action(UnsubscribeFromEmailNotifications, write=WriteSpec(UNSUBSCRIBE.operation, key=("user",)))
    def unsubscribe_from_email_notifications(
        self, arguments: UnsubscribeFromEmailNotifications
    ) -> ActionSteps[EmailSubscription]:
        """
        Stop all notification emails to a user, by a bulk job (``createSubscriptionEvents``).

        :raises NotFoundError: if the user does not exist, or has no email address.
        :raises RefusedError: if the job has refused it.
        """
        yield from self._switch(UNSUBSCRIBE, arguments.user, on=False)
        return {"user": arguments.user, "outcome": "unsubscribed"}

    def _switch(self, kind: JobKind, user: str, *, on: bool) -> ActionSteps[None]:
        # Row errors of jobs have no codes: a user who does not exist is found before.
        mail = string((yield from self.account_of(user)), "mail")
        if mail is None:
            raise without_mail(user)
        raise_refused(kind, (yield from run_jobs(kind, [subscription_input(mail, on=on)], JobTarget())))
