"""
Rewrite the generated tables of the documentation.

``make docs`` runs it. A table stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; NAME is one of
:data:`SECTIONS` or ``columns of ACTION``. tests/unit/test_docs.py fails if a table is out of date.
"""

from __future__ import annotations

import importlib
import inspect
import json
import math
import re
import runpy
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from pydantic import BaseModel

from airflow_provider_360learning.api.actions import Action
from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.api.models import external, fields
from airflow_provider_360learning.api.models.base import ActionArguments, NameOf
from airflow_provider_360learning.api.spec import ApiSpec, LimitScope, WindowLimit
from airflow_provider_360learning.api.v2.job_kinds import KINDS
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.cli.scopes import needs_of_actions, needs_of_operators
from airflow_provider_360learning.completion import course, path_session, required, slot_attendance
from airflow_provider_360learning.completion.condition import CompletionCondition
from airflow_provider_360learning.completion.course_publication import CoursePublication
from airflow_provider_360learning.completion.group_membership import GroupMembership
from airflow_provider_360learning.completion.path_session_statuses import PathSessionStatusCondition
from airflow_provider_360learning.completion.user_activation import UserActivation
from airflow_provider_360learning.connections.form import EXTRA_FIELDS, LABELS
from airflow_provider_360learning.get_provider_info import CONFIG_OPTIONS
from airflow_provider_360learning.metrics import COMMON_TAGS, METRICS, Metric
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator, Learning360RowsOperator
from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator
from airflow_provider_360learning.sandbox.control import SandboxControl
from airflow_provider_360learning.sandbox.routing import Version
from airflow_provider_360learning.sandbox.seed_file import SeedFile
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.v1.version import V1
from airflow_provider_360learning.sandbox.v2.version import V2
from airflow_provider_360learning.sensors.classrooms import Learning360SlotAttendanceSensor
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor
from airflow_provider_360learning.sensors.users import Learning360UserActiveSensor

DOCS = Path(__file__).parent
ACTION_NEEDS = needs_of_actions(VERSIONS["v2"])
SECTION = re.compile(r"<!-- generated: (.+?) -->\n.*?<!-- end -->", re.DOTALL)

#: Where the columns are described that docs/operators.md does not describe.
COLUMN_PAGES = {
    "import_external_courses": "import-statistics.md#import-external-courses",
    "import_external_course_stats": "import-statistics.md#import-statistics-of-learners",
}
#: The types of fields by the name of their alias, as the tables name them.
TYPE_NAMES = {
    "AtLeastOne": "integer, at least 1",
    "Boolean": "boolean",
    "Capacity": "integer, at least 1",
    "ClearedFields": "list of names",
    "Color": "color or `default`",
    "CustomFields": "object",
    "CustomValue": "string, number or date",
    "Days": "integer, at least 1",
    "DryRun": "boolean",
    "ExternalId": "string, never changed",
    "ExternalIds": "list of strings, never changed",
    "FilledIds": "list of ids",
    "FilledUsers": "list of email addresses and ids",
    "Hours": "number",
    "Id": "id",
    "Ids": "list of ids",
    "Mail": "email address",
    "Mails": "list of email addresses",
    "Minutes": "number",
    "Months": "integer, at least 1",
    "MultilineText": "string, may have several lines",
    "Order": "integer, at least 0",
    "Password": "password",
    "Percent": "number, 0 to 100",
    "Required": "`all`, `any`, integer or share",
    "SpentSeconds": "number, at least 0.001",
    "Text": "string",
    "Texts": "list of strings",
    "Timestamp": "timestamp",
    "Url": "URL",
    "UserLimit": "integer, at least 1",
    "User": "email address or id",
    "Users": "list of email addresses and ids",
    "WholePercent": "integer, 0 to 100",
}


def actions() -> dict[str, Any]:
    """Return all actions by name: in the form of API v1, where it has one."""
    found = {
        name: one
        for adapter in (VERSIONS["v2"].adapter, VERSIONS["v1"].adapter)
        for kind in reversed(inspect.getmro(adapter))
        for name, one in vars(kind).items()
        if (isinstance(one, Action) and one.is_available) or (name.startswith("read_") and name in dir(LearningApi))
    }
    return dict(sorted(found.items()))


