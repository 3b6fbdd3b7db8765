"""Tokens."""

from __future__ import annotations

import hmac

from airflow_provider_360learning.sandbox.calls import Answer, ApiError, Call
from airflow_provider_360learning.sandbox.routing import TOKEN_PATH, operation


@operation("generateToken", "POST", TOKEN_PATH, bodies=("json",), base="")
def generate_token(call: Call) -> Answer:
    """Issue a token for the API key."""
    grant, company, key = (call.body.get(name) for name in ("grant_type", "client_id", "client_secret"))
    if not (grant and company and key):
        raise ApiError(400, "invalid_request")
    if grant != "client_credentials":
        raise ApiError(400, "unsupported_grant_type")
    if company != call.company_id:
        raise ApiError(400, "invalid_request")
    if not hmac.compare_digest(str(key).encode(), call.api_key.encode()):
        raise ApiError(401, "invalid_client")
    life = call.settings.token_life
    token = call.tokens.issue(call.company_id, call.now, life)
    # Documented as a string.
    return Answer({"token_type": "Bearer", "access_token": token, "expires_in": f"{life:g}"})
