"""Every documented error is raised as the class that says what it means, whatever its HTTP status is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_360learning import exceptions as errors
from airflow_provider_360learning.api.spec import ResponseShape
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v1.errors import parse_error
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    InvalidConnectionError,
    InvalidRequestError,
    Learning360Error,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
    UnreadableConnectionError,
)
from tests.api.support import Response, TinyServer

INTERNAL_FAILURE = "an error occurred: 0123456789abcdef0123456789abcdef"

#: Class of each documented error code. Codes of invalid arguments are recognized by the start of their text.
CLASSES = {
    "user_already_exists": AlreadyExistsError,
    "invitation_already_exists": AlreadyExistsError,
    "already_invited": AlreadyExistsError,
    "mail_already_exists": AlreadyExistsError,
    "unavailableEmails": RefusedError,
    "faultyInvitations": RefusedError,
    "cannot remove root group": RefusedError,
    "Cannot delete group": RefusedError,
    "Cannot update a non root session": RefusedError,
    "user_not_found": NotFoundError,
    "group_not_found": NotFoundError,
    "path_not_found": NotFoundError,
    "path_session_not_found": NotFoundError,
    "session_owner_group_not_found": NotFoundError,
    "user_not_enrolled": NotFoundError,
    "externalPlatform_not_found": NotFoundError,
    "session_not_found": NotFoundError,
    "program_session_not_found": NotFoundError,
    "slot_not_found": NotFoundError,
    "trainer_<id>_not_found": NotFoundError,
    "unauthorized": AuthenticationError,
}
ARGUMENTS = re.compile(
    r"invalid|missing argument|Request validation failed|Session .*cannot be updated|'toDeactivateAt'"
    r"|user_not_member_of_primaryGroup|bad_request|cannot_update_location|classroom_slot_dates"
)
#: Bodies that are not known, or have no code.
WITHOUT_CODE = ("usual authentication errors", "text unknown")

#: Writes whose response is not read.
ACKNOWLEDGED = [
    name
    for name, each in API_V1.endpoints.items()
    if each.response is ResponseShape.ACKNOWLEDGMENT and not each.is_read
]


def documented_errors():
    """Return operation, status and code of each documented error of our operations."""
    for operation in json.loads((Path(__file__).parents[1] / "data" / "api-v1.json").read_text()):
        if operation["operation"] not in API_V1.endpoints:
            continue
        for error in operation["known_errors"]:
            bodies = [error["body"]] if error["body"].startswith("{") else error["body"].split(" | ")
            for body in bodies:
                code = json.loads(body).get("error") if body.startswith("{") else body
                if code and code not in WITHOUT_CODE:
                    yield operation["operation"], int(error["status"].split()[0]), code


def call_of(operation):
    """Return a call of an operation with any ids in its path."""
    names = re.findall(r"\{(\w+)\}", API_V1.endpoints[operation].path)
    return Call(operation, path=dict.fromkeys(names, "0" * 24))


def test_reads_the_documented_errors():
    assert len(list(documented_errors())) > 40


@pytest.mark.parametrize(("operation", "status", "code"), list(documented_errors()))
def test_classifies_documented_errors(operation, status, code):
    expected = CLASSES.get(code) or (InvalidRequestError if ARGUMENTS.match(code) else None)
    if operation == "generateToken":
        expected = AuthenticationError
    reported = parse_error(operation, status, {"error": code}, str)
    assert (reported.error_class, reported.code) == (expected, code)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (404, None, InvalidRequestError),
        (404, {"message": "Not Found"}, InvalidRequestError),
        (400, None, InvalidRequestError),
        (409, None, AlreadyExistsError),
        (403, None, RefusedError),
        (302, None, RefusedError),
        (429, None, RateLimitedError),
        (429, {"error": "user_not_found"}, RateLimitedError),
        (500, None, ServerError),
        (408, None, ServerError),
        (425, None, ServerError),
        (502, None, ServerError),
        (500, {"error": "user_not_found"}, NotFoundError),
        (400, {"error": INTERNAL_FAILURE}, ServerError),
        (400, {"message": INTERNAL_FAILURE}, ServerError),
        (404, {"error": "failed", "message": INTERNAL_FAILURE}, ServerError),
        (400, {"message": "user_not_found"}, NotFoundError),
        (400, {"message": "Cannot delete group"}, RefusedError),
        (400, {"error": "email_already_used"}, AlreadyExistsError),
        (400, {"message": "email_already_used"}, AlreadyExistsError),
        (400, {"error": "already_invited"}, AlreadyExistsError),
        (200, {"error": "already_invited"}, AlreadyExistsError),
        (200, {"error": "user_not_found"}, NotFoundError),
        (200, {"error": "tooManyRequests"}, RateLimitedError),
        (200, {"error": "some_code"}, RefusedError),
        (200, {"error": {"detail": 1}}, RefusedError),
        (200, {"message": INTERNAL_FAILURE}, ServerError),
    ],
)
def test_classifies_by_code_before_status(status, body, expected):
    assert parse_error("getUser", status, body, str).error_class is expected


@pytest.mark.parametrize(
    "body", [None, {}, [], {"error": None}, {"error": ""}, {"message": "user pseudonymized"}, {"message": 7}, "text"]
)
def test_finds_no_error_in_an_acknowledgment(body):
    assert parse_error("updateUser", 200, body, str) is None


def test_keeps_the_error_text_under_message():
    reported = parse_error("getUser", 400, {"message": "Request validation failed: mail"}, str)
    assert reported.message == "360Learning does not accept an argument (Request validation failed: mail)"
    assert reported.code is None


def test_marks_errors_as_transient_that_a_later_try_may_not_meet():
    family = {each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, Learning360Error)}
    assert {each for each in family if each.transient} == {
        RateLimitedError,
        errors.BulkJobsLimitError,
        ServerError,
        errors.BulkApiDisabledError,
        errors.StorageUnavailableError,
        TransportError,
        UnexpectedResponseError,
        OutcomeUnknownError,
        UnreadableConnectionError,
    }
    assert issubclass(InvalidRequestError, ValueError)
    assert issubclass(NotAvailableError, InvalidRequestError)
    assert issubclass(InvalidConnectionError, ValueError)


def test_does_not_take_a_bare_404_for_a_missing_object(sandbox, api, sent):
    """v1 answers so for unknown routes: with an invalid base URL, "delete if it exists" must not succeed."""
    sandbox.control.add_fault("deleteUser", kind="status", status=404, body={"message": "Not Found"})
    with pytest.raises(InvalidRequestError, match="No such route") as caught:
        api.client.call(call_of("deleteUser"))
    assert not caught.value.transient
    assert len(sent("deleteUser")) == 1


def test_an_error_carries_its_details(api):
    with pytest.raises(NotFoundError) as caught:
        api.client.call(Call("getUser", path={"user": "missing+1@acme.test"}))
    error = caught.value
    assert (error.operation, error.status, error.code) == ("getUser", 400, "user_not_found")
    assert error.url == "GET /api/v1/users/missing%2B1%40acme.test"
    assert str(error) == (
        "Not found (user_not_found): check the id or email address [getUser, GET /api/v1/users/***, 400]"
    )


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, "invalid argument : name"), (403, None), (404, "group_not_found"), (409, None), (400, None)],
)
def test_never_retries_a_4xx(sandbox, api, sent, status, code):
    sandbox.control.add_fault("getGroups", kind="status", status=status, body={"error": code} if code else "", count=9)
    with pytest.raises(Learning360Error):
        api.client.call(Call("getGroups"))
    assert len(sent("getGroups")) == 1


@pytest.mark.slow
@pytest.mark.parametrize("key", ["error", "message"])
def test_retries_a_4xx_that_reports_an_internal_failure(sandbox, api, sent, key):
    sandbox.control.add_fault("getGroups", kind="status", status=400, body={key: INTERNAL_FAILURE})
    assert api.client.call(Call("getGroups"))
    assert [entry["status"] for entry in sent("getGroups")] == [400, 200]


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"text"', b'{"error": 7}', b"\xff\xfe", b"<h1>Bad Gateway</h1>"]
)
def test_reads_any_body_of_an_error(sandbox, make_api, body):
    text = body.decode("latin-1")
    sandbox.control.add_fault("getGroups", kind="status", status=502, body=text)
    with pytest.raises(ServerError, match="HTTP 502"):
        make_api(client={"max_attempts": 1}).client.call(Call("getGroups"))


# Success statuses


def test_most_writes_are_acknowledged():
    assert len(ACKNOWLEDGED) == 50


@pytest.mark.parametrize("operation", ACKNOWLEDGED[::4])
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": "user_not_found"}, NotFoundError),
        ({"error": "not_allowed", "status": "done"}, RefusedError),
        ({"message": INTERNAL_FAILURE}, ServerError),
    ],
)
def test_does_not_accept_an_acknowledgment_that_reports_an_error(make_api, operation, body, expected):
    with TinyServer(lambda request: Response(body)) as server:
        api = make_api(server.url, auth="api_key_header", client={"max_attempts": 1})
        if expected is ServerError and not API_V1.endpoints[operation].may_resend:
            expected = OutcomeUnknownError
        with pytest.raises(expected) as caught:
            api.client.call(call_of(operation))
    assert (caught.value.status, caught.value.code) == (200, body.get("error"))


@pytest.mark.parametrize("body", [b"", {}, {"status": "user_updated"}, {"error": None}, {"message": "done"}])
def test_accepts_an_acknowledgment(make_api, body):
    with TinyServer(lambda request: Response(body)) as server:
        api = make_api(server.url, auth="api_key_header", client={"max_attempts": 1})
        assert api.client.call(call_of("updateUser")) == (body or (None if body == b"" else {}))


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        ("getUsers", {}),
        ("getUser", []),
        ("getUser", {"mail": "a@b.test"}),
        ("getUser", {"_id": ""}),
        ("getGroup", {}),
        ("getGroup", {"name": "Lab"}),
        ("getGroupCatalog", {}),
        ("getGroupCatalog", {"courses": None}),
        ("getUsersPathSessionStats", {}),
        ("getUsersPathSessionStats", {"usersStats": {}}),
        ("getUsersPathSessionStats", {"usersStats": ["x"]}),
        ("getGroups", None),
        ("getGroups", {}),
        ("getGroups", [1]),
    ],
)
def test_does_not_accept_a_response_without_what_is_used(sandbox, make_api, operation, body):
    text = "" if body is None else json.dumps(body)
    sandbox.control.add_fault(operation, kind="status", status=200, body=text)
    with pytest.raises(UnexpectedResponseError, match=r"360Learning's response cannot be used: expected an? "):
        make_api(client={"max_attempts": 1}).client.call(call_of(operation))


@pytest.mark.parametrize("body", [{"courses": []}, {"paths": []}])
def test_accepts_a_catalog_with_one_of_its_lists(sandbox, api, body):
    sandbox.control.add_fault("getGroupCatalog", kind="status", status=200, body=body)
    assert api.client.call(call_of("getGroupCatalog")) == body


@pytest.mark.parametrize("key", ["id", "_id", "sessionId"])
def test_accepts_any_key_of_a_new_session_id(sandbox, api, key):
    """The key is not documented."""
    sandbox.control.settings(session_id_key=key)
    path = api.client.call(Call("getPaths"))[0]
    body = {"sessionName": key, "startDate": "2026-01-01T00:00:00.000Z", "sessionOwnerGroup": path["groupId"]}
    created = api.client.call(Call("createPathSession", path={"path_id": path["_id"]}, body=body))
    assert created[key] in [session["sessionId"] for session in api.client.call(Call("getPathSessions"))]
