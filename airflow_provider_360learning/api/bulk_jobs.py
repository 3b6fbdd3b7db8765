"""
Bulk jobs: jobs on the vendor's side that do many rows at once, where a version of the API has them.

A job is submitted with up to thousands of inputs, runs for a while, and has a result for each input once it has ended.
All methods of :class:`BulkJobs` are steps of an action, so that a task runs them in a thread and a trigger on an event
loop. No request waits for a job: the caller polls, with the pauses of :func:`seconds_before_poll`.
"""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from airflow_provider_360learning.api.models.base import ActionArguments
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, JsonValue, ResponseObject
from airflow_provider_360learning.exceptions import Learning360Error

#: What a job is doing. It has ended in the last two, and has results in both.
JobState: TypeAlias = Literal["pending", "queued", "running", "completed", "error"]
ENDED_STATES: frozenset[JobState] = frozenset({"completed", "error"})

#: Seconds between two polls of a job: a tenth of the time that it has taken so far, within these bounds.
MIN_POLL_PAUSE, MAX_POLL_PAUSE = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class JobTarget:
    """
    What all rows of a job are done to.

    :param integration_id: Id of the integration with the external platform; ``None`` for jobs on groups.
    :param author_id: Id of the author of imported courses; ``None`` for the author of the integration.
    """

    integration_id: str | None = None
    author_id: str | None = None


@dataclass(frozen=True, slots=True)
class JobKind:
    """
    A kind of job, and the action whose rows it can do.

    :param action: Name of the action.
    :param row_model: The arguments of one row: those of the action, or of one item of a batch.
    :param operation: The operation that submits it.
    :param max_rows: Maximum number of inputs per job. A row has one input; a row of a catalog, one for each content.
    :param has_single_requests: Whether the action can be done row by row where jobs are not available.
    :param may_resend: Whether a second job with the same inputs leaves the same state as the first.
    :param accepts: Whether a job can do a row. The rows that it cannot do need the action itself.
    :param check: Raises :class:`InvalidRequestError` for a row that this version of the API does not support.
    :param outcome: Outcome of a row that was done, in the words of the action.
    :param key: Keys of an input that identify what it is about.
    """

    action: str
    row_model: type[ActionArguments]
    operation: str
    max_rows: int
    has_single_requests: bool
    may_resend: bool
    outcome: str
    key: tuple[str, ...]
    # Any: the rows of a kind have its own model.
    accepts: Callable[[Any], bool] = lambda row: True
    check: Callable[[Any], None] = lambda row: None


