"""Tags in API v1, which calls them skills. It cannot delete one."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.existing import find_tag, outcome_of_existing
from airflow_provider_360learning.api.fields import boolean, string
from airflow_provider_360learning.api.models.tags import CreateTag, ListTags, UpdateTag
from airflow_provider_360learning.api.request import without_nones
from airflow_provider_360learning.api.results import (
    CreatedTag,
    TagRecord,
    UpdatedTag,
)
from airflow_provider_360learning.api.types import ActionSteps, Call, ResponseObject
from airflow_provider_360learning.exceptions import OutcomeUnknownError


def _neutral_tag(item: ResponseObject) -> TagRecord:
    return {
        "tag_id": string(item, "_id"),
        "name": string(item, "name"),
        "is_main": boolean(item, "isMain"),
        "external_id": string(item, "externalId"),
        "author_mail": string(item, "author"),
        "source": None,
    }


class TagActions(ApiAdapter):
    """List, create and change tags."""

    @action(ListTags)
    def list_tags(self, arguments: ListTags) -> ActionSteps[list[TagRecord]]:
        """Return all tags (``getSkills``)."""
        items = yield Call("getSkills")
        return [_neutral_tag(item) for item in items]

    @action(CreateTag, write=WriteSpec("postSkills", key=("name",), makes="tag_id"))
    def create_tag(self, arguments: CreateTag) -> ActionSteps[CreatedTag]:
        """
        Create a tag (``postSkills``), unless one has this name.

        All tags are listed first, and once more for the id of the new one, because the response is not documented. If
        the outcome of the creation is unknown, the listing decides, and the creation is never sent twice.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the tag exists.
        :raises RefusedError: if several tags have this name.
        :raises OutcomeUnknownError: if the outcome is unknown, and the tag is not listed (yet) or the listing fails.
        """
        name, is_main, external_id = arguments.name, arguments.is_main, arguments.external_id
        found = yield from self._find_tag(name)
        if found is not None:
            update = self.update_tag.steps(tag_id=found, is_main=is_main, external_id=external_id)
            described = f"The tag {name!r:.200}"
            outcome = yield from outcome_of_existing(arguments.if_exists, described, found, update, "postSkills")
            return {"tag_id": found, "name": name, "outcome": outcome}
        try:
            yield Call("postSkills", rows=[without_nones({"name": name, "isMain": is_main, "externalId": external_id})])
        except OutcomeUnknownError as unknown:
            found = yield from confirm_by_lookup(unknown, self._find_tag(name))
            return {"tag_id": found, "name": name, "outcome": "created"}
        return {"tag_id": (yield from self._find_tag(name)), "name": name, "outcome": "created"}

    @action(UpdateTag, write=WriteSpec("updateSkill", key=("tag_id",)))
    def update_tag(self, arguments: UpdateTag) -> ActionSteps[UpdatedTag]:
        """Change a tag (``updateSkill``); fields that are not given keep their values."""
        body = {"name": arguments.name, "isMain": arguments.is_main, "externalId": arguments.external_id}
        yield Call("updateSkill", path={"skill_id": arguments.tag_id}, body=body)
        return {"tag_id": arguments.tag_id, "outcome": "updated"}

    def _find_tag(self, name: str) -> ActionSteps[str | None]:
        return find_tag((yield from self.list_tags.steps()), name, "postSkills")
