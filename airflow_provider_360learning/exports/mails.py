"""Email addresses of the users in an export, where a version of the API returns ids only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache

from airflow_provider_360learning.api.course_attempts import ReadsCourseAttempts, UserMail
from airflow_provider_360learning.files.key_table import KeyTable
from airflow_provider_360learning.log_text import get_logger

log = get_logger(__name__)

#: Users in memory, about 20 MB; the others are in a temporary file.
MAX_CACHED = 100_000

_DELETED, _NOT_DELETED = "-", "+"


class Mails:
    """
    Email addresses by user id, in constant memory.

    :param users: The users.
    :param max_cached: Maximum number of users in memory.
    """

    def __init__(self, users: Iterable[UserMail], max_cached: int = MAX_CACHED) -> None:
        self._table = KeyTable()
        for user in users:
            mark = _DELETED if user.deleted else _NOT_DELETED
            self._table.put(user.user_id.lower(), mark + (user.mail or ""))
        #: Returns the email address of a user, and whether the user is deleted; ``None`` for what is not known.
        self.find = lru_cache(max_cached)(self._find)
        self.close = self._table.close

    def __len__(self) -> int:
        return len(self._table)

    def mail_of(self, user_id: str | None) -> str | None:
        """
        Return the email address of a user.

        :param user_id: The id.
        :return: ``None`` if it is not known.
        """
        return self.find(user_id)[0]

    def _find(self, user_id: str | None) -> tuple[str | None, bool | None]:
        found = None if user_id is None else self._table.get(user_id.lower())
        return (found[1:] or None, found[0] == _DELETED) if found else (None, None)


@contextmanager
def mails_of(api: ReadsCourseAttempts, with_mails: bool) -> Iterator[Mails | None]:
    """
    Read the email addresses of all users, once for the whole export.

    :param api: The API adapter.
    :param with_mails: Whether they are asked for.
    :return: ``None`` if they are not, or if rows have email addresses anyway.
    """
    if not with_mails:
        yield None
        return
    mails = Mails(api.mails_in_statistics())
    try:
        if count := len(mails):
            log.info("Email addresses of users were read: users=%s", count)
        yield mails if count else None
    finally:
        mails.close()
