"""Lists of API v2 that are read page by page, so that the whole list is not in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from airflow_provider_360learning.api.actions import ApiAdapter
from airflow_provider_360learning.api.pages import read_pages
from airflow_provider_360learning.api.types import Call, JsonValue, ResponseObject
from airflow_provider_360learning.api.v2.courses import neutral_course
from airflow_provider_360learning.api.v2.groups import neutral_group
from airflow_provider_360learning.api.v2.path_definitions import PUBLISHED, neutral_path
from airflow_provider_360learning.api.v2.paths import neutral_session


class _Listing(NamedTuple):
    """
    A list.

    :param operation: Its operation.
    :param read: Reads an object.
    :param query: Its query.
    """

    operation: str
    read: Callable[[ResponseObject], Mapping[str, object]]
    query: Mapping[str, JsonValue] = {}


def _path(item: ResponseObject) -> Mapping[str, object]:
    """Read a path. The ids of its sessions, which :meth:`.PathActions.list_paths` returns, are in another list."""
    return neutral_path(item, [])


_LISTINGS: Mapping[str, _Listing] = {
    "list_groups": _Listing("getGroups", neutral_group),
    "list_courses": _Listing("getCourses", neutral_course),
    "list_paths": _Listing("getPaths", _path, PUBLISHED),
    "list_path_sessions": _Listing("getAllPathSessions", neutral_session),
}


class Listings(ApiAdapter):
    """Read lists page by page."""

    def each_listed(self, listing: str) -> Iterator[Mapping[str, object]]:
        """See :meth:`~..interface.LearningApi.each_listed`: a page is in memory at a time."""
        operation, read, query = _LISTINGS[listing]
        for page in read_pages(self.client.call, Call(operation, query=query)):
            yield from map(read, page)
