"""Any operation by its name: what is refused before anything is sent, and what is sent twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from airflow_provider_360learning.api.operation_calls import Given, prepare
from airflow_provider_360learning.api.parameters import problems_of
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    OutcomeUnknownError,
    RefusedRowsError,
)
from tests.api.factory import api_factory
from tests.api.support import Request, Response, TinyServer, with_token
from tests.contract.parameters import table as parameters_table

ID = "5f0c7e0a1b2c3d4e5f607182"
JOB = Response(None, 202, {"Location": f"/api/v2/bulk/operations/{ID}"})


def refused(version: str, operation: str, *parameters: Any, paginate: bool = False) -> str:
    """Return the error of an operation that is refused before anything is sent."""
    with pytest.raises(InvalidRequestError) as caught:
        prepare(VERSIONS[version].spec, operation, Given(*parameters), paginate=paginate)
    assert caught.value.status is None
    return str(caught.value.args[0])


@pytest.mark.parametrize(
    ("version", "operation", "expected"),
    [
        ("v1", "getUzers", "API v1 has no such operation (similar: 'getUsers', 'getUser'"),
        ("v2", "getusers", "API v2 has no such operation (similar: 'getUsers'"),
        ("v2", "v2.users.GetUserController_getUser", "API v2 has no such operation (similar: 'getUser'"),
        ("v2", None, "`airflow learning360 operations` lists them"),
        ("v2", "", "`airflow learning360 operations` lists them"),
    ],
)
def test_an_unknown_operation_is_answered_with_similar_ones(version, operation, expected):
    assert expected in refused(version, operation)


@pytest.mark.parametrize(
    ("version", "operation", "expected"),
    [
        ("v2", "addManagerToUser", "of API v1, and the connection uses API v2: its counterpart here is addManager"),
        ("v2", "getUserPrograms", "no counterpart of it is known here"),
        ("v1", "addManager", "of API v2, and the connection uses API v1: its counterpart here is addManagerToUser"),
        ("v1", "getSigningSecret", "no counterpart of it is known here"),
        ("v2", "getUserByExternalId", "its counterparts here are getExternalIds, getUser"),
    ],
)
def test_an_operation_of_the_other_version_is_answered_with_its_counterpart(version, operation, expected):
    assert expected in refused(version, operation)
    with pytest.raises(NotAvailableError):
        prepare(VERSIONS[version].spec, operation, Given())


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        (({},), "path_params lacks 'userId'"),
        (({"userid": ID},), "path_params has no 'userid' (similar: 'userId')"),
        (({"userId": "ana@acme.test"},), "path_params.userId is 'ana@acme.test', expected an id of 24 hexadecimal"),
        (({"userId": ID}, {"x": 1}), "query has no 'x'"),
        (({"userId": ID}, {}, {"firstname": "A"}), "body has no 'firstname' (similar: 'firstName', 'lastName')"),
        (({"userId": ID}, {}, {"firstName": 7}), "body.firstName is 7, expected a string"),
        (({"userId": ID}, {}, {"lang": "xx"}), "body.lang is 'xx', expected one of "),
        (({"userId": ID}, {}, [1]), "body is a list, expected an object"),
    ],
)
def test_refuses_invalid_parameters_of_api_v2(parameters, expected):
    assert expected in refused("v2", "updateUser", *parameters)


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("getUser", ({"user": ""},), "path_params.user is '', expected at least 1 characters"),
        ("getUser", ({"user": ["a@acme.test"]},), "path_params.user is of type list, expected a string"),
        ("getUser", ({"user": True},), "path_params.user is of type bool, expected a string"),
        ("deleteCustomLink", (), "query lacks 'type'"),
        ("getCourses", ({}, {"modifiedafter": "x"}), "(similar: 'modifiedAfter'"),
        ("getCourses", ({}, {}, {"x": 1}), "body is given, but the operation has none"),
        ("createGroup", ({}, {}, {"name": "x"}), "body lacks 'public'"),
        ("createGroup", ({}, {}, {"name": "x", "public": "perhaps"}), "body.public is 'perhaps', expected a boolean"),
        ("createGroup", ({}, {}, {"name": "x", "public": True, "parents": "y"}), "(similar: 'parent')"),
        ("updateGroup", ({"group_id": ID}, {}, {"custom": None}), "body.custom is None, which a form cannot contain"),
        ("addToGroupCatalog", ({"group_id": ID}, {}, {"courses": []}), "body.courses is empty, which a form cannot"),
        (
            "createOrInviteUser",
            ({}, {}, {"mail": "a@b.c", "customFields": [{"value": None}]}),
            "body.customFields[0].value is None, which a form cannot contain: leave it out",
        ),
        ("postSkills", ({}, {}, {"name": "x"}), "body is an object, expected a list"),
        ("postSkills", ({}, {}, ["x"]), "body[0] is 'x', expected an object"),
    ],
)
def test_refuses_invalid_parameters_of_api_v1(operation, parameters, expected):
    assert expected in refused("v1", operation, *parameters)


@pytest.mark.parametrize(
    ("operation", "parameters", "expected"),
    [
        ("uploadUserMedia", ({"userId": ID},), "files lacks 'profileImage'"),
        (
            "uploadUserMedia",
            ({"userId": ID}, {}, {"profileImage": "/data/ana.png"}),
            "body.profileImage is a file: give its path in files",
        ),
        (
            "updatePath",
            ({"pathId": ID}, {}, {"coverPicture": "/data/a.png"}),
            "expected an id of 24 hexadecimal digits",
        ),
        ("updatePath", ({"pathId": ID}, {}, {"coAuthorIds": []}), "body.coAuthorIds is empty, which a form cannot"),
        (
            "updatePath",
            ({"pathId": ID}, {}, {"certificateId": None}),
            "body.certificateId is None, which a form cannot",
        ),
    ],
)
def test_refuses_what_a_multipart_body_of_api_v2_cannot_contain(operation, parameters, expected):
    assert expected in refused("v2", operation, *parameters)


def test_the_id_of_an_image_may_be_given_in_the_place_of_its_file():
    assert prepare(VERSIONS["v2"].spec, "updatePath", Given({"pathId": ID}, {}, {"coverPicture": ID}))


def test_accepts_more_fields_where_not_all_are_known():
    assert prepare(VERSIONS["v1"].spec, "updateSkill", Given({"skill_id": "1"}, {}, {"isNew": 1})).call.body == {
        "isNew": 1
    }


def test_accepts_booleans_of_forms_and_queries_as_strings():
    v1, v2 = VERSIONS["v1"].spec, VERSIONS["v2"].spec
    assert prepare(v1, "createGroup", Given({}, {}, {"name": "x", "public": "true"}))
    for value in (True, "true"):
        assert prepare(v2, "pseudonymizeUser", Given({"userId": ID}, {"deleteExternalIds": value}))


def test_names_the_place_in_the_alternative_that_is_meant():
    body = {"filters": [{"type": "users", "ids": ["no-id"]}], "mode": "manual"}
    text = refused("v2", "updateSessionAudience", {"pathId": ID, "sessionId": ID}, {}, body)
    assert "body.filters[0].ids[0] is 'no-id', expected an id of 24 hexadecimal digits" in text


def test_quotes_no_password():
    text = refused("v2", "replacePassword", {"userId": ID}, {}, {"password": 31415926})
    assert "body.password is invalid" in text
    assert "31415926" not in text


def test_lists_a_limited_number_of_problems():
    body = {"input": [{"groupId": index} for index in range(100)]}
    text = refused("v2", "deleteGroups", {}, {}, body)
    assert text.count(";") < 12
    assert " more. Nothing was sent" in text


def test_refuses_pages_of_what_is_no_list():
    assert "paginate is True, but it returns no list" in refused("v1", "getUser", {"user": "a"}, paginate=True)
    assert prepare(VERSIONS["v1"].spec, "getUsers", Given(), paginate=True)


def test_every_keyword_of_the_schemas_is_checked():
    """A keyword that the check does not know would be passed over."""
    known = {"type", "enum", "pattern", "properties", "required", "additionalProperties", "items", "anyOf"}
    known |= {"minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems"}

    def keywords(schema: Any) -> Iterator[str]:
        if not isinstance(schema, dict):
            return
        yield from schema
        for each in schema.get("properties", {}).values():
            yield from keywords(each)
        for each in (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ())):
            yield from keywords(each)

    entries = json.loads(parameters_table()).values()
    schemas = [
        s for one in entries for s in (*one.get("path", {}).values(), *one.get("query", {}).values(), one.get("body"))
    ]
    assert {name for schema in schemas for name in keywords(schema)} <= known


@pytest.mark.parametrize(
    ("value", "schema"),
    [
        (True, {"type": "integer"}),
        (1.5, {"type": "integer"}),
        ("", {"minLength": 1}),
        ("abc", {"maxLength": 2}),
        (0, {"minimum": 1}),
        (2, {"maximum": 1}),
        ([], {"minItems": 1}),
        ([1, 2], {"maxItems": 1}),
        (None, {"type": "string"}),
        ({"a": 1}, {"additionalProperties": {"type": "string"}}),
        (1, {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ],
)
def test_finds_what_a_schema_does_not_allow(value, schema):
    assert len(list(problems_of(value, schema, "body"))) == 1


@contextmanager
def serving(responder: Callable[[Request], Response], version: str = "v2") -> Iterator[Any]:
    """Yield a function that calls an operation, and the requests that a server received."""

    class Anything:
        url, company_id, api_key, client_id, client_secret = "", ID, "the-api-key", ID, "the-client-secret"

    with TinyServer(with_token(responder)) as server, api_factory(Anything(), version) as make:
        api = make(server.url, client={"sleep": lambda seconds: None})

        def call(operation: str, *parameters: Any, **options: Any) -> Any:
            prepared = prepare(api.client.spec, operation, Given(*parameters), **options)
            return api.client.run(prepared.steps(api.jobs))

        yield call, lambda: [each for each in server.requests if "oauth2" not in each.target]


def in_turn(*responses: Response) -> Callable[[Request], Response]:
    """Return a responder with one response after the other; the last one stays."""
    left = list(responses)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


GONE = Response({"error": {"code": "groupNotFound", "message": "no such group"}}, 404)


def test_a_deletion_whose_response_was_lost_succeeds_when_nothing_is_left():
    with serving(in_turn(Response(None, 503), GONE)) as (call, sent):
        assert call("deleteGroup", {"groupId": ID}) is None
        assert [each.method for each in sent()] == ["DELETE", "DELETE"]


def test_a_deletion_of_what_never_existed_fails():
    with serving(in_turn(GONE)) as (call, _), pytest.raises(NotFoundError):
        call("deleteGroup", {"groupId": ID})


def test_a_creation_whose_response_was_lost_is_not_sent_again():
    body = {"name": "Sales", "public": True}
    with serving(in_turn(Response(None, 503)), "v1") as (call, sent):
        with pytest.raises(OutcomeUnknownError, match="createGroup"):
            call("createGroup", {}, {}, body)
        assert len(sent()) == 1


@pytest.mark.parametrize(
    ("operation", "path", "body"),
    [
        ("createOrInviteUser", {}, {"mail": "ana@acme.test"}),
        (
            "importExternalCourses",
            {"group_id": ID, "external_platform": "x"},
            {"authorId": ID, "externalCourses": [{"id": "1"}]},
        ),
    ],
)
def test_a_creation_that_only_its_action_may_repeat_is_not_sent_again(operation, path, body):
    exists = Response({"error": "user_already_exists"}, 400)
    with serving(in_turn(Response(None, 503), exists), "v1") as (call, sent):
        with pytest.raises(OutcomeUnknownError, match=operation):
            call(operation, path, {}, body)
        assert len(sent()) == 1


def test_a_job_whose_submission_was_lost_is_not_submitted_again():
    with serving(in_turn(Response(None, 503))) as (call, sent):
        with pytest.raises(OutcomeUnknownError, match="deleteGroups"):
            call("deleteGroups", {}, {}, {"input": [{"groupId": ID}]})
        assert len(sent()) == 1


OTHER_ID = "5f0c7e0a1b2c3d4e5f607183"
DONE = {"status": "success", "input": {"groupId": ID}}
REFUSED = {"status": "error", "errorMessage": "unknown", "input": {"groupId": OTHER_ID}}


def _job_responder(*states: Response, results: Sequence[object] = ()) -> Callable[[Request], Response]:
    polls = in_turn(*states)

    def respond(request: Request) -> Response:
        if request.target.endswith("/results"):
            return Response(list(results))
        return polls(request) if request.method == "GET" else JOB

    return respond


def _state(name: str) -> Response:
    return Response({"_id": ID, "type": "deleteGroups", "status": name, "createdAt": "2026-01-31T08:00:00.000Z"})


def test_a_job_is_awaited_and_its_results_are_returned():
    with serving(_job_responder(_state("queued"), _state("completed"), results=[DONE])) as (call, sent):
        assert call("deleteGroups", {}, {}, {"input": [{"groupId": ID}]}) == [DONE]
    assert [each.method for each in sent()] == ["DELETE", "GET", "GET", "GET"]


def test_a_job_that_refuses_rows_is_an_error_with_all_results(caplog):
    responder = _job_responder(_state("completed"), results=[DONE, REFUSED])
    with serving(responder) as (call, _), pytest.raises(RefusedRowsError) as raised:
        call("deleteGroups", {}, {}, {"input": [{"groupId": ID}, {"groupId": OTHER_ID}]})
    assert raised.value.results == [DONE, REFUSED]
    problem = f"Bulk job {ID} has refused 1 of 2 rows; the others are done: row 2: unknown"
    assert str(raised.value) == f"{problem} [deleteGroups]"
    assert caplog.messages.count("deleteGroups: 360Learning refuses row 2: unknown") == 1


def test_a_job_that_is_not_awaited_is_returned():
    with serving(_job_responder(_state("queued"))) as (call, sent):
        assert call("deleteGroups", {}, {}, {"input": [{"groupId": ID}]}, wait_for_job=False) == {"job_id": ID}
        assert len(sent()) == 1


def test_a_job_whose_results_cannot_be_read_is_named_and_not_submitted_again():
    gone = Response({"error": {"code": "bulkOperationNotFound", "message": ""}}, 404)
    with serving(_job_responder(gone)) as (call, sent):
        with pytest.raises(OutcomeUnknownError, match=f"Bulk job {ID} was submitted"):
            call("deleteGroups", {}, {}, {"input": [{"groupId": ID}]})
        assert [each.method for each in sent()] == ["DELETE", "GET"]


def _two_pages(request: Request) -> Response:
    if "next=" in request.target:
        return Response([{"_id": "2"}])
    return Response([{"_id": "1"}], headers={"Link": '</api/v2/users?next=b>; rel="next"'})


def test_pages_are_followed_if_that_is_wanted(caplog):
    caplog.set_level("INFO")
    with serving(_two_pages) as (call, _):
        assert call("getUsers", paginate=True) == [{"_id": "1"}, {"_id": "2"}]
        assert "first page" not in caplog.text
        assert call("getUsers") == [{"_id": "1"}]
        assert "getUsers returned the first page of its list: items=1" in caplog.text


def test_none_in_a_body_is_sent_as_null():
    with serving(in_turn(Response({"_id": ID}))) as (call, sent):
        call("updateSlotRegistration", {"classroomSlotId": ID, "slotRegistrationId": ID}, {}, {"hasAttended": True})
    assert sent()[0].json == {"hasAttended": True}
    prepared = prepare(VERSIONS["v1"].spec, "updateSkill", Given({"skill_id": "1"}, {}, {"color": None}))
    assert prepared.call.nulls == ("color",)
