"""Objects that a creation finds: what becomes of them, and which one has a name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from airflow_provider_360learning.api.models.choices import IfExists
from airflow_provider_360learning.api.models.parsers import normalized
from airflow_provider_360learning.api.results import TagRecord
from airflow_provider_360learning.api.text import listed_ids
from airflow_provider_360learning.api.types import ActionSteps
from airflow_provider_360learning.exceptions import AlreadyExistsError, RefusedError


def outcome_of_existing(
    if_exists: IfExists, described: str, found: str | None, update: ActionSteps[object], operation: str
) -> ActionSteps[Literal["updated", "already_exists"]]:
    """
    Do what ``if_exists`` says about an object that exists, and return the outcome.

    :param if_exists: The argument.
    :param described: Kind and name of the object, for the error: ``The group 'Sales'``.
    :param found: Its id, if it has one.
    :param update: The steps that update it.
    :param operation: The operation that would have created it.
    :raises AlreadyExistsError: with ``fail``.
    """
    if if_exists == "fail":
        raise AlreadyExistsError(f"{described} exists already" + (f": {found}" if found else ""), operation=operation)
    if if_exists == "skip":
        return "already_exists"
    yield from update
    return "updated"


def one_of(kind: str, name: str, found: Sequence[str], operation: str) -> str | None:
    """
    Return the id of the object with a name, ``None`` if no object has it.

    :param kind: Kind of the object, in the plural.
    :param name: The name.
    :param found: The ids of the objects that have it.
    :param operation: The operation that needs the object.
    :raises RefusedError: if there are several, so that the choice would be arbitrary.
    """
    if len(found) > 1:
        raise RefusedError(
            f"{len(found)} {kind} have the name {name!r:.200} ({listed_ids(found)}): rename all but one",
            operation=operation,
        )
    return found[0] if found else None


def find_tag(tags: Iterable[TagRecord], name: str, operation: str) -> str | None:
    """
    Return the id of the tag with a name, if it exists.

    :param tags: All tags.
    :param name: The name, normalized.
    :param operation: The operation that needs the tag.
    :raises RefusedError: if several tags have this name.
    """
    found = [str(tag["tag_id"]) for tag in tags if tag["tag_id"] and normalized(tag["name"]) == name]
    return one_of("tags", name, found, operation)
