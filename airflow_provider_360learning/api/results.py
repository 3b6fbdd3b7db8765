"""Results of the actions. Keys that a response lacks are ``None``; times are ISO 8601 in UTC with milliseconds."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from airflow_provider_360learning.api.models.choices import Role


class CreatedUser(TypedDict):
    """Result of ``create_user``; ``user_id`` is ``None`` if an invitation is pending and has no account yet."""

    mail: str
    user_id: str | None
    outcome: Literal["created", "invited", "restored", "updated", "already_exists", "already_invited"]


class UpdatedUser(TypedDict):
    """Result of ``update_user``; ``invited`` if the new email address led to a new invitation."""

    user: str
    outcome: Literal["updated", "invited"]


class DeletedUser(TypedDict):
    """Result of ``delete_user``."""

    user: str
    outcome: Literal["deleted", "not_found"]


class ActivatedUser(TypedDict):
    """Result of ``activate_user``."""

    user: str
    user_id: str
    outcome: Literal["activated", "already_active"]


class PasswordOfUser(TypedDict):
    """Result of ``set_password``, without the password."""

    user: str
    outcome: Literal["set"]


class ProfileImage(TypedDict):
    """Result of ``set_profile_image``."""

    user: str
    user_id: str
    profile_image_id: str
    outcome: Literal["set"]


class PseudonymizedUser(TypedDict):
    """Result of ``pseudonymize_user``; ``user_id`` is ``None`` if it is not known."""

    user: str
    user_id: str | None
    outcome: Literal["pseudonymized", "not_found", "would_pseudonymize"]


class UserRecord(TypedDict):
    """
    A user, as listings return one. ``status`` is active, invited or deleted.

    API v1 returns the name, ``mail``, ``custom`` and ``primary_group_id`` only; ``get_user`` has more. What is ``None``
    is not set, or the version does not return it, also lists.
    """

    user_id: str | None
    mail: str | None
    username: str | None
    status: str | None
    first_name: str | None
    last_name: str | None
    job: str | None
    organization: str | None
    phone: str | None
    lang: str | None
    custom: str | None
    primary_group_id: str | None
    profile_image_id: str | None
    last_login_at: str | None
    to_be_deactivated_at: str | None
    #: When the account was deleted and restored, each time.
    deleted_at: list[str] | None
    reactivated_at: list[str] | None


class UserProfile(TypedDict):
    """
    What API v1 returns of a single user besides; all of it is ``None`` in API v2.

    API v2 has other actions for parts of it: ``list_user_roles``, ``list_managers`` and ``list_subordinates``. Lists
    and numbers are of any type, because their form is not documented.
    """

    groups: Any
    managers: Any
    subordinates: Any
    external_ids: Any
    labels: Any
    skills: Any
    certifications: Any
    paths: Any
    assigned_programs: Any
    completed_programs: Any
    average_score: Any
    total_time_spent_minutes: Any
    publications: Any
    comments: Any
    messages: Any
    reactions: Any
    champion_status: Any
    champion_achievements: Any
    learner_achievements: Any
    image_url: str | None


class UserDetails(UserRecord, UserProfile):
    """A user, as ``get_user`` returns one; ``custom_fields`` maps field id to value."""

    #: Of any type: what 360Learning returns is not documented.
    custom_fields: dict[str, Any]


class RelatedUser(TypedDict):
    """A manager or a subordinate; API v2 has no ``mail`` here."""

    user_id: str | None
    mail: str | None


class AddedManager(TypedDict):
    """Result of ``add_manager``."""

    user: str
    manager: str
    outcome: Literal["added"]


class RemovedManager(TypedDict):
    """Result of ``remove_manager``."""

    user: str
    manager: str
    outcome: Literal["removed"]


class ExternalIdOfUser(TypedDict):
    """Result of ``set_external_id``."""

    user: str
    external_platform: str
    external_id: str
    outcome: Literal["set"]


class EmailSubscription(TypedDict):
    """Result of ``subscribe_to_email_notifications`` and ``unsubscribe_from_email_notifications``."""

    user: str
    outcome: Literal["subscribed", "unsubscribed"]


class UserRole(TypedDict):
    """One role of a user in one group."""

    group_id: str | None
    role: str


class CreatedGroup(TypedDict):
    """Result of ``create_group``."""

    group_id: str
    name: str
    outcome: Literal["created", "updated", "already_exists"]


class GroupMedia(TypedDict):
    """Result of ``upload_group_media``: the images that the group has now."""

    group_id: str
    banner_image_id: str | None
    background_image_id: str | None
    favicon_image_id: str | None
    logo_image_id: str | None
    outcome: Literal["updated"]


class UpdatedGroup(TypedDict):
    """Result of ``update_group``."""

    group_id: str
    outcome: Literal["updated"]


class Subgroup(TypedDict):
    """A group below another one."""

    group_id: str
    name: str | None


class DeletedGroup(TypedDict):
    """Result of ``delete_group``; ``subgroups`` are those that would be deleted as well (``dry_run``)."""

    group_id: str
    outcome: Literal["deleted", "not_found", "would_delete"]
    subgroups: NotRequired[list[Subgroup]]


class GroupRecord(TypedDict):
    """
    A group; ``parent_id`` is ``None`` for the root group.

    All after ``custom`` exists in API v2 only, and is ``None`` if the group has none. A policy is an object with
    ``url`` and ``explicitConsent``.
    """

    group_id: str | None
    name: str | None
    public: bool | None
    parent_id: str | None
    custom: str | None
    subdomain: str | None
    url: str | None
    banner_image_id: str | None
    background_image_id: str | None
    favicon_image_id: str | None
    logo_image_id: str | None
    privacy_policy: dict[str, object] | None
    moderation_charter: dict[str, object] | None
    terms_of_use: dict[str, object] | None
    imprint: dict[str, object] | None


class GroupMember(TypedDict):
    """One role of a user in a group. In API v2, ``mail`` is ``None``, and ``role`` can be ``owner``."""

    user_id: str | None
    mail: str | None
    role: str


class GroupDetails(GroupRecord):
    """A group and its members: one item for each role."""

    members: list[GroupMember]


class AddedToGroup(TypedDict):
    """Result of ``add_user_to_group``."""

    group_id: str
    user: str
    role: Role
    outcome: Literal["added"]


class RemovedFromGroup(TypedDict):
    """Result of ``remove_user_from_group``."""

    group_id: str
    user: str
    outcome: Literal["removed"]


class Library(TypedDict):
    """The library of a group: ids of courses and of paths."""

    course_ids: list[str]
    path_ids: list[str]


class ChangedLibrary(TypedDict):
    """Result of ``add_to_library`` and ``remove_from_library``; ``items`` is the number of courses and paths."""

    group_id: str
    outcome: Literal["added", "removed"]
    items: int


class ArchivedCourses(TypedDict):
    """
    Result of ``archive_external_courses``; ``courses`` is their number.

    With ``dry_run``, it is the number of those that exist and are not archived, and ``missing`` has the external ids of
    those that do not exist.
    """

    outcome: Literal["archived", "would_archive"]
    courses: int
    missing: NotRequired[list[str]]


class ExternalCourseRecord(TypedDict):
    """A course of an external provider."""

    course_id: str
    external_id: str | None
    title: str | None
    language: str | None
    archived: bool | None
    author_id: str | None
    launch_url: str | None


class TagRecord(TypedDict):
    """A tag; ``author_mail`` is ``None`` in API v2, ``source`` (native, integration) in API v1."""

    tag_id: str | None
    name: str | None
    is_main: bool | None
    external_id: str | None
    author_mail: str | None
    source: str | None


class CreatedTag(TypedDict):
    """Result of ``create_tag``; ``tag_id`` is ``None`` if API v1 does not list the new tag yet."""

    tag_id: str | None
    name: str
    outcome: Literal["created", "updated", "already_exists"]


class UpdatedTag(TypedDict):
    """Result of ``update_tag``."""

    tag_id: str
    outcome: Literal["updated"]


class DeletedTag(TypedDict):
    """Result of ``delete_tag``."""

    tag_id: str
    outcome: Literal["deleted", "not_found"]


class CustomLinkRecord(TypedDict):
    """A custom link; ``type`` is its internal name."""

    custom_link_id: str | None
    type: str | None
    name: str | None
    order: int | None
    icon: str | None


class CreatedCustomLink(TypedDict):
    """Result of ``create_custom_link``; the id is ``None`` if API v1 does not list the new link yet."""

    custom_link_id: str | None
    type: str
    outcome: Literal["created", "updated", "already_exists"]


class UpdatedCustomLink(TypedDict):
    """Result of ``update_custom_link``."""

    type: str
    outcome: Literal["updated"]


class DeletedCustomLink(TypedDict):
    """Result of ``delete_custom_link``."""

    type: str
    outcome: Literal["deleted", "not_found"]


class CustomUserLinkRecord(TypedDict):
    """The URL of a user for a custom link; API v1 has no ids of them."""

    custom_user_link_id: str | None
    type: str | None
    name: str | None
    icon: str | None
    url: str | None


class CreatedCustomUserLink(TypedDict):
    """Result of ``create_custom_user_link``."""

    user: str
    type: str
    outcome: Literal["created", "updated", "already_exists"]


class UpdatedCustomUserLink(TypedDict):
    """Result of ``update_custom_user_link``."""

    user: str
    type: str
    outcome: Literal["updated"]


class DeletedCustomUserLink(TypedDict):
    """Result of ``delete_custom_user_link``."""

    user: str
    type: str
    outcome: Literal["deleted", "not_found"]


class IntegrationRecord(TypedDict):
    """An integration of a group with an external provider."""

    integration_id: str | None
    group_id: str | None
    external_platform: str | None
    author_id: str | None
    default_completion: bool | None
    default_progress: int | None
    no_group_propagation: bool | None
    logo_url: str | None
    unicolor_logo_url: str | None


class CreatedIntegration(TypedDict):
    """Result of ``create_integration``."""

    integration_id: str
    outcome: Literal["created", "updated", "already_exists"]


class UpdatedIntegration(TypedDict):
    """Result of ``update_integration``."""

    integration_id: str
    outcome: Literal["updated"]


class DeletedIntegration(TypedDict):
    """Result of ``delete_integration``; ``integration`` is the one that would be deleted (``dry_run``)."""

    integration_id: str
    outcome: Literal["deleted", "not_found", "would_delete"]
    integration: NotRequired[IntegrationRecord]
