"""The people of a source: who is wanted in 360Learning, and as what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from airflow_provider_360learning.api.models.choices import Role


@dataclass(frozen=True, slots=True)
class WantedMembership:
    """
    A membership of a person in the source.

    :param group: Id, name or path of the group, as the source has it; with ``group_key="custom"``, its field
        ``custom``.
    :param role: The role.
    :param name: With ``group_key="custom"``, the name of the group, if the source has it (``D12=Engineering``).
    """

    group: str
    role: Role = "learner"
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """
    A person of the source.

    :param key: The key, without the namespace.
    :param mail: Email address, in lower case.
    :param fields: Values of profile fields by name; ``None`` clears one; a field that is not there is left alone.
    :param custom_fields: Values by the name or id of the custom field; ``None`` clears one.
    :param manager: Key or email address of the manager; ``None`` if the source does not say.
    :param memberships: The groups; ``None`` if the source does not say.
    :param status: Whether the person works for the company.
    :param leaves_at: When the person leaves.
    :param rows: Numbers of the rows.
    """

    key: str
    mail: str
    fields: Mapping[str, str | None]
    custom_fields: Mapping[str, str | None]
    manager: str | None
    memberships: tuple[WantedMembership, ...] | None
    status: Literal["active", "inactive"] = "active"
    leaves_at: datetime | None = None
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class People:
    """
    The content of a source.

    :param people: The people, in the order of their keys.
    :param rows: Number of rows.
    :param errors: What is invalid, by row, as the text of each error.
    :param digest: Digest of what was read.
    :param invalid: Keys of the invalid rows, whose people are left alone; ``None`` for a row whose key is invalid,
        which may be that of any person who is missing.
    """

    people: tuple[Person, ...]
    rows: int
    errors: tuple[tuple[int, str], ...]
    digest: str
    invalid: frozenset[str | None] = frozenset()
