"""Every operation of the sandbox is documented with its method, path and body format, and states its evidence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_360learning.sandbox.routing import TOKEN_PATH
from airflow_provider_360learning.sandbox.server import VERSIONS
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.v1.version import V1

DOCUMENTED = {
    # The sources have one name for two operations on external courses; the path of the other one is not known.
    operation["operation"].removesuffix(" (using external ID)"): operation
    for operation in json.loads((Path(__file__).parents[1] / "data" / "api-v1.json").read_text())
}
EXPECTED = """
generateToken getUsers getUser createOrInviteUser updateUser deleteUser getUserRoles
subscribeToEmailNotifications unsubscribeToEmailNotifications getGroups getGroup headGroup
listCustomFields createCustomField updateCustomField deleteCustomField addCustomFieldValue removeCustomFieldValue
createGroup updateGroup deleteGroup addUserToGroup deleteUserFromGroup getGroupCatalog addToGroupCatalog
deleteFromGroupCatalog addToGroupLibrary deleteFromGroupLibrary
getCourses getCourse getCoursesStats getCourseStats getUserCourseStats getPaths getPath
getPathSessions getPathSession createPathSession updatePathSession deletePathSession getPathSessionUsers
addUsersToPathSession addGroupsToPathSession removeUsersFromPathSession getPathSessionStats getUsersPathSessionStats
getUserPathSessionStats
importExternalCourses deleteExternalCourses getExternalCourse importExternalCoursesStats
createClassroomSlot updateClassroomSlot updateClassroomSlotAttendance
getSkills postSkills updateSkill getCustomLinks createCustomLink updateCustomLink deleteCustomLink
getAllCustomUserLinks createCustomUserLink updateCustomUserLink deleteCustomUserLink
addManagerToUser deleteManagerFromUser addExternalIdToUser getUserByExternalId pseudonymizeUser
getUserCourses listLearningNeeds listProjects
getPathUsers createPath updatePath removeGroupsFromPathSession getGroupPathsSessions
getProgramTemplates getProgramTemplate getProgramTemplateUsers getProgramSessions getProgramSession
createProgramSession updateProgramSession patchProgramSession deleteProgramSession getProgramSessionUsers
addUserToProgramSession deleteUserFromProgramSession addGroupToProgramSession deleteGroupFromProgramSession
getProgramSessionStats getUserProgramSessionStats unblockScorm getUserPrograms getGroupPrograms
"""
WORDS = {"form": "x-www-form-urlencoded", "json": "json", "multipart": "multipart/form-data"}


def test_expected_operations_are_covered():
    assert {operation.operation for operation in V1.routes} == set(EXPECTED.split())


@pytest.mark.parametrize("operation", V1.routes, ids=lambda operation: operation.operation)
def test_method_path_and_body_format_are_documented(operation):
    documented = DOCUMENTED[operation.operation]
    path = Settings().token_path if operation.path == TOKEN_PATH else V1.prefix + operation.path
    method = documented["method"].strip("(?)")  # an assumed one is in parentheses
    assert (operation.method, path) == (method, documented["path"].rstrip("/"))
    for body in operation.bodies:
        assert documented["content_type"] is None or WORDS[body].casefold() in documented["content_type"].casefold()


def test_evidence_of_every_route_limit_and_setting_is_listed(sandbox):
    facts = sandbox.control.evidence()
    names = {kind: [fact["name"] for fact in facts if fact["kind"] == kind] for kind in ("route", "limit", "setting")}
    assert names == {
        "route": [f"{version.name} {route.operation}" for version in VERSIONS for route in version.routes],
        "limit": [f"{version.name} {limit.name}" for version in VERSIONS for limit in version.limits],
        "setting": list(Settings.model_fields),
    }
    assert {fact["evidence"] for fact in facts} == {"documented", "recorded", "client", "assumed", "none"}
    assert all(fact["note"] for fact in facts if fact["kind"] == "setting" or fact["evidence"] == "assumed")


def test_routes_that_are_not_only_known_from_documentation():
    assert {route.operation: route.evidence for route in V1.routes if route.evidence != "documented"} == {
        "getUser": "recorded",
        "getCourses": "recorded",
        "getUserCourses": "client",
        "removeUsersFromPathSession": "client",
        "updateCustomField": "client",
        "removeCustomFieldValue": "client",
        "addToGroupLibrary": "assumed",
        "createCustomLink": "assumed",
        "updateCustomLink": "assumed",
        "removeGroupsFromPathSession": "client",
        "getGroupPathsSessions": "client",
        "getProgramTemplates": "client",
        "getProgramTemplate": "client",
        "getProgramTemplateUsers": "client",
        "updateProgramSession": "client",
        "deleteProgramSession": "client",
        "getProgramSessionUsers": "client",
        "addUserToProgramSession": "client",
        "deleteUserFromProgramSession": "client",
        "addGroupToProgramSession": "client",
        "deleteGroupFromProgramSession": "client",
        "getProgramSessionStats": "client",
        "getUserProgramSessionStats": "client",
        "unblockScorm": "client",
        "getUserPrograms": "client",
        "getGroupPrograms": "client",
    }


def test_responses_of_operations_with_assumptions_say_so(client):
    assumes = {route.operation: bool(route.assumes) for route in V1.routes}
    assert (assumes["getGroups"], assumes["createGroup"]) == (False, True)
    assert "X-Sandbox-Evidence" not in client("GET", "/groups").headers
    created = client("POST", "/groups", json={"name": "Lab", "public": True})
    assert created.headers["X-Sandbox-Evidence"] == "assumed"
