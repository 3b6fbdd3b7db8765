"""Arguments of the actions on courses in an eLearning standard."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated, TypeAlias

from pydantic import Field, PlainValidator

from airflow_provider_360learning.api.models.base import ActionArguments, NameOf, Problem
from airflow_provider_360learning.api.models.choices import IfExists
from airflow_provider_360learning.api.models.fields import (
    COURSE,
    GROUP,
    CourseName,
    File,
    GroupName,
    Id,
    MultilineText,
    Text,
    User,
    Users,
    id_or_name,
)
from airflow_provider_360learning.api.models.parsers import parse_integer

#: The bound is an assumption: API v2 has one that is not published.
WholeMinutes: TypeAlias = Annotated[int, PlainValidator(partial(parse_integer, minimum=1, maximum=100_000))]

_PACKAGE = (
    "Path of the ZIP file of the course (SCORM, AICC, xAPI), also in an object store; an ``Upload`` in ``hook.api``."
)
_COVER = Field(default=None, description="Path of a picture for the cover; an ``Upload`` in ``hook.api``.")
_CO_AUTHORS = "Email addresses or ids of further authors."
_DURATION = Field(default=None, description="Estimated duration in minutes.")


class CreateElearningCourse(ActionArguments):
    """Arguments of ``create_elearning_course``."""

    name: Text = Field(description="Title of the course.")
    lang: Text = Field(description="Language of the course, such as ``en`` or ``fr``.")
    author: User = Field(description="Email address or id of the author, who must be an editor.")
    group_id: Id = id_or_name("Id of the group.")
    group: GroupName = GROUP
    package: File = Field(description=_PACKAGE)
    co_authors: Users = Field(default=(), description=_CO_AUTHORS)
    description: MultilineText | None = Field(default=None, description="Description of the course.")
    duration_minutes: WholeMinutes | None = _DURATION
    cover_picture: File | None = _COVER
    if_exists: IfExists = Field(
        default="skip",
        description="``skip`` leaves an existing course of this name, author and group unchanged; ``update`` updates "
        "the other fields and the file; ``fail`` fails, also when a task is retried that has created the course.",
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that the author is a co-author, too."""
        yield from _author_conflicts(self)


class UpdateElearningCourse(ActionArguments):
    """Arguments of ``update_elearning_course``."""

    course_id: Id = id_or_name("Id of the course.")
    course: CourseName = COURSE
    name: Text | None = Field(default=None, description="New title.")
    lang: Text | None = Field(default=None, description="Language of the course, such as ``en`` or ``fr``.")
    author: User | None = Field(default=None, description="Email address or id of the author, who must be an editor.")
    group_id: Id | None = Field(default=None, description="Id of the group that owns the course.")
    group: Annotated[Text | None, NameOf("group", "group_id")] = GROUP
    package: File | None = Field(default=None, description=_PACKAGE)
    co_authors: Users = Field(default=(), description=f"{_CO_AUTHORS} They replace all present ones.")
    description: MultilineText | None = Field(default=None, description="Description of the course.")
    duration_minutes: WholeMinutes | None = _DURATION
    cover_picture: File | None = _COVER

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to change, or that the author is a co-author, too."""
        if not self.given().keys() - {"course_id", "course"}:
            yield Problem(None, "update_elearning_course needs at least one field to change")
        yield from _author_conflicts(self)


def _author_conflicts(arguments: CreateElearningCourse | UpdateElearningCourse) -> Iterator[Problem]:
    author = arguments.author
    if author is not None and author.lower() in map(str.lower, arguments.co_authors):
        yield Problem("co_authors", f"co_authors has {author}, who is the author")
