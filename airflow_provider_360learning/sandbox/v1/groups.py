"""Groups, their members, their catalogs and their libraries."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Group, Role
from airflow_provider_360learning.sandbox.v1.call import NO_CONTENT, ApiError, Call, Operations

operations = Operations()

#: The lists of members in getGroup.
_MEMBER_LISTS: dict[Role, str] = {"admin": "admins", "editor": "authors", "coach": "coaches", "learner": "users"}


@operations.add("getGroups", "GET", "/groups")
def get_groups(call: Call) -> Response:
    """List all groups."""
    return Response([_summary(group) for group in call.state.groups.values()])


@operations.add("getGroup", "GET", "/groups/{group_id}", assumes="`users` are the learners.")
def get_group(call: Call) -> Response:
    """Return one group with its members, listed by role."""
    group = call.group(call.path["group_id"])
    members: dict[str, list[dict[str, str]]] = {name: [] for name in _MEMBER_LISTS.values()}
    for person_id, roles in group.members.items():
        person = call.state.people[person_id]
        for role in roles if call.visible(person) else ():
            if role in _MEMBER_LISTS:
                members[_MEMBER_LISTS[role]].append({"_id": person.id, "mail": person.mail})
    return Response({**_summary(group), **members})


@operations.add("headGroup", "HEAD", "/groups/{group_id}", assumes="An unknown group is refused as in getGroup.")
def head_group(call: Call) -> Response:
    """Return 200 if a group exists."""
    call.group(call.path["group_id"])
    return Response()


@operations.add(
    "createGroup",
    "POST",
    "/groups",
    bodies=("form", "json"),
    assumes="Names need not be unique; the text of the error beyond the documented maximum.",
)
def create_group(call: Call) -> Response:
    """Create a group."""
    for required in ("name", "public"):
        if required not in call.fields:
            raise ApiError(400, f"missing argument : {required}")
    name, public = call.text("name", empty=False), call.boolean("public")
    if len(call.state.groups) >= call.settings.max_groups:
        raise ApiError(400, "groups_limit_reached")
    parent = call.group(call.text("parent")).id if call.fields.get("parent") else call.state.root.id
    custom = call.text("custom") if "custom" in call.fields else None
    group = call.state.add_group(name, public=bool(public), parent=parent, custom=custom)
    # The key is `id` here, `_id` nearly everywhere else.
    return Response({"status": "group_created", "id": group.id})


@operations.add(
    "updateGroup",
    "PUT",
    "/groups/{group_id}",
    bodies=("form", "multipart"),
    assumes="The error for a parent that is below the group, and for moving the root group.",
)
def update_group(call: Call) -> Response:
    """Change the given fields of a group."""
    group = call.group(call.path["group_id"])
    name = call.text("name", empty=False) if "name" in call.fields else group.name
    public = call.boolean("public")
    parent = _new_parent(call, group) if call.fields.get("parent") else group.parent
    group.custom = call.text("custom") if "custom" in call.fields else group.custom
    group.name, group.parent = name, parent
    group.public = group.public if public is None else public
    call.state.touch_group(group)
    return Response({"status": "group_updated"})


@operations.add("deleteGroup", "DELETE", "/groups/{group_id}")
def delete_group(call: Call) -> Response:
    """Delete a group and all groups below it."""
    group = call.group(call.path["group_id"])
    if group.parent is None:
        raise ApiError(400, "cannot remove root group")
    if any(each.id in call.settings.integrated_groups for each in call.state.branch(group)):
        # The documented refusal, in spite of its status.
        raise ApiError(500, "Cannot delete group")
    call.state.delete_group(group)
    return NO_CONTENT


@operations.add(
    "addUserToGroup",
    "PUT",
    "/groups/{group_id}/users/{user_email}",
    bodies=("form", "json"),
    assumes="A role that the user already has in the group is accepted.",
)
def add_user_to_group(call: Call) -> Response:
    """Give a user a role in a group."""
    group, person = call.group(call.path["group_id"]), call.person(call.path["user_email"])
    call.state.join(
        person,
        group.id,
        [_role(call) or "learner"],
        enroll=call.settings.enrolled_groups_grow,
        above=call.settings.learners_join_above,
    )
    return call.acknowledge()


@operations.add(
    "deleteUserFromGroup",
    "DELETE",
    "/groups/{group_id}/users/{user_email}",
    bodies=("form",),
    assumes="A user who is not in the group is accepted.",
)
def delete_user_from_group(call: Call) -> Response:
    """Remove a user, or one role of a user, from a group."""
    group, person = call.group(call.path["group_id"]), call.person(call.path["user_email"])
    private = call.boolean("deleteFromPrivateSubgroups") or False
    was_member = bool(call.state.groups_of(person))
    call.state.leave(person, group, _role(call), private_subgroups=private)
    if was_member and call.settings.last_group_deletes_user and not call.state.groups_of(person):
        call.state.delete_person(person)
    return NO_CONTENT


@operations.add("getGroupCatalog", "GET", "/groups/{group_id}/catalog")
def get_group_catalog(call: Call) -> Response:
    """List the items of a group's catalog."""
    group, state = call.group(call.path["group_id"]), call.state
    courses = [{"_id": course, "name": state.courses[course].name} for course in group.courses]
    sessions = [state.sessions[session] for session in group.path_sessions]
    if call.settings.catalog_paths == "session":
        paths = [{"_id": session.id, "name": session.name} for session in sessions]
    else:
        unique = dict.fromkeys(session.path for session in sessions)
        paths = [{"_id": path, "name": state.paths[path].name} for path in unique]
    return Response({"courses": courses, "paths": paths})


