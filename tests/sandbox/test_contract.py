"""Every operation of the sandbox is one that is documented, with its method, path and body format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_provider_360learning.sandbox.routing import TOKEN_PATH
from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.v1.version import V1

DOCUMENTED = {
    # In the sources, the two ways to get an external course have one name; the path of the other one is not known.
    operation["operation"].removesuffix(" (using external ID)"): operation
    for operation in json.loads((Path(__file__).parents[1] / "data" / "api-v1.json").read_text())
}
EXPECTED = """
generateToken getUsers getUser createOrInviteUser updateUser deleteUser getUserRoles
subscribeToEmailNotifications unsubscribeToEmailNotifications getGroups getGroup headGroup
createGroup updateGroup deleteGroup addUserToGroup deleteUserFromGroup getGroupCatalog addToGroupCatalog
deleteFromGroupCatalog getCourses getCourse getCoursesStats getCourseStats getUserCourseStats getPaths getPath
getPathSessions getPathSession createPathSession updatePathSession deletePathSession getPathSessionUsers
addUsersToPathSession addGroupsToPathSession removeUsersFromPathSession getPathSessionStats getUsersPathSessionStats
getUserPathSessionStats importExternalCourses deleteExternalCourses getExternalCourse importExternalCoursesStats
"""
WORDS = {"form": "x-www-form-urlencoded", "json": "json", "multipart": "multipart/form-data"}


def test_what_is_covered():
    assert {operation.operation for operation in V1.routes} == set(EXPECTED.split())


@pytest.mark.parametrize("operation", V1.routes, ids=lambda operation: operation.operation)
def test_method_path_and_body_are_the_documented_ones(operation):
    documented = DOCUMENTED[operation.operation]
    path = Settings().token_path if operation.path == TOKEN_PATH else V1.prefix + operation.path
    assert (operation.method, path) == (documented["method"], documented["path"].rstrip("/"))
    for body in operation.bodies:
        assert WORDS[body].casefold() in documented["content_type"].casefold()
