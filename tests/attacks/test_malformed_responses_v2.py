"""Responses of API v2 that are not what they should be: whatever comes, the error is one of the family."""

from __future__ import annotations

import itertools
import json
import random
import re
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from airflow_provider_360learning.api.links import MAX_LINK
from airflow_provider_360learning.api.sentences import outcome_sentence
from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.api.v2.spec import API_V2
from airflow_provider_360learning.exceptions import Learning360Error, UnexpectedResponseError
from tests.api.factory import api_factory
from tests.api.support import Sink
from tests.attacks import malformed
from tests.attacks.hostile_server import hostile_server, response
from tests.attacks.malformed import ID

#: Responses for each action.
ROUNDS = 4
MAIL = "ana@acme.test"
OTHER_ID = "b" * 24
TIME = "2026-01-01T12:00:00.000Z"
LATER = "2099-01-01T12:00:00.000Z"
INTERVAL = {"interval_start": datetime(2026, 1, 1, tzinfo=UTC), "interval_end": datetime(2026, 1, 2, tzinfo=UTC)}
LIBRARY = {"group_id": ID, "external_platform": "p"}
USER = {"_id": ID, "mail": MAIL, "status": "active", "lang": "en", "firstName": "Ana", "primaryGroupId": ID}
ROOT = {"_id": OTHER_ID, "name": "Acme", "public": True}
GROUP = {"_id": ID, "name": "Lab", "public": True, "parentId": OTHER_ID}
SESSION = {
    "_id": ID,
    "name": "Autumn",
    "pathId": ID,
    "groupId": ID,
    "startDate": TIME,
    "endDate": LATER,
    "createdAt": TIME,
    "isAudienceBuilder": True,
    "instructorIds": [ID],
    "mainInstructorId": ID,
}
COURSE = {
    "_id": ID,
    "name": "x",
    "status": "published",
    "authorId": ID,
    "createdAt": TIME,
    "modifiedAt": TIME,
    "coAuthorIds": [ID],
    "duration": 15,
    "currentVersionNumber": 2,
    "collaborativeLearning": False,
    "translations": [
        {"lang": "fr", "published": True, "translatorIds": [ID], "translatedFields": {"name": "y", "description": ""}}
    ],
}
NEED = {
    "_id": ID,
    "groupId": ID,
    "name": "x",
    "status": "new",
    "createdAt": TIME,
    "authorId": ID,
    "questions": [{"title": "x", "answer": "y"}],
    "suggestedExpertIds": [ID],
    "volunteerIds": [],
}
ATTEMPT = {
    "_id": ID,
    "courseId": ID,
    "userId": ID,
    "progress": 100,
    "score": 80,
    "timeSpent": 1500,
    "firstActivityAt": TIME,
    "lastActivityAt": TIME,
    "completedAt": TIME,
}
STATISTIC = {
    "_id": ID,
    "userId": ID,
    "progress": 5,
    "timeSpent": 1500,
    "status": {"type": "onTime"},
    "enrolledAt": TIME,
    "selfEnrolled": False,
}
FIELD = {"_id": ID, "name": "Site", "type": "string", "targetType": "users"}
OUTLINE = {"_id": ID, "title": "Diploma", "groupId": ID, "createdAt": TIME}
CERTIFICATE = {"_id": ID, "type": "external", "title": "First aid", "deliveryDate": TIME, "validityPeriod": 12}
VALUES = [{"customFieldId": ID, "type": "string", "value": "x"}]
TAG = {"_id": ID, "name": "a", "isMain": True, "externalId": "1", "source": "native"}
LINK = {"_id": ID, "type": "a", "name": "A", "order": 0, "iconName": "inbox"}
AUDIENCE = {"mode": "manual", "filters": [{"type": "users", "userIds": [ID]}]}
CLASSROOM = {"_id": ID, "name": "Lab", "groupId": ID, "mediaIds": [ID], "createdAt": TIME}
SLOT = {
    "_id": ID,
    "classroomId": ID,
    "name": "Morning",
    "startDate": TIME,
    "endDate": LATER,
    "reportedDuration": 3,
    "selfRegistration": {"enabled": True, "cutoffDate": TIME},
    "virtual": True,
    "maxCapacity": 5,
    "context": {"_id": ID, "type": "path"},
    "trainerIds": [ID],
}
REGISTRATION = {
    "_id": ID,
    "classroomSlotId": ID,
    "userId": ID,
    "status": "published",
    "hasAttended": False,
    "attendanceDuration": 60,
    "rsvp": {"going": True, "lastUpdatedAt": TIME},
    "createdAt": TIME,
}
SHEET = {"_id": ID, "name": "Monday", "status": "open", "checkInCode": "1234"}
JOB = {"_id": ID, "type": "x", "status": "completed", "createdAt": TIME, "endedAt": TIME}
#: A valid response to each operation; that to any other one is an empty object.
RESPONSES = {
    "generateToken": {"token_type": "Bearer", "access_token": "token", "expires_in": 3600},
    "getUsers": [USER],
    "getUser": USER,
    "createUser": USER,
    "updateUser": USER,
    "activateUser": USER,
    "uploadUserMedia": {**USER, "profileImageId": ID},
    "getManagers": [ID, OTHER_ID],
    "getSubordinates": [ID],
    "getExternalIds": [{"_id": ID, "platform": "p", "targetId": ID, "targetType": "user", "value": "1"}],
    "getUserRolesInGroups": [{"groupId": ID, "role": "learner"}, {"groupId": ID, "role": "coach"}],
    "getUserCustomFieldValues": VALUES,
    "getCustomFields": [FIELD],
    "createCustomField": FIELD,
    "updateCustomField": FIELD,
    "getAuthorizedValues": ["x"],
    "getUserCertificates": [CERTIFICATE],
    "createUserCertificate": CERTIFICATE,
    "getCertificateOutlines": [OUTLINE],
    "createCertificateOutline": OUTLINE,
    "updateCertificateOutline": OUTLINE,
    "getCourseCustomFieldValues": VALUES,
    "getPathSessionCustomFieldValues": VALUES,
    "getGroups": [ROOT, GROUP],
    "getGroup": GROUP,
    "createGroup": GROUP,
    "getGroupMembers": [{"userId": ID, "role": "owner"}],
    "getCatalogContentIds": [ID],
    "getLibraryContentIds": [ID],
    "getCourses": [COURSE],
    "getCourse": COURSE,
    "courses.getTags": [{"tagId": ID, "source": "native"}],
    "createELearningStandardCourse": COURSE,
    "paths.getTags": [{"tagId": ID, "source": "native"}],
    "getLearningNeeds": [NEED],
    "getProjects": [{"_id": ID, "name": "x", "completed": True, "groupId": ID}],
    "getAllCourseStats": [ATTEMPT, ATTEMPT],
    "getPaths": [{"_id": ID, "name": "Welcome", "groupId": ID, "status": "published"}],
    "getPath": {
        **{"_id": ID, "name": "Welcome", "groupId": ID, "status": "published", "createdAt": TIME},
        **{"steps": [{"_id": ID, "type": "course"}], "options": {"linearProgression": True}, "coAuthorIds": [ID]},
    },
    "createPath": {"_id": ID},
    "getAllPathSessions": [SESSION],
    "getPathSessions": [SESSION],
    "getPathSession": SESSION,
    "createPathSession": SESSION,
    "modifyPathSession": SESSION,
    "getSessionAudience": AUDIENCE,
    "getEnrollments": [{"_id": ID, "userId": ID, "sessionId": ID, "status": "published", "isSelfEnrolled": True}],
    "getUserStats": [STATISTIC, STATISTIC],
    "getSessionStats": {"certificates": 0, "usersCountByStatus": {"successful": 1, "onTime": 2}},
    "getIntegrations": [{"_id": ID, "externalPlatform": "p", "groupId": ID, "authorId": ID}],
    "getExternalCourse": {"externalId": "1", "name": "x", "courseId": ID, "authorId": ID, "defaultLang": "en"},
    "tags.getTags": [TAG],
    "getTag": TAG,
    "createTag": TAG,
    "updateTag": TAG,
    "getCustomLinksByCompany": [LINK],
    "createCustomLink": LINK,
    "replaceCustomLink": LINK,
    "getCustomUserLinks": [{"_id": ID, "customLinkId": ID, "url": "https://x.test"}],
    "getClassrooms": [CLASSROOM],
    "createClassroom": CLASSROOM,
    "getClassroomSlots": [SLOT],
    "createClassroomSlot": SLOT,
    "getSlotRegistrations": [REGISTRATION],
    "getClassroomRegistrations": [REGISTRATION],
    "addSlotRegistration": REGISTRATION,
    "getClassroomSlotWaitlist": [{"userId": OTHER_ID, "requestedAt": TIME}],
    "getAttendanceSheets": [SHEET],
    "createAttendanceSheet": SHEET,
    "getAttendances": [{"_id": ID, "userId": ID, "firstName": "A", "lastName": "B", "status": "present"}],
    "getBulkOperation": JOB,
    "getBulkOperations": [JOB],
    "getBulkOperationResults": [{"input": {}, "status": "success", "resourceId": ID}],
}
STATISTICS = [
    {
        "external_id": "1",
        "mail": MAIL,
        "progress": 100,
        "time_spent_seconds": 1,
        "first_activity": TIME,
        "last_activity": TIME,
    }
]
NEW_SLOT = {
    "classroom_id": ID,
    "name": "Noon",
    "slot_start": TIME,
    "slot_end": LATER,
    "location": "Room 1",
    "duration_hours": 1,
}
PACKAGE = Upload("course.zip", b"PK")
#: Arguments of each action.
ACTIONS = {
    "activate_user": {"user": MAIL},
    "add_manager": {"user": MAIL, "manager": ID},
    "add_course_tags": {"course_id": ID, "tag_ids": [OTHER_ID]},
    "add_path_tags": {"path_id": ID, "tag_ids": [OTHER_ID]},
    "add_to_catalog": {"group_id": ID, "course_ids": [ID]},
    "add_to_library": {"group_id": ID, "course_ids": [ID], "path_ids": [ID]},
    "add_to_waitlist": {"slot_id": ID, "users": [MAIL]},
    "add_user_to_group": {"user": MAIL, "group": "Acme/Lab"},
    "archive_course": {"course": "x", "dry_run": True},
    "archive_external_courses": {**LIBRARY, "external_ids": ["1"]},
    "create_attendance_sheet": {"slot_id": ID, "name": "Tuesday"},
    "create_classroom": {"name": "Lab", "group": "Acme/Lab", "message": "x", "if_exists": "update"},
    "create_classroom_slot": {**NEW_SLOT, "session": "Autumn", "trainers": [MAIL]},
    "create_certificate_outline": {"title": "Degree", "group_id": ID, "body_html": "x"},
    "create_custom_field": {"name": "Level", "authorized_values": ["x"]},
    "create_custom_link": {"type": "b", "name": "B"},
    "create_custom_user_link": {"user": MAIL, "type": "a", "url": "https://x.test", "if_exists": "update"},
    "create_elearning_course": {"name": "New", "lang": "en", "author": MAIL, "group_id": ID, "package": PACKAGE},
    "create_group": {"name": "Lab", "if_exists": "update", "public": True},
    "create_integration": {"group_id": ID, "external_platform": "p", "author_id": ID, "if_exists": "update"},
    "add_path_tokens": {"path": "Welcome", "group_id": ID, "tokens": 5, "author": MAIL},
    "archive_path": {"path": "Welcome", "dry_run": True},
    "create_path": {"name": "Safety", "group_id": ID, "course_ids": [ID], "authors": [MAIL]},
    "create_path_session": {"name": "Spring", "path": "Welcome", "group_id": ID, "session_start": TIME},
    "create_tag": {"name": "a", "if_exists": "update"},
    "create_user": {"mail": MAIL, "mode": "create_active", "custom_fields": {ID: "x"}, "first_name": "Ana"},
    "delete_attendance_sheet": {"slot_id": ID, "sheet_id": ID, "dry_run": True},
    "delete_classroom_slot": {"classroom_id": ID, "slot_id": ID, "dry_run": True},
    "delete_certificate_outline": {"certificate_outline": "Diploma"},
    "delete_custom_field": {"custom_field": "Site"},
    "delete_custom_link": {"type": "a"},
    "delete_custom_user_link": {"user": MAIL, "type": "a"},
    "delete_group": {"group": "Lab"},
    "delete_integration": {"integration_id": ID},
    "delete_tag": {"tag": "a"},
    "delete_path": {"path": "Welcome", "dry_run": True},
    "delete_path_session": {"session": "Autumn", "dry_run": True},
    "delete_user": {"user": MAIL},
    "enroll_groups": {"session_id": ID, "group_ids": [ID]},
    "enroll_users": {"session": "Autumn", "users": [MAIL]},
    "get_authorized_values": {"custom_field": "Site"},
    "get_catalog": {"group_id": ID},
    "get_course_custom_fields": {"course_id": ID},
    "get_course": {"course_id": ID},
    "get_external_course": {**LIBRARY, "external_id": "1"},
    "get_group": {"group_id": ID},
    "get_path_session_custom_fields": {"session_id": ID},
    "get_library": {"group_id": ID},
    "get_path_session_statuses": {"session_id": ID},
    "get_path": {"path_id": ID},
    "get_user": {"user": MAIL},
    "get_user_by_external_id": {"external_platform": "p", "external_id": "1"},
    "get_user_course_stats": {"course_id": ID, "user": MAIL},
    "import_external_course_stats": {**LIBRARY, "statistics": STATISTICS},
    "import_external_courses": {
        **LIBRARY,
        "author_id": ID,
        "courses": [{"external_id": "1", "title": "x", "launch_url": "https://x.test", "language": "en"}],
    },
    "list_attendance_sheets": {"slot_id": ID},
    "list_attendances": {"slot_id": ID, "sheet_id": ID},
    "list_classroom_slots": {"classroom_id": ID},
    "list_classrooms": {"group": "Acme/Lab"},
    "list_course_tags": {"course_id": ID},
    "list_courses": {},
    "import_user_certificate": {"user": MAIL, "title": "Aid", "delivered_at": TIME, "file": Upload("a.pdf", b"")},
    "list_certificate_outlines": {},
    "list_custom_fields": {},
    "list_user_certificates": {"user": MAIL},
    "list_custom_links": {},
    "list_custom_user_links": {"user": MAIL},
    "list_group_members": {"group_id": ID},
    "list_groups": {},
    "list_integrations": {},
    "list_managers": {"user": MAIL},
    "list_learning_needs": {},
    "list_path_session_stats": {"session_id": ID},
    "list_path_session_users": {"session_id": ID},
    "list_path_sessions": {},
    "list_path_tags": {"path_id": ID},
    "list_paths": {},
    "list_registrations": {"classroom_id": ID},
    "list_tags": {},
    "list_subordinates": {"user": MAIL},
    "list_projects": {},
    "list_user_course_stats": {"user": MAIL},
    "list_user_roles": {"user": MAIL},
    "list_users": {},
    "list_waitlist": {"slot_id": ID},
    "register_users": {"slot_id": ID, "users": [MAIL]},
    "pseudonymize_user": {"user": ID, "dry_run": True},
    "remove_course_tags": {"course_id": ID, "tag_ids": [ID]},
    "remove_path_tags": {"path_id": ID, "tag_ids": [ID]},
    "replace_course_tags": {"course_id": ID, "tag_ids": [ID]},
    "replace_path_tags": {"path_id": ID, "tag_ids": [ID]},
    "remove_from_catalog": {"group_id": ID, "course_ids": [ID]},
    "remove_course_custom_field": {"course": "x", "custom_field_id": ID},
    "remove_path_session_custom_field": {"session_id": ID, "custom_field_id": ID},
    "remove_user_custom_field": {"user": MAIL, "custom_field": "Site"},
    "remove_from_waitlist": {"slot_id": ID, "users": [MAIL]},
    "remove_from_library": {"group_id": ID, "course_ids": [ID]},
    "remove_user_from_group": {"user": MAIL, "group_id": ID},
    "set_attendance": {"slot_id": ID, "users": [MAIL]},
    "set_course_custom_field": {"course": "x", "custom_field_id": ID, "value": "y"},
    "set_path_session_custom_field": {"session_id": ID, "custom_field_id": ID, "value": "y"},
    "set_user_custom_field": {"user": MAIL, "custom_field": "Site", "value": "y"},
    "set_group_branding": {"group_id": ID, "primary": "default"},
    "replace_path_courses": {"path": "Welcome", "course_ids": [ID]},
    "replace_path_session_audience": {"session": "Autumn", "users": [MAIL], "group_ids": [ID]},
    "unenroll_groups": {"session_id": ID, "group_ids": [ID]},
    "upload_group_media": {"group_id": ID, "author": MAIL, "logo": PACKAGE},
    "unenroll_users": {"session_id": ID, "users": [MAIL]},
    "update_attendance_sheet": {"slot_id": ID, "sheet_id": ID, "name": "Tuesday"},
    "update_classroom": {"classroom_id": ID, "name": "x"},
    "update_classroom_slot": {"slot_id": ID, "classroom_id": ID, "location": "x", "trainers": [MAIL]},
    "update_certificate_outline": {"certificate_outline_id": ID, "title": "x"},
    "update_certificate_privacy": {"user": MAIL, "certificate_ids": [ID], "public": True},
    "update_custom_field": {"custom_field_id": ID, "name": "x", "authorized_values": ["x"]},
    "update_custom_link": {"type": "a", "name": "B"},
    "update_custom_user_link": {"user": MAIL, "type": "a", "url": "https://x.test"},
    "remove_manager": {"user": MAIL, "manager": ID},
    "set_external_id": {"user": MAIL, "external_platform": "p", "external_id": "1"},
    "set_profile_image": {"user": MAIL, "image": Upload("a.png", b"x")},
    "set_password": {"user": MAIL, "password": "s3cret-12"},
    "subscribe_to_email_notifications": {"user": MAIL},
    "unsubscribe_from_email_notifications": {"user": MAIL},
    "update_elearning_course": {"course": "x", "author": MAIL, "cover_picture": Upload("a.png", b"x")},
    "update_group": {"group_id": ID, "name": "x"},
    "update_integration": {"integration_id": ID, "author_id": ID},
    "update_tag": {"tag_id": ID, "name": "b"},
    "update_path": {"path": "Welcome", "authors": [MAIL]},
    "update_path_session": {"session": "Autumn", "name": "x", "instructors": [MAIL]},
    "update_user": {"user": MAIL, "mail": "bo@acme.test", "job": "x", "custom_fields": {ID: "x"}},
    "check_access": {},
    "read_users": {"take": list},
    "read_course_attempts": INTERVAL,
}
ROUTES = [
    (endpoint, re.compile(re.sub(r"\{\w+\}", "[^/]+", API_V2.path_prefix + endpoint.path)))
    for endpoint in sorted(API_V2.endpoints.values(), key=lambda endpoint: endpoint.path.count("{"))
]


