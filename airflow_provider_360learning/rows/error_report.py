"""Check all rows before anything is sent, and report every invalid value."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from typing import IO

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import atomic_writer
from airflow_provider_360learning.rows.changes import Changes
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.preflight import RowChecker
from airflow_provider_360learning.rows.schema import RowError

log = logging.getLogger(__name__)

#: Name of the report.
ERRORS = "errors.jsonl"
#: Maximum number of errors in the log; the report has all.
MAX_LOGGED = 20


def check_all(config: RowsConfig, rows: RowChecker, changes: Changes | None, renew_claims: Callable[[], None]) -> None:
    """
    Read and check all rows.

    :param config: The run.
    :param rows: Its rows.
    :param changes: Which rows change something; it learns whether it needs the listing.
    :param renew_claims: Renews the claims to the folders; called for each row.
    :raises InvalidRequestError: if rows are invalid and are not to be skipped, or if there are none.
    """
    invalid_rows = 0
    with tempfile.TemporaryFile("w+") as errors:
        for row in rows.all_rows():
            renew_claims()
            for error in row.errors:
                errors.write(json.dumps(asdict(error), ensure_ascii=False) + "\n")
            invalid_rows += bool(row.errors)
            if changes and not row.errors:
                changes.look_ahead(row)
        if invalid_rows:
            _report(config, rows.total, invalid_rows, errors)
    if not rows.total and not config.allow_empty:
        raise InvalidRequestError(
            f"{config.source.name} has no rows; nothing was sent. Was it written completely? If it may be empty, use "
            "allow_empty=True."
        )


def _report(config: RowsConfig, total: int, invalid_rows: int, errors: IO[str]) -> None:
    report = config.rejected_folder / ERRORS
    errors.seek(0)
    with atomic_writer(report) as file:
        file.writelines(line.encode() for line in errors)
    summary = f"{invalid_rows} of {total} rows of {config.source.name} are invalid: {report} has every error"
    if config.on_invalid == "skip":  # the end of the run logs the first of them
        log.warning("%s. They are skipped.", summary)
        return
    errors.seek(0)
    first = [RowError(**json.loads(line)) for line in islice(errors, MAX_LOGGED)]
    for error in first:
        log.warning("%s", error)
    raise InvalidRequestError(
        f"{summary}. The first: {first[0]}. Nothing was sent. Correct them, or use on_invalid='skip'.",
        argument=first[0].field,
    )
