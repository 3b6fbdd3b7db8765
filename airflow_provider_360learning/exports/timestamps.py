"""Moments as numbers, to reckon with, and as texts, as API v1 writes them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def text_of(milliseconds: int) -> str:
    """
    WriteSpec a moment as v1 does. Such texts can be compared like the moments themselves.

    :param milliseconds: Since 1970.
    """
    return f"{EPOCH + milliseconds * MILLISECOND:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03}Z"


def milliseconds_of(text: str) -> int:
    """
    Count the milliseconds since 1970.

    :param text: A moment as v1 writes it.
    """
    return (datetime.fromisoformat(text) - EPOCH) // MILLISECOND
