"""Email addresses of users who are given by their ids, for operations of API v1 that take addresses only."""

from __future__ import annotations

from airflow_provider_360learning.api.fields import string
from airflow_provider_360learning.api.models.parsers import is_id
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.exceptions import UnexpectedResponseError


def mail_of(user: str) -> ActionSteps[str]:
    """
    Return the email address of a user (``getUser``), without a request if it is given.

    :param user: Email address or id.
    :raises NotFoundError: if the user does not exist.
    """
    if not is_id(user):
        return user
    item = yield Call("getUser", path={"user": user})
    mail = string(item, "mail")
    if mail is None or "@" not in mail:
        raise UnexpectedResponseError(f"360Learning returned no email address of {user}", operation="getUser")
    return mail
