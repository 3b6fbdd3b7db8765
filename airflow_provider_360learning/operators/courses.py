"""Operators for courses and the catalogs of groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator


class Learning360AddToCatalogOperator(Learning360BaseOperator):
    """
    Add courses and path sessions to the catalog of a group (``addToGroupCatalog``).

    Returns ``{"group_id", "outcome": "added", "items"}``; ``items`` is the number of courses and sessions.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param course_ids: Ids of courses.
    :param courses: Names of courses instead of ``course_ids``.
    :param session_ids: Ids of path sessions.
    :param sessions: Names of path sessions instead of ``session_ids``.
    """

    action = "add_to_catalog"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        course_ids: Sequence[str] = (),
        courses: Sequence[str] = (),
        session_ids: Sequence[str] = (),
        sessions: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360ArchiveCourseOperator(Learning360BaseOperator):
    """
    Archive or restore a course (``archiveOrUnarchiveCourse``). Only API v2 has it.

    An archived course is not found by searches, and cannot be added to paths any more. It stays in the paths that have
    it, and its statistics are kept. Returns ``{"course_id", "name", "outcome"}``; ``outcome`` is ``archived``,
    ``restored``, ``would_archive`` or ``would_restore``; ``name`` is ``None`` without ``dry_run``.

    :param course_id: Id of the course.
    :param course: Name of the course instead of ``course_id``.
    :param archived: ``False`` restores an archived course.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "archive_course"
    required_pairs = (("course_id", "course"),)
    name_arguments = ("course", "course_id")

    def __init__(
        self,
        *,
        course_id: str | None = None,
        course: str | None = None,
        archived: bool = True,
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemoveFromCatalogOperator(Learning360BaseOperator):
    """
    Remove courses and path sessions from the catalog of a group (``deleteFromGroupCatalog``).

    Returns ``{"group_id", "outcome": "removed", "items"}``; ``items`` is the number of courses and sessions.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param course_ids: Ids of courses.
    :param courses: Names of courses instead of ``course_ids``.
    :param session_ids: Ids of path sessions.
    :param sessions: Names of path sessions instead of ``session_ids``.
    """

    action = "remove_from_catalog"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        course_ids: Sequence[str] = (),
        courses: Sequence[str] = (),
        session_ids: Sequence[str] = (),
        sessions: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
