"""
Any operation by its name: the check of its parameters, and the steps of its call.

Actions do not use this module. They know their operations, and check their arguments with models.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeAlias

from airflow_provider_360learning.api.bulk_jobs import BulkJobs
from airflow_provider_360learning.api.pages import Page, all_items, each_page
from airflow_provider_360learning.api.parameters import (
    Parameters,
    problems_of,
    problems_of_form,
    problems_of_names,
    problems_of_query,
    similar,
)
from airflow_provider_360learning.api.spec import MAX_QUOTE, ApiSpec, BodyFormat, Endpoint, ResponseShape
from airflow_provider_360learning.api.tables import read_table
from airflow_provider_360learning.api.text import counted, listed
from airflow_provider_360learning.api.types import (
    ActionSteps,
    Call,
    JsonObject,
    JsonValue,
    ReadableBody,
    Upload,
    new_owner,
)
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    NotAvailableError,
    NotFoundError,
    RefusedRowsError,
)
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

#: A body as users give it: an object, or a list for the operations that take one.
Body: TypeAlias = "JsonObject | Sequence[JsonValue]"

#: Maximum number of problems that an error lists, and of refused rows that are logged.
MAX_PROBLEMS, MAX_LOGGED = 10, 100


@dataclass(frozen=True, slots=True)
class OperationCall:
    """
    An operation with valid parameters.

    :param endpoint: The operation.
    :param parameters: What it accepts.
    :param call: Its call.
    :param paginate: Whether all pages of its list are read.
    :param wait_for_job: Whether its bulk job is awaited.
    """

    endpoint: Endpoint
    parameters: Parameters
    call: Call
    paginate: bool = False
    wait_for_job: bool = True

    @property
    def returns_file(self) -> bool:
        """Whether a successful response is a file, and not JSON."""
        return self.endpoint.response is ResponseShape.FILE

    @property
    def has_pages(self) -> bool:
        """Whether all pages of a list are to be read."""
        return self.paginate and self.endpoint.response is ResponseShape.PAGE

    # Any, here and below: the type of a response depends on the operation.
    def steps(self, jobs: BulkJobs | None) -> ActionSteps[Any]:
        """
        Make the call, and return the decoded response: the items of a list, the results of a bulk job, or the body.

        :param jobs: The bulk jobs of this version of the API.
        :raises OutcomeUnknownError: if it may have been applied, and must not be sent twice.
        :raises RefusedRowsError: if its bulk job has refused rows.
        """
        try:
            if self.endpoint.response is ResponseShape.JOB:
                return (yield from self._job(jobs))
            if self.has_pages:
                return (yield from all_items(self.call))
            return self._items_of((yield self.call))
        except NotFoundError as error:
            if self.endpoint.method == "DELETE" and error.after_unknown_outcome:
                return None  # an earlier attempt, whose response was lost, has deleted it
            raise

    def each_page(self, take: Callable[[list[Any]], object]) -> ActionSteps[None]:
        """
        Read all pages of a list, of which one at a time is in memory.

        :param take: Takes the items of a page.
        """
        yield from each_page(self.call, take)

    def file_steps(self, read: Callable[[ReadableBody], Any]) -> ActionSteps[Any]:
        """
        Make the call of an operation that returns a file.

        :param read: Reads the file; called again when the call is retried.
        :return: What ``read`` returns.
        """
        return (yield replace(self.call, read=read))

    def _job(self, jobs: BulkJobs | None) -> ActionSteps[Any]:
        assert jobs is not None, "a version with bulk jobs has them"
        owner = new_owner()
        job_id = yield from jobs.submit_call(self.call, owner=owner)
        if not self.wait_for_job:
            return {"job_id": job_id}
        results = yield from jobs.wait_for_results(job_id, self.endpoint.operation, owner=owner)
        refusals = [f"row {number}: {error}" for number, error in enumerate(map(jobs.refusal_of, results), 1) if error]
        for refusal in refusals[:MAX_LOGGED]:
            log.warning("%s: 360Learning refuses %s", self.endpoint.operation, refusal)
        if refusals:
            raise RefusedRowsError(
                f"Bulk job {job_id} has refused {len(refusals)} of {counted(len(results), 'row')}; the others are "
                f"done: {listed(refusals[:MAX_PROBLEMS], MAX_QUOTE, total=len(refusals))}",
                operation=self.endpoint.operation,
                results=results,
            )
        return results

    def _items_of(self, response: Any) -> Any:
        if not isinstance(response, Page):
            return response
        if response.next_link is not None:
            log.info(
                "%s returned the first page of its list: items=%d; paginate=True reads all pages",
                self.endpoint.operation,
                len(response.items),
            )
        return response.items


@dataclass(frozen=True, slots=True)
class Given:
    """
    The parameters of an operation as users give them.

    :param path_params: Values of the path's parameters.
    :param query: Query parameters.
    :param body: Body; ``None`` in a JSON object is sent as ``null``.
    :param files: Files by field of the body.
    """

    path_params: Mapping[str, object] = field(default_factory=dict)
    query: JsonObject = field(default_factory=dict)
    body: Body | None = field(default=None, repr=False)
    files: Mapping[str, Upload] = field(default_factory=dict)


def prepare(
    spec: ApiSpec, operation: str, given: Given, *, paginate: bool = False, wait_for_job: bool = True
) -> OperationCall:
    """
    Check the parameters of an operation, and return its call. Nothing is sent.

    :param spec: The API version.
    :param operation: Name of the operation.
    :param given: Its parameters.
    :param paginate: Read all pages of a list.
    :param wait_for_job: Wait for the bulk job that the operation submits.
    :raises NotAvailableError: if it is an operation of another version; the message names its counterparts.
    :raises InvalidRequestError: if the operation or a parameter does not exist, is missing, or has an invalid value.
    """
    check_name(spec, operation)
    endpoint, parameters = spec.endpoints[operation], spec.parameters(operation)
    problems = list(_problems(endpoint, parameters, given))
    if paginate and endpoint.response not in (ResponseShape.PAGE, ResponseShape.LIST):
        problems.append("paginate is True, but it returns no list")
    if problems:
        more = f"; and {len(problems) - MAX_PROBLEMS} more" if len(problems) > MAX_PROBLEMS else ""
        raise InvalidRequestError(
            f"{operation} cannot be called: {'; '.join(problems[:MAX_PROBLEMS])}{more}. Nothing was sent",
            operation=operation,
        )
    body = given.body if isinstance(given.body, Mapping) else {}
    call = Call(
        operation,
        path={name: str(value) for name, value in given.path_params.items()},
        query=given.query,
        body=body,
        nulls=tuple(name for name, value in body.items() if value is None),
        rows=None if isinstance(given.body, Mapping) else given.body,
        files=given.files,
        once=is_sent_once(spec, endpoint),
    )
    return OperationCall(endpoint, parameters, call, paginate, wait_for_job)


def is_sent_once(spec: ApiSpec, endpoint: Endpoint) -> bool:
    """
    Return whether a call by the operation's name is never sent twice.

    A second creation may be refused because of the first one. Actions know what that means, and may resend more.

    :param spec: The API version.
    :param endpoint: The operation.
    """
    is_creation = endpoint.method == "POST" and endpoint.operation != spec.token_operation
    return is_creation or not endpoint.may_resend


def check_name(spec: ApiSpec, operation: str) -> None:
    """
    Verify that a version of the API has an operation.

    :param spec: The version.
    :param operation: Name of the operation.
    :raises NotAvailableError: if it is an operation of another version; the message names its counterparts.
    :raises InvalidRequestError: if no version has it; the message names similar ones.
    """
    if operation in spec.endpoints:
        return
    for version, names in counterparts().items():
        if version != spec.name and operation in names:
            found = names[operation]
            hint = "no counterpart of it is known here"
            if found:
                hint = f"its {'counterpart here is' if len(found) == 1 else 'counterparts here are'} {', '.join(found)}"
            raise NotAvailableError(
                f"{operation} is an operation of API {version}, and the connection uses API {spec.name}: {hint}",
                operation=operation,
                argument="operation",
            )
    # The part behind the last underscore: of a published operationId, that is the name.
    hint = similar(str(operation).rpartition("_")[2], spec.endpoints)
    raise InvalidRequestError(
        f"operation is {operation!r:.80}, but API {spec.name} has no such operation"
        + (f" (similar: {hint})" if hint else ": `airflow learning360 operations` lists them"),
        argument="operation",
    )


@cache
def counterparts() -> Mapping[str, Mapping[str, Sequence[str]]]:
    """Return, for each version of the API, its operations with their counterparts in the other version."""
    return read_table(__package__, "counterparts.json")


def _problems(endpoint: Endpoint, parameters: Parameters, given: Given) -> Iterator[str]:
    yield from _problems_of_path(parameters, given.path_params)
    query = {name: value for name, value in given.query.items() if value is not None}
    yield from problems_of_names(query, parameters.query, "query")
    yield from (f"query lacks {name!r}" for name in parameters.required_query if name not in query)
    for name, value in query.items():
        if name in parameters.query:
            yield from problems_of_query(value, parameters.query[name], f"query.{name}")
    yield from problems_of_names(given.files, parameters.files, "files")
    yield from _problems_of_body(endpoint, parameters, given)


def _problems_of_path(parameters: Parameters, given: Mapping[str, object]) -> Iterator[str]:
    yield from problems_of_names(given, parameters.path, "path_params")
    for name, schema in parameters.path.items():
        value = given.get(name)
        if value is None:
            yield f"path_params lacks {name!r}"
        elif isinstance(value, bool) or not isinstance(value, str | int):
            yield f"path_params.{name} is of type {type(value).__name__}, expected a string"
        else:
            yield from problems_of(str(value).strip(), schema, f"path_params.{name}")


def _problems_of_body(endpoint: Endpoint, parameters: Parameters, given: Given) -> Iterator[str]:
    schema, body = parameters.body, given.body
    if schema is None:
        if body:
            yield "body is given, but the operation has none"
        return
    if body is None:
        body = {}
    if endpoint.body is BodyFormat.JSON or not isinstance(body, Mapping):
        yield from problems_of(body, schema, "body")
        return
    yield from problems_of_form(body, schema, "body", files=parameters.files, given_files=given.files)
