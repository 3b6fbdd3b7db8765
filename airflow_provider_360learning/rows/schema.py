"""What a row must be before any row is sent: its columns are the fields of the action's model."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from airflow_provider_360learning import config
from airflow_provider_360learning.api.actions import WriteSpec
from airflow_provider_360learning.api.models.base import ActionArguments, Problem, problems_in
from airflow_provider_360learning.api.models.parsers import MAX_SHOWN, is_id, shown
from airflow_provider_360learning.api.named_objects import NewGroup
from airflow_provider_360learning.api.names import Resolution
from airflow_provider_360learning.api.text import listed
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.rows.limits import MAX_ERRORS_PER_ROW, MAX_PROBLEM
from airflow_provider_360learning.rows.sources import Row, Source

_ADVICE_FOR_UNKNOWN = (
    "rename a column with column_mapping={'theirs': 'ours'}, or leave one out with column_mapping={'theirs': None}"
)


@dataclass(frozen=True, slots=True)
class RowError:
    """
    What is invalid in a row.

    :param row: Number of the row, from 1.
    :param line: Line of the file where it begins, if it comes from one.
    :param field: Name of the column, or ``None`` if the row as a whole is invalid.
    :param value: Its value as a string of at most 200 characters; never a secret, nor the value of an unknown column.
    :param problem: What is invalid and what was expected.
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
    :param arguments: The arguments of the action, normalized, with ids in place of names; ``None`` if the row is
        invalid.
    :param written: The same as the row gives them, with names.
    :param key: What identifies the object that the row is about, for people.
    :param subject: Rows with the same subject are sent in order.
    :param errors: What is invalid in it; the row is not sent if there is anything.
    :param identity: The key for comparisons: two rows with the same one are about the same object. The case of email
        addresses and ids of 360Learning is ignored, that of names and ids of other systems is not.
    :param fields_without_case: The fields of the key whose case is ignored.
    :param secret_columns: Columns whose values are never shown, stored or compared.
    :param new_groups: Groups that must be created before the row is sent.
    """

    row: Row
    arguments: ActionArguments | None = field(default=None, repr=False)
    written: ActionArguments | None = field(default=None, repr=False)
    key: str = ""
    subject: str = ""
    errors: tuple[RowError, ...] = ()
    identity: str = ""
    fields_without_case: frozenset[str] = frozenset()
    secret_columns: frozenset[str] = frozenset()
    new_groups: tuple[NewGroup, ...] = ()

    @property
    def user(self) -> str | None:
        """
        Email address or id of the user whom the row is about, once it is done: the new address if it changes that.

        ``None`` if it is about no user. An id stays, because no row changes it.
        """
        given = {} if self.arguments is None else self.arguments.given()
        user, mail = given.get("user"), given.get("mail")
        found = user if is_id(user) else mail or user
        return None if found is None else str(found)

    def valid_arguments(self) -> ActionArguments:
        """Return the arguments of a row that is known to be valid."""
        if self.arguments is None:
            raise ValueError(f"row {self.row.number} is invalid")
        return self.arguments

    def digest(self) -> bytes:
        """
        Return a digest of what would be sent, however it was written in the source.

        The case of an email address counts where it is a new value, and not where it identifies the row. Secrets are
        left out, since they could be guessed from a digest. Names count as the ids that they stand for.
        """
        return self._digest_of(self.arguments)

    def digest_as_written(self) -> bytes:
        """Return a digest of the row in the source: names count as they are, whatever they stand for by now."""
        return self._digest_of(self.written)

    def _digest_of(self, arguments: ActionArguments | None) -> bytes:
        return hashlib.sha256(self._content(arguments).encode()).digest()

    def _content(self, arguments: ActionArguments | None) -> str:
        secrets = self.secret_columns
        if arguments is None:
            return repr([(name, shown(value)) for name, value in self.row.values.items() if name not in secrets])
        given = arguments.given()
        for name in secrets:
            given.pop(name, None)
        for name in self.fields_without_case:
            if name in given:
                given[name] = _text_without_case(given[name])
        return repr(list(given.items()))


#: Returns what else is invalid in the arguments of a row, as ``(field, problem)``.
RowCheck = Callable[[Any], Iterable[tuple[str, str]]]

#: Finds the names in the arguments of a row.
Resolve = Callable[[ActionArguments], Resolution]


def no_further_checks(arguments: Any) -> Iterable[tuple[str, str]]:
    """Return no problems."""
    return ()


def accept_all(arguments: Any) -> None:
    """Accept all arguments."""


def no_names(arguments: ActionArguments) -> Resolution:
    """Find no names."""
    return Resolution()


def digest_of(*parts: str) -> str:
    """Return the hexadecimal digest of some strings."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


