"""Small plans for the tests of a sync."""

from __future__ import annotations

from datetime import UTC, datetime

from airflow_provider_360learning.sync.people import People
from airflow_provider_360learning.sync.plan import Change, Changes, Conflict, Report
from airflow_provider_360learning.sync.platform import Account, Group, Platform

NOW = datetime(2026, 12, 1, 6, tzinfo=UTC)


def change(action, key="4711", *, before=None, after=None, **values):
    """Return a change with a short reason."""
    return Change(action=action, key=key, before=before or {}, after=after or {}, reason="the source says so", **values)


def changes(*each, conflicts=(), reports=(), managed=1000, missing=(), errors=()):
    """Return changes; conflicts by their key, reports as pairs of finding and key."""
    return Changes(
        each,
        tuple(Conflict((key,), "two rows want one address") for key in conflicts),
        tuple(Report(finding, key, "is reported") for finding, key in reports),
        managed,
        tuple(missing),
        tuple(errors),
    )


def people(rows=1000, *, errors=(), digest="d1"):
    """Return what was read from a source, without its people."""
    return People((), rows, tuple(errors), digest)


def platform(*accounts, company="acme v2"):
    """Return a company with two users by default."""
    users = accounts or tuple(
        Account(
            user_id=f"{number:024x}",
            mail=f"user{number}@acme.example",
            key=f"{number}",
            other_key=None,
            status="active",
            fields={"first_name": "Ana", "last_name": "Novak"},
            memberships={"5" * 24: frozenset({"learner", "coach"})},
        )
        for number in (1, 2)
    )
    group = Group("5" * 24, "Acme", None, True, None)
    return Platform(company, "v2", users, {group.group_id: group}, frozenset({group.group_id}))
