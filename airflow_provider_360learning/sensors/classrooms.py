"""Sensors for slots of classrooms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow.providers.common.compat.sdk import AirflowException

from airflow_provider_360learning.sensors.base import NOT_GIVEN, Learning360BaseSensor


class Learning360SlotAttendanceSensor(Learning360BaseSensor):
    """
    Wait until the attendance of a classroom slot is recorded (``getSlotRegistrations``). Only API v2 has it.

    Deleted users do not count, and a slot without users is never complete. The result has the keys ``registered``
    (number of registered users that count), ``recorded`` (number of users whose attendance is recorded), ``present``
    (number of users who were present), ``needed`` (number of users whose attendance must be recorded) and ``pending``
    (up to 20 users whose attendance is not recorded); and with ``users_from`` ``pending_invitations`` (number of people
    who were left out because they have not accepted their invitation).

    .. seealso:: :meth:`airflow_provider_360learning.api.interface.LearningApi.list_registrations` and docs/sensors.md

    :param slot_id: Id of the slot.
    :param users: Email addresses and ids to wait for, registered already or not; by default all registered users.
    :param required: ``all`` of them, ``any``, a number (1, 2, …) or a share (0.8, rounded up).
    :param min_registered: Minimum number of registered users, if ``users`` is not given.
    :param users_from: Result of a bulk task, or a list of results, instead of ``users``: the users whose rows were
        done, e.g. ``users_from=accounts.output``. People who have not accepted their invitation are left out and
        counted; the next run includes the people who have accepted. If there is no user, the task is skipped.
    :param include_invited: Whether to include them.
    """

    subject = "slot_attendance"
    actions = (
        "list_registrations",
        "statistics_by_id.ids_in_statistics",
        "statistics_by_id.deleted_among",
    )
    name_arguments = ("slot_id", "users")
    template_fields: Sequence[str] = (
        "learning360_conn_id",
        "slot_id",
        "users",
        "required",
        "min_registered",
        "users_from",
        "include_invited",
    )

    def __init__(
        self,
        *,
        slot_id: str,
        users: Sequence[str] | str | None = None,
        required: str | int | float = "all",
        min_registered: int | str = 1,
        users_from: Any = NOT_GIVEN,
        include_invited: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if users is not None and users_from is not NOT_GIVEN:
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: give either users or users_from")
        self.slot_id = slot_id
        self.users = users
        self.required = required
        self.min_registered = min_registered
        self._take_users_from(users_from, include_invited)
