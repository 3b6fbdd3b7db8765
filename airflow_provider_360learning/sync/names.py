"""What names a person in logs, summaries and texts of a plan: never an email address."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_360learning.api.text import one_line, without_templates

#: Maximum number of characters of a key in one line.
MAX_KEY = 60


def label(key: str, *, rows: Sequence[int] = (), user_id: str | None = None) -> str:
    """
    Return what names a person: the key, unless it is an email address.

    :param key: The key.
    :param rows: Numbers of the rows of the person, which stand in the place of an email address.
    :param user_id: Id of the user, which does where there are no rows.
    """
    if "@" not in key:
        return without_templates(one_line(key, MAX_KEY))
    if rows:
        return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:3]))}" + "…" * (len(rows) > 3)
    return "a person" if user_id is None else f"user {user_id}"


def described(key: str | None, problem: str) -> str:
    """
    Return what is invalid in a row, with the key of its person unless that is an email address.

    :param key: The key, if it is known.
    :param problem: What is invalid.
    """
    return problem if key is None or "@" in key else f"{one_line(key)}: {problem}"
