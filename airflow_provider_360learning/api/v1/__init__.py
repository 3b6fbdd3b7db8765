"""API v1: the actions of :class:`~airflow_provider_360learning.api.interface.LearningApi`, one module per subject."""

from __future__ import annotations

from airflow_provider_360learning.api.v1.access import AccessCheck
from airflow_provider_360learning.api.v1.accounts import AccountActions
from airflow_provider_360learning.api.v1.classrooms import ClassroomActions
from airflow_provider_360learning.api.v1.content_tags import ContentTagActions
from airflow_provider_360learning.api.v1.course_attempts import CourseAttemptActions
from airflow_provider_360learning.api.v1.courses import CourseActions
from airflow_provider_360learning.api.v1.custom_fields import CustomFieldActions
from airflow_provider_360learning.api.v1.custom_links import CustomLinkActions
from airflow_provider_360learning.api.v1.external import ExternalActions
from airflow_provider_360learning.api.v1.external_ids import ExternalIdActions
from airflow_provider_360learning.api.v1.groups import GroupActions
from airflow_provider_360learning.api.v1.libraries import LibraryActions
from airflow_provider_360learning.api.v1.managers import ManagerActions
from airflow_provider_360learning.api.v1.notifications import NotificationActions
from airflow_provider_360learning.api.v1.only_v2 import ActionsOfV2
from airflow_provider_360learning.api.v1.path_definitions import PathDefinitions
from airflow_provider_360learning.api.v1.paths import PathActions
from airflow_provider_360learning.api.v1.projects import ProjectActions
from airflow_provider_360learning.api.v1.tags import TagActions


class ApiV1(
    AccountActions,
    ManagerActions,
    ExternalIdActions,
    NotificationActions,
    GroupActions,
    CustomFieldActions,
    LibraryActions,
    CourseActions,
    ContentTagActions,
    CourseAttemptActions,
    PathActions,
    PathDefinitions,
    ProjectActions,
    ExternalActions,
    ClassroomActions,
    TagActions,
    CustomLinkActions,
    ActionsOfV2,
    AccessCheck,
):
    """All actions through API v1. Arguments that only API v2 needs are accepted and not used."""