@operations.add(
    "addToGroupCatalog",
    "PUT",
    "/groups/{group_id}/catalog",
    bodies=("form",),
    assumes="The errors for unknown courses and sessions; courses of any status are accepted.",
)
def add_to_group_catalog(call: Call) -> Response:
    """Add courses and path sessions to a catalog."""
    group = call.group(call.path["group_id"])
    courses, sessions = call.strings("courses") or [], call.strings("pathSessions") or []
    for course in courses:
        call.course(course)
    if not set(sessions) <= set(call.state.sessions):
        raise ApiError(400, "path_session_not_found")
    group.courses.extend(each for each in dict.fromkeys(courses) if each not in group.courses)
    group.path_sessions.extend(each for each in dict.fromkeys(sessions) if each not in group.path_sessions)
    return call.acknowledge()


@operations.add("deleteFromGroupCatalog", "DELETE", "/groups/{group_id}/catalog", bodies=("form",))
def delete_from_group_catalog(call: Call) -> Response:
    """Remove courses and path sessions from a catalog."""
    group = call.group(call.path["group_id"])
    courses, sessions = set(call.strings("courses") or []), set(call.strings("pathSessions") or [])
    if call.settings.catalog_absent_response == "not_found":
        if not courses <= set(group.courses):
            raise ApiError(400, "course_not_found")
        if not sessions <= set(group.path_sessions):
            raise ApiError(400, "path_session_not_found")
    group.courses = [each for each in group.courses if each not in courses]
    group.path_sessions = [each for each in group.path_sessions if each not in sessions]
    return NO_CONTENT


@operations.add(
    "addToGroupLibrary",
    "PUT",
    "/groups/{group_id}/library",
    bodies=("json",),
    evidence="assumed",
    assumes="Method and body, by analogy with the catalog and the removal; the error for an unknown course.",
)
def add_to_group_library(call: Call) -> Response:
    """Add courses to a library."""
    group, courses = call.group(call.path["group_id"]), call.strings("courses") or []
    for course in courses:
        call.course(course)
    group.library_courses.extend(each for each in dict.fromkeys(courses) if each not in group.library_courses)
    return call.acknowledge()


@operations.add(
    "deleteFromGroupLibrary",
    "DELETE",
    "/groups/{group_id}/library",
    bodies=("json",),
    assumes="A course that is not in the library is accepted; the body of the response.",
)
def delete_from_group_library(call: Call) -> Response:
    """Remove courses from a library."""
    group, courses = call.group(call.path["group_id"]), set(call.strings("courses") or [])
    group.library_courses = [each for each in group.library_courses if each not in courses]
    return call.acknowledge()


def _summary(group: Group) -> dict[str, object]:
    """Return a group as listings show it. The root group has no ``parent``; ``custom`` is absent if not given."""
    optional = {"parent": group.parent, "custom": group.custom}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"_id": group.id, "name": group.name, "public": group.public, **given}


def _new_parent(call: Call, group: Group) -> str:
    """Return the id of the new parent, or refuse."""
    parent = call.group(call.text("parent"))
    if group.parent is None or parent in call.state.branch(group):
        raise ApiError(400, "invalid argument : parent")
    return parent.id


def _role(call: Call) -> Role | None:
    role = call.fields.get("role")
    return None if role is None else call.role("role", role)
