"""
API v2 as data.

What 360Learning publishes about each operation is in ``operations.json`` (see :mod:`.operations`). This module adds
what is not published in a form that a program can read: the limits, and what may be sent twice.
"""

from __future__ import annotations

from airflow_provider_360learning.api.spec import (
    READ_METHODS,
    ApiSpec,
    BodyFormat,
    ConcurrencyLimit,
    Endpoint,
    LazyEndpoints,
    ResponseShape,
    WindowLimit,
)
from airflow_provider_360learning.api.v2.encoding import encode_form, encode_query
from airflow_provider_360learning.api.v2.errors import GENERATE_TOKEN, parse_error
from airflow_provider_360learning.api.v2.operations import Published, parameters_of, published

COMPANY_READS = WindowLimit("company_reads", 50)
COMPANY_WRITES = WindowLimit("company_writes", 10)
#: Bulk jobs that run at the same time. Assumption: jobs that wait to run count as well.
BULK_JOBS = ConcurrencyLimit("bulk_jobs", 3)

#: Operations with a limit of their own, in requests per second. They count against the shared limit as well.
_OWN_LIMITS = {"createELearningStandardCourse": 1, "updateELearningStandardCourse": 1}

#: Methods whose requests leave the same state when they are sent twice. Those with PATCH set values in API v2.
_MAY_RESEND = READ_METHODS | {"PUT", "PATCH", "DELETE"}
#: Exceptions. A second token replaces none. The update of a slot may send a notification each time. An audience that is
#: written again would undo what another client has written meanwhile.
_MAY_RESEND_BY_OPERATION = {GENERATE_TOKEN: True, "updateClassroomSlot": False, "updateSessionAudience": False}

#: Keys that a response must have, where it is not the first key that is published as required.
_REQUIRED_KEYS = {GENERATE_TOKEN: ("access_token",)}

#: Keys of texts in successful responses that say why a job, or a row of one, failed.
_REFUSAL_KEYS = {
    "getBulkOperation": ("errorMessage",),
    "getBulkOperations": ("errorMessage",),
    "getBulkOperationResults": ("errorMessage",),
}

_SHAPES = {
    "none": ResponseShape.ACKNOWLEDGMENT,
    "file": ResponseShape.FILE,
    "object": ResponseShape.OBJECT,
    "list": ResponseShape.LIST,
    "page": ResponseShape.PAGE,
    "job": ResponseShape.JOB,
}
_ITEMS = {"object": dict, "string": str}


def _endpoint(operation: str, facts: Published) -> Endpoint:
    method, shape = facts["method"], _SHAPES[facts["result"]]
    is_read = method in READ_METHODS
    if shape in (ResponseShape.OBJECT, ResponseShape.LIST) and not is_read and method != "POST":
        # Only the id of a new object is needed. Success statuses of API v2 are not uniform, and some are not published.
        shape = ResponseShape.ACKNOWLEDGMENT
    may_resend = method in _MAY_RESEND and shape is not ResponseShape.JOB
    own = (WindowLimit(operation, _OWN_LIMITS[operation]),) if operation in _OWN_LIMITS else ()
    keys = _REQUIRED_KEYS.get(operation) or tuple(filter(None, (facts.get("key"),)))
    return Endpoint(
        operation,
        method,
        facts["path"],
        # Assumption: a token request counts as a write of the company.
        (*own, COMPANY_READS if is_read else COMPANY_WRITES),
        BodyFormat(facts["body"]["format"]) if "body" in facts else BodyFormat.NONE,
        shape,
        keys if shape is ResponseShape.OBJECT else (),
        may_resend=_MAY_RESEND_BY_OPERATION.get(operation, may_resend),
        scope=facts.get("scope"),
        items=_ITEMS[facts.get("items", "object")],
        refusal_keys=_REFUSAL_KEYS.get(operation, ()),
    )


def _endpoints() -> dict[str, Endpoint]:
    return {name: _endpoint(name, facts) for name, facts in published().items()}


#: API v2.
API_V2 = ApiSpec(
    name="v2",
    path_prefix="/api/v2",
    endpoints=LazyEndpoints(_endpoints),
    token_operation=GENERATE_TOKEN,
    token_path="/api/v2/oauth2/token",
    encode_form=encode_form,
    encode_query=encode_query,
    parse_error=parse_error,
    parameters=parameters_of,
    headers={"360-api-version": "v2.0"},
    auth_methods=("oauth2",),
    login_is_company=False,
    job_path="/bulk/operations/",
    concurrency_limits=(BULK_JOBS,),
)
