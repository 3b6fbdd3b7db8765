"""External contents: what other platforms report about their courses."""

from __future__ import annotations

from ..calls import Answer, ApiError, Call
from ..routing import operation

_MOST_STATISTICS = 20


@operation(
    "importExternalCoursesStats",
    "POST",
    "/externalContents/groups/{groupId}/externalPlatforms/{externalPlatform}/courses/stats",
    bodies=("json",),
)
def import_external_courses_stats(call: Call) -> Answer:
    """Take statistics in; nothing reads them here. The errors, and the answer's shape, are assumptions."""
    call.group(call.path["groupId"])
    statistics = call.body.get("statistics")
    if not isinstance(statistics, list) or not 1 <= len(statistics) <= _MOST_STATISTICS:
        raise ApiError(400, "invalid argument : statistics")
    for name in ("externalId", "mail"):
        if not all(isinstance(each, dict) and isinstance(each.get(name), str) for each in statistics):
            raise ApiError(400, f"missing argument : {name}")
    return call.acknowledge()
