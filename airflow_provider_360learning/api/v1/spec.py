"""
API v1 as data: operation, method, path, body format, limits, and what may be sent twice.

Each limit of the vendor is stated here and nowhere else in the client. Sources: the overview of the vendor's v1
collection for the limits, the vendor's migration guide and public clients for the routes. Everything else is marked as
an assumption.
"""

from __future__ import annotations

from airflow_provider_360learning.api.spec import (
    READ_METHODS,
    ApiSpec,
    BodyFormat,
    Endpoint,
    Evidence,
    LimitScope,
    ResponseShape,
    WindowLimit,
)
from airflow_provider_360learning.api.v1.encoding import encode_form, encode_query
from airflow_provider_360learning.api.v1.errors import GENERATE_TOKEN, parse_error

COMPANY_READS = WindowLimit("company_reads", 50)
COMPANY_WRITES = WindowLimit("company_writes", 5)
IP_READS = WindowLimit("ip_reads", 10, scope=LimitScope.ADDRESS)
IP_WRITES = WindowLimit("ip_writes", 10, scope=LimitScope.ADDRESS)


def _endpoint(
    operation: str,
    method: str,
    path: str,
    body: BodyFormat = BodyFormat.NONE,
    response: ResponseShape = ResponseShape.ACKNOWLEDGMENT,
    required_keys: tuple[str, ...] = (),
    *,
    limit: int | None = None,
    rows_key: str | None = None,
    may_resend: bool = True,
    evidence: Evidence = Evidence.DOCUMENTED,
) -> Endpoint:
    """
    Return an operation with its limits.

    :param limit: Requests per second of this operation alone, per company, if the vendor has such a limit.
    """
    shared: tuple[WindowLimit, ...] = (
        (COMPANY_READS, IP_READS) if method in READ_METHODS else (COMPANY_WRITES, IP_WRITES)
    )
    if operation == GENERATE_TOKEN:
        # Assumption: a token request counts as a write of the address, but not of the company (which the route does not
        # know before it has read the body). The vendor does not document it.
        shared = (IP_WRITES,)
    own = (WindowLimit(operation, limit),) if limit else ()
    return Endpoint(
        operation, method, path, own + shared, body, response, required_keys, rows_key, may_resend, evidence
    )


#: Default path of the token endpoint. It contains v2 although the operation belongs to v1; connections can change it.
TOKEN_PATH = "/api/v2/oauth2/token"

_GET, _POST, _PUT, _PATCH, _DELETE = "GET", "POST", "PUT", "PATCH", "DELETE"
_FORM, _JSON = BodyFormat.FORM, BodyFormat.JSON
_LIST, _OBJECT = ResponseShape.LIST, ResponseShape.OBJECT
_RECORDED = Evidence.RECORDED

