"""What a sync is to do: the arguments of its operator, checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias

Key: TypeAlias = Literal["custom", "external_id", "mail"]
Adopt: TypeAlias = Literal["never", "mail"]
JoinerMode: TypeAlias = Literal["invite", "create_active"]
GroupsMode: TypeAlias = Literal["add", "exact"]
Leavers: TypeAlias = Literal["explicit", "missing", "both"]
LeaverAction: TypeAlias = Literal["report", "deactivate", "delete"]

#: Fields of a user that a row can give, beside its key and address.
PROFILE_FIELDS = ("first_name", "last_name", "job", "organization", "phone", "lang")
#: Prefix of the names of custom fields among the columns of a source, and among the values of a change.
CUSTOM_FIELD = "custom_fields."


@dataclass(frozen=True, slots=True)
class Limit:
    """
    The limit of a guard; at least one of the two is given.

    :param number: Maximum number.
    :param share: Maximum share of the people managed before the plan, from 0 to 1; at least three people.
    """

    number: int | None = None
    share: float | None = None


@dataclass(frozen=True, slots=True)
class PeriodLimit:
    """
    The limit of a guard over several runs.

    :param limit: The limit.
    :param period: The time before the run in which leavers of applied plans count as well.
    """

    limit: Limit
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Guards:
    """
    The limits of the guards; ``None`` is a guard that is off by default, and no other can be.

    :param max_leavers: People who are deleted, deactivated soon or reported as leavers, newly missing ones included.
    :param max_leavers_per_period: The same over several runs.
    :param max_email_changes: Changes of addresses.
    :param max_joiners: People who are invited or created.
    :param max_updates: People whose fields change.
    :param max_source_change: Change of the number of rows since the last applied plan, in both directions.
    :param max_conflicts: Conflicts.
    :param max_row_errors: Invalid rows.
    :param max_group_creations: Groups that are created.
    """

    max_leavers: Limit = Limit(50, 0.05)
    max_leavers_per_period: PeriodLimit = PeriodLimit(Limit(share=0.1), timedelta(days=30))
    max_email_changes: Limit = Limit(50, 0.05)
    max_joiners: Limit | None = None
    max_updates: Limit | None = None
    max_source_change: Limit = Limit(share=0.2)
    max_conflicts: Limit = Limit(0)
    max_row_errors: Limit = Limit(0)
    max_group_creations: Limit = Limit(10)


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOptions:
    """
    Everything that decides what a plan contains, beside the source, the platform and the state.

    :param key: What identifies a person in 360Learning: the user's field ``custom``, an external id (API v2), or the
        email address.
    :param external_platform: Name of the platform whose external ids are the keys, with ``key="external_id"``.
    :param key_namespace: Prefix that marks the keys of this sync, such as ``hr:``; a user whose key does not begin with
        it is not managed.
    :param adopt: Whether an account without a key is managed if its address is that of a person of the source.
    :param joiner_mode: Whether new people are invited, or created as active users without an email.
    :param invitation_valid_for: Days until an invitation expires, after which the person is invited again (API v1);
        without it, an invitation is pending until it is accepted.
    :param default_group: Id of the group that a new person without groups joins.
    :param merge_groups: Whether two rows with one key are one person with the groups of both; otherwise an error.
    :param groups_mode: Whether memberships are only added, or also removed within ``managed_groups``, roles that the
        source does not have included.
    :param managed_groups: Ids of the groups whose memberships are managed.
    :param managed_subgroups: Whether the groups below ``managed_groups`` are managed, too.
    :param create_groups: Whether missing groups are created.
    :param groups_parent: Id of the group under which they are created, unless their paths say otherwise.
    :param group_key: Whether groups are found by their names, or by their field ``custom``.
    :param leavers: Who leaves: people whom the source says so, people who are missing in it, or both.
    :param leaver_action: What happens to them.
    :param leaver_grace: Days before a missing person counts as a leaver.
    :param missing_runs: Applied runs in a row in which a person must be missing.
    :param create_only: Fields that are set for new people only.
    :param owned: Fields that are written whenever they differ; others only if the source has changed.
    :param clear: Fields that an empty cell clears.
    :param protected: Addresses, ids, keys, and patterns such as ``*@partner.example`` of users who are never changed.
    :param guards: The limits of the guards.
    """

    key: Key
    external_platform: str | None = None
    key_namespace: str = ""
    adopt: Adopt = "never"
    joiner_mode: JoinerMode = "invite"
    invitation_valid_for: int | None = None
    default_group: str | None = None
    merge_groups: bool = False
    groups_mode: GroupsMode = "add"
    managed_groups: tuple[str, ...] = ()
    managed_subgroups: bool = True
    create_groups: bool = False
    groups_parent: str | None = None
    group_key: Literal["name", "custom"] = "name"
    leavers: Leavers = "explicit"
    leaver_action: LeaverAction = "report"
    leaver_grace: int = 0
    missing_runs: int = 1
    create_only: frozenset[str] = frozenset()
    owned: frozenset[str] = frozenset()
    clear: frozenset[str] = frozenset()
    protected: tuple[str, ...] = ()
    guards: Guards = field(default_factory=Guards)


#: Custom field id to value.
CustomFieldValues: TypeAlias = Mapping[str, str]
