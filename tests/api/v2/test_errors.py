"""How errors of API v2 are read: both envelopes, the class of each documented code, and what the text says to do."""

from __future__ import annotations

import pytest
import tenacity

from airflow_provider_360learning.api import retry
from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v2.errors import classify, parse_error
from airflow_provider_360learning.api.v2.operations import published
from airflow_provider_360learning.api.v2.spec import API_V2
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    BulkApiDisabledError,
    BulkJobsLimitError,
    InvalidRequestError,
    Learning360Error,
    MissingScopeError,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    RefusedError,
    ServerError,
)
from tests.api.support import Response, TinyServer, with_token

CODES = sorted({(code, status) for one in published().values() for code, status in one.get("errors", {}).items()})
TRANSIENT = {"bulkAPIDisabled", "bulkOperationsConcurrencyLimitReached"}


def nested(code, message="A text."):
    return {"error": {"code": code, "message": message}}


def read(status, body, operation="updateUser"):
    return parse_error(operation, status, body, lambda text: text)


@pytest.mark.parametrize(("code", "status"), CODES)
def test_every_documented_code_has_a_class_and_is_permanent_unless_it_is_about_capacity(code, status):
    error = read(status, nested(code))
    assert error.code == code
    assert code in error.message
    assert error.error_class.transient == (code in TRANSIENT)
    if status == 404:
        assert error.error_class is NotFoundError
    assert error == read(status, nested(code))


@pytest.mark.parametrize(
    ("error_class", "codes"),
    [
        (AlreadyExistsError, "mailAlreadyUsed usernameAlreadyUsed mappingAlreadyExists duplicateExternalPlatform"),
        (NotFoundError, "userNotFound userNotFoundInGroup learnerNotEnrolled managerNotAssignedToUser sessionNotFound"),
        (
            RefusedError,
            "userDeleted managerDeleted invalidUpdateOnDeletedUser userIsCompanyOwner groupIsRoot pathArchived "
            "sessionEnded childPathSession rootPathSession sessionNotBelongToPath sessionIsNotAudienceBuilder "
            "tokenBasedPathMode tokenBasedPathAudienceFilter tokenBasedPathExcludedLearners "
            "unsupportedAudienceFilter bulkOperationNotRun",
        ),
        (
            InvalidRequestError,
            "mailInvalid passwordInvalid wrongTypeValue invalidInput inputTooLong invalidStartOrEndDate",
        ),
    ],
)
def test_codes_mean_the_same_as_those_of_api_v1(error_class, codes):
    for code in codes.split():
        assert classify(400, code) is error_class, code


@pytest.mark.parametrize(
    ("status", "code", "error_class"),
    [
        (401, "invalid_token", AuthenticationError),
        (401, "userNotFound", AuthenticationError),
        (429, "tooManyRequests", RateLimitedError),
        (429, None, RateLimitedError),
        (429, "bulkOperationsConcurrencyLimitReached", BulkJobsLimitError),
        (503, "bulkAPIDisabled", BulkApiDisabledError),
        (503, None, ServerError),
        (500, "somethingNew", ServerError),
        (403, None, RefusedError),
        (404, None, InvalidRequestError),
        (400, "somethingNewNotFound", NotFoundError),
        (400, "somethingNew", InvalidRequestError),
        (409, "somethingNew", AlreadyExistsError),
        (302, None, RefusedError),
    ],
)
def test_the_code_decides_first_and_the_status_second(status, code, error_class):
    bodies = [None, [], "text", {}] if code is None else [{"error": code}, nested(code)]
    assert {read(status, body).error_class for body in bodies} == {error_class}


@pytest.mark.parametrize("body", [None, [], {}, {"_id": "1"}, {"error": ""}, {"error": None}, {"errors": 1}])
def test_a_success_without_an_error_reports_none(body):
    assert read(200, body) is None


