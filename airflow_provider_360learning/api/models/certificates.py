"""Arguments of the actions on certificates of users and on the outlines that they are made from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, IfSessionExists
from airflow_provider_360learning.api.models.fields import (
    GROUP,
    Boolean,
    File,
    FilledIds,
    GroupName,
    Id,
    Months,
    MultilineText,
    Text,
    Timestamp,
    User,
    id_or_name,
)

#: The tag that each wording of an outline must have.
_TAGS = {
    "validity_wording": "[validity_period]",
    "reference_number_wording": "[reference_number]",
    "verification_url_wording": "[authenticity_verification_url]",
}
_OutlineName = Annotated[Text | None, NameOf("certificate_outline", "certificate_outline_id", is_required=True)]
_OUTLINE = Field(default=None, description="Title of the outline instead of ``certificate_outline_id``.")
_SUBTITLE = Field(default=None, description="Subtitle.")
_VALIDITY = Field(default=None, description="Number of months for which a certificate is valid.")
_VALIDITY_WORDING = Field(
    default=None, description="Text that shows the validity. It has the tag ``[validity_period]``."
)
_NUMBER_WORDING = Field(
    default=None, description="Text that shows the reference number. It has the tag ``[reference_number]``."
)
_URL_WORDING = Field(
    default=None,
    description="Text that shows where a certificate is verified. It has the tag ``[authenticity_verification_url]``.",
)
_BACKGROUND = Field(default=None, description="Id of the medium that is the background.")
_LOGO = Field(default=None, description="Id of the medium that is the logo at the top.")


class ListUserCertificates(ActionArguments):
    """Arguments of ``list_user_certificates``."""

    user: User = Field(description="Email address or id of the user.")
    delivered_after: Timestamp | None = Field(
        default=None, description="Only certificates delivered at this time or later."
    )
    delivered_before: Timestamp | None = Field(
        default=None, description="Only certificates delivered before this time."
    )
    expires_after: Timestamp | None = Field(
        default=None, description="Only certificates that expire at this time or later."
    )
    expires_before: Timestamp | None = Field(
        default=None, description="Only certificates that expire before this time."
    )


class ImportUserCertificate(ActionArguments):
    """Arguments of ``import_user_certificate``."""

    user: User = Field(description="Email address or id of the user.")
    title: Text = Field(description="Title of the certificate.")
    delivered_at: Timestamp = Field(
        description="When it was delivered: a timestamp with a time zone, not in the future."
    )
    file: File = Field(description="The certificate as a PDF file: its path, for the hook an ``Upload``.")
    expires_at: Timestamp | None = Field(
        default=None,
        description="When it expires. 360Learning refuses it for an outline that has a period of validity.",
    )
    certificate_outline_id: Id | None = Field(default=None, description="Id of the outline that it belongs to.")
    certificate_outline: Annotated[Text | None, NameOf("certificate_outline", "certificate_outline_id")] = _OUTLINE
    if_exists: IfSessionExists = Field(
        default="skip",
        description="``skip`` leaves a certificate with the same title and time of delivery unchanged; ``fail`` fails, "
        "also when a task is retried that has imported it.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that it expires before it is delivered."""
        if self.expires_at is not None and self.expires_at < self.delivered_at:
            yield Problem("expires_at", "expires_at is before delivered_at")


class UpdateCertificatePrivacy(ActionArguments):
    """Arguments of ``update_certificate_privacy``."""

    user: User = Field(description="Email address or id of the user.")
    certificate_ids: FilledIds = Field(description="Ids of certificates of this user.")
    public: Boolean = Field(description="Whether others can see them.")


class ListCertificateOutlines(ActionArguments):
    """Arguments of ``list_certificate_outlines``."""

    group_id: Id | None = Field(default=None, description="Only outlines of the group with this id.")
    group: Annotated[Text | None, NameOf("group", "group_id")] = GROUP


class CreateCertificateOutline(ActionArguments):
    """Arguments of ``create_certificate_outline``."""

    title: Text = Field(description="Title.")
    group_id: Id = id_or_name("Id of the group that it belongs to.")
    group: GroupName = GROUP
    body_html: MultilineText = Field(
        description="Text of a certificate as HTML, with tags such as ``[person_first_name]`` and ``[path_title]``."
    )
    subtitle: Text | None = _SUBTITLE
    validity_months: Months | None = _VALIDITY
    validity_wording: Text | None = _VALIDITY_WORDING
    reference_number_wording: Text | None = _NUMBER_WORDING
    verification_url_wording: Text | None = _URL_WORDING
    background_image_id: Id | None = _BACKGROUND
    logo_image_id: Id | None = _LOGO
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an outline of the group with this title unchanged; ``update`` updates it; "
        "``fail`` fails, also when a task is retried that has created the outline.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return the wordings that lack their tag."""
        yield from _wordings_without_tag(self)


class UpdateCertificateOutline(ActionArguments):
    """Arguments of ``update_certificate_outline``."""

    certificate_outline_id: Id = id_or_name("Id of the outline.")
    certificate_outline: _OutlineName = _OUTLINE
    title: Text | None = Field(default=None, description="New title.")
    group_id: Id | None = Field(default=None, description="Id of the group that it is to belong to.")
    group: Annotated[Text | None, NameOf("group", "group_id")] = GROUP
    body_html: MultilineText | None = Field(default=None, description="New text of a certificate as HTML.")
    subtitle: Text | None = _SUBTITLE
    validity_months: Months | None = _VALIDITY
    validity_wording: Text | None = _VALIDITY_WORDING
    reference_number_wording: Text | None = _NUMBER_WORDING
    verification_url_wording: Text | None = _URL_WORDING
    background_image_id: Id | None = _BACKGROUND
    logo_image_id: Id | None = _LOGO

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change, or the wordings that lack their tag."""
        if not self.given().keys() - {"certificate_outline_id", "certificate_outline"}:
            yield Problem(None, "update_certificate_outline needs at least one field to change")
        yield from _wordings_without_tag(self)


class DeleteCertificateOutline(ActionArguments):
    """Arguments of ``delete_certificate_outline``."""

    certificate_outline_id: Id = id_or_name("Id of the outline.")
    certificate_outline: _OutlineName = Field(
        default=None,
        description="Title of the outline instead of ``certificate_outline_id``. A title that no outline has is an "
        "error, also with ``if_missing``.",
    )
    if_missing: IfMissing = Field(
        default="skip",
        description="``skip`` succeeds if the outline does not exist; ``fail`` fails, also when a task is retried that "
        "has deleted the outline.",
    )


def _wordings_without_tag(outline: CreateCertificateOutline | UpdateCertificateOutline) -> Iterator[Problem]:
    for name, tag in _TAGS.items():
        wording = getattr(outline, name)
        if wording is not None and tag not in wording:
            yield Problem(name, f"{name} lacks the tag {tag}")
