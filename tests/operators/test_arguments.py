"""Operators take the arguments of their actions: the same names, defaults, choices and descriptions, all templated."""

from __future__ import annotations

import importlib
import inspect
import re
import typing

import pytest

from airflow_provider_360learning.api.models import choices
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.get_provider_info import get_provider_info
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator, Learning360RowsOperator
from airflow_provider_360learning.operators.certificates import Learning360DownloadCertificateOperator
from airflow_provider_360learning.operators.exports import Learning360ExportOperator, Learning360ListingExportOperator
from airflow_provider_360learning.operators.operation import Learning360Operator
from airflow_provider_360learning.operators.paths import Learning360EnrollmentOperator
from airflow_provider_360learning.operators.row_source import RowSourceMixin
from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator
from airflow_provider_360learning.operators.user_lists import Learning360UserListOperator
from airflow_provider_360learning.sensors.base import Learning360BaseSensor
from airflow_provider_360learning.sensors.courses import Learning360CourseCompletionSensor
from airflow_provider_360learning.sensors.users import Learning360UserActiveSensor

LISTED = ("Users", "Groups", "Memberships", "Courses", "Paths", "PathSessions")
ISSUED = {
    "operators.groups": [
        *("CreateGroup", "UpdateGroup", "DeleteGroup", "AddUserToGroup", "RemoveUserFromGroup"),
        *("AddToLibrary", "RemoveFromLibrary", "SetGroupBranding", "UploadGroupMedia"),
    ],
    "operators.users": [
        *(
            "CreateUser",
            "UpdateUser",
            "DeleteUser",
            "ActivateUser",
            "SetPassword",
            "SetProfileImage",
            "PseudonymizeUser",
        ),
        *("AddManager", "RemoveManager", "SetExternalId"),
        *("SubscribeToEmailNotifications", "UnsubscribeFromEmailNotifications"),
    ],
    "operators.content_tags": [
        f"{verb}{kind}Tags" for kind in ("Course", "Path") for verb in ("Add", "Remove", "Replace")
    ],
    "operators.courses": ["AddToCatalog", "ArchiveCourse", "RemoveFromCatalog"],
    "operators.certificates": [
        "ImportUserCertificate",
        "UpdateCertificatePrivacy",
        "DownloadCertificate",
        "CreateCertificateOutline",
        "UpdateCertificateOutline",
        "DeleteCertificateOutline",
    ],
    "operators.custom_fields": [
        "CreateCustomField",
        "UpdateCustomField",
        "DeleteCustomField",
        "SetUserCustomField",
        "RemoveUserCustomField",
        "SetCourseCustomField",
        "RemoveCourseCustomField",
        "SetPathSessionCustomField",
        "RemovePathSessionCustomField",
    ],
    "operators.elearning": ["CreateElearningCourse", "UpdateElearningCourse"],
    "operators.path_contents": ["ReplacePathCourses", "AddPathTokens"],
    "operators.paths": [
        "CreatePath",
        "UpdatePath",
        "ArchivePath",
        "DeletePath",
        "CreatePathSession",
        "UpdatePathSession",
        "DeletePathSession",
        "EnrollUsers",
        "EnrollGroups",
        "UnenrollGroups",
        "UnenrollUsers",
        "ReplacePathSessionAudience",
    ],
    "operators.bulk": ["Bulk"],
    "operators.classrooms": [
        "CreateClassroom",
        "UpdateClassroom",
        "CreateClassroomSlot",
        "UpdateClassroomSlot",
        "DeleteClassroomSlot",
        "RegisterUsers",
        "SetAttendance",
        "AddToWaitlist",
        "RemoveFromWaitlist",
        "CreateAttendanceSheet",
        "UpdateAttendanceSheet",
        "DeleteAttendanceSheet",
    ],
    "operators.custom_links": [
        *("CreateCustomLink", "UpdateCustomLink", "DeleteCustomLink"),
        *("CreateCustomUserLink", "UpdateCustomUserLink", "DeleteCustomUserLink"),
    ],
    "operators.exports": [
        *(f"Export{kind}" for kind in LISTED),
        "ExportCourseStatistics",
        "ExportPathSessionStatistics",
    ],
    "operators.imports": ["ImportStatistics", "ImportExternalCourses", "ArchiveExternalCourses"],
    "operators.integrations": ["CreateIntegration", "UpdateIntegration", "DeleteIntegration"],
    "operators.operation": [""],
    "operators.sync": ["SyncUsers"],
    "operators.tags": ["CreateTag", "UpdateTag", "DeleteTag"],
    "sensors.bulk_jobs": ["BulkJob"],
    "sensors.classrooms": ["SlotAttendance"],
    "sensors.courses": ["CourseCompletion", "CoursePublished"],
    "sensors.groups": ["GroupMembership"],
    "sensors.paths": ["PathSessionCompletion", "PathSessionStatus"],
    "sensors.users": ["UserActive"],
}


