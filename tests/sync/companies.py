"""Small companies, in memory: people of a source and accounts of 360Learning."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from airflow_provider_360learning.sync.options import SyncOptions
from airflow_provider_360learning.sync.people import People, Person, WantedMembership
from airflow_provider_360learning.sync.plan import Change, Changes
from airflow_provider_360learning.sync.planner import compare
from airflow_provider_360learning.sync.platform import Account, Group, Platform
from airflow_provider_360learning.sync.state import SyncState

NOW = datetime(2026, 12, 1, 2, 0, tzinfo=UTC)


def an_id(number: int) -> str:
    """Return an id of 24 hexadecimal characters."""
    return f"{number:024x}"


ROOT, STAFF, SALES, EUROPE, BOARD, OTHER = map(an_id, range(0xA1, 0xA7))
#: Staff is managed: Sales and, below it, Europe are public; Board is private. Other is not managed.
GROUPS = {
    group.group_id: group
    for group in (
        Group(ROOT, "Acme", None, False, None),
        Group(STAFF, "Staff", ROOT, False, None),
        Group(SALES, "Sales", STAFF, True, "D1"),
        Group(EUROPE, "Europe", SALES, True, "D2"),
        Group(BOARD, "Board", STAFF, False, "D3"),
        Group(OTHER, "Other", ROOT, True, None),
    )
}
MANAGED = frozenset({STAFF, SALES, EUROPE, BOARD})


def options(**given: Any) -> SyncOptions:
    """Return options of a usual sync."""
    usual: dict[str, Any] = {
        "key": "custom",
        "key_namespace": "hr:",
        "managed_groups": (STAFF,),
        "default_group": STAFF,
        "leavers": "both",
        "leaver_action": "deactivate",
    }
    return SyncOptions(**(usual | given))


def mail_of(key: str) -> str:
    """Return the address of a person."""
    return f"{key}@acme.test"


def person(key: str, *groups: str, **given: Any) -> Person:
    """Return a person of a source; a group may have a role (``name:coach``)."""
    memberships = [WantedMembership(*group.rsplit(":", 1)) for group in groups]  # type: ignore[arg-type]
    usual: dict[str, Any] = {
        "mail": mail_of(key),
        "fields": {},
        "custom_fields": {},
        "manager": None,
        "memberships": tuple(memberships) if groups else None,
        "rows": (1,),
    }
    return Person(key=key, **(usual | given))


def people(*given: Person, **more: Any) -> People:
    """Return the content of a source."""
    usual: dict[str, Any] = {"rows": len(given), "errors": (), "digest": "0"}
    return People(tuple(sorted(given, key=lambda one: one.key)), **(usual | more))


def user_id(key: str) -> str:
    """Return the id of the account of a person."""
    return an_id(int.from_bytes(key.encode()[:8], "big") + 1000)


def account(key: str | None, *groups: str, **given: Any) -> Account:
    """Return an active account."""
    memberships: dict[str, frozenset[str]] = {}
    for group in groups:
        name, _, role = group.partition(":")
        memberships[name] = memberships.get(name, frozenset()) | {role or "learner"}
    usual: dict[str, Any] = {
        "user_id": None if key is None else user_id(key),
        "mail": "" if key is None else mail_of(key),
        "other_key": None,
        "status": "active",
        "fields": {},
        "memberships": memberships,
    }
    return Account(key=key, **(usual | given))


def platform(*accounts: Account, **given: Any) -> Platform:
    """Return what API v2 lists."""
    usual: dict[str, Any] = {
        "company": "acme",
        "version": "v2",
        "groups": GROUPS,
        "managed_groups": MANAGED,
        "clears_values": True,
        "invited_are_users": True,
        "every_role_cascades": False,
    }
    return Platform(accounts=accounts, **(usual | given))


#: What API v1 cannot do.
LIKE_V1: dict[str, Any] = {
    "version": "v1",
    "clears_values": False,
    "invited_are_users": False,
    "every_role_cascades": True,
}


def plan(
    wanted: People | Iterable[Person],
    has: Platform,
    state: SyncState | None = None,
    *,
    now: datetime = NOW,
    is_new_interval: bool = True,
    **given: Any,
) -> Changes:
    """Return what a usual sync would change."""
    source = wanted if isinstance(wanted, People) else people(*wanted)
    return compare(source, has, state or SyncState(), options(**given), now, is_new_interval=is_new_interval)


def shown(changes: Changes) -> list[tuple[str, str]]:
    """Return action and key of each change."""
    return [(change.action, change.key) for change in changes.changes]


def only(changes: Changes) -> Change:
    """Return the only change."""
    [change] = changes.changes
    return change


def findings(changes: Changes) -> set[tuple[str, str]]:
    """Return finding and key of each report."""
    return {(report.finding, report.key) for report in changes.reports}


def conflicts(changes: Changes) -> list[tuple[str, ...]]:
    """Return the keys of each conflict."""
    return [conflict.keys for conflict in changes.conflicts]
