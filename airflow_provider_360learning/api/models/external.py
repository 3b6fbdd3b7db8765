"""Arguments of the actions on courses of external providers, and on the statistics there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pydantic import Field

from airflow_provider_360learning.api.models.base import ActionArguments, Problem
from airflow_provider_360learning.api.models.choices import Difficulty, Result
from airflow_provider_360learning.api.models.fields import (
    DRY_RUN,
    GROUP,
    DryRun,
    ExternalId,
    ExternalIds,
    GroupName,
    Id,
    Mail,
    Minutes,
    MultilineText,
    Percent,
    SpentSeconds,
    Text,
    Texts,
    Timestamp,
    Url,
    WholePercent,
    id_or_name,
)


class ExternalCourse(ActionArguments):
    """A course of an external provider, as ``import_external_courses`` takes it."""

    external_id: ExternalId = Field(description="The provider's id of the course.")
    title: Text = Field(description="Title.")
    launch_url: Url = Field(description="URL that starts the course.")
    language: Text = Field(description="Language code of 360Learning, such as ``en``.")
    description: MultilineText | None = Field(default=None, description="Description, in HTML.")
    mobile_launch_url: Url | None = Field(
        default=None, description="URL that starts the course on a phone; by default ``launch_url``."
    )
    thumbnail_url: Url | None = Field(default=None, description="URL of the picture.")
    authors: Texts = Field(default=(), description="Names of the authors.")
    alternative_languages: Texts = Field(default=(), description="Language codes of other languages.")
    duration_minutes: Minutes | None = Field(default=None, description="Duration in minutes.")
    difficulty_level: Difficulty | None = Field(default=None, description="beginner, intermediate or advanced.")
    content_type: Text | None = Field(
        default=None, description="article, book, course, video, and others; passed on as it is."
    )


class Library(ActionArguments):
    """The courses of an external provider in the library of a group."""

    group_id: Id = id_or_name("Id of the group whose library has the courses.")
    group: GroupName = GROUP
    external_platform: Text = Field(description="Name of the provider.")
    integration_id: Id | None = Field(
        default=None,
        description="Id of the integration of the group with the provider. API v2 only; by default it is looked up.",
    )


class ImportExternalCourses(Library):
    """Arguments of ``import_external_courses``."""

    author_id: Id = Field(description="Id of an author or admin of the group.")
    courses: Sequence[ExternalCourse] = Field(
        description="The courses. How many a request of API v1 may have is not known; API v2 takes 10,000 per job, and "
        "several jobs for more."
    )


class ArchiveExternalCourses(Library):
    """Arguments of ``archive_external_courses``."""

    external_ids: ExternalIds = Field(description="The provider's ids of the courses.")
    dry_run: DryRun = DRY_RUN


class GetExternalCourse(Library):
    """Arguments of ``get_external_course``."""

    external_id: ExternalId = Field(description="The provider's id of the course.")


class ExternalStatistic(ActionArguments):
    """
    The attempt of a learner at a course of an external provider, as ``import_external_course_stats`` takes it.

    What API v2 requires is required. API v1 would derive what is left out in ways that are not documented.
    """

    external_id: ExternalId = Field(description="The provider's id of the course.")
    mail: Mail = Field(description="Email address of the learner.")
    progress: WholePercent = Field(description="Progress, an integer from 0 to 100.")
    time_spent_seconds: SpentSeconds = Field(description="Time spent in seconds, at least a millisecond.")
    first_activity: Timestamp = Field(
        description="When the learner was first active: a timestamp with a time zone, or seconds or milliseconds since "
        "1970."
    )
    last_activity: Timestamp = Field(description="When the learner was last active, not before ``first_activity``.")
    score: Percent | None = Field(default=None, description="Score from 0 to 100.")
    result: Result | None = Field(default=None, description="success or failed.")
    completed_at: Timestamp | None = Field(
        default=None,
        description="When the learner completed the course, between the two activities; ``progress`` must be 100. By "
        "default, a progress of 100 was completed at the last activity; API v2 accepts no other time.",
    )

    @property
    def completion(self) -> datetime | None:
        """When the learner completed the course: a progress of 100 was completed at the last activity at the latest."""
        return self.completed_at or (self.last_activity if self.progress == 100 else None)

    def given(self) -> dict[str, object]:
        """Return the values that are sent: with the completion, whether it was given or not."""
        given = super().given()
        return given if self.completion is None else {**given, "completed_at": self.completion}

    def conflicts(self) -> Iterator[Problem]:
        """Return conflicts of the times with each other, and of the completion with the progress."""
        first, last = self.first_activity, self.last_activity
        if last < first:
            yield _problem("last_activity", last, f"not before first_activity ({_iso(first)})")
        if self.completed_at is None:
            return
        if not first <= self.completed_at <= last:
            expected = f"from first_activity ({_iso(first)}) to last_activity ({_iso(last)})"
            yield _problem("completed_at", self.completed_at, expected)
        if self.progress != 100:
            yield Problem("progress", f"progress is {self.progress}, but must be 100, since completed_at is given")


class ImportExternalCourseStats(Library):
    """Arguments of ``import_external_course_stats``."""

    statistics: Sequence[ExternalStatistic] = Field(
        description="The attempts; at most 20 in API v1, and 10,000 in API v2."
    )

    def conflicts(self) -> Iterator[Problem]:
        """Return that there is nothing to import."""
        if not self.statistics:
            yield Problem("statistics", "statistics is empty")


def _problem(field: str, value: datetime, expected: str) -> Problem:
    return Problem(field, f"{field} is {_iso(value)}, but must be {expected}")


def _iso(value: datetime) -> str:
    return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
