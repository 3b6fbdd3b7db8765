"""The client's table of operations says what the vendor documents."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from airflow_provider_360learning.api.spec import BodyFormat, LimitScope, WindowLimit
from airflow_provider_360learning.api.v1.spec import API_V1

DOCUMENTED = {
    operation["operation"].removesuffix(" (using external ID)"): operation
    for operation in json.loads((Path(__file__).parents[1] / "data" / "api-v1.json").read_text())
}
WORDS = {BodyFormat.FORM: "x-www-form-urlencoded", BodyFormat.JSON: "application/json"}

READS = {
    WindowLimit("company_reads", 50, 1.0, LimitScope.COMPANY),
    WindowLimit("ip_reads", 10, 1.0, LimitScope.ADDRESS),
}
WRITES = {
    WindowLimit("company_writes", 5, 1.0, LimitScope.COMPANY),
    WindowLimit("ip_writes", 10, 1.0, LimitScope.ADDRESS),
}
#: The routes that the vendor's overview gives a limit of their own, in requests a second and company.
SPECIAL = {
    "deleteGroup": 1,
    "importExternalCoursesStats": 1,
    "updatePathSession": 1,
    "createOrInviteUser": 2,
    "deleteUser": 2,
}

every_endpoint = pytest.mark.parametrize("endpoint", API_V1.endpoints.values(), ids=list(API_V1.endpoints))


def route(path: str) -> str:
    """Make paths comparable: names of parameters and a trailing slash make no difference."""
    return re.sub(r"\{\w+\}", "{}", path).rstrip("/")


@every_endpoint
def test_method_and_path_are_documented(endpoint):
    documented = DOCUMENTED[endpoint.operation]
    # The path of the token stands outside those of v1.
    path = endpoint.path if endpoint.operation == "generateToken" else API_V1.path_prefix + endpoint.path
    assert (endpoint.method, route(path)) == (documented["method"], route(documented["path"]))


@every_endpoint
def test_the_body_is_written_in_a_documented_format(endpoint):
    documented = DOCUMENTED[endpoint.operation]["content_type"]
    assert (WORDS[endpoint.body] in documented) if endpoint.body is not BodyFormat.NONE else documented is None


@every_endpoint
def test_limits_are_the_documented_ones(endpoint):
    if endpoint.operation == "generateToken":  # assumed: of the address only
        assert set(endpoint.limits) == {WindowLimit("ip_writes", 10, 1.0, LimitScope.ADDRESS)}
        return
    special = DOCUMENTED[endpoint.operation]["rate_limit_route_special"]
    own = {WindowLimit(endpoint.operation, int(special.split(" request")[0]))} if special else set()
    assert set(endpoint.limits) == own | (READS if endpoint.method == "GET" else WRITES)
    if own:
        assert endpoint.limits[0] in own, "a 429 closes the first limit, which must be the narrowest"


def test_every_special_limit_is_in_the_table():
    assert {
        name: endpoint.limits[0].requests for name, endpoint in API_V1.endpoints.items() if endpoint.has_own_limit
    } == SPECIAL


def test_what_must_not_be_sent_twice():
    assert {name for name, endpoint in API_V1.endpoints.items() if not endpoint.may_resend} == {
        "createGroup",
        "createPathSession",
        "importExternalCoursesStats",
    }