@pytest.mark.parametrize("body", [{"error": "invalid_scope"}, nested("invalid_scope")])
def test_a_missing_scope_is_named_with_its_operation_and_the_place_where_it_is_granted(make_api, body):
    with TinyServer(with_token(lambda request: Response(body, 403))) as server:
        client = make_api(server.url).client
        with pytest.raises(MissingScopeError) as caught:
            client.call(Call("addUsersToGroups", body={"input": []}))
    error = caught.value
    assert (error.scope, error.code, error.transient) == ("groups:bulk", "invalid_scope", False)
    assert "lack the OAuth scope groups:bulk, which addUsersToGroups needs" in str(error)
    assert "a platform administrator grants it to the connection's client ID" in str(error)
    assert "a restricted one" in str(error)
    assert len(server.requests) == 2, "not sent again"


def test_scopes_are_checked_by_the_sandbox_as_well(sandbox, api):
    sandbox.control.set_scopes(["users:read"])
    assert api.list_users()
    with pytest.raises(MissingScopeError, match="groups:read, which getGroups needs"):
        api.list_groups()
    sandbox.control.set_scopes(None)
    assert api.list_groups()


# What is sent again


@pytest.mark.parametrize("operation", ["addUsersToGroups", "deleteGroups", "importExternalCourses"])
def test_a_job_whose_response_was_lost_is_not_submitted_again(make_api, operation):
    path = {"integrationId": "1"} if operation == "importExternalCourses" else {}
    with TinyServer(with_token(lambda request: Response({}, 503))) as server, pytest.raises(OutcomeUnknownError):
        make_api(server.url).client.call(Call(operation, path=path, body={"input": []}))
    assert len(server.requests) == 2


def test_jobs_that_are_switched_off_were_not_submitted(make_api):
    with (
        TinyServer(with_token(lambda request: Response(nested("bulkAPIDisabled"), 503))) as server,
        pytest.raises(BulkApiDisabledError, match="nothing was submitted") as caught,
    ):
        make_api(server.url).client.call(Call("addUsersToGroups", body={"input": []}))
    assert caught.value.transient
    assert len(server.requests) == 2


def test_the_limit_of_jobs_is_waited_for_and_slows_no_request_down(make_api):
    body = nested("bulkOperationsConcurrencyLimitReached")
    responses = [
        Response([]),
        Response(b"", 202, {"Location": "/api/v2/bulk/operations/1"}),
        Response(body, 429, {"Retry-After": "1"}),
    ]
    with TinyServer(with_token(lambda request: responses.pop())) as server:
        client = make_api(server.url).client
        assert client.call(Call("addUsersToGroups", body={"input": []})) == "1"
        assert client.usage.throttled == 0
        assert client.call(Call("getUsers")).items == []


def test_a_poll_does_not_wait_for_the_limit_of_jobs(make_api):
    body = nested("bulkOperationsConcurrencyLimitReached")
    with TinyServer(with_token(lambda request: Response(body, 429))) as server:
        client = make_api(server.url, client={"max_attempts": 1}).client
        with pytest.raises(BulkJobsLimitError):
            client.call(Call("addUsersToGroups", body={"input": []}))


def test_waits_tens_of_seconds_for_a_job_to_end():
    state = tenacity.RetryCallState(None, None, (), {})
    state.set_exception((BulkJobsLimitError, BulkJobsLimitError("full", status=429), None))
    waits = {retry.seconds_before_retry(state) for _ in range(50)}
    assert min(waits) >= 20
    assert max(waits) <= 40
    assert len(waits) > 1


def test_the_messages_of_errors_are_redacted_and_quoted_in_part(make_api):
    password = "S3cret-password!"

    def respond(request):
        return Response(nested("passwordInvalid", f"{password} is not \x1b[2Jallowed" + "x" * 1000), 400)

    with TinyServer(with_token(respond)) as server:
        call = Call("replacePassword", path={"userId": "1"}, body={"password": password, "passwordMustBeChanged": True})
        with pytest.raises(InvalidRequestError, match=r"passwordInvalid: \*\*\* is not") as caught:
            make_api(server.url).client.call(call)
    assert password not in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_all_classes_belong_to_one_family():
    assert all(issubclass(classify(status, code), Learning360Error) for code, status in CODES)
    assert API_V2.endpoints["updateUser"].scope == "users:write"
