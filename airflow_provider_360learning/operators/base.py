"""
The base of all operators: pool, connection, templates, and the retries of an action.

Imported when DAG files are parsed, so the client and its libraries are imported when a task runs.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.providers.common.compat.sdk import BaseOperator

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

    from airflow_provider_360learning.api.actions import BoundAction
    from airflow_provider_360learning.api.models.base import ActionArguments
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook


log = get_logger(__name__)

#: Keyword arguments of ``__init__`` that are settings of the task, as those of Airflow are.
NOT_TEMPLATED = frozenset({"deferrable"})


class Learning360BaseOperator(
    ExitOnKillMixin, RequiredPairsMixin, SharedPoolMixin, UnrenderedMappingMixin, ReadableTaskMixin, BaseOperator
):
    """
    Run one action of :attr:`Learning360Hook.api` with the operator's arguments, all of them templated.

    A subclass names its action, and its ``__init__`` has the action's arguments. Transient errors reach Airflow's
    retries; all others fail the task without retries. The keyword arguments of a subclass's ``__init__`` are
    templated, together with those of its base class.

    The result is a dictionary whose keys are XComs of their own: ``task.output["group_id"]``. For a mapped operator,
    that is the list of the values of all its task instances, by map index. Airflow cannot expand over a key of a mapped
    operator; expand over ``task.output.map(…)`` instead.

    :param learning360_conn_id: The connection to use.
    :param pool: Pool to run in; by default the one that all operators and sensors of this provider share.
    """

    #: Name of the action.
    action: str
    #: Names of all actions of the API that it runs; by default its action.
    actions: ClassVar[tuple[str, ...]] = ()
    #: Its arguments that are paths of files to upload: the action gets the files.
    uploads: ClassVar[tuple[str, ...]] = ()
    #: The keyword arguments of ``__init__``: in most operators those of the action.
    arguments: ClassVar[tuple[str, ...]] = ()
    documentation_page = "operators.md"
    template_fields: Sequence[str] = ("learning360_conn_id",)
    ui_color = "#d5ecf7"

    # Any, here and in all operators: the arguments of Airflow's base class.

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "action" in cls.__dict__ and "actions" not in cls.__dict__:
            cls.actions = (cls.action,)
        if "__init__" in cls.__dict__:
            parameters = inspect.signature(cls.__init__).parameters.values()
            names = [one.name for one in parameters if one.kind is one.KEYWORD_ONLY]
            cls.arguments += tuple(name for name in names if name not in NOT_TEMPLATED)
            cls.template_fields = ("learning360_conn_id", *cls.arguments)

    def __init__(self, *, learning360_conn_id: str = DEFAULT_CONN_ID, pool: str | None = None, **kwargs: Any) -> None:
        # Results are small dictionaries: with their keys as XComs of their own, `.output["session_id"]` works.
        super().__init__(pool=pool or self.default_pool(), **{"multiple_outputs": True, **kwargs})
        self.learning360_conn_id = learning360_conn_id

    def _assign_arguments(self, values: Mapping[str, object]) -> None:
        """
        Set the arguments of ``__init__`` (its ``locals()``) as attributes, which Airflow templates.

        :raises AirflowException: if neither argument of a pair is given.
        """
        self._check_required_pairs(values)
        for name in values.keys() & set(self.arguments):
            setattr(self, name, values[name])

    @cached_property
    def hook(self) -> Learning360Hook:
        """The hook of this operator's connection."""
        from airflow_provider_360learning.hooks.learning360 import Learning360Hook

        return Learning360Hook(self.learning360_conn_id, task=self)

    def execute(self, context: Context) -> object:
        """Run the action, log what it did in one sentence, and return its result: ids and outcome."""
        with self.hook.log_api_usage(), fail_on_permanent_error():
            action = self.hook.api.actions[self.action]
            may_repeat = action.write is None or not action.write.append_only
            with fail_on_permanent_error(retry_unknown_outcome=may_repeat):
                return self._run(action)

    def _push_result(self, result: object, context: Context) -> None:
        """Push the result of a task that fails, of which Airflow records none."""
        if self.do_xcom_push and (task_instance := context.get("ti")):
            task_instance.xcom_push("return_value", result)

    # Any: the types of an action depend on its name.
    def _run(self, action: BoundAction[..., Any]) -> object:
        arguments = action.arguments(self._arguments_of_action())
        result = action.run(arguments)
        self._log_outcome(arguments, result)
        return result

    def _arguments_of_action(self) -> dict[str, object]:
        values = {name: getattr(self, name) for name in self.arguments}
        return {**values, **self._read_uploads(values)}

    # Any: a template may have rendered a value of any type.
    def _read_uploads(self, values: Mapping[str, Any]) -> dict[str, object]:
        paths = {name: values[name] for name in self.uploads if values[name]}
        if not paths:
            return {}
        from airflow_provider_360learning.hooks.operation_files import read_upload

        return {name: read_upload(name, path) for name, path in paths.items()}

    def _log_outcome(self, arguments: ActionArguments, result: object) -> None:
        from airflow_provider_360learning.api.sentences import outcome_sentence

        if sentence := outcome_sentence(arguments, result):
            log.info("%s", sentence)
