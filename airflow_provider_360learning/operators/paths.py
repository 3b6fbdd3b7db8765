"""Operators for paths, their sessions and their learners."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.operators.user_lists import Learning360UserListOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import (
        AudienceMode,
        IfExists,
        IfMissing,
        IfSessionExists,
        RegistrationValidation,
    )


class Learning360EnrollmentOperator(Learning360UserListOperator):
    """Change the enrollment of users in a path session: of a list of users, or of the users of bulk tasks."""

    required_pairs = (("session_id", "session"),)
    name_arguments = ("session", "session_id", "users")

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
        self._check_users()


class Learning360CreatePathOperator(Learning360BaseOperator):
    """
    Create a path of courses (``createPath``), unless the group owns one of this name.

    Returns ``{"path_id", "name", "outcome"}``; ``outcome`` is ``created``, ``already_exists`` or ``updated``.

    .. seealso:: docs/paths.md

    :param name: Name of the path.
    :param group_id: Id of the group that owns the path.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param course_ids: Ids of the courses that are its steps, in order; required by API v1.
    :param courses: Names of the courses instead of ``course_ids``.
    :param authors: Email addresses, the main author first; by default the platform's owner in API v2, and whom
        360Learning chooses in API v1.
    :param description: Description, in HTML.
    :param additional_information: Information that only the editor, exports and the API show.
    :param default_lang: Language for learners whose own is not available, such as ``en``.
    :param linear: Whether learners must complete the steps in their order.
    :param mandatory_replay: Whether learners must complete steps again that they have completed elsewhere.
    :param automated_reminders: Whether 360Learning sends reminders to inactive learners.
    :param if_exists: ``skip`` leaves an existing path unchanged; ``update`` updates the given fields, but for the
        courses; ``fail`` fails, also when a task is retried that has created the path.
    """

    action = "create_path"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("name", "group", "group_id")

    def __init__(
        self,
        *,
        name: str,
        group_id: str | None = None,
        group: str | None = None,
        course_ids: Sequence[str] = (),
        courses: Sequence[str] = (),
        authors: Sequence[str] = (),
        description: str | None = None,
        additional_information: str | None = None,
        default_lang: str | None = None,
        linear: bool | None = None,
        mandatory_replay: bool | None = None,
        automated_reminders: bool | None = None,
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdatePathOperator(Learning360BaseOperator):
    """
    Change a path (``updatePath``); fields that are not given keep their values.

    Returns ``{"path_id", "outcome": "updated"}``.

    .. seealso:: docs/paths.md

    :param path_id: Id of the path.
    :param path: Name of the path instead of ``path_id``.
    :param name: New name.
    :param group_id: Id of the group that owns the path.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param authors: Email addresses, the main author first; by default unchanged. In API v2, one address alone replaces
        the main author and keeps the other authors.
    :param description: Description, in HTML.
    :param additional_information: Information that only the editor, exports and the API show. API v2 only.
    :param default_lang: Language for learners whose own is not available, such as ``en``.
    :param linear: Whether learners must complete the steps in their order.
    :param mandatory_replay: Whether learners must complete steps again that they have completed elsewhere.
    :param automated_reminders: Whether 360Learning sends reminders to inactive learners.
    """

    action = "update_path"
    required_pairs = (("path_id", "path"),)
    name_arguments = ("path", "path_id")

    def __init__(
        self,
        *,
        path_id: str | None = None,
        path: str | None = None,
        name: str | None = None,
        group_id: str | None = None,
        group: str | None = None,
        authors: Sequence[str] = (),
        description: str | None = None,
        additional_information: str | None = None,
        default_lang: str | None = None,
        linear: bool | None = None,
        mandatory_replay: bool | None = None,
        automated_reminders: bool | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360ArchivePathOperator(Learning360BaseOperator):
    """
    Archive or restore a path (``archiveOrUnarchivePath``). Only API v2 has it.

    An archived path gets no new sessions, and the audiences of its sessions cannot be changed. A path with running
    sessions is refused. Returns ``{"path_id", "name", "outcome"}``; ``outcome`` is ``archived``, ``restored``,
    ``would_archive`` or ``would_restore``; ``name`` is ``None`` without ``dry_run``.

    .. seealso:: docs/paths.md

    :param path_id: Id of the path.
    :param path: Name of the path instead of ``path_id``; an archived path is found by its id only.
    :param archived: ``False`` restores an archived path.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "archive_path"
    required_pairs = (("path_id", "path"),)
    name_arguments = ("path", "path_id")

    def __init__(
        self,
        *,
        path_id: str | None = None,
        path: str | None = None,
        archived: bool = True,
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeletePathOperator(Learning360BaseOperator):
    """
    Delete a path **and all its sessions, with the enrollments of their learners** (``deletePath``). Only API v2 has it.

    What becomes of the statistics of learners is not documented. A path that is used as a training is refused. Returns
    ``{"path_id", "name", "sessions", "outcome"}``; ``outcome`` is ``deleted``, ``not_found`` or ``would_delete``; name
    and names of the sessions are ``None`` without ``dry_run``.

    .. seealso:: docs/paths.md

    :param path_id: Id of the path.
    :param path: Name of the path instead of ``path_id``. A name that no path has is an error, also with
        ``if_missing``; an archived path is found by its id only.
    :param if_missing: ``skip`` succeeds if the path does not exist; ``fail`` fails, also when a task is retried that
        has deleted the path.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "delete_path"
    required_pairs = (("path_id", "path"),)
    name_arguments = ("path", "path_id")

    def __init__(
        self,
        *,
        path_id: str | None = None,
        path: str | None = None,
        if_missing: IfMissing = "skip",
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


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


class Learning360UpdatePathSessionOperator(Learning360BaseOperator):
    """
    Change a path session (``updatePathSession``); fields that are not given keep their values, but for two in API v1.

    Each update by API v1 removes the maximum number of learners who enroll themselves, and switches the validation of
    registrations off unless 360Learning returns it. Returns ``{"session_id", "outcome": "updated", "reset"}``;
    ``reset`` lists the arguments whose values were removed.

    .. seealso:: docs/path-sessions.md

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    :param name: New name.
    :param session_start: When the session starts; refused by API v1 if it has started and has learners.
    :param session_end: When the session ends.
    :param group_id: Id of the group that owns the session.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param instructors: Email addresses of all instructors, the main instructor first; by default unchanged.
    :param additional_information: Information that only exports and the API show.
    :param registration_validation: Who validates registrations, as in ``create_path_session``; API v1 accepts
        ``disabled`` only.
    :param user_limit: Maximum number of learners who enroll themselves. API v2 only; each update by API v1 removes it.
    """

    action = "update_path_session"
    required_pairs = (("session_id", "session"),)
    name_arguments = ("session", "session_id")

    def __init__(
        self,
        *,
        session_id: str | None = None,
        session: str | None = None,
        path_id: str | None = None,
        path: str | None = None,
        name: str | None = None,
        session_start: datetime | str | None = None,
        session_end: datetime | str | None = None,
        group_id: str | None = None,
        group: str | None = None,
        instructors: Sequence[str] = (),
        additional_information: str | None = None,
        registration_validation: RegistrationValidation | None = None,
        user_limit: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeletePathSessionOperator(Learning360BaseOperator):
    """
    Delete a path session **with the enrollments of its learners** (``deletePathSession``).

    The session leaves the catalogs of groups. What becomes of the statistics of its learners is not documented.
    Returns ``{"session_id", "name", "learners", "outcome"}``; ``outcome`` is ``deleted``, ``not_found`` or
    ``would_delete``; name and number of learners are ``None`` without ``dry_run``.

    .. seealso:: docs/path-sessions.md

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path. A name that no
        session has is an error, also with ``if_missing``.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    :param if_missing: ``skip`` succeeds if the session does not exist; ``fail`` fails, also when a task is retried that
        has deleted the session.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "delete_path_session"
    required_pairs = (("session_id", "session"),)
    name_arguments = ("session", "session_id")

    def __init__(
        self,
        *,
        session_id: str | None = None,
        session: str | None = None,
        path_id: str | None = None,
        path: str | None = None,
        if_missing: IfMissing = "skip",
        dry_run: bool = False,
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


class Learning360UnenrollGroupsOperator(Learning360BaseOperator):
    """
    Unenroll groups from a path session (``removeGroupsFromPathSession``, known from public code only).

    Users who are also enrolled by themselves, or as members of another group, stay enrolled. Returns
    ``{"session_id", "outcome": "unenrolled", "groups"}``; ``groups`` is their number. API v2 replaces the audience of
    the session (``updateSessionAudience``).

    .. seealso:: docs/path-sessions.md

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param group_ids: Ids of the groups.
    :param groups: Names of the groups instead of ``group_ids``.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    """

    action = "unenroll_groups"
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


class Learning360ReplacePathSessionAudienceOperator(Learning360BaseOperator):
    """
    Replace who is enrolled in a path session (``updateSessionAudience``). Only API v2 has it.

    **Learners who are neither given nor members of the given groups are unenrolled**, except for users who have
    enrolled themselves. Returns ``{"session_id", "outcome": "updated", "users", "groups", "excluded_users"}``, the last
    three as numbers.

    .. seealso:: docs/path-sessions.md

    :param session_id: Id of the session.
    :param session: Name of the session instead of ``session_id``; where it is not unique, with the path.
    :param users: Email addresses or ids of the users to enroll.
    :param group_ids: Ids of the groups whose members are enrolled.
    :param groups: Names of the groups instead of ``group_ids``.
    :param excluded_users: Email addresses or ids of members of these groups who are not enrolled.
    :param mode: Whether later changes of the groups enroll and unenroll members: ``dynamic`` both,
        ``dynamicEnrollment``, ``dynamicUnenrollment``, ``manual`` neither; by default unchanged.
    :param allow_empty: Whether to unenroll all learners if neither users nor groups are given.
    :param path_id: Id of the path; without it, API v2 looks it up.
    :param path: Name of the path instead of ``path_id``.
    """

    action = "replace_path_session_audience"
    required_pairs = (("session_id", "session"),)
    name_arguments = ("session", "session_id")

    def __init__(
        self,
        *,
        session_id: str | None = None,
        session: str | None = None,
        users: Sequence[str] = (),
        group_ids: Sequence[str] = (),
        groups: Sequence[str] = (),
        excluded_users: Sequence[str] = (),
        mode: AudienceMode | None = None,
        allow_empty: bool = False,
        path_id: str | None = None,
        path: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