def operation_of(request: bytes) -> str:
    method, target = request.split(b" ", 2)[:2]
    path = target.decode().partition("?")[0]
    found = (one.operation for one, route in ROUTES if one.method == method.decode() and route.fullmatch(path))
    return next(found, "getUsers")  # links may lead to any path


def valid_response(operation):
    if API_V2.endpoints[operation].response.name == "JOB":
        return response(b"", "202 Accepted", [f"Location: /api/v2/bulk/operations/{ID}"])
    return response(json.dumps(RESPONSES.get(operation, {})).encode())


@pytest.fixture
def once(sandbox):
    """Return a function that returns the API of a server, which sends each request once and does not wait for jobs."""
    with api_factory(sandbox, "v2") as make:
        client = {"max_attempts": 1, "sleep": lambda seconds: None}
        yield lambda url: make(url, client=client, max_wait=1.0, read_timeout=30.0)


def run(api, action):
    arguments = ACTIONS[action]
    if action == "check_access":
        return str(api.client.run(api.check_access()))
    if action.startswith("read_"):
        sink = {"sink": Sink()} if action == "read_course_attempts" else {}
        return getattr(api, action)(**arguments, **sink)
    result = api.actions[action](**arguments)
    outcome_sentence(api.actions[action].arguments(arguments), result)
    return result