def bulk() -> dict[str, Any]:
    """Return the actions of the bulk operator by name."""
    return {
        name: one for name, one in actions().items() if isinstance(one, Action) and one.write and not one.write.batched
    }


def row_models() -> dict[str, type[ActionArguments]]:
    """Return the models of all rows by the name of their action."""
    return {
        **{name: one.model for name, one in bulk().items()},
        "import_external_courses": external.ExternalCourse,
        "import_external_course_stats": external.ExternalStatistic,
    }


def columns(model: type[ActionArguments], heading: str = "Column", more: Iterable[Iterable[str]] = ()) -> str:
    """Return the table of the fields of a model, and of more rows."""
    hints = get_type_hints(model, include_extras=True)
    fields = (
        (
            f"`{name}`",
            _is_required(model, name),
            "" if field.is_required() or field.default in (None, ()) else f"`{json.dumps(field.default)}`",
            ", ".join(_type_names(hints[name])),
            field.description or "",
        )
        for name, field in model.model_fields.items()
    )
    return _table((heading, "Required", "Default", "Type", "Meaning"), (*fields, *more))


def _is_required(model: type[ActionArguments], name: str) -> str:
    """Return whether a field is required, or the one that may be given instead."""
    if model.model_fields[name].is_required():
        return "yes"
    alternative = model.alternatives.get(name)
    pair = model.names.get(name) or model.names.get(alternative or "")
    return f"or `{alternative}`" if pair and pair.is_required else ""


def columns_of_all_actions() -> str:
    """Return a heading and a table for each action of the bulk operator."""
    return "\n\n".join(
        f"### `{name}`\n\n{_effect(name, one)}\n\n{columns(one.model, 'Argument')}" for name, one in bulk().items()
    )


def columns_by_action() -> str:
    """Return the table of the columns of all rows by action."""
    return _table(
        ("Action", "Required columns", "Other columns"),
        (
            (_link_to_columns(name), _names(model, required=True), _names(model, required=False))
            for name, model in row_models().items()
        ),
    )


def _link_to_columns(action: str) -> str:
    return f"[`{action}`]({COLUMN_PAGES.get(action, f'operators.md#{action}')})"


def _names(model: type[ActionArguments], *, required: bool) -> str:
    """Return the fields that are required or not; of two fields of which one is required, both."""
    pairs = {one.id_field: name for name, one in model.names.items() if one.is_required}
    found = [
        f"`{name}`" + (f" or `{pairs[name]}`" if name in pairs else "")
        for name, field in model.model_fields.items()
        if (field.is_required() or name in pairs) is required
        and name not in pairs.values()
        and name not in model.not_in_rows
    ]
    return ", ".join(found)


def sensor_arguments(condition: type[CompletionCondition]) -> str:
    """Return the table of the arguments of a sensor that has those of its condition."""
    return columns(condition, "Argument")


def user_active_arguments() -> str:
    """Return the table of the arguments of the sensor for active users."""
    users_from = next(_users_from_arguments(Learning360UserActiveSensor))
    return columns(UserActivation, "Argument", [users_from])


def path_session_arguments() -> str:
    """Return the table of the arguments of the sensor for path sessions."""
    more = _users_from_arguments(Learning360PathSessionCompletionSensor)
    return columns(path_session.PathSessionCompletion, "Argument", more)


def course_arguments() -> str:
    """Return the table of the arguments of the sensor for courses."""
    return columns(course.CourseCompletion, "Argument", _users_from_arguments(Learning360CourseCompletionSensor))


def slot_attendance_arguments() -> str:
    """Return the table of the arguments of the sensor for the attendance of slots."""
    more = _users_from_arguments(Learning360SlotAttendanceSensor)
    return columns(slot_attendance.SlotAttendance, "Argument", more)


