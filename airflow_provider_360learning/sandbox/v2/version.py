"""API v2 as a whole: its limits, its tokens, its error formats, and its routes."""

from __future__ import annotations

import re
from collections.abc import Mapping

from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.limits import Limit
from airflow_provider_360learning.sandbox.routing import TOKEN_PATH, Response, Version
from airflow_provider_360learning.sandbox.v2 import (
    audiences,
    bulk,
    certificates,
    classrooms,
    content_tags,
    courses,
    custom_fields,
    custom_links,
    elearning,
    external_ids,
    groups,
    integrations,
    managers,
    path_sessions,
    path_statistics,
    path_steps,
    paths,
    projects,
    registrations,
    skill_jobs,
    skills,
    tags,
    users,
    webhooks,
)
from airflow_provider_360learning.sandbox.v2.call import Call, Operations, client_of
from airflow_provider_360learning.sandbox.v2.errors import FlatError, nested, not_found, server_error

_MODULES = (
    users,
    custom_fields,
    managers,
    external_ids,
    certificates,
    groups,
    courses,
    elearning,
    content_tags,
    projects,
    paths,
    path_steps,
    path_sessions,
    audiences,
    path_statistics,
    classrooms,
    registrations,
    integrations,
    bulk,
    skills,
    skill_jobs,
    webhooks,
    tags,
    custom_links,
)

LIMITS = (
    Limit("company_reads", 50, "reads"),
    Limit("company_writes", 10, "writes"),
    Limit("createELearningStandardCourse", 1),
    Limit("updateELearningStandardCourse", 1),
)

#: Requests per second by name of the limit.
DOCUMENTED_LIMITS = {limit.name: limit.requests for limit in LIMITS}

_TOKEN_FIELDS = ("grant_type", "client_id", "client_secret")
_OPTIONAL_TOKEN_FIELDS = ("user_id", "company_id")

_tokens = Operations()


@_tokens.add("generateToken", "POST", TOKEN_PATH, scope="", bodies=("json",))
def generate_token(call: Call) -> Response:
    """Issue a token for a client."""
    company, fields = call.company, call.fields
    texts = [fields.get(name) for name in _TOKEN_FIELDS]
    if not all(isinstance(text, str) and text for text in texts):
        raise FlatError(400, "invalid_request")
    if not set(fields) <= {*_TOKEN_FIELDS, *_OPTIONAL_TOKEN_FIELDS}:
        raise FlatError(400, "invalid_request")
    grant, client_id, secret = map(str, texts)
    if grant != "client_credentials":
        raise FlatError(400, "unsupported_grant_type")
    client = company.clients.authenticate(client_id, secret)
    if client is None:
        raise FlatError(401, "invalid_client")
    life = call.settings.token_life
    token = company.tokens.issue(company.id, client.number, call.now, life, version="v2")
    expires_in = f"{life:g}" if call.settings.token_life_type == "string" else life
    return Response({"token_type": "Bearer", "access_token": token, "expires_in": expires_in})


def authenticate(company: Company, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """
    Check the token of a request.

    :return: how it was sent: ``token``, the only way.
    :raises FlatError: the documented 401.
    """
    client_of(company, headers)
    return "token"


def _credentials(company: Company) -> tuple[str, str, dict[str, object]]:
    client = company.clients.newest
    return client.id, client.secret, {"company_id": company.id}


_OPERATIONS = (
    _tokens,
    courses.operations,
    groups.operations,
    users.operations,
)

V2 = Version(
    name="v2",
    prefix="/api/v2",
    routes=tuple(route for each in (_tokens, *(module.operations for module in _MODULES)) for route in each.routes),
    limits=LIMITS,
    authenticate=authenticate,
    not_found=not_found,
    server_error=server_error,
    excess_body=lambda settings: settings.rate_limit_body,
    fault_responses={
        "bulk_limit": Response(nested("bulkOperationsConcurrencyLimitReached"), 429),
        "bulk_disabled": Response(nested("bulkAPIDisabled"), 503),
    },
    credentials=_credentials,
    # The login of API v1 is the company id.
    login=re.compile(r"(?![0-9a-fA-F]{24}\Z).+"),
)
