"""What all sensors share: how they wait."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.providers.common.compat.sdk import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    BaseSensorOperator,
    PokeReturnValue,
)

from airflow_provider_360learning import config
from airflow_provider_360learning.connections.form import DEFAULT_CONN_ID
from airflow_provider_360learning.task_mixins import ExitOnKillMixin, SharedPoolMixin, fail_on_permanent_error

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.completion.conditions import CompletionCondition
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

#: Longer than the trigger's own deadline by this much, so that the trigger's clear end comes first. In seconds.
DEFERRAL_GRACE = 60
_FAILURES_KEY = "learning360_consecutive_failures"


class Learning360BaseSensor(ExitOnKillMixin, SharedPoolMixin, BaseSensorOperator):
    """
    Waits for 360Learning, by default without holding a worker or a pool slot (deferred).

    Five failures in a row that a later poke may mend are tolerated, permanent ones fail the task at once. In
    ``reschedule`` mode before Airflow 3.3 nothing can be remembered from poke to poke, so there such failures are
    tolerated until the sensor's ``timeout``.

    :param learning360_conn_id: The connection to use.
    :param deferrable: Wait in the triggerer, poking every ``poke_interval`` seconds (``exponential_backoff`` does not
        count there); otherwise in the sensor's ``mode``.
    :param mode: ``reschedule`` or ``poke``, where the sensor is not deferrable.
    :param pool: Pool to run in; by default the one that all operators and sensors of this provider share.
    """

    template_fields: Sequence[str] = ("learning360_conn_id",)
    ui_color = "#e8f3d6"

    def __init__(
        self,
        *,
        learning360_conn_id: str = DEFAULT_CONN_ID,
        deferrable: bool = True,
        mode: str = "reschedule",
        pool: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(mode=mode, pool=pool or config.pool(), **kwargs)
        self.learning360_conn_id = learning360_conn_id
        self.deferrable = deferrable
        self._failures = 0

    def question(self) -> CompletionCondition:
        """Return what is asked, from the sensor's arguments."""
        raise NotImplementedError

    @cached_property
    def hook(self) -> Learning360Hook:
        """The hook of this sensor's connection."""
        from airflow_provider_360learning.hooks.learning360 import Learning360Hook

        # A poke that waits for room in the rate limits must not outlast the sensor itself.
        max_wait = min(config.max_rate_limit_wait(), self.timeout)
        return Learning360Hook(self.learning360_conn_id, task=self, max_attempts=1, max_wait=max_wait)

    def execute(self, context: Context) -> Any:
        """RowChecker the arguments, look once, and wait if there is something to wait for."""
        with self.hook.log_api_usage():
            return self._look_and_defer(context) if self.deferrable else super().execute(context)

    def poke(self, context: Context) -> PokeReturnValue:
        """Ask once."""
        from airflow_provider_360learning.exceptions import Learning360Error

        with fail_on_permanent_error():
            question = self.question()
            question.check()
            try:
                verdict = self.hook.api.client.run(question.ask(self.hook.api))
            except Learning360Error as error:
                if not error.transient or not self._tolerates_another_failure(context):
                    raise
                self.log.warning("Poke failed, will ask again: %s", error)
                return PokeReturnValue(is_done=False)
        self._forget_failures(context)
        if verdict.impossible:
            raise AirflowFailException(verdict.impossible)
        self.log.info("Seen: %s", verdict.as_result())
        return PokeReturnValue(is_done=verdict.is_complete, xcom_value=verdict.as_result())

    def execute_complete(self, context: Context, event: dict[str, Any] | None = None) -> dict[str, Any]:
        """Resume after the trigger's event; anything but a known one fails."""
        event = dict(event or {})
        status, message = event.pop("status", None), event.pop("message", "")
        if status == "success":
            return event
        if status == "timeout":
            self._fail(AirflowSensorTimeout(f"{message}: {event}"))
        if status in ("failed", "error"):
            self._fail(AirflowFailException(message))
        if status == "transient_error":
            raise AirflowException(message)
        raise AirflowFailException(f"The trigger sent an event that is not known ({status!r}): not taken for success")

    def _look_and_defer(self, context: Context) -> Any:
        self._failures = 0
        try:
            seen = self.poke(context)
        except AirflowFailException as error:
            self._fail(error)
        return seen.xcom_value if seen.is_done else self._defer()

    def _defer(self) -> NoReturn:
        from airflow_provider_360learning.completion.conditions import to_dict
        from airflow_provider_360learning.triggers.completion import Learning360CompletionTrigger

        now = time.time()
        self.defer(
            trigger=Learning360CompletionTrigger(
                learning360_conn_id=self.learning360_conn_id,
                question=to_dict(self.question()),
                poke_interval=self.poke_interval,
                first_poke=now + self.poke_interval,
                deadline=now + self.timeout,
                failures=self._failures,
            ),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.timeout + DEFERRAL_GRACE),
        )
        raise AssertionError("defer() returned")

    def _fail(self, error: Exception) -> NoReturn:
        if self.soft_fail or self.never_fail:
            raise AirflowSkipException(str(error))
        raise error

    def _tolerates_another_failure(self, context: Context) -> bool:
        from airflow_provider_360learning.triggers.completion import MAX_CONSECUTIVE_FAILURES

        store = self._state_store(context)
        if store is None and self._pokes_in_new_processes:
            return True
        failures = (store.get(_FAILURES_KEY, 0) if store else self._failures) + 1
        is_tolerated = failures <= MAX_CONSECUTIVE_FAILURES
        # What is remembered outlives this try, and the next one starts afresh.
        self._remember_failures(failures if is_tolerated else 0, store)
        return is_tolerated

    def _forget_failures(self, context: Context) -> None:
        store = self._state_store(context)
        if self._failures or (store and store.get(_FAILURES_KEY, 0)):
            self._remember_failures(0, store)

    def _remember_failures(self, failures: int, store: Any) -> None:
        self._failures = failures
        if store:
            store.set(_FAILURES_KEY, failures)

    def _state_store(self, context: Context) -> Any:
        return context.get("task_state_store") if self._pokes_in_new_processes else None

    @property
    def _pokes_in_new_processes(self) -> bool:
        return self.reschedule and not self.deferrable