class RowSchema:
    """
    The columns that rows may have, and the values that are valid in them.

    :param action_name: Name of the action, for messages.
    :param model: The model of the arguments that one row gives.
    :param write: Metadata of the action.
    :param defaults: Values that all rows share, by column; a row's own value wins.
    :param further_check: Returns what else is invalid in a row.
    :param resolve: Finds the names in a row.
    :param check: Raises :class:`InvalidRequestError` for arguments that this version of the API does not support.
    """

    def __init__(
        self,
        action_name: str,
        model: type[ActionArguments],
        write: WriteSpec,
        defaults: Mapping[str, object],
        *,
        further_check: RowCheck = no_further_checks,
        check: Callable[[Any], None] = accept_all,
        resolve: Resolve = no_names,
    ) -> None:
        self._action_name = action_name
        self._model = model
        self._write = write
        self._further_check = further_check
        #: Number of the last row for which an earlier attempt has made the further check: what it depends on may have
        #: changed since.
        self.checked_up_to = 0.0
        self._check_version = check
        self._resolve = resolve
        self._columns = [name for name in model.model_fields if name not in model.not_in_rows]
        self._lists = [name for name, field in model.model_fields.items() if "Sequence" in repr(field.annotation)]
        self._max_items = config.max_list_items()
        self._required: list[tuple[str, ...]] = [
            (name,) for name, column in model.model_fields.items() if column.is_required()
        ]
        self._required += [(one.id_field, name) for name, one in model.names.items() if one.is_required]
        #: The column that identifies what a row is about.
        self.key = write.key[0]
        #: The columns of the key, those of names included.
        self._key_columns = [
            column for name in write.key for column in (name, model.alternatives.get(name)) if column is not None
        ]
        self._fields_without_case = model.fields_without_case.intersection(write.key)
        self._refuse_unknown("defaults", defaults)
        self._defaults = model.without_missing(defaults)

    @property
    def columns(self) -> frozenset[str]:
        """Columns that the action takes."""
        return frozenset(self._columns)

    @property
    def secret_columns(self) -> frozenset[str]:
        """Columns whose values are never shown, stored or compared."""
        return self._model.secret_fields

    @property
    def writes(self) -> Callable[[Any], int] | None:
        """Returns how many writes the arguments of a row need; ``None`` if it is always one."""
        return self._write.writes

    def check_header(self, source: Source) -> None:
        """
        Refuse a source whose columns are invalid for all rows.

        :param source: The source; one that has no columns before its rows (a list) is checked row by row.
        :raises InvalidRequestError: naming unknown and missing columns.
        """
        if not source.arguments:  # each row has its own, or the file is empty
            return
        if not set(self._columns) & set(source.arguments):
            # Without a header, the names are values of the first row, a password perhaps: none of them is shown.
            raise InvalidRequestError(
                f"{source.name} has none of the columns that {self._action_name} takes: {', '.join(self._columns)}. Is "
                "its first line a header? Rename columns with column_mapping={'theirs': 'ours'}. Nothing was sent."
            )
        self._refuse_unknown(source.name, source.arguments)
        known = {*source.arguments, *self._defaults}
        missing = [" or ".join(names) for names in self._required if known.isdisjoint(names)]
        if missing:
            raise InvalidRequestError(
                f"{source.name} has no column {', '.join(missing)}, which {self._action_name} needs. Rename a column "
                "with column_mapping={'theirs': 'ours'}, or give the value for all rows with defaults={…}. "
                "Nothing was sent.",
                argument=missing[0].partition(" ")[0],
            )

    def check(self, row: Row) -> CheckedRow:
        """Validate and normalize one row."""
        if row.problem:
            problem = RowError(row.number, row.line, None, None, row.problem)
            return CheckedRow(row, errors=(problem,), secret_columns=self.secret_columns)
        values = self._with_defaults(row.values) if self._defaults else row.values
        try:
            arguments = self._model.model_validate(values)
        except ValidationError as error:
            return self._invalid(row, values, problems_in(error, values, self._action_name))
        except Exception as error:  # of any type: a value of a list may be of any class
            return self._invalid(row, values, self._unreadable(values, error))
        errors = self._further_errors(row, arguments)
        if errors or not arguments.given_names():
            return self._identified(row, arguments, arguments, errors)
        found = self._resolve(arguments)
        resolved = arguments.with_ids(found.ids)
        errors = self._errors(row, found.problems or list(resolved.conflicts()))
        return self._identified(row, arguments, resolved, errors, tuple(found.new_groups))

    def _invalid(self, row: Row, values: Mapping[str, Any], problems: Sequence[Problem]) -> CheckedRow:
        key = " / ".join(shown_text(values[name]) for name in self._key_columns if name in values)
        errors = self._errors(row, [self._with_advice(one) for one in problems])
        return CheckedRow(row, key=key, errors=errors, secret_columns=self.secret_columns)

    def _unreadable(self, values: Mapping[str, Any], error: Exception) -> list[Problem]:
        """Return the fields whose values raise errors of their own when they are read."""
        return [
            Problem(name, f"{name} cannot be read: its value of type {type(value).__name__:.80} raises an error")
            for name, value in values.items()
            if _raises(self._model, name, value)
        ] or [Problem(None, f"cannot be read ({type(error).__name__:.80})")]

    def _with_defaults(self, values: Mapping[str, Any]) -> dict[str, object]:
        """Return the values of a row and the defaults: a name in the row replaces a default id, and vice versa."""
        given = self._model.without_missing(values)
        replaced = {self._model.alternatives.get(name) for name in given}
        return {**{name: value for name, value in self._defaults.items() if name not in replaced}, **given}

    def _further_errors(self, row: Row, arguments: ActionArguments) -> tuple[RowError, ...]:
        if surplus := self._model.not_in_rows & arguments.model_fields_set:
            problem = f"{', '.join(sorted(surplus))} is an argument of the task, not a column"
            return self._errors(row, [Problem(None, problem)])
        try:
            self._check_version(arguments)
        except InvalidRequestError as error:
            text = str(error.args[0]).removesuffix(" Nothing was sent.").rstrip(".")
            return self._errors(row, [Problem(error.argument, text)])
        # Most rows are shorter than a list that is too long.
        problems = self._lists_too_long(arguments) if row.size > self._max_items else []
        if not problems and row.number > self.checked_up_to:
            problems = [Problem(*each) for each in self._further_check(arguments)]
        return self._errors(row, problems) if problems else ()

    def _lists_too_long(self, arguments: ActionArguments) -> list[Problem]:
        return [
            Problem(
                name,
                f"{name} has {len(value):,} items, but at most {self._max_items:,} are allowed ([learning360] "
                "max_list_items): divide it among several rows",
            )
            for name in self._lists
            if (value := arguments.__dict__[name]) and len(value) > self._max_items
        ]

    def _identified(
        self,
        row: Row,
        written: ActionArguments,
        resolved: ActionArguments,
        errors: tuple[RowError, ...],
        new_groups: tuple[NewGroup, ...] = (),
    ) -> CheckedRow:
        key = _texts_of(written, self._key_columns)
        # Most rows have no names, whose ids differ from what was written.
        found = key if resolved is written else _texts_of(resolved, self._write.key)
        identity = [
            ignore_case(found[name]) if name in self._fields_without_case else found[name]
            for name in self._write.key
            if name in found
        ]
        subject = "\n".join(identity[: self._write.subject_fields])
        return CheckedRow(
            row,
            resolved,
            written,
            " / ".join(key.values()),
            subject,
            errors,
            " / ".join(identity),
            self._fields_without_case,
            self.secret_columns,
            new_groups,
        )

    def _with_advice(self, problem: Problem) -> Problem:
        if problem.field is None or problem.field.partition("[")[0] in self._columns:
            return problem
        return Problem(problem.field, f"{problem.text}: {_ADVICE_FOR_UNKNOWN}")

    def _errors(self, row: Row, problems: Sequence[tuple[str | None, str]]) -> tuple[RowError, ...]:
        """Return the first errors of a row, and the number of the others: a list may have thousands of them."""
        errors = [self._error(row, *each) for each in problems[:MAX_ERRORS_PER_ROW]]
        if more := len(problems) - len(errors):
            errors.append(self._error(row, None, f"{more:,} more of its values are invalid"))
        return tuple(errors)

    def _error(self, row: Row, name: str | None, problem: str) -> RowError:
        column = name.partition("[")[0] if name else None
        value = None
        if column in self._columns and column not in self._model.secret_fields:
            value = row.values.get(column, self._defaults.get(column))
        text = None if value is None else shown_text(value)
        return RowError(row.number, row.line, name and name[:MAX_SHOWN], text, problem[:MAX_PROBLEM])

    def _refuse_unknown(self, where: str, names: Iterable[str]) -> None:
        unknown = sorted(set(names) - set(self._columns))
        if unknown:
            some = [shown(name) for name in unknown[:MAX_ERRORS_PER_ROW]]
            raise InvalidRequestError(
                f"{where} has {listed(some, MAX_PROBLEM, len(unknown))}, which {self._action_name} does not take; it "
                f"takes {', '.join(self._columns)}; {_ADVICE_FOR_UNKNOWN}. Nothing was sent.",
                argument=unknown[0][:MAX_SHOWN],
            )


def shown_text(value: object) -> str:
    """Return a value of the source as reports show it: characters that would not be visible are escaped."""
    try:
        text = str(value)[:MAX_SHOWN]
    except Exception:  # more than 4,300 digits, hundreds of levels, or whatever a class of another library raises
        return shown(value)
    if text.isprintable():
        return text
    escaped = (one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)
    return "".join(escaped)[:MAX_SHOWN]


def _raises(model: type[ActionArguments], name: str, value: object) -> bool:
    """Return whether a value raises an error that is not that of its parser."""
    try:
        model.model_validate({name: value})
    except ValidationError:
        return False
    except Exception:
        return True
    return False


def ignore_case(text: str) -> str:
    """
    Return a key for comparisons that ignore case.

    Not ``casefold``, which equates ``ß`` with ``ss``: ``hans.groß@…`` and ``hans.gross@…`` are two people.

    :param text: A normalized text.
    """
    return text.lower()


def _texts_of(arguments: ActionArguments, names: Iterable[str]) -> dict[str, str]:
    """Return the values of some fields as text, without fields that are not given."""
    values = arguments.__dict__
    return {name: value if type(value) is str else _text(value) for name in names if (value := values[name])}


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _text_without_case(value: object) -> str:
    return ignore_case(_text(value))
