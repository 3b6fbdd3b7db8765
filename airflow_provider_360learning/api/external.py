"""Courses of external providers, as far as they do not depend on the version of the API."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import BoundAction
from airflow_provider_360learning.api.models.external import ArchiveExternalCourses
from airflow_provider_360learning.api.results import ArchivedCourses, ExternalCourseRecord
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.exceptions import NotFoundError


def archiving_of(
    arguments: ArchiveExternalCourses,
    get_course: BoundAction[..., ExternalCourseRecord],
    integration_id: str | None = None,
) -> ActionSteps[ArchivedCourses]:
    """
    Return what the archiving of courses would do, with a request or two for each of them.

    :param arguments: The arguments of the archiving.
    :param get_course: The action that returns a course.
    :param integration_id: Id of the integration, which is known to exist, or ``None`` if the group is.
    """
    courses, missing = 0, []
    for external_id in arguments.external_ids:
        try:
            course = yield from get_course.steps(
                group_id=arguments.group_id,
                external_platform=arguments.external_platform,
                integration_id=integration_id,
                external_id=external_id,
            )
        except NotFoundError:
            missing.append(external_id)
        else:
            courses += not course["archived"]
    return {"outcome": "would_archive", "courses": courses, "missing": missing}
