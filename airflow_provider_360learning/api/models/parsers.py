"""
Parsers of the arguments of actions, options and connections.

pydantic's parsers accept too much: ``1.78826E+12`` as a date, ``1_000`` as an integer, ``y`` as a boolean. Each parser
returns the normalized value, so that keys and digests of rows do not depend on how a value was written, or raises a
``PydanticCustomError`` whose message completes "<field> …".
"""

from __future__ import annotations

import json
import math
import numbers
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal

from pydantic import SecretStr
from pydantic_core import PydanticCustomError

from airflow_provider_360learning.api.types import Upload
from airflow_provider_360learning.log_text import JOINERS

#: Maximum number of characters of a value that an error shows.
MAX_SHOWN = 200

_COLOR = re.compile(r"#[0-9a-fA-F]{6}")
_ID = re.compile(r"[0-9a-fA-F]{24}")
#: Deliberately generous: 360Learning itself makes addresses such as ``name#company@domain``.
_MAIL = re.compile(r"[^@\s]+@[^@\s]+")
#: An existing user may have an address that no user would be created with.
_EXISTING_MAIL = re.compile(r"[^@\s]+(?: +[^@\s]+)*@[^@\s]+")
#: Text that needs no further look: printable ASCII with single inner blanks.
_PLAIN_TEXT = re.compile(r"[!-~]+(?: [!-~]+)*")
_PLAIN_MAIL = re.compile(r"[!-?A-~]+@[!-?A-~]+")
#: Blanks of Unicode (category Zs), which include the no-break ones; not tabs, line breaks and other controls.
_BLANK_CHARACTERS = "".join(chr(code) for code in (0x20, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000))
_BLANKS = re.compile(f"[{_BLANK_CHARACTERS}]+")
_LINES = "\t\n\r"
#: Select the colorless or the colorful form of the symbol before.
_EMOJI_SELECTORS = ("\ufe0e", "\ufe0f")
_KEYCAP = "\u20e3"
#: Select a form of the character before; the first three and all beyond U+E0100 have forms of Chinese characters.
_VARIATION_SELECTORS = frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
_IDEOGRAPHIC_SELECTORS = _VARIATION_SELECTORS - frozenset(map(chr, range(0xFE03, 0xFE10)))
#: Invisible although their category does not say so: fillers, marks without a shape (``Default_Ignorable``), and the
#: character that replaces unreadable ones.
_INVISIBLE = _VARIATION_SELECTORS.union(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2800\u3164\uffa0\ufffd"
)
_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})
_INTEGER = re.compile(r"[+-]?\d+(?:\.0*)?", re.ASCII)
# Each digit can match in one place only: otherwise a long text takes quadratic time.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_EPOCH = re.compile(r"\d{9,14}(?:\.\d+)?", re.ASCII)
#: Maximum number of digits of a number that is written as a string.
_MAX_DIGITS = 40
#: Maximum number of characters of a text that is a number or a timestamp.
_MAX_NUMBER_LENGTH = 100
#: Maximum number of combining marks in a row, as in Unicode's stream-safe text format: no language has more, and
#: normalizing takes time that grows with the square of their number.
_MAX_MARKS = 30
#: Characters that are not combining marks, but are normalized to some.
_MADE_OF_MARKS = "\u0f73\u0f75\u0f81"
#: Numbers of seconds since 1970 begin in March 1973: smaller ones are rather dates such as 20261001.
_MIN_EPOCH, _MIN_EPOCH_MILLISECONDS, _MAX_EPOCH_MILLISECONDS = 1e8, 1e11, 1e14


def shown(value: object) -> str:
    """Return a value as an error shows it: at most :data:`MAX_SHOWN` characters."""
    try:
        # A long text is not copied in full.
        text = repr(value[: MAX_SHOWN + 1] if isinstance(value, str | bytes) else value)
    except Exception:  # more than 4,300 digits, hundreds of levels, or whatever a class of another library raises
        return f"a value of type {type(value).__name__:.80} that cannot be shown"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def problem(text: str, **context: object) -> PydanticCustomError:
    """Return the error of a field. The text is passed as context, since a template would replace braces in it."""
    return PydanticCustomError("invalid", "{problem}", {"problem": text, **context})


def problem_of(error: PydanticCustomError) -> str:
    """Return the text that :func:`problem` was given."""
    return str((error.context or {})["problem"])


def invalid(value: object, expected: str, advice: str = "") -> PydanticCustomError:
    """Return the error of a field: its value, what was expected, and what to do."""
    return problem(f"is {shown(value)}, but must be {expected}{advice}")