def _users_from_arguments(sensor: type) -> Iterator[tuple[str, ...]]:
    """Yield the rows of the arguments that a sensor has in addition to its condition."""
    described = _parameter_descriptions(sensor)
    yield "`users_from`", "", "", "result of a bulk task, or a list", described["users_from"]
    yield "`include_invited`", "", "`false`", "boolean", described["include_invited"]


def bulk_arguments() -> str:
    """Return the table of the arguments of the bulk operator."""
    parameters: dict[str, inspect.Parameter] = {}
    meanings: dict[str, str] = {}
    for operator in (Learning360BulkOperator, Learning360RowsOperator):
        parameters |= inspect.signature(operator.__init__).parameters
        meanings |= _parameter_descriptions(operator)
    return _argument_table(parameters, meanings)


def _argument_table(parameters: Mapping[str, inspect.Parameter], meanings: Mapping[str, str]) -> str:
    """Return the table of the arguments of an operator."""
    return _table(
        ("Argument", "Required", "Default", "Meaning"),
        (
            (f"`{name}`", "yes", "", meaning)
            if parameters[name].default is inspect.Parameter.empty
            else (f"`{name}`", "", f"`{parameters[name].default!r}`", meaning)
            for name, meaning in meanings.items()
        ),
    )


def sync_arguments() -> str:
    """Return the table of the arguments of the sync operator."""
    parameters = inspect.signature(Learning360SyncUsersOperator.__init__).parameters
    return _argument_table(parameters, _parameter_descriptions(Learning360SyncUsersOperator))


def _parameter_descriptions(documented: type) -> dict[str, str]:
    """Return the descriptions of the parameters in the docstring of a class by name."""
    text = inspect.getdoc(documented) or ""
    return dict(re.findall(r"^:param (\w+): (.*?)(?=^:param |^\.\. |\Z)", text, re.MULTILINE | re.DOTALL))


def action_list() -> str:
    """Return the table of all actions."""
    return _table(("Action", "Effect"), ((f"`{name}`", _effect(name, one)) for name, one in actions().items()))


def results_of_reads() -> str:
    """Return the table of the results of all actions that read."""
    reads = {name: one for name, one in actions().items() if name.startswith(("get_", "list_"))}
    return _table(
        ("Action", "Returns", "Keys"),
        (
            (f"`{name}`", "a list of objects" if get_origin(result) is list else "an object", _keys(result))
            for name, one in reads.items()
            for result in (get_args(get_type_hints(one.function)["return"])[-1],)
        ),
    )


def _item(result: Any) -> Any:
    """Return the type of the items of a list, or the type itself."""
    return get_args(result)[0] if get_origin(result) is list else result


def _keys(result: Any) -> str:
    """Return the keys of a result, with the keys of the objects in it."""
    nested = {name: _item(hint) for name, hint in get_type_hints(_item(result)).items()}
    return ", ".join(
        f"`{name}` ({_keys(hint)} each)" if is_typeddict(hint) else f"`{name}`" for name, hint in nested.items()
    )


def bulk_actions() -> str:
    """Return the table of the actions of the bulk operator, with their keys and maximum rates."""
    return _table(
        ("`action`", "Key", "Maximum rows per second"),
        (
            (f"`{name}`", ", ".join(f"`{key}`" for key in one.write.key), str(_maximum_rate(one.write.operation)))
            for name, one in bulk().items()
        ),
    )


def scopes_of_actions() -> str:
    """Return the table of the scopes of API v2 that each action needs."""
    return _table(
        ("Action", "Scopes", "With names in the place of ids, also", "Many rows by bulk jobs"),
        (
            (f"`{name}`", _code(one.scopes), _code(one.for_names), _code(one.for_rows))
            for name, one in ACTION_NEEDS.items()
        ),
    )


