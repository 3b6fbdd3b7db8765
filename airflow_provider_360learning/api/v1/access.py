"""The connection test of API v1."""

from __future__ import annotations

from airflow_provider_360learning.api.access import UNUSED_MAIL, Access
from airflow_provider_360learning.api.actions import ApiAdapter
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.exceptions import NotFoundError, UnexpectedResponseError


class AccessCheck(ApiAdapter):
    """Test the credentials."""

    def check_access(self) -> ActionSteps[Access]:
        """Request a user who cannot exist (``getUser``), which the response reports if the credentials are accepted."""
        try:
            yield Call("getUser", path={"user": UNUSED_MAIL})
        except NotFoundError as error:
            if error.code != "user_not_found":
                raise
            return Access()
        raise UnexpectedResponseError(
            "The host found a user who cannot exist: check that the Base URL is that of 360Learning"
        )
