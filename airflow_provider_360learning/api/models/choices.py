"""Values of which one is chosen, in the names that both versions of the API share."""

from __future__ import annotations

from typing import Literal, TypeAlias

#: Roles in a group; ``editor`` is v1's "author". analyst, contributor and user-admin exist in API v2 only.
Role: TypeAlias = Literal["learner", "coach", "editor", "admin", "analyst", "contributor", "user-admin"]
#: What happens to a new user.
Mode: TypeAlias = Literal[
    "invite", "create_active", "create_active_and_mail_password", "create_active_and_mail_generated_password"
]
#: Fields of a user that can be emptied.
ClearedField: TypeAlias = Literal[
    "first_name", "last_name", "job", "organization", "phone", "custom", "to_be_deactivated_at"
]
#: What to do about an object that exists.
IfExists: TypeAlias = Literal["skip", "update", "fail"]
#: What to do about an object that exists and cannot be updated.
IfSessionExists: TypeAlias = Literal["skip", "fail"]
#: What to do about an object that does not exist (any more).
IfMissing: TypeAlias = Literal["skip", "fail"]
#: Who validates registrations for a session.
RegistrationValidation: TypeAlias = Literal[
    "disabled", "instructors", "managers", "adminsAndManagers", "adminsCoachesInstructorsManagers"
]
#: Status of a learner in a path session.
LearnerStatus: TypeAlias = Literal[
    "awaitingCorrection",
    "late",
    "notYetStarted",
    "onTime",
    "sessionNotOpened",
    "successful",
    "toRetake",
    "unsuccessful",
]
#: Icon of a custom link.
LinkIcon: TypeAlias = Literal["agenda", "absence", "certificate", "convention", "default", "inbox", "survey"]
#: Whether changes of the groups of an audience enroll and unenroll their members.
AudienceMode: TypeAlias = Literal["dynamic", "dynamicEnrollment", "dynamicUnenrollment", "manual"]
#: Result of an attempt at an external course.
Result: TypeAlias = Literal["success", "failed"]
#: Difficulty of an external course.
Difficulty: TypeAlias = Literal["beginner", "intermediate", "advanced"]
#: What a custom field belongs to: users, or courses and path sessions.
CustomFieldTarget: TypeAlias = Literal["users", "contents"]
#: What the values of a custom field are.
CustomFieldType: TypeAlias = Literal["string", "date"]
