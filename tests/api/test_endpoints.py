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
    assert (endpoint.method, route(path)) == (documented["method"], route(documented["path"]))


@every_endpoint
def test_encodes_the_body_in_a_documented_format(endpoint):
    documented = DOCUMENTED[endpoint.operation]["content_type"]
    assert (CONTENT_TYPES[endpoint.body] in documented) if endpoint.body is not BodyFormat.NONE else documented is None


@every_endpoint
def test_has_the_documented_limits(endpoint):
    if endpoint.operation == "generateToken":  # assumption: counted per address only
        assert set(endpoint.limits) == {WindowLimit("ip_writes", 10, 1.0, LimitScope.ADDRESS)}
        return
    special = DOCUMENTED[endpoint.operation]["rate_limit_route_special"]
    own = {WindowLimit(endpoint.operation, int(special.split(" request")[0]))} if special else set()
    assert set(endpoint.limits) == own | (READS if endpoint.method == "GET" else WRITES)
    if own:
        assert endpoint.limits[0] in own, "a 429 closes the first limit, which must be the narrowest"


def test_has_every_limit_of_a_single_operation():
    assert {
        name: endpoint.limits[0].requests for name, endpoint in API_V1.endpoints.items() if endpoint.has_own_limit
    } == OWN_LIMITS


def test_never_resends_what_is_not_idempotent():
    assert {name for name, endpoint in API_V1.endpoints.items() if not endpoint.may_resend} == {
        "createGroup",
        "createPathSession",
        "importExternalCoursesStats",
    }


def test_states_the_evidence_of_each_operation():
    by_evidence = {evidence: set() for evidence in Evidence}
    for name, endpoint in API_V1.endpoints.items():
        by_evidence[endpoint.evidence].add(name)
    # No recording contains a path, a session, statistics, external contents or a token.
    assert by_evidence[Evidence.RECORDED] == {"createOrInviteUser", "deleteUserFromGroup", "getCourses", "getUser"}
    assert by_evidence[Evidence.ASSUMED] == {"removeUsersFromPathSession"}
