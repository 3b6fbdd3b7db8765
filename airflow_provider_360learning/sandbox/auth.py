"""The three ways to authenticate, and the documented 401 answers."""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from airflow_provider_360learning.sandbox.calls import ApiError
from airflow_provider_360learning.sandbox.company import Company


def authenticate(company: Company, headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Check a request's credentials.

    :return: the way it used: ``token``, ``headers`` or ``query``.
    """
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        if problem := company.tokens.problem(token.strip(), company.clock.now()):
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
    if not hmac.compare_digest((api_key or "").encode(), company.api_key.encode()):
        raise ApiError(401, "invalid_api_key")
