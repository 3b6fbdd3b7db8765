"""
Lists that come in pages: each response has some items, and perhaps a link to the next ones.

A page is a call of its own: it waits for the rate limits, and is requested again alone if it fails.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from airflow_provider_360learning.api.json_stream import unusable
from airflow_provider_360learning.api.types import ActionSteps, Call
from airflow_provider_360learning.exceptions import ResponseTooLargeError

T = TypeVar("T")

#: Maximum number of pages of a list: a server that always sends a new link would be read without end.
MAX_PAGES = 1_000_000
#: Maximum number of pages in a row without items. Filters may leave nothing of a page (assumption), but not of so many.
MAX_EMPTY_PAGES = 100


@dataclass(frozen=True, slots=True)
class Page:
    """
    A page of a list.

    :param items: The items. ``Any``, because keys and types are the documented ones.
    :param next_link: Path and query of the next page under the base URL; ``None`` for the last page.
    :param size: Bytes of the response, decompressed.
    """

    items: list[Any]
    next_link: str | None
    size: int = 0


def all_items(call: Call) -> ActionSteps[list[Any]]:
    """
    Return the items of all pages.

    :param call: The call of the first page.
    :raises ResponseTooLargeError: if all pages together are larger than one response may be.
    :raises UnexpectedResponseError: if a page leads back to an earlier one, or too many have no items.
    """
    items: list[Any] = []
    follow = _Links()
    next_call: Call | None = call
    while next_call is not None:
        page: Page = yield next_call
        items += page.items
        next_call = follow.call_after(page, replace(call, received=next_call.received + page.size))
    return items


def first_item(call: Call, is_wanted: Callable[[Any], bool]) -> ActionSteps[Any]:
    """
    Return the first item that is wanted, or ``None``. Pages after it are not requested.

    :param call: The call of the first page.
    :param is_wanted: Returns whether an item is wanted. ``Any``, as the items of a :class:`Page`.
    :raises UnexpectedResponseError: if a page leads back to an earlier one, or too many have no items.
    """
    follow = _Links()
    next_call: Call | None = call
    while next_call is not None:
        page: Page = yield next_call
        for item in page.items:
            if is_wanted(item):
                return item
        next_call = follow.call_after(page, call)
    return None


def each_page(call: Call, take: Callable[[list[Any]], object]) -> ActionSteps[None]:
    """
    Hand over the items of each page; one page is in memory at a time.

    :param call: The call of the first page.
    :param take: Takes the items of a page.
    :raises UnexpectedResponseError: if a page leads back to an earlier one, or too many have no items.
    """
    follow = _Links()
    next_call: Call | None = call
    while next_call is not None:
        page: Page = yield next_call
        next_call = follow.call_after(page, call)
        take(page.items)


def read_pages(make_call: Callable[[Call], Any], call: Call) -> Iterator[list[Any]]:
    """
    Yield the items of each page, which is requested when it is needed.

    :param make_call: Makes a call, as :meth:`.Client.call` does. ``Any``, because that returns a :class:`Page` here.
    :param call: The call of the first page.
    :raises UnexpectedResponseError: if a page leads back to an earlier one, or too many have no items.
    """
    follow = _Links()
    next_call: Call | None = call
    while next_call is not None:
        page: Page = make_call(next_call)
        next_call = follow.call_after(page, call)
        yield page.items


def bounded(items: Iterable[T], size_of: Callable[[T], int], max_mib: int, noun: str) -> Iterator[T]:
    """
    Yield the items of a list of any length that are held in memory, which a list without end must not fill.

    :param items: The items.
    :param size_of: Returns the bytes of memory that an item takes.
    :param max_mib: Maximum size of all items in MiB, a multiple of ``max_response_mib``.
    :param noun: What they are, for the error.
    :raises ResponseTooLargeError: if they are larger.
    """
    size = 0
    for item in items:
        size += size_of(item)
        if size > max_mib << 20:
            raise ResponseTooLargeError(
                f"360Learning lists more {noun} than may be held in memory ({max_mib:,} MiB); check that the Base URL "
                "is that of 360Learning, or increase the connection's max_response_mib"
            )
        yield item


class _Links:
    """The pages of a list that were requested, as digests: links with cursors and filters are long."""

    def __init__(self) -> None:
        self._requested: set[bytes] = set()
        self._empty_in_a_row = 0

    def call_after(self, page: Page, call: Call) -> Call | None:
        """Return the call of the next page; ``None`` after the last one."""
        if page.next_link is None:
            return None
        if _digest(page.next_link) in self._requested:
            raise unusable("a page of a list leads back to an earlier page")
        if len(self._requested) >= MAX_PAGES:
            raise unusable(f"a list has more than {MAX_PAGES:,} pages")
        self._empty_in_a_row = 0 if page.items else self._empty_in_a_row + 1
        if self._empty_in_a_row > MAX_EMPTY_PAGES:
            raise unusable(f"more than {MAX_EMPTY_PAGES} pages in a row have no items")
        self._requested.add(_digest(page.next_link))
        return Call(call.operation, link=page.next_link, received=call.received)


def _digest(link: str) -> bytes:
    return hashlib.blake2b(link.encode(), digest_size=16).digest()
