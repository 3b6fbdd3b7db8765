"""Users, invitations and their notification emails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from airflow_provider_360learning.sandbox.clock import iso, parse_iso
from airflow_provider_360learning.sandbox.routing import Refusal, Response
from airflow_provider_360learning.sandbox.state.model import MailKind, Person, Profile
from airflow_provider_360learning.sandbox.v1.call import NO_CONTENT, ROLE_NAMES, ApiError, Call, Operations, is_id

operations = Operations()

_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")

#: Fields of a user and the details of a person that they show: those in listings, and those of a single user only.
_LISTED_FIELDS = {
    "firstName": "first_name",
    "lastName": "last_name",
    "custom": "custom",
    "primaryGroupId": "primary_group",
}
_DETAIL_FIELDS = {"phone": "phone", "lang": "language", "job": "job", "organization": "organization"}
_TEXT_FIELDS = {name: key for name, key in (_LISTED_FIELDS | _DETAIL_FIELDS).items() if name != "primaryGroupId"}

_CODES = {
    ("documented", "active"): "user_already_exists",
    ("documented", "invited"): "invitation_already_exists",
    ("client", "active"): "email_already_used",
    ("client", "invited"): "already_invited",
}


@operations.add("getUsers", "GET", "/users", assumes="`deleted=true` lists deleted users instead of active ones.")
def get_users(call: Call) -> Response:
    """List all users."""
    status = "deleted" if call.query.get("deleted") == "true" else "active"
    return Response([_summary(each) for each in call.state.people.values() if each.status == status])


@operations.add(
    "getUser",
    "GET",
    "/users/{user_email}",
    evidence="recorded",
    assumes="The values of `championStatus` and `imageUrl` are strings; `lastLoginAt` is missing before a first login;"
    " managers and subordinates are objects with `_id` and `mail`, external ids with the names of addExternalIdToUser.",
)
def get_user(call: Call) -> Response:
    """Return one user in full, with the recorded keys and those documented since."""
    person = call.person(call.path["user_email"])
    profile, fields = person.profile, call.state.custom_fields
    login = {} if person.last_login_at is None else {"lastLoginAt": iso(person.last_login_at)}
    return Response(
        {
            **_summary(person),
            **given(person, _DETAIL_FIELDS),
            **login,
            "assignedPrograms": 0,
            "certifications": [],
            "championAchievements": {
                "coursesPublished": [],
                "authoringToolExplored": [],
                "repliesOnOwnActivitiesGiven": [],
                "positiveReactionsOnOwnContent": [],
            },
            "championStatus": "",
            "comments": 0,
            "completedPrograms": 0,
            "customFields": [
                {"customFieldId": id, "name": fields[id].name if id in fields else "", "value": value}
                for id, value in profile.get("custom_fields", {}).items()
            ],
            "externalIds": [
                {"externalPlatform": each.platform, "externalId": each.value}
                for each in call.state.external_ids.of(person.id)
            ],
            "groups": [{"_id": group.id, "name": group.name} for group in call.state.groups_of(person)],
            "imageUrl": "",
            "labels": profile.get("labels", []),
            "learnerAchievements": {"reactionsGiven": [], "repliesGiven": [], "coursesPlayed": []},
            "managers": [_reference(each) for each in call.state.managers_of(person)],
            "messages": 0,
            "paths": [],
            "publications": 0,
            "reactions": 0,
            "skills": [],
            "subordinates": [_reference(each) for each in call.state.subordinates_of(person)],
            "toDeactivateAt": iso(profile["deactivate_at"]) if "deactivate_at" in profile else "",
            "totalTimeSpentInMinutes": 0,
        }
    )


@operations.add(
    "createOrInviteUser",
    "POST",
    "/users",
    bodies=("form", "json"),
    assumes="The errors for unknown groups and roles, which of two documented errors is for which invalid address, the"
    " text of `warning` except for the word `reactivated`, and that an invitation is gone once its days are over.",
)
def create_or_invite_user(call: Call) -> Response:
    """Create an account or send an invitation, according to the documented matrix."""
    mail = _valid_mail(call.fields.get("mail"))
    _check_availability(call, mail)
    groups = call.strings("groups") or [call.state.root.id]
    for group in groups:
        call.group(group)
    roles = [call.role("roles", each) for each in call.strings("roles") or ["learner"]]
    profile = _profile(call)
    if profile.get("primary_group", groups[0]) not in groups:
        raise ApiError(400, "user_not_member_of_primaryGroup")
    restored = call.state.find(mail) is not None
    days = _days(call)
    person = _create_or_invite(call, mail, profile)
    for group in groups:
        call.state.join(
            person, group, roles, enroll=call.settings.enrolled_groups_grow, above=call.settings.learners_join_above
        )
    is_invited = person.status == "invited"
    if is_invited and days is not None:
        call.state.expire_invitation(person, at=call.now + days * 86400)
    created: dict[str, object] = {
        "status": "invitation_created" if is_invited else "user_created",
        "_id": call.state.new_id() if is_invited and call.settings.invitation_ids == "own" else person.id,
    }
    if restored and call.settings.reactivation_warning:
        created["warning"] = "A deleted user with this email address has been reactivated."
    return Response(created)


@operations.add(
    "updateUser",
    "PUT",
    "/users/{user_email}",
    bodies=("json", "form"),
    assumes="`custom` can be updated; `customFields` replaces all values; a primary group that the user is not in is"
    " refused as in createOrInviteUser.",
)
def update_user(call: Call) -> Response:
    """Change the given fields of a user."""
    person = call.person(call.path["user_email"])
    profile = _profile(call)
    if "mail" in call.fields:
        _check_changed_mail(call)
    if "toDeactivateAt" in call.fields:
        date = parse_iso(call.fields["toDeactivateAt"])
        if date is None or date <= call.now:
            raise ApiError(400, "'toDeactivateAt' date must be in the future")
        profile["deactivate_at"] = date
    primary = profile.get("primary_group")
    if primary and primary not in [group.id for group in call.state.groups_of(person)]:
        raise ApiError(400, "user_not_member_of_primaryGroup")
    person.profile.update(profile)
    person.password = _password(call) or person.password
    if "mail" in call.fields:
        call.state.change_mail(person, str(call.fields["mail"]))
    call.state.touch_user(person)
    return Response({"status": "user_updated"})


@operations.add("deleteUser", "DELETE", "/users/{user_email}")
def delete_user(call: Call) -> Response:
    """Delete a user softly."""
    person = call.state.find(call.path["user_email"])
    if person and person.status == "deleted" and call.settings.deleted_user_response == "no_content":
        return NO_CONTENT
    call.state.delete_person(call.person(call.path["user_email"]))
    return NO_CONTENT


@operations.add(
    "pseudonymizeUser",
    "PUT",
    "/users/{user_email}/pseudonymize",
    assumes="A user who is not deleted becomes deleted, too; an invited one is not known. The same data are replaced as"
    " in API v2; external ids stay.",
)
def pseudonymize_user(call: Call) -> Response:
    """Remove the personal data of a user."""
    person = call.state.find(call.path["user_email"])
    if person is None or person.status != "deleted":
        person = call.person(call.path["user_email"])
        call.state.delete_person(person, keep_invitations=True)
    call.state.pseudonymize(person)
    return Response({"message": "user pseudonymized"})


@operations.add(
    "getUserRoles",
    "GET",
    "/users/{userId_or_email}/roles",
    assumes="The roles of a group are a list of strings, and `author` is what API v2 calls an editor.",
)
def get_user_roles(call: Call) -> Response:
    """List a user's roles by group."""
    person = call.person(call.path["userId_or_email"])
    return Response(
        [
            {"group": group.id, "roles": [ROLE_NAMES[role] for role in group.members[person.id] if role in ROLE_NAMES]}
            for group in call.state.groups_of(person)
        ]
    )


