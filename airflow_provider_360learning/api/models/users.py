"""Arguments of the actions on users."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, Mode, Role
from airflow_provider_360learning.api.models.fields import (
    CREATE_GROUPS,
    DRY_RUN,
    GROUP,
    PARENT_GROUP,
    PARENT_GROUP_ID,
    Boolean,
    ClearedFields,
    CustomFields,
    Days,
    DryRun,
    ExternalId,
    File,
    Id,
    Ids,
    Mail,
    ParentGroupName,
    Password,
    Text,
    Texts,
    Timestamp,
    User,
)
from airflow_provider_360learning.api.models.groups import GROUP_CREATION, conflicts_of_creation

#: A primary group by its name.
_PrimaryGroup = Annotated[Text | None, NameOf("group", "primary_group_id")]


class CreateUser(ActionArguments):
    """Arguments of ``create_user``."""

    only_for_names: ClassVar[frozenset[str]] = GROUP_CREATION

    mail: Mail = Field(description="Email address of the person.")
    first_name: Text | None = Field(default=None, description="First name.")
    last_name: Text | None = Field(default=None, description="Last name.")
    group_id: Id | None = Field(
        default=None,
        description="Id of the group to join with ``role``. API v2 requires a group; without one, it is the root "
        "group.",
    )
    group: Annotated[Text | None, NameOf("group", "group_id")] = GROUP
    role: Role = Field(
        default="learner",
        description="Role in all groups given here: learner, coach, editor or admin; analyst, contributor and "
        "user-admin exist in API v2 only and are refused with API v1.",
    )
    mode: Mode = Field(
        default="invite",
        description="What happens to the person: ``invite`` sends an invitation, and the account exists once it is "
        "accepted (in API v2 as an invited one at once); ``create_active`` creates the account at once, or completes "
        "an invited one of API v2, and sends no email; ``create_active_and_mail_password`` also emails ``password``, "
        "and ``create_active_and_mail_generated_password`` one that 360Learning generates (both API v1 only).",
    )
    password: Password | None = Field(
        default=None,
        description="Password of a new account. Without it, ``create_active`` sets a random one. Pass it by a "
        "template: literal values in the DAG file are stored with the serialized DAG.",
    )
    other_group_ids: Ids = Field(default=(), description="Ids of further groups to join.")
    other_groups: Annotated[Texts, NameOf("group", "other_group_ids")] = Field(
        default=(), description="Names of further groups instead of ``other_group_ids``."
    )
    primary_group_id: Id | None = Field(
        default=None, description="Id of the primary group; one of the groups given here."
    )
    primary_group: _PrimaryGroup = Field(
        default=None, description="Name of the primary group instead of ``primary_group_id``."
    )
    create_groups: Boolean = CREATE_GROUPS
    parent_group_id: Id | None = PARENT_GROUP_ID
    parent_group: ParentGroupName = PARENT_GROUP
    job: Text | None = Field(default=None, description="Job title.")
    organization: Text | None = Field(default=None, description="Organization.")
    phone: Text | None = Field(default=None, description="Phone number.")
    lang: Text | None = Field(default=None, description="Language code, such as ``en``.")
    custom: Text | None = Field(
        default=None, description="Additional information, often used for the id of the HR system."
    )
    custom_fields: CustomFields | None = Field(
        default=None,
        description="Custom field id to value, as for ``update_user``. API v2 only; with API v1, update the user.",
    )
    labels: Texts = Field(default=(), description="Old tags of the user. API v1 only.")
    invitation_expires_after_days: Days | None = Field(
        default=None, description="Days until the invitation expires. API v1 only."
    )
    password_must_be_changed: Boolean | None = Field(
        default=None,
        description="Whether the person must change ``password`` at the first login; by default not. API v1 ignores "
        "it.",
    )
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing user unchanged, who joins no group; ``update`` updates the profile "
        "fields that are given and adds the user to the groups, with ``role``; ``fail`` fails, also when a task is "
        "retried that has created the user.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return conflicts of the groups with each other, and of the password with the mode."""
        yield from conflicts_of_creation(self)
        is_another = self.primary_group_id not in (None, self.group_id, *self.other_group_ids)
        if is_another and not self.given_names():  # names are compared once they are ids
            yield Problem(
                "primary_group_id",
                f"primary_group_id is {self.primary_group_id!r}, but must be one of group_id and other_group_ids",
            )
        if self.password is None and self.mode == "create_active_and_mail_password":
            yield Problem("password", f"password is missing: mode {self.mode!r} needs a password to send")
        if self.password is not None and self.mode in ("invite", "create_active_and_mail_generated_password"):
            yield Problem("password", f"password is given, but must be left out: mode {self.mode!r} uses no password")


class GetUser(ActionArguments):
    """Arguments of ``get_user``."""

    user: User = Field(description="Email address or id of the user.")


class ListUsers(ActionArguments):
    """Arguments of ``list_users``."""

    deleted: Boolean | None = Field(
        default=None,
        description="Whether to list deleted users instead of the others (assumption for API v1: passed on as it is).",
    )


