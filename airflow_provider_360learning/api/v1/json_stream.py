"""
A long JSON response, parsed value by value while it comes in: only the current value is in memory.

The caller knows the shape of the response, walks through its arrays and objects, and reads small values as a whole::

    for _ in response.items():
        for name in response.names():
            value = response.value()

Values are parsed by the C scanner of :mod:`json`. Event-based parsers spend time in Python on each of millions of
events; parsers that build the values at one fixed path cannot return their context.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from airflow_provider_360learning.exceptions import UnexpectedResponseError

#: Bytes read at a time.
CHUNK = 1 << 18
#: Maximum length of a value that is read as a whole, in characters: longer ones are not JSON, or of another shape.
MAX_VALUE = 1 << 26

_NOT_EXPECTED = "it is incomplete, or not the expected JSON; check that the Base URL is that of 360Learning"
_AFTER_A_VALUE = frozenset(",:]} \t\r\n")
_SPACE = re.compile(r"[ \t\n\r]*")


class JsonStream:
    """
    A JSON text, read once from its start to its end.

    :param read: Returns the given number of further bytes, fewer only at the end, and then none.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._has_ended = False

    # Any, as of `json.loads`: the caller knows the shape, and checks what it needs.

    def items(self) -> Iterator[None]:
        """Walk through an array; the caller reads one item per step."""
        yield from self._walk("[", "]")

    def names(self) -> Iterator[str]:
        """Walk through an object; the caller reads the value of each name."""
        for _ in self._walk("{", "}"):
            name = self.value()
            self._take(":")
            yield name

    def values(self) -> Iterator[Any]:
        """Read the items of an array."""
        for _ in self._walk("[", "]"):
            yield self.value()
            # Nearly all of millions are read here: items without white space before them.
            text, at = self._text, self._at
            try:
                while text[at] == ",":
                    value, end = self._scan(text, at + 1)
                    if text[end] not in ",]":
                        break
                    self._at = at = end
                    yield value
            except (ValueError, IndexError, RecursionError):
                pass

    def value(self) -> Any:
        """Read a whole value."""
        self._next_character()
        while True:
            try:
                value, end = self._scan(self._text, self._at)
            except (ValueError, RecursionError):
                pass  # raised below, because the error holds the text
            else:
                # A number at the end of the chunk may continue: "1." and "1.5e" are scanned up to the digit.
                if self._text[end : end + 1] in _AFTER_A_VALUE or self._has_ended:
                    self._at = end
                    return value
            if len(self._text) > MAX_VALUE or not self._read_on():
                raise unusable(_NOT_EXPECTED)

    def end(self) -> None:
        """
        Read to the end.

        :raises UnexpectedResponseError: if anything but white space follows.
        """
        if self._next_character():
            raise unusable(_NOT_EXPECTED)

    def _walk(self, opening: str, closing: str) -> Iterator[None]:
        self._take(opening)
        if self._next_character() == closing:
            self._take(closing)
            return
        while True:
            yield
            if self._take(f",{closing}") == closing:
                return

    def _take(self, expected: str) -> str:
        found = self._next_character()
        if not found or found not in expected:
            raise unusable(_NOT_EXPECTED)
        self._at += 1
        return found

    def _next_character(self) -> str:
        """Return the next character other than white space without consuming it; an empty string at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def _read_on(self) -> bool:
        """Read more, and return whether there was any."""
        if self._has_ended:
            return False
        # A value longer than a chunk is scanned again from its start: by doubling, it costs no more than twice.
        chunk = self._read(max(CHUNK, len(self._text) - self._at))
        self._has_ended = not chunk
        self._text, self._at = self._text[self._at :] + self._decode(chunk), 0
        return True

    def _decode(self, chunk: bytes) -> str:
        try:
            return self._decoder.decode(chunk, self._has_ended)
        except UnicodeDecodeError:
            pass
        raise unusable("it is not UTF-8")


def unusable(fault: str) -> UnexpectedResponseError:
    """Return the error of a successful response whose body cannot be used."""
    return UnexpectedResponseError(f"360Learning's response cannot be used: {fault}")
