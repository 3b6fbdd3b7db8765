"""The result of an export: its XCom, and the extra of its asset events."""

from __future__ import annotations

import logging
from typing import Any

from airflow_provider_360learning.exports.interval import Interval
from airflow_provider_360learning.files.row_encoder import RowEncoder

log = logging.getLogger(__name__)


def summarize(
    output_path: object,
    encoder: RowEncoder,
    *,
    interval: Interval | None = None,
    highest_timestamp: str | None = None,
    complete: bool = True,
    **details: Any,
) -> dict[str, Any]:
    """
    Return the result of an export, and log it.

    :param output_path: Path of the file.
    :param encoder: What wrote the file.
    :param interval: The interval of the export, if it has one.
    :param highest_timestamp: The latest timestamp by which rows were selected.
    :param complete: Whether the rows are proven complete.
    :param details: Keys that only some exports have.
    """
    invalid_values = encoder.invalid_values.total()
    log.info("Export written: rows=%s output_path=%s invalid_values=%s", encoder.rows, output_path, invalid_values)
    return {
        "output_path": str(output_path),
        "rows": encoder.rows,
        "interval_start": interval and interval.start_text,
        "interval_end": interval and interval.end_text,
        "highest_timestamp": highest_timestamp,
        "complete": complete,
        "invalid_values": invalid_values,
        **details,
    }
