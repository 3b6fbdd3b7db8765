"""
A long JSON answer, read value by value while it comes in: only the value at hand is in memory.

Whoever knows the shape of an answer walks through it, and takes as a whole what is small::

    for _ in answer.items():
        for name in answer.names():
            value = answer.value()

Values are read by the C scanner of :mod:`json`. Event-based parsers pay for each of millions of events in Python; those
that build whole values at one fixed place cannot say what stood around it.
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
#: A value that is taken as a whole may have as many characters: what is longer is no JSON, or of another shape.
MAX_VALUE = 1 << 26

_NOT_EXPECTED = "it is cut short, or not the JSON that was expected; is the Base URL that of 360Learning?"
_AFTER_A_VALUE = frozenset(",:]} \t\r\n")
_SPACE = re.compile(r"[ \t\n\r]*")


class JsonStream:
    """
    A JSON text, read once from its beginning to its end.

    :param read: Gives so many more bytes of it, fewer only at its end, and then none.
    """

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._scan = json.JSONDecoder().raw_decode
        self._text = ""
        self._at = 0
        self._has_ended = False

    def items(self) -> Iterator[None]:
        """Walk through an array: at each step, its next item is to be read."""
        yield from self._walk("[", "]")

    def names(self) -> Iterator[str]:
        """Walk through an object: at each step, the value of this name is to be read."""
        for _ in self._walk("{", "}"):
            name = self.value()
            self._take(":")
            yield name

    def values(self) -> Iterator[Any]:
        """Read the items of an array."""
        for _ in self._walk("[", "]"):
            yield self.value()
            # Of millions, nearly all are read here: those that stand close to the one before.
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
                pass  # and raised outside: the error holds the text
            else:
                # A number that ends with what has been read may go on: "1." and "1.5e" are read up to the digit.
                if self._text[end : end + 1] in _AFTER_A_VALUE or self._has_ended:
                    self._at = end
                    return value
            if len(self._text) > MAX_VALUE or not self._read_on():
                raise unusable(_NOT_EXPECTED)

    def end(self) -> None:
        """
        Read to the end.

        :raises UnexpectedResponseError: if anything but white space is left.
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
        """Return the next character that is no white space, without taking it; at the end, nothing."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def _read_on(self) -> bool:
        """Read more, and tell whether there was any."""
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
    """Say what is wrong with the body of a success."""
    return UnexpectedResponseError(f"360Learning's answer cannot be used: {fault}")
