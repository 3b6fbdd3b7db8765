"""Tags in API v2, which courses and paths have. Its skills are something else."""

from __future__ import annotations

from airflow_provider_360learning.api.actions import ApiAdapter, WriteSpec, action, confirm_by_lookup
from airflow_provider_360learning.api.existing import find_tag, outcome_of_existing
from airflow_provider_360learning.api.fields import boolean, first_string, string
from airflow_provider_360learning.api.models.tags import CreateTag, DeleteTag, ListTags, UpdateTag
from airflow_provider_360learning.api.pages import all_items
from airflow_provider_360learning.api.results import (
    CreatedTag,
    DeletedTag,
    TagRecord,
    UpdatedTag,
)
from airflow_provider_360learning.api.types import ActionSteps, Call, JsonObject, ResponseObject
from airflow_provider_360learning.exceptions import NotFoundError, OutcomeUnknownError


def _neutral_tag(item: ResponseObject) -> TagRecord:
    return {
        "tag_id": string(item, "_id"),
        "name": string(item, "name"),
        "is_main": boolean(item, "isMain"),
        "external_id": string(item, "externalId"),
        "author_mail": None,
        "source": string(item, "source"),
    }


class TagActions(ApiAdapter):
    """List, create, change and delete tags."""

    @action(ListTags)
    def list_tags(self, arguments: ListTags) -> ActionSteps[list[TagRecord]]:
        """Return all tags (``tags.getTags``), 5,000 per request."""
        items = yield from all_items(Call("tags.getTags"))
        return [_neutral_tag(item) for item in items]

    @action(CreateTag, write=WriteSpec("createTag", key=("name",), makes="tag_id"))
    def create_tag(self, arguments: CreateTag) -> ActionSteps[CreatedTag]:
        """
        Create a tag (``createTag``), unless one has this name; all tags are listed first.

        If the outcome of the creation is unknown, they are listed again, and the creation is never sent twice.

        :return: ``outcome`` is ``created``, ``already_exists`` or ``updated``.
        :raises AlreadyExistsError: with ``if_exists="fail"``, if the tag exists.
        :raises OutcomeUnknownError: if the outcome is unknown, and the tag is not listed (yet) or the listing fails.
        """
        name, is_main, external_id = arguments.name, arguments.is_main, arguments.external_id
        found = yield from self._find_tag(name)
        if found is not None:
            update = self.update_tag.steps(tag_id=found, is_main=is_main, external_id=external_id)
            described = f"The tag {name!r:.200}"
            outcome = yield from outcome_of_existing(arguments.if_exists, described, found, update, "createTag")
            return {"tag_id": found, "name": name, "outcome": outcome}
        try:
            response = yield Call("createTag", body={"name": name, "isMain": is_main, "externalId": external_id})
        except OutcomeUnknownError as unknown:
            found = yield from confirm_by_lookup(unknown, self._find_tag(name))
            return {"tag_id": found, "name": name, "outcome": "created"}
        return {"tag_id": first_string(response, "_id"), "name": name, "outcome": "created"}

    @action(UpdateTag, write=WriteSpec("updateTag", key=("tag_id",)))
    def update_tag(self, arguments: UpdateTag) -> ActionSteps[UpdatedTag]:
        """
        Change a tag (``updateTag``); fields that are not given keep their values, which are read first (``getTag``).

        :raises NotFoundError: if the tag does not exist.
        :raises AlreadyExistsError: if another tag has the new name.
        """
        tag_id = arguments.tag_id
        known = yield Call("getTag", path={"tagId": tag_id})
        body: JsonObject = {
            "name": arguments.name or first_string(known, "name"),
            "isMain": boolean(known, "isMain") or False if arguments.is_main is None else arguments.is_main,
            "externalId": arguments.external_id or string(known, "externalId"),
        }
        yield Call("updateTag", path={"tagId": tag_id}, body=body)
        return {"tag_id": tag_id, "outcome": "updated"}

    @action(DeleteTag, write=WriteSpec("deleteTag", key=("tag_id",)))
    def delete_tag(self, arguments: DeleteTag) -> ActionSteps[DeletedTag]:
        """
        Delete a tag (``deleteTag``), which courses and paths then do not have any more.

        :raises NotFoundError: with ``if_missing="fail"``, if the tag does not exist.
        """
        tag_id = arguments.tag_id
        try:
            yield Call("deleteTag", path={"tagId": tag_id})
        except NotFoundError as error:
            if error.after_unknown_outcome:
                return {"tag_id": tag_id, "outcome": "deleted"}
            if arguments.if_missing == "fail":
                raise
            return {"tag_id": tag_id, "outcome": "not_found"}
        return {"tag_id": tag_id, "outcome": "deleted"}

    def _find_tag(self, name: str) -> ActionSteps[str | None]:
        return find_tag((yield from self.list_tags.steps()), name, "createTag")
