"""What is done with checked rows: one call of an action per row, or one for several rows."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

from airflow_provider_360learning.api.actions import BoundAction, WriteSpec
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models.base import validate
from airflow_provider_360learning.api.models.groups import GroupCreation
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    AuthenticationError,
    InvalidConnectionError,
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    OutcomeUnknownError,
    RateLimitedError,
    UnreadableConnectionError,
)
from airflow_provider_360learning.rows.config import ApplyAction
from airflow_provider_360learning.rows.names import RowNames
from airflow_provider_360learning.rows.results import FAILED, REFUSED, UNKNOWN, Result
from airflow_provider_360learning.rows.schema import CheckedRow, Resolve, RowSchema

#: Why the outcome of a row is not known that an earlier attempt may have sent.
MAYBE_SENT = "An earlier attempt ended while this may have been under way."
#: Errors that any other row would meet, too: they end the attempt, and the next one resumes.
ENDS_ATTEMPT = (AuthenticationError, InvalidConnectionError, UnreadableConnectionError, RateLimitedError)


class Writer(Protocol):
    """What is done with rows."""

    #: Name of the action.
    name: str
    #: What all rows are done to; empty if each row says so itself.
    target: str
    #: Whether rows report events instead of a state: then a later row does not replace an earlier one.
    append_only: bool
    #: Operation whose rate limit sets the pace.
    operation: str
    #: Maximum number of rows per request.
    rows_per_request: int
    schema: RowSchema


class RowWriter(Writer, Protocol):
    """
    Does rows by requests.

    A rejected row is a result; an error that is raised ends the attempt.
    """

    #: Maximum number of rows that may be sent before their results are written: a crash leaves these unconfirmed.
    rows_ahead: int

    def send(self, rows: Sequence[CheckedRow]) -> list[Result]:
        """
        Send rows that no attempt has sent before.

        :param rows: At most :attr:`rows_per_request`.
        :return: Their results, in order.
        """

    def recover(self, rows: Sequence[CheckedRow]) -> list[Result]:
        """
        Settle rows that an earlier attempt may have sent: confirm them, send them again, or report them as unknown.

        :param rows: At most :attr:`rows_per_request`.
        :return: Their results, in order.
        """


class PerRowWriter:
    """
    Calls an action for each row.

    :param action: The action.
    :param defaults: Arguments for rows that do not have them.
    :param resolve: Finds the names in a row.
    :param resend_unconfirmed: Whether rows that may have been done are sent again, also if that adds something twice.
    """

    target = ""
    rows_per_request = 1
    rows_ahead = 100

    def __init__(
        self,
        action: BoundAction[..., Any],
        defaults: Mapping[str, Any],
        resolve: Resolve,
        *,
        resend_unconfirmed: bool,
    ) -> None:
        write = write_of(action)
        self.append_only = write.append_only
        if self.append_only:  # each of them may be reported as unknown
            self.rows_ahead = 10
        self.name = action.name
        self.operation = write.operation
        self.schema = RowSchema(self.name, action.model, write, defaults, check=action.check, resolve=resolve)
        self._action = action
        self._resend = resend_unconfirmed
        self._creates = write.makes is not None
        self._makes = write.makes

    def send(self, rows: Sequence[CheckedRow]) -> list[Result]:
        """Call the action."""
        (row,) = rows
        try:
            return [self._call(row)]
        except ENDS_ATTEMPT:
            raise
        except Learning360Error as error:
            if isinstance(error, OutcomeUnknownError) and self.append_only:
                return [unknown(row, str(error.args[0]))]
            return [rejected(row, error)]

    def recover(self, rows: Sequence[CheckedRow]) -> list[Result]:
        """Call the action again: that the object exists already, or is gone, means that an earlier attempt did it."""
        (row,) = rows
        if self.append_only:
            return self.send(rows) if self._resend else [unknown(row, MAYBE_SENT)]
        try:
            return [self._call(row)]
        except ENDS_ATTEMPT:
            raise
        except Learning360Error as error:
            if isinstance(error, AlreadyExistsError) and self._creates:
                return [_confirmed(row, "created")]
            if isinstance(error, NotFoundError) and self.name.startswith("delete_"):
                return [_confirmed(row, "deleted")]
            return [rejected(row, error)]

    def _call(self, row: CheckedRow) -> Result:
        done = self._action.run(row.valid_arguments())
        return Result(row.row.number, row.key, done["outcome"], id=done.get(self._makes) if self._makes else None)


class BatchedWriter:
    """
    Calls an action for several rows at once.

    A request that is refused is sent again in halves, to find the row that it is refused for. Assumption: a refused
    request has done nothing for any of its rows.

    :param name: Name of the action.
    :param target: What all rows are done to.
    :param schema: The columns of a row.
    :param write: Metadata of the action.
    :param send: Calls the action with the arguments of several rows, and returns what is invalid in each, or ``None``.
    :param outcome: Outcome of a row that was done.
    :param append_only: Whether a request must not be sent twice.
    :param common_errors: Parts of error codes about what all rows share; these end the run.
    :param resend_unconfirmed: Whether rows that may have been done are sent again.
    """

    def __init__(
        self,
        name: str,
        target: str,
        schema: RowSchema,
        write: WriteSpec,
        send: Callable[[list[Any]], Sequence[str | None]],
        *,
        outcome: str,
        append_only: bool,
        common_errors: Collection[str],
        resend_unconfirmed: bool,
    ) -> None:
        self.name = name
        self.target = target
        self.append_only = append_only
        self.operation = write.operation
        self.schema = schema
        self.rows_per_request = write.rows_per_request
        #: Few, since each of them may be reported as unknown.
        self.rows_ahead = 3 * write.rows_per_request
        self._send = send
        self._outcome = outcome
        self._common_errors = frozenset(common_errors)
        self._resend = resend_unconfirmed

    def send(self, rows: Sequence[CheckedRow]) -> list[Result]:
        """Call the action."""
        return self._send_or_halve(rows, may_resend=self._resend)

    def recover(self, rows: Sequence[CheckedRow]) -> list[Result]:
        """Call the action again if that is allowed; otherwise report the rows as unknown."""
        if self._resend:
            return self.send(rows)
        return [unknown(row, MAYBE_SENT) for row in rows]

    def _send_or_halve(self, rows: Sequence[CheckedRow], *, may_resend: bool) -> list[Result]:
        try:
            problems = self._send([row.valid_arguments() for row in rows])
        except OutcomeUnknownError as error:
            if may_resend:
                return self._send_or_halve(rows, may_resend=False)
            return [unknown(row, str(error.args[0])) for row in rows]
        except Learning360Error as error:
            if isinstance(error, ENDS_ATTEMPT) or any(part in (error.code or "") for part in self._common_errors):
                raise
            if error.transient or len(rows) == 1:
                return [rejected(row, error) for row in rows]
            half = len(rows) // 2
            halves = (rows[:half], rows[half:])
            return [result for each in halves for result in self._send_or_halve(each, may_resend=may_resend)]
        return [self._result(row, problem) for row, problem in zip(rows, problems, strict=True)]

    def _result(self, row: CheckedRow, problem: str | None) -> Result:
        if problem is None:
            return Result(row.row.number, row.key, self._outcome)
        message = f"360Learning refuses it: {problem}"
        return Result(row.row.number, row.key, REFUSED, error_code=problem, message=message)


def per_row_writer(api: LearningApi, job: ApplyAction, names: RowNames, *, resend_unconfirmed: bool) -> PerRowWriter:
    """
    Return a writer for an action.

    :param api: The actions.
    :param job: A write action and its defaults.
    :param names: Resolves names.
    :param resend_unconfirmed: See :class:`PerRowWriter`.
    :raises NotAvailableError: if this version of the API does not have the action.
    :raises InvalidRequestError: if the action does not exist, or cannot create groups; the message lists those that do.
    """
    if (found := api.actions.get(job.action)) and not found.is_available:
        found.check(found.model.model_construct())
    known = {each: found for each, found in api.actions.items() if found.write and not found.write.batched}
    if job.action not in known:
        raise InvalidRequestError(
            f"action is {job.action!r}, but must be one of {', '.join(known)}. Nothing was sent.", argument="action"
        )
    action = known[job.action]
    if job.creation is None:
        return PerRowWriter(action, job.defaults, names.resolve, resend_unconfirmed=resend_unconfirmed)
    if "create_groups" not in action.model.model_fields:
        creators = [name for name, one in known.items() if "create_groups" in one.model.model_fields]
        raise InvalidRequestError(
            f"create_groups is not available for {job.action}, only for {', '.join(creators)}. Nothing was sent.",
            argument="create_groups",
        )
    creation = names.resolved(validate(GroupCreation, job.action, job.creation))
    defaults = {**job.defaults, **creation.given()}
    return PerRowWriter(action, defaults, names.resolve, resend_unconfirmed=resend_unconfirmed)


def unknown(row: CheckedRow, reason: str, *, retryable: bool = False) -> Result:
    """
    Return the result of a row that may have been done, and is not sent again.

    :param row: The row.
    :param reason: Why that is unknown.
    :param retryable: Whether sending it again leaves the same state, so that another run may.
    """
    advice = "retry_failed_only=True" if retryable else "resend_unconfirmed=True"
    message = f"{reason} Look it up in 360Learning, or send it again with {advice}."
    return Result(
        row.row.number, row.key, UNKNOWN, error_code="OutcomeUnknownError", message=message, retryable=retryable
    )


def rejected(row: CheckedRow, error: Learning360Error) -> Result:
    """
    Return the result of a row that was not done.

    :param row: The row.
    :param error: What its call raised.
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


def write_of(action: BoundAction[..., Any]) -> WriteSpec:
    """
    Return the metadata of a write action.

    :param action: The action.
    :raises ValueError: if it writes nothing.
    """
    if action.write is None:
        raise ValueError(f"{action.name} is not a write action")
    return action.write


def _confirmed(row: CheckedRow, outcome: str) -> Result:
    return Result(row.row.number, row.key, outcome, message="done by an earlier attempt of this run")
