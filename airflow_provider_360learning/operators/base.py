"""
What all operators and sensors share: the pool, the connection, and which errors are worth a retry.

Imported when DAGs are parsed, so the client and its libraries are imported when a task runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import AirflowFailException, BaseOperator

from airflow_provider_360learning import config
from airflow_provider_360learning.supervision import ExitOnKillMixin

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

DEFAULT_CONN_ID = "learning360_default"


class SharedPoolMixin:
    """
    Puts an operator in the shared pool also where it is mapped.

    Airflow's ``partial`` fills in defaults of its own and knows nothing of those that an operator's ``__init__``
    sets. An explicit ``pool`` wins, then ``default_args``, then :meth:`default_pool`.
    """

    @staticmethod
    def default_pool() -> str:
        """Name the pool where the DAG names none."""
        return config.pool()

    @classmethod
    def partial(cls, **kwargs: Any) -> Any:
        """See :meth:`airflow.sdk.BaseOperator.partial`."""
        partial = super().partial(**kwargs)  # type: ignore[misc]
        if kwargs.get("pool") is None:
            scopes = (partial.kwargs.get("dag"), partial.kwargs.get("task_group"))
            defaults = [getattr(scope, "default_args", None) or {} for scope in scopes]
            defaults.append(kwargs.get("default_args") or {})
            named = [default["pool"] for default in defaults if default.get("pool")]
            partial.kwargs["pool"] = named[-1] if named else cls.default_pool()
        return partial


class Learning360BaseOperator(ExitOnKillMixin, SharedPoolMixin, BaseOperator):
    """
    Runs one action of :attr:`Learning360Hook.api` with the operator's arguments, all of them templated.

    A subclass names its action, and its ``__init__`` has the action's arguments. Errors that a later try can
    mend reach Airflow's retries; all others fail the task at once. The keyword arguments of a subclass's ``__init__``
    are templated, together with those of the class that it derives from.

    :param learning360_conn_id: The connection to use.
    :param pool: Pool to run in; by default the one that all operators and sensors of this provider share.
    """

    #: Name of the action.
    action: str
    #: The keyword arguments of ``__init__``: in most operators those of the action.
    arguments: ClassVar[tuple[str, ...]] = ()
    template_fields: Sequence[str] = ("learning360_conn_id",)
    ui_color = "#d5ecf7"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            parameters = inspect.signature(cls.__init__).parameters.values()
            cls.arguments += tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)
            cls.template_fields = ("learning360_conn_id", *cls.arguments)

    def __init__(self, *, learning360_conn_id: str = DEFAULT_CONN_ID, pool: str | None = None, **kwargs: Any) -> None:
        # Results are small dicts: with their keys as XComs of their own, `.output["session_id"]` works.
        super().__init__(pool=pool or self.default_pool(), **{"multiple_outputs": True, **kwargs})
        self.learning360_conn_id = learning360_conn_id

    def _assign_arguments(self, values: dict[str, Any]) -> None:
        """Keep the arguments of ``__init__`` (its ``locals()``) as attributes, which is what Airflow templates."""
        for name in values.keys() & set(self.arguments):
            setattr(self, name, values[name])

    @cached_property
    def hook(self) -> Learning360Hook:
        """The hook of this operator's connection."""
        from airflow_provider_360learning.hooks.learning360 import Learning360Hook

        return Learning360Hook(self.learning360_conn_id, task=self)

    def execute(self, context: Context) -> Any:
        """Run the action and return its result: ids and outcome."""
        with log_api_usage(self.hook, self.log), fail_on_permanent_error():
            action = getattr(self.hook.api, self.action)
            return action(**{name: getattr(self, name) for name in self.arguments})


@contextmanager
def log_api_usage(hook: Learning360Hook, log: Any) -> Iterator[None]:
    """
    End the log of a task with what its calls cost.

    :param hook: The hook that they go through.
    :param log: StoragePath the line goes.
    """
    try:
        yield
    finally:
        if "api" in vars(hook):  # made at the first call
            log.info("360Learning: %s", hook.api.client.usage)
            hook.api.client.close()


@contextmanager
def fail_on_permanent_error() -> Iterator[None]:
    """
    Let permanent errors fail a task at once; the others reach Airflow's retries as they are.

    :raises AirflowFailException: in the place of an error that a later try cannot mend.
    """
    from airflow_provider_360learning.exceptions import Learning360Error

    try:
        yield
    except Learning360Error as error:
        if error.transient:
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
