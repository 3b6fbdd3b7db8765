"""Every published field of a response of API v2 is in the record that a read action returns."""

from __future__ import annotations

import json

import pytest

from tests.api.factory import api_factory
from tests.attacks.hostile_server import hostile_server, response
from tests.attacks.test_malformed_responses_v2 import ACTIONS, ID, operation_of, valid_response
from tests.contract.documents import resolve
from tests.contract.specs import published

#: The operation whose response becomes the result of each action; other responses of an action are looked up only.
OPERATIONS = {
    "get_authorized_values": "getAuthorizedValues",
    "get_catalog": "getCatalogContentIds",
    "get_course": "getCourse",
    "get_course_custom_fields": "getCourseCustomFieldValues",
    "get_external_course": "getExternalCourse",
    "get_group": "getGroup",
    "get_library": "getLibraryContentIds",
    "get_path": "getPath",
    "get_path_session_custom_fields": "getPathSessionCustomFieldValues",
    "get_path_session_statuses": "getSessionStats",
    "get_user": "getUser",
    "get_user_by_external_id": "getUser",
    "get_user_course_stats": "getAllCourseStats",
    "list_attendance_sheets": "getAttendanceSheets",
    "list_attendances": "getAttendances",
    "list_certificate_outlines": "getCertificateOutlines",
    "list_classroom_slots": "getClassroomSlots",
    "list_classrooms": "getClassrooms",
    "list_course_tags": "courses.getTags",
    "list_courses": "getCourses",
    "list_custom_fields": "getCustomFields",
    "list_custom_links": "getCustomLinksByCompany",
    "list_custom_user_links": "getCustomUserLinks",
    "list_group_members": "getGroupMembers",
    "list_groups": "getGroups",
    "list_integrations": "getIntegrations",
    "list_learning_needs": "getLearningNeeds",
    "list_managers": "getManagers",
    "list_path_session_stats": "getUserStats",
    "list_path_session_users": "getEnrollments",
    "list_path_sessions": "getAllPathSessions",
    "list_path_tags": "paths.getTags",
    "list_paths": "getPaths",
    "list_projects": "getProjects",
    "list_registrations": "getClassroomRegistrations",
    "list_subordinates": "getSubordinates",
    "list_tags": "tags.getTags",
    "list_user_certificates": "getUserCertificates",
    "list_user_course_stats": "getAllCourseStats",
    "list_user_roles": "getUserRolesInGroups",
    "list_users": "getUsers",
    "list_waitlist": "getClassroomSlotWaitlist",
}
#: Fields that a record does not carry, and why.
_BY_FIELD = "values are by the id of their field, whose type list_custom_fields returns"
_GIVEN = "is an argument of the action"
_NOT_YET = "is not carried yet"
_OF_ENROLLMENT = "the action returns users"
EXCEPTIONS: dict[str, dict[str, str]] = {
    "get_course_custom_fields": {"type": _BY_FIELD},
    "get_path_session_custom_fields": {"type": _BY_FIELD},
    "get_user_course_stats": {"courseId": _GIVEN, "userId": _GIVEN},
    "list_user_course_stats": {"userId": _GIVEN},
    "list_path_session_users": dict.fromkeys(
        ("_id", "archivedAt", "createdAt", "isSelfEnrolled", "modifiedAt", "sessionId", "status", "userId"),
        _OF_ENROLLMENT,
    ),
    "get_external_course": dict.fromkeys(
        (
            *("contentType", "description", "difficultyLevel", "duration", "imageUrl", "mobileLaunchUrl", "subjects"),
            *("sources.logoUrl", "sources.name", "translations.lang"),
            *(f"translations.translatedFields.{name}" for name in ("description", "launchUrl", "mobileLaunchUrl")),
            *(f"translations.translatedFields.{name}" for name in ("name", "subjects")),
        ),
        _NOT_YET,
    ),
    "get_path": {"steps.subtype": _NOT_YET},
    "list_paths": {"steps.subtype": _NOT_YET},
    "get_path_session_statuses": {"certificates": _NOT_YET},
    "list_attendance_sheets": {
        "personalizedFields.organizationLogoId": _NOT_YET,
        "personalizedFields.organizationName": _NOT_YET,
    },
    "list_classroom_slots": {"webinarProvider": _NOT_YET},
    "list_registrations": {"rsvp.lastUpdatedAt": _NOT_YET},
}
#: By id, a user is read with another operation than by email address.
ARGUMENTS = {**ACTIONS, "get_user": {"user": ID}}
PUBLISHED = {one.name: one for one in published()}
EARLIEST, EARLIER, TIME, LATER = (f"202{year}-01-01T12:00:00.000Z" for year in (4, 5, 6, 7))


