"""Texts for log lines and names of tasks: in one line, without control characters, shortened."""

from __future__ import annotations

import re
from collections.abc import Sequence

from airflow_provider_360learning.log_text import JOINERS

#: Maximum number of characters of a log line, as far as it is ours to decide: it should fit the window of a log.
MAX_LINE = 160
#: Maximum number of characters of a name within one.
MAX_NAME = 80
#: Maximum number of ids in a text, and the number of characters of one with what separates it.
MAX_IDS, _ID_WIDTH = 5, 26
#: A brace with which a template starts.
_TEMPLATE_START = re.compile(r"\{(?=[{%#])")


def one_line(text: str, width: int = MAX_NAME) -> str:
    """
    Return a text from outside as it can be logged: blanks collapsed, invisible characters removed, shortened.

    :param text: The text.
    :param width: Maximum number of characters.
    """
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(character for character in line if character.isprintable() or character in JOINERS)
    return line if len(line) <= width else line[: width - 1] + "…"


def without_templates(text: str) -> str:
    """
    Return a text in which Jinja finds nothing to render: ``{{`` becomes ``{ {``.

    For texts that quote rows and that notifiers show: what a notifier of Airflow has rendered becomes its template, so
    that one that is called twice renders the text.

    :param text: The text.
    """
    return _TEMPLATE_START.sub("{ ", text)


def listed(names: Sequence[str], width: int = MAX_NAME, total: int | None = None) -> str:
    """
    Return as many names as fit, and the number of the others: ``ana@acme.test, bob@acme.test and 1 more``.

    :param names: The names.
    :param width: Maximum number of characters.
    :param total: Number of all names, if ``names`` has only the first of them.
    """
    total = len(names) if total is None else total
    longest = max(1, width - len(f" and {total:,} more"))
    shown = [one_line(name, longest) for name in names[:width]]
    while len(text := _joined(shown, total)) > width and len(shown) > 1:
        shown.pop()
    return text


def listed_ids(ids: Sequence[str]) -> str:
    """
    Return the first ids of objects, and the number of the others.

    :param ids: The ids; those of a response have any length.
    """
    return listed(ids[:MAX_IDS], MAX_IDS * _ID_WIDTH, total=len(ids))


def counted(number: int, noun: str) -> str:
    """
    Return a number of things: ``1 user``, ``1,000 users``.

    :param number: The number.
    :param noun: What they are, in the singular.
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _joined(names: Sequence[str], total: int) -> str:
    more = total - len(names)
    if more:
        return f"{', '.join(names)} and {more:,} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
