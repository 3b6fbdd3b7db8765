"""Operators for what paths consist of, with API v2."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator


class Learning360ReplacePathCoursesOperator(Learning360BaseOperator):
    """
    Replace the courses that are steps of a path (``updateSteps``). Only API v2 has it.

    **Courses that are not given are removed.** Those that the path has already keep their options. Returns
    ``{"path_id", "outcome", "courses"}``; ``outcome`` is ``replaced`` or ``unchanged``; ``courses`` is their number.

    .. seealso:: docs/paths.md

    :param path_id: Id of the path.
    :param path: Name of the path instead of ``path_id``.
    :param course_ids: Ids of all courses that are steps of the path, in order.
    :param courses: Names of the courses instead of ``course_ids``.
    :param remove_other_steps: Whether to remove steps that are no courses, such as emails and classrooms; by default, a
        path that has some is refused.
    """

    action = "replace_path_courses"
    required_pairs = (("path_id", "path"), ("course_ids", "courses"))
    name_arguments = ("path", "path_id")

    def __init__(
        self,
        *,
        path_id: str | None = None,
        path: str | None = None,
        course_ids: Sequence[str] | None = None,
        courses: Sequence[str] = (),
        remove_other_steps: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360AddPathTokensOperator(Learning360BaseOperator):
    """
    Add bought tokens of a path to a group (``addTokens``), each time it runs. Only API v2 has it.

    The request is never sent twice: if no response shows whether the tokens were added, the task fails with
    ``OutcomeUnknownError`` and is not retried. The retry of a task that was killed adds them again: to prevent that,
    set ``retries=0``. Returns ``{"path_id", "group_id", "outcome": "added", "tokens"}``; ``tokens`` is the number that
    was added.

    .. seealso:: docs/paths.md

    :param path_id: Id of the path.
    :param path: Name of the path instead of ``path_id``.
    :param group_id: Id of the group that gets the tokens.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param tokens: Number of tokens to add.
    :param author: Email address or id of the user who adds them.
    """

    action = "add_path_tokens"
    required_pairs = (("path_id", "path"), ("group_id", "group"))
    name_arguments = ("path", "path_id", "group", "group_id")

    def __init__(
        self,
        *,
        path_id: str | None = None,
        path: str | None = None,
        group_id: str | None = None,
        group: str | None = None,
        tokens: int,
        author: str,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
