"""Groups, their members and their catalogs."""

from __future__ import annotations

from airflow_provider_360learning.sandbox.calls import NO_CONTENT, Answer, ApiError, Call
from airflow_provider_360learning.sandbox.routing import operation
from airflow_provider_360learning.sandbox.state import ROLES, Group


@operation("getGroups", "GET", "/groups")
def get_groups(call: Call) -> Answer:
    """List all groups."""
    return Answer([_summary(group) for group in call.world.groups.values()])


@operation("getGroup", "GET", "/groups/{group_id}")
def get_group(call: Call) -> Answer:
    """Show one group with its members, listed by role (assumption: ``users`` are the learners)."""
    group = call.group(call.path["group_id"])
    members: dict[str, list[dict[str, str]]] = {name: [] for name in sorted(ROLES.values())}
    for person_id, roles in group.members.items():
        person = call.world.people[person_id]
        if call.visible(person):
            for role in roles:
                members[ROLES[role]].append({"_id": person.id, "mail": person.mail})
    return Answer({**_summary(group), **members})


@operation("headGroup", "HEAD", "/groups/{group_id}")
def head_group(call: Call) -> Answer:
    """Tell whether a group exists (assumption: refused as in getGroup)."""
    call.group(call.path["group_id"])
    return Answer()


@operation("createGroup", "POST", "/groups", bodies=("form", "json"))
def create_group(call: Call) -> Answer:
    """Create a group."""
    for required in ("name", "public"):
        if required not in call.body:
            raise ApiError(400, f"missing argument : {required}")
    name, public = _text(call, "name", empty=False), call.boolean("public")
    if len(call.world.groups) >= call.settings.max_groups:
        raise ApiError(400, "groups_limit_reached")  # the cap is documented, this text is an assumption
    parent = call.group(_text(call, "parent")).id if call.body.get("parent") else call.world.root.id
    custom = _text(call, "custom") if "custom" in call.body else None
    group = call.world.add_group(name, public=bool(public), parent=parent, custom=custom)
    # The key is `id` here, `_id` nearly everywhere else.
    return Answer({"status": "group_created", "id": group.id})


@operation("updateGroup", "PUT", "/groups/{group_id}", bodies=("form", "multipart"))
def update_group(call: Call) -> Answer:
    """Change the given fields of a group."""
    group = call.group(call.path["group_id"])
    name = _text(call, "name", empty=False) if "name" in call.body else group.name
    public = call.boolean("public")
    parent = _new_parent(call, group) if call.body.get("parent") else group.parent
    group.custom = _text(call, "custom") if "custom" in call.body else group.custom
    group.name, group.parent = name, parent
    group.public = group.public if public is None else public
    return Answer({"status": "group_updated"})


@operation("deleteGroup", "DELETE", "/groups/{group_id}")
def delete_group(call: Call) -> Answer:
    """Delete a group with all groups below it."""
    group = call.group(call.path["group_id"])
    if group.parent is None:
        raise ApiError(400, "cannot remove root group")
    if any(each.id in call.settings.integrated_groups for each in call.world.branch(group)):
        # A refusal, in spite of its status.
        raise ApiError(500, "Cannot delete group")
    call.world.delete_group(group)
    return NO_CONTENT


@operation("addUserToGroup", "PUT", "/groups/{group_id}/users/{user_email}", bodies=("form", "json"))
def add_user_to_group(call: Call) -> Answer:
    """Give somebody a role in a group. That it may be held already is an assumption."""
    group, person = call.group(call.path["group_id"]), call.person(call.path["user_email"])
    call.world.join(person, group.id, [_role(call) or "learner"], enroll=call.settings.enrolled_groups_grow)
    return call.acknowledge()


@operation("deleteUserFromGroup", "DELETE", "/groups/{group_id}/users/{user_email}", bodies=("form",))
def delete_user_from_group(call: Call) -> Answer:
    """Take somebody out of a group. That he or she need not be in it is an assumption."""
    group, person = call.group(call.path["group_id"]), call.person(call.path["user_email"])
    private = call.boolean("deleteFromPrivateSubgroups") or False
    was_member = bool(call.world.groups_of(person))
    call.world.leave(person, group, _role(call), private_subgroups=private)
    if was_member and call.settings.last_group_deletes_user and not call.world.groups_of(person):
        call.world.delete_person(person)
    return NO_CONTENT


@operation("getGroupCatalog", "GET", "/groups/{group_id}/catalog")
def get_group_catalog(call: Call) -> Answer:
    """List what is in a group's catalog."""
    group, world = call.group(call.path["group_id"]), call.world
    courses = [{"_id": course, "name": world.courses[course].name} for course in group.courses]
    sessions = [world.sessions[session] for session in group.path_sessions]
    if call.settings.catalog_paths == "session":
        paths = [{"_id": session.id, "name": session.name} for session in sessions]
    else:
        unique = dict.fromkeys(session.path for session in sessions)
        paths = [{"_id": path, "name": world.paths[path].name} for path in unique]
    return Answer({"courses": courses, "paths": paths})


@operation("addToGroupCatalog", "PUT", "/groups/{group_id}/catalog", bodies=("form",))
def add_to_group_catalog(call: Call) -> Answer:
    """Add courses and path sessions to a catalog. The errors for unknown ones are assumptions."""
    group = call.group(call.path["group_id"])
    courses, sessions = call.strings("courses") or [], call.strings("pathSessions") or []
    for course in courses:
        call.course(course)
    if not set(sessions) <= set(call.world.sessions):
        raise ApiError(400, "path_session_not_found")
    group.courses.extend(each for each in dict.fromkeys(courses) if each not in group.courses)
    group.path_sessions.extend(each for each in dict.fromkeys(sessions) if each not in group.path_sessions)
    return call.acknowledge()


@operation("deleteFromGroupCatalog", "DELETE", "/groups/{group_id}/catalog", bodies=("form",))
def delete_from_group_catalog(call: Call) -> Answer:
    """Remove courses and path sessions from a catalog."""
    group = call.group(call.path["group_id"])
    courses, sessions = set(call.strings("courses") or []), set(call.strings("pathSessions") or [])
    if call.settings.catalog_absent_answer == "not_found":
        if not courses <= set(group.courses):
            raise ApiError(400, "course_not_found")
        if not sessions <= set(group.path_sessions):
            raise ApiError(400, "path_session_not_found")
    group.courses = [each for each in group.courses if each not in courses]
    group.path_sessions = [each for each in group.path_sessions if each not in sessions]
    return NO_CONTENT


def _summary(group: Group) -> dict[str, object]:
    """The root group has no ``parent``; ``custom`` is absent where it was not given."""
    optional = {"parent": group.parent, "custom": group.custom}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"_id": group.id, "name": group.name, "public": group.public, **given}


def _text(call: Call, name: str, *, empty: bool = True) -> str:
    value = call.body[name]
    if not isinstance(value, str) or not (value or empty):
        raise ApiError(400, f"invalid argument : {name}")
    return value


def _new_parent(call: Call, group: Group) -> str:
    """The error for a circle, and for moving the root group, is an assumption."""
    parent = call.group(_text(call, "parent"))
    if group.parent is None or parent in call.world.branch(group):
        raise ApiError(400, "invalid argument : parent")
    return parent.id


def _role(call: Call) -> str | None:
    role = call.body.get("role")
    if role is None:
        return None
    if role not in ROLES:
        raise ApiError(400, "invalid argument : role")
    return str(role)
