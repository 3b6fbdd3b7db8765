"""Users, their accounts and roles."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from airflow_provider_360learning.sandbox.clock import iso
from airflow_provider_360learning.sandbox.routing import Response
from airflow_provider_360learning.sandbox.state.model import Person, Profile, Role
from airflow_provider_360learning.sandbox.v2.call import (
    NO_CONTENT,
    ROLE_NAMES,
    ROLES_IN_BODIES,
    Call,
    Operations,
    is_id,
)
from airflow_provider_360learning.sandbox.v2.errors import ApiError
from airflow_provider_360learning.sandbox.v2.filters import choices, mails, strings

operations = Operations()

#: Texts of a user and the details of a person that they are.
_TEXT_FIELDS = {
    "firstName": "first_name",
    "lastName": "last_name",
    "job": "job",
    "organization": "organization",
    "phone": "phone",
    "custom": "custom",
}
_PROFILE_FIELDS = _TEXT_FIELDS | {"primaryGroupId": "primary_group", "profileImageId": "image"}

#: The languages of users (documented); the first one is the default.
_LANGUAGES = [
    "en",
    "bg",
    "cs",
    "da",
    "de",
    "el",
    "es",
    "fi",
    "fr",
    "hr",
    "ht_HT",
    "hu",
    "id",
    "it",
    "ja",
    "kar_MM",
    "ko",
    "lt",
    "mh_MH",
    "nl",
    "nl_BE",
    "no",
    "pl",
    "pt",
    "ro",
    "ru",
    "rw_RW",
    "sk",
    "sl",
    "so_SO",
    "sv",
    "sw_KE",
    "th",
    "ti_ET",
    "tr",
    "uk",
    "zh",
    "vi",
]

_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")
_MIN_PASSWORD = 8
#: Types of profile images (documented). The documented maximum of 10 MB is beyond that of bodies in the sandbox.
_IMAGE_TYPES = [f"image/{kind}" for kind in ("bmp", "gif", "heic", "jpeg", "png", "svg+xml", "webp")]


@operations.add(
    "getUsers",
    "GET",
    "/users",
    scope="users:read",
    page_size=500,
    filters=(mails("mail"), strings("username"), choices("status", "eq ne", "active", "invited", "deleted")),
    assumes="Deleted users match a filter on email addresses.",
)
def get_users(call: Call) -> Response:
    """List all users, also invited and deleted ones."""
    people = _candidates(call)
    if call.conditions:
        people = [
            person for person in people if call.conditions.hold(mail=person.mail, username=None, status=person.status)
        ]
    return call.page(people, lambda person: user(call, person))


def _candidates(call: Call) -> list[Person]:
    """Return the people who a list of users may contain, in the order of creation; few if email addresses are given."""
    people, mails = call.state.people, call.conditions.wanted("mail")
    if mails is None:
        return list(people.values())
    found = {person.id for mail in mails if (person := call.state.find(str(mail)))}
    return [people[id] for id in people if id in found]


@operations.add("getUser", "GET", "/users/{userId}", scope="users:read", assumes="Deleted users are returned.")
def get_user(call: Call) -> Response:
    """Return one user."""
    return Response(user(call, call.person(call.path["userId"])))


@operations.add(
    "createUser",
    "POST",
    "/users",
    scope="users:write",
    parameters=("sendInvitationEmail",),
    bodies=("json",),
    assumes="User names are not allowed; a mail that another company uses is used too many times; a restored user is"
    " invited like a new one, and keeps the details that are not given.",
)
def create_user(call: Call) -> Response:
    """Create an invited user, or restore a deleted one."""
    send = call.parameters.get("sendInvitationEmail", "true")
    if send not in ("true", "false"):
        raise call.malformed("sendInvitationEmail must be true or false.")
    _check_user_name(call)
    mail = call.text("mail")
    if mail is None:
        raise ApiError(400, "mailAndUsernameUndefined")
    _check_mail(call, mail)
    group_id, role = _membership(call)
    profile = _profile(call)
    if profile.get("primary_group", group_id) != group_id:
        raise ApiError(400, "notMemberOfPrimaryGroup")
    restored = call.state.find(mail) is not None
    person = call.state.add_person(mail, profile, status="invited")
    call.state.join(person, group_id, [role], above=call.settings.learners_join_above)
    if send == "true":
        call.state.send_mail(mail, "invitation")
    return Response(user(call, person), status=200 if restored else 201)


@operations.add(
    "updateUser",
    "PATCH",
    "/users/{userId}",
    scope="users:write",
    bodies=("json",),
    assumes="A deleted user can be updated except for the deactivation; an image is known if a user has it.",
)
def update_user(call: Call) -> Response:
    """Change the given fields of a user; ``null`` clears one."""
    person = call.person(call.path["userId"])
    _check_user_name(call)
    mail = call.text("mail")
    if mail is None and "mail" in call.fields:
        raise ApiError(400, "userShouldHaveAtLeastOneValidIdentifier")
    is_own = mail is not None and call.state.find(mail) is person
    if mail is not None and (not is_own or call.settings.own_mail_refused):
        _check_mail(call, mail, deleted_is_free=False)
    if "toBeDeactivatedAt" in call.fields:
        _check_deactivation(call, person)
    profile = _profile(call)
    primary = profile.get("primary_group")
    if primary and primary not in [group.id for group in call.state.groups_of(person)]:
        raise ApiError(400, "notMemberOfPrimaryGroup")
    person.profile.update(profile)
    for name, key in {**_PROFILE_FIELDS, "toBeDeactivatedAt": "deactivate_at"}.items():
        if name in call.fields and call.fields[name] is None:
            person.profile.pop(key, None)  # type: ignore[misc]  # a key of the profile
    if mail is not None:
        call.state.change_mail(person, mail)
    call.state.touch_user(person)
    return Response(user(call, person))


@operations.add(
    "deleteUser",
    "DELETE",
    "/users/{userId}",
    scope="users:write",
    assumes="The deletion of a deleted user; an invited user is deleted softly.",
)
def delete_user(call: Call) -> Response:
    """Delete a user softly."""
    person = call.person(call.path["userId"])
    if person.id == call.state.owner:
        raise ApiError(400, "userIsCompanyOwner")
    if person.status == "deleted":
        if call.settings.deleted_user_response == "no_content":
            return NO_CONTENT
        raise ApiError(404, "userNotFound")
    call.state.delete_person(person, keep_invitations=True)
    return NO_CONTENT


@operations.add(
    "activateUser",
    "PUT",
    "/users/{userId}/activate",
    scope="users:write",
    assumes="An active user stays active.",
)
def activate_user(call: Call) -> Response:
    """Turn an invited user into an active one."""
    person = _not_deleted(call)
    if person.status == "invited":
        call.state.accept(person)
    return Response(user(call, person))


@operations.add(
    "pseudonymizeUser",
    "PUT",
    "/users/{userId}/pseudonymize",
    scope="users:write",
    parameters=("deleteExternalIds",),
    assumes="Other details than names, email address and custom fields are removed, too.",
)
def pseudonymize_user(call: Call) -> Response:
    """Remove the personal data of a deleted user."""
    delete_external_ids = call.parameters.get("deleteExternalIds", "false")
    if delete_external_ids not in ("true", "false"):
        raise call.malformed("deleteExternalIds must be true or false.")
    person = call.person(call.path["userId"])
    if person.status != "deleted":
        raise ApiError(400, "userNotDeleted")
    call.state.pseudonymize(person)
    if delete_external_ids == "true":
        call.state.external_ids.remove_all(person.id)
    return Response(user(call, person))


@operations.add("replacePassword", "PUT", "/users/{userId}/password", scope="users:write", bodies=("json",))
def replace_password(call: Call) -> Response:
    """Set a password."""
    call.require("password", "passwordMustBeChanged")
    password, must_be_changed = call.text("password", empty=True), call.boolean("passwordMustBeChanged")
    person = _not_deleted(call)
    if len(password or "") < _MIN_PASSWORD:
        raise ApiError(400, "passwordInvalid")
    person.password, person.password_must_be_changed = password, bool(must_be_changed)
    return NO_CONTENT


@operations.add("uploadUserMedia", "POST", "/users/{userId}/media", scope="users:write", bodies=("multipart",))
def upload_user_media(call: Call) -> Response:
    """Replace the profile image of a user."""
    call.require("profileImage")
    person, image = call.person(call.path["userId"]), call.fields["profileImage"]
    if not isinstance(image, dict) or image.get("media_type") not in _IMAGE_TYPES or not image["size"]:
        raise ApiError(400, "invalidFile")
    person.profile["image"] = call.state.new_id()
    return Response(user(call, person))


@operations.add(
    "getUserRolesInGroups",
    "GET",
    "/users/{userId}/roles",
    scope="users:read",
    page_size=1000,
    assumes="The owner of the platform has this role in the root group.",
)
def get_user_roles_in_groups(call: Call) -> Response:
    """List the roles of a user, sorted by group."""
    person = call.person(call.path["userId"])
    roles = [
        {"groupId": group.id, "role": ROLE_NAMES[role]}
        for group in call.state.groups_of(person)
        for role in group.members[person.id]
    ]
    if person.id == call.state.owner:
        roles.append({"groupId": call.state.root.id, "role": "owner"})
    return call.page(sorted(roles, key=lambda role: role["groupId"]), lambda role: role)


def user(call: Call, person: Person) -> dict[str, object]:
    """Return a user as responses show it. Fields without a value are absent."""
    values: Mapping[str, object] = person.profile
    dates = {"lastLoginDate": person.last_login_at, "toBeDeactivatedAt": person.profile.get("deactivate_at")}
    lists = {"deletedAt": person.deleted_at, "reactivatedAt": person.reactivated_at}
    if not call.settings.restoration_dates_shown:
        lists = {}
    return {
        "_id": person.id,
        "mail": person.mail,
        "status": person.status,
        "lang": person.profile.get("language") or _LANGUAGES[0],
        **{name: values[key] for name, key in _PROFILE_FIELDS.items() if values.get(key)},
        **{name: iso(seconds) for name, seconds in dates.items() if seconds is not None},
        **{name: [iso(seconds) for seconds in times] for name, times in lists.items() if times},
    }


def _not_deleted(call: Call) -> Person:
    person = call.person(call.path["userId"])
    if person.status == "deleted":
        raise ApiError(400, "userDeleted")
    return person


def _check_user_name(call: Call) -> None:
    if call.text("username") is not None:
        raise ApiError(400, "usernameNotAllowed")


def _check_mail(call: Call, mail: str, *, deleted_is_free: bool = True) -> None:
    """
    Refuse an email address that is invalid or in use.

    :param deleted_is_free: whether the address of a deleted user is not in use.
    """
    if not _MAIL.fullmatch(mail):
        raise ApiError(400, "mailInvalid")
    if mail in call.settings.mails_of_other_companies:
        raise ApiError(400, "mailUsedTooManyTimes")
    person = call.state.find(mail)
    if person is not None and not (person.status == "deleted" and deleted_is_free):
        raise ApiError(400, "mailAlreadyUsed")


def _check_deactivation(call: Call, person: Person) -> None:
    if person.status == "deleted":
        raise ApiError(400, "invalidUpdateOnDeletedUser")
    if person.id == call.state.owner:
        raise ApiError(400, "ownerDeactivationNotAllowed")


def _membership(call: Call) -> tuple[str, Role]:
    """Return group and role of the membership of a new user."""
    call.require("membership")
    membership = call.fields["membership"]
    if not isinstance(membership, dict) or not is_id(membership.get("groupId")):
        raise call.malformed("membership must have a groupId.")
    role = ROLES_IN_BODIES.get(str(membership.get("role")))
    if role is None:
        raise call.malformed(f"role of membership must be one of {', '.join(ROLES_IN_BODIES)}.")
    if role == "analyst" and not call.settings.analyst_role_available:
        raise ApiError(400, "analystUnavailable")
    return call.group(membership["groupId"].lower()).id, role


def _profile(call: Call) -> Profile:
    """Return the details in the body."""
    texts = {key: text for name, key in _TEXT_FIELDS.items() if (text := call.text(name)) is not None}
    profile = cast(Profile, texts)
    if "lang" in call.fields:
        call.require("lang")
        profile["language"] = str(call.choice("lang", _LANGUAGES))
    if primary := call.id("primaryGroupId"):
        profile["primary_group"] = primary
    if image := call.id("profileImageId"):
        if all(each.profile.get("image") != image for each in call.state.people.values()):
            raise ApiError(400, "mediaNotFound")
        profile["image"] = image
    if (date := call.date("toBeDeactivatedAt")) is not None:
        if date <= call.now:
            raise ApiError(400, "deactivationDateInvalid")
        profile["deactivate_at"] = date
    return profile
