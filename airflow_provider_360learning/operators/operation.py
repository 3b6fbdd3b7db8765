"""The operator for any operation of the API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.task_mixins import HiddenValue, fail_on_permanent_error

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.files.storage import StoragePath


log = get_logger(__name__)

#: Arguments that are objects, or the JSON text of one.
_MAY_BE_JSON_TEXT = ("path_params", "query", "body", "files")


class Learning360Operator(Learning360BaseOperator):
    """
    Call any operation of the connection's API version by its name.

    Names and values are checked before anything is sent. Rate limits, retries and errors are those of all operators,
    and what must not be sent twice is not. The command ``airflow learning360 operations`` lists the operations with
    their parameters.

    Returns the decoded response: an object, the items of a list, or the results of a bulk job; with ``output_path``,
    ``{"output_path", "items"}``, or ``{"output_path", "bytes"}`` for a file. The task fails, without retries, if a bulk
    job refuses a row; the results of all rows are kept all the same.

    A retry of a task calls the operation again, also if an earlier attempt was killed after it had called it.

    :param operation: Name of the operation, such as ``addManager``.
    :param path_params: Values of the path's parameters, or the JSON text of an object with them.
    :param query: Query parameters, or the JSON text of an object with them.
    :param body: Body, or its JSON text. ``None`` is sent as ``null``, and refused in a form, which has no such value.
    :param files: Files to upload: field of the body to a path, also in an object store; or the JSON text of it.
    :param paginate: Whether all pages of a list are read, and not the first one only.
    :param wait_for_job: Whether a bulk job is awaited; otherwise the result is ``{"job_id"}``.
    :param output_path: Path of a file for the response, which is replaced: JSON Lines with one line per item, or the
        file that 360Learning returns, such as a PDF.
    :param secret: Whether the response is dropped: it is neither returned nor logged. Operations whose response
        contains a secret need this, or ``output_path``.
    """

    name_arguments = ("operation",)
    operation: str
    path_params: Mapping[str, object] | str | None
    query: Mapping[str, Any] | str | None
    body: Any
    files: Mapping[str, StoragePath] | str | None
    paginate: bool
    wait_for_job: bool
    output_path: StoragePath | None
    secret: bool

    # Any: the values of a body have any type.
    def __init__(
        self,
        *,
        operation: str,
        path_params: Mapping[str, object] | str | None = None,
        query: Mapping[str, Any] | str | None = None,
        body: Mapping[str, Any] | Sequence[Any] | str | None = None,
        files: Mapping[str, StoragePath] | str | None = None,
        paginate: bool = False,
        wait_for_job: bool = True,
        output_path: StoragePath | None = None,
        secret: bool = False,
        **kwargs: Any,
    ) -> None:
        # A response may be a list, which has no keys that could be XComs of their own.
        super().__init__(**{"multiple_outputs": False, **kwargs})
        self._assign_arguments(locals())

    def _hide_rendered_values(self) -> None:
        for name in _MAY_BE_JSON_TEXT:
            if isinstance(value := getattr(self, name), str):  # of an object, in which Airflow masks nothing
                setattr(self, name, HiddenValue(value))

    def execute(self, context: Context) -> object:
        """Call the operation, log what was called, and return the response or where it was written."""
        # This operator looks nothing up, so that a retry would send a request a second time that may have been applied.
        with self.hook.log_api_usage(), fail_on_permanent_error(retry_unknown_outcome=False):
            is_returned = not self._is_secret() or bool(self.output_path)
            result = self._call(context, is_returned=is_returned)
        return result if is_returned else None

    def _call(self, context: Context, *, is_returned: bool) -> object:
        from airflow_provider_360learning.exceptions import RefusedRowsError

        path_params = self._mapping("path_params")
        try:
            result = self.hook.call(
                self.operation,
                path_params=path_params,
                query=self._mapping("query"),
                body=self._decoded("body"),
                files=self._mapping("files"),
                paginate=self._boolean("paginate"),
                wait_for_job=self._boolean("wait_for_job"),
                output_path=self.output_path or None,
            )
        except RefusedRowsError as error:
            if is_returned and not self.output_path:
                self._push_result(list(error.results), context)
            raise
        log.info("Called %s%s: %s", self.operation, _listed(path_params or {}), _summary(result))
        return result

    def _is_secret(self) -> bool:
        """Return whether the response is dropped; refuse to return one with a secret."""
        from airflow_provider_360learning.api.operation_calls import check_name
        from airflow_provider_360learning.exceptions import InvalidRequestError

        spec, is_secret = self.hook.api.client.spec, self._boolean("secret")
        check_name(spec, self.operation)
        if spec.parameters(self.operation).has_secrets and not is_secret and not self.output_path:
            raise InvalidRequestError(
                f"The response of {self.operation} contains a secret, which must not become an XCom: give output_path, "
                "or secret=True, which drops the response. Nothing was sent",
                operation=self.operation,
                argument="secret",
            )
        return is_secret

    def _boolean(self, name: str) -> bool:
        from airflow_provider_360learning.api.models.base import parse_argument
        from airflow_provider_360learning.api.models.parsers import parse_boolean

        return parse_argument(name, parse_boolean, getattr(self, name))

    def _mapping(self, name: str) -> Mapping[str, Any] | None:
        """Return an argument that is an object, which a template may have rendered as JSON text."""
        from airflow_provider_360learning.exceptions import InvalidRequestError

        value = self._decoded(name)
        if value is None or isinstance(value, Mapping):
            return value
        raise InvalidRequestError(  # without the value, which may contain a password
            f"{name} is of type {type(value).__name__}, expected an object. Nothing was sent",
            operation=self.operation,
            argument=name,
        )

    def _decoded(self, name: str) -> Any:
        from airflow_provider_360learning.exceptions import InvalidRequestError

        value = getattr(self, name)
        value = value.value if isinstance(value, HiddenValue) else value
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value) if value.strip() else None
        except json.JSONDecodeError as error:
            problem = f"{name} is not JSON: {error.msg} at character {error.pos + 1}. Nothing was sent"
        raise InvalidRequestError(problem, operation=self.operation, argument=name)


def _listed(path_params: Mapping[str, object]) -> str:
    """Return the parameters of a path, which say whom or what the operation is about."""
    return "".join(f" {name}={value}" for name, value in path_params.items())


def _summary(result: object) -> str:
    """Return what a response has, without its values."""
    if isinstance(result, Mapping) and "output_path" in result:
        return " ".join(f"{name}={value}" for name, value in result.items())
    if isinstance(result, list):
        return f"items={len(result)}"
    return "no content" if result is None else "response received"