def scopes_of_operators() -> str:
    """Return the table of the scopes of API v2 that each operator and sensor needs."""
    return _table(
        ("Operator or sensor", "Scopes", "With names in the place of ids, also"),
        (
            (f"`{name}`", _code(one.scopes), _code(one.for_names))
            for name, one in needs_of_operators(VERSIONS["v2"]).items()
        ),
    )


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def connection_fields() -> str:
    """Return the table of the fields of a connection."""
    fixed = [
        (
            "`host`",
            "Base URL",
            "`https://app.360learning.com`",
            "Scheme and host. US: `https://app.us.360learning.com`.",
        ),
        ("`port`", "Port", "that of the URL", "Not needed, see [test the connection](#test-the-connection)."),
        ("`login`", LABELS["login"], "–", "API v1: ID of the company. API v2: client ID."),
        ("`password`", LABELS["password"], "–", "API v1: API key of the company. API v2: secret of the client."),
    ]
    extra = (
        (f"extra `{name}`", field["label"], _default(field["schema"].get("default")), field["description"])
        for name, field in EXTRA_FIELDS.items()
    )
    return _table(("Field", "Label", "Default", "Meaning"), [*fixed, *extra])


def limits(version: str) -> str:
    """Return the table of the rate limits of a version."""
    spec = VERSIONS[version].spec
    return _table(
        ("Name", "Maximum", "Counts"),
        (
            *(
                (f"`{limit.name}`", f"{limit.requests / limit.seconds:g} per second", _counted(limit, spec))
                for limit in sorted(spec.limits.values(), key=lambda limit: limit.name in spec.endpoints)
            ),
            *(
                (f"`{limit.name}`", f"{limit.places} at the same time", "bulk jobs that have not ended, per company")
                for limit in spec.concurrency_limits
            ),
        ),
    )


#: Rows of the table of the capacity: a step of onboarding or off-boarding, its action, and the arguments of one person.
STEPS = (
    ("create an account", "create_user", {"mail": "ana@acme.test", "mode": "create_active"}),
    ("invite a person", "create_user", {"mail": "ana@acme.test", "mode": "invite"}),
    ("change fields of an account", "update_user", {"user": "ana@acme.test", "job": "Engineer"}),
    ("add to a group", "add_user_to_group", {"user": "ana@acme.test", "group_id": "0" * 24, "role": "learner"}),
    ("delete an account", "delete_user", {"user": "ana@acme.test"}),
)


def capacity() -> str:
    """Return how many people per hour the limits of each version allow, by step."""
    return _table(
        ("Step", "`action`", *(f"API {name}: people per hour" for name in VERSIONS)),
        ((step, f"`{name}`", *(_per_hour(version, name, row) for version in VERSIONS)) for step, name, row in STEPS),
    )


def _per_hour(version: str, name: str, row: dict[str, str]) -> str:
    """Return the maximum number of rows per hour, and what a row costs."""
    spec, adapter = VERSIONS[version].spec, VERSIONS[version].adapter
    action = getattr(adapter, name)
    writes = action.write.writes(action.model(**row)) if action.write.writes else 1
    narrowest = min(spec.endpoints[action.write.operation].limits, key=lambda limit: limit.requests / limit.seconds)
    rows = math.floor(3600 * narrowest.requests / narrowest.seconds / writes)
    cost = f"{writes} writes each" if writes > 1 else "1 write each"
    jobs = ", or bulk jobs" if name in jobs_of(version) else ""
    return f"{rows:,} (`{narrowest.name}`, {cost}){jobs}"


def jobs_of(version: str) -> Iterable[str]:
    """Return the names of the actions that bulk jobs can do in a version."""
    return KINDS if VERSIONS[version].spec.job_path else ()


def metrics() -> str:
    """Return the table of the metrics."""
    return _table(
        ("Metric", "Type", "Tags", "Meaning", "In a panel"),
        (
            (
                f"`{metric.name}`",
                metric.kind,
                ", ".join(f"`{tag}`" for tag in (*COMMON_TAGS, *metric.tags)),
                metric.meaning,
                f"`{_panel(metric)}`",
            )
            for metric in METRICS
        ),
    )


def _panel(metric: Metric) -> str:
    """Return the PromQL of a panel, with the names that the statsd exporter makes of dots."""
    name = f"airflow_{metric.name.replace('.', '_')}"
    by = f"sum by ({', '.join(metric.tags or COMMON_TAGS[:1])})"
    if metric.kind == "counter":
        return f"{by} (rate({name}[5m]))"
    return f"{by} (rate({name}_sum[5m])) / {by} (rate({name}_count[5m]))"


