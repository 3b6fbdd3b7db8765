"""A row as it is read from a file, in each format."""

from __future__ import annotations

from typing import Any, TypeAlias

#: Row number (from 1), line where it starts (None in Parquet), values by column, the row's error if it has one.
Record: TypeAlias = tuple[int, int | None, dict[str, Any], str | None]

#: Columns that rejected rows have beside their own, and that are ignored when such a file is read again.
REJECTED_ROW, REJECTED_REASON = "rejected_row", "rejected_reason"
REJECTED_COLUMNS = frozenset({REJECTED_ROW, REJECTED_REASON})

#: Maximum number of characters of a row, by default.
MAX_ROW_SIZE = 1 << 20
#: Maximum number of columns, without those that rejected rows have in addition.
MAX_COLUMNS = 2000


def too_long(max_size: int) -> str:
    """
    Return what an error says about a row that has too many characters.

    :param max_size: Maximum number of characters.
    """
    return f"cannot be read (more than {max_size:,} characters): shorten the row, or raise [learning360] max_row_kib"


#: The only key of a row that cannot be read. Its value is what the file holds (CSV: a list of cells, JSON Lines: the
#: line), for :func:`.write_dicts` to write again. It is not known which part of it would be a password.
UNREAD = "(unread)"

#: The only key of the object that stands in JSON Lines for a value that JSON has not. No column accepts an object with
#: this key, so that the row stays invalid until it is corrected.
NOT_JSON = "(not JSON)"
