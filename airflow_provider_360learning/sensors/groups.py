"""Sensors for groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.sensors.base import Learning360BaseSensor

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import Role


class Learning360GroupMembershipSensor(Learning360BaseSensor):
    """
    Wait until a user is a member of a group (``getUserRoles``).

    A user who does not exist yet is waited for. The result has the keys ``group_id``, ``user`` and ``roles`` (the roles
    of the user in the group).

    .. seealso:: :meth:`airflow_provider_360learning.api.interface.LearningApi.list_user_roles` and docs/sensors.md

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param user: Email address or id of the user.
    :param role: The role to wait for; by default any. analyst, contributor and user-admin exist in API v2 only.
    """

    subject = "group_membership"
    actions = ("list_user_roles", "statistics_by_id.ids_in_statistics")
    required_pairs = (("group_id", "group"),)
    name_arguments = ("user", "group", "group_id")
    template_fields: Sequence[str] = ("learning360_conn_id", "group_id", "group", "user", "role")

    def __init__(
        self,
        *,
        user: str,
        group_id: str | None = None,
        group: str | None = None,
        role: Role | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._check_required_pairs(locals())
        self.group_id = group_id
        self.group = group
        self.user = user
        self.role = role
