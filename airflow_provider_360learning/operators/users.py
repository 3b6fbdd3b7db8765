"""Operators for users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import ClearedField, IfExists, IfMissing, Mode, Role
    from airflow_provider_360learning.files.storage import StoragePath


class Learning360CreateUserOperator(Learning360BaseOperator):
    """
    Create or invite a user (``createOrInviteUser``), with groups and a role.

    Returns ``{"mail", "user_id", "outcome"}``; ``outcome`` is ``created``, ``invited``, ``restored`` (the email address
    is that of a deleted user), ``updated``, ``already_exists`` or ``already_invited`` (an earlier invitation is
    pending).

    :param mail: Email address of the person.
    :param first_name: First name.
    :param last_name: Last name.
    :param group_id: Id of the group to join with ``role``. API v2 requires a group; without one, it is the root group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param role: Role in all groups given here: learner, coach, editor or admin; analyst, contributor and user-admin
        exist in API v2 only and are refused with API v1.
    :param mode: What happens to the person: ``invite`` sends an invitation, and the account exists once it is accepted
        (in API v2 as an invited one at once); ``create_active`` creates the account at once, or completes an invited
        one of API v2, and sends no email; ``create_active_and_mail_password`` also emails ``password``, and
        ``create_active_and_mail_generated_password`` one that 360Learning generates (both API v1 only).
    :param password: Password of a new account. Without it, ``create_active`` sets a random one. Pass it by a template:
        literal values in the DAG file are stored with the serialized DAG.
    :param other_group_ids: Ids of further groups to join.
    :param other_groups: Names of further groups instead of ``other_group_ids``.
    :param primary_group_id: Id of the primary group; one of the groups given here.
    :param primary_group: Name of the primary group instead of ``primary_group_id``.
    :param create_groups: Whether to create groups whose names do not exist, under the given parent.
    :param parent_group_id: Id of the parent of new groups; among groups of one name, a child of it is meant.
    :param parent_group: Name of that parent instead of ``parent_group_id``.
    :param job: Job title.
    :param organization: Organization.
    :param phone: Phone number.
    :param lang: Language code, such as ``en``.
    :param custom: Additional information, often used for the id of the HR system.
    :param custom_fields: Custom field id to value, as for ``update_user``. API v2 only; with API v1, update the user.
    :param labels: Old tags of the user. API v1 only.
    :param invitation_expires_after_days: Days until the invitation expires. API v1 only.
    :param password_must_be_changed: Whether the person must change ``password`` at the first login; by default not. API
        v1 ignores it.
    :param if_exists: ``skip`` leaves an existing user unchanged, who joins no group; ``update`` updates the profile
        fields that are given and adds the user to the groups, with ``role``; ``fail`` fails, also when a task is
        retried that has created the user.
    """

    action = "create_user"
    name_arguments = ("mail",)

    def __init__(
        self,
        *,
        mail: str,
        first_name: str | None = None,
        last_name: str | None = None,
        group_id: str | None = None,
        group: str | None = None,
        role: Role = "learner",
        mode: Mode = "invite",
        password: str | None = None,
        other_group_ids: Sequence[str] = (),
        other_groups: Sequence[str] = (),
        primary_group_id: str | None = None,
        primary_group: str | None = None,
        create_groups: bool = False,
        parent_group_id: str | None = None,
        parent_group: str | None = None,
        job: str | None = None,
        organization: str | None = None,
        phone: str | None = None,
        lang: str | None = None,
        custom: str | None = None,
        custom_fields: Mapping[str, str | date] | None = None,
        labels: Sequence[str] = (),
        invitation_expires_after_days: int | None = None,
        password_must_be_changed: bool | None = None,
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateUserOperator(Learning360BaseOperator):
    """
    Change fields of a user (``updateUser``, ``addCustomFieldValue``); fields that are not given keep their values.

    Returns ``{"user", "outcome"}``; ``outcome`` is ``updated``, or ``invited`` if a new email address led to a new
    invitation.

    :param user: Email address or id of the user.
    :param mail: New email address.
    :param first_name: First name.
    :param last_name: Last name.
    :param job: Job title.
    :param organization: Organization.
    :param phone: Phone number.
    :param lang: Language code, such as ``en``.
    :param custom: Additional information. That API v1 accepts it here is an assumption.
    :param primary_group_id: Id of the primary group; one that the user is a member of.
    :param primary_group: Name of the primary group instead of ``primary_group_id``.
    :param password: New password. Pass it by a template: literal values in the DAG file are stored with the serialized
        DAG.
    :param password_must_be_changed: Whether the user must change ``password`` at the next login; by default not. API v1
        ignores it.
    :param to_be_deactivated_at: When to deactivate the account: a timestamp in the future, with a time zone.
    :param custom_fields: Custom field id to value, a string, a number or a date, as an object or its JSON text. Fields
        left out keep their value.
    :param clear: Names of fields to empty: ``first_name``, ``last_name``, ``job``, ``organization``, ``phone``,
        ``custom``, or ``to_be_deactivated_at`` to cancel a deactivation. API v2 only.
    """

    action = "update_user"
    name_arguments = ("user",)

    def __init__(
        self,
        *,
        user: str,
        mail: str | None = None,
        first_name: str | None = None,
        last_name: str | None = None,
        job: str | None = None,
        organization: str | None = None,
        phone: str | None = None,
        lang: str | None = None,
        custom: str | None = None,
        primary_group_id: str | None = None,
        primary_group: str | None = None,
        password: str | None = None,
        password_must_be_changed: bool | None = None,
        to_be_deactivated_at: datetime | str | None = None,
        custom_fields: Mapping[str, str | date] | None = None,
        clear: Sequence[ClearedField] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteUserOperator(Learning360BaseOperator):
    """
    Delete a user (``deleteUser``), who cannot log in any more; statistics stay.

    Returns ``{"user", "outcome"}``; ``outcome`` is ``deleted`` or ``not_found``.

    :param user: Email address or id of the user.
    :param if_missing: ``skip`` succeeds if the user does not exist; ``fail`` fails, also when a task is retried that
        has deleted the user.
    """

    action = "delete_user"
    name_arguments = ("user",)

    def __init__(
        self,
        *,
        user: str,
        if_missing: IfMissing = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360ActivateUserOperator(Learning360BaseOperator):
    """
    Activate an invited user, who can log in then (``activateUser``). Only API v2 has it.

    Set a password first, for a user who has none. Returns ``{"user", "user_id", "outcome"}``; ``outcome`` is
    ``activated`` or ``already_active``.

    :param user: Email address or id of the user.
    """

    action = "activate_user"
    name_arguments = ("user",)

    def __init__(
        self,
        *,
        user: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360SetPasswordOperator(Learning360BaseOperator):
    """
    Set the password of a user (``updateUser``).

    Returns ``{"user", "outcome": "set"}``. The password is masked in the rendered template, in logs and in errors.

    :param user: Email address or id of the user.
    :param password: New password. Pass it by a template: literal values in the DAG file are stored with the serialized
        DAG.
    :param password_must_be_changed: Whether the user must change it at the next login. API v1 ignores it.
    """

    action = "set_password"
    name_arguments = ("user",)

    def __init__(
        self,
        *,
        user: str,
        password: str,
        password_must_be_changed: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360SetProfileImageOperator(Learning360BaseOperator):
    """
    Replace the profile image of a user (``uploadUserMedia``). Only API v2 has it.

    Returns ``{"user", "user_id", "profile_image_id", "outcome": "set"}``.

    :param user: Email address or id of the user.
    :param image: Path of the image (BMP, GIF, HEIC, JPEG, PNG, SVG or WebP, at most 10 MB), also in an object store; an
        ``Upload`` in ``hook.api``.
    """

    action = "set_profile_image"
    uploads = ("image",)
    name_arguments = ("user",)

    def __init__(
        self,
        *,
        user: str,
        image: StoragePath,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360PseudonymizeUserOperator(Learning360BaseOperator):
    """
    Remove the personal data of a user for good (``pseudonymizeUser``).

    **This cannot be undone.** First name, last name, email address and user name are replaced with random characters,
    and the values of custom fields are deleted, so that the account can neither be found nor restored by its email
    address. The id stays, and with it the statistics: this is not a full anonymization. In API v2, the user must be
    deleted first (``delete_user``); whether API v1 requires it is not known.

    Returns ``{"user", "user_id", "outcome"}``; ``outcome`` is ``pseudonymized``, ``not_found`` or
    ``would_pseudonymize``.

    :param user: Email address or id of the user, who must be deleted in API v2.
    :param delete_external_ids: Whether the ids of the user in other platforms are removed, too. API v2 only.
    :param if_missing: ``skip`` succeeds if the user does not exist; ``fail`` fails, also when a task is retried that
        has pseudonymized a user who was given by the email address.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "pseudonymize_user"
    name_arguments = ("user",)

    def __init__(
        self,
        *,
        user: str,
        delete_external_ids: bool = False,
        if_missing: IfMissing = "skip",
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360AddManagerOperator(Learning360BaseOperator):
    """
    Make a user the manager of another one (``addManagerToUser``); other managers stay.

    Returns ``{"user", "manager", "outcome": "added"}``.

    :param user: Email address or id of the user.
    :param manager: Email address or id of the manager.
    """

    action = "add_manager"
    name_arguments = ("user", "manager")

    def __init__(
        self,
        *,
        user: str,
        manager: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemoveManagerOperator(Learning360BaseOperator):
    """
    Remove a manager of a user (``deleteManagerFromUser``), who need not have this manager.

    Returns ``{"user", "manager", "outcome": "removed"}``.

    :param user: Email address or id of the user.
    :param manager: Email address or id of the manager.
    """

    action = "remove_manager"
    name_arguments = ("user", "manager")

    def __init__(
        self,
        *,
        user: str,
        manager: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360SetExternalIdOperator(Learning360BaseOperator):
    """
    Set the id that a user has in another platform (``addExternalIdToUser``).

    Returns ``{"user", "external_platform", "external_id", "outcome": "set"}``.

    :param user: Email address or id of the user.
    :param external_platform: Name of the other platform, as 360Learning knows it, such as ``BambooHR``.
    :param external_id: Id of the user in that platform.
    """

    action = "set_external_id"
    name_arguments = ("user", "external_platform")

    def __init__(
        self,
        *,
        user: str,
        external_platform: str,
        external_id: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360SubscribeToEmailNotificationsOperator(Learning360BaseOperator):
    """
    Let 360Learning send notification emails to a user (``subscribeToEmailNotifications``).

    In API v2, this is a bulk job, which needs the scope ``subscriptions:bulk``. Returns
    ``{"user", "outcome": "subscribed"}``.

    :param user: Email address or id of the user.
    """

    action = "subscribe_to_email_notifications"
    name_arguments = ("user",)

    def __init__(
        self,
        *,
        user: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UnsubscribeFromEmailNotificationsOperator(Learning360BaseOperator):
    """
    Stop all notification emails to a user (``unsubscribeToEmailNotifications``).

    In API v2, this is a bulk job, which needs the scope ``subscriptions:bulk``. Returns
    ``{"user", "outcome": "unsubscribed"}``.

    :param user: Email address or id of the user.
    """

    action = "unsubscribe_from_email_notifications"
    name_arguments = ("user",)

    def __init__(
        self,
        *,
        user: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