@operations.add(
    "subscribeToEmailNotifications",
    "PUT",
    "/users/subscribeToEmailNotifications",
    bodies=("json",),
    assumes="The response is an acknowledgment, and one unknown email address refuses all.",
)
def subscribe_to_email_notifications(call: Call) -> Response:
    """Switch the notification emails of users on."""
    return _set_notifications(call, on=True)


@operations.add(
    "unsubscribeToEmailNotifications",
    "PUT",
    "/users/unsubscribeToEmailNotifications",
    bodies=("json",),
    assumes="As for subscribeToEmailNotifications.",
)
def unsubscribe_to_email_notifications(call: Call) -> Response:
    """Switch the notification emails of users off."""
    return _set_notifications(call, on=False)


def _set_notifications(call: Call, *, on: bool) -> Response:
    mails = call.strings("usersEmails")
    if mails is None:
        raise ApiError(400, "missing argument : usersEmails")
    for person in [call.person(mail) for mail in mails]:
        person.email_notifications = on
    return call.acknowledge()


def _create_or_invite(call: Call, mail: str, profile: Profile) -> Person:
    password, send = _password(call), call.boolean("sendCredentials")
    if send is None:
        send = call.settings.send_credentials_default
    invited = not (password or send)
    person = call.state.add_person(mail, profile, status="invited" if invited else "active")
    # A restored account keeps its password unless there is a new one.
    person.password = password or person.password
    kind: MailKind = "invitation" if invited else "password" if password else "generated_password"
    if send or invited:
        call.state.send_mail(mail, kind)
    return person


