"""A plan: what would be changed, why, and what stands against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

#: In the order in which they are applied: a crash never leaves fewer people than wanted.
Action: TypeAlias = Literal[
    "create_group",
    "update_group",
    "change_mail",
    "reinstate",
    "create",
    "update",
    "add_to_group",
    "remove_from_group",
    "add_manager",
    "remove_manager",
    "deactivate",
    "delete",
]
#: A value of JSON.
Value: TypeAlias = "str | int | bool | list[str] | dict[str, str | None] | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """
    One change of one user or group.

    :param action: What is done.
    :param key: Key of the person, or the path of the group.
    :param user_id: Id of the user, if there is one yet.
    :param group: Id of the group, or its path if it is created in the same plan.
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
    "unmanaged", "pending", "missing", "leaver", "protected", "not_verifiable", "renamed_group"
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
    :param missing: Keys of people who are managed, wanted by no row, and not yet leavers.
    """

    changes: tuple[Change, ...]
    conflicts: tuple[Conflict, ...]
    reports: tuple[Report, ...]
    managed: int
    missing: tuple[str, ...]
