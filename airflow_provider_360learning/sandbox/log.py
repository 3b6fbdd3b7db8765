"""Log lines about failures, which may quote requests."""

from __future__ import annotations

import logging
import traceback


def log_failure(logger: logging.Logger, event: str, error: Exception) -> None:
    """
    Log an unexpected error with its traceback, in which texts of requests can neither start lines nor steer a terminal.

    :param event: what failed, with its consequence.
    """
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("%s\n%s%s", _escaped(event), frames, _escaped(f"{type(error).__name__}: {error}"))


def _escaped(text: str) -> str:
    return text.encode("unicode_escape").decode("ascii")
