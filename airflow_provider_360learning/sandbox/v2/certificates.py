"""Certificates of users, and the outlines that they are made from."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Certificate, CertificateOutline, Person
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import dates, ids

operations = Operations()

#: Maximum number of certificates whose privacy one request changes. A maximum is documented, its figure is not.
_MAX_CERTIFICATES = 1000
_IMAGES = "Images are those of users and groups."
#: Fields of an outline that show something, and the tag that each must have (documented).
_TAGS = {
    "validityPeriodWording": "[validity_period]",
    "referenceNumberWording": "[reference_number]",
    "authenticityVerificationUrlWording": "[authenticity_verification_url]",
}


@operations.add(
    "getUserCertificates",
    "GET",
    "/users/{userId}/certificates",
    scope="users:read",
    page_size=1000,
    filters=dates("deliveryDate", "expirationDate"),
    assumes="A path delivers a certificate to each learner who completes a session with success. One without an"
    " expiration fulfills no filter on it.",
)
def get_user_certificates(call: Call) -> Response:
    """List the certificates of a user."""
    person = call.person(call.path["userId"])
    found = [
        each
        for each in call.company.learners.certificates_of(person)
        if call.conditions.hold(deliveryDate=each.delivered_at, expirationDate=each.expires_at)
    ]
    return call.page(found, lambda each: _certificate(call, each))


@operations.add(
    "createUserCertificate",
    "POST",
    "/users/{userId}/certificates",
    scope="users:write",
    bodies=("multipart",),
    assumes="A certificate is the same if its title and its delivery date are. An outline that has a period of validity"
    " sets the expiration. The content of the file is not kept.",
)
def create_user_certificate(call: Call) -> Response:
    """Import a certificate."""
    call.require("deliveryDate", "title", "file")
    call.file("file", "application/pdf")
    person, title = _active(call), str(call.text("title"))
    delivered_at, expires_at = call.date("deliveryDate") or 0.0, call.date("expirationDate")
    outline_id = call.id("certificateOutlineId")
    outline = None if outline_id is None else _found(call, outline_id)
    if delivered_at > call.now:
        raise ApiError(400, "deliveryDateInFuture")
    if expires_at is not None and expires_at < delivered_at:
        raise ApiError(400, "expiryDateBeforeDeliveryDate")
    if outline is not None and outline.validity_months is not None:
        if expires_at is not None:
            raise ApiError(400, "unexpectedExpiryDate")
        expires_at = outline.expiration(delivered_at)
    known = ((each.user, each.title, each.delivered_at) for each in call.state.certificates.values())
    if (person.id, title, delivered_at) in known:
        raise ApiError(400, "CertificateAlreadyImported")
    made = Certificate(call.state.new_id(), person.id, title, delivered_at, expires_at, outline_id)
    call.state.put_certificate(made)
    return Response(_certificate(call, made), 201)


@operations.add(
    "getUserCertificateAsPdf",
    "GET",
    "/users/{userId}/certificates/{certificateId}/pdf",
    scope="users:read",
    assumes="The file is not the imported one.",
)
def get_user_certificate_as_pdf(call: Call) -> Response:
    """Return a certificate as a PDF file, which shows its title."""
    certificate = _of_user(call, call.person(call.path["userId"]), call.path["certificateId"])
    return Response(_pdf(certificate.title), headers={"Content-Type": "application/pdf"})


@operations.add(
    "updateUserCertificatesPrivacyLevel",
    "PATCH",
    "/users/{userId}/certificates/privacy-level",
    scope="users:write",
    bodies=("json",),
    assumes=f"At most {_MAX_CERTIFICATES:,} certificates; a certificate of another user is not found.",
)
def update_user_certificates_privacy_level(call: Call) -> Response:
    """Set who can see certificates."""
    call.require("certificateIds", "isPublic")
    ids, public = call.ids("certificateIds") or [], bool(call.boolean("isPublic"))
    if public and not call.settings.public_certificates:
        raise ApiError(400, "privacyLevelNotAllowedByCompanySettings")
    if len(ids) > _MAX_CERTIFICATES:
        raise ApiError(400, "tooManyCertificatesToUpdate")
    person = call.person(call.path["userId"])
    for certificate in [_of_user(call, person, id) for id in ids]:
        call.state.put_certificate(replace(certificate, public=public))
    return Response({})


@operations.add(
    "getCertificateOutlines",
    "GET",
    "/certificate-outlines",
    scope="certificateOutlines:read",
    filters=(*dates("createdAt"), ids("groupId")),
)
def get_certificate_outlines(call: Call) -> Response:
    """List all outlines of certificates."""
    return Response(
        [
            _outline(each)
            for each in call.state.certificate_outlines.values()
            if call.conditions.hold(createdAt=each.created_at, groupId=each.group)
        ]
    )


@operations.add(
    "createCertificateOutline",
    "POST",
    "/certificate-outlines",
    scope="certificateOutlines:write",
    bodies=("json",),
    assumes=f"Titles need not be unique. {_IMAGES}",
)
def create_certificate_outline(call: Call) -> Response:
    """Create an outline of certificates."""
    call.require("title", "groupId", "bodyHtml")
    group = call.group(str(call.id("groupId")))
    made = CertificateOutline(call.state.new_id(), str(call.text("title")), group.id, created_at=call.now)
    return _put_outline(call, made)


@operations.add(
    "updateCertificateOutline",
    "PATCH",
    "/certificate-outlines/{certificateOutlineId}",
    scope="certificateOutlines:write",
    bodies=("json",),
    assumes=_IMAGES,
)
def update_certificate_outline(call: Call) -> Response:
    """Change the given fields of an outline; ``null`` clears one."""
    outline = _found(call, call.path["certificateOutlineId"])
    group_id = call.id("groupId")
    group = outline.group if group_id is None else call.group(group_id).id
    return _put_outline(call, replace(outline, title=call.text("title") or outline.title, group=group))


@operations.add(
    "deleteCertificateOutline",
    "DELETE",
    "/certificate-outlines/{certificateOutlineId}",
    scope="certificateOutlines:write",
    assumes="Certificates that belong to it stay.",
)
def delete_certificate_outline(call: Call) -> Response:
    """Delete an outline that no path uses."""
    outline = _found(call, call.path["certificateOutlineId"])
    if any(path.certificate == outline.id for path in call.state.paths.values()):
        raise ApiError(409, "certificateOutlineStillUsed")
    del call.state.certificate_outlines[outline.id]
    return NO_CONTENT


def _certificate(call: Call, certificate: Certificate) -> dict[str, object]:
    outline = call.state.certificate_outlines.get(certificate.outline or "")
    optional = {
        "expirationDate": None if certificate.expires_at is None else iso(certificate.expires_at),
        "validityPeriod": outline and outline.validity_months,
        "certificateOutlineId": certificate.outline,
    }
    if session := call.state.sessions.get(certificate.session or ""):
        path = call.state.paths[session.path]
        optional |= {"pathId": path.id, "pathName": path.name, "pathSessionId": session.id}
    return {
        "_id": certificate.id,
        "type": "path" if session else "external",
        "title": certificate.title,
        "deliveryDate": iso(certificate.delivered_at),
        **{name: value for name, value in optional.items() if value is not None},
    }


def _outline(outline: CertificateOutline) -> dict[str, object]:
    return {
        "_id": outline.id,
        "title": outline.title,
        "groupId": outline.group,
        "createdAt": iso(outline.created_at),
    }


def _put_outline(call: Call, outline: CertificateOutline) -> Response:
    """Store an outline with the fields of the body."""
    images = {name: call.id(name) for name in ("backgroundImageId", "logoImageId") if name in call.fields}
    if not all(image is None or call.state.has_image(image) for image in images.values()):
        raise ApiError(400, "mediaNotFound")
    texts = {name: call.text(name) for name in ("bodyHtml", "subtitle", *_TAGS) if name in call.fields}
    for name, tag in _TAGS.items():
        if (wording := texts.get(name)) is not None and tag not in wording:
            raise ApiError(400, "wordingWithMissingTag")
    months = outline.validity_months
    if "validityPeriod" in call.fields:
        number = call.number("validityPeriod", minimum=1, maximum=12_000)
        months = None if number is None else int(number)
    stored = replace(outline, texts={**outline.texts, **texts, **images}, validity_months=months)
    call.state.put_certificate_outline(stored)
    return Response(_outline(stored))


def _found(call: Call, outline_id: str) -> CertificateOutline:
    outline = call.state.certificate_outlines.get(outline_id)
    if outline is None:
        raise ApiError(404, "certificateOutlineNotFound")
    return outline


def _active(call: Call) -> Person:
    """Return the user of this route, who is not deleted (documented)."""
    person = call.person(call.path["userId"])
    if person.status == "deleted":
        raise ApiError(404, "userNotFound")
    return person


def _of_user(call: Call, person: Person, certificate_id: str) -> Certificate:
    for certificate in call.company.learners.certificates_of(person):
        if certificate.id == certificate_id:
            return certificate
    raise ApiError(404, "certificateNotFound")


def _pdf(title: str) -> bytes:
    """Return a PDF file without pages, whose metadata has the title."""
    text = title.encode("utf-16-be").hex()
    return (
        "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
        f"3 0 obj<</Title<feff{text}>>>endobj\ntrailer<</Root 1 0 R/Info 3 0 R>>\n%%EOF\n"
    ).encode()
