"""Sensors for users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_360learning.sensors.base import NOT_GIVEN, Learning360BaseSensor


class Learning360UserActiveSensor(Learning360BaseSensor):
    """
    Wait until users are active, such as people who were invited (``getUser``).

    Users who do not exist are waited for. The result has the keys ``users`` (number of users), ``done`` (number of
    active ones) and ``pending`` (an empty list), and with ``users_from`` also ``pending_invitations`` (number
    of people whose invitation was pending when the bulk task ended).

    .. seealso:: :meth:`airflow_provider_360learning.api.interface.LearningApi.active_among` and docs/sensors.md

    :param users: Email addresses and ids of the users.
    :param users_from: Result of a bulk task, or a list of results, instead of ``users``: the users whose rows were
        done, e.g. ``users_from=accounts.output``, including people who have not accepted their invitation. If there is
        no user, the task is skipped.
    """

    subject = "user_activation"
    actions = ("active_among",)
    name_arguments = ("users",)
    template_fields: Sequence[str] = ("learning360_conn_id", "users", "users_from")

    def __init__(self, *, users: Sequence[str] | str | None = None, users_from: Any = NOT_GIVEN, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if (users is None) == (users_from is NOT_GIVEN):
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: give either users or users_from")
        self.users = users
        self._take_users_from(users_from, include_invited=True)
