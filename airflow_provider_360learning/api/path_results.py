"""Results of the actions on paths and their sessions, see :mod:`.results`."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class PathStep(TypedDict):
    """A step of a path; API v1 has its ``title``, API v2 its ``options``, as they are returned."""

    step_id: str | None
    type: str | None
    title: str | None
    options: dict[str, Any] | None


class PathTranslation(TypedDict):
    """A translation of a path; ``name`` and ``description`` are ``None`` in API v1."""

    lang: str | None
    published: bool | None
    translator_ids: list[str] | None
    name: str | None
    description: str | None


class PathRecord(TypedDict):
    """
    A path.

    ``lang`` is the language in which it was made. API v1 has ``certificate_title``. API v2 has ``status`` (archived or
    published), further authors, information, options, estimates and ids of certificate and cover picture. What a
    version lacks is ``None``, also lists.
    """

    path_id: str | None
    name: str | None
    group_id: str | None
    session_ids: list[str]
    status: str | None
    lang: str | None
    default_lang: str | None
    description: str | None
    additional_information: str | None
    author_id: str | None
    co_author_ids: list[str] | None
    certificate_id: str | None
    certificate_title: str | None
    cover_picture_id: str | None
    linear: bool | None
    mandatory_replay: bool | None
    automated_reminders: bool | None
    display_forum: bool | None
    display_classroom_messages: bool | None
    notification_on_step_creation: bool | None
    estimated_duration: dict[str, Any] | None
    estimated_weekly_commitment: dict[str, Any] | None
    steps: list[PathStep]
    translations: list[PathTranslation]
    created_at: str | None
    modified_at: str | None


class CreatedPath(TypedDict):
    """Result of ``create_path``."""

    path_id: str
    name: str
    outcome: Literal["created", "updated", "already_exists"]


class UpdatedPath(TypedDict):
    """Result of ``update_path``."""

    path_id: str
    outcome: Literal["updated"]


class ArchivedPath(TypedDict):
    """Result of ``archive_path``; ``name`` is ``None`` without ``dry_run``."""

    path_id: str
    name: str | None
    outcome: Literal["archived", "restored", "would_archive", "would_restore"]


class DeletedPath(TypedDict):
    """Result of ``delete_path``; ``name`` and ``sessions``, their names, are ``None`` without ``dry_run``."""

    path_id: str
    name: str | None
    sessions: list[str] | None
    outcome: Literal["deleted", "not_found", "would_delete"]


class ReplacedPathCourses(TypedDict):
    """
    Result of ``replace_path_courses``; ``courses`` is their number.

    ``unchanged`` if the path has these courses in this order already.
    """

    path_id: str
    outcome: Literal["replaced", "unchanged"]
    courses: int


class AddedPathTokens(TypedDict):
    """Result of ``add_path_tokens``; ``tokens`` is the number that was added."""

    path_id: str
    group_id: str
    outcome: Literal["added"]
    tokens: int


class PathSessionRecord(TypedDict):
    """
    A session of a path.

    Of API v1, only id, name and owner group are documented. API v1 has the email addresses of instructors, API v2 their
    ids. ``root_session_id`` is that of the session which contains this one. What a version lacks is ``None``, also
    lists.
    """

    session_id: str | None
    path_id: str | None
    name: str | None
    group_id: str | None
    session_start: str | None
    session_end: str | None
    additional_information: str | None
    main_instructor_id: str | None
    instructor_ids: list[str] | None
    instructor_mails: list[str] | None
    registration_validation: str | None
    user_limit: float | None
    automatic_reenrollment: dict[str, Any] | None
    ip_filtering: dict[str, Any] | None
    is_audience_builder: bool | None
    root_session_id: str | None
    created_at: str | None
    modified_at: str | None


class CreatedPathSession(TypedDict):
    """Result of ``create_path_session``."""

    session_id: str
    path_id: str
    name: str
    outcome: Literal["created", "already_exists"]


class EnrolledUsers(TypedDict):
    """
    Result of ``enroll_users`` and ``unenroll_users``; ``users`` is their number.

    ``pending_invitations`` is the number of people who were left out, if the users are those of bulk tasks.
    """

    session_id: str
    outcome: Literal["enrolled", "unenrolled"]
    users: int
    pending_invitations: NotRequired[int]


class EnrolledGroups(TypedDict):
    """Result of ``enroll_groups`` and ``unenroll_groups``; ``groups`` is their number."""

    session_id: str
    outcome: Literal["enrolled", "unenrolled"]
    groups: int


class PathSessionStatuses(TypedDict):
    """
    How many learners of a path session have each status.

    ``statuses`` has a number for each status of :class:`PathSessionStatistic`, and ``enrolled`` is the number of all
    learners, also of those with a status that is not known yet.
    """

    session_id: str
    enrolled: int
    statuses: dict[str, int]


class UpdatedPathSession(TypedDict):
    """
    Result of ``update_path_session``.

    ``reset`` has the names of the arguments whose values the update has removed: in API v1 ``user_limit``, and
    ``registration_validation`` unless 360Learning returns it. It is empty in API v2.
    """

    session_id: str
    outcome: Literal["updated"]
    reset: list[str]


class DeletedPathSession(TypedDict):
    """
    Result of ``delete_path_session``.

    ``name`` and ``learners``, the number of users who are enrolled, are ``None`` without ``dry_run``.
    """

    session_id: str
    name: str | None
    learners: int | None
    outcome: Literal["deleted", "not_found", "would_delete"]


class ReplacedAudience(TypedDict):
    """Result of ``replace_path_session_audience``: the numbers of users, groups and excluded users."""

    session_id: str
    outcome: Literal["replaced"]
    users: int
    groups: int
    excluded_users: int


class PathSessionStatistic(TypedDict):
    """
    The state of one learner in a path session; ``progress`` and ``score`` are 0 to 100.

    ``status`` is awaitingCorrection, late, notYetStarted, onTime, sessionNotOpened, successful, toRetake or
    unsuccessful. ``mail`` and ``deleted`` are ``None`` in API v2 unless they are looked up. All after ``status`` exists
    in API v2 only. ``unenrolled_at`` is the end of an earlier enrollment, because unenrolled learners are left out.
    """

    session_id: str
    path_id: str | None
    user_id: str | None
    mail: str | None
    deleted: bool | None
    progress: float | None
    score: float | None
    completed_at: str | None
    time_spent_ms: int | None
    status: str | None
    enrolled_at: str | None
    unenrolled_at: str | None
    started_at: str | None
    due_date: str | None
    certificate_id: str | None
    self_enrolled: bool | None
    status_reason: str | None
    enrollment_id: str | None
