"""What a row must be before any row is sent: the columns of its action, values of the right kind, no row twice."""

from __future__ import annotations

import hashlib
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from airflow_provider_360learning.api.actions import WriteSpec
from airflow_provider_360learning.api.values import collect_errors
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.rows.sources import Row, Source

#: Arguments whose values are never shown, kept, or compared.
SECRETS = frozenset({"password"})
#: Rows that are compared with what was checked, before any of them is sent.
ROWS_A_DIGEST = 1000


@dataclass(frozen=True, slots=True)
class RowError:
    """
    One thing that is wrong with a row.

    :param row: Number of the row, from 1.
    :param line: Line of the file where it begins, if it comes from one.
    :param field: The argument, or ``None`` where the row as a whole is wrong.
    :param value: Its value, as text; never a secret.
    :param problem: What is wrong, what was expected, and what to do.
    """

    row: int
    line: int | None
    field: str | None
    value: str | None
    problem: str

    def __str__(self) -> str:
        place = f"row {self.row}" + (f" (line {self.line})" if self.line else "")
        return f"{place}: {self.problem}"


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """
    A row that was checked.

    :param row: The row.
    :param arguments: The action's arguments, with values of the right kind.
    :param key: What says whom or what it is about, as text.
    :param subject: Rows with the same one are done in order.
    :param faults: What is wrong with it; it is not sent if there is anything.
    """

    row: Row
    arguments: Mapping[str, Any] = field(default_factory=dict, repr=False)
    key: str = ""
    subject: str = ""
    faults: tuple[RowError, ...] = ()

    def digest(self) -> bytes:
        """Digest what would be sent; secrets are left out, since a digest of them could be guessed from."""
        return hashlib.sha256(_canonical(_without_secrets(self.arguments or self.row.values))).digest()


#: Says what else is wrong with the values of a row, as ``(argument, problem)``.
RowCheck = Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]]