def is_missing(value: object) -> bool:
    """Whether a value stands for "not given": ``None``, blanks only, or pandas' ``NaT`` or ``NA``."""
    if value is None:
        return True
    if isinstance(value, str):
        return not value or value.isspace()
    return type(value).__name__ in ("NaTType", "NAType")


# Text


def parse_text(value: object) -> str:
    """
    Normalize a single-line text: NFC, trimmed, inner blanks collapsed.

    :raises PydanticCustomError: for a value that is not a string (integers, decimals and dates are written as one), an
        empty one, and one with control or invisible characters. Joiners and selectors are part of words
        and emoji.
    """
    text = value if type(value) is str else _as_string(value)
    if text.isascii() and _PLAIN_TEXT.fullmatch(text):
        return text
    text = _BLANKS.sub(" ", _trimmed(text))
    if not text:
        raise invalid(value, "a string that is not empty")
    _refuse_invisible(value, text, _is_part_of_word)
    return text


def normalized(text: str | None) -> str:
    """Return the text of a response as :func:`parse_text` would write it, to compare the two; controls are blanks."""
    text = text or ""
    # parse_text returns no text that has too many marks, so that such a text equals none.
    return " ".join((text if _has_too_many_marks(text) else unicodedata.normalize("NFC", text)).split())


def parse_mail(value: object) -> str:
    """
    Normalize an email address.

    :raises PydanticCustomError: for anything else, and for blanks, control and invisible characters in it.
    """
    if type(value) is str and value.isascii() and _PLAIN_MAIL.fullmatch(value):
        return value
    return _parse_mail(value, _MAIL, "an email address")


def parse_id(value: object) -> str:
    """
    Return an id as it is.

    :raises PydanticCustomError: if it is not 24 hexadecimal characters.
    """
    if isinstance(value, str) and _ID.fullmatch(value):
        return value
    raise invalid(value, "an id of 24 hexadecimal characters")


def parse_external_id(value: object) -> str:
    """
    Return the id of another system as it is, blanks included.

    :raises PydanticCustomError: for a value that is not a string (integers and decimals are written as one), and one
        with control or invisible characters.
    """
    text = _as_string(value)
    _refuse_invisible(value, text)
    return text


