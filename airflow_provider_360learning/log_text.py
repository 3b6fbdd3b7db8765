"""
Text from outside in logs and errors: nothing in it starts a new line, controls a terminal or reorders other text.

The text may be that of a server, a file or another task. Each module of the package gets its logger here, and errors
escape their messages, so that no call site has to remember it.
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

#: Parts of words in some scripts, although they are not printable.
JOINERS = "\u200c\u200d"

#: Maximum number of characters of an error or of a log line, whatever it quotes.
MAX_TEXT = 8192

_IN_ADDRESS = r"[^\s\"'`<>(),;:=/|{}\[\]]"
#: An email address, also in a URL. What follows the scheme of a path is the connection of its store.
_ADDRESS = re.compile(rf"(?:(://)|(?<!{_IN_ADDRESS})){_IN_ADDRESS}+?(?:@|%(?:25)*40){_IN_ADDRESS}*\w")
_HIDES_ADDRESSES: ContextVar[bool] = ContextVar("hides_addresses", default=False)


def escape_controls(text: str) -> str:
    """
    Return a text with escapes in the place of control, format and unassigned characters and of line ends.

    Blanks of Unicode stay: French sentences contain them.

    :param text: The text.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or _is_harmless(one) else _escaped(one) for one in text)


def limit_text(text: str, maximum: int = MAX_TEXT) -> str:
    """
    Return a text without control characters, as an error or a log line has it: shortened if it is absurdly long.

    A value that a text quotes has a limit of its own. This one holds where that was forgotten.

    :param text: The text.
    :param maximum: Maximum number of characters, more than a hundred.
    """
    escaped = escape_controls(text[: maximum + 1])
    if len(escaped) <= maximum:
        return escaped
    mark = f"… (shortened: {len(text):,} characters)"
    return escaped[: maximum - len(mark)] + mark


def get_logger(name: str) -> logging.Logger:
    """
    Return the logger of a module, whose messages are escaped and limited by :func:`limit_text`.

    :param name: ``__name__`` of the module.
    """
    logger = logging.getLogger(name)
    logger.addFilter(_ESCAPE_CONTROLS)  # added once, however often it is called
    return logger


def mask_addresses(text: str) -> str:
    """
    Replace email addresses in a text, also those in the paths of requests.

    :param text: The text.
    """
    return _ADDRESS.sub(lambda found: found.group() if found.group(1) else "***", text)


@contextmanager
def hide_addresses() -> Iterator[None]:
    """Mask email addresses in log lines that are written meanwhile, and in errors that are raised."""
    token = _HIDES_ADDRESSES.set(True)
    try:
        yield
    except Exception as error:
        rewrite_error(error, mask_addresses)
        raise
    finally:
        _HIDES_ADDRESSES.reset(token)


def without_hidden(text: str) -> str:
    """
    Return a text as a log may show it: with masks in the place of email addresses if these are hidden.

    :param text: The text.
    """
    return mask_addresses(text) if _HIDES_ADDRESSES.get() else text


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


def rewrite_error(error: BaseException, change: Callable[[str], str]) -> None:
    """
    Change the texts of an error and of all that led to it, which a log shows with it.

    :param error: The error.
    :param change: Returns the new text.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        one = left.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.args = tuple(change(each) if isinstance(each, str) else each for each in one.args)
            left += [one.__cause__, one.__context__]


class _EscapeControls(logging.Filter):
    """Filter that escapes the message of each record, and hides email addresses if it is to."""

    def filter(self, record: logging.LogRecord) -> bool:
        rewrite(record, lambda message: limit_text(without_hidden(message)))
        return True


_ESCAPE_CONTROLS = _EscapeControls()


def _is_harmless(character: str) -> bool:
    return character in JOINERS or unicodedata.category(character) == "Zs"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
