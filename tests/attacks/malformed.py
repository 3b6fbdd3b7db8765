"""Malformed responses, generated from a seed: JSON of the wrong types, broken HTTP, and both."""

from __future__ import annotations

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from typing import Any

ID = "a" * 24
#: Keys of the objects in responses.
KEYS = (
    *("_id", "id", "mail", "firstName", "lastName", "custom", "primaryGroupId", "group", "roles", "name", "public"),
    *("parent", "users", "coaches", "authors", "admins", "groupId", "sessionIds", "sessionId", "pathId", "sessionName"),
    *("sessionOwnerGroup", "status", "warning", "author", "creationDate", "modificationDate", "courses", "paths"),
    *("usersStats", "attempts", "progress", "score", "firstActivity", "lastActivity", "completedAt", "globalTime"),
    *("totalTimeSpentInSeconds", "detailedStatus", "type", "deleted", "customFields", "customFieldId", "value"),
    *("lastLoginAt", "toDeactivateAt", "externalId", "title", "archived", "course", "stats", "user", "path"),
    *("access_token", "expires_in", "error", "message", "error_description", "statistics", "externalCourses"),
)
#: JSON of values that are valid in some places, and in others not.
VALUES = (
    *(f'"{ID}"', '"ana@acme.test"', '"Lab"', '"2026-01-01T12:00:00.000Z"', "100", "3600", "true", "null", '""'),
    *("[]", "{}", "[[]]", "[{}]", '{"a":{}}', "[null]", "[1]", '["x"]', "[" * 200 + "]" * 200, "[" * 9000 + "]" * 9000),
    *("-1", "0", "1.5", "1e999", "-1e999", "1" + "0" * 400, "1" + "0" * 5000, "NaN", "Infinity", "-Infinity", "-0.0"),
    *(r'"\ud800"', r'"\udfff\ud800"', r'"\u0000"', r'"\u202e"', '"' + "é" * 300 + '"', '"a' + "\u0301" * 3000 + '"'),
    *('"2026-99-99T99:99:99.999Z"', '"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"soon"'),
    *('"user_created"', '"user_already_exists"', '"user_not_found"', '"invitation_created"', '"' + "x" * 70_000 + '"'),
    "[" + ",".join(['"T"'] * 23) + ',"Z"]',  # of the length of a timestamp
)
STATUSES = (
    *["200 OK"] * 12,
    *("201 Created", "204 No Content", "206 Partial", "299", "302 Found", "304 Not Modified", "400 Bad"),
    *("401 Unauthorized", "403 Forbidden", "404 Not Found", "409 Conflict", "418 Teapot", "429 Too Many", "500 Down"),
    *("503 Unavailable", "599 Odd", "600 Odd", "999 Odd", "100 Continue", "101 Switching", "103 Early", "000 Nothing"),
    *("99 Few", "1000 Many", "-1 Negative", "abc", "", "2OO OK", "200\x00 OK"),
)
HEADERS = (
    *(
        "Location: http://[",
        "Location: //",
        "Location: \x00",
        "Location: http://a:99999/",
        "Set-Cookie: a=b; Max-Age=x",
    ),
    *(
        "Set-Cookie: \xff=\x00; expires=Fri, 99 Foo 99999 99:99:99 GMT",
        "no colon",
        ": no name",
        "A\x00B: c",
        "\xff: \xff",
    ),
    *(
        "Retry-After: 100000000000000000000",
        "Retry-After: -5",
        "Retry-After: nan",
        "Retry-After: inf",
        "Retry-After: ٣",
    ),
    *("Retry-After: Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "Retry-After: Fri, 31 Dec 9999 23:59:59 -2359"),
    *(
        "Retry-After: " + "9" * 5000,
        "Date: Mon, 01 Jan 0001 00:00:00 +2359",
        "Date: x",
        "Content-Type: text/html; charset=x",
    ),
    *(
        "Content-Type: application/json; charset=\x00",
        "Content-Type: ;;;",
        "Content-Encoding: br",
        "Content-Encoding: x, y",
    ),
    *(
        "Content-Encoding: gzip",
        "Content-Encoding: gzip, gzip, gzip",
        "Transfer-Encoding: chunked",
        "Transfer-Encoding: x",
    ),
    *("Content-Length: -1", "Content-Length: 5, 6", "Content-Length: abc", "Content-Length: " + "9" * 5000),
    *("Connection: close", "Connection: upgrade", "Upgrade: h2c", " folded", "X: " + "a" * 70_000, "Trailer: x"),
)
CHUNKS = (b"-1", b"-5", b"zz", b"", b"ffffffffffffffffffff", b"0x5", b"5;" + b"a" * 70_000, b"1_0", "٣".encode(), b"+2")


def value(rng: random.Random, depth: int = 0) -> str:
    """Return the JSON of a value."""
    kind = rng.random()
    if depth > 2 or kind < 0.5:
        return rng.choice(VALUES)
    if kind < 0.7:
        return f"[{','.join(value(rng, depth + 1) for _ in range(rng.randrange(4)))}]"
    return json_object(rng, depth + 1)


def json_object(rng: random.Random, depth: int = 0) -> str:
    """Return the JSON of an object with some keys of real ones, also twice; objects in it are small."""
    keys = rng.choices(KEYS, k=rng.randrange(1, 30 if depth == 0 else 4))
    return "{" + ",".join(f'"{key}":{value(rng, depth)}' for key in keys) + "}"


# Any: JSON.
def plausible(rng: random.Random, template: Any) -> str:
    """Return the JSON of a response of the right shape, one or two of whose values are not."""
    marks: list[str] = []

    def replaced(item: Any) -> Any:
        if rng.random() < 0.1 and marks.append(value(rng)) is None:
            return f"<{len(marks) - 1}>"
        if isinstance(item, dict):
            return {key: replaced(each) for key, each in item.items() if rng.random() > 0.05}
        return [replaced(each) for each in item] if isinstance(item, list) else item

    text = json.dumps(replaced(template))
    for number, mark in enumerate(marks):
        text = text.replace(f'"<{number}>"', mark)
    return text


def body(rng: random.Random, template: Any) -> bytes:
    """Return the bytes of a body."""
    kind = rng.random()
    if kind < 0.6:
        text = plausible(rng, template)
    else:
        text = f"[{','.join(json_object(rng) for _ in range(rng.randrange(3)))}]" if kind < 0.8 else value(rng)
    data = text.encode()
    if rng.random() < 0.15:
        at = rng.randrange(len(data) + 1)
        more = rng.choice([b"", b"\xff", b"\xf0\x9f", b"\x00", b"\xed\xa0\x80", b"]", b",", b'"', b"\xef\xbb\xbf"])
        data = data[:at] + more + data[at + rng.randrange(3) :]
    if rng.random() < 0.05:
        data = data.decode("utf-8", "replace").encode(rng.choice(["utf-16", "utf-32", "utf-7"]))
    return data[: rng.randrange(len(data) + 1)] if rng.random() < 0.05 else data


def response(rng: random.Random, template: Any) -> Iterator[bytes]:
    """
    Yield the parts of a response.

    :param rng: The source of all choices.
    :param template: The value of a valid response.
    """
    data, headers = body(rng, template), []
    if rng.random() < 0.4:  # well-formed HTTP
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
        return
    if rng.random() < 0.3:
        headers = [header.encode("utf-8") for header in rng.sample(HEADERS, rng.randrange(1, 4))]
    if rng.random() < 0.2:
        headers.append(b"Content-Encoding: gzip")
        data = rng.choice(
            [gzip.compress(data), gzip.compress(data)[:-3], zlib.compress(data), data, gzip.compress(data) * 2]
        )
    if rng.random() < 0.3:
        headers.append(b"Transfer-Encoding: chunked")
        size = rng.choice([b"%x" % len(data), b"%x" % len(data), *CHUNKS])
        data = (
            size
            + b"\r\n"
            + data
            + rng.choice([b"\r\n0\r\n\r\n", b"\r\n0\r\nX: y\r\n\r\n", b"", b"\r\n-1\r\n", b"\n0\n\n"])
        )
    elif rng.random() < 0.7:
        length = len(data) + rng.choice([0, 0, 0, 0, 5, -1])
        headers.append(b"Content-Length: %d" % length)
    version = rng.choice([*["HTTP/1.1"] * 9, "HTTP/1.0", "HTTP/2", "HTTP/0.9", "ICY", "HTTP/1.1.1", "\x16\x03\x01"])
    end = rng.choice([*[b"\r\n"] * 9, b"\n", b"\r"])
    head = end.join([f"{version} {rng.choice(STATUSES)}".encode(), *headers, b"", b""])
    if rng.random() < 0.05:
        head = rng.choice(
            [b"", head[: rng.randrange(len(head))], b"\x00" * 50, b"HTTP/1.1 100 Continue\r\n\r\n" + head]
        )
    yield head
    yield data
