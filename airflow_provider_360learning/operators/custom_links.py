"""Operators for custom links, and for the URLs that they have for single users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, LinkIcon


class Learning360CreateCustomLinkOperator(Learning360BaseOperator):
    """
    Create a custom link (``createCustomLink``), unless one has this type.

    Returns ``{"custom_link_id", "type", "outcome"}``; ``outcome`` is ``created``, ``already_exists`` or ``updated``.

    :param type: Unique internal name, which is not shown.
    :param name: Title that is shown.
    :param order: Position, from 0; by default after all other links.
    :param icon: agenda, absence, certificate, convention, default, inbox or survey.
    :param if_exists: ``skip`` leaves an existing link of this type unchanged; ``update`` updates ``name``, and
        ``order`` and ``icon`` if they are given; ``fail`` fails, also when a task is retried that has created the
        link.
    """

    action = "create_custom_link"
    name_arguments = ("type",)

    def __init__(
        self,
        *,
        type: str,
        name: str,
        order: int | None = None,
        icon: LinkIcon | None = None,
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateCustomLinkOperator(Learning360BaseOperator):
    """
    Change a custom link (``updateCustomLink``); fields that are not given keep their values.

    Returns ``{"type", "outcome": "updated"}``; ``type`` is the new one.

    :param type: Internal name of the link.
    :param new_type: New internal name.
    :param name: New title.
    :param order: New position, from 0.
    :param icon: agenda, absence, certificate, convention, default, inbox or survey.
    """

    action = "update_custom_link"
    name_arguments = ("type",)

    def __init__(
        self,
        *,
        type: str,
        new_type: str | None = None,
        name: str | None = None,
        order: int | None = None,
        icon: LinkIcon | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteCustomLinkOperator(Learning360BaseOperator):
    """
    Delete a custom link (``deleteCustomLink``), with the URLs of all users for it.

    Returns ``{"type", "outcome"}``; ``outcome`` is ``deleted`` or ``not_found``.

    :param type: Internal name of the link.
    :param if_missing: ``skip`` succeeds if the link does not exist; ``fail`` fails, also when a task is retried
        that has deleted the link.
    """

    action = "delete_custom_link"
    name_arguments = ("type",)

    def __init__(
        self,
        *,
        type: str,
        if_missing: IfMissing = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360CreateCustomUserLinkOperator(Learning360BaseOperator):
    """
    Set the URL of a user for a custom link (``createCustomUserLink``), unless there is one.

    Returns ``{"user", "type", "outcome"}``; ``outcome`` is ``created``, ``already_exists`` or ``updated``.

    :param user: Email address or id of the user.
    :param type: Internal name of the custom link.
    :param url: URL to which the link leads for this user.
    :param if_exists: ``skip`` leaves an existing URL unchanged; ``update`` replaces it; ``fail`` fails, also when a
        task is retried that has set the URL.
    """

    action = "create_custom_user_link"
    name_arguments = ("user", "type")

    def __init__(
        self,
        *,
        user: str,
        type: str,
        url: str,
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateCustomUserLinkOperator(Learning360BaseOperator):
    """
    Change the URL of a user for a custom link, or the link that has the URL (``updateCustomUserLink``).

    Returns ``{"user", "type", "outcome": "updated"}``; ``type`` is that of the link that has the URL now.

    :param user: Email address or id of the user.
    :param type: Internal name of the custom link.
    :param new_type: Internal name of the custom link that gets the URL.
    :param url: New URL.
    """

    action = "update_custom_user_link"
    name_arguments = ("user", "type")

    def __init__(
        self,
        *,
        user: str,
        type: str,
        new_type: str | None = None,
        url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteCustomUserLinkOperator(Learning360BaseOperator):
    """
    Delete the URL of a user for a custom link (``deleteCustomUserLink``).

    Returns ``{"user", "type", "outcome"}``; ``outcome`` is ``deleted`` or ``not_found``.

    :param user: Email address or id of the user.
    :param type: Internal name of the custom link.
    :param if_missing: ``skip`` succeeds if the user has no URL for this link; ``fail`` fails, also when a task is
        retried that has deleted it.
    """

    action = "delete_custom_user_link"
    name_arguments = ("user", "type")

    def __init__(
        self,
        *,
        user: str,
        type: str,
        if_missing: IfMissing = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
