"""
The users whose rows bulk tasks have done: the input of tasks that follow.

An XCom has the path of the results only. The users are read from there, once, into a temporary file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import islice
from socket import gethostname

from airflow.providers.common.compat.sdk import ObjectStoragePath
from pydantic_core import PydanticCustomError

from airflow_provider_360learning.api.models.base import parse_argument
from airflow_provider_360learning.api.models.parsers import parse_boolean, parse_user, problem, shown
from airflow_provider_360learning.api.text import counted
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files import jsonl
from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.files.records import Record
from airflow_provider_360learning.files.storage import is_local, storage_path
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.results import PENDING, WOULD_SEND, Result, read_manifest, read_results
from airflow_provider_360learning.rows.schema import ignore_case
from airflow_provider_360learning.rows.sources import ColumnMapping, Source
from airflow_provider_360learning.rows.stored_state import StoredStateError

log = get_logger(__name__)

#: Actions whose rows are about one user each.
USER_ACTIONS = (
    "create_user",
    "update_user",
    "activate_user",
    "set_password",
    "add_user_to_group",
    "remove_user_from_group",
    "add_manager",
    "remove_manager",
    "set_external_id",
    "subscribe_to_email_notifications",
    "unsubscribe_from_email_notifications",
)
#: Column of the rows that are made of the users.
COLUMN = "user"

_ADVICE = "Restore the file, or clear the bulk task that wrote it. Nothing was sent."
_PASS = "pass the result of a bulk task, such as users_from=accounts.output"
# Marks in the table of users.
_HAS_ACCOUNT, _IS_PENDING = "=", "?"


@dataclass(frozen=True, slots=True)
class BulkResult:
    """
    Where the users of one bulk task are.

    :param results_path: Path of its results.
    :param run: Id of its run, which distinguishes these results from later ones at the same path.
    """

    results_path: str
    run: str

    def to_dict(self) -> dict[str, str]:
        """Return what :func:`parse_bulk_results` reads."""
        return asdict(self)


def parse_bulk_results(value: object) -> tuple[BulkResult, ...]:
    """
    Read the result of a bulk task, or a list of them.

    :param value: What a bulk operator returns, or its JSON text; a list, or the output of a mapped bulk operator.
    :raises PydanticCustomError: if it is something else, naming what is missing.
    """
    try:
        return _parse_results(value)
    except RecursionError:
        raise problem(f"is nested too deep, but must be an object: {_PASS}") from None


def _parse_results(value: object) -> tuple[BulkResult, ...]:
    if isinstance(value, str):
        try:
            value = jsonl.decode(value)
        except ValueError:
            raise problem(f"is {shown(value)}, but must be an object: {_PASS}") from None
    if isinstance(value, Mapping):
        return (_parse_bulk_result(value),)
    if value is None or isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise problem(f"is {shown(value)}, but must be an object: {_PASS}. A task that was skipped returns nothing")
    results = tuple(result for each in value if not _has_no_results(each) for result in _parse_results(each))
    if not results:
        raise problem(f"contains no results: {_PASS}")
    return results


def _has_no_results(value: object) -> bool:
    """Return whether this is the result of a task that has failed before it had results."""
    return isinstance(value, Mapping) and "action" in value and value.get("results_path") is None


def _parse_bulk_result(value: Mapping[str, object]) -> BulkResult:
    if _has_no_results(value):
        raise problem(
            "is the result of a task that has failed before it had results: it has broken off, or its rows are invalid"
        )
    found = {name: value.get(name) for name in ("results_path", "run")}
    for name, text in found.items():
        if not isinstance(text, str) or not text:
            keys = shown(", ".join(map(str, value)))[1:-1] or "no keys"
            raise problem(f"has no key {name!r} (it has {keys}): {_PASS}")
    return BulkResult(str(found["results_path"]), str(found["run"]))


class BulkUsers:
    """
    The users whose rows were done, each once, in the order of the results, in constant memory.

    People who have not accepted their invitation are left out and counted, because they have no account. Use it as a
    context manager, or :meth:`close` it.

    :param results: The results of bulk tasks.
    :param include_invited: Whether to include people who have not accepted their invitation.
    :raises StoredStateError: if a file is missing, damaged or of another run; it is named.
    :raises InvalidRequestError: if the rows of a task are not about users.
    """

    def __init__(self, results: Sequence[BulkResult], *, include_invited: bool = False) -> None:
        self.results = tuple(results)
        self.include_invited = include_invited
        self._table = KeyTable()
        #: Number of rows that were rejected.
        self.rejected = 0
        for result in results:
            self._read(result)
        marks = Counter(value[0] for _, value in self._table.items())
        #: Number of people who have not accepted their invitation.
        self.pending_invitations = marks[_IS_PENDING]
        self._count = marks.total() if include_invited else marks[_HAS_ACCOUNT]
        log.info(
            "Users of bulk tasks: users=%s pending_invitations=%s rejected_rows=%s%s",
            f"{len(self):,}",
            f"{self.pending_invitations:,}",
            f"{self.rejected:,}",
            "; the invited people are left out, and the next run includes those who have accepted"
            if self.pending_invitations and not include_invited
            else "",
        )

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[str]:
        for _, value in self._table.items():
            if self.include_invited or value[0] == _HAS_ACCOUNT:
                yield value[1:]

    def __enter__(self) -> BulkUsers:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Delete the temporary file."""
        self._table.close()

    def batches(self, size: int) -> Iterator[list[str]]:
        """
        Yield the users in lists.

        :param size: Maximum length of a list.
        """
        users = iter(self)
        while batch := list(islice(users, size)):
            yield batch

    def reason_for_none(self) -> str:
        """Return why there is no user, as a sentence."""
        reasons = []
        if self.pending_invitations:
            invitations = counted(self.pending_invitations, "invitation")
            reasons.append(f"{invitations} not accepted yet (the next run includes those who accept)")
        if self.rejected:
            reasons.append(f"{counted(self.rejected, 'row')} rejected")
        return f"No user to work on: {', '.join(reasons) or 'the bulk task had no rows'}"

    def _read(self, result: BulkResult) -> None:
        path = storage_path(result.results_path)
        manifest = _manifest_of(path, result.run)
        outcomes: Counter[str] = Counter()
        for number, row in enumerate(read_results(path, _advice(path)), 1):
            if row.row != number:
                raise StoredStateError(path, f"is damaged: it has row {row.row} in the place of row {number}", _ADVICE)
            outcomes[row.outcome] += 1
            if not row.is_done:
                self.rejected += 1
            elif row.outcome in PENDING:
                self._table.add(*_entry(row, _IS_PENDING, path))
            else:
                self._table.put(*_entry(row, _HAS_ACCOUNT, path))
        if outcomes != manifest.get("outcomes"):
            raise StoredStateError(
                path,
                f"is damaged: it has {outcomes.total():,} rows with the outcomes {dict(outcomes)}, but its manifest "
                f"says {manifest.get('rows')} with {manifest.get('outcomes')}",
                _ADVICE,
            )


