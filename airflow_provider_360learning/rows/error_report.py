"""Check all rows before anything is sent, and report every invalid value."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from itertools import islice
from typing import IO

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.storage import atomic_writer
from airflow_provider_360learning.log_text import get_logger
from airflow_provider_360learning.rows.changes import Changes
from airflow_provider_360learning.rows.config import RowsConfig
from airflow_provider_360learning.rows.preflight import RowChecker
from airflow_provider_360learning.rows.results import INVALID, RunSummary, Tally, result_of_invalid
from airflow_provider_360learning.rows.schema import RowError

log = get_logger(__name__)

#: Name of the report.
ERRORS = "errors.jsonl"
#: Maximum number of errors in the log; the report has all.
MAX_LOGGED = 20


class InvalidRowsError(InvalidRequestError):
    """
    Rows are invalid, so that nothing was sent.

    :param text: The text of the error.
    :param summary: The first of the rows, for callbacks.
    :param argument: Name of the first invalid column.
    """

    def __init__(self, text: str, summary: RunSummary, argument: str | None) -> None:
        super().__init__(text, argument=argument)
        self.summary = summary


def check_all(
    config: RowsConfig, rows: RowChecker, changes: Changes | None, renew_claims: Callable[[], None], action: str
) -> None:
    """
    Read and check all rows.

    :param config: The run.
    :param rows: Its rows.
    :param changes: Which rows change something; it learns whether it needs the listing.
    :param renew_claims: Renews the claims to the folders; called for each row.
    :param action: What is done with the rows.
    :raises InvalidRowsError: if rows are invalid and are not to be skipped.
    :raises InvalidRequestError: if there are no rows.
    """
    tally = Tally()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="backslashreplace") as errors:
        for row in rows.all_rows():
            renew_claims()
            for error in row.errors:
                errors.write(json.dumps(asdict(error), ensure_ascii=False) + "\n")
            if row.errors:
                tally.add(result_of_invalid(row))
            if changes and not row.errors:
                changes.look_ahead(row)
        if tally.outcomes:
            report = config.rejected_folder / ERRORS
            summary = tally.summary(action=action, rows=rows.total, run="", rejected_path=str(report))
            _report(config, report, errors, summary)
    if not rows.total and not config.allow_empty:
        raise InvalidRequestError(
            f"{config.source.name} has no rows; nothing was sent. Was it written completely? If it may be empty, use "
            "allow_empty=True."
        )


def _report(config: RowsConfig, report: ObjectStoragePath, errors: IO[str], summary: RunSummary) -> None:
    errors.seek(0)
    with atomic_writer(report, file_mode=config.file_mode) as file:
        file.writelines(line.encode() for line in errors)
    problem = (
        f"{summary['outcomes'][INVALID]} of {summary['rows']} rows of {config.source.name} are invalid: {report} has "
        "every error"
    )
    if config.on_invalid == "skip":  # the end of the run logs the first of them
        log.warning("%s. They are skipped.", problem)
        return
    errors.seek(0)
    first = [RowError(**json.loads(line)) for line in islice(errors, MAX_LOGGED)]
    for error in first:
        log.warning("%s", error)
    raise InvalidRowsError(
        f"{problem}. The first: {first[0]}. Nothing was sent. Correct them, or use on_invalid='skip'.",
        summary,
        argument=first[0].field,
    )
