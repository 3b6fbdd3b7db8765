"""Users and invitations."""

from __future__ import annotations

import re

from airflow_provider_360learning.sandbox.calls import NO_CONTENT, Answer, ApiError, Call, is_id
from airflow_provider_360learning.sandbox.clock import parse_iso
from airflow_provider_360learning.sandbox.routing import operation
from airflow_provider_360learning.sandbox.state import ROLES, Person

_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+")

_LISTED_FIELDS = ("firstName", "lastName", "custom", "primaryGroupId")
_DETAIL_FIELDS = ("phone", "lang", "job", "organization")
_TEXT_FIELDS = ("firstName", "lastName", "custom", *_DETAIL_FIELDS)


@operation("getUsers", "GET", "/users")
def get_users(call: Call) -> Answer:
    """List all users; with ``deleted=true`` the deleted ones (assumption: its meaning is not documented)."""
    deleted = call.query.get("deleted") == "true"
    people = call.world.people.values()
    return Answer([_summary(each) for each in people if each.state == ("deleted" if deleted else "active")])


@operation("getUser", "GET", "/users/{user_email}")
def get_user(call: Call) -> Answer:
    """Show one user in full."""
    person = call.person(call.path["user_email"])
    return Answer(
        {
            **_summary(person),
            **_given(person, _DETAIL_FIELDS),
            "assignedPrograms": 0,
            "certifications": [],
            "customFields": _custom_fields(person),
            "championAchievements": {},
            "learnerAchievements": {"reactionsGiven": [], "repliesGiven": [], "coursesPlayed": []},
            "comments": 0,
            "completedPrograms": 0,
            "managers": [],
            "subordinates": [],
            "groups": [{"_id": group.id, "name": group.name} for group in call.world.groups_of(person)],
            "labels": person.profile.get("labels", []),
            "messages": 0,
            "paths": [],
            "publications": 0,
            "reactions": 0,
            "skills": [],
            "externalIds": [],
            "toDeactivateAt": person.profile.get("toDeactivateAt", ""),
            "totalTimeSpentInMinutes": 0,
        }
    )


@operation("createOrInviteUser", "POST", "/users", bodies=("form", "json"))
def create_or_invite_user(call: Call) -> Answer:
    """Create an account or send an invitation, by the documented matrix."""
    mail = _new_mail(call)
    groups, roles = call.strings("groups") or [call.world.root.id], call.strings("roles") or ["learner"]
    _check_groups_and_roles(call, groups, roles)
    profile = _profile(call)
    if (primary := profile.get("primaryGroupId")) and primary not in groups:
        raise ApiError(400, "user_not_member_of_primaryGroup")
    person, sent = _create_or_invite(call, mail, profile)
    if sent:
        call.world.mails_sent.append({"to": mail, "kind": sent})
    for group in groups:
        call.world.join(person, group, roles, enroll=call.settings.enrolled_groups_grow)
    status = "invitation_created" if person.state == "invited" else "user_created"
    return Answer({"status": status, "_id": person.id})


def _create_or_invite(call: Call, mail: str, profile: dict[str, object]) -> tuple[Person, str | None]:
    """Return who has come to exist, and the kind of mail that goes out."""
    send = call.boolean("sendCredentials")
    if send is None:
        send = call.settings.send_credentials_default
    if call.body.get("password"):
        return call.world.add_user(mail, profile), "password" if send else None
    if send:
        return call.world.add_user(mail, profile), "generated_password"
    return call.world.invite(mail, profile), "invitation"


