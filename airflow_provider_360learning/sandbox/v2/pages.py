"""Pages of lists: a ``Link`` header with an opaque cursor, which keeps the filters of the first request."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from airflow_provider_360learning.sandbox.settings import Settings
from airflow_provider_360learning.sandbox.v2.errors import malformed

Item = TypeVar("Item")

#: The query parameter with the cursor.
CURSOR = "next"

_SHUFFLE_SEED = 360


class Cursor(NamedTuple):
    """
    Where a page begins. How cursors are affected by changes of the list is an assumption: they count items.

    :param raw_path: path of the list, for which alone it is valid.
    :param raw_query: query of the first request.
    :param offset: number of items before this page.
    :param length: length of the list at the first request.
    """

    raw_path: str
    raw_query: str
    offset: int = 0
    length: int = -1

    def encode(self) -> str:
        """Return it as text."""
        return base64.urlsafe_b64encode(json.dumps(self).encode()).decode().rstrip("=")


def decode_cursor(settings: Settings, text: str, raw_path: str) -> Cursor:
    """
    Parse a cursor.

    :raises Refusal: if it is malformed, or of another list (assumption).
    """
    try:
        values = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, RecursionError):
        values = None
    match values:
        case [str(path), str(query), int(offset), int(length)] if path == raw_path and offset > 0:
            return Cursor(path, query, offset, length)
    raise malformed(settings, f"{CURSOR} is not a cursor of this list.")


def take_page(
    settings: Settings, items: Sequence[Item], cursor: Cursor, size: int
) -> tuple[Sequence[Item], Cursor | None]:
    """
    Return the items of a page and the cursor of the next one.

    :param items: the whole list, which is sliced and not copied.
    :param size: the documented page size.
    """
    size = min(size, settings.max_page_size or size)
    length = len(items) if cursor.length < 0 else cursor.length
    end = cursor.offset + size
    more = cursor._replace(offset=end, length=length) if end < len(items) else None
    if settings.list_order == "created":
        return items[cursor.offset : end], more
    order = list(range(min(length, len(items))))
    random.Random(_SHUFFLE_SEED).shuffle(order)
    order.extend(range(length, len(items)))  # what was added since the first page
    return [items[number] for number in order[cursor.offset : end]], more


def url(settings: Settings, headers: Mapping[str, str], path: str) -> str:
    """
    Return a URL of this server, in the form of the setting ``link_urls``.

    :param headers: those of the request.
    :param path: path and query, with a leading slash.
    """
    prefix = f"http://{headers['host']}" if settings.link_urls == "absolute" else ""
    return prefix + (path.removeprefix("/") if settings.link_urls == "relative" else path)
