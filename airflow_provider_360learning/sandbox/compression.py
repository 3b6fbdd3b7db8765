"""How larger responses are sent: in chunks, compressed if the client accepts it (recorded for API v1)."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

#: Responses of more bytes are larger ones.
MAX_PLAIN_BYTES = 1024

#: Fast, because a response may have hundreds of megabytes.
_LEVEL = 1
_REFUSED = re.compile(r"q=0(\.0*)?")


def is_larger(content: bytes | Iterator[bytes]) -> bool:
    """Return whether a body is larger, which is assumed of a body that is produced while it is sent."""
    return not isinstance(content, bytes) or len(content) > MAX_PLAIN_BYTES


def accepts_gzip(accept_encoding: str) -> bool:
    """Return whether a client accepts gzip, by its ``Accept-Encoding``."""
    for offer in accept_encoding.lower().replace(" ", "").split(","):
        coding, *parameters = offer.split(";")
        if coding == "gzip":
            return not any(_REFUSED.fullmatch(each) for each in parameters)
    return False


def compress(content: bytes | Iterator[bytes]) -> bytes | Iterator[bytes]:
    """Return a body compressed with gzip."""
    return b"".join(_compressed(iter([content]))) if isinstance(content, bytes) else _compressed(content)


def _compressed(parts: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the parts of a body compressed. If they end with an error, all that is before it is sent."""
    compressor = zlib.compressobj(_LEVEL, wbits=16 + zlib.MAX_WBITS)
    try:
        for part in parts:
            if compressed := compressor.compress(part):
                yield compressed
    except Exception:
        yield compressor.flush(zlib.Z_SYNC_FLUSH)
        raise
    yield compressor.flush()
