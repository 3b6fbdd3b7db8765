"""What the actions on certificates did."""

from __future__ import annotations

from airflow_provider_360learning.api.certificate_results import (
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
    UpdateCertificateOutline,
    UpdateCertificatePrivacy,
)
from airflow_provider_360learning.api.sentences.parts import changed, deletion, label, outcome_sentence, quoted
from airflow_provider_360learning.api.text import counted


@outcome_sentence.register
def _imported_certificate(arguments: ImportUserCertificate, result: ImportedCertificate) -> str:
    certificate = f"{label(arguments.title, result['certificate_id'])} of user {quoted(arguments.user)}"
    if result["outcome"] == "already_exists":
        return f"Certificate {certificate} already exists; unchanged"
    return f"Imported certificate {certificate}"


@outcome_sentence.register
def _updated_privacy(arguments: UpdateCertificatePrivacy, result: UpdatedCertificatePrivacy) -> str:
    access = "public" if arguments.public else "private"
    return f"Made {counted(result['certificates'], 'certificate')} of user {quoted(arguments.user)} {access}"


@outcome_sentence.register
def _created_outline(arguments: CreateCertificateOutline, result: CreatedCertificateOutline) -> str:
    outline = label(result["title"], result["certificate_outline_id"])
    if result["outcome"] == "already_exists":
        return f"Certificate outline {outline} already exists; unchanged"
    if result["outcome"] == "updated":
        return f"Updated certificate outline {outline}"
    return f"Created certificate outline {outline} in group {label(arguments.group, arguments.group_id)}"


@outcome_sentence.register
def _updated_outline(arguments: UpdateCertificateOutline, result: UpdatedCertificateOutline) -> str:
    fields = changed(arguments, {"certificate_outline_id", "certificate_outline"})
    outline = label(arguments.certificate_outline, result["certificate_outline_id"])
    return f"Updated {fields} of certificate outline {outline}"


@outcome_sentence.register
def _deleted_outline(arguments: DeleteCertificateOutline, result: DeletedCertificateOutline) -> str:
    outline = label(arguments.certificate_outline, result["certificate_outline_id"])
    return deletion("certificate outline", outline, result["outcome"] == "deleted")