def settings() -> str:
    """Return the table of the section ``[learning360]``."""
    return _table(
        ("Option", "Default", "Meaning"),
        (
            (f"`{name}`", f"`{option['default']}`" if option["default"] else "empty", option["description"])
            for name, option in CONFIG_OPTIONS.items()
        ),
    )


def sandbox_routes(version: Version) -> str:
    """Return the table of the sandbox's routes of a version, with their evidence and what is assumed about them."""
    return _table(
        ("Operation", "Known from", "Assumed"),
        ((f"`{route.operation}`", EVIDENCE[route.evidence], route.assumes) for route in version.routes),
    )


def seed_file() -> str:
    """Return the table of the objects of a file that describes a company, with their fields."""
    lists = {name: get_args(field.annotation)[0] for name, field in SeedFile.model_fields.items() if name != "company"}
    return _table(
        ("List", "Required fields", "Other fields"),
        (
            (f"`{name}`", *(_names_of_fields(model, required=required) for required in (True, False)))
            for name, model in lists.items()
        ),
    )


def _names_of_fields(model: type[BaseModel], *, required: bool) -> str:
    """Return the fields of a model that are required or not, with the meanings that its docstring gives."""
    meanings = _parameter_descriptions(model)
    return "; ".join(
        f"`{name}`" + (f": {' '.join(meanings[name].split()).rstrip('.')}" if name in meanings else "")
        for name, field in model.model_fields.items()
        if field.is_required() is required and name != "id"
    )


def sandbox_control() -> str:
    """Return the table of the calls of the sandbox's control client."""
    calls = {name: one for name, one in vars(SandboxControl).items() if not name.startswith("_")}
    return _table(("Call", "Effect"), ((f"`{name}{_parameters(one)}`", _summary(one)) for name, one in calls.items()))


def _parameters(function: Callable[..., object]) -> str:
    _, *parameters = inspect.signature(function).parameters.values()
    signature = inspect.Signature([one.replace(annotation=inspect.Parameter.empty) for one in parameters])
    return str(signature).replace("'", '"')


def sandbox_settings() -> str:
    """Return the table of the sandbox's settings, with the evidence for their defaults."""
    defaults = Settings().model_dump(mode="json")
    return _table(
        ("Setting", "Default", "Other values", "Default known from", "Meaning"),
        (
            (
                f"`{name}`",
                f"`{json.dumps(defaults[name])}`",
                ", ".join(f"`{json.dumps(one)}`" for one in _choices(field.annotation) if one != defaults[name]),
                EVIDENCE[_evidence(field)],
                field.description or "",
            )
            for name, field in Settings.model_fields.items()
        ),
    )


def _evidence(field: Any) -> str | None:
    return field.json_schema_extra["evidence"]


def _choices(annotation: Any) -> list[Any]:
    """Return the choices of a setting; none if any value of its type is valid."""
    if annotation is bool:
        return [True, False]
    if get_origin(annotation) is Literal:
        return list(get_args(annotation))
    literals = [one for one in get_args(annotation) if get_origin(one) is Literal]
    return [None, *sorted(get_args(literals[0]))] if literals else []


def _of_tests(module: str) -> Any:
    """Import a module of the tests, which are beside this folder, also if this is run as a script."""
    if str(DOCS.parent) not in sys.path:
        sys.path.insert(0, str(DOCS.parent))
    return importlib.import_module(f"tests.{module}")


def openapi_patches() -> str:
    """Return the list of what was published since the copies of the OpenAPI files."""
    return _bullets(f"`v2-{patch.document}.json`: {patch.reason}." for patch in _of_tests("contract.documents").PATCHES)


def openapi_differences() -> str:
    """Return the list of what is validated in another way than the OpenAPI files say."""
    return _bullets(_of_tests("contract.schemas").DIFFERENCES)


