"""What must change in DAGs before their connection changes from API v1 to API v2 (``airflow learning360 migrate``)."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import SecretStr, TypeAdapter, ValidationError

from airflow_provider_360learning.api.needs import job_kind_of
from airflow_provider_360learning.api.operation_calls import check_name
from airflow_provider_360learning.api.parameters import problems_of_names
from airflow_provider_360learning.api.text import counted, one_line
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.connections.form import DEFAULT_CONN_ID, default_of
from airflow_provider_360learning.exceptions import InvalidConnectionError, InvalidRequestError
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator, Learning360RowsOperator
from airflow_provider_360learning.operators.exports import (
    Learning360ExportCoursesOperator,
    Learning360ExportCourseStatisticsOperator,
    Learning360ExportMembershipsOperator,
    Learning360ExportPathSessionStatisticsOperator,
)
from airflow_provider_360learning.operators.operation import Learning360Operator
from airflow_provider_360learning.sensors.base import Learning360BaseSensor
from airflow_provider_360learning.task_mixins import HiddenValue

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_360learning.api.actions import Action
    from airflow_provider_360learning.api.models.base import ActionArguments

#: The version that DAGs move to.
TARGET = VERSIONS["v2"]
#: Maximum number of characters of a value in a finding.
MAX_VALUE = 60
#: A value of a column, which is known only when the rows are read.
COLUMN_VALUE = "a value of the column"


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What API v2 will refuse, or do in another way.

    :param subject: The task with its DAG, the connection, or the file.
    :param text: The argument or field, the reason, and what to do.
    :param must_change: Whether the task fails otherwise.
    """

    subject: str
    text: str
    must_change: bool

    def __str__(self) -> str:
        return f"{'CHANGE' if self.must_change else 'note':<6} {self.subject}: {self.text}"


@dataclass(frozen=True, slots=True)
class Report:
    """
    What was found in a folder of DAGs.

    :param findings: The findings: unreadable files, tasks, connections.
    :param dags: Number of DAGs with tasks of this provider.
    :param tasks: Number of these tasks.
    """

    findings: Sequence[Finding]
    dags: int
    tasks: int

    @property
    def must_change(self) -> bool:
        """Whether something fails with API v2 as it is, or cannot be examined."""
        return any(finding.must_change for finding in self.findings)

    def lines(self) -> Iterator[str]:
        """Return the report as it is printed."""
        yield from map(str, self.findings)
        subjects = len({finding.subject for finding in self.findings if finding.must_change})
        yield (
            f"{counted(self.tasks, 'task')} of 360Learning in {counted(self.dags, 'DAG')}; "
            f"{subjects or 'nothing'} must change. Not examined: templates, rows of files and queries, Python code."
        )


def examine_folder(folder: Path) -> Report:
    """
    Examine all DAGs of a folder or a file. They are imported, and no task runs.

    :param folder: The folder, or a file.
    """
    bag = _dag_bag(str(folder))
    findings = [
        Finding(file, f"cannot be imported: {str(text).strip().rpartition(chr(10))[2]}", must_change=True)
        for file, text in bag.import_errors.items()
    ]
    tasks = [(f"{dag_id}.{task.task_id}", task) for dag_id, dag in sorted(bag.dags.items()) for task in dag.tasks]
    examined = {name: found for name, task in tasks if (found := ExaminedTask.of(task))}
    for name, task in tasks:
        texts = examined[name].findings() if name in examined else _findings_of_code(task)
        findings += (Finding(name, *each) for each in dict.fromkeys(texts))
    for conn_id in dict.fromkeys(task.connection for task in examined.values() if _is_known(task.connection)):
        findings += (Finding(f"connection {conn_id}", *each) for each in examine_connection(conn_id))
    dags = {name.rpartition(".")[0] for name in examined}
    return Report(findings, len(dags), len(examined))


# Any: classes of Airflow that differ between its lines, and the arguments of tasks.


