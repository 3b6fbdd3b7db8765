"""The connection test of API v2, whose credentials have scopes."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_360learning.api.access import UNUSED_MAIL, Access
from airflow_provider_360learning.api.actions import ApiAdapter
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject
from airflow_provider_360learning.exceptions import InvalidRequestError, MissingScopeError, UnexpectedResponseError

#: An id that no object has.
_UNUSED_ID = "0" * 24
_UNUSED_TIME = "2999-01-01T00:00:00.000Z"
#: Operations to the query with which each returns nothing, or as little as it can (``getGroups`` has no filter). Their
#: success proves a scope; the error about an object that does not exist might precede the check of scopes.
_TESTS: Mapping[str, JsonObject] = {
    "getUsers": {"mail[eq]": UNUSED_MAIL},
    "getGroups": {},
    "getCourses": {"authorId[eq]": _UNUSED_ID},
    "getAllCourseStats": {"courseId[eq]": _UNUSED_ID},
    "getAllPathSessions": {"sessionId[eq]": _UNUSED_ID},
    "getPathStats": {"pathId[eq]": _UNUSED_ID},
    "getIntegrations": {"externalPlatform[eq]": UNUSED_MAIL},
    "getCustomFields": {"name[eq]": UNUSED_MAIL},
    "getBulkOperations": {"createdAt[gte]": _UNUSED_TIME},
}


class AccessCheck(ApiAdapter):
    """Test the credentials."""

    def check_access(self) -> ActionSteps[Access]:
        """
        Find out which scopes for reading the credentials have.

        :raises MissingScopeError: if they have none of them.
        :raises Learning360Error: as the first request that shows something else than a scope.
        """
        proven, missing = [], []
        refusal: InvalidRequestError | None = None
        for operation, query in _TESTS.items():
            scope = str(self.client.spec.endpoints[operation].scope)
            try:
                page = yield Call(operation, query=query)
            except MissingScopeError:
                missing.append(scope)
                continue
            except InvalidRequestError as error:  # shows nothing about the scope
                refusal = refusal or error
                continue
            if page.items and UNUSED_MAIL in query.values():
                raise UnexpectedResponseError(
                    f"The host found an object that cannot exist ({operation}): check that the Base URL is that of "
                    "360Learning"
                )
            proven.append(scope)
        if not proven:
            if refusal:
                raise refusal
            raise MissingScopeError(
                f"360Learning accepts the credentials, but they have none of the scopes {', '.join(missing)}: a "
                "platform administrator grants scopes to the connection's client ID in 360Learning. If they are "
                "credentials of API v1, set the connection's API version to v1"
            )
        return Access(tuple(proven), tuple(missing))
