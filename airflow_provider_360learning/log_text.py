"""
Text from outside in logs and errors: nothing in it starts a new line, controls a terminal or reorders other text.

The text may be that of a server, a file or another task. Each module of the package gets its logger here, and errors
escape their messages, so that no call site has to remember it.
"""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Callable

#: Parts of words in some scripts, although they are not printable.
JOINERS = "\u200c\u200d"


def escape_controls(text: str) -> str:
    """
    Return a text with escapes in the place of control, format and unassigned characters and of line ends.

    Blanks of Unicode stay: French sentences contain them.

    :param text: The text.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or _is_harmless(one) else _escaped(one) for one in text)


def get_logger(name: str) -> logging.Logger:
    """
    Return the logger of a module, whose messages are escaped by :func:`escape_controls`.

    :param name: ``__name__`` of the module.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_ESCAPE_CONTROLS)  # added once, however often it is called
    return logger


def rewrite(record: logging.LogRecord, change: Callable[[str], str]) -> None:
    """
    Change the message of a record; one that cannot be formatted is left to the handlers, which report it.

    :param record: The record.
    :param change: Returns the new message.
    """
    try:
        message = record.getMessage()
    except Exception:  # of any type: arguments may be of any class
        return
    if (changed := change(message)) != message:
        record.msg, record.args = changed, ()


class _EscapeControls(logging.Filter):
    """Filter that escapes the message of each record."""

    def filter(self, record: logging.LogRecord) -> bool:
        rewrite(record, escape_controls)
        return True


_ESCAPE_CONTROLS = _EscapeControls()


def _is_harmless(character: str) -> bool:
    return character in JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
