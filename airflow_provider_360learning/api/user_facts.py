"""What a version of the API shows of users in its listing, what it shows of one user only, and what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from airflow_provider_360learning.api.models.choices import Role

#: What an account has only after it was used, or was deleted and restored (assumption).
_TRACES = (
    "last_login_at",
    "reactivated_at",
    "managers",
    "subordinates",
    "certifications",
    "completed_programs",
    "total_time_spent_minutes",
    "publications",
    "comments",
    "messages",
    "reactions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFacts:
    """
    What a version of the API shows of users, and what it can change.

    :param listed_fields: Profile fields that the listing has; the version does not return others at all.
    :param lists_invited: Whether the listing has people whose invitation is pending.
    :param lists_deleted: Whether deleted users can be listed.
    :param lists_deactivation: Whether the listing has the time at which a user will be deactivated.
    :param clears_values: Whether a value, such as this time, can be removed from a user.
    :param invited_are_users: Whether requests can change a user who is invited.
    :param every_role_cascades: Whether the removal of any role reaches the public groups below, not of learners only.
    :param expires_invitations: Whether an invitation can be sent that expires after some days.
    :param roles: Roles that users can have in groups.
    """

    listed_fields: frozenset[str]
    lists_invited: bool
    lists_deleted: bool
    lists_deactivation: bool
    clears_values: bool
    invited_are_users: bool
    every_role_cascades: bool
    expires_invitations: bool
    roles: frozenset[Role]


class UnlistedValues(NamedTuple):
    """
    What the listing does not have of a user; managers are ids or email addresses.

    ``was_used`` is whether the account shows earlier use, see :func:`shows_earlier_use`.
    """

    managers: tuple[str, ...]
    custom_fields: Mapping[str, object]
    deactivates_at: str | None
    was_used: bool = False


class ExternalIdOf(NamedTuple):
    """The id of a user in another platform."""

    user_id: str
    external_id: str


def shows_earlier_use(user: Mapping[str, object]) -> bool:
    """
    Return whether an account was used before, so that a creation whose response was lost has restored it.

    :param user: Values of the account, soon after the creation: those of :class:`~.results.UserDetails`.
    """
    return any(user.get(name) for name in _TRACES)