def _manifest_of(path: ObjectStoragePath, run: str) -> Mapping[str, object]:
    """Return the manifest of a run whose rows are about users."""
    manifest = read_manifest(path.parent, _ADVICE)
    if manifest is None:
        raise StoredStateError(path.parent, "has no results", _advice(path))
    if manifest.get("run") != run:
        raise StoredStateError(
            path,
            f"has the results of another run ({manifest.get('run')!r:.200}, finished "
            f"{manifest.get('finished_at')!s:.200}), not of {run!r:.200}",
            "Clear the bulk task, and give each DAG run a results_path of its own (with {{ run_id }}). Nothing was "
            "sent.",
        )
    if manifest.get("action") not in USER_ACTIONS:
        raise InvalidRequestError(
            f"users_from takes the results of {', '.join(USER_ACTIONS)}, but {path} has those of "
            f"{manifest.get('action')!r:.200}. Nothing was sent.",
            argument="users_from",
        )
    if WOULD_SEND in (manifest.get("outcomes") or ()):
        raise InvalidRequestError(
            f"{path} has the results of a dry run, which has done nothing. Run the bulk task without dry_run.",
            argument="users_from",
        )
    return manifest


def _advice(path: ObjectStoragePath) -> str:
    if not is_local(path):
        return _ADVICE
    return (
        f"{_ADVICE} It is looked for on this host ({gethostname()}): if tasks run on several hosts, use a results_path "
        "in an object store."
    )


def _entry(row: Result, mark: str, path: ObjectStoragePath) -> tuple[str, str]:
    try:
        user = parse_user(row.user)
    except PydanticCustomError:
        raise StoredStateError(path, f"is damaged in row {row.row}: it does not name a user", _ADVICE) from None
    return ignore_case(user), mark + user


class UserSource(Source):
    """
    The users of bulk tasks as rows with one column.

    :param users: The users.
    :param mapping: The name of the column to that of the argument, if it is another one.
    """

    def __init__(self, users: BulkUsers, mapping: ColumnMapping) -> None:
        super().__init__(mapping)
        self.name = "users_from"
        self.pending_invitations = users.pending_invitations
        self._users = users

    @cached_property
    def columns(self) -> list[str] | None:
        """The one column."""
        return [COLUMN]

    def _records(self) -> Iterator[Record]:
        for number, user in enumerate(self._users, 1):
            yield number, None, {COLUMN: user}, None


def read_users(users_from: object, include_invited: object) -> BulkUsers:
    """
    Read the users of bulk tasks.

    :param users_from: The argument of an operator: results of bulk tasks.
    :param include_invited: The argument of an operator.
    :raises InvalidRequestError: if an argument is invalid.
    """
    results = parse_argument("users_from", parse_bulk_results, users_from)
    return BulkUsers(results, include_invited=parse_argument("include_invited", parse_boolean, include_invited))
