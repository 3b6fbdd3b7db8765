"""Arguments of the actions on integrations, which connect a group with an external provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.choices import IfExists, IfMissing
from airflow_provider_360learning.api.models.fields import (
    DRY_RUN,
    GROUP,
    Boolean,
    DryRun,
    GroupName,
    Id,
    Text,
    Url,
    WholePercent,
    id_or_name,
)

_DEFAULT_COMPLETION = Field(default=None, description="Whether courses are completed when they are started.")
_DEFAULT_PROGRESS = Field(default=None, description="Progress of a course when it is started, from 0 to 100.")
_NO_GROUP_PROPAGATION = Field(
    default=None, description="Whether courses are visible in the group only, and not in its subgroups."
)
_LOGO_URL = Field(default=None, description="URL of the provider's logo.")
_UNICOLOR_LOGO_URL = Field(default=None, description="URL of the logo in one color; by default ``logo_url``.")


class ListIntegrations(ActionArguments):
    """Arguments of ``list_integrations``: none."""


class CreateIntegration(ActionArguments):
    """Arguments of ``create_integration``."""

    group_id: Id = id_or_name("Id of the group whose library receives the courses.")
    group: GroupName = GROUP
    external_platform: Text = Field(description="Name of the provider.")
    author_id: Id = Field(description="Id of the user to whom courses without an author are attributed.")
    default_completion: Boolean | None = _DEFAULT_COMPLETION
    default_progress: WholePercent | None = _DEFAULT_PROGRESS
    no_group_propagation: Boolean | None = _NO_GROUP_PROPAGATION
    logo_url: Url | None = _LOGO_URL
    unicolor_logo_url: Url | None = _UNICOLOR_LOGO_URL
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing integration of the group with the provider unchanged; ``update`` "
        "updates the other fields; ``fail`` fails, also when a task is retried that has created the integration.",
    )


class UpdateIntegration(ActionArguments):
    """Arguments of ``update_integration``."""

    integration_id: Id = Field(description="Id of the integration.")
    group_id: Id | None = Field(default=None, description="Id of the new group.")
    group: Annotated[Text | None, NameOf("group", "group_id")] = Field(
        default=None, description="Name of the new group instead of ``group_id``."
    )
    external_platform: Text | None = Field(default=None, description="New name of the provider.")
    author_id: Id | None = Field(
        default=None, description="Id of the user to whom courses without an author are attributed."
    )
    default_completion: Boolean | None = _DEFAULT_COMPLETION
    default_progress: WholePercent | None = _DEFAULT_PROGRESS
    no_group_propagation: Boolean | None = _NO_GROUP_PROPAGATION
    logo_url: Url | None = _LOGO_URL
    unicolor_logo_url: Url | None = _UNICOLOR_LOGO_URL

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change."""
        if not self.given().keys() - {"integration_id"}:
            yield Problem(None, "update_integration needs at least one field to change")


class DeleteIntegration(ActionArguments):
    """Arguments of ``delete_integration``."""

    integration_id: Id = Field(description="Id of the integration.")
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the integration does not exist; ``fail`` fails, also when a task is retried "
        "that has deleted the integration.",
    )
    dry_run: DryRun = DRY_RUN
