"""What the actions on custom links did."""

from __future__ import annotations

from airflow_provider_360learning.api.models.custom_links import (
    CreateCustomLink,
    CreateCustomUserLink,
    DeleteCustomLink,
    DeleteCustomUserLink,
    UpdateCustomLink,
    UpdateCustomUserLink,
)
from airflow_provider_360learning.api.results import (
    CreatedCustomLink,
    CreatedCustomUserLink,
    DeletedCustomLink,
    DeletedCustomUserLink,
    UpdatedCustomLink,
    UpdatedCustomUserLink,
)
from airflow_provider_360learning.api.sentences.parts import (
    changed,
    creation,
    deletion,
    label,
    outcome_sentence,
    quoted,
)


@outcome_sentence.register
def _created_custom_link(arguments: CreateCustomLink, result: CreatedCustomLink) -> str:
    return creation("custom link", label(result["type"], result["custom_link_id"]), result["outcome"])


@outcome_sentence.register
def _updated_custom_link(arguments: UpdateCustomLink, result: UpdatedCustomLink) -> str:
    return f"Updated {changed(arguments, {'type'})} of custom link {quoted(arguments.type)}"


@outcome_sentence.register
def _deleted_custom_link(arguments: DeleteCustomLink, result: DeletedCustomLink) -> str:
    return deletion("custom link", quoted(result["type"]), result["outcome"] == "deleted", " and its URLs of users")


@outcome_sentence.register
def _created_custom_user_link(arguments: CreateCustomUserLink, result: CreatedCustomUserLink) -> str:
    return creation("URL", _url_of(arguments), result["outcome"])


@outcome_sentence.register
def _updated_custom_user_link(arguments: UpdateCustomUserLink, result: UpdatedCustomUserLink) -> str:
    moved = f"; it belongs to {quoted(arguments.new_type)} now" if arguments.new_type else ""
    return f"Updated URL {_url_of(arguments)}{moved}"


@outcome_sentence.register
def _deleted_custom_user_link(arguments: DeleteCustomUserLink, result: DeletedCustomUserLink) -> str:
    return deletion("URL", _url_of(arguments), result["outcome"] == "deleted")


def _url_of(arguments: CreateCustomUserLink | UpdateCustomUserLink | DeleteCustomUserLink) -> str:
    """Return which URL it is, without the URL itself: it may have a secret of its user."""
    return f"of custom link {quoted(arguments.type)} of user {quoted(arguments.user)}"
