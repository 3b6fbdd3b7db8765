"""When a user is a member of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, TypedDict

from pydantic import Field, PrivateAttr

from airflow_provider_360learning.api.models.choices import Role
from airflow_provider_360learning.api.models.fields import GROUP, GroupName, Id, User, id_or_name
from airflow_provider_360learning.api.text import one_line
from airflow_provider_360learning.completion.condition import CompletionCondition, CompletionStatus
from airflow_provider_360learning.exceptions import NotFoundError

if TYPE_CHECKING:
    from airflow_provider_360learning.api.interface import LearningApi
    from airflow_provider_360learning.api.results import UserRole
    from airflow_provider_360learning.api.types import ActionSteps


class GroupMembershipResult(TypedDict):
    """Result of a wait for a membership: the group, the user, and the roles of the user there."""

    group_id: str
    user: str
    roles: list[str]


class GroupMembership(CompletionCondition):
    """A user has a role, or a given one, in a group. A user who does not exist yet is waited for."""

    subject: ClassVar[str] = "group_membership"

    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP
    user: User = Field(description="Email address or id of the user.")
    role: Role | None = Field(
        default=None,
        description="The role to wait for; by default any. analyst, contributor and user-admin exist in API v2 only.",
    )
    #: Id of the user where email addresses must be looked up, once that was done.
    _user_id: str | None = PrivateAttr(default=None)

    def poll(self, api: LearningApi) -> ActionSteps[CompletionStatus]:
        """
        See :meth:`CompletionCondition.poll`.

        :raises NotAvailableError: for a role that only another version has.
        """
        if self.role is not None:
            api.add_user_to_group.arguments({"group_id": self.group_id, "user": self.user, "role": self.role})
        held = yield from self._roles(api)
        roles = [each["role"] for each in held or () if (each["group_id"] or "").lower() == self.group_id.lower()]
        is_complete = bool(roles) if self.role is None else self.role in roles
        result = GroupMembershipResult(group_id=self.group_id, user=self.user, roles=roles)
        return CompletionStatus(is_complete, result, self._progress(held is not None, roles))

    def _roles(self, api: LearningApi) -> ActionSteps[list[UserRole] | None]:
        """Return all roles of the user, ``None`` if the user does not exist."""
        # Not by the address that a client of a triggerer has looked up weeks ago.
        if api.statistics_by_id is not None and self._user_id is None:
            self._user_id = (yield from api.statistics_by_id.ids_in_statistics([self.user])).get(self.user)
            if self._user_id is None:
                return None
        try:
            return (yield from api.list_user_roles.steps(user=self._user_id or self.user))
        except NotFoundError as error:
            if error.code != "user_not_found":
                raise
            return None

    def _progress(self, exists: bool, roles: list[str]) -> str:
        user = one_line(self.user)
        if not exists:
            return f"{user} does not exist, or has not accepted the invitation"
        if not roles:
            return f"{user} is not a member of the group {self.group_id}"
        missing = "" if self.role is None or self.role in roles else f", but not {self.role}"
        return f"{user} is {', '.join(roles)}{missing} in the group {self.group_id}"
