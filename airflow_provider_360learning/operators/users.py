"""Operators for users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator


class Learning360CreateUserOperator(Learning360BaseOperator):
    """
    Create or invite a user (``createOrInviteUser``), with group and role.

    ``mode`` says what happens to the person: ``invite`` (an invitation mail; the account exists once it is
    accepted), ``create_active`` (an account at once, no mail; without ``password``, a random one that nobody
    knows), ``create_active_and_mail_password`` and ``create_active_and_mail_generated_password`` (an account at
    once, and a mail with the password; v1 only).

    Returns ``{"mail", "user_id", "outcome"}``, ``outcome`` being ``created``, ``invited``, ``already_exists``,
    ``updated`` or ``already_invited`` (a pending invitation of before: the person has yet to accept).

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.users.UserActions.create_user` and
        https://360learning.readme.io/docs

    :param mail: Mail address of the person.
    :param first_name: First name.
    :param last_name: Last name.
    :param group_id: Group to join with ``role``. API v2 will require it.
    :param role: learner, coach, editor or admin, in all groups given here.
    :param mode: What happens to the person, see above.
    :param password: Password of a new account. Give it by a template: what stands in the DAG file is stored with the
        serialized DAG.
    :param other_group_ids: Further groups to join.
    :param primary_group_id: Primary group; one of the groups given here.
    :param job: Job title.
    :param organization: Organization.
    :param phone: Phone number.
    :param lang: Language code, such as ``en``.
    :param custom: Additional information, often used for the id of the HR system.
    :param labels: Old tags of the user. v1 only.
    :param invitation_expires_after_days: Days until an invitation expires. v1 only.
    :param password_must_be_changed: Whether the person must change ``password`` when they sign in. API v2 will require
        it; v1 has no use for it.
    :param if_exists: ``skip`` leaves somebody who exists as they are, ``update`` brings names, job, organization,
        phone, language, ``custom`` and the primary group up to date where they are given and makes sure of the
        groups, ``fail`` fails the task. With ``fail``, a task whose process died
        after the creation fails when it is retried: the person exists, and nobody can tell that it was this
        task who created them.
    """

    action = "create_user"

    def __init__(
        self,
        *,
        mail: str,
        first_name: str | None = None,
        last_name: str | None = None,
        group_id: str | None = None,
        role: str = "learner",
        mode: str = "invite",
        password: str | None = None,
        other_group_ids: Sequence[str] = (),
        primary_group_id: str | None = None,
        job: str | None = None,
        organization: str | None = None,
        phone: str | None = None,
        lang: str | None = None,
        custom: str | None = None,
        labels: Sequence[str] = (),
        invitation_expires_after_days: int | None = None,
        password_must_be_changed: bool | None = None,
        if_exists: str = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateUserOperator(Learning360BaseOperator):
    """
    Change fields of a user (``updateUser``); what is not given stays.

    Returns ``{"user", "outcome"}``, ``outcome`` being ``updated``, or ``invited`` where a new mail led to a new
    invitation.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.users.UserActions.update_user` and
        https://360learning.readme.io/docs

    :param user: Mail or id.
    :param mail: New mail address.
    :param first_name: First name.
    :param last_name: Last name.
    :param job: Job title.
    :param organization: Organization.
    :param phone: Phone number.
    :param lang: Language code, such as ``en``.
    :param custom: Additional information.
    :param primary_group_id: Primary group; one that the user is in.
    :param password: New password. Give it by a template: what stands in the DAG file is stored with the serialized
        DAG.
    :param password_must_be_changed: Whether the user must change it when they sign in. API v2 will require it; v1 has
        no use for it.
    :param to_be_deactivated_at: When to deactivate the account: a moment in the future, with a time zone.
    :param custom_fields: Custom field id to value, a text or a date.
    """

    action = "update_user"

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
        password: str | None = None,
        password_must_be_changed: bool | None = None,
        to_be_deactivated_at: datetime | str | None = None,
        custom_fields: Mapping[str, str | date] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteUserOperator(Learning360BaseOperator):
    """
    Delete a user (``deleteUser``): no login any more; statistics stay.

    Returns ``{"user", "outcome"}``, ``outcome`` being ``deleted`` or ``not_found``.

    .. seealso:: :meth:`airflow_provider_360learning.api.v1.users.UserActions.delete_user` and
        https://360learning.readme.io/docs

    :param user: Mail or id.
    :param if_missing: ``skip`` takes a user who does not exist for done; ``fail`` fails the task (also when it
        is retried after its process died).
    """

    action = "delete_user"

    def __init__(self, *, user: str, if_missing: str = "skip", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
