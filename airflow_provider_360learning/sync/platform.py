"""What 360Learning has: users, groups, memberships."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from airflow_provider_360learning.api.models.choices import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """
    A user of 360Learning. Ids are in lower case.

    :param user_id: Id of the user; ``None`` for an invitation of API v1, which has none.
    :param mail: Email address, in lower case; empty for a user who has none, such as a pseudonymized one.
    :param key: The key in the namespace of the sync, without the namespace; ``None`` for a user who is not managed.
    :param other_key: What is in the place of a key and is not in the namespace.
    :param status: The status; ``pending`` is an invitation that was not accepted.
    :param fields: Profile fields that could be read; ``None`` is an empty one. What is not there cannot be verified.
    :param custom_fields: Values by id, if they were read.
    :param managers: Ids of the managers, if they were read.
    :param deactivates_at: When the user will be deactivated, if that was read and is set.
    :param deactivation_known: Whether ``deactivates_at`` was read.
    :param primary_group: Id of the primary group, if it was read and is set.
    :param memberships: Roles by id of the group, in managed groups and in the groups that removals from them reach.
        ``None`` where they are not known: an invitation of API v1, and a deleted user.
    :param is_protected: Whether the user must not be changed.
    :param was_restored: Whether the user was deleted and restored, as far as that was read.
    :param is_contradictory: Whether 360Learning lists the user both as deleted and as not deleted.
    :param is_listed: Whether 360Learning lists the user; otherwise it is what the state remembers.
    """

    user_id: str | None
    mail: str
    key: str | None
    other_key: str | None
    status: Literal["active", "pending", "deleted"]
    fields: Mapping[str, str | None]
    custom_fields: Mapping[str, str | None] | None = None
    managers: tuple[str, ...] | None = None
    deactivates_at: datetime | None = None
    deactivation_known: bool = True
    primary_group: str | None = None
    memberships: Mapping[str, frozenset[Role]] | None = None
    is_protected: bool = False
    was_restored: bool = False
    is_contradictory: bool = False
    is_listed: bool = True


@dataclass(frozen=True, slots=True)
class Group:
    """
    A group of 360Learning.

    :param group_id: Its id.
    :param name: Its name.
    :param parent_id: Id of its parent; ``None`` for the root group.
    :param public: Whether it is public: learners join its public ancestors up to the first private one.
    :param custom: Additional information.
    """

    group_id: str
    name: str
    parent_id: str | None
    public: bool
    custom: str | None


@dataclass(frozen=True, slots=True)
class Platform:
    """
    What the listings of 360Learning show. Ids are in lower case.

    :param company: Identifies the company and the version of the API.
    :param version: Version of the API.
    :param accounts: All users, pending and deleted ones included. Where the version does not list these, they are
        those that the state remembers.
    :param groups: All groups by id.
    :param managed_groups: Ids of the groups whose memberships are managed.
    :param custom_fields: Names of the custom fields of users, by id.
    :param clears_values: Whether a value, such as the deactivation date, can be removed from a user.
    :param invited_are_users: Whether requests can change a user who is invited.
    :param every_role_cascades: Whether the removal of any role reaches the public groups below, not of learners only.
    :param roles: Roles that users can have in groups.
    """

    company: str
    version: Literal["v1", "v2"]
    accounts: tuple[Account, ...]
    groups: Mapping[str, Group]
    managed_groups: frozenset[str]
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    clears_values: bool = False
    invited_are_users: bool = False
    every_role_cascades: bool = True
    roles: frozenset[Role] = frozenset(get_args(Role))