@operation("updateUser", "PUT", "/users/{user_email}", bodies=("json", "form"))
def update_user(call: Call) -> Answer:
    """Change the given fields of a user."""
    person = call.person(call.path["user_email"])
    profile = _profile(call)
    if "mail" in call.body:
        _check_changed_mail(call)
    if "toDeactivateAt" in call.body:
        moment = parse_iso(call.body["toDeactivateAt"])
        if moment is None or moment <= call.now:
            raise ApiError(400, "'toDeactivateAt' date must be in the future")
        profile["toDeactivateAt"] = call.body["toDeactivateAt"]
    primary = profile.get("primaryGroupId")
    if primary and primary not in [group.id for group in call.world.groups_of(person)]:
        # Documented for the creation; an assumption here.
        raise ApiError(400, "user_not_member_of_primaryGroup")
    person.profile.update(profile)
    if "mail" in call.body:
        call.world.change_mail(person, str(call.body["mail"]))
    return Answer({"status": "user_updated"})


@operation("deleteUser", "DELETE", "/users/{user_email}")
def delete_user(call: Call) -> Answer:
    """Delete a user softly."""
    person = call.world.find(call.path["user_email"])
    if person and person.state == "deleted" and call.settings.deleted_user_answer == "no_content":
        return NO_CONTENT
    call.world.delete_person(call.person(call.path["user_email"]))
    return NO_CONTENT


@operation("getUserRoles", "GET", "/users/{userId_or_email}/roles")
def get_user_roles(call: Call) -> Answer:
    """List a user's roles by group."""
    person = call.person(call.path["userId_or_email"])
    groups = call.world.groups_of(person)
    return Answer([{"group": group.id, "roles": group.members[person.id]} for group in groups])


def _summary(person: Person) -> dict[str, object]:
    return {"_id": person.id, "mail": person.mail, **_given(person, _LISTED_FIELDS)}


def _given(person: Person, names: tuple[str, ...]) -> dict[str, object]:
    """Fields without a value are absent."""
    return {name: person.profile[name] for name in names if person.profile.get(name)}


def _new_mail(call: Call) -> str:
    mail = _valid_mail(call.body.get("mail"))
    for refused, error in (
        (call.settings.mails_of_other_companies, "unavailableEmails"),
        (call.settings.mails_invited_elsewhere, "faultyInvitations"),
    ):
        if mail in refused:
            raise ApiError(400, error)
    person = call.world.find(mail)
    if person and person.state == "active":
        raise ApiError(400, "user_already_exists")
    if person and person.state == "invited":
        raise ApiError(400, "invitation_already_exists")
    return mail


def _valid_mail(mail: object) -> str:
    """Both errors are documented; which is for what is an assumption."""
    if not isinstance(mail, str) or "@" not in mail:
        raise ApiError(400, "invalid argument: email")
    if not _MAIL.fullmatch(mail):
        raise ApiError(400, "invalidEmails")
    return mail


def _check_changed_mail(call: Call) -> None:
    other = call.world.find(_valid_mail(call.body["mail"]))
    if other is not None:
        # The user's own mail is an error, too: documented.
        raise ApiError(400, "already_invited" if other.state == "invited" else "mail_already_exists")


def _check_groups_and_roles(call: Call, groups: list[str], roles: list[str]) -> None:
    """The errors for unknown groups and roles are assumptions."""
    for group in groups:
        call.group(group)
    if not set(roles) <= set(ROLES):
        raise ApiError(400, "invalid argument : roles")


def _profile(call: Call) -> dict[str, object]:
    profile = {name: call.body[name] for name in _TEXT_FIELDS if name in call.body}
    if not all(isinstance(value, str) for value in profile.values()):
        raise ApiError(400, "Request validation failed: texts expected")
    if (primary := call.body.get("primaryGroupId")) is not None:
        if not is_id(primary):
            raise ApiError(400, "invalid argument : primaryGroupId")
        profile["primaryGroupId"] = primary
    if (labels := call.strings("labels")) is not None:
        profile["labels"] = labels
    if "customFields" in call.body:
        profile["customFields"] = call.body["customFields"]
    return profile


def _custom_fields(person: Person) -> list[dict[str, object]]:
    """Written with the key ``customField``, read with ``customFieldId``."""
    fields = person.profile.get("customFields")
    return [
        {"customFieldId": each.get("customField"), "name": "", "value": each.get("value")}
        for each in (fields if isinstance(fields, list) else [])
        if isinstance(each, dict)
    ]
