"""
The OpenAPI documents that 360Learning publishes for API v2, and what is known to have changed since.

The files in ``openapi/`` are copies and stay as they are; everything that differs from them is in :data:`PATCHES`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

FOLDER = Path(__file__).parent / "openapi"
#: The documents by name.
NAMES = ("core", "bulk", "webhook")

#: A document, or a part of one. ``Any``, as of :func:`json.loads`.
Document = dict[str, Any]


class Patch(NamedTuple):
    """
    A published change that the copies do not have yet.

    :param document: Name of the document.
    :param reason: What changed, and where it was announced.
    :param apply: Changes the document.
    """

    document: str
    reason: str
    apply: Callable[[Document], None]


def _accept_attendance(document: Document) -> None:
    schema = document["components"]["schemas"]["PatchSlotRegistrationDTO"]
    schema["properties"]["hasAttended"] = {"type": "boolean", "description": "Whether the user was present."}


def _open_event_types(document: Document) -> None:
    """Drop the enumeration of event types wherever it occurs."""
    for part in _parts(document):
        values = part.get("enum")
        if isinstance(values, list) and "bulk.operation.ended" in values and len(values) > 1:
            del part["enum"]


def _parts(part: object) -> Iterator[Document]:
    if isinstance(part, dict):
        yield part
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from _parts(inner)


PATCHES = (
    Patch(
        "core",
        "`PATCH /classroom-slots/{classroomSlotId}/registrations/{slotRegistrationId}` accepts `hasAttended` "
        "(changelog of 2026-10-14)",
        _accept_attendance,
    ),
    Patch(
        "webhook",
        "`eventType` has more values than the 29 of the document (reference of createSubscription, October 2026), so "
        "that its enumeration is not closed",
        _open_event_types,
    ),
)


@cache
def documents() -> dict[str, Document]:
    """Return the documents by name, with all patches applied. Callers must not change them."""
    loaded = {name: json.loads((FOLDER / f"v2-{name}.json").read_text(encoding="utf-8")) for name in NAMES}
    for patch in PATCHES:
        patch.apply(loaded[patch.document])
    return loaded


def resolve(document: Document, schema: Document) -> Document:
    """
    Return a schema, or the one that it refers to.

    :param document: The document.
    :param schema: A schema or a reference to one.
    """
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema
