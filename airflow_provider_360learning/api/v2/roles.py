"""Roles as API v2 writes them in bodies and responses. In paths, they have the names of this package."""

from __future__ import annotations

#: Names of this package to those in bodies, where they differ.
_IN_BODIES = {"user-admin": "userAdmin"}
_NEUTRAL = {theirs: ours for ours, theirs in _IN_BODIES.items()}


def role_in_body(role: str) -> str:
    """Return the name of a role in a body."""
    return _IN_BODIES.get(role, role)


def neutral_role(role: str) -> str:
    """
    Return a role of a response with the name of this package.

    :param role: A role; ``owner`` and unknown ones stay as they are.
    """
    return _NEUTRAL.get(role, role)
