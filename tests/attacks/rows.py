"""Shared by attacks through rows: check the rows of a source as a task does before it sends anything."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, NamedTuple

from airflow_provider_360learning.api.v1.users import UserActions
from airflow_provider_360learning.rows.preflight import RowChecker
from airflow_provider_360learning.rows.schema import RowError, RowSchema
from airflow_provider_360learning.rows.sources import make_source


class Checked(NamedTuple):
    """
    What the check of a source has found.

    :param rows: Number of rows.
    :param valid: Numbers of the valid ones.
    :param errors: The errors of the others.
    """

    rows: int
    valid: list[int]
    errors: list[RowError]

    @property
    def report_bytes(self) -> int:
        """Number of bytes of the error report."""
        return sum(len(json.dumps(asdict(error))) + 1 for error in self.errors)

    def __str__(self) -> str:
        return f"{self.rows} rows: {'; '.join(map(str, self.errors))}"


def check(rows: Any = None, action: str = "create_user", **source: Any) -> Checked:
    """Check all rows of a source."""
    found = getattr(UserActions, action)
    assert found.write is not None
    checker = RowChecker(make_source(rows, **source), RowSchema(found.name, found.model, found.write, {}))
    valid, errors = [], []
    try:
        for row in checker.all_rows():
            errors += row.errors
            if not row.errors:
                valid.append(row.row.number)
    finally:
        checker.close()
    return Checked(checker.total, valid, errors)
