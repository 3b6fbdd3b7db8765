"""Groups, their members, and the ids of what their catalogs and libraries contain."""

from __future__ import annotations

import re

from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Group, Person, Role
from airflow_provider_360learning.sandbox.v2.call import (
    NO_CONTENT,
    PICTURE_TYPES,
    ROLE_NAMES,
    ROLES_IN_PATHS,
    Call,
    Operations,
)
from airflow_provider_360learning.sandbox.v2.errors import ApiError

operations = Operations()

#: Colors of a group without a branding (documented).
_COLORS = {
    "primary": "#0a47c2",
    "menuBackground": "#ffffff",
    "myWorkBackground": "#f7f4ee",
    "platformBackground": "#ffffff",
}
_COLOR = re.compile("#[0-9a-f]{6}", re.IGNORECASE)
_IMAGES = ("bannerImageId", "backgroundImageId", "faviconImageId", "logoImageId")
_SUBDOMAIN = re.compile("[a-z0-9][a-z0-9-]{2,254}")
#: The keys of a policy with their types.
_POLICY = {"url": str, "explicitConsent": bool}
_POLICIES = ("privacyPolicy", "moderationCharter", "termsOfUse", "imprint")


@operations.add("getGroups", "GET", "/groups", scope="groups:read", page_size=500)
def get_groups(call: Call) -> Response:
    """List all groups."""
    return call.page(list(call.state.groups.values()), group)


@operations.add("getGroup", "GET", "/groups/{groupId}", scope="groups:read")
def get_group(call: Call) -> Response:
    """Return one group."""
    return Response(group(call.group(call.path["groupId"])))


@operations.add(
    "createGroup",
    "POST",
    "/groups",
    scope="groups:write",
    bodies=("json",),
    assumes="Names need not be unique. Images, policies and addresses are kept as they are.",
)
def create_group(call: Call) -> Response:
    """Create a group."""
    call.require("name", "public", "parentId")
    name, public, custom = call.text("name"), call.boolean("public"), call.text("custom")
    parent = call.group(str(call.id("parentId")), error="parentGroupNotFound")
    if len(call.state.groups) >= call.settings.max_groups:
        raise ApiError(400, "maxGroupsLimitReached")
    created = call.state.add_group(str(name), public=bool(public), parent=parent.id, custom=custom)
    created.details.update({name: value for name, value in _details(call).items() if value is not None})
    return Response(group(created), 201)


@operations.add(
    "updateGroup",
    "PATCH",
    "/groups/{groupId}",
    scope="groups:write",
    bodies=("json",),
    assumes="Images, policies and addresses are kept as they are.",
)
def update_group(call: Call) -> Response:
    """Change the given fields of a group; `null` removes `custom`."""
    changed = call.group(call.path["groupId"])
    name, public = call.text("name"), call.boolean("public")
    custom = call.text("custom") if "custom" in call.fields else changed.custom
    parent_id = call.id("parentId")
    if parent_id is not None:
        parent = call.group(parent_id, error="parentGroupNotFound")
        if parent in call.state.branch(changed):
            raise ApiError(400, "parentGroupNotDescendantOrSelf")
    if changed.parent is None and public:
        raise ApiError(400, "rootGroupNotPublic")
    changed.name, changed.custom, changed.parent = name or changed.name, custom, parent_id or changed.parent
    changed.public = changed.public if public is None else public
    changed.details = {name: value for name, value in (changed.details | _details(call)).items() if value is not None}
    call.state.touch_group(changed)
    return Response(group(changed))


