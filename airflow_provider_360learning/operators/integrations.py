"""Operators for integrations, which connect groups with external providers in API v2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import IfExists, IfMissing


class Learning360CreateIntegrationOperator(Learning360BaseOperator):
    """
    Connect a group with an external provider (``createIntegration``), unless it is. Only API v2 has it.

    Returns ``{"integration_id", "outcome"}``; ``outcome`` is ``created``, ``already_exists`` or ``updated``.

    :param group_id: Id of the group whose library receives the courses.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param external_platform: Name of the provider.
    :param author_id: Id of the user to whom courses without an author are attributed.
    :param default_completion: Whether courses are completed when they are started.
    :param default_progress: Progress of a course when it is started, from 0 to 100.
    :param no_group_propagation: Whether courses are visible in the group only, and not in its subgroups.
    :param logo_url: URL of the provider's logo.
    :param unicolor_logo_url: URL of the logo in one color; by default ``logo_url``.
    :param if_exists: ``skip`` leaves an existing integration of the group with the provider unchanged; ``update``
        updates the other fields; ``fail`` fails, also when a task is retried that has created the integration.
    """

    action = "create_integration"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("external_platform", "group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        external_platform: str,
        author_id: str,
        default_completion: bool | None = None,
        default_progress: int | None = None,
        no_group_propagation: bool | None = None,
        logo_url: str | None = None,
        unicolor_logo_url: str | None = None,
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateIntegrationOperator(Learning360BaseOperator):
    """
    Change an integration (``editIntegration``); fields that are not given keep their values. Only API v2 has it.

    Returns ``{"integration_id", "outcome": "updated"}``.

    :param integration_id: Id of the integration.
    :param group_id: Id of the new group.
    :param group: Name of the new group instead of ``group_id``.
    :param external_platform: New name of the provider.
    :param author_id: Id of the user to whom courses without an author are attributed.
    :param default_completion: Whether courses are completed when they are started.
    :param default_progress: Progress of a course when it is started, from 0 to 100.
    :param no_group_propagation: Whether courses are visible in the group only, and not in its subgroups.
    :param logo_url: URL of the provider's logo.
    :param unicolor_logo_url: URL of the logo in one color; by default ``logo_url``.
    """

    action = "update_integration"
    name_arguments = ("integration_id",)

    def __init__(
        self,
        *,
        integration_id: str,
        group_id: str | None = None,
        group: str | None = None,
        external_platform: str | None = None,
        author_id: str | None = None,
        default_completion: bool | None = None,
        default_progress: int | None = None,
        no_group_propagation: bool | None = None,
        logo_url: str | None = None,
        unicolor_logo_url: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteIntegrationOperator(Learning360BaseOperator):
    """
    Delete an integration **and archive all of its courses** (``deleteIntegration``). Only API v2 has it.

    Returns ``{"integration_id", "outcome"}``; ``outcome`` is ``deleted`` or ``not_found``. With ``dry_run``, it is
    ``would_delete``, and the result has the ``integration``.

    :param integration_id: Id of the integration.
    :param if_missing: ``skip`` succeeds if the integration does not exist; ``fail`` fails, also when a task is retried
        that has deleted the integration.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "delete_integration"
    name_arguments = ("integration_id",)

    def __init__(
        self,
        *,
        integration_id: str,
        if_missing: IfMissing = "skip",
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
