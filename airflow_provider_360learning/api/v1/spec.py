"""
API v1 as data.

What is known about each operation is in ``operations.json`` (see :mod:`.operations`): most of it from the vendor's
migration guide, the rest from public clients. This module adds the limits, from the overview of the vendor's v1
collection, what may be sent twice, and what the client needs of a response.
"""

from __future__ import annotations

from airflow_provider_360learning.api.spec import (
    READ_METHODS,
    ApiSpec,
    BodyFormat,
    Endpoint,
    Evidence,
    LazyEndpoints,
    LimitScope,
    ResponseShape,
    WindowLimit,
)
from airflow_provider_360learning.api.v1.encoding import encode_form, encode_query
from airflow_provider_360learning.api.v1.errors import GENERATE_TOKEN, parse_error
from airflow_provider_360learning.api.v1.operations import Known, known, parameters_of

COMPANY_READS = WindowLimit("company_reads", 50)
COMPANY_WRITES = WindowLimit("company_writes", 5)
IP_READS = WindowLimit("ip_reads", 10, scope=LimitScope.ADDRESS)
IP_WRITES = WindowLimit("ip_writes", 10, scope=LimitScope.ADDRESS)


#: Operations with a limit of their own, in requests per second per company. They count against the shared limits as
#: well.
_OWN_LIMITS = {
    "createOrInviteUser": 2,
    "deleteUser": 2,
    "deleteGroup": 1,
    "updatePathSession": 1,
    "importExternalCoursesStats": 1,
}

#: Methods whose requests leave the same state when they are sent twice. Those with PATCH set values in API v1, too.
_MAY_RESEND = READ_METHODS | {"PUT", "PATCH", "DELETE"}
#: Exceptions. A second token replaces none. "Already exists" after an unknown outcome means that a user was created.
#: External courses are identified by the provider's id, so that importing them again changes nothing. The update of a
#: slot may send a notification each time.
_MAY_RESEND_BY_OPERATION = {
    GENERATE_TOKEN: True,
    "createOrInviteUser": True,
    "importExternalCourses": True,
    "updateClassroomSlot": False,
}

#: Keys of texts in successful responses that say why an item was refused (assumption, see ``external.py``).
_REFUSAL_KEYS = {
    "importExternalCourses": ("error", "status"),
    "importExternalCoursesStats": ("error", "status"),
}

#: What a response must contain, where no example of it is known.
_SHAPES_BY_OPERATION = {
    "createPath": ResponseShape.OBJECT,
    "createPathSession": ResponseShape.OBJECT,
    "getPathSession": ResponseShape.OBJECT,
    "getPaths": ResponseShape.LIST,
    "getUserCourseStats": ResponseShape.OBJECT,
    "getUserCourses": ResponseShape.LIST,
}
_SHAPES = {"any": ResponseShape.ACKNOWLEDGMENT, "object": ResponseShape.OBJECT, "list": ResponseShape.LIST}

#: Keys of a response, at least one of which must be present.
_REQUIRED_KEYS = {
    GENERATE_TOKEN: ("access_token",),
    "getUser": ("_id",),
    "createOrInviteUser": ("status",),
    "getGroup": ("_id",),
    "createGroup": ("id",),
    "getGroupCatalog": ("courses", "paths"),
    # The keys of the ids of new paths and sessions are not documented.
    "createPath": ("_id", "id", "pathId"),
    "createPathSession": ("_id", "id", "sessionId"),
    "getUserPathSessionStats": ("detailedStatus", "status", "progress"),
    "getExternalCourse": ("id",),
}
#: Keys of a response that must contain a list of objects.
_ROWS_KEYS = {"getUserCourseStats": "attempts", "getUsersPathSessionStats": "usersStats"}

#: Default path of the token endpoint. It contains v2 although the operation belongs to v1; connections can change it.
TOKEN_PATH = "/api/v2/oauth2/token"


def _endpoint(operation: str, facts: Known) -> Endpoint:
    method = facts["method"]
    own = (WindowLimit(operation, _OWN_LIMITS[operation]),) if operation in _OWN_LIMITS else ()
    return Endpoint(
        operation,
        method,
        facts["path"],
        own + _shared_limits(operation, method),
        BodyFormat(facts["body"]["format"]) if "body" in facts else BodyFormat.NONE,
        _SHAPES_BY_OPERATION.get(operation, _SHAPES[facts["result"]]),
        _REQUIRED_KEYS.get(operation, ()),
        _ROWS_KEYS.get(operation),
        may_resend=_MAY_RESEND_BY_OPERATION.get(operation, method in _MAY_RESEND),
        evidence=Evidence(facts["evidence"]),
        refusal_keys=_REFUSAL_KEYS.get(operation, ()),
    )


def _shared_limits(operation: str, method: str) -> tuple[WindowLimit, ...]:
    if operation == GENERATE_TOKEN:
        # Assumption: a token request counts as a write of the address, but not of the company (which the route does not
        # know before it has read the body). The vendor does not document it.
        return (IP_WRITES,)
    return (COMPANY_READS, IP_READS) if method in READ_METHODS else (COMPANY_WRITES, IP_WRITES)


def _endpoints() -> dict[str, Endpoint]:
    return {name: _endpoint(name, facts) for name, facts in known().items()}


#: API v1.
API_V1 = ApiSpec(
    name="v1",
    path_prefix="/api/v1",
    endpoints=LazyEndpoints(_endpoints),
    token_operation=GENERATE_TOKEN,
    token_path=TOKEN_PATH,
    encode_form=encode_form,
    encode_query=encode_query,
    parse_error=parse_error,
    parameters=parameters_of,
)
