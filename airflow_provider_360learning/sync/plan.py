"""A plan: what would be changed, why, and what stands against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypeAlias

from airflow_provider_360learning.sync.options import CUSTOM_FIELD, PROFILE_FIELDS

#: In the order in which they are applied: a crash never leaves fewer people than wanted.
Action: TypeAlias = Literal[
    "create_group",
    "update_group",
    "change_mail",
    "reinstate",
    "change_reinstated_mail",
    "create",
    "update",
    "add_to_group",
    "remove_from_group",
    "add_manager",
    "remove_manager",
    "deactivate",
    "delete",
]
#: Changes that take something away from a person: access, a membership, a manager, or the address to log in with.
_DESTRUCTIVE: frozenset[Action] = frozenset(
    ("change_mail", "change_reinstated_mail", "remove_from_group", "remove_manager", "deactivate", "delete")
)
#: Stands for the time of a deactivation that is to happen soon: an hour after it is sent.
IN_AN_HOUR = "PT1H"
#: How soon a person must leave to count as a leaver of a plan.
NEAR = timedelta(days=30)
#: A value of JSON.
Value: TypeAlias = "str | int | bool | list[str] | dict[str, str | None] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    One change of one user or group.

    What ``after`` contains, and ``before`` as far as it is known:

    - ``create_group``: ``name``, ``parent`` (an id, or the path of a group that is created before), and ``custom`` with
      ``group_key="custom"``;
    - ``update_group``: ``name``;
    - ``change_mail``, ``change_reinstated_mail``: ``mail``;
    - ``reinstate``: ``mail``, which is the address that the deleted account has, ``role``, ``groups`` to join with it,
      and ``removes_managers``, if managers whom the source does not have are removed from the restored account;
    - ``create``: ``key``, ``mail``, profile fields, ``role``, and ``groups`` to join with it;
    - ``update``: profile fields; custom fields as ``custom_fields.<id>``; ``key``, if the account is adopted;
      ``deactivates_at``, which is ``None`` to cancel a deactivation; ``None`` clears a value;
    - ``add_to_group``, ``remove_from_group``: ``role``; the latter also ``leaves``, the managed groups below that the
      removal reaches;
    - ``add_manager``, ``remove_manager``: ``manager``, the id of the manager, or ``manager_key``, if the manager is
      created by the same plan;
    - ``deactivate``: ``deactivates_at``, in ISO 8601, or :data:`IN_AN_HOUR`;
    - ``delete``: nothing.

    ``before`` of any change of a user has ``key``, which is ``None``, if the account has no key (yet).

    :param action: What is done.
    :param key: Key of the person, or the path of the group.
    :param user_id: Id of the user, if there is one yet.
    :param group: Id of the group, or its path if it is created in the same plan; so are ``groups``.
    :param before: What the change relies on, by field: it is stale if that has changed.
    :param after: The new values, by field.
    :param reason: Why, for people.
    :param rows: Numbers of the rows of the source.
    """

    action: Action
    key: str
    user_id: str | None = None
    group: str | None = None
    before: Mapping[str, Value]
    after: Mapping[str, Value]
    reason: str
    rows: tuple[int, ...] = ()

    @property
    def is_destructive(self) -> bool:
        """
        Whether the change takes something away, or makes an account that of a person, which is hard to undo.

        Updates do so if they clear a value, or give an account its key.
        """
        if self.action == "update":
            return "key" in self.after or any(
                value is None and (name in PROFILE_FIELDS or name.startswith(CUSTOM_FIELD))
                for name, value in self.after.items()
            )
        return self.action in _DESTRUCTIVE


@dataclass(frozen=True, slots=True)
class Conflict:
    """
    Something that must be decided by a person; it takes its people out of the plan.

    :param keys: Keys of the people.
    :param reason: What is contradictory, and what to do.
    :param rows: Numbers of the rows.
    """

    keys: tuple[str, ...]
    reason: str
    rows: tuple[int, ...] = ()


#: What is reported without a change: accounts that are not managed, people who are pending or missing, …
Finding: TypeAlias = Literal[
    "unmanaged",
    "pending",
    "missing",
    "leaver",
    "protected",
    "not_verifiable",
    "renamed_group",
    "last_group",
    "contradictory",
]


@dataclass(frozen=True, slots=True)
class Report:
    """
    Something that the plan reports and does not change.

    :param finding: What was found.
    :param key: Key of the person, or id of the account or group.
    :param text: What it is, for people.
    """

    finding: Finding
    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Changes:
    """
    What a comparison has found.

    :param changes: In the order in which they are applied.
    :param conflicts: The conflicts.
    :param reports: What is reported only.
    :param managed: Number of people managed before the plan.
    :param missing: Keys of people who are managed and wanted by no row, whether they leave by this plan or later.
    :param errors: What is invalid only in comparison with 360Learning, by row: unknown groups and managers, …
    :param agreed: Values of the source that 360Learning has already and the state does not know, by key and field: they
        count as applied once the plan is. With addresses as keys, people whom the state does not know are among them
        also without a value.
    """

    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    reports: tuple[Report, ...]
    managed: int
    missing: tuple[str, ...]
    errors: tuple[tuple[int, str], ...] = ()
    agreed: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    @property
    def reported_leavers(self) -> frozenset[str]:
        """Keys of people of the source who are only reported as leavers."""
        return frozenset(report.key for report in self.reports if report.finding == "leaver").difference(self.missing)
