"""Managers and subordinates of users."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Person
from airflow_provider_360learning.sandbox.v2.call import NO_CONTENT, Call, Operations
from airflow_provider_360learning.sandbox.v2.errors import ApiError

operations = Operations()

_ONE = "/users/{userId}/managers/{managerId}"


@operations.add(
    "addManager",
    "POST",
    _ONE,
    scope="users:write",
    assumes="A manager whom the user has already is accepted.",
)
def add_manager(call: Call) -> Response:
    """Make a user the manager of another one."""
    person, manager = _pair(call)
    if manager.status == "deleted":
        raise ApiError(400, "managerDeleted")
    if manager.id not in person.managers:
        person.managers.append(manager.id)
    return NO_CONTENT


@operations.add("deleteManager", "DELETE", _ONE, scope="users:write")
def delete_manager(call: Call) -> Response:
    """Remove a manager of a user."""
    person, manager = _pair(call)
    if manager.id not in person.managers:
        raise ApiError(400, "managerNotAssignedToUser")
    person.managers.remove(manager.id)
    return NO_CONTENT


@operations.add(
    "getManagers",
    "GET",
    "/users/{userId}/managers",
    scope="users:read",
    page_size=1000,
    assumes="Deleted managers are not listed; they come back when they are restored.",
)
def get_managers(call: Call) -> Response:
    """List the ids of the managers of a user."""
    return call.page(call.state.managers_of(call.person(call.path["userId"])), _id)


@operations.add(
    "getSubordinates",
    "GET",
    "/users/{userId}/subordinates",
    scope="users:read",
    page_size=1000,
    assumes="Deleted users are not listed.",
)
def get_subordinates(call: Call) -> Response:
    """List the ids of the users whose manager a user is."""
    return call.page(call.state.subordinates_of(call.person(call.path["userId"])), _id)


def _pair(call: Call) -> tuple[Person, Person]:
    """Return the user, who must not be deleted, and the manager."""
    person = call.person(call.path["userId"])
    manager = call.person(call.path["managerId"], error="managerNotFound")
    if person.status == "deleted":
        raise ApiError(400, "userDeleted")
    return person, manager


def _id(person: Person) -> str:
    return person.id