class UpdateUser(ActionArguments):
    """Arguments of ``update_user``."""

    user: User = Field(description="Email address or id of the user.")
    mail: Mail | None = Field(default=None, description="New email address.")
    first_name: Text | None = Field(default=None, description="First name.")
    last_name: Text | None = Field(default=None, description="Last name.")
    job: Text | None = Field(default=None, description="Job title.")
    organization: Text | None = Field(default=None, description="Organization.")
    phone: Text | None = Field(default=None, description="Phone number.")
    lang: Text | None = Field(default=None, description="Language code, such as ``en``.")
    custom: Text | None = Field(
        default=None, description="Additional information. That API v1 accepts it here is an assumption."
    )
    primary_group_id: Id | None = Field(
        default=None, description="Id of the primary group; one that the user is a member of."
    )
    primary_group: _PrimaryGroup = Field(
        default=None, description="Name of the primary group instead of ``primary_group_id``."
    )
    password: Password | None = Field(
        default=None,
        description="New password. Pass it by a template: literal values in the DAG file are stored with the "
        "serialized DAG.",
    )
    password_must_be_changed: Boolean | None = Field(
        default=None,
        description="Whether the user must change ``password`` at the next login; by default not. API v1 ignores it.",
    )
    to_be_deactivated_at: Timestamp | None = Field(
        default=None, description="When to deactivate the account: a timestamp in the future, with a time zone."
    )
    custom_fields: CustomFields | None = Field(
        default=None,
        description="Custom field id to value, a string, a number or a date, as an object or its JSON text. Fields "
        "left out keep their value.",
    )
    clear: ClearedFields = Field(
        default=(),
        description="Names of fields to empty: ``first_name``, ``last_name``, ``job``, ``organization``, ``phone``, "
        "``custom``, or ``to_be_deactivated_at`` to cancel a deactivation. API v2 only.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return fields that are set and emptied, or that there is nothing to change."""
        for name in self.clear:
            if getattr(self, name) is not None:
                yield Problem("clear", f"clear has {name}, which is also given: give one of them")
        if not self.given().keys() - {"user", "password_must_be_changed"}:
            yield Problem(None, "update_user needs at least one field to change")


class DeleteUser(ActionArguments):
    """Arguments of ``delete_user``."""

    user: User = Field(description="Email address or id of the user.")
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the user does not exist; ``fail`` fails, also when a task is retried that "
        "has deleted the user.",
    )


class ActivateUser(ActionArguments):
    """Arguments of ``activate_user``."""

    user: User = Field(description="Email address or id of the user.")


class SetPassword(ActionArguments):
    """Arguments of ``set_password``."""

    user: User = Field(description="Email address or id of the user.")
    password: Password = Field(
        description="New password. Pass it by a template: literal values in the DAG file are stored with the "
        "serialized DAG."
    )
    password_must_be_changed: Boolean = Field(
        default=False, description="Whether the user must change it at the next login. API v1 ignores it."
    )


class SetProfileImage(ActionArguments):
    """Arguments of ``set_profile_image``."""

    user: User = Field(description="Email address or id of the user.")
    image: File = Field(
        description="Path of the image (BMP, GIF, HEIC, JPEG, PNG, SVG or WebP, at most 10 MB), also in an object "
        "store; an ``Upload`` in ``hook.api``."
    )


class PseudonymizeUser(ActionArguments):
    """Arguments of ``pseudonymize_user``."""

    user: User = Field(description="Email address or id of the user, who must be deleted in API v2.")
    delete_external_ids: Boolean = Field(
        default=False, description="Whether the ids of the user in other platforms are removed, too. API v2 only."
    )
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the user does not exist; ``fail`` fails, also when a task is retried that "
        "has pseudonymized a user who was given by the email address.",
    )
    dry_run: DryRun = DRY_RUN


class ListUserRoles(ActionArguments):
    """Arguments of ``list_user_roles``."""

    user: User = Field(description="Email address or id of the user.")


class AddManager(ActionArguments):
    """Arguments of ``add_manager``."""

    user: User = Field(description="Email address or id of the user.")
    manager: User = Field(description="Email address or id of the manager.")


class RemoveManager(ActionArguments):
    """Arguments of ``remove_manager``."""

    user: User = Field(description="Email address or id of the user.")
    manager: User = Field(description="Email address or id of the manager.")


class ListManagers(ActionArguments):
    """Arguments of ``list_managers``."""

    user: User = Field(description="Email address or id of the user.")


class ListSubordinates(ActionArguments):
    """Arguments of ``list_subordinates``."""

    user: User = Field(description="Email address or id of the manager.")


class SetExternalId(ActionArguments):
    """Arguments of ``set_external_id``."""

    user: User = Field(description="Email address or id of the user.")
    external_platform: Text = Field(
        description="Name of the other platform, as 360Learning knows it, such as ``BambooHR``."
    )
    external_id: ExternalId = Field(description="Id of the user in that platform.")


class GetUserByExternalId(ActionArguments):
    """Arguments of ``get_user_by_external_id``."""

    external_platform: Text = Field(
        description="Name of the other platform, as 360Learning knows it, such as ``BambooHR``."
    )
    external_id: ExternalId = Field(description="Id of the user in that platform.")


class SubscribeToEmailNotifications(ActionArguments):
    """Arguments of ``subscribe_to_email_notifications``."""

    user: User = Field(description="Email address or id of the user.")


class UnsubscribeFromEmailNotifications(ActionArguments):
    """Arguments of ``unsubscribe_from_email_notifications``."""

    user: User = Field(description="Email address or id of the user.")
