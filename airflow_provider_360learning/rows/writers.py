"""What is done with checked rows: one call of an action for each, or one for several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from airflow_provider_360learning.api.actions import BoundAction, WriteSpec
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    InvalidConnectionError,
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
)
from airflow_provider_360learning.rows.results import FAILED, REFUSED, UNKNOWN, Result
from airflow_provider_360learning.rows.schema import CheckedRow, RowSchema

#: Errors that no other row would be spared: they end the attempt, and the next one goes on.
NOT_OF_A_ROW = (AuthenticationError, InvalidConnectionError, RateLimitedError)


class RowWriter(Protocol):
    """
    What is done with rows.

    A row that was not done is a result; an error that is raised ends the attempt.
    """

    name: str
    #: What all rows are done to, as text.
    target: str
    #: Whether rows say what happened once, not how things shall be: then the last one does not replace the others.
    append_only: bool
    #: Operation whose limit sets the pace.
    operation: str
    #: Most rows a request.
    rows_per_request: int
    #: Most rows that may have been sent, and whose results are not kept yet: those in doubt after a crash.
    rows_ahead: int
    columns: RowSchema

    def apply(self, rows: Sequence[CheckedRow], unconfirmed: bool) -> list[Result]:
        """
        Do it, and say what became of each row.

        :param rows: At most :attr:`rows_per_request`.
        :param unconfirmed: Whether an earlier attempt may have done it.
        """


class PerRowWriter:
    """
    Calls an action for each row.

    :param action: The action.
    :param common: Arguments that all rows share.
    """

    target = ""
    append_only = False
    rows_per_request = 1
    rows_ahead = 100

    def __init__(self, action: BoundAction[..., Any], common: Mapping[str, Any]) -> None:
        write = write_of(action)
        self.name = action.name
        self.operation = write.operation
        self.columns = RowSchema(self.name, action.model, write, common, check=action.check)
        self._action = action
        self._write = write

    def apply(self, rows: Sequence[CheckedRow], unconfirmed: bool) -> list[Result]:
        """Call the action; what an earlier attempt may have done counts as done by it."""
        (row,) = rows
        try:
            done = self._action.run(row.valid_arguments())
        except NOT_OF_A_ROW:
            raise
        except AlreadyExistsError as error:
            # Asked to fail for what exists: but it may be this run that made it.
            return [
                _confirmed_by_earlier_attempt(row, "created")
                if unconfirmed and self._write.makes
                else not_done(row, error)
            ]
        except NotFoundError as error:
            return [
                _confirmed_by_earlier_attempt(row, "deleted")
                if unconfirmed and self.name.startswith("delete_")
                else not_done(row, error)
            ]
        except Learning360Error as error:
            return [not_done(row, error)]
        made = done.get(self._write.makes) if self._write.makes else None
        return [Result(row.row.number, row.key, done["outcome"], id=made)]


def per_row_writer(api: LearningApi, name: str, common: Mapping[str, Any]) -> PerRowWriter:
    """
    Look an action up by its name.

    :param api: The actions.
    :param name: Name of one that changes something.
    :param common: Arguments that all rows share.
    :raises InvalidRequestError: if there is none; those that there are are named.
    """
    known = {each: found for each, found in api.actions.items() if found.write and not found.write.batched}
    if name not in known:
        raise InvalidRequestError(
            f"action is {name!r}, but must be one of {', '.join(known)}. Nothing was sent.", argument="action"
        )
    return PerRowWriter(known[name], common)


class BatchedWriter:
    """
    Calls an action for several rows at once.

    A request that is refused is sent again in halves, to find the row that it is refused for. That a refused request
    has done nothing for any of its rows is an assumption, as everywhere.

    :param name: What is done, as it is called.
    :param target: What all rows are done to.
    :param columns: What a row must be.
    :param write: What is to be known of the action.
    :param send: Calls the action with the arguments of several rows, and returns what is wrong with each (``None``: it
        was done).
    :param outcome: What became of a row that was done.
    :param rows_per_request: Most rows a request.
    :param of_all_rows: What stands in error codes that speak of what all rows share: these end the run.
    :param resend_unconfirmed: Whether what may have been done is done again.
    """

    def __init__(
        self,
        name: str,
        target: str,
        columns: RowSchema,
        write: WriteSpec,
        send: Callable[[list[Any]], Sequence[str | None]],
        *,
        outcome: str,
        rows_per_request: int,
        of_all_rows: Collection[str],
        resend_unconfirmed: bool,
    ) -> None:
        self.name = name
        self.target = target
        #: What may not be sent twice blindly is no state, but a fact.
        self.append_only = not API_V1.endpoints[write.operation].may_resend
        self.operation = write.operation
        self.columns = columns
        self.rows_per_request = rows_per_request
        #: Few, since each of them may be reported as unknown.
        self.rows_ahead = 3 * rows_per_request
        self._send = send
        self._outcome = outcome
        self._of_all_rows = frozenset(of_all_rows)
        self._resend = resend_unconfirmed

    def apply(self, rows: Sequence[CheckedRow], unconfirmed: bool) -> list[Result]:
        """Call the action; what an earlier attempt may have done is done again, or reported as unknown."""
        if unconfirmed and not self._resend:
            return [unknown(row, "An earlier attempt ended while this may have been under way.") for row in rows]
        return self._send_or_halve(rows, may_resend=self._resend)

    def _send_or_halve(self, rows: Sequence[CheckedRow], *, may_resend: bool) -> list[Result]:
        try:
            wrong = self._send([row.valid_arguments() for row in rows])
        except OutcomeUnknownError as error:
            if may_resend:
                return self._send_or_halve(rows, may_resend=False)
            return [unknown(row, str(error.args[0])) for row in rows]
        except Learning360Error as error:
            if isinstance(error, NOT_OF_A_ROW) or any(each in (error.code or "") for each in self._of_all_rows):
                raise
            if error.transient or len(rows) == 1:
                return [not_done(row, error) for row in rows]
            half = len(rows) // 2
            halves = (rows[:half], rows[half:])
            return [result for each in halves for result in self._send_or_halve(each, may_resend=may_resend)]
        return [self._told(row, fault) for row, fault in zip(rows, wrong, strict=True)]

    def _told(self, row: CheckedRow, fault: str | None) -> Result:
        if fault is None:
            return Result(row.row.number, row.key, self._outcome)
        return Result(row.row.number, row.key, REFUSED, error_code=fault, message=f"360Learning refuses it: {fault}")


def unknown(row: CheckedRow, why: str) -> Result:
    """
    Say that a row may have been done, and is not sent again by itself.

    :param row: The row.
    :param why: Why that is not known.
    """
    message = f"{why} Look it up in 360Learning, or send it again with resend_unconfirmed=True."
    return Result(row.row.number, row.key, UNKNOWN, error_code="OutcomeUnknownError", message=message)


def not_done(row: CheckedRow, error: Learning360Error) -> Result:
    """
    Say why a row was not done.

    :param row: The row.
    :param error: What its call ended with.
    """
    outcome = FAILED if error.transient else REFUSED
    if isinstance(error, OutcomeUnknownError):
        outcome = UNKNOWN
    return Result(
        row.row.number,
        row.key,
        outcome,
        error_code=error.code or type(error).__name__,
        message=str(error),
        retryable=error.transient,
    )


def _confirmed_by_earlier_attempt(row: CheckedRow, outcome: str) -> Result:
    return Result(row.row.number, row.key, outcome, message="done by an earlier attempt of this run, which was ended")


def write_of(action: BoundAction[..., Any]) -> WriteSpec:
    """Return what is to be known of an action that changes something."""
    if action.write is None:
        raise ValueError(f"{action.name} changes nothing")
    return action.write
