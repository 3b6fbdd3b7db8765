"""The actions that all versions of the API offer. A test holds the adapters of the versions against it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Protocol, TypeVar

from airflow_provider_360learning.api.access import Access
from airflow_provider_360learning.api.actions import BoundAction, action
from airflow_provider_360learning.api.bulk_jobs import BulkJobs
from airflow_provider_360learning.api.certificate_interface import CertificateApi
from airflow_provider_360learning.api.classroom_interface import ClassroomApi
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.course_attempts import ReadsCourseAttempts
from airflow_provider_360learning.api.course_interface import CourseApi
from airflow_provider_360learning.api.custom_field_interface import CustomFieldApi
from airflow_provider_360learning.api.models.custom_links import (
    CreateCustomLink,
    CreateCustomUserLink,
    DeleteCustomLink,
    DeleteCustomUserLink,
    ListCustomLinks,
    ListCustomUserLinks,
    UpdateCustomLink,
    UpdateCustomUserLink,
)
from airflow_provider_360learning.api.models.external import (
    ArchiveExternalCourses,
    GetExternalCourse,
    ImportExternalCourses,
    ImportExternalCourseStats,
)
from airflow_provider_360learning.api.models.groups import (
    AddUserToGroup,
    CreateGroup,
    DeleteGroup,
    GetGroup,
    ListGroupMembers,
    ListGroups,
    RemoveUserFromGroup,
    SetGroupBranding,
    UpdateGroup,
    UploadGroupMedia,
)
from airflow_provider_360learning.api.models.integrations import (
    CreateIntegration,
    DeleteIntegration,
    ListIntegrations,
    UpdateIntegration,
)
from airflow_provider_360learning.api.models.libraries import AddToLibrary, GetLibrary, RemoveFromLibrary
from airflow_provider_360learning.api.models.tags import CreateTag, DeleteTag, ListTags, UpdateTag
from airflow_provider_360learning.api.models.users import (
    ActivateUser,
    AddManager,
    CreateUser,
    DeleteUser,
    GetUser,
    GetUserByExternalId,
    ListManagers,
    ListSubordinates,
    ListUserRoles,
    ListUsers,
    PseudonymizeUser,
    RemoveManager,
    SetExternalId,
    SetPassword,
    SetProfileImage,
    SubscribeToEmailNotifications,
    UnsubscribeFromEmailNotifications,
    UpdateUser,
)
from airflow_provider_360learning.api.names import Names
from airflow_provider_360learning.api.path_interface import PathApi
from airflow_provider_360learning.api.path_results import PathSessionStatistic
from airflow_provider_360learning.api.results import (
    ActivatedUser,
    AddedManager,
    AddedToGroup,
    ArchivedCourses,
    ChangedLibrary,
    CreatedCustomLink,
    CreatedCustomUserLink,
    CreatedGroup,
    CreatedIntegration,
    CreatedTag,
    CreatedUser,
    CustomLinkRecord,
    CustomUserLinkRecord,
    DeletedCustomLink,
    DeletedCustomUserLink,
    DeletedGroup,
    DeletedIntegration,
    DeletedTag,
    DeletedUser,
    EmailSubscription,
    ExternalCourseRecord,
    ExternalIdOfUser,
    GroupDetails,
    GroupMedia,
    GroupMember,
    GroupRecord,
    IntegrationRecord,
    Library,
    PasswordOfUser,
    ProfileImage,
    PseudonymizedUser,
    RelatedUser,
    RemovedFromGroup,
    RemovedManager,
    TagRecord,
    UpdatedCustomLink,
    UpdatedCustomUserLink,
    UpdatedGroup,
    UpdatedIntegration,
    UpdatedTag,
    UpdatedUser,
    UserDetails,
    UserRecord,
    UserRole,
)
from airflow_provider_360learning.api.statistics_by_id import StatisticsById
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.api.user_facts import ExternalIdOf, UnlistedValues, UserFacts

R = TypeVar("R")


class LearningApi(CertificateApi, ClassroomApi, CourseApi, CustomFieldApi, PathApi, ReadsCourseAttempts, Protocol):
    """
    The actions of 360Learning, under the same names in all versions of the API.

    Each takes the fields of its model as keyword arguments, and raises :class:`InvalidRequestError` for invalid ones,
    or :class:`NotAvailableError` for ones that only another version supports, before anything is sent. ``user`` is
    always an email address or an id. Groups, paths, sessions and courses are given by their ids or by their names; a
    name that does not stand for exactly one object is invalid.
    """

    client: Client
    #: What names in the place of ids stand for; each kind of object is listed once, when it is first needed.
    names: Names

    @property
    def jobs(self) -> BulkJobs | None:
        """The bulk jobs, or ``None`` if this version has none: rows are done by requests then."""
        ...

    @property
    def statistics_by_id(self) -> StatisticsById | None:
        """How to read statistics that name users by their ids, or ``None`` if they have email addresses."""
        ...

    @property
    def user_facts(self) -> UserFacts:
        """What this version shows of users, and what it can change."""
        ...

    @property
    def capabilities(self) -> frozenset[str]:
        """Names of the actions that this version offers."""
        ...

    @property
    def actions(self) -> dict[str, BoundAction[..., object]]:
        """All actions by name."""
        ...

    def check_access(self) -> ActionSteps[Access]:
        """
        Return what the credentials give access to, by requests that change nothing.

        :raises Learning360Error: if they give access to nothing.
        """
        ...

    @action(CreateUser)
    def create_user(self, arguments: CreateUser) -> ActionSteps[CreatedUser]:
        """Create or invite a user."""
        ...

    @action(GetUser)
    def get_user(self, arguments: GetUser) -> ActionSteps[UserDetails]:
        """Return a user."""
        ...

    @action(ListUsers)
    def list_users(self, arguments: ListUsers) -> ActionSteps[list[UserRecord]]:
        """Return all users."""
        ...

    def read_users(self, take: Callable[[Iterator[UserRecord]], R], *, deleted: bool = False) -> R:
        """
        Read all users as a stream, because those of a large company may not fit in memory.

        :param take: Consumes the users. It is called again, with all users from the first, if the response breaks off
            and is requested again.
        :param deleted: Whether the deleted users are read instead of the others, see :attr:`UserFacts.lists_deleted`.
        :return: The return value of ``take``.
        """
        ...

    def unlisted_values(self, user_id: str) -> ActionSteps[UnlistedValues]:
        """
        Return what the listing of users does not have of one.

        :param user_id: Id of the user.
        :raises NotFoundError: if the user does not exist.
        """
        ...

    def external_ids_of_users(self, external_platform: str) -> Iterator[ExternalIdOf]:
        """
        Yield the ids that users have in another platform, in constant memory.

        :param external_platform: The platform.
        :raises NotAvailableError: if this version cannot list them.
        """
        ...

    def active_among(self, users: Collection[str]) -> ActionSteps[frozenset[str]]:
        """
        Return which of several users are active: they have an account, and no invitation is pending.

        Nothing that was looked up before is used.

        :param users: Email addresses and ids.
        :raises RefusedError: if several users have an address, where that is possible.
        """
        ...

    def each_listed(self, listing: str) -> Iterator[Mapping[str, object]]:
        """
        Yield the objects of a list, page by page where it has pages, so that the whole list is not in memory.

        Keys that an export does not need may be missing.

        :param listing: ``list_groups``, ``list_courses``, ``list_paths`` or ``list_path_sessions``.
        """
        ...

    def stats_of_all_sessions(
        self, completed_after: datetime | None, completed_before: datetime | None
    ) -> Iterator[PathSessionStatistic] | None:
        """
        Yield the state of each learner of all path sessions, in constant memory, in an order that does not change.

        :param completed_after: Only learners who completed at this time or later.
        :param completed_before: Only learners who completed before this time, which may be included.
        :return: ``None`` if this version of the API has no such list: each session is read.
        """
        ...

    @action(UpdateUser)
    def update_user(self, arguments: UpdateUser) -> ActionSteps[UpdatedUser]:
        """Change fields of a user; fields that are not given keep their values."""
        ...

    @action(DeleteUser)
    def delete_user(self, arguments: DeleteUser) -> ActionSteps[DeletedUser]:
        """Delete a user."""
        ...

    @action(ActivateUser)
    def activate_user(self, arguments: ActivateUser) -> ActionSteps[ActivatedUser]:
        """Activate an invited user."""
        ...

    @action(SetPassword)
    def set_password(self, arguments: SetPassword) -> ActionSteps[PasswordOfUser]:
        """Set the password of a user."""
        ...

    @action(SetProfileImage)
    def set_profile_image(self, arguments: SetProfileImage) -> ActionSteps[ProfileImage]:
        """Replace the profile image of a user."""
        ...

    @action(PseudonymizeUser)
    def pseudonymize_user(self, arguments: PseudonymizeUser) -> ActionSteps[PseudonymizedUser]:
        """Remove the personal data of a user for good."""
        ...

    @action(ListUserRoles)
    def list_user_roles(self, arguments: ListUserRoles) -> ActionSteps[list[UserRole]]:
        """Return the groups of a user, and the roles there."""
        ...

    @action(AddManager)
    def add_manager(self, arguments: AddManager) -> ActionSteps[AddedManager]:
        """Make a user the manager of another one."""
        ...

    @action(RemoveManager)
    def remove_manager(self, arguments: RemoveManager) -> ActionSteps[RemovedManager]:
        """Remove a manager of a user."""
        ...

    @action(ListManagers)
    def list_managers(self, arguments: ListManagers) -> ActionSteps[list[RelatedUser]]:
        """Return the managers of a user."""
        ...

    @action(ListSubordinates)
    def list_subordinates(self, arguments: ListSubordinates) -> ActionSteps[list[RelatedUser]]:
        """Return the users whose manager a user is."""
        ...

    @action(SetExternalId)
    def set_external_id(self, arguments: SetExternalId) -> ActionSteps[ExternalIdOfUser]:
        """Set the id that a user has in another platform."""
        ...

    @action(GetUserByExternalId)
    def get_user_by_external_id(self, arguments: GetUserByExternalId) -> ActionSteps[UserRecord]:
        """Return the user with an id in another platform."""
        ...

    @action(SubscribeToEmailNotifications)
    def subscribe_to_email_notifications(
        self, arguments: SubscribeToEmailNotifications
    ) -> ActionSteps[EmailSubscription]:
        """Let 360Learning send notification emails to a user."""
        ...

    @action(UnsubscribeFromEmailNotifications)
    def unsubscribe_from_email_notifications(
        self, arguments: UnsubscribeFromEmailNotifications
    ) -> ActionSteps[EmailSubscription]:
        """Stop all notification emails to a user."""
        ...

    @action(CreateGroup)
    def create_group(self, arguments: CreateGroup) -> ActionSteps[CreatedGroup]:
        """Create a group, unless the parent has one of this name."""
        ...

    @action(ListGroups)
    def list_groups(self, arguments: ListGroups) -> ActionSteps[list[GroupRecord]]:
        """Return all groups."""
        ...

    @action(GetGroup)
    def get_group(self, arguments: GetGroup) -> ActionSteps[GroupDetails]:
        """Return a group and its members."""
        ...

    @action(ListGroupMembers)
    def list_group_members(self, arguments: ListGroupMembers) -> ActionSteps[list[GroupMember]]:
        """Return the members of a group: one item for each role."""
        ...

    @action(UpdateGroup)
    def update_group(self, arguments: UpdateGroup) -> ActionSteps[UpdatedGroup]:
        """Change a group; fields that are not given keep their values."""
        ...

    @action(DeleteGroup)
    def delete_group(self, arguments: DeleteGroup) -> ActionSteps[DeletedGroup]:
        """Delete a group and all its subgroups."""
        ...

    @action(SetGroupBranding)
    def set_group_branding(self, arguments: SetGroupBranding) -> ActionSteps[UpdatedGroup]:
        """Set colors of a group and its subgroups; other colors stay."""
        ...

    @action(UploadGroupMedia)
    def upload_group_media(self, arguments: UploadGroupMedia) -> ActionSteps[GroupMedia]:
        """Upload images of a group; images of other kinds stay."""
        ...

    @action(AddUserToGroup)
    def add_user_to_group(self, arguments: AddUserToGroup) -> ActionSteps[AddedToGroup]:
        """Give a user a role in a group."""
        ...

    @action(RemoveUserFromGroup)
    def remove_user_from_group(self, arguments: RemoveUserFromGroup) -> ActionSteps[RemovedFromGroup]:
        """Remove one role, or all roles, of a user in a group."""
        ...

    @action(GetLibrary)
    def get_library(self, arguments: GetLibrary) -> ActionSteps[Library]:
        """Return the library of a group."""
        ...

    @action(AddToLibrary)
    def add_to_library(self, arguments: AddToLibrary) -> ActionSteps[ChangedLibrary]:
        """Add courses and paths to the library of a group."""
        ...

    @action(RemoveFromLibrary)
    def remove_from_library(self, arguments: RemoveFromLibrary) -> ActionSteps[ChangedLibrary]:
        """Remove courses and paths from the library of a group."""
        ...

    @action(ImportExternalCourses)
    def import_external_courses(self, arguments: ImportExternalCourses) -> ActionSteps[list[str | None]]:
        """Create or update courses of another provider."""
        ...

    @action(ArchiveExternalCourses)
    def archive_external_courses(self, arguments: ArchiveExternalCourses) -> ActionSteps[ArchivedCourses]:
        """Archive courses of another provider."""
        ...

    @action(GetExternalCourse)
    def get_external_course(self, arguments: GetExternalCourse) -> ActionSteps[ExternalCourseRecord]:
        """Return a course of another provider."""
        ...

    @action(ImportExternalCourseStats)
    def import_external_course_stats(self, arguments: ImportExternalCourseStats) -> ActionSteps[list[str | None]]:
        """Import attempts at courses of another provider."""
        ...

    @action(ListTags)
    def list_tags(self, arguments: ListTags) -> ActionSteps[list[TagRecord]]:
        """Return all tags."""
        ...

    @action(CreateTag)
    def create_tag(self, arguments: CreateTag) -> ActionSteps[CreatedTag]:
        """Create a tag, unless one has this name."""
        ...

    @action(UpdateTag)
    def update_tag(self, arguments: UpdateTag) -> ActionSteps[UpdatedTag]:
        """Change a tag; fields that are not given keep their values."""
        ...

    @action(DeleteTag)
    def delete_tag(self, arguments: DeleteTag) -> ActionSteps[DeletedTag]:
        """Delete a tag."""
        ...

    @action(ListCustomLinks)
    def list_custom_links(self, arguments: ListCustomLinks) -> ActionSteps[list[CustomLinkRecord]]:
        """Return all custom links."""
        ...

    @action(CreateCustomLink)
    def create_custom_link(self, arguments: CreateCustomLink) -> ActionSteps[CreatedCustomLink]:
        """Create a custom link, unless one has this type."""
        ...

    @action(UpdateCustomLink)
    def update_custom_link(self, arguments: UpdateCustomLink) -> ActionSteps[UpdatedCustomLink]:
        """Change a custom link; fields that are not given keep their values."""
        ...

    @action(DeleteCustomLink)
    def delete_custom_link(self, arguments: DeleteCustomLink) -> ActionSteps[DeletedCustomLink]:
        """Delete a custom link, with the URLs of all users for it."""
        ...

    @action(ListCustomUserLinks)
    def list_custom_user_links(self, arguments: ListCustomUserLinks) -> ActionSteps[list[CustomUserLinkRecord]]:
        """Return the URLs of a user for custom links."""
        ...

    @action(CreateCustomUserLink)
    def create_custom_user_link(self, arguments: CreateCustomUserLink) -> ActionSteps[CreatedCustomUserLink]:
        """Set the URL of a user for a custom link, unless there is one."""
        ...

    @action(UpdateCustomUserLink)
    def update_custom_user_link(self, arguments: UpdateCustomUserLink) -> ActionSteps[UpdatedCustomUserLink]:
        """Change the URL of a user for a custom link, or the link that has the URL."""
        ...

    @action(DeleteCustomUserLink)
    def delete_custom_user_link(self, arguments: DeleteCustomUserLink) -> ActionSteps[DeletedCustomUserLink]:
        """Delete the URL of a user for a custom link."""
        ...

    @action(ListIntegrations)
    def list_integrations(self, arguments: ListIntegrations) -> ActionSteps[list[IntegrationRecord]]:
        """Return all integrations of groups with external providers."""
        ...

    @action(CreateIntegration)
    def create_integration(self, arguments: CreateIntegration) -> ActionSteps[CreatedIntegration]:
        """Connect a group with an external provider, unless it is."""
        ...

    @action(UpdateIntegration)
    def update_integration(self, arguments: UpdateIntegration) -> ActionSteps[UpdatedIntegration]:
        """Change an integration; fields that are not given keep their values."""
        ...

    @action(DeleteIntegration)
    def delete_integration(self, arguments: DeleteIntegration) -> ActionSteps[DeletedIntegration]:
        """Delete an integration and archive all of its courses."""
        ...
