"""What reading a file gives, row by row, in each format."""

from __future__ import annotations

from typing import Any, TypeAlias

#: Row number (from 1), line where it starts (None in Parquet), values by column, what is wrong with it, if anything.
Record: TypeAlias = tuple[int, int | None, dict[str, Any], str | None]

#: A row that cannot be read has only this key, and under it what stands in the file (CSV: a list of cells, JSON Lines:
#: the line), for :func:`.write_dicts` to give back. Which part of it means what (a password?) nobody knows.
UNREAD = "(unread)"
