"""Pictures of the current state: users, groups and their members, courses, paths, sessions. One file, replaced."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Unpack

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.pages import bounded
from airflow_provider_360learning.api.text import counted
from airflow_provider_360learning.exceptions import NotFoundError
from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.mails import Mails, mails_of
from airflow_provider_360learning.exports.summary import ExportResult, check_any_found, summarize
from airflow_provider_360learning.files.formats import FileOptions, open_rows
from airflow_provider_360learning.files.storage import StoragePath
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.ordered_executor import map_ordered

log = get_logger(__name__)

Row = Mapping[str, object]


def export_listing(
    api: LearningApi,
    kind: str,
    output_path: StoragePath,
    *,
    with_mails: bool = False,
    **options: Unpack[FileOptions],
) -> ExportResult:
    """
    Write all objects of a kind to a file.

    :param api: The API adapter.
    :param kind: One of :data:`LISTINGS`.
    :param output_path: The file, which is replaced.
    :param with_mails: Look up email addresses, where the API returns ids only.
    :param options: How it is written.
    :return: The result of the export.
    """
    columns = COLUMNS[kind]
    with mails_of(api, with_mails) as mails, open_rows(output_path, columns, **options) as file:
        complete = partial(_with_mail, mails, *MAIL_COLUMNS[kind]) if mails and kind in MAIL_COLUMNS else None

        def write_all(rows: Iterable[Row]) -> None:
            file.discard()  # rows of a response that broke
            for row in map(complete, rows) if complete else rows:
                file.write([row[column.name] for column in columns])

        LISTINGS[kind](api, write_all)
    noun = kind.removesuffix("s").replace("_", " ")
    return summarize(output_path, file, counted(file.rows, noun))


def ids_of(api: LearningApi, listing: str, key: str, noun: str) -> list[str]:
    """
    Return the ids of all objects that are listed.

    :param api: The API adapter.
    :param listing: Name of the action that lists them.
    :param key: Key of the id.
    :param noun: What they are, for an error.
    :raises ResponseTooLargeError: if the ids together are larger than a response may be.
    """
    ids = (str(each[key]) for each in api.each_listed(listing))
    return list(bounded(ids, sys.getsizeof, api.client.settings.max_response_mib, noun))


def _with_mail(mails: Mails, id_key: str, column: str, row: Row) -> Row:
    user_id = row[id_key]
    return {**row, column: row[column] or mails.mail_of(user_id if isinstance(user_id, str) else None)}


def _memberships(api: LearningApi) -> Iterator[Row]:
    ids = ids_of(api, "list_groups", "group_id", "groups")
    missing = 0
    for members in map_ordered(partial(_members, api), ids):
        missing += members is None
        yield from members or ()
    check_any_found("groups", len(ids), missing)


def _members(api: LearningApi, group_id: str) -> list[Row] | None:
    try:
        members = api.list_group_members(group_id=group_id)
    except NotFoundError:
        log.warning("Group was deleted after it was listed; its members are not exported: group_id=%s", group_id)
        return None
    return [{"group_id": group_id, **member, "user_mail": member["mail"]} for member in members]


#: Kinds with an email address that can be looked up: the key of the user's id, and the column.
MAIL_COLUMNS: dict[str, tuple[str, str]] = {
    "memberships": ("user_id", "user_mail"),
    "courses": ("author_id", "author_mail"),
}
#: Functions that pass all rows of a kind to another, which is called again if a response breaks.
LISTINGS: dict[str, Callable[[LearningApi, Callable[[Iterable[Row]], None]], None]] = {
    "users": lambda api, write_all: api.read_users(write_all),
    "groups": lambda api, write_all: write_all(api.each_listed("list_groups")),
    "memberships": lambda api, write_all: write_all(_memberships(api)),
    "courses": lambda api, write_all: write_all(api.each_listed("list_courses")),
    "paths": lambda api, write_all: write_all(api.each_listed("list_paths")),
    "path_sessions": lambda api, write_all: write_all(api.each_listed("list_path_sessions")),
}
