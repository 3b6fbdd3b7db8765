"""
The table of API v1: operation, method, path, body format, limits, and what is safe to send twice.

Each limit of the vendor stands here and nowhere else in the client. Sources: the overview of the vendor's v1
collection for the limits, the vendor's migration guide and public clients for the routes; what none of them
says is marked as an assumption.

.. seealso:: https://360learning.readme.io/docs
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

#: Path under the base URL that the operations of version 1 stand below.
PREFIX = "/api/v1"

READ_METHODS = frozenset({"GET", "HEAD"})


class Scope(enum.Enum):
    """Who shares a limit."""

    COMPANY = "company"
    ADDRESS = "ip"


class Body(enum.Enum):
    """How the body of a request is written."""

    NONE = "none"
    FORM = "form"
    JSON = "json"


class Answer(enum.Enum):
    """What a success must bring to be believed."""

    #: Nothing is read from it: empty, or any JSON (v1's acknowledgements are mostly undocumented).
    ACKNOWLEDGEMENT = "acknowledgement"
    OBJECT = "object"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Limit:
    """
    At most ``calls`` requests in any ``per`` seconds.

    :param name: The name by which a connection's ``limits`` can override it.
    :param calls: Requests.
    :param per: Seconds.
    :param scope: Who shares it.
    """

    name: str
    calls: int
    per: float = 1.0
    scope: Scope = Scope.COMPANY


COMPANY_READS = Limit("company_reads", 50)
COMPANY_WRITES = Limit("company_writes", 5)
IP_READS = Limit("ip_reads", 10, scope=Scope.ADDRESS)
IP_WRITES = Limit("ip_writes", 10, scope=Scope.ADDRESS)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    One operation of the API.

    :param operation: The vendor's name of it.
    :param method: HTTP method.
    :param path: Path below :data:`PREFIX`, with its segments in braces.
    :param body: Format of the request body.
    :param answer: What a success must bring.
    :param needs: Keys of an ``OBJECT`` answer of which at least one must be there.
    :param rows: Key of an ``OBJECT`` answer that must hold a list of objects.
    :param resend: May be sent again when its outcome is unknown: sending it twice leaves the same state as
        sending it once, or tells that it was done.
    :param limit: Requests a second of this route alone, per company, where the vendor has such a limit.
    """

    operation: str
    method: str
    path: str
    body: Body = Body.NONE
    answer: Answer = Answer.ACKNOWLEDGEMENT
    needs: tuple[str, ...] = ()
    rows: str | None = None
    resend: bool = True
    limit: int | None = None

    @property
    def is_read(self) -> bool:
        """Whether it changes nothing, and counts against the limits of reads."""
        return self.method in READ_METHODS

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Every limit that a request of this operation counts against, the narrowest first."""
        if self.operation == GENERATE_TOKEN:
            # Assumption: a token request counts as a write of the address, but not of the company (which the
            # route does not know before it has read the body). The vendor says nothing about it.
            return (IP_WRITES,)
        route = (Limit(self.operation, self.limit),) if self.limit else ()
        return route + ((COMPANY_READS, IP_READS) if self.is_read else (COMPANY_WRITES, IP_WRITES))


GENERATE_TOKEN = "generateToken"
#: Where tokens are fetched. The URL speaks of v2 although the operation belongs to v1; connections can change it.
TOKEN_PATH = "/api/v2/oauth2/token"

_GET, _POST, _PUT, _PATCH, _DELETE = "GET", "POST", "PUT", "PATCH", "DELETE"
_FORM, _JSON = Body.FORM, Body.JSON
_LIST, _OBJECT = Answer.LIST, Answer.OBJECT

_TABLE = (
    Endpoint(GENERATE_TOKEN, _POST, TOKEN_PATH, _JSON, _OBJECT, ("access_token",)),
    # Users. createOrInviteUser may be sent again: "exists already" after an unknown outcome means that it was done.
    Endpoint("getUsers", _GET, "/users", answer=_LIST),
    Endpoint("getUser", _GET, "/users/{user}", answer=_OBJECT, needs=("_id",)),
    Endpoint("createOrInviteUser", _POST, "/users", _FORM, _OBJECT, ("status",), limit=2),
    Endpoint("updateUser", _PUT, "/users/{user}", _JSON),
    Endpoint("deleteUser", _DELETE, "/users/{user}", limit=2),
    Endpoint("getUserRoles", _GET, "/users/{user}/roles", answer=_LIST),
    # Groups. Names are not unique, so a second createGroup makes a second group.
    Endpoint("getGroups", _GET, "/groups", answer=_LIST),
    Endpoint("getGroup", _GET, "/groups/{group_id}", answer=_OBJECT),
    Endpoint("createGroup", _POST, "/groups", _FORM, _OBJECT, ("id",), resend=False),
    Endpoint("updateGroup", _PUT, "/groups/{group_id}", _FORM),
    Endpoint("deleteGroup", _DELETE, "/groups/{group_id}", limit=1),
    Endpoint("addUserToGroup", _PUT, "/groups/{group_id}/users/{user}", _FORM),
    Endpoint("deleteUserFromGroup", _DELETE, "/groups/{group_id}/users/{user}", _FORM),
    Endpoint("getGroupCatalog", _GET, "/groups/{group_id}/catalog", answer=_OBJECT),
    Endpoint("addToGroupCatalog", _PUT, "/groups/{group_id}/catalog", _FORM),
    Endpoint("deleteFromGroupCatalog", _DELETE, "/groups/{group_id}/catalog", _FORM),
    # Courses
    Endpoint("getCourses", _GET, "/courses", answer=_LIST),
    Endpoint("getCoursesStats", _GET, "/courses/stats", answer=_LIST),
    Endpoint("getUserCourseStats", _GET, "/courses/{course_id}/stats/{user}", answer=_OBJECT, rows="attempts"),
    # Paths and their sessions
    Endpoint("getPaths", _GET, "/paths", answer=_LIST),
    Endpoint("getPathSessions", _GET, "/paths/sessions", answer=_LIST),
    # The key of the new session's id is not documented.
    Endpoint(
        "createPathSession",
        _POST,
        "/paths/{path_id}/sessions/",
        _JSON,
        _OBJECT,
        ("_id", "id", "sessionId"),
        resend=False,
    ),
    Endpoint("updatePathSession", _PATCH, "/paths/sessions/{session_id}", _JSON, limit=1),
    Endpoint("getPathSessionUsers", _GET, "/paths/sessions/{session_id}/users", answer=_LIST),
    Endpoint("addUsersToPathSession", _PATCH, "/paths/sessions/{session_id}/users", _JSON),
    Endpoint("addGroupsToPathSession", _PATCH, "/paths/sessions/{session_id}/groups", _JSON),
    Endpoint("removeUsersFromPathSession", _DELETE, "/paths/sessions/{session_id}/users", _JSON),
    Endpoint(
        "getUsersPathSessionStats",
        _GET,
        "/paths/sessions/{session_id}/stats/users",
        answer=_OBJECT,
        rows="usersStats",
    ),
    Endpoint(
        "getUserPathSessionStats",
        _GET,
        "/paths/sessions/{session_id}/stats/{user}",
        answer=_OBJECT,
        needs=("detailedStatus", "status", "progress"),
    ),
    # External contents. Courses are known by the provider's id, so that importing them again changes nothing.
    Endpoint(
        "importExternalCourses",
        _POST,
        "/externalContents/groups/{group_id}/externalPlatforms/{external_platform}/courses",
        _JSON,
    ),
    Endpoint(
        "deleteExternalCourses",
        _DELETE,
        "/externalContents/groups/{group_id}/externalPlatforms/{external_platform}/courses",
        _JSON,
    ),
    Endpoint(
        "getExternalCourse",
        _GET,
        "/externalContents/groups/{group_id}/externalPlatforms/{external_platform}/courses/{external_id}",
        answer=_OBJECT,
        needs=("id",),
    ),
    Endpoint(
        "importExternalCoursesStats",
        _POST,
        "/externalContents/groups/{group_id}/externalPlatforms/{external_platform}/courses/stats",
        _JSON,
        # What v1 does with a statistic that is sent twice is not known.
        resend=False,
        limit=1,
    ),
)

#: Operation name to its row.
ENDPOINTS: dict[str, Endpoint] = {endpoint.operation: endpoint for endpoint in _TABLE}

#: Limit name to the limit: what a connection's ``limits`` may override.
LIMITS: dict[str, Limit] = {limit.name: limit for endpoint in _TABLE for limit in endpoint.limits}
