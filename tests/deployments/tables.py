"""Tables of what the tests measured, in Markdown, which are printed when all tests have ended."""

from __future__ import annotations

#: Rows by heading.
TABLES: dict[str, list[str]] = {}


def add_row(headings: dict[str, object]) -> None:
    """
    Add a row to the table with these headings.

    :param headings: Values by heading.
    """
    heading = f"| {' | '.join(headings)} |\n|{'---|' * len(headings)}"
    TABLES.setdefault(heading, []).append(f"| {' | '.join(map(str, headings.values()))} |")