def _dag_bag(folder: str) -> Any:
    try:
        from airflow.dag_processing.dagbag import DagBag
    except ImportError:  # Airflow before 3.2
        from airflow.models import DagBag as OldDagBag

        return OldDagBag(folder, include_examples=False)  # type: ignore[call-arg]  # it is not that class
    return DagBag(folder)


def examine_connection(conn_id: str) -> Iterator[tuple[str, bool]]:
    """
    Return what must change in a connection, and whether API v2 refuses it otherwise.

    :param conn_id: Its id.
    """
    from airflow_provider_360learning.connections.learning360 import Learning360Connection
    from airflow_provider_360learning.hooks.rate_limiter import get_connection

    try:
        connection, extra = get_connection(conn_id)
    except Exception as error:  # each source of connections raises errors of its own, whose text may contain secrets
        yield f"is not examined: it cannot be read here ({type(error).__name__})", False
        return
    fields = extra if isinstance(extra, Mapping) else {}
    version = next(
        (str(value) for name, value in fields.items() if name.endswith("api_version")), default_of("api_version")
    )
    if version == TARGET.spec.name:
        yield f"has api_version={version} already", False
        return
    moved = {name: value for name, value in fields.items() if not name.endswith("api_version")}
    try:
        Learning360Connection.read(connection, {**moved, "api_version": TARGET.spec.name, "company_id": ""})
    except InvalidConnectionError as error:
        yield str(error).partition(", ")[2], True
    company = connection.login or "the ID of the company"
    yield (
        f"to move it, set api_version={TARGET.spec.name}, login and password to a client ID and its secret, and "
        f"company_id={company}",
        False,
    )


