"""The actions on certificates, as a part of :class:`~.interface.LearningApi`."""

from __future__ import annotations

from typing import Protocol

from airflow_provider_360learning.api.actions import action
from airflow_provider_360learning.api.certificate_results import (
    CertificateOutlineRecord,
    CertificateRecord,
    CreatedCertificateOutline,
    DeletedCertificateOutline,
    ImportedCertificate,
    UpdatedCertificateOutline,
    UpdatedCertificatePrivacy,
)
from airflow_provider_360learning.api.models.certificates import (
    CreateCertificateOutline,
    DeleteCertificateOutline,
    ImportUserCertificate,
    ListCertificateOutlines,
    ListUserCertificates,
    UpdateCertificateOutline,
    UpdateCertificatePrivacy,
)
from airflow_provider_360learning.api.types import ActionSteps


class CertificateApi(Protocol):
    """Certificates of users, and the outlines that they are made from."""

    @action(ListUserCertificates)
    def list_user_certificates(self, arguments: ListUserCertificates) -> ActionSteps[list[CertificateRecord]]:
        """Return the certificates of a user."""
        ...

    @action(ImportUserCertificate)
    def import_user_certificate(self, arguments: ImportUserCertificate) -> ActionSteps[ImportedCertificate]:
        """Import a certificate of a user, unless the user has it."""
        ...

    @action(UpdateCertificatePrivacy)
    def update_certificate_privacy(self, arguments: UpdateCertificatePrivacy) -> ActionSteps[UpdatedCertificatePrivacy]:
        """Set who can see certificates of a user."""
        ...

    @action(ListCertificateOutlines)
    def list_certificate_outlines(
        self, arguments: ListCertificateOutlines
    ) -> ActionSteps[list[CertificateOutlineRecord]]:
        """Return outlines of certificates."""
        ...

    @action(CreateCertificateOutline)
    def create_certificate_outline(self, arguments: CreateCertificateOutline) -> ActionSteps[CreatedCertificateOutline]:
        """Create an outline of certificates, unless the group has one of this title."""
        ...

    @action(UpdateCertificateOutline)
    def update_certificate_outline(self, arguments: UpdateCertificateOutline) -> ActionSteps[UpdatedCertificateOutline]:
        """Change an outline of certificates; fields that are not given keep their values."""
        ...

    @action(DeleteCertificateOutline)
    def delete_certificate_outline(self, arguments: DeleteCertificateOutline) -> ActionSteps[DeletedCertificateOutline]:
        """Delete an outline of certificates."""
        ...
