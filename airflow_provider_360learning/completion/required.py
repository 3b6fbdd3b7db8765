"""How many users a wait is for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Annotated, TypeAlias

from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from airflow_provider_360learning.api.models.parsers import invalid, parse_integer, parse_number, parse_users, problem
from airflow_provider_360learning.completion.users import AwaitedUsers


def parse_required(value: object) -> str | int | float:
    """
    Read how many users are required, also from text.

    :return: ``all``, ``any``, an integer (that many users), or a float (that share of them).
    :raises PydanticCustomError: for anything else.
    """
    if isinstance(value, str) and value in ("all", "any"):
        return value
    is_share = isinstance(value, float) or (isinstance(value, str) and "." in value)
    try:
        number = parse_number(value, 0, 1) if is_share else parse_integer(value, 1)
    except PydanticCustomError:
        number = 0
    if not number:
        raise invalid(value, "'all', 'any', an integer of at least 1, or a share such as 0.8")
    return number


def parse_filled_users(value: object) -> Sequence[str]:
    """
    Read a list of users; those of bulk tasks are valid.

    :raises PydanticCustomError: if a user is invalid, or there is none.
    """
    if isinstance(value, AwaitedUsers):
        return value
    users = parse_users(value)
    if not users:
        raise problem("is empty; leave it out to wait for all users")
    return users


def needed_of(required: str | int | float, audience: int) -> int:
    """
    Return how many users must be done. A share is rounded up.

    :param required: A value of :func:`parse_required`.
    :param audience: Number of users that the wait is for.
    """
    if required == "all":
        return audience
    if required == "any":
        return 1
    if isinstance(required, int):
        return required
    # Rounded before it is rounded up, because 0.07 * 100 is slightly more than 7 in binary.
    return max(1, math.ceil(round(float(required) * audience, 9)))


Required: TypeAlias = Annotated[str | int | float, PlainValidator(parse_required)]
AtLeastOne: TypeAlias = Annotated[int, PlainValidator(partial(parse_integer, minimum=1))]
#: Users that a wait is for.
WaitedUsers: TypeAlias = Annotated[Sequence[str], PlainValidator(parse_filled_users)]
