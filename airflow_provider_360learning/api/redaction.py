"""
Secrets are replaced in texts from outside: in what a response says, and in what the HTTP libraries log.

A server may repeat what it was sent in any of the usual encodings. Each character of a secret is searched for as it is
and as JSON, a URL, HTML and Python may write it, in capitals or not, also encoded twice. The secret as a whole is
searched for in Base64, at any place of the encoded text. What follows the start of a long secret is not shown at all.
"""

from __future__ import annotations

import base64
import html.entities
import json
import logging
import re
import threading
import weakref
from collections.abc import Collection, Iterable, Iterator
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote, quote_plus

from airflow_provider_360learning.log_text import rewrite

#: What is shown in the place of a secret.
MASK = "***"
#: Minimum number of characters that are searched for in Base64: shorter ones are found in any text.
MIN_BASE64 = 5
#: Maximum number of characters of a secret that are searched for: a token may have thousands and the password of a row a
#: million, and the pattern of each character takes up to half a millisecond and kilobytes.
MAX_SECRET = 512
#: Maximum number of backslashes before an escaped character, and of times that a percent sign or ampersand is encoded.
MAX_NESTED = 8
#: Maximum number of secrets whose patterns are kept: compiling that of a token takes some milliseconds.
MAX_PATTERNS = 32
#: Libraries whose log lines may contain URLs and headers. They use no other logger than those of their modules.
HTTP_LIBRARIES = ("urllib3", "requests")

#: Characters that no encoding replaces.
_PLAIN = re.compile(r"[A-Za-z0-9]")
_CONTROLS = {"\n": "n", "\r": "r", "\t": "t", "\b": "b", "\f": "f"}
_FORMATTER = logging.Formatter()


class SecretHolder(Protocol):
    """An object that knows secrets."""

    @property
    def secrets(self) -> Collection[str]:
        """The secrets as they are now."""


def redact(text: str, secrets: Iterable[str]) -> str:
    """
    Replace secrets in a text, however they are encoded.

    :param text: The text.
    :param secrets: The secrets; empty ones are ignored.
    """
    for secret in sorted(filter(None, set(secrets)), key=len, reverse=True):  # one may be a part of another
        text = _pattern(secret[:MAX_SECRET], len(secret) > MAX_SECRET).sub(MASK, text)
    return text


def redact_http_logs(holder: SecretHolder) -> None:
    """
    Keep the secrets of an object out of the logs of the HTTP libraries, as long as the object exists.

    :param holder: The object.
    """
    _FILTER.add(holder)
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in HTTP_LIBRARIES:  # a filter does not apply to the loggers below
            logging.getLogger(name).addFilter(_FILTER)


class _SecretFilter(logging.Filter):
    """Filter that replaces the secrets of all living holders; records without one are left as they are."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()
        self._holders: weakref.WeakSet[SecretHolder] = weakref.WeakSet()

    def add(self, holder: SecretHolder) -> None:
        with self._lock:
            self._holders.add(holder)

    def filter(self, record: logging.LogRecord) -> bool:
        with self._lock:
            holders = list(self._holders)
        secrets = {secret for holder in holders for secret in holder.secrets}
        rewrite(record, lambda message: redact(message, secrets))
        if record.exc_info:
            traceback = _FORMATTER.formatException(record.exc_info)
            if redact(traceback, secrets) != traceback:
                record.exc_info = record.exc_text = None
        return True


_FILTER = _SecretFilter()


@lru_cache(maxsize=MAX_PATTERNS)
def _pattern(secret: str, is_start: bool) -> re.Pattern[str]:
    """Return the pattern of a secret, or of the start of one with all that follows it in a text."""
    pattern = f"(?:{'|'.join(_forms(secret))})"
    return re.compile(rf"{pattern}[\s\S]*" if is_start else pattern, re.IGNORECASE)


def _forms(secret: str) -> Iterator[str]:
    """Yield patterns of all forms of a secret."""
    yield "".join(map(_character, secret))
    in_url = (encode(secret, safe="", errors="surrogatepass") for encode in (quote, quote_plus))
    for each in {secret, json.dumps(secret)[1:-1], *in_url}:
        for encoded in _base64_parts(each.encode("utf-8", "surrogatepass")):
            if len(encoded) >= MIN_BASE64:
                yield "".join(map(_base64_character, encoded))


def _character(character: str) -> str:
    """Return the pattern of all forms of a character."""
    if _PLAIN.fullmatch(character):
        return re.escape(character)
    code, utf8 = ord(character), character.encode("utf-8", "surrogatepass")
    backslashes = rf"\\{{1,{MAX_NESTED}}}"
    percent, ampersand = rf"%(?:25){{0,{MAX_NESTED}}}", rf"&(?:amp;){{0,{MAX_NESTED}}}"
    utf16 = character.encode("utf-16-be", "surrogatepass").hex()
    forms = [
        rf"\\{{0,{MAX_NESTED}}}{re.escape(character)}",
        "".join(f"{percent}{byte:02x}" for byte in utf8),
        "".join(f"{backslashes}u{utf16[at : at + 4]}" for at in range(0, len(utf16), 4)),
        "".join(f"{backslashes}x{byte:02x}" for byte in utf8),
        rf"{ampersand}#0{{0,6}}{code};",
        rf"{ampersand}#x0{{0,6}}{code:x};",
    ]
    if code < 256:
        forms.append(f"{backslashes}x{code:02x}")
    if code > 0xFFFF:
        forms.append(f"{backslashes}U{code:08x}")
    if name := html.entities.codepoint2name.get(code):
        forms.append(f"{ampersand}{name};")
    if character in _CONTROLS:
        forms.append(backslashes + _CONTROLS[character])
    if character == " ":
        forms += [r"\+", f"{percent}2b"]  # in a form, also in one that is encoded again
    return f"(?:{'|'.join(forms)})"


def _base64_character(character: str) -> str:
    other = {"+": "-", "/": "_"}.get(character)
    return f"(?:{_character(character)}|{other})" if other else character


def _base64_parts(secret: bytes) -> Iterator[str]:
    """Yield what the Base64 of all texts with a secret has in common, for each of the three bytes it may start at."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + secret).decode()
        first = -(-before * 8 // 6)
        last = (before + len(secret)) * 8 // 6
        yield encoded[first:last]
