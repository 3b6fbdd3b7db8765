"""
Cells that a spreadsheet would execute as formulas, escaped by an apostrophe.

A spreadsheet that expects another separator than that of the file begins cells in the middle of one, so that what
follows a separator or a line break in a cell is escaped as well. A value that begins with an apostrophe gets another
one: spreadsheets drop the first one when the cell is edited.
"""

from __future__ import annotations

import re

# Blanks that spreadsheets skip before a formula, other than those at which they may begin a cell.
_BLANKS = r"(?:[^\S\t\r\n]|[\0\u200b\ufeff])*"
_FORMULA = rf"{_BLANKS}[=+\-@＝＋－＠]"
_AT_START = rf"(?:['\t\r\n]|{_FORMULA})"
_LATER = rf"'*{_FORMULA}"
# Where an apostrophe belongs, and apostrophes that are there. What each looks ahead at holds no separator, so that no
# other apostrophe is inserted within: each undoes exactly what the other does.
_PLACES = re.compile(rf"\A(?={_AT_START})|(?<=[,;\t\r\n])(?={_LATER})")
_ESCAPES = re.compile(rf"\A'(?={_AT_START})|(?<=[,;\t\r\n])'(?={_LATER})")


def escape(text: str) -> str:
    """
    Return a text that no spreadsheet executes.

    :param text: Any text.
    """
    return _PLACES.sub("'", text)


def unescape(text: str) -> str:
    """
    Return the text that :func:`escape` was given.

    :param text: Its return value. A text that was written in its place (``'x``, ``+33 1``) is returned as it is.
    """
    return _ESCAPES.sub("", text)


def escape_if_ambiguous(text: str) -> str:
    """
    Return a text that :func:`unescape` turns into the given one, and escape it only where that is necessary.

    :param text: Any text.
    """
    return text if unescape(text) == text else escape(text)