#: Bases of several operators, which DAGs do not use.
SHARED = (
    Learning360RowsOperator,
    Learning360ExportOperator,
    Learning360ListingExportOperator,
    Learning360EnrollmentOperator,
)
#: Bases of operators that run no single action.
WITHOUT_ACTION = (
    Learning360RowsOperator,
    Learning360ExportOperator,
    Learning360Operator,
    Learning360DownloadCertificateOperator,
    Learning360SyncUsersOperator,
)
#: Arguments that operators and sensors have in addition to those of their action or condition.
USERS_FROM = {"users_from": None, "include_invited": False}


def classes_of(kind):
    """Return the classes of a kind in the modules that the provider info names, without shared bases."""
    listed = get_provider_info()["operators"] + get_provider_info()["sensors"]
    modules = [importlib.import_module(name) for group in listed for name in group["python-modules"]]
    return [
        found
        for module in modules
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, kind) and found.__module__ == module.__name__
        if found not in SHARED
    ]


OPERATORS = classes_of(Learning360BaseOperator)
SENSORS = classes_of(Learning360BaseSensor)
ONE_ACTION = [one for one in OPERATORS if not issubclass(one, WITHOUT_ACTION)]


def lineage(kind):
    """Return a class and its bases in this package, except for the base of all."""
    shared = {Learning360BaseOperator, Learning360BaseSensor}
    ours = [one for one in kind.__mro__ if one.__module__.startswith("airflow_provider_360learning")]
    return [one for one in ours if one not in shared]


def own_arguments(kind):
    """Return names and defaults of the arguments that a class and its bases add to the base of all."""
    parameters = [
        parameter
        for one in lineage(kind)
        if "__init__" in vars(one)
        for parameter in inspect.signature(one.__init__).parameters.values()
    ]
    shared = {"learning360_conn_id", "pool", "deferrable"}
    return {one.name: one.default for one in parameters if one.kind is one.KEYWORD_ONLY and one.name not in shared}


def required_values(kind):
    """Return values for the required arguments of a class."""
    values = {name: "/x" for name, default in own_arguments(kind).items() if default is inspect.Parameter.empty}
    values |= {names[0]: "/x" for names in kind.required_pairs}
    if issubclass(kind, RowSourceMixin):
        return values, {"rows": "/x"}
    more = {"user": "/x"} if kind is Learning360CourseCompletionSensor else {}
    takes_users = (Learning360UserListOperator, Learning360UserActiveSensor)
    return values, {"users": "/x"} if issubclass(kind, takes_users) else more


def test_provider_info_names_all_operators_and_sensors():
    found: dict[str, list[str]] = {}
    for one in OPERATORS + SENSORS:
        module = one.__module__.removeprefix("airflow_provider_360learning.")
        found.setdefault(module, []).append(re.sub("^Learning360|Operator$|Sensor$", "", one.__name__))
    assert found == ISSUED


