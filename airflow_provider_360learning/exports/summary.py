"""What an export says of itself: its XCom, and the extra of its asset events."""

from __future__ import annotations

import logging
from typing import Any

from airflow_provider_360learning.api.v1.complete_reader import Window
from airflow_provider_360learning.exports.timestamps import text_of

log = logging.getLogger(__name__)


def outcome(
    path: object, rows: int, span: Window | None = None, highest: str | None = None, **more: Any
) -> dict[str, Any]:
    """
    Say what there is to say about a file, and log it.

    :param path: StoragePath it is.
    :param rows: How many rows it has.
    :param span: The span of time that it is about, if it is about one.
    :param highest: The latest moment that it goes by, if it has any.
    :param more: What only some kinds have to say.
    """
    log.info("%s rows are in %s", f"{rows:,}", path)
    return {
        "path": str(path),
        "rows": rows,
        "interval_start": span and text_of(span.start),
        "interval_end": span and text_of(span.end),
        "highest_timestamp": highest,
        "complete": True,
        **more,
    }
