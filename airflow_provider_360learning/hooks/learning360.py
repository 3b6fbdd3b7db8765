"""The hook: from an Airflow connection to the actions of 360Learning."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Hashable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import BaseHook, mask_secret

from airflow_provider_360learning import __version__
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.retry import MAX_ATTEMPTS
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.connections import form
from airflow_provider_360learning.connections.learning360 import ConnectionFacts, read_connection
from airflow_provider_360learning.exceptions import (
    AuthenticationError,
    Learning360Error,
    NotFoundError,
    RateLimitedError,
)
from airflow_provider_360learning.hooks.rate_limiter import LookUp, build_rate_limiter, look_up
from airflow_provider_360learning.supervision import exit_if_orphaned, is_supervised

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

log = logging.getLogger(__name__)

#: Most seconds that the connection test waits for room in the rate limits.
MAX_WAIT_OF_A_TEST = 10.0
#: A mail that cannot belong to anybody: ``.invalid`` is reserved for that (RFC 2606).
NOBODY = "connection-test@nobody.invalid"

# What the triggers of this process share, by all that a connection says.
_shared_apis: dict[Hashable, ApiV1] = {}
_sharing = threading.Lock()


class Learning360Hook(BaseHook):
    """
    Reaches 360Learning with the credentials of an Airflow connection.

    It works in operators, in ``@task`` functions and in scripts::

        Learning360Hook().api.create_user(mail="ana@acme.test", first_name="Ana", mode="invite")

    Requests of all tasks share the rate limits, waiting for each other as the section ``[learning360]`` of the
    Airflow configuration says.

    :param learning360_conn_id: The connection to use.
    :param task: The running task, if there is one; its ``pool_slots`` count where each task keeps to its share
        of the limits. Found by itself within a task.
    :param max_attempts: How often a call is sent in all that fails and may be sent again.
    :param max_wait: Most seconds that a call waits for room in the rate limits; by default as configured.
    :param before_sending: Called before each request is sent, its wait included; what it raises ends the call.

    .. seealso:: https://360learning.readme.io/docs
    """

    conn_name_attr = "learning360_conn_id"
    default_conn_name = form.DEFAULT_CONN_ID
    conn_type = form.CONNECTION_TYPE
    hook_name = form.HOOK_NAME

    def __init__(
        self,
        learning360_conn_id: str = default_conn_name,
        *,
        task: Any = None,
        max_attempts: int = MAX_ATTEMPTS,
        max_wait: float | None = None,
        before_sending: Callable[[], None] = lambda: None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.learning360_conn_id = learning360_conn_id
        self._task = task
        self._max_attempts = max_attempts
        self._max_wait = max_wait
        self._before_sending = before_sending

    @classmethod
    def get_ui_field_behaviour(cls) -> dict[str, Any]:
        """Describe the standard fields of the connection form to Airflow before 3.2."""
        return form.ui_field_behaviour()

    @classmethod
    def get_connection_form_widgets(cls) -> dict[str, Any]:
        """Describe the extra fields of the connection form to Airflow before 3.2."""
        return form.connection_form_widgets()

    @cached_property
    def api(self) -> ApiV1:
        """
        The actions of 360Learning, by name.

        :raises InvalidConnectionError: if the connection is malformed; the message names the field.
        """
        connection = self.get_connection(self.learning360_conn_id)
        return self._make_api(read_connection(connection, connection.extra_dejson), look_up)

    @contextmanager
    def log_api_usage(self) -> Iterator[None]:
        """At the end of the block, log what its requests cost, and close their connections."""
        try:
            yield
        finally:
            if "api" in vars(self):  # built by the first request
                log.info("360Learning API usage: %s", self.api.client.usage)
                self.api.client.close()

    async def get_async_conn(self, executor: Executor) -> ApiV1:
        """
        Return the actions from an event loop (in a trigger).

        All triggers of a process that wait with the same connection share them, and so one token and a few open
        connections: a thousand waits must not fetch a thousand tokens.

        :param executor: Threads to open files in: the shared budget's, and the certificates.
        """
        loop = asyncio.get_running_loop()

        def look_up(conn_id: str) -> tuple[Connection, Mapping[str, Any]]:
            # From a thread of the executor: only the loop can ask Airflow for a connection, on every line of it.
            return asyncio.run_coroutine_threadsafe(_alook_up(conn_id), loop).result()

        facts = read_connection(*await _alook_up(self.learning360_conn_id))
        return await loop.run_in_executor(executor, self._shared_api, facts, look_up)

    def get_conn(self) -> ApiV1:
        """Return :attr:`api`, under the name that Airflow's hooks have for it."""
        return self.api

    def test_connection(self) -> tuple[bool, str]:
        """
        Prove the credentials by asking for a user who cannot exist. Changes nothing.

        :returns: Whether it works, and in words what does or does not.
        """
        try:
            # Whoever pressed the button is waiting.
            hook = type(self)(self.learning360_conn_id, max_attempts=1, max_wait=MAX_WAIT_OF_A_TEST)
            hook.api.get_user(user=NOBODY)
        except NotFoundError as error:
            if error.code == "user_not_found":
                return True, "360Learning accepts the credentials"
            return False, str(error)
        except AuthenticationError as error:
            return False, str(error)
        except RateLimitedError as error:
            return False, f"The host answers, but the rate limit left no room to try the credentials: {error}"
        except Learning360Error as error:
            return False, str(error)
        except Exception as error:  # the button must always answer; its text may hold anything, so only its kind
            return False, f"The test could not be run ({type(error).__name__}); see the log of the api-server"
        return (
            False,
            "The host answered something for a user who cannot exist: is the Base URL that of 360Learning?",
        )

    def _shared_api(self, facts: ConnectionFacts, look_up: LookUp) -> ApiV1:
        key = (
            facts.settings,
            facts.api_version,
            frozenset(facts.limits.items()),
            self._max_attempts,
            self._max_wait,
        )
        with _sharing:
            if key not in _shared_apis:
                _shared_apis[key] = self._make_api(facts, look_up)
            return _shared_apis[key]

    def _make_api(self, facts: ConnectionFacts, look_up: LookUp) -> ApiV1:
        context = _running_context()
        task = self._task or context.get("task")
        supervised = is_supervised(context.get("ti"))

        def before_sending() -> None:
            if supervised:
                exit_if_orphaned()
            self._before_sending()

        client = Client(
            facts.settings,
            API_V1,
            build_rate_limiter(facts, task=task, max_wait=self._max_wait, look_up=look_up),
            user_agent=f"airflow-provider-360learning/{__version__}",
            max_attempts=self._max_attempts,
            on_token=mask_secret,
            before_sending=before_sending,
        )
        return ApiV1(client)


async def _alook_up(conn_id: str) -> tuple[Connection, Mapping[str, Any]]:
    from airflow.providers.common.compat.connection import get_async_connection, get_async_extra_dejson

    connection = await get_async_connection(conn_id)
    return connection, await get_async_extra_dejson(connection)


def _running_context() -> Mapping[str, Any]:
    from airflow.providers.common.compat.sdk import get_current_context

    try:
        return get_current_context()
    except Exception:  # outside a task, where each line of Airflow raises its own
        return {}
