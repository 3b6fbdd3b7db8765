"""Bytes that depend on values only: the same values give the same bytes, and digests of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime

from airflow_provider_360learning.sync.platform import Account, Platform
from airflow_provider_360learning.sync.state import SyncState


def encode(value: object, *, indent: int | None = None) -> bytes:
    """
    Return JSON with sorted keys.

    :param value: Values of JSON, dataclasses, sets of strings, and timestamps.
    :param indent: Number of blanks per level; without it, in one line.
    """
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(
        value, ensure_ascii=False, sort_keys=True, indent=indent, separators=separators, default=_plain, allow_nan=False
    )
    return text.encode("utf-8", "surrogatepass")  # half of a surrogate pair in a response; json.loads reads it again


def digest_of(parts: Iterable[bytes]) -> str:
    """
    Return the SHA-256 of several parts, in hexadecimal digits.

    :param parts: The parts.
    """
    whole = hashlib.sha256()
    for part in parts:
        whole.update(part)
    return whole.hexdigest()


def digest_of_platform(platform: Platform) -> str:
    """
    Return the digest of what 360Learning has, whatever the order of its listings.

    :param platform: What 360Learning has.
    """
    return digest_of(_lines_of_platform(platform))


def digest_of_state(state: SyncState) -> str:
    """
    Return the digest of what a sync remembers.

    :param state: What it remembers.
    """
    return digest_of(_lines_of_state(state))


def _lines_of_platform(platform: Platform) -> Iterator[bytes]:
    """Yield the fields, and each account apart: all of them as one text would take much memory."""
    for each in fields(platform):
        if each.name != "accounts":
            yield encode({each.name: getattr(platform, each.name)}) + b"\n"
    for account in sorted(platform.accounts, key=_order):
        yield encode(account) + b"\n"


def _lines_of_state(state: SyncState) -> Iterator[bytes]:
    yield encode([state.plans, state.restored]) + b"\n"
    for key, person in sorted(state.people.items()):
        yield encode([key, person]) + b"\n"


def _order(account: Account) -> tuple[str, str, str]:
    return account.user_id or "", account.mail, account.key or ""


def _plain(value: object) -> object:
    if is_dataclass(value):
        return {each.name: getattr(value, each.name) for each in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, frozenset | set):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no canonical form")
