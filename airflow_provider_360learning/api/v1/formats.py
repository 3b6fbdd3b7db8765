"""How API v1 writes roles and the profile of a user."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.models.groups import AddUserToGroup, RemoveUserFromGroup
from airflow_provider_360learning.api.models.users import CreateUser, UpdateUser
from airflow_provider_360learning.exceptions import NotAvailableError

#: Neutral role names to those of v1. That "author" became "editor" is likely, but nowhere stated (assumption).
V1_ROLES: Mapping[Role, str] = {"learner": "learner", "coach": "coach", "editor": "author", "admin": "admin"}
NEUTRAL_ROLES: Mapping[str, Role] = {theirs: ours for ours, theirs in V1_ROLES.items()}

_PROFILE = {
    "first_name": "firstName",
    "last_name": "lastName",
    "job": "job",
    "organization": "organization",
    "phone": "phone",
    "lang": "lang",
    "custom": "custom",
    "primary_group_id": "primaryGroupId",
}


def check_role(arguments: CreateUser | AddUserToGroup | RemoveUserFromGroup) -> None:
    """
    Refuse a role that exists in API v2 only.

    :raises NotAvailableError: naming it.
    """
    if arguments.role is not None and arguments.role not in V1_ROLES:
        raise NotAvailableError(
            f"role {arguments.role!r} is not available in API v1, which has {', '.join(V1_ROLES)}.", argument="role"
        )


def v1_profile(arguments: CreateUser | UpdateUser) -> dict[str, str | None]:
    """Return the fields of a person with v1's names."""
    return {theirs: getattr(arguments, ours) for ours, theirs in _PROFILE.items()}
