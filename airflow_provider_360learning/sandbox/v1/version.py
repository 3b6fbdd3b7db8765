"""API v1 as a whole: its limits, its three ways to authenticate, its error formats, and its routes."""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection, Mapping

from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.limits import Limit
from airflow_provider_360learning.sandbox.routing import TOKEN_PATH, Response, Version
from airflow_provider_360learning.sandbox.v1 import (
    classrooms,
    courses,
    custom_fields,
    custom_links,
    external,
    external_ids,
    groups,
    managers,
    path_definitions,
    paths,
    programs,
    projects,
    tags,
    users,
)
from airflow_provider_360learning.sandbox.v1.call import ApiError, Call, Operations, not_found

_MODULES = (
    users,
    custom_fields,
    managers,
    external_ids,
    groups,
    courses,
    path_definitions,
    paths,
    programs,
    classrooms,
    external,
    tags,
    custom_links,
    projects,
)

LIMITS = (
    Limit("company_reads", 50, "reads"),
    Limit("company_writes", 5, "writes"),
    Limit("ip_reads", 10, "reads", per_address=True),
    Limit("ip_writes", 10, "writes", per_address=True),
    Limit("deleteGroup", 1),
    Limit("importExternalCoursesStats", 1),
    Limit("updatePathSession", 1),
    Limit("createOrInviteUser", 2),
    Limit("deleteUser", 2),
)

#: Requests per second by name of the limit.
DOCUMENTED_LIMITS = {limit.name: limit.requests for limit in LIMITS}

_tokens = Operations()


@_tokens.add("generateToken", "POST", TOKEN_PATH, bodies=("json",))
def generate_token(call: Call) -> Response:
    """Issue a token for the API key."""
    company, fields = call.company, call.fields
    grant, client_id, key = (fields.get(name) for name in ("grant_type", "client_id", "client_secret"))
    if not (grant and client_id and key):
        raise ApiError(400, "invalid_request")
    if grant != "client_credentials":
        raise ApiError(400, "unsupported_grant_type")
    if client_id != company.id:
        raise ApiError(400, "invalid_request")
    number = company.api_keys.number_of(str(key))
    if number is None:
        raise ApiError(401, "invalid_client")
    life = call.settings.token_life
    token = company.tokens.issue(company.id, number, call.now, life)
    # The lifetime is documented as a string.
    return Response({"token_type": "Bearer", "access_token": token, "expires_in": f"{life:g}"})


def authenticate(company: Company, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """
    Check the credentials of a request.

    :return: how they were sent: ``token``, ``headers`` or ``query``.
    :raises ApiError: the documented 401.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        revoked: Collection[int] = () if company.settings.tokens_outlive_keys else company.api_keys.revoked
        if problem := company.tokens.problem(token.strip(), company.clock.now(), revoked):
            raise ApiError(401, "invalid_token", problem)
        return "token"
    if "x-company-id" in headers or "x-apikey" in headers:
        _check_key(company, headers.get("x-company-id"), headers.get("x-apikey"))
        return "headers"
    _check_key(company, query.get("company"), query.get("apiKey"))
    return "query"


def _check_key(company: Company, company_id: str | None, api_key: str | None) -> None:
    if not company_id:
        raise ApiError(401, "missing_company_id")
    if company_id != company.id:
        raise ApiError(401, "invalid_company_id")
    if company.api_keys.number_of(api_key or "") is None:
        raise ApiError(401, "invalid_api_key")


def _server_error(status: int, key: str) -> Response:
    """Render the recorded text of an unexpected failure."""
    return Response({key: f"an error occurred: {secrets.token_hex(16)}"}, status)


V1 = Version(
    name="v1",
    prefix="/api/v1",
    routes=tuple(route for each in (_tokens, *(module.operations for module in _MODULES)) for route in each.routes),
    limits=LIMITS,
    authenticate=authenticate,
    not_found=not_found,
    server_error=_server_error,
    excess_body=lambda settings: settings.rate_limit_body,
    fault_responses={},
    credentials=lambda company: (company.id, company.api_keys.issued[-1], {}),
    # Also of malformed logins, unless they have the form of another version's.
    login=re.compile("[0-9a-fA-F]{24}"),
)