@pytest.mark.parametrize("operator", ONE_ACTION, ids=lambda operator: operator.__name__)
def test_operator_has_the_arguments_of_its_action(operator):
    fields = getattr(ApiV1, operator.action).model.model_fields
    expected = {
        name: inspect.Parameter.empty if field.is_required() else field.default for name, field in fields.items()
    }
    if issubclass(operator, Learning360UserListOperator):
        expected = {**expected, "users": None, **USERS_FROM}  # users_from takes the place of users
    assert own_arguments(operator) == expected


@pytest.mark.parametrize("kind", OPERATORS + SENSORS, ids=lambda kind: kind.__name__)
def test_every_argument_is_templated_and_documented(kind):
    fields = {"learning360_conn_id", *own_arguments(kind)}
    assert set(kind.template_fields) == fields
    texts = [one.__doc__ or "" for one in (*lineage(kind), Learning360BaseOperator, Learning360BaseSensor)]
    documented = re.findall(r":param (\w+):", "\n".join(texts))
    assert fields <= set(documented)
    undocumented_base = {"learning360_conn_id", "pool", "deferrable", "mode"}
    assert set(documented) <= fields | undocumented_base, "documents an unknown argument"


@pytest.mark.parametrize("kind", OPERATORS + SENSORS, ids=lambda kind: kind.__name__)
def test_docstring_names_the_operation(kind):
    if kind not in (Learning360BulkOperator, Learning360Operator):  # which run any
        assert re.search(r"\(``[a-z][\w.]+``", kind.__doc__)


@pytest.mark.parametrize("kind", OPERATORS + SENSORS, ids=lambda kind: kind.__name__)
def test_a_missing_argument_fails_at_parse_time(kind):
    required, more = required_values(kind)
    kind(task_id="whole", **required, **more)
    for name in required:
        with pytest.raises(Exception, match=f"missing.*{name}"):
            kind(task_id="without", **{other: "/x" for other in required if other != name}, **more)


@pytest.mark.parametrize("kind", OPERATORS + SENSORS, ids=lambda kind: kind.__name__)
def test_a_name_replaces_an_id(kind):
    required, more = required_values(kind)
    for id_argument, name in kind.required_pairs:
        others = {other: value for other, value in required.items() if other != id_argument}
        kind(task_id="named", **others, **{name: "/x"}, **more)


@pytest.mark.parametrize("operator", ONE_ACTION, ids=lambda operator: operator.__name__)
def test_operator_requires_the_pairs_of_the_model(operator):
    names = getattr(ApiV1, operator.action).model.names
    required = {(one.id_field, name) for name, one in names.items() if one.is_required}
    assert set(operator.required_pairs) == required


@pytest.mark.parametrize("kind", OPERATORS + SENSORS, ids=lambda kind: kind.__name__)
def test_an_unknown_argument_fails_at_parse_time(kind):
    required, more = required_values(kind)
    with pytest.raises(Exception, match="nickname"):
        kind(task_id="surplus", nickname="x", **required, **more)


@pytest.mark.parametrize("operator", ONE_ACTION, ids=lambda operator: operator.__name__)
def test_operator_describes_its_arguments_as_the_model_does(operator):
    """The docs' tables are generated from the model, so that the two would contradict each other."""
    lines = (operator.__doc__ or "").split(":param ")[1:]
    described = {name: " ".join(text.split()) for name, _, text in (line.partition(": ") for line in lines)}
    fields = getattr(ApiV1, operator.action).model.model_fields
    assert described == {name: " ".join((field.description or "").split()) for name, field in fields.items()}


@pytest.mark.parametrize("operator", ONE_ACTION, ids=lambda operator: operator.__name__)
def test_operator_offers_the_choices_of_the_model(operator):
    offered = choices_in(typing.get_type_hints(operator.__init__, localns={**vars(choices), "StoragePath": str}))
    assert offered == choices_in(typing.get_type_hints(getattr(ApiV1, operator.action).model))


def choices_in(hints):
    """Return the names and choices of the annotations that are (optional) literals."""
    found = {}
    for name, hint in hints.items():
        for one in (hint, *typing.get_args(hint)):
            if typing.get_origin(one) is typing.Literal:
                found[name] = typing.get_args(one)
    return found
