"""The error formats of API v2."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Refusal, Response
from airflow_provider_360learning.sandbox.settings import Settings


class ApiError(Refusal):
    """
    An error response with code and message.

    :param status: HTTP status.
    :param code: the code under ``error``.
    :param message: the text beside it, whose words are not documented.
    """

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(Response(nested(code, message), status))
        self.code = code


class FlatError(Refusal):
    """
    An error response with a code alone.

    :param status: HTTP status.
    :param code: the text under ``error``.
    """

    def __init__(self, status: int, code: str) -> None:
        super().__init__(Response({"error": code}, status))
        self.code = code


def nested(code: str, message: str = "") -> dict[str, object]:
    """Return the body of an error with code and message."""
    return {"error": {"code": code, "message": message or f"The request was refused: {code}."}}


def malformed(settings: Settings, message: str) -> Refusal:
    """
    Return the refusal of a request that is not in the documented format. Its body is an assumption.

    :param message: what is invalid, and what was expected.
    """
    if settings.malformed_request_body == "nested":
        return ApiError(400, "badRequest", message)
    return Refusal(Response({"statusCode": 400, "message": [message], "error": "Bad Request"}, 400))


def scope_missing(settings: Settings, scope: str) -> Refusal:
    """Return the refusal of a request whose client does not have a scope."""
    if settings.scope_error == "flat":
        return FlatError(403, "invalid_scope")
    return ApiError(403, "invalid_scope", f"The access token does not have the scope {scope}.")


def not_found() -> Response:
    """Render the error for an unknown route (assumption)."""
    return Response(nested("notFound", "There is no such route."), 404)


def server_error(status: int, key: str) -> Response:
    """Render an unexpected failure (assumption), whatever key is asked for."""
    return Response(nested("internalServerError", "An unexpected error occurred."), status)