@operations.add(
    "uploadGroupMedia",
    "POST",
    "/groups/{groupId}/media",
    scope="groups:write",
    bodies=("multipart",),
    assumes="Files are not opened and not kept: each has an id.",
)
def upload_group_media(call: Call) -> Response:
    """Give a group the images of the body."""
    changed = call.group(call.path["groupId"])
    call.require("authorId")
    if call.person(call.id("authorId") or "", error="usersNotFound").status == "deleted":
        raise ApiError(404, "usersNotFound")
    icons = (*PICTURE_TYPES, "image/x-icon", "image/vnd.microsoft.icon")
    given = [
        image
        for image in _IMAGES
        if call.file(image.removesuffix("ImageId"), *(icons if image == "faviconImageId" else PICTURE_TYPES))
    ]
    if not given:
        raise ApiError(400, "noFilesProvided")
    changed.details |= {image: call.state.new_id() for image in given}
    return Response(group(changed))


@operations.add(
    "upsertGroupCustomizationColors",
    "PATCH",
    "/groups/{groupId}/branding",
    scope="groups:write",
    bodies=("json",),
    assumes="Colors have six digits. `null` for all colors resets them. The response has the defaults, too.",
)
def upsert_group_customization_colors(call: Call) -> Response:
    """Set colors of a group; `null` resets one."""
    changed = call.group(call.path["groupId"])
    if changed.parent is not None and not call.settings.extended_training_solution:
        raise ApiError(400, "extendedTrainingSolutionNotEnabled")
    colors = call.fields.get("colors", {})
    if colors is None:
        colors = dict.fromkeys(_COLORS)
    if not isinstance(colors, dict) or not all(map(_is_color, colors.items())):
        raise call.malformed(f"colors must have colors in hexadecimal format: {', '.join(_COLORS)}.")
    changed.colors = {name: color for name, color in (changed.colors | colors).items() if color is not None}
    return Response({"colors": _COLORS | changed.colors})


@operations.add(
    "deleteGroup",
    "DELETE",
    "/groups/{groupId}",
    scope="groups:write",
    assumes="The groups below it are deleted, too, as in the bulk form and in API v1.",
)
def delete_group(call: Call) -> Response:
    """Delete a group."""
    state, deleted = call.state, call.group(call.path["groupId"])
    if deleted.parent is None:
        raise ApiError(400, "groupIsRoot")
    integrated = {*call.settings.integrated_groups, *state.external.groups}
    if any(each.id in integrated for each in state.branch(deleted)):
        raise ApiError(400, "hasActiveIntegrationsOrLtiConnectors")
    if call.settings.subgroups_of_deleted_group == "moved_up":
        for child in state.children(deleted):
            child.parent = deleted.parent
    state.delete_group(deleted)
    return NO_CONTENT


@operations.add(
    "getGroupMembers",
    "GET",
    "/groups/{groupId}/roles",
    scope="groups:read",
    page_size=1000,
    assumes="Invited users are listed.",
)
def get_group_members(call: Call) -> Response:
    """List the roles of a group's members, sorted by user."""
    listed = call.group(call.path["groupId"])
    roles = [(user, ROLE_NAMES[role]) for user, held in listed.members.items() for role in held]
    if listed.parent is None and call.state.owner:
        roles.append((call.state.owner, "owner"))
    return call.page(sorted(roles), lambda role: {"userId": role[0], "role": role[1]})


@operations.add(
    "addUserRoleToGroup",
    "POST",
    "/groups/{groupId}/{role}/{userId}",
    scope="groups:write",
    assumes="A role that the user already has is accepted.",
)
def add_user_role_to_group(call: Call) -> Response:
    """Give a user a role in a group."""
    role, joined, person = _role(call), call.group(call.path["groupId"]), call.person(call.path["userId"])
    if person.status == "deleted":
        raise ApiError(400, "userDeleted")
    call.state.join(
        person, joined.id, [role], enroll=call.settings.enrolled_groups_grow, above=call.settings.learners_join_above
    )
    return NO_CONTENT


