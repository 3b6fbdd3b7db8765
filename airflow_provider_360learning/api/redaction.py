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
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Protocol
from urllib.parse import quote, quote_plus

from airflow_provider_360learning.api.text import one_line
from airflow_provider_360learning.api.types import JsonValue
from airflow_provider_360learning.log_text import rewrite, without_hidden

#: What is shown in the place of a secret.
MASK = "***"
#: Minimum number of characters that are searched for in Base64: shorter ones are found in any text.
MIN_BASE64 = 5
#: Maximum number of characters of a secret that are searched for: a token may have thousands, and the password of a row
#: a million. The pattern of each character takes up to a millisecond and kilobytes.
MAX_SECRET = 512
#: Maximum number of backslashes before an escaped character, and of times that a percent sign or ampersand is encoded.
MAX_NESTED = 8
#: Maximum number of secrets whose patterns are kept: compiling that of a token takes some milliseconds.
MAX_PATTERNS = 32
#: Maximum number of characters of a text in a response in which secrets are searched for; the rest is not quoted.
MAX_SEARCHED = 65536
#: Libraries whose log lines may contain URLs and headers. They use no other logger than those of their modules.
HTTP_LIBRARIES = ("urllib3", "requests")

#: Characters that no encoding replaces.
_PLAIN = re.compile(r"[A-Za-z0-9]")
#: A secret in parts: backslashes that follow each other have one pattern, so that a text can match it in one way only.
_PARTS = re.compile(r"\\+|[^\\]")
_PERCENT = rf"%(?:25){{0,{MAX_NESTED}}}"
_AMPERSAND = rf"&(?:amp;){{0,{MAX_NESTED}}}"
_BACKSLASH = rf"(?:\\|{_PERCENT}5c)"
#: What may precede an escaped character. It is matched at once (``+``): trying each number of them for each character
#: takes time that grows exponentially with the secret, which a server chooses, or the author of a row.
_ESCAPES = f"{_BACKSLASH}{{0,{MAX_NESTED}}}+"
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


def redact_values(body: JsonValue, keys: Collection[str], redact_text: Callable[[str], str]) -> JsonValue:
    """
    Return a response with masks in the place of secrets in some of its texts.

    :param body: The response: an object, or a list of objects; or an object with such a list.
    :param keys: Keys of these texts in an object. Below them, all texts are searched.
    :param redact_text: Replaces secrets in a text.
    """

    @lru_cache(maxsize=MAX_PATTERNS)  # thousands of rows are refused for the same reason
    def redacted(text: str) -> str:
        found = redact_text(text)
        # What is shown is one line without invisible characters, between which a secret would not be found.
        line = one_line(found, MAX_SEARCHED)
        again = redact_text(line)
        return found if again == line else again

    def all_redacted(value: JsonValue) -> JsonValue:
        if isinstance(value, str):
            return redacted(value)
        if isinstance(value, Mapping):
            return {redacted(key): all_redacted(each) for key, each in value.items()}
        return [all_redacted(each) for each in value] if isinstance(value, list) else value

    def in_object(item: JsonValue) -> JsonValue:
        if not isinstance(item, Mapping):
            return item
        return {key: all_redacted(value) if key in keys else value for key, value in item.items()}

    def in_list(value: JsonValue) -> JsonValue:
        return [in_object(item) for item in value] if isinstance(value, list) else value

    whole = in_object(body)
    return {key: in_list(value) for key, value in whole.items()} if isinstance(whole, Mapping) else in_list(whole)


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
        rewrite(record, lambda message: without_hidden(redact(message, secrets)))
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
    yield "".join(_backslashes(len(part)) if part[0] == "\\" else _character(part) for part in _PARTS.findall(secret))
    in_url = (encode(secret, safe="", errors="surrogatepass") for encode in (quote, quote_plus))
    for each in {secret, json.dumps(secret)[1:-1], *in_url}:
        for encoded in _base64_parts(each.encode("utf-8", "surrogatepass")):
            if len(encoded) >= MIN_BASE64:
                yield "".join(map(_base64_character, encoded))
    yield re.escape(secret)  # one may contain what another encoding makes of a backslash


def _backslashes(number: int) -> str:
    """Return the pattern of all forms of several backslashes, each of which may be escaped."""
    return f"(?:{_BACKSLASH}{{{number},{number * (MAX_NESTED + 1)}}}+|(?:{_ESCAPES}(?:{_encoded(92)})){{{number}}})"


def _character(character: str) -> str:
    """Return the pattern of all forms of another character."""
    if _PLAIN.fullmatch(character):
        return re.escape(character)
    code = ord(character)
    forms = [re.escape(character), _encoded(code)]
    if character in _CONTROLS:
        forms.append(rf"(?<=[\\c]){_CONTROLS[character]}")  # after a backslash, or 5c
    if character == " ":
        forms += [r"\+", f"{_PERCENT}2b"]  # in a form, also in one that is encoded again
    escapes = rf"\\{{0,{MAX_NESTED}}}+" if character == "%" else _ESCAPES  # may begin "%5c", not a backslash
    return f"{escapes}(?:{'|'.join(forms)})"


def _encoded(code: int) -> str:
    """Return the pattern of a character in a URL, in HTML, and as a number after backslashes."""
    character = chr(code)
    utf8 = [f"{byte:02x}" for byte in character.encode("utf-8", "surrogatepass")]
    utf16 = character.encode("utf-16-be", "surrogatepass").hex()
    forms = [
        "".join(_PERCENT + byte for byte in utf8),
        _ESCAPES.join(f"u{utf16[at : at + 4]}" for at in range(0, len(utf16), 4)),
        _ESCAPES.join(f"x{byte}" for byte in utf8),
        rf"{_AMPERSAND}#0{{0,6}}{code};",
        rf"{_AMPERSAND}#x0{{0,6}}{code:x};",
    ]
    if code < 256:
        forms.append(f"x{code:02x}")
    if code > 0xFFFF:
        forms.append(f"U{code:08x}")
    if name := html.entities.codepoint2name.get(code):
        forms.append(f"{_AMPERSAND}{name};")
    return "|".join(forms)


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
