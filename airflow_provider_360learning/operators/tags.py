"""Operators for tags of courses and paths."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_provider_360learning.operators.base import Learning360BaseOperator

if TYPE_CHECKING:
    from airflow_provider_360learning.api.models.choices import IfExists, IfMissing


class Learning360CreateTagOperator(Learning360BaseOperator):
    """
    Create a tag (``createTag``), unless one has this name.

    Returns ``{"tag_id", "name", "outcome"}``; ``outcome`` is ``created``, ``already_exists`` or ``updated``.

    :param name: Name of the tag.
    :param is_main: Whether it is a main tag.
    :param external_id: Id of the tag in another system.
    :param if_exists: ``skip`` leaves an existing tag unchanged; ``update`` updates ``is_main`` and ``external_id``;
        ``fail`` fails, also when a task is retried that has created the tag.
    """

    action = "create_tag"
    name_arguments = ("name",)

    def __init__(
        self,
        *,
        name: str,
        is_main: bool = False,
        external_id: str | None = None,
        if_exists: IfExists = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360UpdateTagOperator(Learning360BaseOperator):
    """
    Change a tag (``updateTag``); fields that are not given keep their values.

    Returns ``{"tag_id", "outcome": "updated"}``.

    :param tag_id: Id of the tag.
    :param tag: Name of the tag instead of ``tag_id``.
    :param name: New name.
    :param is_main: Whether it is a main tag.
    :param external_id: Id of the tag in another system.
    """

    action = "update_tag"
    required_pairs = (("tag_id", "tag"),)
    name_arguments = ("tag", "tag_id")

    def __init__(
        self,
        *,
        tag_id: str | None = None,
        tag: str | None = None,
        name: str | None = None,
        is_main: bool | None = None,
        external_id: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())


class Learning360DeleteTagOperator(Learning360BaseOperator):
    """
    Delete a tag (``deleteTag``), which courses and paths then do not have any more. Only API v2 has it.

    Returns ``{"tag_id", "outcome"}``; ``outcome`` is ``deleted`` or ``not_found``.

    :param tag_id: Id of the tag.
    :param tag: Name of the tag instead of ``tag_id``. A name that no tag has is an error, also with ``if_missing``.
    :param if_missing: ``skip`` succeeds if the tag does not exist; ``fail`` fails, also when a task is retried that has
        deleted the tag.
    """

    action = "delete_tag"
    required_pairs = (("tag_id", "tag"),)
    name_arguments = ("tag", "tag_id")

    def __init__(
        self,
        *,
        tag_id: str | None = None,
        tag: str | None = None,
        if_missing: IfMissing = "skip",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self._assign_arguments(locals())
