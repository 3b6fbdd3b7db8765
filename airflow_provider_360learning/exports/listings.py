"""Pictures of the current state: users, groups and their members, courses, paths, sessions. One file, replaced."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.summary import ExportResult, summarize
from airflow_provider_360learning.files.formats import Format, open_rows
from airflow_provider_360learning.files.storage import StoragePath
from airflow_provider_360learning.ordered_executor import map_ordered

log = logging.getLogger(__name__)

Row = Mapping[str, object]


def export_listing(
    api: LearningApi, kind: str, output_path: StoragePath, *, format: Format | None = None
) -> ExportResult:
    """
    Write all objects of a kind to a file.

    :param api: The API adapter.
    :param kind: One of :data:`LISTINGS`.
    :param output_path: The file, which is replaced.
    :param format: By default the suffix of the file's name decides.
    :return: The result of the export.
    """
    columns = COLUMNS[kind]
    with open_rows(output_path, columns, format=format) as encoder:
        encoder.write_all([row[column.name] for column in columns] for row in LISTINGS[kind](api))
    return summarize(output_path, encoder)


def _memberships(api: LearningApi) -> Iterator[Row]:
    ids = [group["group_id"] for group in api.list_groups()]
    for members in map_ordered(partial(_members, api), ids):
        yield from members


def _members(api: LearningApi, group_id: str) -> list[Row]:
    try:
        members = api.get_group(group_id=group_id)["members"]
    except NotFoundError:
        log.warning("Group was deleted after it was listed; its members are not exported: group_id=%s", group_id)
        return []
    return [{"group_id": group_id, **member, "user_mail": member["mail"]} for member in members]


#: Functions that list the rows of each kind.
LISTINGS: dict[str, Callable[[LearningApi], Iterable[Row]]] = {
    "users": lambda api: api.list_users(),
    "groups": lambda api: api.list_groups(),
    "memberships": _memberships,
    "courses": lambda api: api.list_courses(),
    "paths": lambda api: api.list_paths(),
    "path_sessions": lambda api: api.list_path_sessions(),
}
