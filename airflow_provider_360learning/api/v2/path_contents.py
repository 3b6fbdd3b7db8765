"""Courses and tokens of paths of API v2."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import WriteSpec, action, exclusively
from airflow_provider_360learning.api.fields import first_string, objects, string
from airflow_provider_360learning.api.models.paths import AddPathTokens, ReplacePathCourses
from airflow_provider_360learning.api.path_results import AddedPathTokens, ReplacedPathCourses
from airflow_provider_360learning.api.text import listed
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonValue
from airflow_provider_360learning.api.v2.lookups import Lookups
from airflow_provider_360learning.api.v2.path_definitions import new_step
from airflow_provider_360learning.exceptions import RefusedError


class PathContents(Lookups):
    """Replace the courses of paths, and add tokens."""

    @action(ReplacePathCourses, write=WriteSpec("updateSteps", key=("path_id",)))
    def replace_path_courses(self, arguments: ReplacePathCourses) -> ActionSteps[ReplacedPathCourses]:
        """
        Replace the courses that are steps of a path (``updateSteps``).

        **Courses that are not given are removed.** Those that the path has already keep their options. 360Learning can
        only replace all steps, so that they are read first (``getPath``), and written if they are not as wanted.

        :raises NotFoundError: if the path or a course does not exist; nothing was changed.
        :raises RefusedError: for an archived path, and for one with steps of other types unless
            ``remove_other_steps`` is given.
        """
        replace = self._replace_courses(arguments)
        return (yield from exclusively(self.client, f"steps {arguments.path_id.lower()}", replace))

    @action(AddPathTokens, write=WriteSpec("addTokens", key=("path_id", "group_id"), append_only=True))
    def add_path_tokens(self, arguments: AddPathTokens) -> ActionSteps[AddedPathTokens]:
        """
        Add bought tokens of a path to a group (``addTokens``), each time it runs. The request is never sent twice.

        :raises NotFoundError: if the path, the group or the author does not exist.
        :raises OutcomeUnknownError: if no response shows whether the tokens were added: check their number.
        """
        path_id, group_id = arguments.path_id, arguments.group_id
        author_id = yield from self.user_id_of(arguments.author)
        body: dict[str, JsonValue] = {
            "pathId": path_id,
            "groupId": group_id,
            "authorId": author_id,
            "numberTokensBought": arguments.tokens,
        }
        yield Call("addTokens", body=body)
        return {"path_id": path_id, "group_id": group_id, "outcome": "added", "tokens": arguments.tokens}

    def _replace_courses(self, arguments: ReplacePathCourses) -> ActionSteps[ReplacedPathCourses]:
        path = {"pathId": arguments.path_id}
        present = objects((yield Call("getPath", path=path)), "steps")
        others = sorted({string(step, "type") or "unknown" for step in present} - {"course"})
        if others and not arguments.remove_other_steps:
            raise RefusedError(
                f"The path {arguments.path_id} has steps of other types ({listed(others)}), which replacing its "
                "courses would remove: give remove_other_steps=True to remove them. Nothing was changed.",
                operation="updateSteps",
            )
        known = {first_string(step, "_id").lower(): step for step in present if string(step, "type") == "course"}
        wanted = [known.get(course_id.lower()) or new_step(course_id) for course_id in arguments.course_ids]
        is_changed = wanted != present
        if is_changed:
            yield Call("updateSteps", path=path, body={"steps": wanted})
        return {
            "path_id": arguments.path_id,
            "outcome": "replaced" if is_changed else "unchanged",
            "courses": len(wanted),
        }