def is_id(value: object) -> bool:
    """Whether a value is an id."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None


def parse_user(value: object) -> str:
    """
    Return an id as it is, or normalize an email address, which may have blanks inside.

    :raises PydanticCustomError: for anything else.
    """
    if type(value) is str and value.isascii() and (_PLAIN_MAIL.fullmatch(value) or _ID.fullmatch(value)):
        return value
    return _parse_mail(value, _EXISTING_MAIL, "an email address or an id of 24 hexadecimal characters")


def parse_color(value: object) -> str:
    """
    Read a color in hexadecimal format, or ``default``.

    :param value: The value.
    :raises PydanticCustomError: if it is neither.
    """
    text = parse_text(value)
    if text == "default" or _COLOR.fullmatch(text):
        return text.lower()
    raise problem(f"is {shown(value)}, but must be a color such as #0a47c2, or default")


def parse_url(value: object) -> str:
    """
    Normalize a URL.

    :raises PydanticCustomError: if it does not begin with ``https://`` or ``http://``, or has blanks.
    """
    text = _trimmed(value) if isinstance(value, str) else ""
    if not re.fullmatch(r"https?://\S+", text):
        raise invalid(value, "a URL that begins with https:// or http://")
    _refuse_invisible(value, text)
    return text


def parse_upload(value: object) -> Upload:
    """
    Return a file to upload.

    :raises PydanticCustomError: if it is anything else, such as a path: an operator reads the file, an action does not.
    """
    if not isinstance(value, Upload):
        raise problem("is not a file: give Upload(name, content), or use the operator, which takes a path")
    return value


def parse_multiline_text(value: object) -> str:
    """
    Return a string, such as HTML, as it is.

    :raises PydanticCustomError: if it is not a string, or contains control characters other than line breaks and tabs.
    """
    if not isinstance(value, str):
        raise invalid(value, "a string")
    _refuse_invisible(value, value, _is_part_of_lines)
    return value


def parse_password(value: object) -> SecretStr:
    """
    Return a password, never changed and never shown.

    :raises PydanticCustomError: if it is not a string, cannot be encoded, or consists of blanks only: that is an error
        of the source, and without a password the account would get a random one.
    """
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str) or any(unicodedata.category(character) == "Cs" for character in text):
        raise problem("must be a string of valid Unicode")
    if not text or text.isspace():
        raise problem("consists of blanks only: enter a password, or leave it empty")
    return SecretStr(text)


def _parse_mail(value: object, pattern: re.Pattern[str], expected: str) -> str:
    if not isinstance(value, str):
        raise invalid(value, expected)
    text = _trimmed(value)
    _refuse_invisible(value, text)
    if not pattern.fullmatch(text):
        raise invalid(value, expected)
    return text


def _as_string(value: object, expected: str = "a string") -> str:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, numbers.Integral) and not isinstance(value, bool) and abs(int(value)) < 10**_MAX_DIGITS:
        return str(int(value))
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _MAX_DIGITS:
        return format(value, "f")
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    raise invalid(value, expected)


def _trimmed(text: str) -> str:
    if _has_too_many_marks(text):
        raise invalid(text, f"free of sequences of more than {_MAX_MARKS} combining marks")
    return unicodedata.normalize("NFC", text).strip(_BLANK_CHARACTERS)


def _has_too_many_marks(text: str) -> bool:
    if len(text) <= _MAX_MARKS or text.isascii():
        return False
    # Of so many marks in a row, one is at each multiple of the length of the shortest sequence that is too long.
    positions = range(_MAX_MARKS, len(text), _MAX_MARKS + 1)
    return any(_is_mark(text[index]) and _marks_around(text, index) > _MAX_MARKS for index in positions)


def _marks_around(text: str, index: int) -> int:
    """Return the number of combining marks in a row of which one is at an index, counted up to one too many."""
    start = end = index
    while start > 0 and end - start <= _MAX_MARKS and _is_mark(text[start - 1]):
        start -= 1
    while end < len(text) and end - start <= _MAX_MARKS and _is_mark(text[end]):
        end += 1
    return end - start


def _is_mark(character: str) -> bool:
    return unicodedata.combining(character) > 0 or character in _MADE_OF_MARKS


def _refuse_invisible(
    value: object, text: str, is_allowed: Callable[[str, int], bool] = lambda text, index: False
) -> None:
    if text.isprintable() and _INVISIBLE.isdisjoint(text):  # no character of the categories below
        return
    for index, character in enumerate(text):
        is_invisible = unicodedata.category(character) in _INVISIBLE_CATEGORIES or character in _INVISIBLE
        if is_invisible and not is_allowed(text, index):
            name = unicodedata.name(character, "")
            place = f"U+{ord(character):04X}" + (f" {name}" if name else "")
            raise invalid(value, f"free of control and invisible characters: it contains {place}")


def _is_part_of_word(text: str, index: int) -> bool:
    if text[index] in _IDEOGRAPHIC_SELECTORS:  # names in Japanese are written with them
        return index > 0 and unicodedata.name(text[index - 1], "").startswith("CJK ")
    if _is_part_of_emoji(text, index):
        return True
    # Persian and Indic words contain zero-width (non-)joiners; next to a blank or a digit, they are litter.
    neighbors = text[index - 1 : index] + text[index + 1 : index + 2]
    return (
        text[index] in JOINERS
        and len(neighbors) == 2
        and all(unicodedata.category(one)[0] in "LM" for one in neighbors)
    )


def _is_part_of_emoji(text: str, index: int) -> bool:
    """Whether a character colors the symbol (or digit of a keycap) before it, or joins two symbols to one."""
    before, after = text[index - 1 : index], text[index + 1 : index + 2]
    if text[index] in _EMOJI_SELECTORS:
        return _is_symbol(before) or (bool(before) and after == _KEYCAP)
    joins = text[index] == "\u200d" and _is_symbol(after)
    return joins and (_is_symbol(before) or before in _EMOJI_SELECTORS)


def _is_symbol(character: str) -> bool:
    return bool(character) and unicodedata.category(character)[0] == "S"


def _is_part_of_lines(text: str, index: int) -> bool:
    character = text[index]
    return character in _LINES or character in _VARIATION_SELECTORS or unicodedata.category(character) == "Cf"


# Numbers and booleans


def parse_integer(value: object, minimum: int | None = None, maximum: int | None = None) -> int:
    """
    Read an integer, also from text.

    :param value: The value.
    :param minimum: Lowest valid value.
    :param maximum: Highest valid value.
    :raises PydanticCustomError: if it is not an integer, or out of bounds.
    """
    number = _read_integer(value)
    if number is None or not _is_within(number, minimum, maximum):
        raise invalid(value, "an integer" + _bounds(minimum, maximum))
    return number


def parse_number(value: object, minimum: float | None = None, maximum: float | None = None) -> float:
    """
    Read a finite number, also from text.

    :param value: The value.
    :param minimum: Lowest valid value.
    :param maximum: Highest valid value.
    :raises PydanticCustomError: if it is not a number, or out of bounds.
    """
    number = _read_number(value)
    if number is None or not _is_within(number, minimum, maximum):
        raise invalid(value, "a number" + _bounds(minimum, maximum))
    return number + 0.0  # -0.0 becomes 0.0, so that digests do not differ


def parse_spent_seconds(value: object) -> float:
    """
    Read a duration in seconds, rounded to milliseconds, which is what 360Learning stores.

    :raises PydanticCustomError: if it is not a number, or not between a millisecond and 30 years.
    """
    return round(parse_number(value, minimum=0.001, maximum=1_000_000_000), 3)


def parse_boolean(value: object) -> bool:
    """
    Read a boolean, also from the text that a template renders to.

    :raises PydanticCustomError: if it is neither true nor false.
    """
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str) or type(value).__name__ in ("bool", "bool_") else ""
    if text not in ("true", "false"):
        raise invalid(value, "true or false")
    return text == "true"


def _read_number(value: object) -> float | None:
    try:
        if isinstance(value, str):
            text = value.strip()
            is_number = len(text) <= _MAX_NUMBER_LENGTH and _NUMBER.fullmatch(text)
            number = float(text) if is_number else math.nan
        elif isinstance(value, numbers.Real | Decimal) and not isinstance(value, bool):
            number = float(value)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _read_integer(value: object) -> int | None:
    if isinstance(value, str):
        text = value.strip()
        is_integer = len(text) <= _MAX_NUMBER_LENGTH and _INTEGER.fullmatch(text)
        return int(text.partition(".")[0]) if is_integer else None
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return int(value)
    number = _read_number(value)
    return None if number is None or number != int(number) else int(number)


def _is_within(number: float, minimum: float | None, maximum: float | None) -> bool:
    return (minimum is None or number >= minimum) and (maximum is None or number <= maximum)


def _bounds(minimum: float | None, maximum: float | None) -> str:
    if minimum is not None and maximum is not None:
        return f" from {minimum:,} to {maximum:,}"
    return "" if minimum is None else f" of at least {minimum:,}"


# Times


def parse_timestamp(value: object) -> datetime:
    """
    Read a timestamp: ISO 8601 or a datetime with a time zone, or seconds or milliseconds since 1970.

    Numbers below 100,000,000,000 are seconds, others milliseconds.

    :return: In UTC, cut to milliseconds, which is what 360Learning stores.
    :raises PydanticCustomError: if it is not a timestamp, or has no time zone.
    """
    read = _read_timestamp(value)
    if type(read) is datetime and read.tzinfo is UTC:  # most of those in a file
        excess = read.microsecond % 1000
        return read.replace(microsecond=read.microsecond - excess, fold=0) if excess or read.fold else read
    if read is None or read.utcoffset() is None:
        raise invalid(value, "a timestamp with a time zone, such as 2026-12-01T09:00:00Z", _advice_for_timestamp(value))
    try:
        read = read.astimezone(UTC)
    except (OverflowError, ValueError):
        raise invalid(value, "a timestamp in the years 1 to 9999 in UTC") from None
    # Made anew: datetimes of other libraries (pandas, pendulum) compare and print in ways of their own.
    seconds = (read.year, read.month, read.day, read.hour, read.minute, read.second)
    return datetime(*seconds, read.microsecond // 1000 * 1000, UTC)


def _read_timestamp(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str):
            text = value.strip()
            if len(text) > _MAX_NUMBER_LENGTH:
                return None
            if _EPOCH.fullmatch(text):
                return _from_epoch(float(text))
            return datetime.fromisoformat(text)
        if isinstance(value, numbers.Real | Decimal) and not isinstance(value, bool):
            return _from_epoch(float(value))
    except (ValueError, OverflowError):
        pass
    return None


def _from_epoch(number: float) -> datetime | None:
    if not _MIN_EPOCH <= number < _MAX_EPOCH_MILLISECONDS:
        return None
    milliseconds = round(number if number >= _MIN_EPOCH_MILLISECONDS else number * 1000)
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)


def _advice_for_timestamp(value: object) -> str:
    text = value.strip().replace(",", ".") if isinstance(value, str) else ""
    if len(text) <= _MAX_NUMBER_LENGTH and "E+" in text.upper() and _NUMBER.fullmatch(text):
        return ". A spreadsheet has shortened this number: format the column as text, and export it again"
    return ""


# Lists and objects


def parse_list(parse_item: Callable[[object], str], value: object) -> tuple[str, ...]:
    """
    Read a list of strings, each once.

    :param parse_item: Parses one of them.
    :param value: A list, a text with ``;`` between the values, or a JSON array.
    :raises PydanticCustomError: naming the position of an item that is invalid.
    """
    if isinstance(value, str):
        value = _from_json(value) if value.lstrip().startswith("[") else _split(value)
    has_no_dimension = getattr(value, "shape", None) == ()  # an array of numpy, which then cannot be iterated over
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Iterable) or has_no_dimension:
        raise invalid(value, "a list: values with ; between them, or a JSON array")
    items: dict[str, None] = {}
    for index, item in enumerate(value):
        if isinstance(item, str) and (not item or item.isspace()):
            continue
        try:
            if not isinstance(item, str):
                raise invalid(item, "a string")
            items[parse_item(str(item))] = None  # not a subclass, such as that of numpy
        except PydanticCustomError as error:
            raise problem(problem_of(error), index=index) from None
    return tuple(items)


def _split(text: str) -> list[str]:
    return [one.strip(_BLANK_CHARACTERS) for one in text.split(";")]


def parse_filled_list(parse_item: Callable[[object], str], value: object) -> tuple[str, ...]:
    """Read a list as :func:`parse_list` does, and refuse an empty one."""
    items = parse_list(parse_item, value)
    if not items:
        raise problem("is empty")
    return items


def parse_users(value: object) -> tuple[str, ...]:
    """Read a list of email addresses and ids of existing users, each once."""
    return parse_list(parse_user, value)


def parse_custom_fields(value: object) -> Mapping[str, str | date] | None:
    """
    Read values of custom fields: field id to a string, a number or a date.

    :param value: An object, or its JSON text.
    :return: ``None`` for an object without fields, which changes nothing.
    :raises PydanticCustomError: naming the field whose value is invalid. 360Learning documents no way to clear a field
        here, so ``null`` is refused.
    """
    value = _from_json(value) if isinstance(value, str) else value
    if not isinstance(value, Mapping):
        raise invalid(value, "a JSON object of custom field id to value")
    return {key: _custom_value(key, value[key]) for key in sorted(value, key=str)} or None


def _custom_value(key: object, value: object) -> str | date:
    if not is_id(key):
        raise problem(f"has the key {shown(key)}, but keys must be ids of 24 hexadecimal characters")
    if is_missing(value):
        raise problem(f"has no value for {key}: leave the field out, which keeps its value")
    try:
        return parse_custom_value(value)
    except PydanticCustomError as error:
        raise problem(f"of {key} {problem_of(error)}") from None


def parse_custom_value(value: object) -> str | date:
    """
    Read the value of a custom field: a string, a number or a date.

    :raises PydanticCustomError: for anything else.
    """
    if isinstance(value, datetime) and value == value.replace(hour=0, minute=0, second=0, microsecond=0):
        value = value.date()
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral) and math.isfinite(value):
        value = Decimal(repr(float(value) + 0.0)).normalize()
    return parse_text(_as_string(value, "a string, a number or a date"))


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def parse_object(value: object) -> Mapping[str, object]:
    """
    Read an object with names, or its JSON text.

    :return: Empty for a missing value.
    :raises PydanticCustomError: if it is neither. The value is never shown, because it may contain a password.
    """
    read = _from_json(value) if isinstance(value, str) else value
    if is_missing(value):
        return {}
    if not isinstance(read, Mapping):
        advice = ""
        if isinstance(value, str):
            advice = (
                ". If it is a template that renders to an object, use the filter tojson, or set "
                "render_template_as_native_obj=True on the DAG"
            )
        raise problem(f"is of type {type(value).__name__}, but must be an object or its JSON text{advice}")
    for key in read:
        if not isinstance(key, str):
            raise problem(f"has a key of type {type(key).__name__}, but its keys must be strings")
    return read


def parse_column_mapping(value: object) -> Mapping[str, str | None]:
    """
    Read an object of names of columns to names of arguments, or its JSON text.

    :raises PydanticCustomError: if it is neither; see :func:`parse_object`.
    """
    mapping: dict[str, str | None] = {}
    for theirs, ours in parse_object(value).items():
        if ours is not None and not isinstance(ours, str):
            raise problem(
                f"has a value of type {type(ours).__name__} for {shown(theirs)}, but must have the name of an "
                "argument, or None"
            )
        mapping[theirs] = ours
    return mapping
