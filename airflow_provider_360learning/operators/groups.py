"""Operators for groups, their members and their libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import IfExists, IfMissing, Role
    from airflow_provider_360learning.files.storage import StoragePath


class Learning360CreateGroupOperator(Learning360BaseOperator):
    """
    Create a group (``createGroup``), unless the parent has one of this name.

    Returns ``{"group_id", "name", "outcome"}``; ``outcome`` is ``created``, ``already_exists`` or ``updated``.

    :param name: Name of the group.
    :param parent_id: Id of the parent group; by default the root group.
    :param parent: Name of the parent group instead of ``parent_id``, alone or after those of its parents.
    :param public: Whether others can find and join the group.
    :param custom: Additional information.
    :param if_exists: ``skip`` leaves an existing group unchanged; ``update`` updates ``public`` and ``custom``;
        ``fail`` fails, also when a task is retried that has created the group.
    """

    action = "create_group"
    name_arguments = ("name", "parent", "parent_id")

    def __init__(
        self,
        *,
        name: str,
        parent_id: str | None = None,
        parent: str | None = None,
        public: bool = False,
        custom: str | None = None,
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateGroupOperator(Learning360BaseOperator):
    """
    Change a group (``updateGroup``); fields that are not given keep their values.

    Returns ``{"group_id", "outcome": "updated"}``.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param name: New name.
    :param public: Whether others can find and join the group.
    :param custom: Additional information.
    :param parent_id: Id of the group to move it under.
    :param parent: Name of the parent group instead of ``parent_id``, alone or after those of its parents.
    """

    action = "update_group"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        name: str | None = None,
        public: bool | None = None,
        custom: str | None = None,
        parent_id: str | None = None,
        parent: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteGroupOperator(Learning360BaseOperator):
    """
    Delete a group **and all its subgroups** (``deleteGroup``).

    Memberships, catalogs and libraries of these groups are lost. Returns ``{"group_id", "outcome"}``; ``outcome`` is
    ``deleted`` or ``not_found``. With ``dry_run``, it is ``would_delete``, and the result has the ``subgroups`` that
    would be deleted as well. Integrations, for which 360Learning refuses the deletion, are not looked up.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``. A name that no group has is an error, also with ``if_missing``.
    :param if_missing: ``skip`` succeeds if the group does not exist; ``fail`` fails, also when a task is retried that
        has deleted the group.
    :param dry_run: Whether to change nothing, and only look up and return what would be changed.
    """

    action = "delete_group"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        if_missing: IfMissing = "skip",
        dry_run: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360AddUserToGroupOperator(Learning360BaseOperator):
    """
    Give a user a role in a group (``addUserToGroup``).

    Returns ``{"group_id", "user", "role", "outcome": "added"}``.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param user: Email address or id of the user.
    :param role: learner, coach, editor or admin; analyst, contributor and user-admin exist in API v2 only and are
        refused with API v1.
    :param create_groups: Whether to create groups whose names do not exist, under the given parent.
    :param parent_group_id: Id of the parent of new groups; among groups of one name, a child of it is meant.
    :param parent_group: Name of that parent instead of ``parent_group_id``.
    """

    action = "add_user_to_group"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("user", "group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        user: str,
        role: Role = "learner",
        create_groups: bool = False,
        parent_group_id: str | None = None,
        parent_group: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemoveUserFromGroupOperator(Learning360BaseOperator):
    """
    Remove one role, or all roles, of a user in a group (``deleteUserFromGroup``).

    The user also leaves public subgroups, down to the first private one. A user who leaves the last group is deleted
    from the platform. Returns ``{"group_id", "user", "outcome": "removed"}``.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param user: Email address or id of the user.
    :param role: Role to remove; by default all roles, which takes a request per role in API v2.
    :param from_private_subgroups: Whether to remove the user from private subgroups, too; in API v2 with a request per
        role there.
    """

    action = "remove_user_from_group"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("user", "group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        user: str,
        role: Role | None = None,
        from_private_subgroups: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360AddToLibraryOperator(Learning360BaseOperator):
    """
    Add courses and paths to the library of a group (``addToGroupLibrary``).

    Returns ``{"group_id", "outcome": "added", "items"}``; ``items`` is the number of courses and paths.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param course_ids: Ids of courses.
    :param courses: Names of courses instead of ``course_ids``.
    :param path_ids: Ids of paths. API v2 only.
    :param paths: Names of paths instead of ``path_ids``. API v2 only.
    """

    action = "add_to_library"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        course_ids: Sequence[str] = (),
        courses: Sequence[str] = (),
        path_ids: Sequence[str] = (),
        paths: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360RemoveFromLibraryOperator(Learning360BaseOperator):
    """
    Remove courses and paths from the library of a group (``deleteFromGroupLibrary``).

    Returns ``{"group_id", "outcome": "removed", "items"}``; ``items`` is the number of courses and paths.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param course_ids: Ids of courses.
    :param courses: Names of courses instead of ``course_ids``.
    :param path_ids: Ids of paths. API v2 only.
    :param paths: Names of paths instead of ``path_ids``. API v2 only.
    """

    action = "remove_from_library"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        course_ids: Sequence[str] = (),
        courses: Sequence[str] = (),
        path_ids: Sequence[str] = (),
        paths: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360SetGroupBrandingOperator(Learning360BaseOperator):
    """
    Set colors of a group and its subgroups (``upsertGroupCustomizationColors``). Only API v2 has it.

    Other colors stay. Without the Extended Training package, 360Learning accepts the root group only. Returns
    ``{"group_id", "outcome": "updated"}``.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param primary: Color of buttons, links and emails, such as ``#0a47c2``; ``default`` resets it.
    :param menu_background: Background color of the menu.
    :param my_work_background: Background color of the page My work.
    :param platform_background: Background color of the platform.
    """

    action = "set_group_branding"
    required_pairs = (("group_id", "group"),)
    name_arguments = ("group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        primary: str | None = None,
        menu_background: str | None = None,
        my_work_background: str | None = None,
        platform_background: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UploadGroupMediaOperator(Learning360BaseOperator):
    """
    Upload images of a group (``uploadGroupMedia``); images of other kinds stay. Only API v2 has it.

    Returns ``{"group_id", "banner_image_id", "background_image_id", "favicon_image_id", "logo_image_id",
    "outcome": "updated"}``: the images that the group has now.

    :param group_id: Id of the group.
    :param group: Name of the group instead of ``group_id``; where it is not unique, after those of its parents:
        ``Acme/Sales``.
    :param author: Email address or id of the user who uploads the files.
    :param banner: Path of a picture for the banner, also in an object store; an ``Upload`` in ``hook.api``.
    :param background: Path of a picture for the background, also in an object store; an ``Upload`` in ``hook.api``.
    :param favicon: Path of a picture for the favicon, also in an object store; an ``Upload`` in ``hook.api``.
    :param logo: Path of a picture for the logo, also in an object store; an ``Upload`` in ``hook.api``.
    """

    action = "upload_group_media"
    uploads = ("banner", "background", "favicon", "logo")
    required_pairs = (("group_id", "group"),)
    name_arguments = ("group", "group_id")

    def __init__(
        self,
        *,
        group_id: str | None = None,
        group: str | None = None,
        author: str,
        banner: StoragePath | None = None,
        background: StoragePath | None = None,
        favicon: StoragePath | None = None,
        logo: StoragePath | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