@pytest.fixture
def api_of(sandbox):
    """Return a function that returns the API of a server; `sandbox` has only the credentials."""
    with api_factory(sandbox, "v2") as make:
        yield lambda url: make(url, client={"max_attempts": 1, "sleep": lambda seconds: None}, max_wait=1.0)


def samples_of(document, schema):
    """Yield full values of a schema: the first one, and one more for each further alternative in it."""
    schema = resolve(document, schema)
    if alternatives := [*schema.get("oneOf", ()), *schema.get("anyOf", ())]:
        for each in alternatives:
            yield from samples_of(document, each)
    elif schema.get("type") == "array":
        yield from ([each] for each in samples_of(document, schema["items"]))
    elif properties := properties_of(document, schema):
        found = {name: list(samples_of(document, each)) for name, each in properties.items()}
        if "unenrolledAt" in found:
            found["unenrolledAt"] = [EARLIER]  # a learner whose enrollment ended after its start is left out
        first = {name: each[0] for name, each in found.items()}
        yield first
        yield from ({**first, name: more} for name, each in found.items() for more in each[1:])
    else:
        yield sample_value(schema)


def properties_of(document, schema):
    schema = resolve(document, schema)
    parts = (properties_of(document, part) for part in schema.get("allOf", ()))
    return {name: each for part in (*parts, schema.get("properties", {})) for name, each in part.items()}


def sample_value(schema):
    if "enum" in schema:
        return schema["enum"][0]
    formats = {"date-time": TIME, "date": TIME[:10], "ObjectId": ID}
    if form := formats.get(schema.get("format")):
        return form
    return {"boolean": True, "integer": 7, "number": 7, "object": {"x": 1}}.get(schema.get("type"), "https://x.test")


def changed(value):
    """Return another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    others = {ID: "c" * 24, TIME: LATER, TIME[:10]: LATER[:10], EARLIER: EARLIEST}
    return others.get(value, f"{value}x")


def changes(sample, name=""):
    """Yield the name of each field of a sample, and the sample with another value of this field only."""
    if isinstance(sample, dict):
        for key, value in sample.items():
            for place, made in changes(value, f"{name}.{key}".strip(".")):
                yield place, {**sample, key: made}
    elif isinstance(sample, list):
        for place, made in changes(sample[0], name):
            yield place, [made]
    else:
        yield name, changed(sample)


def dropped(api_of, action):
    """Return the published fields that make no difference to the result of an action."""
    operation = OPERATIONS[action]
    one = PUBLISHED[operation]
    (content,) = one.operation["responses"]["200"]["content"].values()
    served = {}

    def respond(request):
        found = operation_of(request)
        return response(json.dumps(served[found]).encode()) if found in served else valid_response(found)

    seen, carried = set(), set()
    with hostile_server(respond) as server:
        api = api_of(server.url)
        for sample in samples_of(one.document, content["schema"]):
            served[operation] = sample
            expected = api.actions[action](**ARGUMENTS[action])
            assert expected, f"{action} returns nothing for {sample}"
            for name, made in changes(sample):
                seen.add(name)
                if name not in carried:
                    served[operation] = made
                    if api.actions[action](**ARGUMENTS[action]) != expected:
                        carried.add(name)
    return seen - carried


def test_all_read_actions_are_compared():
    reads = {action for action in ACTIONS if action.startswith(("get_", "list_"))}
    assert reads == set(OPERATIONS)


@pytest.mark.parametrize("action", OPERATIONS)
def test_no_published_field_is_dropped(api_of, action):
    assert dropped(api_of, action) == set(EXCEPTIONS.get(action, ()))