def actions_by_version() -> str:
    """Return the table of all actions with what stands behind each of them in the API versions."""
    rows, names = _of_tests("contract.table").rows(), list(VERSIONS)
    marks = {True: "yes", False: "no"}
    total = (
        f"**{len(rows)}**",
        *(f"**{sum(name in row.operations for row in rows)}**" for name in names),
        f"**{sum(bool(row.classes) for row in rows)}**",
        f"**{sum(row.is_bulk for row in rows)}**, bulk job: **{sum(bool(row.job) for row in rows)}**",
        f"**{sum(not any(row.missing_routes.values()) for row in rows)}**",
        f"**{sum(bool(row.tests) for row in rows)}**",
    )
    lines = (
        (
            f"`{row.action}`",
            *(str(len(row.operations[name])) if name in row.operations else _only(row.operations) for name in names),
            ", ".join(f"`Learning360{each}`" for each in row.classes),
            ("yes, bulk job" if row.job else "yes") if row.is_bulk else "",
            marks[not any(row.missing_routes.values())],
            ", ".join(f"`{each}`" for each in row.tests),
        )
        for row in rows
    )
    versions = (f"Operations of API {name}" for name in names)
    heading = ("Action", *versions, "Operator or sensor", "Many rows", "Sandbox", "Tests on both versions")
    return _table(heading, (*lines, total))


def _only(versions: Iterable[str]) -> str:
    return f"only API {', '.join(versions)}"


def operations_by_version() -> str:
    """Return the table of the numbers of operations of each API version."""
    counts = _of_tests("contract.table").operations()
    heading = (
        "API",
        "Known",
        "Callable by name",
        "Used by actions",
        "Used by operators and sensors",
        "Used for many rows",
        "In the sandbox",
        "Requests compared with the description",
    )
    return _table(heading, ((name, *map(str, each)) for name, each in counts.items()))


def tested_versions() -> str:
    """Return the table of the results of ``make test-matrix``, one row per cell of the matrix."""
    matrix = runpy.run_path(str(DOCS.parent / ".ci/matrix.py"))
    results = json.loads(matrix["RESULTS"].read_text())
    return _table(
        ("Requirements", "Airflow", "Python", "Quick tests", "Example DAGs"),
        ((f"`{cell.partition(':')[0]}`", *_result(cell, results.get(cell))) for cell in matrix["CELLS"]),
    )


def _result(cell: str, result: Any) -> Iterator[str]:
    if result is None:
        yield from ("", cell.partition(":")[2], "not run", "not run")
        return
    yield from (result["airflow"], result["python"])
    for suite in ("quick", "examples"):
        yield ", ".join(f"{number:,} {outcome}" for outcome, number in result["suites"][suite].items() if number)


def _bullets(items: Iterable[str]) -> str:
    return "\n".join(f"- {item}" for item in items)


#: Evidence for the sandbox's behavior, as the tables name it.
EVIDENCE = {
    "documented": "documentation",
    "recorded": "recordings",
    "client": "public clients",
    "assumed": "assumption",
    None: "",
}

#: Name of a section to the function that returns its content.
SECTIONS: dict[str, Callable[[], str]] = {
    "actions": action_list,
    "actions by version": actions_by_version,
    "arguments of the bulk operator": bulk_arguments,
    "arguments of the course publication sensor": partial(sensor_arguments, CoursePublication),
    "arguments of the course sensor": course_arguments,
    "arguments of the group membership sensor": partial(sensor_arguments, GroupMembership),
    "arguments of the path session sensor": path_session_arguments,
    "arguments of the path session status sensor": partial(sensor_arguments, PathSessionStatusCondition),
    "arguments of the slot attendance sensor": slot_attendance_arguments,
    "arguments of the sync operator": sync_arguments,
    "arguments of the user activation sensor": user_active_arguments,
    "bulk actions": bulk_actions,
    "capacity": capacity,
    "columns by action": columns_by_action,
    "columns of all actions": columns_of_all_actions,
    "connection fields": connection_fields,
    "differences from the OpenAPI files": openapi_differences,
    "limits of v1": partial(limits, "v1"),
    "limits of v2": partial(limits, "v2"),
    "metrics": metrics,
    "operations by version": operations_by_version,
    "patches of the OpenAPI files": openapi_patches,
    "results of reads": results_of_reads,
    "sandbox control": sandbox_control,
    "scopes of actions": scopes_of_actions,
    "scopes of operators": scopes_of_operators,
    "sandbox routes": partial(sandbox_routes, V1),
    "sandbox routes of API v2": partial(sandbox_routes, V2),
    "sandbox settings": sandbox_settings,
    "seed file": seed_file,
    "settings": settings,
    "tested versions": tested_versions,
}