@dataclass(frozen=True, slots=True)
class JobStatus:
    """
    The state of a job.

    :param job_id: Its id.
    :param type: The operation that submitted it.
    :param state: What it is doing.
    :param created_at: When it was submitted, on the server's clock.
    :param progress: Index of the last input that was processed; ``None`` before it has started.
    :param error: Why it ended in the state ``error``.
    """

    job_id: str
    type: str
    state: JobState
    created_at: datetime
    progress: int | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether it has ended and has results."""
        return self.state in ENDED_STATES


@dataclass(frozen=True, slots=True)
class JobRowResult:
    """
    What a job did with one input. ``completed`` does not mean that it has done all of them.

    :param input: The input as the server returns it.
    :param resource_id: Id of what was changed; ``None`` if the row was refused.
    :param error: Why the row was refused, ``None`` if it was done. The vendor documents no error codes of rows.
    """

    input: JsonObject
    resource_id: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LostJob:
    """
    What became of a submission whose response was lost.

    :param job_id: The job, confirmed by the inputs in its results; ``None`` if none is confirmed.
    :param undecided: Jobs that may be it and have not ended: look again when they have.
    """

    job_id: str | None = None
    undecided: tuple[str, ...] = ()


class BulkJobs(Protocol):
    """The bulk jobs of one version of the API (``LearningApi.jobs``, which is ``None`` if it has none)."""

    @property
    def kinds(self) -> Mapping[str, JobKind]:
        """The kinds of jobs by name of the action."""
        ...

    def target(
        self,
        kind: JobKind,
        *,
        group_id: str | None = None,
        external_platform: str | None = None,
        integration_id: str | None = None,
        author_id: str | None = None,
    ) -> ActionSteps[JobTarget]:
        """
        Return what the rows of a job are done to.

        :param kind: Kind of the job.
        :param group_id: Id of the group whose library has the courses.
        :param external_platform: Name of the provider of the courses.
        :param integration_id: Id of the integration; by default it is looked up by group and provider.
        :param author_id: Id of the author of imported courses.
        :raises NotFoundError: if no such integration exists; the message says how to create one.
        """
        ...

    def inputs(
        self, kind: JobKind, rows: Sequence[ActionArguments], target: JobTarget
    ) -> ActionSteps[list[list[JsonObject] | Learning360Error]]:
        """
        Return the inputs of a job for rows, with ids in the place of email addresses.

        :param kind: Kind of the job.
        :param rows: Valid rows, each of which the kind accepts.
        :param target: What they are done to.
        :return: In the order of the rows: the inputs of the row, or why it cannot be sent, such as an unknown user.
        """
        ...

    def submit(self, kind: JobKind, inputs: Sequence[JsonObject], target: JobTarget, *, owner: str) -> ActionSteps[str]:
        """
        Submit a job, once there is a place among the company's jobs, and return its id.

        The place is kept until :meth:`ended` gives it back, or until it expires, two minutes after it was last renewed.

        :param kind: Kind of the job.
        :param inputs: At most :attr:`JobKind.max_rows`.
        :param target: What they are done to.
        :param owner: Who keeps the place: the same in every attempt at this job, and in no other job. Letters and
            digits, at most 200.
        :raises OutcomeUnknownError: if the response was lost: see :meth:`find_lost`.
        :raises BulkJobsLimitError: if no place is free within the maximum wait; nothing was submitted.
        :raises BulkApiDisabledError: if the server accepts no jobs at present; nothing was submitted.
        :raises MissingScopeError: if the credentials lack the scope; nothing was submitted.
        """
        ...

    def submit_call(self, call: Call, *, owner: str) -> ActionSteps[str]:
        """
        Submit a job of any operation, also one without a kind, and return its id; see :meth:`submit`.

        :param call: The call that submits it.
        :param owner: As in :meth:`submit`.
        """
        ...

    def wait_for_results(self, job_id: str, operation: str, *, owner: str) -> ActionSteps[list[ResponseObject]]:
        """
        Wait until a job has ended, give back its place, and return its results as the server returns them.

        :param job_id: Its id.
        :param operation: The operation that submitted it.
        :param owner: As in :meth:`submit`.
        :raises OutcomeUnknownError: if it has not ended after hours, or its results cannot be read.
        """
        ...

    def refusal_of(self, result: ResponseObject) -> str | None:
        """
        Return why a row was refused, ``None`` if it was not.

        :param result: The result of a row, as the server returns it.
        """
        ...

    def find_lost(
        self, kind: JobKind, inputs: Sequence[JsonObject], since: datetime, *, known: Collection[str] = ()
    ) -> ActionSteps[LostJob]:
        """
        Look for a job whose submission got no response, among the jobs of its kind.

        That none is found does not prove that none will be created: resubmit only what :attr:`JobKind.may_resend`.

        :param kind: Kind of the job.
        :param inputs: Its inputs.
        :param since: When it was submitted at the earliest, on the clock of this host.
        :param known: Ids of jobs that are other ones.
        :raises OutcomeUnknownError: if a job may be it, but its results do not show that.
        """
        ...

    def status(self, job_id: str, *, owner: str | None = None) -> ActionSteps[JobStatus]:
        """
        Return the state of a job, and renew its place if it has not ended.

        :param job_id: Its id.
        :param owner: As in :meth:`submit`; ``None`` if the caller keeps no place for it.
        :raises NotFoundError: if no such job exists.
        """
        ...

    def results(self, job_id: str) -> ActionSteps[list[JobRowResult]]:
        """
        Return the results of a job that has ended, in the order of the server; see :func:`match_results`.

        :param job_id: Its id.
        """
        ...

    def outcome_of_refused(self, kind: JobKind, row: ActionArguments) -> ActionSteps[str | None]:
        """
        Return the outcome of a row that a job refused, although the action counts it as done.

        Row errors have no codes, so that a group that does not exist any more is looked up.

        :param kind: Kind of the job.
        :param row: The row.
        :return: ``None`` if the row is refused.
        """
        ...

    def ended(self, owner: str) -> ActionSteps[None]:
        """
        Give back the place of a job that has ended.

        :param owner: As in :meth:`submit`.
        """
        ...

    def running(self) -> ActionSteps[int]:
        """Return how many jobs of the company have not ended."""
        ...


def seconds_before_poll(elapsed: float) -> float:
    """
    Return the pause before the next poll of a job.

    :param elapsed: Seconds since its submission.
    """
    return min(max(elapsed / 10, MIN_POLL_PAUSE), MAX_POLL_PAUSE)


def match_results(
    kind: JobKind, inputs: Sequence[JsonObject], results: Iterable[JobRowResult]
) -> list[JobRowResult | None]:
    """
    Return the result of each input: each result belongs to one input, and equal inputs share theirs in order.

    Assumption: the ``input`` of a result equals the one that was sent. What differs in other keys than those that
    identify a row, such as a default that the server added, is matched by these.

    :param kind: Kind of the job.
    :param inputs: The inputs that were sent.
    :param results: Its results, in any order.
    :return: In the order of the inputs; ``None`` for an input that no result mentions.
    """
    matched: list[JobRowResult | None] = [None] * len(inputs)
    rest = _match(canonical, inputs, matched, results)
    if rest:
        _match(lambda value: canonical({name: value.get(name) for name in kind.key}), inputs, matched, rest)
    return matched


def result_of_row(results: Sequence[JobRowResult | None]) -> JobRowResult | None:
    """
    Return the result of a row by those of its inputs: it is done if all of them are.

    :param results: The results of its inputs.
    :return: ``None`` if it is not refused, and one of its inputs is not mentioned.
    """
    refused = [result for result in results if result and result.error is not None]
    if len(results) == 1 or not refused:
        return results[0] if all(results) else None
    texts = dict.fromkeys(str(result.error) for result in refused)
    return JobRowResult(refused[0].input, error=f"{len(refused)} of {len(results)}: {'; '.join(texts)}")


def has_inputs(inputs: Iterable[JsonObject], results: Iterable[JobRowResult]) -> bool:
    """
    Return whether results are those of a job with exactly these inputs, in any order.

    :param inputs: The inputs.
    :param results: The results of a job.
    """
    return sorted(map(canonical, inputs)) == sorted(canonical(result.input) for result in results)


def canonical(value: JsonValue) -> str:
    """
    Return JSON that is equal for equal values: with sorted keys, and numbers without regard to their type.

    :param value: The value.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"))


def _plain(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _match(
    identity: Callable[[JsonObject], str],
    inputs: Sequence[JsonObject],
    matched: list[JobRowResult | None],
    results: Iterable[JobRowResult],
) -> list[JobRowResult]:
    """Give each input without a result the next one of the same identity, and return the results that are left."""
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for index, value in enumerate(inputs):
        if matched[index] is None:
            waiting[identity(value)].append(index)
    rest = []
    for result in results:
        if indexes := waiting.get(identity(result.input)):
            matched[indexes.popleft()] = result
        else:
            rest.append(result)
    return rest
