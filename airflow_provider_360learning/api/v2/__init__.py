"""API v2: the actions of :class:`~airflow_provider_360learning.api.interface.LearningApi`, one module per subject."""

from __future__ import annotations

from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.v2.access import AccessCheck
from airflow_provider_360learning.api.v2.attendance_sheets import AttendanceSheetActions
from airflow_provider_360learning.api.v2.branding import BrandingActions
from airflow_provider_360learning.api.v2.certificates import CertificateActions
from airflow_provider_360learning.api.v2.classrooms import ClassroomActions
from airflow_provider_360learning.api.v2.content_tags import ContentTagActions
from airflow_provider_360learning.api.v2.course_attempts import CourseAttemptActions
from airflow_provider_360learning.api.v2.courses import CourseActions
from airflow_provider_360learning.api.v2.custom_fields import CustomFieldActions
from airflow_provider_360learning.api.v2.custom_links import CustomLinkActions
from airflow_provider_360learning.api.v2.elearning import ElearningActions
from airflow_provider_360learning.api.v2.external import ExternalActions
from airflow_provider_360learning.api.v2.external_ids import ExternalIdActions
from airflow_provider_360learning.api.v2.groups import GroupActions
from airflow_provider_360learning.api.v2.integrations import IntegrationActions
from airflow_provider_360learning.api.v2.jobs import BulkJobsV2
from airflow_provider_360learning.api.v2.libraries import LibraryActions
from airflow_provider_360learning.api.v2.listings import Listings
from airflow_provider_360learning.api.v2.managers import ManagerActions
from airflow_provider_360learning.api.v2.notifications import NotificationActions
from airflow_provider_360learning.api.v2.path_contents import PathContents
from airflow_provider_360learning.api.v2.path_definitions import PathDefinitions
from airflow_provider_360learning.api.v2.paths import PathActions
from airflow_provider_360learning.api.v2.projects import ProjectActions
from airflow_provider_360learning.api.v2.registrations import RegistrationActions
from airflow_provider_360learning.api.v2.session_changes import SessionChanges
from airflow_provider_360learning.api.v2.tags import TagActions
from airflow_provider_360learning.api.v2.user_states import UserStates
from airflow_provider_360learning.api.v2.users import UserActions


class ApiV2(
    UserActions,
    ManagerActions,
    ExternalIdActions,
    NotificationActions,
    GroupActions,
    CustomFieldActions,
    CertificateActions,
    LibraryActions,
    BrandingActions,
    CourseActions,
    ElearningActions,
    ContentTagActions,
    CourseAttemptActions,
    PathActions,
    PathDefinitions,
    PathContents,
    ProjectActions,
    SessionChanges,
    ExternalActions,
    ClassroomActions,
    RegistrationActions,
    AttendanceSheetActions,
    IntegrationActions,
    TagActions,
    CustomLinkActions,
    Listings,
    UserStates,
    AccessCheck,
):
    """All actions through API v2."""

    jobs: BulkJobsV2
    statistics_by_id: ApiV2

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self.jobs = BulkJobsV2(self)
        self.statistics_by_id = self
