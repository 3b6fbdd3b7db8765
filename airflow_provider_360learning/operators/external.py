"""Operators for courses of other platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.bulk import Learning360RowsOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.v1 import ApiV1
    from airflow_provider_360learning.rows.run import Options
    from airflow_provider_360learning.rows.writers import RowWriter


class Learning360ImportExternalCoursesOperator(Learning360RowsOperator):
    """
    Create courses of another platform, or bring them up to date (``importExternalCourses``).

    RowSchema: ``external_id``, ``title``, ``launch_url``, ``language``; and ``description`` (HTML),
    ``mobile_launch_url``, ``thumbnail_url``, ``authors``, ``alternative_languages``, ``duration_minutes``,
    ``difficulty_level`` (beginner, intermediate, advanced), ``content_type``.

    .. seealso:: :class:`~airflow_provider_360learning.operators.bulk.Learning360RowsOperator` for all other arguments,
        docs/bulk.md, and https://360learning.readme.io/docs

    :param group_id: Id of the group whose library receives them.
    :param external_platform: Name of the provider.
    :param author_id: Id of an author or admin of the group.
    """

    group_id: str
    external_platform: str
    author_id: str

    def __init__(self, *, group_id: str, external_platform: str, author_id: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())

    def _work(self, api: ApiV1, options: Options) -> RowWriter:
        from airflow_provider_360learning.rows.external import courses_work

        return courses_work(api, self.group_id, self.external_platform, self.author_id)