@dataclass(frozen=True, slots=True)
class ExaminedTask:
    """
    A task of this provider.

    :param operator: Its class.
    :param values: Its arguments by name, templates included.
    :param mapped: Of a mapped task, the further arguments of its instances, as far as the DAG file has them.
    """

    operator: type[Any]
    values: Mapping[str, Any]
    mapped: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, task: Any) -> ExaminedTask | None:
        """
        Return a task, if it is one of this provider.

        :param task: A task of a DAG, which may be mapped.
        """
        partial = getattr(task, "partial_kwargs", None)
        operator = type(task) if partial is None else task.operator_class
        if not (isinstance(operator, type) and issubclass(operator, Learning360BaseOperator | Learning360BaseSensor)):
            return None
        if partial is None:
            names = (*operator.template_fields, "action")
            return cls(operator, {name: getattr(task, name) for name in names if hasattr(task, name)})
        return cls(operator, partial, list(_instances(getattr(task.expand_input, "value", None))))

    @property
    def connection(self) -> str:
        """The id of its connection, or a template."""
        return str(self.values.get("learning360_conn_id") or DEFAULT_CONN_ID)

    def findings(self) -> Iterator[tuple[str, bool]]:
        """Return the text of each finding, and whether the task must change."""
        hint = _HINTS_OF_EXPORTS.get(self.operator)
        if hint and not self.values.get("with_mails"):
            yield hint, False
        for instance in self.mapped or [{}]:
            yield from self._findings_of({**self.values, **instance})

    def _findings_of(self, values: Mapping[str, Any]) -> Iterator[tuple[str, bool]]:
        if issubclass(self.operator, Learning360ExportCourseStatisticsOperator):
            yield from ((text, True) for text in _refused_date_field(values.get("date_field")))
        if issubclass(self.operator, Learning360Operator):
            yield from ((text, True) for text in _refused_operation(values))
        name = values.get("action") or getattr(self.operator, "action", None)
        action = TARGET.actions.get(name) if isinstance(name, str) else None
        if action is None:
            return
        for arguments in self._arguments_of(action, values):
            yield from ((text, False) for text in _hints(action, arguments))
        if not issubclass(self.operator, Learning360RowsOperator):
            yield from ((text, True) for text in _refusals(action.model, action.check, values))
            return
        kind = None if issubclass(self.operator, Learning360BulkOperator) else job_kind_of(TARGET.adapter, action.name)
        model, check = (action.model, action.check) if kind is None else (kind.row_model, kind.check)
        for row in self._rows(model, values):
            yield from ((text, True) for text in _refusals(model, check, row, is_complete=kind is not None))

    def _arguments_of(self, action: Action[..., object], values: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Return the arguments of the action, as far as they are known: of each row, if it has rows."""
        if issubclass(self.operator, Learning360BulkOperator):
            yield from self._rows(action.model, values)
        else:
            yield values

    def _rows(self, model: type[ActionArguments], values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Return the rows that the DAG file has; of any other source, one row of what is known of all."""
        fields = model.model_fields
        defaults, mapping = _mapping(values.get("defaults")), _mapping(values.get("column_mapping"))
        rows = _revealed(values.get("rows"))
        if not isinstance(rows, list | tuple):
            # A choice is not examined: its values are not known, and most are available.
            known = {name for name in mapping.values() if name in fields and not _is_choice(fields[name])}
            yield {**defaults, **dict.fromkeys(known, COLUMN_VALUE)}
            return
        for row in rows:
            if isinstance(row, Mapping):
                yield {**defaults, **{mapping.get(name, name): value for name, value in row.items()}}


def _refused_date_field(date_field: object) -> Iterator[str]:
    """Return why API v2 does not select attempts by a timestamp, if it does not."""
    if date_field is None or not _is_known(date_field):
        return
    try:
        TARGET.check_date_field(str(date_field))
    except InvalidRequestError as error:
        yield _reason(error)


def _refused_operation(values: Mapping[str, Any]) -> Iterator[str]:
    """Return why API v2 has no such operation, or which of the given parameters it does not have."""
    operation = values.get("operation")
    if not isinstance(operation, str) or not _is_known(operation):
        return
    try:
        check_name(TARGET.spec, operation)
    except InvalidRequestError as error:
        yield str(error.args[0]).replace("the connection uses API", "tasks are moved to API")
        return
    parameters = TARGET.spec.parameters(operation)
    for argument, known in (("path_params", parameters.path), ("query", parameters.query)):
        given = values.get(argument)
        if isinstance(given, Mapping):
            yield from problems_of_names(given, known, argument)


def _reason(error: InvalidRequestError) -> str:
    return str(error).removesuffix(" Nothing was sent.").rstrip(".")


def _refusals(
    model: type[ActionArguments],
    check: Callable[[Any], None] | None,
    values: Mapping[str, Any],
    *,
    is_complete: bool = False,
) -> Iterator[str]:
    """
    Return why API v2 refuses arguments: one reason for each of them.

    :param is_complete: Whether arguments without a required one are not checked: both versions refuse them.
    """
    if check is None:
        return
    given = {name: value for name, value in values.items() if name in model.model_fields and _is_known(value)}
    known = {name: parsed for name, value in given.items() if (parsed := _parsed(model, name, value)) is not None}
    required = [name for name, field in model.model_fields.items() if field.is_required()]
    while True:
        unknown = [name for name in required if name not in known]
        if unknown and is_complete:
            return
        try:
            # Without validation of the whole: what a template gives is not known.
            check(model.model_construct(set(known), **dict.fromkeys(unknown), **known))
        except InvalidRequestError as error:
            argument, reason = error.argument, _reason(error)
            if argument is None or argument not in known:
                if argument not in unknown:
                    yield reason
                return
            is_secret = isinstance(known.pop(argument), SecretStr)
            shown = one_line(repr(given[argument]), MAX_VALUE)
            yield reason if is_secret or shown in reason else f"{argument}={shown}: {reason}"
        else:
            return


def _parsed(model: type[ActionArguments], name: str, value: Any) -> Any:
    """Return a value as the action gets it, or ``None`` if both versions of the API refuse it."""
    if value is COLUMN_VALUE:
        return value
    field = model.model_fields[name]
    # Any: the type of the field is known at run time only.
    annotated: Any = Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    try:
        return TypeAdapter(annotated).validate_python(value)
    except ValidationError:
        return None


def _hints(action: Action[..., object], arguments: Mapping[str, Any]) -> Iterable[str]:
    hints = _HINTS.get(action.name)
    return hints(arguments) if hints else ()


def _hints_of_creation(arguments: Mapping[str, Any]) -> Iterator[str]:
    if not any(arguments.get(name) for name in ("group_id", "group", "other_group_ids", "other_groups")):
        yield "no group is given in the DAG file: API v2 requires one, and a user without any joins the root group"


def _hints_of_session(arguments: Mapping[str, Any]) -> Iterator[str]:
    if not arguments.get("instructors"):
        yield "no instructor is given in the DAG file: API v2 requires one, and takes the owner of the platform"


def _hints_of_enrollment(arguments: Mapping[str, Any]) -> Iterator[str]:
    yield "API v2 refuses sessions that were not created with the Audience Builder"


def _hints_of_contents(arguments: Mapping[str, Any]) -> Iterator[str]:
    yield "API v2 does this by a bulk job: ask 360Learning for the scope groups:bulk"


def _hints_of_library(arguments: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "API v2 needs an integration for the platform in this group, which is to be created before the task runs, and "
        "the scope integrations:bulk: ask 360Learning for it"
    )


#: What API v2 does in another way, by action.
_HINTS: Mapping[str, Callable[[Mapping[str, Any]], Iterable[str]]] = {
    "add_to_catalog": _hints_of_contents,
    "remove_from_catalog": _hints_of_contents,
    "add_to_library": _hints_of_contents,
    "remove_from_library": _hints_of_contents,
    "create_user": _hints_of_creation,
    "create_path_session": _hints_of_session,
    "enroll_groups": _hints_of_enrollment,
    "enroll_users": _hints_of_enrollment,
    "unenroll_groups": _hints_of_enrollment,
    "unenroll_users": _hints_of_enrollment,
    "import_external_courses": _hints_of_library,
    "import_external_course_stats": _hints_of_library,
}
_NO_MAILS = "user_mail is null in API v2 without with_mails=True"
#: What API v2 does not return, by export.
_HINTS_OF_EXPORTS: Mapping[type, str] = {
    Learning360ExportCourseStatisticsOperator: _NO_MAILS,
    Learning360ExportPathSessionStatisticsOperator: _NO_MAILS,
    Learning360ExportMembershipsOperator: _NO_MAILS,
    Learning360ExportCoursesOperator: "author_mail is null in API v2 without with_mails=True",
}


def _findings_of_code(task: Any) -> Iterator[tuple[str, bool]]:
    """Return that a task of another kind uses the hook, and is not examined."""
    function = getattr(task, "python_callable", None)
    try:
        source = inspect.getsource(function) if function else ""
    except (OSError, TypeError):
        return
    if "Learning360Hook" in source:
        yield "calls the hook in Python code, which is not examined", False


def _is_known(value: Any) -> bool:
    """Return whether a value is known now: neither a template nor the result of a task."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    return isinstance(value, str | int | float | list | tuple | dict) and bool(value)


def _is_choice(field: Any) -> bool:
    return "Literal" in repr(field.annotation)


def _instances(expanded: Any) -> Iterator[Mapping[str, Any]]:
    """Return the arguments of the instances of a mapped task: of ``expand``, each value in turn."""
    if isinstance(expanded, Mapping):
        for name, values in expanded.items():
            yield from ({name: value} for value in (values if isinstance(values, list | tuple) else ()))
    elif isinstance(expanded, list | tuple):
        yield from (each for each in expanded if isinstance(each, Mapping))


def _mapping(value: Any) -> Mapping[str, Any]:
    value = _revealed(value)
    return value if isinstance(value, Mapping) else {}


def _revealed(value: Any) -> Any:
    return value.value if isinstance(value, HiddenValue) else value
