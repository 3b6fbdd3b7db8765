"""Operators for the tags of courses and paths. Only API v2 has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator


class Learning360AddCourseTagsOperator(Learning360BaseOperator):
    """
    Add tags to a course, which keeps the others (``courses.updateTags``). Only API v2 has it.

    The tags are read, merged and replaced under a lock, so that tasks which do it at the same time lose no tag.
    Returns ``{"course_id", "tags", "outcome": "added"}``; ``tags`` is the number of tags that were given.

    :param course_id: Id of the course.
    :param course: Name of the course instead of ``course_id``.
    :param tag_ids: Ids of the tags.
    :param tags: Names of the tags instead of ``tag_ids``.
    """

    action = "add_course_tags"
    required_pairs = (("course_id", "course"), ("tag_ids", "tags"))
    name_arguments = ("course", "course_id")

    def __init__(
        self,
        *,
        course_id: str | None = None,
        course: str | None = None,
        tag_ids: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemoveCourseTagsOperator(Learning360BaseOperator):
    """
    Remove tags from a course (``courses.updateTags``). Only API v2 has it.

    Tags that it does not have are ignored. Returns ``{"course_id", "tags", "outcome": "removed"}``;
    ``tags`` is the number of tags that were given.

    :param course_id: Id of the course.
    :param course: Name of the course instead of ``course_id``.
    :param tag_ids: Ids of the tags.
    :param tags: Names of the tags instead of ``tag_ids``.
    """

    action = "remove_course_tags"
    required_pairs = (("course_id", "course"), ("tag_ids", "tags"))
    name_arguments = ("course", "course_id")

    def __init__(
        self,
        *,
        course_id: str | None = None,
        course: str | None = None,
        tag_ids: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360ReplaceCourseTagsOperator(Learning360BaseOperator):
    """
    Replace all tags of a course (``courses.updateTags``). Only API v2 has it.

    Returns ``{"course_id", "tags", "outcome": "replaced"}``; ``tags`` is the number of tags that were given.

    :param course_id: Id of the course.
    :param course: Name of the course instead of ``course_id``.
    :param tag_ids: Ids of the tags that are to be there, at most 100; an empty list removes all tags.
    :param tags: Names of the tags instead of ``tag_ids``.
    """

    action = "replace_course_tags"
    required_pairs = (("course_id", "course"), ("tag_ids", "tags"))
    name_arguments = ("course", "course_id")

    def __init__(
        self,
        *,
        course_id: str | None = None,
        course: str | None = None,
        tag_ids: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360AddPathTagsOperator(Learning360BaseOperator):
    """
    Add tags to a path, which keeps the others (``paths.updateTags``). Only API v2 has it.

    The tags are read, merged and replaced under a lock, so that tasks which do it at the same time lose no tag.
    Returns ``{"path_id", "tags", "outcome": "added"}``; ``tags`` is the number of tags that were given.

    :param path_id: Id of the path.
    :param path: Name of the path instead of ``path_id``.
    :param tag_ids: Ids of the tags.
    :param tags: Names of the tags instead of ``tag_ids``.
    """

    action = "add_path_tags"
    required_pairs = (("path_id", "path"), ("tag_ids", "tags"))
    name_arguments = ("path", "path_id")

    def __init__(
        self,
        *,
        path_id: str | None = None,
        path: str | None = None,
        tag_ids: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemovePathTagsOperator(Learning360BaseOperator):
    """
    Remove tags from a path (``paths.updateTags``). Only API v2 has it.

    Tags that it does not have are ignored. Returns ``{"path_id", "tags", "outcome": "removed"}``;
    ``tags`` is the number of tags that were given.

    :param path_id: Id of the path.
    :param path: Name of the path instead of ``path_id``.
    :param tag_ids: Ids of the tags.
    :param tags: Names of the tags instead of ``tag_ids``.
    """

    action = "remove_path_tags"
    required_pairs = (("path_id", "path"), ("tag_ids", "tags"))
    name_arguments = ("path", "path_id")

    def __init__(
        self,
        *,
        path_id: str | None = None,
        path: str | None = None,
        tag_ids: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360ReplacePathTagsOperator(Learning360BaseOperator):
    """
    Replace all tags of a path (``paths.updateTags``). Only API v2 has it.

    Returns ``{"path_id", "tags", "outcome": "replaced"}``; ``tags`` is the number of tags that were given.

    :param path_id: Id of the path.
    :param path: Name of the path instead of ``path_id``.
    :param tag_ids: Ids of the tags that are to be there, at most 100; an empty list removes all tags.
    :param tags: Names of the tags instead of ``tag_ids``.
    """

    action = "replace_path_tags"
    required_pairs = (("path_id", "path"), ("tag_ids", "tags"))
    name_arguments = ("path", "path_id")

    def __init__(
        self,
        *,
        path_id: str | None = None,
        path: str | None = None,
        tag_ids: Sequence[str] | None = None,
        tags: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
