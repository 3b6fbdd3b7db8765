"""Operators for courses in an eLearning standard (SCORM, AICC, xAPI). Only API v2 has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import IfExists
    from airflow_provider_360learning.files.storage import StoragePath


class Learning360CreateElearningCourseOperator(Learning360BaseOperator):
    """
    Create a course from a file in an eLearning standard (``createELearningStandardCourse``). Only API v2 has it.

    Names are not unique in 360Learning: a course of the same name, author and group counts as the same one. Returns
    ``{"course_id", "name", "outcome"}``; ``outcome`` is ``created``, ``already_exists`` or ``updated``.

    :param name: Title of the course.
    :param lang: Language of the course, such as ``en`` or ``fr``.
    :param author: Email address or id of the author, who must be an editor.
    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param package: Path of the ZIP file of the course (SCORM, AICC, xAPI), also in an object store; an ``Upload`` in
        ``hook.api``.
    :param co_authors: Email addresses or ids of further authors.
    :param description: Description of the course.
    :param duration_minutes: Estimated duration in minutes.
    :param cover_picture: Path of a picture for the cover; an ``Upload`` in ``hook.api``.
    :param if_exists: ``skip`` leaves an existing course of this name, author and group unchanged; ``update`` updates
        the other fields and the file; ``fail`` fails, also when a task is retried that has created the course.
    """

    action = "create_elearning_course"
    uploads = ("package", "cover_picture")
    required_pairs = (("group_id", "group"),)
    name_arguments = ("name",)

    def __init__(
        self,
        *,
        name: str,
        lang: str,
        author: str,
        group_id: str | None = None,
        group: str | None = None,
        package: StoragePath,
        co_authors: Sequence[str] = (),
        description: str | None = None,
        duration_minutes: int | None = None,
        cover_picture: StoragePath | None = None,
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateElearningCourseOperator(Learning360BaseOperator):
    """
    Change a course in an eLearning standard (``updateELearningStandardCourse``). Only API v2 has it.

    Fields that are not given keep their values. Returns ``{"course_id", "outcome": "updated"}``.

    :param course_id: Id of the course.
    :param course: Name of the course instead of ``course_id``.
    :param name: New title.
    :param lang: Language of the course, such as ``en`` or ``fr``.
    :param author: Email address or id of the author, who must be an editor.
    :param group_id: Id of the group that owns the course.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param package: Path of the ZIP file of the course (SCORM, AICC, xAPI), also in an object store; an ``Upload`` in
        ``hook.api``.
    :param co_authors: Email addresses or ids of further authors. They replace all present ones.
    :param description: Description of the course.
    :param duration_minutes: Estimated duration in minutes.
    :param cover_picture: Path of a picture for the cover; an ``Upload`` in ``hook.api``.
    """

    action = "update_elearning_course"
    uploads = ("package", "cover_picture")
    required_pairs = (("course_id", "course"),)
    name_arguments = ("course", "course_id")

    def __init__(
        self,
        *,
        course_id: str | None = None,
        course: str | None = None,
        name: str | None = None,
        lang: str | None = None,
        author: str | None = None,
        group_id: str | None = None,
        group: str | None = None,
        package: StoragePath | None = None,
        co_authors: Sequence[str] = (),
        description: str | None = None,
        duration_minutes: int | None = None,
        cover_picture: StoragePath | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
