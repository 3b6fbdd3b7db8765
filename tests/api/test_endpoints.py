"""The client's operations agree with the vendor's documentation."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_360learning.api.spec import BodyFormat, Evidence, LimitScope, WindowLimit
from airflow_provider_360learning.api.v1.spec import API_V1

DOCUMENTED = {
    operation["operation"].removesuffix(" (using external ID)"): operation
    for operation in json.loads((Path(__file__).parents[1] / "data" / "api-v1.json").read_text())
}
#: Its method is assumed.
LIBRARY = "addToGroupLibrary"
CONTENT_TYPES = {BodyFormat.FORM: "x-www-form-urlencoded", BodyFormat.JSON: "application/json"}

READS = {
    WindowLimit("company_reads", 50, 1.0, LimitScope.COMPANY),
    WindowLimit("ip_reads", 10, 1.0, LimitScope.ADDRESS),
}
WRITES = {
    WindowLimit("company_writes", 5, 1.0, LimitScope.COMPANY),
    WindowLimit("ip_writes", 10, 1.0, LimitScope.ADDRESS),
}
#: Operations that have a limit of their own in the vendor's overview, in requests per second per company.
OWN_LIMITS = {
    "deleteGroup": 1,
    "importExternalCoursesStats": 1,
    "updatePathSession": 1,
    "createOrInviteUser": 2,
    "deleteUser": 2,
}

every_endpoint = pytest.mark.parametrize("endpoint", API_V1.endpoints.values(), ids=list(API_V1.endpoints))


def route(path: str) -> str:
    """Return a path without names of parameters and trailing slash."""
    return re.sub(r"\{\w+\}", "{}", path).rstrip("/")


@every_endpoint
def test_has_the_documented_method_and_path(endpoint):
    documented = DOCUMENTED[endpoint.operation]
    # The token path does not start with the prefix of v1.
    path = endpoint.path if endpoint.operation == "generateToken" else API_V1.path_prefix + endpoint.path
    method = "(PUT?)" if endpoint.operation == LIBRARY else endpoint.method
    assert (method, route(path)) == (documented["method"], route(documented["path"]))


def test_has_every_operation_whose_path_is_known():
    assert DOCUMENTED.keys() - API_V1.endpoints.keys() == {"getExternalCourse (using course ID)"}
    assert len(API_V1.endpoints) == 97


@every_endpoint
def test_encodes_the_body_in_a_documented_format(endpoint):
    documented = DOCUMENTED[endpoint.operation]["content_type"]
    if endpoint.operation == "removeGroupsFromPathSession":  # assumption: as that of users
        assert (endpoint.body, documented) == (BodyFormat.JSON, None)
        return
    assert (CONTENT_TYPES[endpoint.body] in documented) if endpoint.body is not BodyFormat.NONE else documented is None


@every_endpoint
def test_has_the_documented_limits(endpoint):
    if endpoint.operation == "generateToken":  # assumption: counted per address only
        assert set(endpoint.limits) == {WindowLimit("ip_writes", 10, 1.0, LimitScope.ADDRESS)}
        return
    special = DOCUMENTED[endpoint.operation]["rate_limit_route_special"]
    own = {WindowLimit(endpoint.operation, int(special.split(" request")[0]))} if special else set()
    assert set(endpoint.limits) == own | (READS if endpoint.method in ("GET", "HEAD") else WRITES)
    if own:
        assert endpoint.limits[0] in own, "a 429 closes the first limit, which must be the narrowest"


def test_has_every_limit_of_a_single_operation():
    assert {
        name: endpoint.limits[0].requests for name, endpoint in API_V1.endpoints.items() if endpoint.has_own_limit
    } == OWN_LIMITS


def test_never_resends_what_is_not_idempotent():
    resent = {name for name, endpoint in API_V1.endpoints.items() if endpoint.may_resend}
    posts = {name for name, endpoint in API_V1.endpoints.items() if endpoint.method == "POST"}
    assert len(posts) == 13
    assert posts & resent == {"createOrInviteUser", "generateToken", "importExternalCourses"}
    assert set(API_V1.endpoints) - posts - resent == {"updateClassroomSlot"}


def test_states_the_evidence_of_each_operation():
    by_evidence = {evidence: set() for evidence in Evidence}
    for name, endpoint in API_V1.endpoints.items():
        by_evidence[endpoint.evidence].add(name)
    # No recording contains a path, a session of one, statistics, external contents or a token.
    assert by_evidence[Evidence.RECORDED] == {
        "addGroupToProgramSession",
        "createOrInviteUser",
        "deleteUserFromGroup",
        "deleteUserFromProgramSession",
        "getCourses",
        "getProgramTemplate",
        "getUser",
    }
    code_only = {name for name in API_V1.endpoints if DOCUMENTED[name]["confidence"] == "code"}
    assert by_evidence[Evidence.ASSUMED] == (code_only | {LIBRARY}) - by_evidence[Evidence.RECORDED]
