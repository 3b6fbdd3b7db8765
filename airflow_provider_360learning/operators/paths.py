"""Operators for the sessions of paths and their learners."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import AirflowException, AirflowSkipException

from airflow_provider_360learning.operators.base import Learning360BaseOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.actions import BoundAction
    from airflow_provider_360learning.api.models.choices import IfSessionExists, RegistrationValidation


class Learning360EnrollmentOperator(Learning360BaseOperator):
    """
    Change the enrollment of users in a path session: of a list of users, or of the users of bulk tasks.

    With ``users_from``, the users are read from the results of the tasks, whatever their number, and sent in batches.
    The result then has the key ``pending_invitations``. If there is no user yet, the task is skipped.

    .. seealso:: docs/bulk.md

    :param users_from: Result of a bulk task, or a list of results, instead of ``users``: the users whose rows were
        done, e.g. ``users_from=accounts.output``. People who have not accepted their invitation are left out and
        counted; the next run includes the people who have accepted.
    :param include_invited: Whether to include them.
    """

    required_pairs = (("session_id", "session"),)
    name_arguments = ("session", "session_id", "users")
    users_from: Any
    include_invited: bool

    def __init__(
        self,
        *,
        session_id: str | None = None,
        session: str | None = None,
        users: Sequence[str] | None = None,
        path_id: str | None = None,
        path: str | None = None,
        users_from: Any = None,
        include_invited: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
        # The output of a task that was skipped is None when this task runs.
        self._has_users_from = users_from is not None
        if (users is not None) == self._has_users_from:
            raise AirflowException(f"{type(self).__name__} {self.task_id!r}: give either users or users_from")

    def _run(self, action: BoundAction[..., Any]) -> object:
        if not self._has_users_from:
            return super()._run(action)
        from airflow_provider_360learning.rows.user_batches import UserBatches
        from airflow_provider_360learning.rows.users import read_users

        with read_users(self.users_from, self.include_invited) as users:
            if not users:
                raise AirflowSkipException(users.reason_for_none())
            # Validated, and names looked up, once for all batches.
            given = action.arguments({**self._arguments_of_action(), "users": next(users.batches(1))})
            valid = self.hook.api.client.run(self.hook.api.names.resolved(given))
            last = UserBatches(
                lambda batch: action.run(valid.model_copy(update={"users": tuple(batch)})), users
            ).send_all()
            result = {**last, "users": len(users), "pending_invitations": users.pending_invitations}
        self._log_outcome(given, result)
        return result

    def _arguments_of_action(self) -> dict[str, object]:
        arguments = super()._arguments_of_action()
        return {name: value for name, value in arguments.items() if name not in ("users_from", "include_invited")}


class Learning360CreatePathSessionOperator(Learning360BaseOperator):
    """
    Create a session of a path (``createPathSession``), unless the path has one of this name and owner group.

    Returns ``{"session_id", "path_id", "name", "outcome"}``; ``outcome`` is ``created`` or ``already_exists``.

    .. seealso:: docs/path-sessions.md

    :param path_id: Id of the path.
    :param path: Name of the path instead of ``path_id``.
    :param name: Name of the session.
    :param session_start: When the session starts: a timestamp with a time zone.
    :param group_id: Id of the group that owns the session. API v2 sets it in a second step.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param session_end: When the session ends.
    :param instructors: Email addresses, the main instructor first; by default the platform's owner.
    :param additional_information: Information that only exports and the API show.
    :param registration_validation: Who validates registrations: ``disabled``, the only value in API v1,
        ``instructors``, ``managers``, ``adminsAndManagers`` or ``adminsCoachesInstructorsManagers``.
    :param if_exists: ``skip`` leaves an existing session unchanged, its dates included; ``fail`` fails, also when a
        task is retried that has created the session.
    """

    action = "create_path_session"
    required_pairs = (("path_id", "path"), ("group_id", "group"))
    name_arguments = ("name", "path", "path_id", "group", "group_id")

    def __init__(
        self,
        *,
        path_id: str | None = None,
        path: str | None = None,
        name: str,
        session_start: datetime | str,
        group_id: str | None = None,
        group: str | None = None,
        session_end: datetime | str | None = None,
        instructors: Sequence[str] = (),
        additional_information: str | None = None,
        registration_validation: RegistrationValidation = "disabled",
        if_exists: IfSessionExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360EnrollUsersOperator(Learning360EnrollmentOperator):
    """
    Enroll users in a path session (``addUsersToPathSession``); users who are enrolled already stay enrolled.

    Returns ``{"session_id", "outcome": "enrolled", "users"}``; ``users`` is their number. API v1 does not document what
    it returns about single users, so success means that 360Learning accepted the list. API v2 replaces the audience of
    the session (``updateSessionAudience``), which must be one of the Audience Builder.

    .. seealso:: docs/path-sessions.md

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param users: Email addresses or ids of the users.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    """

    action = "enroll_users"


class Learning360EnrollGroupsOperator(Learning360BaseOperator):
    """
    Enroll groups in a path session (``addGroupsToPathSession``).

    Returns ``{"session_id", "outcome": "enrolled", "groups"}``; ``groups`` is their number. API v2 replaces the
    audience of the session (``updateSessionAudience``); members who were unenrolled stay so.

    .. seealso:: docs/path-sessions.md

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param group_ids: Ids of the groups.
    :param groups: Names of the groups instead of ``group_ids``.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    """

    action = "enroll_groups"
    required_pairs = (("session_id", "session"), ("group_ids", "groups"))
    name_arguments = ("session", "session_id", "groups", "group_ids")

    def __init__(
        self,
        *,
        session_id: str | None = None,
        session: str | None = None,
        group_ids: Sequence[str] | None = None,
        groups: Sequence[str] = (),
        path_id: str | None = None,
        path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UnenrollUsersOperator(Learning360EnrollmentOperator):
    """
    Unenroll users from a path session (``removeUsersFromPathSession``, known from public code only).

    Returns ``{"session_id", "outcome": "unenrolled", "users"}``; ``users`` is their number. In API v1, each id costs
    one request, which looks up the email address. API v2 replaces the audience of the session
    (``updateSessionAudience``), excludes members of its groups, and ends self-enrollments.

    .. seealso:: docs/path-sessions.md

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param users: Email addresses or ids of the users.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    """

    action = "unenroll_users"
