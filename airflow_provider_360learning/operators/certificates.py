"""Operators for certificates of users, and for the outlines that they are made from. Only API v2 has them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.task_mixins import fail_on_permanent_error

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, IfSessionExists
    from airflow_provider_360learning.files.storage import StoragePath


log = get_logger(__name__)


class Learning360ImportUserCertificateOperator(Learning360BaseOperator):
    """
    Import a certificate of a user as a PDF file (``createUserCertificate``), unless the user has it.

    Only API v2 has it. Returns ``{"user", "certificate_id", "outcome"}``; ``outcome`` is ``imported`` or
    ``already_exists``.

    :param user: Email address or id of the user.
    :param title: Title of the certificate.
    :param delivered_at: When it was delivered: a timestamp with a time zone, not in the future.
    :param file: The certificate as a PDF file: its path, for the hook an ``Upload``.
    :param expires_at: When it expires. 360Learning refuses it for an outline that has a period of validity.
    :param certificate_outline_id: Id of the outline that it belongs to.
    :param certificate_outline: Title of the outline instead of ``certificate_outline_id``.
    :param if_exists: ``skip`` leaves a certificate with the same title and time of delivery unchanged; ``fail`` fails,
        also when a task is retried that has imported it.
    """

    action = "import_user_certificate"
    uploads = ("file",)
    name_arguments = ("user", "title")

    def __init__(
        self,
        *,
        user: str,
        title: str,
        delivered_at: str | datetime,
        file: StoragePath,
        expires_at: str | datetime | None = None,
        certificate_outline_id: str | None = None,
        certificate_outline: str | None = None,
        if_exists: IfSessionExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateCertificatePrivacyOperator(Learning360BaseOperator):
    """
    Set who can see certificates of a user (``updateUserCertificatesPrivacyLevel``).

    Only API v2 has it. Returns ``{"user", "outcome": "updated", "certificates"}``, the number of certificates.

    :param user: Email address or id of the user.
    :param certificate_ids: Ids of certificates of this user.
    :param public: Whether others can see them.
    """

    action = "update_certificate_privacy"
    name_arguments = ("user", "certificate_ids")

    def __init__(self, *, user: str, certificate_ids: Sequence[str], public: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DownloadCertificateOperator(Learning360BaseOperator):
    """
    Write a certificate of a user to a PDF file (``getUserCertificateAsPdf``).

    Only API v2 has it. Returns ``{"output_path", "bytes"}``.

    :param user: Email address or id of the user.
    :param certificate_id: Id of the certificate.
    :param output_path: Path of the file, also in an object store; it is replaced.
    """

    actions = ("get_user",)
    name_arguments = ("user", "certificate_id")
    user: str
    certificate_id: str
    output_path: StoragePath

    def __init__(self, *, user: str, certificate_id: str, output_path: StoragePath, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    def execute(self, context: Context) -> object:
        """Write the file, log where, and return its path."""
        from airflow_provider_360learning.api.operation_calls import check_name

        operation = "getUserCertificateAsPdf"
        with self.hook.log_api_usage(), fail_on_permanent_error():
            check_name(self.hook.api.client.spec, operation)
            user_id = self.hook.api.get_user(user=self.user)["user_id"]
            path_params = {"userId": user_id, "certificateId": self.certificate_id}
            written = self.hook.call(operation, path_params=path_params, output_path=self.output_path)
            log.info("Wrote certificate %s of user %s to %s", self.certificate_id, self.user, self.output_path)
        return written


class Learning360CreateCertificateOutlineOperator(Learning360BaseOperator):
    """
    Create an outline of certificates (``createCertificateOutline``), unless the group has one of this title.

    Only API v2 has it. Returns ``{"certificate_outline_id", "title", "outcome"}``; ``outcome`` is ``created``,
    ``already_exists`` or ``updated``.

    :param title: Title.
    :param group_id: Id of the group that it belongs to.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param body_html: Text of a certificate as HTML, with tags such as ``[person_first_name]`` and ``[path_title]``.
    :param subtitle: Subtitle.
    :param validity_months: Number of months for which a certificate is valid.
    :param validity_wording: Text that shows the validity. It has the tag ``[validity_period]``.
    :param reference_number_wording: Text that shows the reference number. It has the tag ``[reference_number]``.
    :param verification_url_wording: Text that shows where a certificate is verified. It has the tag
        ``[authenticity_verification_url]``.
    :param background_image_id: Id of the medium that is the background.
    :param logo_image_id: Id of the medium that is the logo at the top.
    :param if_exists: ``skip`` leaves an outline of the group with this title unchanged; ``update`` updates it; ``fail``
        fails, also when a task is retried that has created the outline.
    """

    action = "create_certificate_outline"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("title", "group", "group_id")

    def __init__(
        self,
        *,
        title: str,
        group_id: str | None = None,
        group: str | None = None,
        body_html: str,
        subtitle: str | None = None,
        validity_months: int | None = None,
        validity_wording: str | None = None,
        reference_number_wording: str | None = None,
        verification_url_wording: str | None = None,
        background_image_id: str | None = None,
        logo_image_id: str | None = None,
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateCertificateOutlineOperator(Learning360BaseOperator):
    """
    Change an outline of certificates (``updateCertificateOutline``); fields that are not given keep their values.

    Only API v2 has it. Returns ``{"certificate_outline_id", "outcome": "updated"}``.

    :param certificate_outline_id: Id of the outline.
    :param certificate_outline: Title of the outline instead of ``certificate_outline_id``.
    :param title: New title.
    :param group_id: Id of the group that it is to belong to.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param body_html: New text of a certificate as HTML.
    :param subtitle: Subtitle.
    :param validity_months: Number of months for which a certificate is valid.
    :param validity_wording: Text that shows the validity. It has the tag ``[validity_period]``.
    :param reference_number_wording: Text that shows the reference number. It has the tag ``[reference_number]``.
    :param verification_url_wording: Text that shows where a certificate is verified. It has the tag
        ``[authenticity_verification_url]``.
    :param background_image_id: Id of the medium that is the background.
    :param logo_image_id: Id of the medium that is the logo at the top.
    """

    action = "update_certificate_outline"
    required_pairs = (("certificate_outline_id", "certificate_outline"),)
    name_arguments = ("certificate_outline", "certificate_outline_id")

    def __init__(
        self,
        *,
        certificate_outline_id: str | None = None,
        certificate_outline: str | None = None,
        title: str | None = None,
        group_id: str | None = None,
        group: str | None = None,
        body_html: str | None = None,
        subtitle: str | None = None,
        validity_months: int | None = None,
        validity_wording: str | None = None,
        reference_number_wording: str | None = None,
        verification_url_wording: str | None = None,
        background_image_id: str | None = None,
        logo_image_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteCertificateOutlineOperator(Learning360BaseOperator):
    """
    Delete an outline of certificates (``deleteCertificateOutline``). 360Learning refuses it while a path uses it.

    Only API v2 has it. Returns ``{"certificate_outline_id", "outcome"}``; ``outcome`` is ``deleted`` or ``not_found``.

    :param certificate_outline_id: Id of the outline.
    :param certificate_outline: Title of the outline instead of ``certificate_outline_id``. A title that no outline has
        is an error, also with ``if_missing``.
    :param if_missing: ``skip`` succeeds if the outline does not exist; ``fail`` fails, also when a task is retried that
        has deleted the outline.
    """

    action = "delete_certificate_outline"
    required_pairs = (("certificate_outline_id", "certificate_outline"),)
    name_arguments = ("certificate_outline", "certificate_outline_id")

    def __init__(
        self,
        *,
        certificate_outline_id: str | None = None,
        certificate_outline: str | None = None,
        if_missing: IfMissing = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
