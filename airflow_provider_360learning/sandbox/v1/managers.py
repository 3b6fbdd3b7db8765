"""Managers of users."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Person
from airflow_provider_360learning.sandbox.v1.call import NO_CONTENT, Call, Operations

operations = Operations()

_ONE = "/users/{user_email}/managers/{manager_email}"


@operations.add(
    "addManagerToUser",
    "PUT",
    _ONE,
    assumes="The response is an acknowledgment, an unknown manager is `user_not_found`, and a manager whom the user has"
    " already is accepted.",
)
def add_manager(call: Call) -> Response:
    """Make a user the manager of another one."""
    person, manager = _pair(call)
    if manager.id not in person.managers:
        person.managers.append(manager.id)
    return call.acknowledge()


@operations.add(
    "deleteManagerFromUser",
    "DELETE",
    _ONE,
    assumes="An unknown manager is `user_not_found`, and a manager whom the user does not have is accepted.",
)
def delete_manager(call: Call) -> Response:
    """Remove a manager of a user."""
    person, manager = _pair(call)
    if manager.id in person.managers:
        person.managers.remove(manager.id)
    return NO_CONTENT


def _pair(call: Call) -> tuple[Person, Person]:
    return call.person(call.path["user_email"]), call.person(call.path["manager_email"])