@operations.add(
    "removeUserRoleFromGroup",
    "DELETE",
    "/groups/{groupId}/{role}/{userId}",
    scope="groups:write",
)
def remove_user_role_from_group(call: Call) -> Response:
    """Remove a role of a user in a group; that of a learner in the public groups below, too."""
    role, left = _role(call), call.group(call.path["groupId"])
    person = call.state.people.get(call.path["userId"])
    if person is None or role not in left.members.get(person.id, ()):
        raise ApiError(404, "userNotFoundInGroup")
    remove_role(call.company, person, left, role)
    return NO_CONTENT


@operations.add(
    "getCatalogContentIds", "GET", "/groups/{groupId}/catalog/{contentType}-ids", scope="groups:read", page_size=10_000
)
def get_catalog_content_ids(call: Call) -> Response:
    """List the ids of courses, or of path sessions, in a group's catalog."""
    listed = call.group(call.path["groupId"])
    return _ids(call, {"course": listed.courses, "path-session": listed.path_sessions})


@operations.add(
    "getLibraryContentIds", "GET", "/groups/{groupId}/library/{contentType}-ids", scope="groups:read", page_size=10_000
)
def get_library_content_ids(call: Call) -> Response:
    """List the ids of courses, or of paths, in a group's library."""
    listed = call.group(call.path["groupId"])
    return _ids(call, {"course": listed.library_courses, "path": listed.library_paths})


def group(group: Group) -> dict[str, object]:
    """Return a group as responses show it. The root group has no ``parentId``; ``custom`` is absent if not given."""
    optional = {"parentId": group.parent, "custom": group.custom}
    given = {name: value for name, value in optional.items() if value is not None}
    return {"_id": group.id, "name": group.name, "public": group.public, **given, **group.details}


def _details(call: Call) -> dict[str, object]:
    """Return the images, addresses and policies of the body, ``None`` for those that are to be removed."""
    details: dict[str, object] = {name: call.id(name) for name in _IMAGES if name in call.fields}
    details |= {name: call.text(name) for name in ("subdomain", "url") if name in call.fields}
    if details.get("subdomain") is not None and not _SUBDOMAIN.fullmatch(str(details["subdomain"])):
        raise call.malformed("subdomain must have 3 to 255 lowercase letters, digits and hyphens.")
    return details | {name: _policy(call, name) for name in _POLICIES if name in call.fields}


def _policy(call: Call, name: str) -> dict[str, object] | None:
    """Return an address with the question whether users must consent; unknown keys are ignored (assumption)."""
    given = call.fields[name]
    if given is None:
        return None
    policy = {key: value for key, value in given.items() if key in _POLICY} if isinstance(given, dict) else {}
    if not policy.get("url") or not all(isinstance(value, _POLICY[key]) for key, value in policy.items()):
        raise call.malformed(f"{name} must be an object with a url.")
    return policy


def _is_color(item: tuple[str, object]) -> bool:
    name, color = item
    return name in _COLORS and (color is None or (isinstance(color, str) and bool(_COLOR.fullmatch(color))))


def remove_role(company: Company, person: Person, group: Group, role: Role) -> None:
    """Remove a role of a user in a group; that of a learner in the public groups below, too."""
    state = company.state
    state.leave(person, group, role, subgroups=role == "learner", private_subgroups=False)
    is_last = person.id != state.owner and not state.groups_of(person)  # an owner has the root group
    if company.settings.last_group_deletes_user and is_last:
        state.delete_person(person, keep_invitations=True)


def _role(call: Call) -> Role:
    """Return the role of this route, or refuse."""
    name = call.path["role"]
    if name not in ROLES_IN_PATHS:
        raise call.malformed(f"role must be one of {', '.join(ROLES_IN_PATHS)}.")
    if name == "analyst" and not call.settings.analyst_role_available:
        raise ApiError(400, "analystUnavailable")
    return ROLES_IN_PATHS[name]


def _ids(call: Call, by_type: dict[str, list[str]]) -> Response:
    content = by_type.get(call.path["contentType"])
    if content is None:
        raise call.malformed(f"contentType must be one of {', '.join(by_type)}.")
    return call.page(content, str)
