"""
Behavior that operators and sensors share: the pool, the reaction to SIGTERM, and which errors are retried.

Imported when DAG files are parsed, so it imports no client and no library of it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

# Importing `supervision` records the supervisor of this process, which is wanted as early as possible.
from airflow_provider_360learning import config, supervision  # noqa: F401

if TYPE_CHECKING:
    from airflow.sdk.definitions.mappedoperator import OperatorPartial


class SharedPoolMixin:
    """
    Put a task in the shared pool, also when it is mapped.

    Airflow's ``partial`` fills in defaults of its own and ignores the defaults that an operator's ``__init__`` sets. An
    explicit ``pool`` wins, then ``default_args``, then :meth:`default_pool`.
    """

    @staticmethod
    def default_pool() -> str:
        """Return the pool of a task whose DAG names none."""
        return config.pool()

    # Any: the arguments of Airflow's method.
    @classmethod
    def partial(cls, **kwargs: Any) -> OperatorPartial:
        """See :meth:`airflow.sdk.BaseOperator.partial`."""
        partial: OperatorPartial = super().partial(**kwargs)  # type: ignore[misc]
        if kwargs.get("pool") is None:
            scopes = (partial.kwargs.get("dag"), partial.kwargs.get("task_group"))
            defaults = [getattr(scope, "default_args", None) or {} for scope in scopes]
            defaults.append(kwargs.get("default_args") or {})
            named = [default["pool"] for default in defaults if default.get("pool")]
            partial.kwargs["pool"] = named[-1] if named else cls.default_pool()
        return partial


class RequiredPairsMixin:
    """Refuse a task without an id when the DAG is parsed, although a name may be given instead."""

    #: Pairs of arguments of which one must be given.
    required_pairs: ClassVar[tuple[tuple[str, str], ...]] = ()
    task_id: str

    def _check_required_pairs(self, values: Mapping[str, object]) -> None:
        """
        Check the arguments of ``__init__``.

        :param values: Its ``locals()``; a pair of another class is not among them.
        :raises AirflowException: if neither argument of a pair is given.
        """
        for pair in self.required_pairs:
            if all(name in values and (values[name] is None or values[name] == ()) for name in pair):
                raise AirflowException(f"{type(self).__name__} {self.task_id!r}: missing argument {' or '.join(pair)}")


class ExitOnKillMixin:
    """End the task process as soon as Airflow stops the task, even while it waits for the rate limits."""

    def on_kill(self) -> None:
        """
        Exit the process where Airflow does not.

        After SIGTERM, Airflow 3 continues the task and kills its process five seconds later; Airflow 2 raises an
        error of its own. Both also call this method after a timeout, when the work has already stopped. Airflow 3 calls
        it again for each further SIGTERM: where all processes of a worker get one, the supervisor sends another.
        """
        from airflow.providers.common.compat.sdk import AirflowTaskTimeout
        from airflow.providers.common.compat.version_compat import AIRFLOW_V_3_0_PLUS

        if AIRFLOW_V_3_0_PLUS and not isinstance(sys.exception(), AirflowTaskTimeout | SystemExit):
            raise SystemExit(128 + signal.SIGTERM)  # Airflow retries a task that ends with this status


@contextmanager
def fail_on_permanent_error() -> Iterator[None]:
    """
    Fail a task without retries on a permanent error; transient ones reach Airflow's retries unchanged.

    :raises AirflowFailException: instead of an error that a retry would only repeat.
    """
    from airflow_provider_360learning.exceptions import Learning360Error

    try:
        yield
    except Learning360Error as error:
        if error.transient:
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
