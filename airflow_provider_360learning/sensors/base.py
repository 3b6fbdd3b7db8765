"""
The base of all sensors: how they wait.

Imported when DAG files are parsed, so conditions and client are imported when a task runs.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, TypeVar

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
    conf,
)

from airflow_provider_360learning import config
from airflow_provider_360learning.connections.form import DEFAULT_CONN_ID
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.readable_tasks import ReadableTaskMixin
from airflow_provider_360learning.task_mixins import (
    ExitOnKillMixin,
    RequiredPairsMixin,
    SharedPoolMixin,
    UnrenderedMappingMixin,
    fail_on_permanent_error,
)

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.api.types import ActionSteps
    from airflow_provider_360learning.completion.condition import CompletionCondition, CompletionStatus
    from airflow_provider_360learning.completion.event import CompletionEvent
    from airflow_provider_360learning.completion.users import AwaitedUsers
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

log = get_logger(__name__)

R = TypeVar("R")

#: Default of ``users_from``. ``None`` is what a task that was skipped returns, and a mapped task is created with it.
NOT_GIVEN: Any = object()
#: Seconds by which Airflow's own timeout of a deferred sensor is later than the trigger's deadline, whose event says
#: how far the wait was.
DEFERRAL_GRACE = 60
_FAILURES_KEY = "learning360_consecutive_failures"
_PROGRESS_KEY = "learning360_progress"
_RESOLVED_KEY = "learning360_resolved_names"


class Learning360BaseSensor(
    ExitOnKillMixin, RequiredPairsMixin, SharedPoolMixin, UnrenderedMappingMixin, ReadableTaskMixin, BaseSensorOperator
):
    """
    Wait until a condition of 360Learning is met.

    Five consecutive transient failures of polls are tolerated; permanent errors fail the task without retries. In
    ``reschedule`` mode before Airflow 3.3, nothing can be stored between pokes, so transient failures are tolerated
    until the sensor's ``timeout``, and names are looked up at each poke.

    :param learning360_conn_id: The connection to use.
    :param deferrable: Whether to wait in the triggerer, without a worker and a pool slot, polling every
        ``poke_interval`` seconds (``exponential_backoff`` has no effect there). By default as ``[operators]
        default_deferrable`` says. Otherwise the sensor waits in its ``mode``.
    :param mode: ``reschedule`` or ``poke``, if the sensor is not deferrable.
    :param pool: Pool to run in; by default the one that all operators and sensors of this provider share.
    """

    #: Subject of the condition, whose arguments are the templated fields.
    subject: str
    #: Names of the actions and methods of the API that it calls.
    actions: ClassVar[tuple[str, ...]] = ()
    documentation_page = "sensors.md"
    #: Results of bulk tasks that name the users.
    users_from: Any = None
    include_invited: bool = False
    _has_users_from = False
    template_fields: Sequence[str] = ("learning360_conn_id",)
    ui_color = "#e8f3d6"

    # Any, here and in all sensors: the arguments of Airflow's base class.
    def __init__(
        self,
        *,
        learning360_conn_id: str = DEFAULT_CONN_ID,
        deferrable: bool = conf.getboolean("operators", "default_deferrable", fallback=False),
        mode: str = "reschedule",
        pool: str | None = None,
        **kwargs: Any,
    ) -> None:
        # As for operators: with the keys of the result as XComs of their own, `.output["done"]` works.
        super().__init__(mode=mode, pool=pool or self.default_pool(), **{"multiple_outputs": True, **kwargs})
        self.learning360_conn_id = learning360_conn_id
        self.deferrable = deferrable
        self._resolved: CompletionCondition | None = None
        self._failures = 0
        self._progress = ""

    def _take_users_from(self, users_from: Any, include_invited: bool) -> None:
        """Set the arguments that replace a list of users."""
        self._has_users_from = users_from is not NOT_GIVEN
        self.users_from = users_from if self._has_users_from else None
        self.include_invited = include_invited

    def condition(self) -> CompletionCondition:
        """
        Return the condition of this sensor, with names as they are given.

        :raises InvalidRequestError: naming every invalid argument.
        """
        from airflow_provider_360learning.completion import make_condition

        others = ("learning360_conn_id", "users_from", "include_invited")
        arguments = {name: getattr(self, name) for name in self.template_fields if name not in others}
        return make_condition(self.subject, {**arguments, **self._users_argument()})

    @cached_property
    def _awaited_users(self) -> AwaitedUsers | None:
        """
        The users of ``users_from``, read once per process; ``None`` without it.

        :raises AirflowSkipException: if there is none yet.
        """
        if not self._has_users_from:
            return None
        from airflow_provider_360learning.completion.users import read_awaited_users

        users = read_awaited_users(self.users_from, self.include_invited)
        if not users:
            raise AirflowSkipException(users.reason_for_none)
        return users

    @cached_property
    def hook(self) -> Learning360Hook:
        """The hook of this sensor's connection."""
        from airflow_provider_360learning.hooks.learning360 import Learning360Hook

        # A poll that waits for the rate limits must not outlast the sensor.
        max_wait = min(config.max_rate_limit_wait(), self.timeout)
        return Learning360Hook(self.learning360_conn_id, task=self, max_attempts=1, max_wait=max_wait)

    def execute(self, context: Context) -> object:
        """Validate the arguments, poll once, and wait unless the condition is met."""
        from airflow_provider_360learning.completion.event import timeout_message

        self._resolved = None
        with self.hook.log_api_usage():
            if self.deferrable:
                return self._poke_and_defer(context)
            try:
                return super().execute(context)
            except (AirflowSensorTimeout, AirflowSkipException) as error:
                # With soft_fail, a timeout is skipped without a cause, and a failure with one.
                if self._progress and error.__cause__ is None:
                    log.warning("%s", timeout_message(self._progress))
                raise

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once."""
        from airflow_provider_360learning.api.text import without_templates

        with fail_on_permanent_error():
            status = self._poll(context)
        if status is None:
            return PokeReturnValue(is_done=False)
        self._log_progress(status.progress, context)
        if status.failure:
            raise AirflowFailException(without_templates(status.failure))
        result = {**status.result, **self._users_left_out()}
        return PokeReturnValue(is_done=status.is_complete, xcom_value=result)

    def execute_complete(self, context: Context, event: CompletionEvent | None = None) -> dict[str, object]:
        """
        Resume after the trigger's event.

        :raises AirflowFailException: for a failure, and for an unknown event.
        """
        from airflow_provider_360learning.api.text import without_templates

        status = event.get("status") if event else None
        if event and status == "success":
            log.info("%s", event["message"])
            return event["result"]
        if event and status == "transient_error":
            raise AirflowException(without_templates(event["message"]))
        if event and status in ("failed", "timeout", "error"):
            kind = AirflowSensorTimeout if status == "timeout" else AirflowFailException
            self._fail(kind(without_templates(event["message"])))
        raise AirflowFailException(f"The trigger sent an unknown event (status {status!r})")

    def _poll(self, context: Context) -> CompletionStatus | None:
        """Return the status, or ``None`` after a failure that is tolerated."""
        from airflow_provider_360learning.exceptions import Learning360Error

        try:
            condition = self._resolved_condition(context)
            status = self._run(condition.poll(self.hook.api))
        except Learning360Error as error:
            if not error.transient or not self._tolerates_failure(context):
                raise
            log.warning("Poll failed; polling again in %s s: %s", self.poke_interval, error)
            return None
        self._reset_failures(context)
        return status

    def _run(self, steps: ActionSteps[R]) -> R:
        """
        Run the calls of a poll, for as long as the sensor may wait: Airflow looks at the time between polls only.

        :raises AirflowSensorTimeout: if they take longer, such as those of a list without end.
        """
        from airflow_provider_360learning.completion.condition import until

        try:
            return self.hook.api.client.run(until(time.monotonic() + self.timeout, steps))
        except TimeoutError:
            message = f"A poll has taken longer than the sensor's timeout of {self.timeout:g} s"
            raise AirflowSensorTimeout(message) from None

    def _resolved_condition(self, context: Context) -> CompletionCondition:
        """Return the condition with ids in place of names, which are looked up once."""
        if self._resolved is None:
            condition = self.condition()
            self._resolved = self._resolve(condition, context) if condition.given_names() else condition
        return self._resolved

    def _resolve(self, condition: CompletionCondition, context: Context) -> CompletionCondition:
        from airflow_provider_360learning.completion import make_condition

        users = self._users_argument()  # too many to be stored, and read again from their results
        if stored := self._recall(_RESOLVED_KEY, context):
            return make_condition(self.subject, {**stored, **users})
        resolved = self._run(self.hook.api.names.resolved(condition))
        arguments = {name: value for name, value in resolved.arguments().items() if name not in users}
        self._remember(_RESOLVED_KEY, arguments, context)
        return resolved

    def _poke_and_defer(self, context: Context) -> object:
        self._failures = 0
        try:
            poked = self.poke(context)
            if poked.is_done:
                return poked.xcom_value
            with fail_on_permanent_error():
                # The first poke may have failed before it looked names up.
                arguments = self._trigger_arguments(self._resolved_condition(context))
        except (AirflowFailException, AirflowSensorTimeout) as error:
            self._fail(error)
        return self._defer(arguments)

    def _trigger_arguments(self, condition: CompletionCondition) -> dict[str, object]:
        from airflow_provider_360learning.completion.users import trigger_arguments

        return trigger_arguments(condition.arguments(), self._awaited_users)

    def _users_argument(self) -> dict[str, object]:
        users = self._awaited_users
        return {} if users is None else {"users": users}

    def _users_left_out(self) -> dict[str, int]:
        users = self._awaited_users
        return {} if users is None else {"pending_invitations": users.pending_invitations}

    def _defer(self, arguments: dict[str, object]) -> NoReturn:
        from airflow_provider_360learning.triggers.completion import Learning360CompletionTrigger

        now = time.time()
        self.defer(
            trigger=Learning360CompletionTrigger(
                learning360_conn_id=self.learning360_conn_id,
                subject=self.subject,
                arguments=arguments,
                poke_interval=self.poke_interval,
                first_poke=now + self.poke_interval,
                deadline=now + self.timeout,
                failures=self._failures,
                progress=self._progress,
                **self._users_left_out(),
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + DEFERRAL_GRACE),
        )
        raise AssertionError("defer() returned")

    def _fail(self, error: Exception) -> NoReturn:
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(str(error))
        raise error

    def _log_progress(self, progress: str, context: Context) -> None:
        """Log the progress if this attempt has not logged it; before Airflow 3.3, each reschedule logs it again."""
        if progress == (self._recall(_PROGRESS_KEY, context) or self._progress):
            self._progress = progress
            return
        log.info("%s", progress)
        self._progress = progress
        self._remember(_PROGRESS_KEY, progress, context)

    # Consecutive failures of polls without a triggerer

    def _tolerates_failure(self, context: Context) -> bool:
        from airflow_provider_360learning.completion.event import MAX_CONSECUTIVE_FAILURES

        store = self._state_store(context)
        if store is None and self._pokes_in_new_processes:
            return True
        failures = (store.get(_FAILURES_KEY, 0) if store else self._failures) + 1
        is_tolerated = failures <= MAX_CONSECUTIVE_FAILURES
        # The stored number outlives this attempt, and a retry starts with 0.
        self._store_failures(failures if is_tolerated else 0, store)
        return is_tolerated

    def _reset_failures(self, context: Context) -> None:
        store = self._state_store(context)
        if self._failures or (store and store.get(_FAILURES_KEY, 0)):
            self._store_failures(0, store)

    # Any: Airflow before 3.3 has no class of the store.

    def _store_failures(self, failures: int, store: Any) -> None:
        self._failures = failures
        if store:
            store.set(_FAILURES_KEY, failures)

    def _recall(self, key: str, context: Context) -> Any:
        """Return what this attempt has stored, or ``None``: a retry starts over."""
        store = self._state_store(context)
        stored = None if store is None else store.get(key, None)
        return stored["value"] if stored and stored["attempt"] == context["ti"].try_number else None

    def _remember(self, key: str, value: object, context: Context) -> None:
        """Store a value for later pokes of this attempt, if it can be stored."""
        store = self._state_store(context)
        if store is not None:
            store.set(key, {"attempt": context["ti"].try_number, "value": value})

    def _state_store(self, context: Context) -> Any:
        """Return Airflow's task state store (3.3 and later) if pokes run in processes of their own, else ``None``."""
        return context.get("task_state_store") if self._pokes_in_new_processes else None

    @property
    def _pokes_in_new_processes(self) -> bool:
        return self.reschedule and not self.deferrable
