"""What the actions on tags did."""

from __future__ import annotations

from airflow_provider_360learning.api.course_results import ChangedCourseTags, ChangedPathTags
from airflow_provider_360learning.api.models.content_tags import (
    AddCourseTags,
    AddPathTags,
    ChangeCourseTags,
    ChangePathTags,
    RemoveCourseTags,
    RemovePathTags,
    ReplaceCourseTags,
    ReplacePathTags,
)
from airflow_provider_360learning.api.models.tags import CreateTag, DeleteTag, UpdateTag
from airflow_provider_360learning.api.results import CreatedTag, DeletedTag, UpdatedTag
from airflow_provider_360learning.api.sentences.parts import (
    changed,
    creation,
    deletion,
    label,
    outcome_sentence,
    quoted,
)
from airflow_provider_360learning.api.text import listed


@outcome_sentence.register(AddCourseTags)
@outcome_sentence.register(RemoveCourseTags)
@outcome_sentence.register(ReplaceCourseTags)
def _changed_course_tags(
    arguments: AddCourseTags | RemoveCourseTags | ReplaceCourseTags, result: ChangedCourseTags
) -> str:
    return _changed_tags(arguments, result, f"course {label(arguments.course, result['course_id'])}")


@outcome_sentence.register(AddPathTags)
@outcome_sentence.register(RemovePathTags)
@outcome_sentence.register(ReplacePathTags)
def _changed_path_tags(arguments: AddPathTags | RemovePathTags | ReplacePathTags, result: ChangedPathTags) -> str:
    return _changed_tags(arguments, result, f"path {label(arguments.path, result['path_id'])}")


@outcome_sentence.register
def _created_tag(arguments: CreateTag, result: CreatedTag) -> str:
    return creation("tag", label(result["name"], result["tag_id"]), result["outcome"])


@outcome_sentence.register
def _updated_tag(arguments: UpdateTag, result: UpdatedTag) -> str:
    return f"Updated {changed(arguments, {'tag_id', 'tag'})} of tag {label(arguments.tag, result['tag_id'])}"


@outcome_sentence.register
def _deleted_tag(arguments: DeleteTag, result: DeletedTag) -> str:
    return deletion("tag", label(arguments.tag, result["tag_id"]), result["outcome"] == "deleted")


def _changed_tags(
    arguments: ChangeCourseTags | ChangePathTags | ReplaceCourseTags | ReplacePathTags,
    result: ChangedCourseTags | ChangedPathTags,
    subject: str,
) -> str:
    names = [quoted(tag) for tag in arguments.tags or arguments.tag_ids]
    tags = f"tag {names[0]}" if len(names) == 1 else f"tags {listed(names)}"
    if result["outcome"] == "replaced":
        return f"Replaced the tags of {subject} with {tags}" if names else f"Removed all tags of {subject}"
    return f"{result['outcome'].capitalize()} {tags} {'to' if result['outcome'] == 'added' else 'from'} {subject}"
