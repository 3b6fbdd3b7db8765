"""Path sessions of API v2: change and delete them, and replace who is enrolled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from airflow_provider_360learning.api.actions import WriteSpec, action
from airflow_provider_360learning.api.fields import string
from airflow_provider_360learning.api.models.paths import (
    DeletePathSession,
    ReplacePathSessionAudience,
    UpdatePathSession,
)
from airflow_provider_360learning.api.path_results import (
    DeletedPathSession,
    ReplacedAudience,
    UpdatedPathSession,
)
from airflow_provider_360learning.api.text import listed
from airflow_provider_360learning.api.timestamps import write_timestamp
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonValue
from airflow_provider_360learning.api.v2.audience import Audience, AudienceSteps
from airflow_provider_360learning.api.v2.lookups import SESSION_NOT_FOUND
from airflow_provider_360learning.exceptions import NotFoundError, RefusedError

#: Codes of the errors about a session that does not exist. An unknown path may be a misspelled one.
_MISSING = ("sessionNotFound", SESSION_NOT_FOUND)
_CHILD_SESSION = "childPathSession"
#: The only fields of a session that can be changed if it is a part of the session of another path.
_FIELDS_OF_CHILDREN = frozenset({"additionalInformation", "mainInstructorId", "instructorIds"})


class SessionChanges(AudienceSteps):
    """Change and delete path sessions, and replace who is enrolled in them."""

    @action(UpdatePathSession, write=WriteSpec("modifyPathSession", key=("session_id",)))
    def update_path_session(self, arguments: UpdatePathSession) -> ActionSteps[UpdatedPathSession]:
        """
        Change a session (``modifyPathSession``); fields that are not given keep their values.

        Of a session that is a part of the session of another path, instructors and additional information can be
        changed (``modifyChildPathSession``).

        :raises NotFoundError: if the session, the group or an instructor does not exist.
        :raises RefusedError: for a session that has ended, and for other fields of one that is a part of another one.
        """
        path = yield from self.path_and_session(arguments.session_id, arguments.path_id)
        fields = yield from self._changed_fields(arguments)
        try:
            yield Call("modifyPathSession", path=path, body=fields)
        except RefusedError as error:
            if error.code != _CHILD_SESSION:
                raise
            yield from self._update_child(path, fields)
        return {"session_id": arguments.session_id, "outcome": "updated", "reset": []}

    @action(DeletePathSession, write=WriteSpec("deletePathSession", key=("session_id",)))
    def delete_path_session(self, arguments: DeletePathSession) -> ActionSteps[DeletedPathSession]:
        """
        Delete a session **with the enrollments of its learners** (``deletePathSession``).

        It leaves the catalogs of groups. What becomes of the statistics of its learners is not documented.

        :raises NotFoundError: with ``if_missing="fail"``, if the session does not exist; for an unknown ``path_id``.
        """
        session_id = arguments.session_id
        name = learners = None
        try:
            path = yield from self.path_and_session(session_id, arguments.path_id)
            if arguments.dry_run:
                name = string((yield Call("getPathSession", path=path)), "name")
                learners = len((yield from self.enrollments(path)))
            else:
                yield Call("deletePathSession", path=path)
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"session_id": session_id, "name": None, "learners": None, "outcome": "deleted"}
            if arguments.if_missing == "fail" or error.code not in _MISSING:
                raise
            return {"session_id": session_id, "name": None, "learners": None, "outcome": "not_found"}
        outcome: Literal["would_delete", "deleted"] = "would_delete" if arguments.dry_run else "deleted"
        return {"session_id": session_id, "name": name, "learners": learners, "outcome": outcome}

    @action(ReplacePathSessionAudience, write=WriteSpec("updateSessionAudience", key=("session_id",)))
    def replace_path_session_audience(self, arguments: ReplacePathSessionAudience) -> ActionSteps[ReplacedAudience]:
        """
        Replace who is enrolled in a path session (``updateSessionAudience``).

        **Learners who are neither given nor members of the given groups are unenrolled**, except for users who have
        enrolled themselves.

        :raises NotFoundError: if the session, a user or a group does not exist; nothing was changed.
        :raises RefusedError: if the audience of the session cannot be changed.
        """
        path = yield from self.session_to_change(arguments.session_id, arguments.path_id)
        ids = yield from self.user_ids_of([*arguments.users, *arguments.excluded_users])
        users, excluded = (
            frozenset(ids[user].lower() for user in each) for each in (arguments.users, arguments.excluded_users)
        )
        groups = frozenset(group.lower() for group in arguments.group_ids)
        mode = arguments.mode
        yield from self.change_audience(path, lambda now: Audience(users, groups, excluded, mode or now.mode))
        return {
            "session_id": arguments.session_id,
            "outcome": "replaced",
            "users": len(users),
            "groups": len(groups),
            "excluded_users": len(excluded),
        }

    def _changed_fields(self, arguments: UpdatePathSession) -> ActionSteps[dict[str, JsonValue]]:
        instructors: dict[str, JsonValue] = {}
        if arguments.instructors:
            ids = yield from self.user_ids_of(arguments.instructors)
            main, *others = (ids[mail] for mail in arguments.instructors)
            instructors = {"mainInstructorId": main, "instructorIds": others}
        fields: dict[str, JsonValue] = {
            "name": arguments.name,
            "startDate": write_timestamp(arguments.session_start),
            "endDate": write_timestamp(arguments.session_end),
            "groupId": arguments.group_id,
            "additionalInformation": arguments.additional_information,
            "registrationRequestValidation": arguments.registration_validation,
            "userLimit": arguments.user_limit,
        }
        return {name: value for name, value in fields.items() if value is not None} | instructors

    def _update_child(self, path: Mapping[str, str], fields: Mapping[str, JsonValue]) -> ActionSteps[None]:
        """Change a session that is a part of the session of another path."""
        if other := fields.keys() - _FIELDS_OF_CHILDREN:
            raise RefusedError(
                f"The session {path['sessionId']} is a part of the session of another path, which determines "
                f"{listed(sorted(other))}: change that session. Nothing was changed.",
                operation="modifyPathSession",
                code=_CHILD_SESSION,
            )
        child = {"pathId": path["pathId"], "childSessionId": path["sessionId"]}
        yield Call("modifyChildPathSession", path=child, body=fields)
