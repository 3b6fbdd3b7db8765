"""
A JSON response, parsed value by value while it comes in: only the current value is in memory.

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
from typing import Any, NoReturn

from airflow_provider_360learning.exceptions import ResponseTooLargeError, UnexpectedResponseError

#: Bytes read at a time.
CHUNK = 1 << 18
#: Maximum length of a value that is read as a whole, in characters.
MAX_VALUE = 1 << 20
#: Maximum nesting of a value that is read as a whole, in arrays and objects. Deeper ones would pass the scanner, but
#: not all of what copies, compares or writes a value.
MAX_DEPTH = 250
#: Maximum number of names of an object that is walked through: a server that sends nothing else would keep its reader
#: busy without end.
MAX_NAMES = 10_000
#: Likewise of characters of white space between two values, in a text of any length.
MAX_BLANKS = 1 << 20
#: An object takes the memory of so many other short values.
OBJECT_WEIGHT = 3

_NOT_EXPECTED = "it is incomplete, or not the expected JSON; check that the Base URL is that of 360Learning"
_TOO_LONG = (
    f"a value in it is longer than {MAX_VALUE >> 20} MiB or not JSON; check that the Base URL is that of 360Learning"
)
_TOO_DEEP = f"a value in it is nested more than {MAX_DEPTH} levels deep; check that the Base URL is that of 360Learning"
_TOO_MANY_NAMES = f"an object in it has more than {MAX_NAMES:,} names; check that the Base URL is that of 360Learning"
_TOO_BLANK = f"more than {MAX_BLANKS >> 20} MiB of white space is in it; check that the Base URL is that of 360Learning"
_AFTER_A_VALUE = frozenset(",:]} \t\r\n")
_SPACE = re.compile(r"[ \t\n\r]*")
#: Length of the shortest value that is nested too deeply, in characters.
_SHORTEST_TOO_DEEP = 2 * (MAX_DEPTH + 1)


class JsonStream:
    """
    A JSON text, read once from its start to its end.

    :param read: Returns at most the given number of further bytes, and none at the end.
    :param max_values: Maximum number of values in it: a short one takes many times the memory of its text.
    """

    def __init__(self, read: Callable[[int], bytes], max_values: int | None = None) -> None:
        self._read = read
        self._max_values = max_values
        self._values_read = 0
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._scan = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
        self._text = ""
        self._at = 0
        #: Number of characters before the text.
        self._before = 0
        self._has_ended = False

    @property
    def position(self) -> int:
        """Number of characters before the next value."""
        return self._before + self._at

    # Any, as of `json.loads`: the caller knows the shape, and checks what it needs.

    def document(self) -> Any:
        """
        Read everything: arrays, also those in an object, item by item, and other values as a whole.

        :return: ``None`` for an empty text.
        """
        first = self._next_character()
        if not first:
            return None
        if first == "{":
            document: Any = {name: self._array_or_value() for name in self.names()}
        else:
            document = self._array_or_value()
        self.end()
        return document

    def items(self) -> Iterator[None]:
        """Walk through an array; the caller reads one item per step."""
        yield from self._walk("[", "]")

    def names(self) -> Iterator[str]:
        """Walk through an object; the caller reads the value of each name."""
        for number, _ in enumerate(self._walk("{", "}")):
            if number == MAX_NAMES:
                raise unusable(_TOO_MANY_NAMES)
            name = self.value()
            if not isinstance(name, str):
                raise unusable(_NOT_EXPECTED)
            self._take(":")
            yield name

    def values(self) -> Iterator[Any]:
        """Read the items of an array."""
        for _ in self._walk("[", "]"):
            yield self.value()
            # Nearly all of millions are read here: items that a comma or the end follows at once.
            text, at = self._text, self._at
            try:
                while text[at] == ",":
                    start = at + 1
                    if text[start] <= " ":
                        start = _SPACE.match(text, start).end()  # type: ignore[union-attr]
                    value, end = self._scan(text, start)
                    if text[end] not in ",]":
                        break
                    if end - start > _SHORTEST_TOO_DEEP:
                        self._check(value, start, end)
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
            except (ValueError, RecursionError) as error:
                problem = _TOO_DEEP if isinstance(error, RecursionError) else None
            else:
                problem = None
                # A number at the end of the chunk may continue: "1." and "1.5e" are scanned up to the digit.
                if self._text[end : end + 1] in _AFTER_A_VALUE or self._has_ended:
                    self._check(value, self._at, end)
                    self._at = end
                    return value
            if len(self._text) - self._at > MAX_VALUE:
                problem = problem or _TOO_LONG
            # Raised here, because the scanner's error holds the text.
            if problem or not self._read_on():
                raise unusable(problem or _NOT_EXPECTED)

    def end(self) -> None:
        """
        Read to the end.

        :raises UnexpectedResponseError: if anything but white space follows.
        """
        if self._next_character():
            raise unusable(_NOT_EXPECTED)

    def _array_or_value(self) -> Any:
        return list(self.values()) if self._next_character() == "[" else self.value()

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
        blanks = 0
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            # A text of limited length says so in its own error.
            if self._max_values is None and blanks > MAX_BLANKS:
                raise unusable(_TOO_BLANK)
            if not self._read_on():
                return ""
            blanks += len(self._text)

    def _check(self, value: Any, start: int, end: int) -> None:
        """Refuse a value that is too long or nested too deeply."""
        if end - start > MAX_VALUE:
            raise unusable(_TOO_LONG)
        # Counted first, because that is faster.
        containers = self._text.count("[", start, end) + self._text.count("{", start, end)
        if containers > MAX_DEPTH and _depth_exceeds(value, MAX_DEPTH):
            raise unusable(_TOO_DEEP)

    def _read_on(self) -> bool:
        """Read more, and return whether there was any."""
        if self._has_ended:
            return False
        # A value longer than a chunk is scanned again from its start: by doubling, it costs no more than twice.
        chunk = self._read(max(CHUNK, len(self._text) - self._at))
        self._has_ended = not chunk
        more = self._decode(chunk)
        if self._max_values is not None:
            self._values_read += more.count(",") + more.count("[") + OBJECT_WEIGHT * more.count("{")
            if self._values_read > self._max_values:
                raise ResponseTooLargeError(
                    f"360Learning's response cannot be used: it has more than {self._max_values:,} values; increase "
                    "the connection's max_response_mib if they are needed"
                )
        self._before += self._at
        self._text, self._at = self._text[self._at :] + more, 0
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


def _refuse_constant(name: str) -> NoReturn:
    """Refuse ``NaN``, ``Infinity`` and ``-Infinity``, which Python's scanner accepts although they are not JSON."""
    raise ValueError(name)


def _depth_exceeds(value: object, levels: int) -> bool:
    """Return whether a value has more than so many levels of arrays and objects."""
    level: list[Any] = [[value]]
    for _ in range(levels + 1):
        level = [
            item
            for container in level
            for item in (container.values() if isinstance(container, dict) else container)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True
