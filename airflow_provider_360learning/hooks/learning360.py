"""The hook: from an Airflow connection to the actions of 360Learning."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_360learning import __version__
from airflow_provider_360learning.api.access import Access
from airflow_provider_360learning.api.auth import Credentials
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.retry import MAX_ATTEMPTS
from airflow_provider_360learning.connections import form
from airflow_provider_360learning.connections.learning360 import CLIENT_ID_STANDS_IN, Learning360Connection
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    Learning360Error,
    RateLimitedError,
    UnreadableConnectionError,
)
from airflow_provider_360learning.hooks.rate_limiter import ConnectionGetter, build_rate_limiter, get_connection
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.metrics import Metrics
from airflow_provider_360learning.supervision import exit_if_orphaned, is_supervised

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection
    from wtforms import Field

    from airflow_provider_360learning.files.storage import StoragePath

log = get_logger(__name__)

#: Maximum number of seconds that the connection test waits for the rate limits.
MAX_WAIT_OF_TEST = 10.0
#: Maximum number of seconds that a thread waits until the event loop has read a connection.
MAX_CONNECTION_WAIT = 30.0

# Shared by the triggers of an event loop, by all fields of a connection but the API key, which can be rotated.
_shared_apis: dict[Hashable, LearningApi] = {}
_sharing = threading.Lock()


class Learning360Hook(BaseHook):
    """
    Give access to 360Learning with the credentials of an Airflow connection.

    The hook works in operators, in ``@task`` functions and in scripts::

        Learning360Hook().api.create_user(mail="ana@acme.test", first_name="Ana", mode="invite")

    The requests of all tasks share the rate limits; the section ``[learning360]`` of the Airflow configuration selects
    how.

    :param learning360_conn_id: The connection to use.
    :param task: The running task, if there is one: its ``pool_slots`` are its share of the limits with the rate
        limiter ``pool_slots``. By default the task of Airflow's current context. Its class depends on the Airflow line.
    :param max_attempts: Maximum number of times that one call is sent.
    :param max_wait: Maximum number of seconds that one call waits for the rate limits; by default as configured.
    :param before_sending: Called before each request is sent, after its wait. What it raises ends the call.

    .. seealso:: docs/connection.md
    """

    conn_name_attr = "learning360_conn_id"
    default_conn_name = form.DEFAULT_CONN_ID
    conn_type = form.CONNECTION_TYPE
    hook_name = form.HOOK_NAME

    def __init__(
        self,
        learning360_conn_id: str = default_conn_name,
        *,
        task: object = None,
        max_attempts: int = MAX_ATTEMPTS,
        max_wait: float | None = None,
        before_sending: Callable[[], None] = lambda: None,
        **kwargs: Any,  # those of Airflow's base class
    ) -> None:
        super().__init__(**kwargs)
        self.learning360_conn_id = learning360_conn_id
        self._task = task
        self._max_attempts = max_attempts
        self._max_wait = max_wait
        self._before_sending = before_sending

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, object]:
        """Return the standard fields of the connection form (Airflow before 3.2)."""
        return form.ui_field_behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Field]:
        """Return the extra fields of the connection form (Airflow before 3.2)."""
        return form.connection_form_widgets()

    @cached_property
    def api(self) -> LearningApi:
        """
        The actions of 360Learning, by name.

        :raises InvalidConnectionError: naming every invalid field of the connection.
        """
        return self._build_api(self.read_connection(), get_connection)

    def read_connection(self) -> Learning360Connection:
        """
        Return the connection; nothing is sent.

        :raises InvalidConnectionError: naming every invalid field.
        """
        return Learning360Connection.read(*get_connection(self.learning360_conn_id))

    def get_conn(self) -> LearningApi:
        """Return :attr:`api`, under the name that Airflow's hooks use."""
        return self.api

    # Any: the type of a response depends on the operation.
    def call(
        self,
        operation: str,
        *,
        path_params: Mapping[str, object] | None = None,
        query: Mapping[str, Any] | None = None,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        files: Mapping[str, StoragePath] | None = None,
        paginate: bool = False,
        wait_for_job: bool = True,
        output_path: StoragePath | None = None,
    ) -> Any:
        """
        Call any operation of the connection's API version by its name.

        Names and values are checked before anything is sent. Rate limits, retries and errors are those of all calls: an
        operation that must not be sent twice raises :class:`OutcomeUnknownError` if its response is lost, and a
        deletion that an earlier attempt may have done succeeds if nothing is left to delete.

        :param operation: Name of the operation, such as ``addManager``. The command ``airflow learning360 operations``
            lists them with their parameters.
        :param path_params: Values of the path's parameters.
        :param query: Query parameters.
        :param body: Body. ``None`` in an object is sent as ``null``, and refused in a form, which has no such value.
        :param files: Files to upload: field of the body to a path, also in an object store.
        :param paginate: Whether all pages of a list are read, and not the first one only.
        :param wait_for_job: Whether a bulk job is awaited.
        :param output_path: Path of a file for the response, which is replaced: JSON Lines with one line per item, or
            the file that 360Learning returns, such as a PDF.
        :return: The decoded response: an object, the items of a list, the results of a bulk job (``{"job_id"}`` if it
            is not awaited), ``None`` for an empty one. With ``output_path``, ``{"output_path", "items"}``, or
            ``{"output_path", "bytes"}`` for a file.
        :raises NotAvailableError: if it is an operation of another version; the message names its counterparts.
        :raises InvalidRequestError: if the operation or a parameter does not exist, is missing, or is invalid.
        :raises RefusedRowsError: if a bulk job that is awaited has refused rows. It has the results of all of them, as
            the file of ``output_path`` has.
        """
        from airflow_provider_360learning.api.operation_calls import Given, check_name, prepare
        from airflow_provider_360learning.api.parameters import SECRET_FIELDS
        from airflow_provider_360learning.hooks.operation_files import read_uploads, write_response

        spec = self.api.client.spec
        check_name(spec, operation)
        given = Given(path_params or {}, query or {}, body, read_uploads(files or {}))
        prepared = prepare(spec, operation, given, paginate=paginate, wait_for_job=wait_for_job)
        for secret in prepared.call.secrets:
            mask_secret(secret)
        if output_path is not None:
            return write_response(self.api, prepared, output_path)
        if prepared.returns_file:
            raise InvalidRequestError(
                f"{operation} returns a file: give output_path. Nothing was sent",
                operation=operation,
                argument="output_path",
            )
        result = self.api.client.run(prepared.steps(self.api.jobs))
        if prepared.parameters.has_secrets:
            for secret in filter(None, map(result.get, SECRET_FIELDS)):
                mask_secret(secret)
        return result

    async def get_async_conn(self, executor: Executor) -> LearningApi:
        """
        Return the actions for an event loop, such as a triggerer's.

        All triggers of a process with the same connection share them, and so one token and a few open connections: a
        thousand waits must not request a thousand tokens.

        :param executor: Threads in which files are opened: that of the rate limiter, and certificates.
        """
        loop = asyncio.get_running_loop()

        def get_connection(conn_id: str) -> tuple[Connection, object]:
            # Called in a thread of the executor, but on both lines only the loop can request a connection from Airflow.
            reading = asyncio.run_coroutine_threadsafe(_get_async_connection(conn_id), loop)
            try:
                return reading.result(MAX_CONNECTION_WAIT)  # a loop that has ended would never read it
            finally:
                reading.cancel()

        connection = Learning360Connection.read(*await _get_async_connection(self.learning360_conn_id))
        return await loop.run_in_executor(executor, self._shared_api, loop, connection, get_connection)

    @contextmanager
    def log_api_usage(self) -> Iterator[None]:
        """At the end of the block, log the usage of the API, and close the connections."""
        try:
            yield
        finally:
            if "api" in vars(self):  # built when first used
                log.info("360Learning API usage: %s", self.api.client.usage)
                self.api.client.close()

    def test_connection(self) -> tuple[bool, str]:
        """
        Test the credentials by requests that change nothing.

        :return: Whether the connection works, and the reason if it does not; else which scopes were tested.
        """
        works, result = self.try_access()
        return works, str(result)

    def try_access(self) -> tuple[bool, Access | str]:
        """
        Test the credentials like :meth:`test_connection`.

        :return: Whether the connection works, and what the credentials were seen to give access to, or the reason.
        """
        try:
            return True, self.check_access()
        except RateLimitedError as error:
            return False, f"The host responds, but the rate limit had no capacity to test the credentials: {error}"
        except Learning360Error as error:
            return False, str(error)
        except Exception as error:  # shown to the user; its text may contain secrets, so only its type is returned
            return False, f"The test failed ({type(error).__name__}); see the log of the api-server"

    def check_access(self) -> Access:
        """
        Return what the credentials were seen to give access to, by requests that change nothing.

        :raises Learning360Error: if they give access to nothing.
        """
        # A person waits for the result.
        api = type(self)(self.learning360_conn_id, max_attempts=1, max_wait=MAX_WAIT_OF_TEST).api
        try:
            return api.client.run(api.check_access())
        finally:
            api.client.close()

    def _shared_api(
        self, loop: asyncio.AbstractEventLoop, connection: Learning360Connection, get_connection: ConnectionGetter
    ) -> LearningApi:
        key = (
            loop,
            self.learning360_conn_id,
            replace(connection.settings, api_key=""),
            connection.api_version,
            frozenset(connection.limits.items()),
            self._max_attempts,
            self._max_wait,
        )
        with _sharing:
            if key not in _shared_apis:
                _shared_apis[key] = self._build_api(connection, get_connection)
            return _shared_apis[key]

    def _build_api(self, connection: Learning360Connection, get_connection: ConnectionGetter) -> LearningApi:
        if connection.company_is_unknown:
            log.info("Connection %r %s", self.learning360_conn_id, CLIENT_ID_STANDS_IN)
        context = _current_context()
        task = self._task or context.get("task")
        supervised = is_supervised(context.get("ti"))

        def before_sending() -> None:
            self._before_sending()  # first: it may end its work in its own way if the supervisor is gone
            if supervised:
                exit_if_orphaned()

        client = Client(
            connection.settings,
            connection.version.spec,
            build_rate_limiter(
                connection,
                task=task,
                map_index=getattr(context.get("ti"), "map_index", None),
                max_wait=self._max_wait,
                get_connection=get_connection,
            ),
            user_agent=f"airflow-provider-360learning/{__version__}",
            max_attempts=self._max_attempts,
            on_token=mask_secret,
            reread_credentials=partial(self._reread_credentials, connection, get_connection),
            before_sending=before_sending,
        )
        client.usage.observer = Metrics(self.learning360_conn_id, connection.version.spec.name)
        return connection.version.adapter(client)

    def _reread_credentials(self, connection: Learning360Connection, get_connection: ConnectionGetter) -> Credentials:
        """
        Return the API key that the connection has now, and its login.

        :param connection: The connection as it was read first.
        :param get_connection: Returns it as it is now.
        :raises UnreadableConnectionError: if Airflow does not return it.
        :raises InvalidConnectionError: if it is invalid now, or leads to other data.
        """
        current = Learning360Connection.read(*self._connection_now(get_connection))
        current.check_same_company(connection, self.learning360_conn_id)
        mask_secret(current.settings.api_key)
        return Credentials(current.login, current.api_key)

    def _connection_now(self, get_connection: ConnectionGetter) -> tuple[Connection, object]:
        try:
            return get_connection(self.learning360_conn_id)
        except Exception as error:  # each Airflow line and secrets backend has its own
            failure = UnreadableConnectionError(
                f"360Learning no longer accepts the API key, and connection {self.learning360_conn_id!r} cannot be "
                f"read again ({type(error).__name__}). A later attempt reads it: an API server of Airflow that cannot "
                "be reached looks like a connection that is not defined"
            )
        raise failure  # outside the handler: the text of the other error may contain secrets


async def _get_async_connection(conn_id: str) -> tuple[Connection, object]:
    from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson

    connection = await get_async_connection(conn_id)
    return connection, await get_async_extra_dejson(connection)


def _current_context() -> Mapping[str, object]:
    from airflow.providers.common.compat.sdk import get_current_context

    try:
        return get_current_context()
    except Exception:  # outside a task; each Airflow line raises an error of its own
        return {}
