"""What is there now: users, groups and who is in them, courses, paths, sessions. One file, which is replaced."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.values import answered_moment
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.ordered_executor import in_order
from airflow_provider_360learning.exports.summary import outcome
from airflow_provider_360learning.files.formats import Column, Format, open_rows
from airflow_provider_360learning.files.storage import StoragePath

log = logging.getLogger(__name__)

Row = Mapping[str, Any]


def export_listing(api: ApiV1, kind: str, where: StoragePath, *, format: Format | None = None) -> dict[str, Any]:
    """
    WriteSpec all that there is of a kind to a file.

    :param api: The actions.
    :param kind: One of :data:`LISTINGS`.
    :param where: The file, which is replaced.
    :param format: By default as the name of the file says.
    :returns: What there is to say about the file.
    """
    columns = COLUMNS[kind]
    with open_rows(where, columns, format=format) as rows:
        for row in LISTINGS[kind](api):
            rows.write([_value(column, row) for column in columns])
    return outcome(where, rows.rows)


def _value(column: Column, row: Row) -> Any:
    value = row[column.name]
    return answered_moment(column.name, value) if column.kind == "moment" else value


def _memberships(api: ApiV1) -> Iterator[Row]:
    ids = [group["group_id"] for group in api.list_groups()]
    for members in in_order(partial(_members, api), ids):
        yield from members


def _members(api: ApiV1, group_id: str) -> list[Row]:
    try:
        members = api.get_group(group_id)["members"]
    except NotFoundError:
        log.warning("Group %s was deleted after it had been listed: its members are not in this export", group_id)
        return []
    return [{"group_id": group_id, **member, "user_mail": member["mail"]} for member in members]


#: What lists the rows of each kind.
LISTINGS: dict[str, Callable[[ApiV1], Iterable[Row]]] = {
    "users": lambda api: api.list_users(),
    "groups": lambda api: api.list_groups(),
    "memberships": _memberships,
    "courses": lambda api: api.list_courses(),
    "paths": lambda api: api.list_paths(),
    "path_sessions": lambda api: api.list_path_sessions(),
}
