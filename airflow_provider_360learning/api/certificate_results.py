"""Results of the actions on certificates, see :mod:`.results`."""

from __future__ import annotations

from typing import Literal, TypedDict


class CertificateRecord(TypedDict):
    """
    A certificate of a user.

    ``type`` is ``path`` or ``external``; one that was imported has neither path nor session.
    """

    certificate_id: str | None
    type: str | None
    title: str | None
    delivered_at: str | None
    expires_at: str | None
    validity_months: float | None
    certificate_outline_id: str | None
    path_id: str | None
    path_name: str | None
    session_id: str | None


class ImportedCertificate(TypedDict):
    """Result of ``import_user_certificate``."""

    user: str
    certificate_id: str | None
    outcome: Literal["imported", "already_exists"]


class UpdatedCertificatePrivacy(TypedDict):
    """Result of ``update_certificate_privacy``; ``certificates`` is their number."""

    user: str
    outcome: Literal["updated"]
    certificates: int


class CertificateOutlineRecord(TypedDict):
    """An outline of certificates."""

    certificate_outline_id: str | None
    title: str | None
    group_id: str | None
    created_at: str | None


class CreatedCertificateOutline(TypedDict):
    """Result of ``create_certificate_outline``."""

    certificate_outline_id: str
    title: str
    outcome: Literal["created", "updated", "already_exists"]


class UpdatedCertificateOutline(TypedDict):
    """Result of ``update_certificate_outline``."""

    certificate_outline_id: str
    outcome: Literal["updated"]


class DeletedCertificateOutline(TypedDict):
    """Result of ``delete_certificate_outline``."""

    certificate_outline_id: str
    outcome: Literal["deleted", "not_found"]
