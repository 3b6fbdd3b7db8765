"""Arguments of the actions on the tags of courses and paths."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, TypeAlias

from pydantic import Field, PlainValidator

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf
from airflow_provider_360learning.api.models.fields import (
    COURSE,
    PATH,
    CourseName,
    FilledIds,
    Id,
    Ids,
    Text,
    Texts,
    id_or_name,
)
from airflow_provider_360learning.api.models.parsers import parse_filled_list, parse_text

_FilledTexts: TypeAlias = Annotated[Sequence[str], PlainValidator(partial(parse_filled_list, parse_text))]
_TAG_NAMES = NameOf("tag", "tag_ids", is_required=True)
#: At least one name.
_SomeTags: TypeAlias = Annotated[_FilledTexts | None, _TAG_NAMES]
_AllTags: TypeAlias = Annotated[Texts | None, _TAG_NAMES]
_TAGS = Field(default=None, description="Names of the tags instead of ``tag_ids``.")
_ALL = "Ids of the tags that are to be there, at most 100; an empty list removes all tags."


class ListCourseTags(ActionArguments):
    """Arguments of ``list_course_tags``."""

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE


class ChangeCourseTags(ListCourseTags):
    """Arguments of ``add_course_tags`` and ``remove_course_tags``."""

    tag_ids: FilledIds = id_or_name("Ids of the tags.")
    tags: _SomeTags = _TAGS


class AddCourseTags(ChangeCourseTags):
    """Arguments of ``add_course_tags``."""


class RemoveCourseTags(ChangeCourseTags):
    """Arguments of ``remove_course_tags``."""


class ReplaceCourseTags(ListCourseTags):
    """Arguments of ``replace_course_tags``."""

    tag_ids: Ids = id_or_name(_ALL)
    tags: _AllTags = _TAGS


class ListPathTags(ActionArguments):
    """Arguments of ``list_path_tags``."""

    path_id: Id = id_or_name("Id of the path.")
    path: Annotated[Text | None, NameOf("path", "path_id", is_required=True)] = PATH


class ChangePathTags(ListPathTags):
    """Arguments of ``add_path_tags`` and ``remove_path_tags``."""

    tag_ids: FilledIds = id_or_name("Ids of the tags.")
    tags: _SomeTags = _TAGS


class AddPathTags(ChangePathTags):
    """Arguments of ``add_path_tags``."""


class RemovePathTags(ChangePathTags):
    """Arguments of ``remove_path_tags``."""


class ReplacePathTags(ListPathTags):
    """Arguments of ``replace_path_tags``."""

    tag_ids: Ids = id_or_name(_ALL)
    tags: _AllTags = _TAGS