def test_all_actions_are_attacked(once):
    assert set(ACTIONS) - {"check_access"} == set(once("http://127.0.0.1:9").capabilities)


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_raises_errors_of_the_family_only(once, action):
    """Valid responses come first, then one that is not, from a seed that the error shows."""
    for seed in range(ROUNDS):
        rng = random.Random(f"{action} {seed}")
        valid, numbers = rng.randrange(6), itertools.count(-1)  # without the token

        def respond(request, rng=rng, valid=valid, numbers=numbers):
            operation = operation_of(request)
            if next(numbers) < valid or operation == API_V2.token_operation:
                return valid_response(operation)
            return malformed.response(rng, RESPONSES.get(operation, {}))

        with hostile_server(respond) as server:
            try:
                result = run(once(server.url), action)
                if action != "read_course_attempts":
                    json.dumps(result)
            except Learning360Error as error:
                str(error).encode()
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error!r}") from error


LINKS = (
    *("", ",", "<", "<>", "<>; rel=next", "<x>;", "</a>; rel", "</a>; rel=", '</a>; rel="', "<\\\\a>; rel=next"),
    *("<http://[>; rel=next", "<http://a:99999/>; rel=next", "<//>; rel=next", "<http:>; rel=next", "<?>; rel=next"),
    *("<%>; rel=next", "<#>; rel=next", "<\x7f>; rel=next", "<\xff>; rel=next", f"<{'a' * MAX_LINK}>; rel=next"),
    *("</api/v2/users?next=1>; rel=next" + ", <a>" * 5000, "<" * 60_000, "<a>," * 15_000, '<a>; rel="' + "\\" * 50_000),
)


@pytest.mark.parametrize("link", LINKS, ids=range(len(LINKS)))
def test_a_malformed_link_is_an_error_of_the_family(once, link):
    def respond(request):
        operation = operation_of(request)
        if operation == API_V2.token_operation or b"next=1" in request:
            return valid_response(operation)
        header = f"Link: {link}".encode("latin-1")
        return [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + header + b"\r\n\r\n[]"]

    with hostile_server(respond) as server, suppress(UnexpectedResponseError):
        once(server.url).list_users()
    assert 2 <= len(server.requests) <= 3


def test_a_list_without_end_is_as_large_as_a_response_may_be(once):
    """Each page is small, and links to the next one."""
    numbers = itertools.count(1)
    page = json.dumps([{**USER, "job": "x" * 500_000}]).encode()

    def respond(request):
        if b"/oauth2/token" in request:
            return valid_response("generateToken")
        return response(page, headers=[f"Link: </api/v2/users?next={next(numbers)}>; rel=next"])

    with hostile_server(respond) as server, pytest.raises(UnexpectedResponseError, match="larger than 64 MiB"):
        once(server.url).list_users()
    assert len(server.requests) < 150
