"""Operators for groups and their members."""

from __future__ import annotations

from typing import Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator


class Learning360CreateGroupOperator(Learning360BaseOperator):
    """
    Make sure of a group (``createGroup``), known by its name and parent.

    Returns ``{"group_id", "name", "outcome"}``, ``outcome`` being ``created``, ``already_exists`` or ``updated``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.groups.GroupActions.create_group` and
        https://360learning.readme.io/docs

    :param name: Name of the group.
    :param parent_id: Group to create it under; by default the root group. API v2 will require it.
    :param public: Whether others can find and join it.
    :param custom: Additional information.
    :param if_exists: ``skip`` leaves a group that exists as it is, ``update`` brings ``public`` and ``custom``
        up to date, ``fail`` fails the task (also when it is retried after its process died).
    """

    action = "create_group"

    def __init__(
        self,
        *,
        name: str,
        parent_id: str | None = None,
        public: bool = False,
        custom: str | None = None,
        if_exists: str = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateGroupOperator(Learning360BaseOperator):
    """
    Change a group (``updateGroup``); what is not given stays.

    Returns ``{"group_id", "outcome": "updated"}``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.groups.GroupActions.update_group` and
        https://360learning.readme.io/docs

    :param group_id: Id of the group.
    :param name: New name.
    :param public: Whether others can find and join it.
    :param custom: Additional information.
    :param parent_id: Group to move it under.
    """

    action = "update_group"

    def __init__(
        self,
        *,
        group_id: str,
        name: str | None = None,
        public: bool | None = None,
        custom: str | None = None,
        parent_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteGroupOperator(Learning360BaseOperator):
    """
    Delete a group **and all its subgroups** (``deleteGroup``).

    Returns ``{"group_id", "outcome"}``, ``outcome`` being ``deleted`` or ``not_found``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.groups.GroupActions.delete_group` and
        https://360learning.readme.io/docs

    :param group_id: Id of the group.
    :param if_missing: ``skip`` takes a group that does not exist for done; ``fail`` fails the task (also when it
        is retried after its process died).
    """

    action = "delete_group"

    def __init__(self, *, group_id: str, if_missing: str = "skip", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360AddUserToGroupOperator(Learning360BaseOperator):
    """
    Give a user a role in a group (``addUserToGroup``).

    Returns ``{"group_id", "user", "role", "outcome": "added"}``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.groups.GroupActions.add_user_to_group` and
        https://360learning.readme.io/docs

    :param group_id: Id of the group.
    :param user: Mail or id.
    :param role: learner, coach, editor or admin.
    """

    action = "add_user_to_group"

    def __init__(self, *, group_id: str, user: str, role: str = "learner", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemoveUserFromGroupOperator(Learning360BaseOperator):
    """
    Take a role, or all roles, of a user in a group away (``deleteUserFromGroup``).

    The user also leaves public subgroups, down to the first private one. Somebody who leaves their last group is
    deleted from the platform. Returns ``{"group_id", "user", "outcome": "removed"}``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.groups.GroupActions.remove_user_from_group` and
        https://360learning.readme.io/docs

    :param group_id: Id of the group.
    :param user: Mail or id.
    :param role: The role to take away; by default all. API v2 removes one role at a time.
    :param from_private_subgroups: RowCheck leave private subgroups. v1 only.
    """

    action = "remove_user_from_group"

    def __init__(
        self,
        *,
        group_id: str,
        user: str,
        role: str | None = None,
        from_private_subgroups: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
