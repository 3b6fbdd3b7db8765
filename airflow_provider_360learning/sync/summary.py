"""The summary of a plan for a person: keys and counts, no values."""

from __future__ import annotations

from collections.abc import Sequence

#: Maximum number of lines: Airflow stores the summary with an approval.
MAX_LINES = 200


def label(key: str, *, rows: Sequence[int] = (), user_id: str | None = None) -> str:
    """
    Return what names a person in logs and summaries: the key, unless it is an email address.

    :param key: The key.
    :param rows: Numbers of the rows of the person, which stand in the place of an email address.
    :param user_id: Id of the user, which does where there are no rows.
    """
    raise NotImplementedError