def no_further_checks(arguments: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    """Find nothing wrong."""
    return ()


def digest_of(*parts: str) -> str:
    """Digest some texts, as hexadecimal text."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class RowSchema:
    """
    The columns that rows may have: the arguments of a function that takes one row.

    :param name: What is done with the rows.
    :param takes: The function; its signature says which columns there are, and of what kind. Called with the values of
        a row, it checks them; an action is not run further than to its first call.
    :param write: What is to be known of the action.
    :param common: Values that all rows share, by argument; a row's own wins.
    :param also: Says what else is wrong with a row, as ``(argument, problem)``.
    """

    def __init__(
        self,
        name: str,
        takes: Callable[..., Any],
        write: WriteSpec,
        common: Mapping[str, Any],
        also: RowCheck = no_further_checks,
    ) -> None:
        self._name = name
        self._takes = takes
        self._write = write
        self._also = also
        hints = typing.get_type_hints(takes)
        parameters = inspect.signature(takes).parameters.values()
        self._kinds = {one.name: _kind_of(hints[one.name]) for one in parameters}
        self._defaults = {one.name: one.default for one in parameters if one.default is not one.empty}
        self._required = [one.name for one in parameters if one.default is one.empty]
        #: The argument that says whom or what a row is about.
        self.key = write.key[0]
        self._refuse_unknown("common", common)
        self._common = {name: value for name, value in common.items() if value is not None}

    @property
    def may_hold_secrets(self) -> bool:
        """Whether a row may have a password."""
        return bool(SECRETS & self._kinds.keys())

    def check_header(self, source: Source) -> None:
        """
        Refuse a source whose columns cannot be right for any row.

        :param source: The source; one that knows no columns before its rows (a list) is checked row by row.
        :raises InvalidRequestError: naming unknown and missing columns.
        """
        if not source.arguments:  # each row has its own, or the file is empty
            return
        self._refuse_unknown(source.name, source.arguments)
        missing = [name for name in self._required if name not in {*source.arguments, *self._common}]
        if missing:
            raise InvalidRequestError(
                f"{source.name} has no column {', '.join(missing)}, which {self._name} needs. Rename a column with "
                "columns={'theirs': 'ours'}, or give the value for all rows with common={…}. Nothing was sent.",
                argument=missing[0],
            )

    def check(self, row: Row) -> CheckedRow:
        """RowChecker one row, and convert its values to the kinds that the action takes."""
        if row.problem:
            return CheckedRow(row, faults=(RowError(row.number, row.line, None, None, row.problem),))
        values = {**self._common, **row.values}
        faults = [_fault(row, name, f"{name} is missing") for name in self._required if name not in values]
        arguments: dict[str, Any] = {}
        for name in values:
            if name not in self._kinds:  # what its value is, a password say, nobody knows
                faults.append(RowError(row.number, row.line, name, None, f"{name} is no argument of {self._name}"))
                continue
            try:
                arguments[name] = _converted(self._kinds[name], values[name])
            except ValueError as error:
                shown = "given" if name in SECRETS else repr(values[name])
                faults.append(_fault(row, name, f"{name} is {shown}, but must be {error}"))
        faults += self._faults_of_values(row, arguments, sound=not faults)
        key = [_text(value) for name in self._write.key if (value := arguments.get(name, self._defaults.get(name)))]
        subject = "\n".join(key[: self._write.in_order]).casefold()
        return CheckedRow(row, arguments, " / ".join(key), subject, tuple(faults))

    def _faults_of_values(self, row: Row, arguments: Mapping[str, Any], *, sound: bool) -> list[RowError]:
        """RowChecker the values; of a row that is not sound, those that it has."""
        if not all(name in arguments for name in self._required):
            return []
        wrong = collect_errors(lambda: self._takes(**arguments))
        # Whether anything is sent is for the run to decide.
        faults = [_fault(row, one.argument, one.args[0].removesuffix(" Nothing was sent.")) for one in wrong]
        if not sound:  # without the values that are not of their kind, the row as a whole may seem wrong
            return [fault for fault in faults if fault.field]
        return faults or [_fault(row, name, problem) for name, problem in self._also(arguments)]

    def _refuse_unknown(self, where: str, names: Iterable[str]) -> None:
        unknown = sorted(set(names) - self._kinds.keys())
        if unknown:
            raise InvalidRequestError(
                f"{where} has {', '.join(unknown)}, which {self._name} does not take; it takes "
                f"{', '.join(self._kinds)}. Rename a column with columns={{'theirs': 'ours'}}, leave one out with "
                "columns={'theirs': None}. Nothing was sent.",
                argument=unknown[0],
            )


class RowChecker:
    """
    Checks the rows of a source, twice alike: all of them before the first write, and each again when it is sent.

    :param source: The rows.
    :param columns: What a row must be.
    """

    def __init__(self, source: Source, columns: RowSchema) -> None:
        self._source = source
        self._columns = columns
        self._rows_by_key = KeyTable()
        self._digests: list[bytes] = []
        #: Number of rows, and a digest of them all and of what else decides what is sent.
        self.total, self.fingerprint = 0, ""

    def all_rows(self) -> Iterator[CheckedRow]:
        """RowChecker all rows, and remember what they are."""
        whole = hashlib.sha256()
        self._columns.check_header(self._source)
        for chunk in _chunks(self._source.rows()):
            checked = [self._check(row) for row in chunk]
            self._digests.append(_digest(checked))
            whole.update(self._digests[-1])
            self.total += len(checked)
            yield from checked
        self.fingerprint = whole.hexdigest()

    def second_pass(self) -> Iterator[CheckedRow]:
        """
        Read and check the rows again, as they are sent.

        :raises InvalidRequestError: if they are not what they were; none that differs is given out.
        """
        known = iter(self._digests)
        for chunk in _chunks(self._source.rows()):
            checked = [self._check(row) for row in chunk]
            if next(known, None) != _digest(checked):
                raise InvalidRequestError(
                    f"{self._source.name} changed while it was read, between row {chunk[0].number} and "
                    f"{chunk[-1].number}; nothing of these rows was sent. Leave the input alone while it is used "
                    "(a query needs an ORDER BY), and clear the task."
                )
            yield from checked
        if next(known, None) is not None:
            raise InvalidRequestError(
                f"{self._source.name} is shorter than it was when it was checked. Clear the task."
            )

    def close(self) -> None:
        """Forget the keys."""
        self._rows_by_key.close()

    def _check(self, row: Row) -> CheckedRow:
        checked = self._columns.check(row)
        if checked.faults:
            return checked
        before = self._rows_by_key.add(checked.key.casefold(), str(row.number))
        if before is None or before == str(row.number):
            return checked
        problem = f"{checked.key} is in row {before} already: leave one of the two out"
        fault = RowError(row.number, row.line, self._columns.key, checked.key, problem)
        return CheckedRow(row, checked.arguments, checked.key, checked.subject, (fault,))


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == ROWS_A_DIGEST:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _digest(rows: Sequence[CheckedRow]) -> bytes:
    whole = hashlib.sha256()
    for row in rows:
        whole.update(row.digest())
    return whole.digest()


def _without_secrets(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in SECRETS}


def _canonical(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, sort_keys=True, default=str).encode()


def _fault(row: Row, name: str | None, problem: str) -> RowError:
    column = name.partition("[")[0] if name else None
    value = None if column is None or column in SECRETS else row.values.get(column)
    return RowError(row.number, row.line, name, None if value is None else str(value), problem)


def _text(value: Any) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value)


# From the cells of a file to what an action takes


def _kind_of(hint: Any) -> str:
    """Say what kind of value an annotation stands for: list, object, integer, number, flag, moment or text."""
    choices = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    origins = {typing.get_origin(choice) or choice for choice in choices} - {type(None)}
    if datetime in origins:
        return "moment"
    for kind, classes in _KINDS.items():
        if origins & classes:
            return kind
    return (
        "list"
        if any(inspect.isclass(one) and issubclass(one, Iterable) and one is not str for one in origins)
        else "text"
    )


_KINDS: dict[str, set[Any]] = {"object": {Mapping}, "flag": {bool}, "number": {float}, "integer": {int}}


def _converted(kind: str, value: Any) -> Any:
    """
    Convert a value to the kind that an action takes.

    :raises ValueError: saying what it must be.
    """
    return _CONVERSIONS[kind](value)


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | date | Decimal):
        raise ValueError("a text")
    return str(value)


def _as_moment(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _as_integer(value: Any) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("a whole number") from None
    if isinstance(value, bool) or number != int(number):
        raise ValueError("a whole number")
    return int(number)


def _as_number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError("a number") from None
    if isinstance(value, bool) or number != number or number in (float("inf"), float("-inf")):
        raise ValueError("a number")
    return number


def _as_flag(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in ("true", "false"):
        raise ValueError("true or false")
    return text == "true"


def _as_list(value: Any) -> list[Any]:
    if isinstance(value, str):
        value = _from_json(value) if value.lstrip().startswith("[") else [one.strip() for one in value.split(";")]
    if not isinstance(value, list | tuple):
        raise ValueError("a list: values with ; between them, or a JSON array")
    return [one for one in value if one != ""]


def _as_object(value: Any) -> Mapping[str, Any]:
    value = _from_json(value) if isinstance(value, str) else value
    if not isinstance(value, Mapping):
        raise ValueError("a JSON object")
    return value


def _from_json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


_CONVERSIONS: dict[str, typing.Callable[[Any], Any]] = {
    "text": _as_text,
    "moment": _as_moment,
    "integer": _as_integer,
    "number": _as_number,
    "flag": _as_flag,
    "list": _as_list,
    "object": _as_object,
}
