"""Results of the actions on courses, catalogs, tags of contents, learning needs and projects, see :mod:`.results`."""

from __future__ import annotations

from typing import Literal, TypedDict


class CourseTranslation(TypedDict):
    """A translation of a course; API v1 has the email addresses of its translators, API v2 the rest."""

    lang: str | None
    published: bool | None
    translator_ids: list[str] | None
    translator_mails: list[str] | None
    name: str | None
    description: str | None


class CourseRecord(TypedDict):
    """
    A course.

    ``status`` is published, archived or deleted; in API v1 also draft. ``type`` is native, external or elearning
    standard. API v1 has the email addresses of authors, ``group_name``, and in its list ``tag_ids``. API v2 has the ids
    of authors, ``external_platform``, ``version_number`` and ``collaborative_learning``. What a version lacks is
    ``None``, also lists.
    """

    course_id: str | None
    name: str | None
    status: str | None
    type: str | None
    lang: str | None
    default_lang: str | None
    description: str | None
    duration_minutes: float | None
    group_id: str | None
    group_name: str | None
    author_id: str | None
    author_mail: str | None
    co_author_ids: list[str] | None
    co_author_mails: list[str] | None
    tag_ids: list[str] | None
    translations: list[CourseTranslation] | None
    external_platform: str | None
    version_number: float | None
    collaborative_learning: bool | None
    created_at: str | None
    modified_at: str | None


class ArchivedCourse(TypedDict):
    """Result of ``archive_course``; ``name`` is ``None`` without ``dry_run``."""

    course_id: str
    name: str | None
    outcome: Literal["archived", "restored", "would_archive", "would_restore"]


class CreatedCourse(TypedDict):
    """Result of ``create_elearning_course``."""

    course_id: str
    name: str
    outcome: Literal["created", "updated", "already_exists"]


class UpdatedCourse(TypedDict):
    """Result of ``update_elearning_course``."""

    course_id: str
    outcome: Literal["updated"]


class ContentTag(TypedDict):
    """A tag of a course or a path; ``source`` is native or integration, and ``None`` in API v1."""

    tag_id: str
    source: str | None


class ChangedCourseTags(TypedDict):
    """Result of actions on the tags of a course; ``tags`` is the number of tags that were given."""

    course_id: str
    tags: int
    outcome: Literal["added", "removed", "replaced"]


class ChangedPathTags(TypedDict):
    """Result of actions on the tags of a path; ``tags`` is the number of tags that were given."""

    path_id: str
    tags: int
    outcome: Literal["added", "removed", "replaced"]


class CatalogItem(TypedDict):
    """A course or a path in a catalog; ``name`` is ``None`` in API v2, which lists ids."""

    id: str | None
    name: str | None


class Catalog(TypedDict):
    """
    The catalog of a group.

    The ids of ``paths`` are those of path sessions in API v2; whether they are in API v1 is not known.
    """

    courses: list[CatalogItem]
    paths: list[CatalogItem]


class ChangedCatalog(TypedDict):
    """Result of ``add_to_catalog`` and ``remove_from_catalog``; ``items`` is the number of courses and sessions."""

    group_id: str
    outcome: Literal["added", "removed"]
    items: int


class CourseAttempt(TypedDict):
    """
    An attempt of one user at one course; ``progress`` and ``score`` are 0 to 100.

    ``path_id`` and ``session_id`` are those in which the course was taken, if any. ``version_number`` and ``lang``
    exist in API v2 only.
    """

    attempt_id: str | None
    progress: float | None
    score: float | None
    first_activity: str | None
    last_activity: str | None
    completed_at: str | None
    time_spent_ms: int | None
    path_id: str | None
    session_id: str | None
    version_number: float | None
    lang: str | None


class UserCourseAttempt(CourseAttempt):
    """An attempt of one user at any course; ``course_name`` is ``None`` in API v2, which returns ids."""

    course_id: str | None
    course_name: str | None


class CourseCompletionRecord(TypedDict):
    """A completed attempt of one user at one course; ``score`` is 0 to 100."""

    user_id: str
    score: float | None
    completed_at: str | None


class LearningNeedQuestion(TypedDict):
    """A question about a learning need, with its answer."""

    title: str | None
    answer: str | None


class LearningNeedRecord(TypedDict):
    """
    A learning need.

    ``status`` is new, exploring, onHold, projectOngoing, done, alreadyExists or discarded. The lists are ``None`` in
    API v1.
    """

    learning_need_id: str | None
    name: str | None
    status: str | None
    group_id: str | None
    author_id: str | None
    created_at: str | None
    questions: list[LearningNeedQuestion] | None
    suggested_expert_ids: list[str] | None
    volunteer_ids: list[str] | None


class ProjectRecord(TypedDict):
    """A project."""

    project_id: str | None
    name: str | None
    completed: bool | None
    group_id: str | None
