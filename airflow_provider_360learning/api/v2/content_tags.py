"""
The tags of courses and paths, which API v2 can only replace as a whole.

A change is read, merge and replace, under a lock in the shared store of the rate limiter: two tasks that add tags to
the same course at the same time would lose one of the changes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action, exclusively
from airflow_provider_360learning.api.course_results import (
    ChangedCourseTags,
    ChangedPathTags,
    ContentTag,
)
from airflow_provider_360learning.api.fields import first_string, string
from airflow_provider_360learning.api.models.content_tags import (
    AddCourseTags,
    AddPathTags,
    ListCourseTags,
    ListPathTags,
    RemoveCourseTags,
    RemovePathTags,
    ReplaceCourseTags,
    ReplacePathTags,
)
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.exceptions import InvalidRequestError

#: Maximum number of tags of a course or a path.
MAX_TAGS = 100


@dataclass(frozen=True, slots=True)
class Tagged:
    """
    A kind of object that has tags.

    :param read: Operation that lists its tags.
    :param replace: Operation that replaces them.
    :param id_segment: Name of its id in their paths.
    """

    read: str
    replace: str
    id_segment: str


COURSE = Tagged("courses.getTags", "courses.updateTags", "courseId")
PATH = Tagged("paths.getTags", "paths.updateTags", "pathId")
_COURSE_KEY, _PATH_KEY = ("course_id", "tag_ids"), ("path_id", "tag_ids")


class ContentTagActions(ApiAdapter):
    """Read and change the tags of courses and paths."""

    @action(ListCourseTags)
    def list_course_tags(self, arguments: ListCourseTags) -> ActionSteps[list[ContentTag]]:
        """
        Return the tags of a course (``courses.getTags``).

        :raises NotFoundError: if the course does not exist.
        """
        return (yield from _read(COURSE, arguments.course_id))

    @action(AddCourseTags, write=WriteSpec(COURSE.replace, key=_COURSE_KEY))
    def add_course_tags(self, arguments: AddCourseTags) -> ActionSteps[ChangedCourseTags]:
        """
        Add tags to a course, which keeps the others (``courses.updateTags``).

        :raises NotFoundError: if the course or a tag does not exist.
        :raises InvalidRequestError: if the course would have more tags than API v2 allows.
        """
        yield from self._merge(COURSE, arguments.course_id, _adding(arguments.tag_ids))
        return {"course_id": arguments.course_id, "tags": len(arguments.tag_ids), "outcome": "added"}

    @action(RemoveCourseTags, write=WriteSpec(COURSE.replace, key=_COURSE_KEY))
    def remove_course_tags(self, arguments: RemoveCourseTags) -> ActionSteps[ChangedCourseTags]:
        """
        Remove tags from a course (``courses.updateTags``); those that it does not have are ignored.

        :raises NotFoundError: if the course does not exist.
        """
        yield from self._merge(COURSE, arguments.course_id, _removing(arguments.tag_ids))
        return {"course_id": arguments.course_id, "tags": len(arguments.tag_ids), "outcome": "removed"}

    @action(ReplaceCourseTags, write=WriteSpec(COURSE.replace, key=("course_id",)))
    def replace_course_tags(self, arguments: ReplaceCourseTags) -> ActionSteps[ChangedCourseTags]:
        """
        Replace all tags of a course (``courses.updateTags``).

        :raises NotFoundError: if the course or a tag does not exist.
        """
        yield _replacement(COURSE, arguments.course_id, arguments.tag_ids)
        return {"course_id": arguments.course_id, "tags": len(arguments.tag_ids), "outcome": "replaced"}

    @action(ListPathTags)
    def list_path_tags(self, arguments: ListPathTags) -> ActionSteps[list[ContentTag]]:
        """
        Return the tags of a path (``paths.getTags``).

        :raises NotFoundError: if the path does not exist.
        """
        return (yield from _read(PATH, arguments.path_id))

    @action(AddPathTags, write=WriteSpec(PATH.replace, key=_PATH_KEY))
    def add_path_tags(self, arguments: AddPathTags) -> ActionSteps[ChangedPathTags]:
        """
        Add tags to a path, which keeps the others (``paths.updateTags``).

        :raises NotFoundError: if the path or a tag does not exist.
        :raises RefusedError: if the path is archived.
        :raises InvalidRequestError: if the path would have more tags than API v2 allows.
        """
        yield from self._merge(PATH, arguments.path_id, _adding(arguments.tag_ids))
        return {"path_id": arguments.path_id, "tags": len(arguments.tag_ids), "outcome": "added"}

    @action(RemovePathTags, write=WriteSpec(PATH.replace, key=_PATH_KEY))
    def remove_path_tags(self, arguments: RemovePathTags) -> ActionSteps[ChangedPathTags]:
        """
        Remove tags from a path (``paths.updateTags``); those that it does not have are ignored.

        :raises NotFoundError: if the path does not exist.
        :raises RefusedError: if the path is archived.
        """
        yield from self._merge(PATH, arguments.path_id, _removing(arguments.tag_ids))
        return {"path_id": arguments.path_id, "tags": len(arguments.tag_ids), "outcome": "removed"}

    @action(ReplacePathTags, write=WriteSpec(PATH.replace, key=("path_id",)))
    def replace_path_tags(self, arguments: ReplacePathTags) -> ActionSteps[ChangedPathTags]:
        """
        Replace all tags of a path (``paths.updateTags``).

        :raises NotFoundError: if the path or a tag does not exist.
        :raises RefusedError: if the path is archived.
        """
        yield _replacement(PATH, arguments.path_id, arguments.tag_ids)
        return {"path_id": arguments.path_id, "tags": len(arguments.tag_ids), "outcome": "replaced"}

    def _merge(self, kind: Tagged, object_id: str, change: Change) -> ActionSteps[None]:
        """Replace the tags of an object by changed ones, unless they are as wanted already."""
        steps = _merge_steps(kind, object_id, change)
        yield from exclusively(self.client, f"tags {object_id.lower()}", steps)


#: Returns the ids that are wanted instead of others, all of them in lower case.
Change = Callable[[Collection[str]], Collection[str]]


def _adding(tag_ids: Collection[str]) -> Change:
    return lambda current: dict.fromkeys([*current, *map(str.lower, tag_ids)])


def _removing(tag_ids: Collection[str]) -> Change:
    removed = set(map(str.lower, tag_ids))
    return lambda current: [id for id in current if id not in removed]


def _read(kind: Tagged, object_id: str) -> ActionSteps[list[ContentTag]]:
    items = yield from all_items(Call(kind.read, path={kind.id_segment: object_id}))
    return [{"tag_id": first_string(item, "tagId"), "source": string(item, "source")} for item in items]


def _merge_steps(kind: Tagged, object_id: str, change: Change) -> ActionSteps[None]:
    tags = yield from _read(kind, object_id)
    current = [tag["tag_id"].lower() for tag in tags]
    wanted = change(current)
    if len(wanted) != len(current):
        yield _replacement(kind, object_id, wanted)


def _replacement(kind: Tagged, object_id: str, tag_ids: Collection[str]) -> Call:
    """
    Return the call that replaces the tags of an object.

    :raises InvalidRequestError: if it would have too many.
    """
    if len(tag_ids) > MAX_TAGS:
        raise InvalidRequestError(
            f"{object_id} would have {len(tag_ids)} tags, but API v2 allows at most {MAX_TAGS}. Nothing was changed.",
            operation=kind.replace,
            argument="tag_ids",
        )
    return Call(kind.replace, path={kind.id_segment: object_id}, body={"tagIds": list(tag_ids)})
