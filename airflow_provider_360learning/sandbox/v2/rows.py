"""
What the rows of all bulk jobs have in common: their types, and how a row is refused.

Assumptions: a row that is not in the documented format is refused by itself; the words of row errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from airflow_provider_360learning.sandbox.clock import parse_iso
from airflow_provider_360learning.sandbox.company import Company
from airflow_provider_360learning.sandbox.state.jobs import RowError
from airflow_provider_360learning.sandbox.state.model import Person

AnyRow = TypeVar("AnyRow", bound="Row")
Item = TypeVar("Item")

#: Does one row and returns the id of what it changed, or raises :class:`RowError`.
Apply = Callable[[Mapping[str, Any]], str]


def _date(value: object) -> float:
    date = parse_iso(value)
    if date is None:
        raise ValueError("not an ISO 8601 date")
    return date


Text = Annotated[str, Field(min_length=1)]
Id = Annotated[str, Field(pattern="^[a-fA-F0-9]{24}$")]
Percentage = Annotated[float, Field(ge=0, le=100)]
Date = Annotated[float, BeforeValidator(_date)]


class Row(BaseModel):
    """A row, whose fields are those of the OpenAPI file in snake case."""

    model_config = ConfigDict(strict=True, alias_generator=to_camel)


def read_row(kind: type[AnyRow], row: Mapping[str, Any]) -> AnyRow:
    """
    Return a row with the fields of its kind.

    :raises RowError: if it is not in the documented format.
    """
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        problem = error.errors()[0]
        text = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    raise RowError(text)


def known(item: Item | None, what: str) -> Item:
    """
    Return an item that a row names.

    :param item: the item; ``None`` if it does not exist.
    :param what: what it is.
    :raises RowError: if it does not exist.
    """
    if item is None:
        raise RowError(f"There is no such {what}.")
    return item


def person_of(company: Company, user_id: str) -> Person:
    """Return a user by id, also a deleted one, or refuse the row."""
    return known(company.state.people.get(user_id), "user")