def _check_availability(call: Call, mail: str) -> None:
    """Refuse an email address that belongs to another company or is in use here."""
    if mail in call.settings.mails_of_other_companies:
        raise ApiError(400, "unavailableEmails")
    if mail in call.settings.mails_invited_elsewhere:
        raise ApiError(400, "faultyInvitations")
    person = call.state.find(mail)
    if person is None or person.status == "deleted":
        return
    code = _CODES[call.settings.existing_user_codes, person.status]
    if call.settings.existing_user_key == "status":
        raise Refusal(Response({"status": code}))
    raise ApiError(400, code)


def _check_changed_mail(call: Call) -> None:
    other = call.state.find(_valid_mail(call.fields["mail"]))
    if other is not None:
        # The user's own email address is an error, too (documented).
        raise ApiError(400, "already_invited" if other.status == "invited" else "mail_already_exists")


def _valid_mail(mail: object) -> str:
    if not isinstance(mail, str) or "@" not in mail:
        raise ApiError(400, "invalid argument: email")
    if not _MAIL.fullmatch(mail):
        raise ApiError(400, "invalidEmails")
    return mail


def _days(call: Call) -> int | None:
    """Return the days until the invitation expires. The error is an assumption."""
    days = call.fields.get("cancelTheInvitationAfterDays")
    if days is None:
        return None
    if not str(days).isdecimal():
        raise ApiError(400, "invalid argument : cancelTheInvitationAfterDays")
    return int(str(days))


def _password(call: Call) -> str | None:
    password = call.fields.get("password")
    return password if isinstance(password, str) and password else None


def _profile(call: Call) -> Profile:
    """Return the details in the body. The errors are assumptions."""
    texts = {name: call.fields[name] for name in _TEXT_FIELDS if name in call.fields}
    if not all(isinstance(value, str) for value in texts.values()):
        raise ApiError(400, "Request validation failed: texts expected")
    profile = cast(Profile, {_TEXT_FIELDS[name]: value for name, value in texts.items()})
    if call.fields.get("primaryGroupId") is not None:
        primary = call.text("primaryGroupId")
        if not is_id(primary):
            raise ApiError(400, "invalid argument : primaryGroupId")
        profile["primary_group"] = primary
    if (labels := call.strings("labels")) is not None:
        profile["labels"] = labels
    if "customFields" in call.fields:
        profile["custom_fields"] = _custom_fields(call.fields["customFields"])
    return profile


def _custom_fields(items: object) -> dict[str, object]:
    """Return values by field. They are written with the key ``customField``, and read with ``customFieldId``."""
    if not isinstance(items, list) or not all(isinstance(each, dict) and "customField" in each for each in items):
        raise ApiError(400, "invalid argument : customFields")
    return {str(each["customField"]): each.get("value") for each in items}


def _summary(person: Person) -> dict[str, object]:
    return {"_id": person.id, "mail": person.mail, **given(person, _LISTED_FIELDS)}


def _reference(person: Person) -> dict[str, object]:
    return {"_id": person.id, "mail": person.mail}


def given(person: Person, fields: Mapping[str, str]) -> dict[str, object]:
    """
    Return fields with a value; others are absent.

    :param fields: names of the fields to details of a person.
    """
    values: Mapping[str, object] = person.profile
    return {name: values[key] for name, key in fields.items() if values.get(key)}
