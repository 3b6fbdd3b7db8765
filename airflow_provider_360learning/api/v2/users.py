"""Users of API v2."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.models.users import (
    CreateUser,
    DeleteUser,
    GetUser,
    ListUserRoles,
    ListUsers,
    UpdateUser,
)
from airflow_provider_360learning.api.results import (
    CreatedUser,
    DeletedUser,
    UpdatedUser,
    UserDetails,
    UserRecord,
    UserRole,
)
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.stubs import not_built

R = TypeVar("R")


class UserActions(Lookups):
    """Create, read, change and delete users."""

    @action(CreateUser)
    def create_user(self, arguments: CreateUser) -> ActionSteps[CreatedUser]:
        """Create or invite a user."""
        raise not_built("create_user")  # STUB
        yield

    @action(GetUser)
    def get_user(self, arguments: GetUser) -> ActionSteps[UserDetails]:
        """Return a user."""
        raise not_built("get_user")  # STUB
        yield

    @action(ListUsers)
    def list_users(self, arguments: ListUsers) -> ActionSteps[list[UserRecord]]:
        """Return all users."""
        raise not_built("list_users")  # STUB
        yield

    @action(UpdateUser)
    def update_user(self, arguments: UpdateUser) -> ActionSteps[UpdatedUser]:
        """Change fields of a user; fields that are not given keep their values."""
        raise not_built("update_user")  # STUB
        yield

    @action(DeleteUser)
    def delete_user(self, arguments: DeleteUser) -> ActionSteps[DeletedUser]:
        """Delete a user."""
        raise not_built("delete_user")  # STUB
        yield

    @action(ListUserRoles)
    def list_user_roles(self, arguments: ListUserRoles) -> ActionSteps[list[UserRole]]:
        """Return the groups of a user, and the roles there."""
        raise not_built("list_user_roles")  # STUB
        yield

    def read_users(self, take: Callable[[Iterator[UserRecord]], R]) -> R:
        """Read all users as a stream; see :meth:`.LearningApi.read_users`."""
        raise not_built("read_users")  # STUB