def generate(page: str) -> str:
    """
    Return a page with its generated sections up to date.

    :param page: Text of the page.
    :raises KeyError: if a section is unknown.
    """
    return SECTION.sub(lambda found: f"<!-- generated: {found[1]} -->\n{_content(found[1])}\n<!-- end -->", page)


def _content(name: str) -> str:
    action = name.removeprefix("columns of ")
    return columns(row_models()[action]) if action in row_models() else SECTIONS[name]()


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(heading)
    lines = [names, *(list(map(_cell, row)) for row in rows)]
    text = ["|" + "|".join(f" {cell} " if cell else " " for cell in line) + "|" for line in lines]
    return "\n".join([text[0], "|" + "---|" * len(names), *text[1:]])


def _cell(text: str) -> str:
    text = re.sub(r"(\w+)='(\w+)'", r'`\1="\2"`', text)
    text = re.sub(r"(?<!\w)'(\w+)'(?!\w)", r"`\1`", text)
    text = re.sub(r":\w+:`[~.]*([^`]+)`", r"`\1`", text)  # roles of Sphinx
    return " ".join(text.replace("``", "`").replace("|", "\\|").split())


def _type_names(hint: Any) -> Iterator[str]:
    for one in getattr(hint, "__metadata__", ()):
        if isinstance(one, NameOf):
            yield "list of names" if one.id_field.endswith("_ids") else "name"
            return
    for name, type_name in TYPE_NAMES.items():
        if hint == getattr(fields, name, None) or hint == getattr(required, name, None):
            yield type_name
            return
    if get_origin(hint) in (Union, UnionType):
        for one in get_args(hint):
            if one is not type(None):
                yield from _type_names(one)
    elif get_origin(hint) is Literal:
        # Sorted, because typing caches unions of literals whatever their order.
        yield from (f"`{choice}`" for choice in sorted(get_args(hint)))
    elif get_origin(hint) is Annotated and hint.__origin__ == Sequence[str]:
        yield "list"
    else:
        raise KeyError(f"TYPE_NAMES has no name for {hint}")


def is_only_in_v2(name: str) -> bool:
    """Return whether API v1 refuses an action."""
    return not getattr(getattr(VERSIONS["v1"].adapter, name), "is_available", True)


def _effect(name: str, action: Any) -> str:
    return _summary(action) + (" Only API v2 has it." if is_only_in_v2(name) else "")


def _summary(action: Any) -> str:
    return _cell((inspect.getdoc(action) or "").partition("\n\n")[0].replace("\n", " "))


def _maximum_rate(operation: str) -> int:
    """Return the rate in the first version that has the operation."""
    endpoint = next(one.spec.endpoints[operation] for one in VERSIONS.values() if operation in one.spec.endpoints)
    return min(limit.requests for limit in endpoint.limits)


def _counted(limit: WindowLimit, spec: ApiSpec) -> str:
    if limit.name in spec.endpoints:
        return "requests of this operation, per company"
    kind = "reads (`GET`)" if limit.name.endswith("_reads") else "writes (all other methods)"
    return f"{kind} per {'IP address' if limit.scope is LimitScope.ADDRESS else 'company'}"


def _default(value: Any) -> str:
    return "–" if value is None else f"`{value}`"


def main() -> None:
    """Rewrite the pages."""
    for path in sorted(DOCS.glob("*.md")):
        path.write_text(generate(path.read_text()))


if __name__ == "__main__":
    main()
