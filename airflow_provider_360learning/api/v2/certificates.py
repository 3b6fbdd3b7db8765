"""Certificates of users, and the outlines that they are made from, which API v2 alone has."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.certificate_results import (
    CertificateOutlineRecord,
    CertificateRecord,
    CreatedCertificateOutline,
    DeletedCertificateOutline,
    ImportedCertificate,
    UpdatedCertificateOutline,
    UpdatedCertificatePrivacy,
)
from airflow_provider_360learning.api.existing import outcome_of_existing
from airflow_provider_360learning.api.fields import first_string, number, string
from airflow_provider_360learning.api.models.certificates import (
    CreateCertificateOutline,
    DeleteCertificateOutline,
    ImportUserCertificate,
    ListCertificateOutlines,
    ListUserCertificates,
    UpdateCertificateOutline,
    UpdateCertificatePrivacy,
)
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.timestamps import Interval, read_timestamp, write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.timestamps import at_or_after, before
from airflow_provider_360learning.exceptions import AlreadyExistsError, NotFoundError, OutcomeUnknownError


def _neutral_certificate(item: ResponseObject) -> CertificateRecord:
    return {
        "certificate_id": string(item, "_id"),
        "type": string(item, "type"),
        "title": string(item, "title"),
        "delivered_at": read_timestamp("deliveryDate", item.get("deliveryDate")),
        "expires_at": read_timestamp("expirationDate", item.get("expirationDate")),
        "validity_months": number(item, "validityPeriod"),
        "certificate_outline_id": string(item, "certificateOutlineId"),
        "path_id": string(item, "pathId"),
        "path_name": string(item, "pathName"),
        "session_id": string(item, "pathSessionId"),
    }


def _outline_body(arguments: CreateCertificateOutline | UpdateCertificateOutline) -> JsonObject:
    return {
        "title": arguments.title,
        "groupId": arguments.group_id,
        "bodyHtml": arguments.body_html,
        "subtitle": arguments.subtitle,
        "validityPeriod": arguments.validity_months,
        "validityPeriodWording": arguments.validity_wording,
        "referenceNumberWording": arguments.reference_number_wording,
        "authenticityVerificationUrlWording": arguments.verification_url_wording,
        "backgroundImageId": arguments.background_image_id,
        "logoImageId": arguments.logo_image_id,
    }


class CertificateActions(Lookups):
    """List and import certificates of users; create, read, change and delete outlines."""

    @action(ListUserCertificates)
    def list_user_certificates(self, arguments: ListUserCertificates) -> ActionSteps[list[CertificateRecord]]:
        """
        Return the certificates of a user (``getUserCertificates``).

        ``type`` is ``path`` for one that a path session delivered, and ``external`` for one that was imported.

        :raises NotFoundError: if the user does not exist.
        """
        user_id = yield from self.user_id_of(arguments.user)
        return (yield from self._certificates(user_id, arguments))

    @action(ImportUserCertificate)
    def import_user_certificate(self, arguments: ImportUserCertificate) -> ActionSteps[ImportedCertificate]:
        """
        Import a certificate of a user as a PDF file (``createUserCertificate``), unless the user has it.

        The certificates of the user are listed first, and again if the outcome of the import is unknown; the import is
        never sent twice. That a certificate is the same if title and time of delivery are is an assumption.

        :return: ``outcome`` is ``imported`` or ``already_exists``; then ``certificate_id`` can be ``None``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the user has the certificate.
        :raises NotFoundError: if the user or the outline does not exist.
        :raises InvalidRequestError: if it is delivered in the future, or has an expiration besides that of its outline.
        :raises OutcomeUnknownError: if the outcome is unknown, and the certificate is not listed (yet).
        """
        user = arguments.user
        user_id = yield from self.user_id_of(user)
        found = yield from self._find_certificate(user_id, arguments)
        if found is not None:
            if arguments.if_exists == "fail":
                raise AlreadyExistsError(
                    f"The user has the certificate {arguments.title!r:.200} already: {found}",
                    operation="createUserCertificate",
                )
            return {"user": user, "certificate_id": found, "outcome": "already_exists"}
        try:
            created = yield _import(user_id, arguments)
            certificate_id = first_string(created, "_id")
        except OutcomeUnknownError as unknown:
            certificate_id = yield from confirm_by_lookup(unknown, self._find_certificate(user_id, arguments))
        except AlreadyExistsError:
            if arguments.if_exists == "fail":
                raise
            return {"user": user, "certificate_id": None, "outcome": "already_exists"}
        return {"user": user, "certificate_id": certificate_id, "outcome": "imported"}

    @action(
        UpdateCertificatePrivacy,
        write=WriteSpec("updateUserCertificatesPrivacyLevel", key=("user", "certificate_ids")),
    )
    def update_certificate_privacy(self, arguments: UpdateCertificatePrivacy) -> ActionSteps[UpdatedCertificatePrivacy]:
        """
        Set who can see certificates of a user (``updateUserCertificatesPrivacyLevel``).

        :raises NotFoundError: if the user does not exist, or does not have one of the certificates.
        :raises RefusedError: if the settings of the company do not allow it.
        """
        user_id = yield from self.user_id_of(arguments.user)
        ids = list(arguments.certificate_ids)
        body: JsonObject = {"certificateIds": ids, "isPublic": arguments.public}
        yield Call("updateUserCertificatesPrivacyLevel", path={"userId": user_id}, body=body)
        return {"user": arguments.user, "outcome": "updated", "certificates": len(ids)}

    @action(ListCertificateOutlines)
    def list_certificate_outlines(
        self, arguments: ListCertificateOutlines
    ) -> ActionSteps[list[CertificateOutlineRecord]]:
        """Return the outlines of certificates (``getCertificateOutlines``)."""
        items = yield Call("getCertificateOutlines", query={"groupId[eq]": arguments.group_id})
        return [
            {
                "certificate_outline_id": string(item, "_id"),
                "title": string(item, "title"),
                "group_id": string(item, "groupId"),
                "created_at": read_timestamp("createdAt", item.get("createdAt")),
            }
            for item in items
        ]

    @action(
        CreateCertificateOutline,
        write=WriteSpec("createCertificateOutline", key=("title", "group_id"), makes="certificate_outline_id"),
    )
    def create_certificate_outline(self, arguments: CreateCertificateOutline) -> ActionSteps[CreatedCertificateOutline]:
        """
        Create an outline of certificates (``createCertificateOutline``), unless the group has one of this title.

        Outlines are listed first, and again if the outcome of the creation is unknown; the creation is never sent
        twice.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the outline exists.
        :raises NotFoundError: if the group or a medium does not exist.
        :raises OutcomeUnknownError: if the outcome is unknown, and the outline is not listed (yet).
        """
        title, body = arguments.title, _outline_body(arguments)
        found = yield from self._find_outline(arguments)
        if found is not None:
            update, operation = _update_outline(found, body), "createCertificateOutline"
            outcome = yield from outcome_of_existing(
                arguments.if_exists, f"The outline {title!r:.200}", found, update, operation
            )
            return {"certificate_outline_id": found, "title": title, "outcome": outcome}
        try:
            outline_id = first_string((yield Call("createCertificateOutline", body=body)), "_id")
        except OutcomeUnknownError as unknown:
            outline_id = yield from confirm_by_lookup(unknown, self._find_outline(arguments))
        return {"certificate_outline_id": outline_id, "title": title, "outcome": "created"}

    @action(
        UpdateCertificateOutline,
        write=WriteSpec("updateCertificateOutline", key=("certificate_outline_id",)),
    )
    def update_certificate_outline(self, arguments: UpdateCertificateOutline) -> ActionSteps[UpdatedCertificateOutline]:
        """
        Change an outline of certificates (``updateCertificateOutline``); fields that are not given keep their values.

        :raises NotFoundError: if the outline, the group or a medium does not exist.
        """
        outline_id = arguments.certificate_outline_id
        yield from _update_outline(outline_id, _outline_body(arguments))
        return {"certificate_outline_id": outline_id, "outcome": "updated"}

    @action(
        DeleteCertificateOutline,
        write=WriteSpec("deleteCertificateOutline", key=("certificate_outline_id",)),
    )
    def delete_certificate_outline(self, arguments: DeleteCertificateOutline) -> ActionSteps[DeletedCertificateOutline]:
        """
        Delete an outline of certificates (``deleteCertificateOutline``).

        :raises NotFoundError: with ``if_missing="fail"``, if the outline does not exist.
        :raises RefusedError: if a path uses it.
        """
        outline_id = arguments.certificate_outline_id
        try:
            yield Call("deleteCertificateOutline", path={"certificateOutlineId": outline_id})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"certificate_outline_id": outline_id, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"certificate_outline_id": outline_id, "outcome": "not_found"}
        return {"certificate_outline_id": outline_id, "outcome": "deleted"}

    def _certificates(self, user_id: str, arguments: ListUserCertificates) -> ActionSteps[list[CertificateRecord]]:
        delivered = Interval(arguments.delivered_after, arguments.delivered_before)
        expires = Interval(arguments.expires_after, arguments.expires_before)
        query: JsonObject = {**_filter("deliveryDate", delivered), **_filter("expirationDate", expires)}
        items = yield from all_items(Call("getUserCertificates", path={"userId": user_id}, query=query))
        found = [_neutral_certificate(item) for item in items]
        # The filters have a precision of one second.
        return [each for each in found if delivered.has(each["delivered_at"]) and expires.has(each["expires_at"])]

    def _find_certificate(self, user_id: str, arguments: ImportUserCertificate) -> ActionSteps[str | None]:
        delivered_at = write_timestamp(arguments.delivered_at)
        listed = ListUserCertificates(user=arguments.user, delivered_after=arguments.delivered_at)
        for each in (yield from self._certificates(user_id, listed)):
            if normalized(each["title"]) == arguments.title and each["delivered_at"] == delivered_at:
                return each["certificate_id"]
        return None

    def _find_outline(self, arguments: CreateCertificateOutline) -> ActionSteps[str | None]:
        listed = yield from self.list_certificate_outlines.steps(group_id=arguments.group_id)
        found = (each for each in listed if normalized(each["title"]) == arguments.title)
        return next((each["certificate_outline_id"] for each in found), None)


def _import(user_id: str, arguments: ImportUserCertificate) -> Call:
    return Call(
        "createUserCertificate",
        path={"userId": user_id},
        body={
            "title": arguments.title,
            "deliveryDate": write_timestamp(arguments.delivered_at),
            "expirationDate": write_timestamp(arguments.expires_at),
            "certificateOutlineId": arguments.certificate_outline_id,
        },
        files={"file": arguments.file},
    )


def _update_outline(outline_id: str, body: JsonObject) -> ActionSteps[None]:
    yield Call("updateCertificateOutline", path={"certificateOutlineId": outline_id}, body=body)


def _filter(name: str, interval: Interval) -> JsonObject:
    start, end = interval
    return {
        f"{name}[gte]": None if start is None else at_or_after(start),
        f"{name}[lt]": None if end is None else before(end),
    }