_TABLE = (
    _endpoint(GENERATE_TOKEN, _POST, TOKEN_PATH, _JSON, _OBJECT, ("access_token",)),
    # Users. createOrInviteUser may be sent again: "already exists" after an unknown outcome means that it was applied.
    _endpoint("getUsers", _GET, "/users", response=_LIST),
    _endpoint("getUser", _GET, "/users/{user}", response=_OBJECT, required_keys=("_id",), evidence=_RECORDED),
    _endpoint("createOrInviteUser", _POST, "/users", _FORM, _OBJECT, ("status",), limit=2, evidence=_RECORDED),
    _endpoint("updateUser", _PUT, "/users/{user}", _JSON),
    _endpoint("deleteUser", _DELETE, "/users/{user}", limit=2),
    _endpoint("getUserRoles", _GET, "/users/{user}/roles", response=_LIST),
    # Groups. Names are not unique, so a second createGroup creates a second group.
    _endpoint("getGroups", _GET, "/groups", response=_LIST),
    _endpoint("getGroup", _GET, "/groups/{group_id}", response=_OBJECT, required_keys=("_id",)),
    _endpoint("createGroup", _POST, "/groups", _FORM, _OBJECT, ("id",), may_resend=False),
    _endpoint("updateGroup", _PUT, "/groups/{group_id}", _FORM),
    _endpoint("deleteGroup", _DELETE, "/groups/{group_id}", limit=1),
    _endpoint("addUserToGroup", _PUT, "/groups/{group_id}/users/{user}", _FORM),
    _endpoint("deleteUserFromGroup", _DELETE, "/groups/{group_id}/users/{user}", _FORM, evidence=_RECORDED),
    _endpoint(
        "getGroupCatalog",
        _GET,
        "/groups/{group_id}/catalog",
        response=_OBJECT,
        required_keys=("courses", "paths"),
    ),
    _endpoint("addToGroupCatalog", _PUT, "/groups/{group_id}/catalog", _FORM),
    _endpoint("deleteFromGroupCatalog", _DELETE, "/groups/{group_id}/catalog", _FORM),
    # Courses
    _endpoint("getCourses", _GET, "/courses", response=_LIST, evidence=_RECORDED),
    _endpoint("getCoursesStats", _GET, "/courses/stats", response=_LIST),
    _endpoint("getUserCourseStats", _GET, "/courses/{course_id}/stats/{user}", response=_OBJECT, rows_key="attempts"),
    # Paths and their sessions
    _endpoint("getPaths", _GET, "/paths", response=_LIST),
    _endpoint("getPathSessions", _GET, "/paths/sessions", response=_LIST),
    # The key of the new session's id is not documented.
    _endpoint(
        "createPathSession",
        _POST,
        "/paths/{path_id}/sessions/",
        _JSON,
        _OBJECT,
        ("_id", "id", "sessionId"),
        may_resend=False,
    ),
    _endpoint("updatePathSession", _PATCH, "/paths/sessions/{session_id}", _JSON, limit=1),
    _endpoint("getPathSessionUsers", _GET, "/paths/sessions/{session_id}/users", response=_LIST),
    _endpoint("addUsersToPathSession", _PATCH, "/paths/sessions/{session_id}/users", _JSON),
    _endpoint("addGroupsToPathSession", _PATCH, "/paths/sessions/{session_id}/groups", _JSON),
    _endpoint(
        "removeUsersFromPathSession",
        _DELETE,
        "/paths/sessions/{session_id}/users",
        _JSON,
        evidence=Evidence.ASSUMED,
    ),
    _endpoint(
        "getUsersPathSessionStats",
        _GET,
        "/paths/sessions/{session_id}/stats/users",
        response=_OBJECT,
        rows_key="usersStats",
    ),
    _endpoint(
        "getUserPathSessionStats",
        _GET,
        "/paths/sessions/{session_id}/stats/{user}",
        response=_OBJECT,
        required_keys=("detailedStatus", "status", "progress"),
    ),
    # External contents. Courses are identified by the provider's id, so that importing them again changes nothing.
    _endpoint(
        "importExternalCourses",
        _POST,
        "/externalContents/groups/{group_id}/externalPlatforms/{external_platform}/courses",
        _JSON,
    ),
    _endpoint(
        "deleteExternalCourses",
        _DELETE,
        "/externalContents/groups/{group_id}/externalPlatforms/{external_platform}/courses",
        _JSON,
    ),
    _endpoint(
        "getExternalCourse",
        _GET,
        "/externalContents/groups/{group_id}/externalPlatforms/{external_platform}/courses/{external_id}",
        response=_OBJECT,
        required_keys=("id",),
    ),
    _endpoint(
        "importExternalCoursesStats",
        _POST,
        "/externalContents/groups/{group_id}/externalPlatforms/{external_platform}/courses/stats",
        _JSON,
        # The effect of a statistic that is sent twice is not documented.
        may_resend=False,
        limit=1,
    ),
)

#: API v1.
API_V1 = ApiSpec(
    name="v1",
    path_prefix="/api/v1",
    endpoints={endpoint.operation: endpoint for endpoint in _TABLE},
    token_operation=GENERATE_TOKEN,
    token_path=TOKEN_PATH,
    encode_form=encode_form,
    encode_query=encode_query,
    parse_error=parse_error,
)
