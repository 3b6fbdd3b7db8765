"""
Behavior that operators and sensors share: the pool, templates, the reaction to SIGTERM, and which errors are retried.

Imported when DAG files are parsed, so it imports no client and no library of it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, cast

from airflow.providers.common.compat.sdk import AirflowException, AirflowFailException

# Importing `supervision` records the supervisor of this process, which is wanted as early as possible.
from airflow_provider_360learning import config, supervision  # noqa: F401

if TYPE_CHECKING:
    import jinja2
    from airflow.providers.common.compat.sdk import BaseOperator, Context
    from airflow.sdk.definitions.mappedoperator import OperatorPartial

    _Task = BaseOperator  # the class that a mixin is mixed into
else:
    _Task = object


# Any: a rendered value has any type.
@dataclass(frozen=True, repr=False)
class HiddenValue:
    """
    The rendered value of a field, of which Airflow stores and shows a note only.

    Airflow masks values by the names of their keys, and a password in rows may have any name.
    """

    value: Any

    def __repr__(self) -> str:
        return "(not shown: it may contain passwords)"


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


class UnrenderedMappingMixin(_Task):
    """
    Never render the data that a task is mapped over at run time: it comes from outside, and a template reads secrets.

    Airflow renders all values of ``expand_kwargs``, and those of ``expand`` that ``__init__`` has changed. Here a task
    that is mapped over the result of another task renders only what the DAG file itself contains: the arguments of
    ``partial`` and the lists of ``expand``.
    """

    # Any: the arguments of Airflow's method.
    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """See :meth:`airflow.sdk.BaseOperator.render_template_fields`."""
        if parent is self and (mapped := self._mapped_at_run_time(context)):
            # A row may have removed it, and Airflow 2 repeats a failed task without a DAG forever.
            self.dag = mapped.dag
            template_fields = [name for name in template_fields if self._is_from_dag_file(name, mapped)]
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is self:
            self._hide_rendered_values()

    def _hide_rendered_values(self) -> None:
        """
        Hide values that may contain passwords under names that Airflow does not mask.

        Called after rendering, and before Airflow stores what was rendered for its page of rendered templates.
        """

    # Any: the mapped operators of Airflow 2 and 3 have no class in common.

    def _mapped_at_run_time(self, context: Context) -> Any:
        """Return the mapped operator of this task, or ``None`` if all of its arguments are in the DAG file."""
        dag = context.get("dag")  # not that of this task, which a row of expand_kwargs may remove
        mapped = dag.task_dict.get(self.task_id) if dag else None
        if (expand_input := getattr(mapped, "expand_input", None)) is None:
            return None
        value = expand_input.value
        if isinstance(value, Mapping):  # expand(name=…, …)
            inputs: Iterable[object] = value.values()
        else:  # expand_kwargs(…), of one object or of a list of them
            inputs = [value[cast(int, context["ti"].map_index)] if isinstance(value, Sequence) else value]
        return None if all(map(_is_literal, inputs)) else mapped

    def _is_from_dag_file(self, name: str, mapped: Any) -> bool:
        """
        Return whether an argument still has the value, or one of the values, that the DAG file gives it.

        Values are compared, because ``__init__`` of a subclass may combine them with mapped data, and because mapped
        data replaces those of ``partial`` with ``strict=False``.
        """
        value = getattr(self, name)
        inputs = mapped.expand_input.value
        mapping = inputs.get(name) if isinstance(inputs, Mapping) else None
        given: Iterable[object] = ()
        if name in mapped.partial_kwargs:
            given = (mapped.partial_kwargs[name],)
        elif isinstance(mapping, Mapping):
            given = mapping.items()
        elif isinstance(mapping, Sequence):
            given = mapping
        return any(value is one or bool(value == one) for one in given)


def _is_literal(value: object) -> bool:
    """Return whether the input of a mapping is in the DAG file, and not the result of another task."""
    return isinstance(value, Mapping | Sequence)


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
def fail_on_permanent_error(*, retry_unknown_outcome: bool = True) -> Iterator[None]:
    """
    Fail a task without retries on a permanent error; transient ones reach Airflow's retries as they are.

    Both may quote rows and responses, and are shown by notifiers, so that they must contain no template.

    :param retry_unknown_outcome: Whether a task is retried whose request may have been applied.
    :raises AirflowFailException: instead of an error that a retry would only repeat.
    """
    from airflow_provider_360learning.api.text import without_templates
    from airflow_provider_360learning.exceptions import Learning360Error, OutcomeUnknownError

    try:
        yield
    except Learning360Error as error:
        error.args = tuple(without_templates(str(argument)) for argument in error.args)
        if error.transient and (retry_unknown_outcome or not isinstance(error, OutcomeUnknownError)):
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}") from error
