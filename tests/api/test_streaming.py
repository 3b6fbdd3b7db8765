"""Responses that are parsed while they come in: course statistics, whole or broken, in any layout."""

from __future__ import annotations

import gzip
import io
import json
from datetime import UTC, datetime, timedelta, timezone
from itertools import chain

import pytest

from airflow_provider_360learning.api.course_attempts import Attempt
from airflow_provider_360learning.api.json_stream import JsonStream
from airflow_provider_360learning.api.v1.complete_reader import Size, Window
from airflow_provider_360learning.api.v1.course_attempts import _FILTERS, _StatisticsSource, read_course_stats
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    RefusedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from tests.api.support import Response, Sink, TinyServer, everything_about, secrets_in

ONCE = {"client": {"max_attempts": 1}}


def attempt(number, **more):
    timestamps = dict.fromkeys(("firstActivity", "lastActivity", "completedAt"), f"2026-01-01T00:00:00.{number:03}Z")
    return {"_id": f"{number:024x}", "progress": 100, "globalTime": 1500, **timestamps, **more}


def course(name, *numbers):
    user = {"_id": "b" * 24, "mail": "ana@acme.test", "lastName": "Roy"}
    return {
        "course": {"_id": name * 24, "name": 'A "course" [1], {2}'},
        "stats": [{"user": user, "attempts": [attempt(number)]} for number in numbers],
    }


COURSES = [course("c", 1, 2), course("d"), course("e", 3)]
#: What they are as (course, attempt).
FLAT = [("c" * 24, 1), ("c" * 24, 2), ("e" * 24, 3)]


def flat(batches):
    return [(one.course_id, int(one.attempt_id, 16)) for one in chain.from_iterable(batches)]


@pytest.fixture
def client_of(make_api):
    """Return a function that makes a server send these responses one by one, and returns a client for it."""
    with TinyServer(lambda request: responses.pop(0)) as server:
        responses = []

        def serve(*these, **settings):
            responses.extend(these)
            return make_api(server.url, **{"auth": "api_key_header", "read_timeout": 60, **settings}).client

        serve.server = server
        yield serve


def broken(body, missing=1):
    """Return a response whose connection is closed before its end."""
    return Response(body, headers={"Content-Length": str(len(body) + missing), "Connection": "close"})


# Layouts


def reversed_objects(value):
    if isinstance(value, dict):
        return {name: reversed_objects(value[name]) for name in reversed(value)}
    return [reversed_objects(item) for item in value] if isinstance(value, list) else value


def with_more_keys(courses):
    return [{"a": [1.5e3, {}], **one, "z": None} for one in courses]


LAYOUTS = {
    "dense": json.dumps(COURSES, separators=(",", ":")),
    "indented": "\n\t " + json.dumps(COURSES, indent=3) + "\r\n ",
    "attempts first": json.dumps(reversed_objects(COURSES)),
    "with more than is used": json.dumps(with_more_keys(COURSES)),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_reads_all_layouts_of_json(client_of, layout):
    assert read_course_stats(client_of(Response(layout.encode())), flat) == FLAT


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_reads_values_across_the_ends_of_chunks(layout, size):
    body = io.BytesIO(layout.replace("Roy", "Röy 日本 😀").encode())
    stream = JsonStream(lambda wanted: body.read(min(size, wanted)))
    read = [{name: stream.value() for name in stream.names()} for _ in stream.items()]
    stream.end()
    assert read == json.loads(body.getvalue())


@pytest.mark.parametrize("size", range(1, 40))
def test_reads_bare_values_to_their_end(size):
    values = [12345.25e-2, -1, 0, 15, 2.5, -3e30, "a,b]", None, True, [], {}, [[1], {"a": []}], 1234567890]
    for text in (json.dumps(values), json.dumps(values, indent=1), json.dumps(values, separators=(",", ":"))):
        body = io.BytesIO(text.encode())
        stream = JsonStream(lambda wanted: body.read(min(size, wanted)))  # noqa: B023
        assert list(stream.values()) == values


def test_response_may_be_compressed(client_of):
    body = Response(gzip.compress(LAYOUTS["dense"].encode()), headers={"Content-Encoding": "gzip"})
    assert read_course_stats(client_of(body), flat) == FLAT


def test_attempt_has_all_columns_of_an_export(client_of):
    whole = attempt(1, score=80.5, path="f" * 24, pathSession="a" * 24, completedAt="2026-01-01T02:00:00.5+01:00")
    bare = {"_id": "2", "completedAt": "", "score": None}
    stats = [{"user": {"_id": "b" * 24}, "attempts": [whole, bare]}, {"user": None, "attempts": [{"_id": "3"}]}]
    read = read_course_stats(client_of(Response([{"course": None, "stats": stats}])), list)
    nothing = dict.fromkeys(Attempt._fields)
    assert [[one._asdict() for one in batch] for batch in read] == [
        [
            {
                **nothing,
                "attempt_id": whole["_id"],
                "user_id": "b" * 24,
                "path_id": "f" * 24,
                "session_id": "a" * 24,
                "progress": 100,
                "score": 80.5,
                "first_activity": "2026-01-01T00:00:00.001Z",
                "last_activity": "2026-01-01T00:00:00.001Z",
                "completed_at": "2026-01-01T01:00:00.500Z",
                "time_spent_seconds": 1.5,
            },
            {**nothing, "attempt_id": "2", "user_id": "b" * 24},
        ],
        [{**nothing, "attempt_id": "3"}],
    ]


@pytest.mark.parametrize(
    ("date_field", "after", "before"),
    [
        ("completed_at", "completedAtAfter", "completedAtBefore"),
        ("last_activity_at", "lastActivityAtAfter", "lastActivityAtBefore"),
    ],
)
def test_requests_a_millisecond_more_than_the_interval(api, sent, date_field, after, before):
    """It is not known whether the bounds are included."""
    start = datetime(2026, 1, 1, 0, 0, 0, 1999, tzinfo=timezone(timedelta(hours=1)))
    end = datetime(2026, 1, 2, tzinfo=UTC)
    api.read_course_attempts(interval_start=start, interval_end=end, date_field=date_field, sink=Sink())
    first, *_, last = sent("getCoursesStats")
    assert first["query"][after] == "2025-12-31T23:00:00.000Z"
    assert last["query"][before] == "2026-01-02T00:00:00.000Z"


# Broken responses


BODY = LAYOUTS["dense"].encode()


@pytest.mark.slow
@pytest.mark.parametrize("length", [0, 100, len(BODY) - 1, len(BODY)])
def test_response_that_breaks_is_read_again_from_its_start(client_of, length):
    client = client_of(broken(BODY[:length]), Response(BODY))
    reads = []

    def take(batches):
        reads.append([])
        for batch in batches:
            reads[-1] += flat([batch])
        return reads[-1]

    assert read_course_stats(client, take) == FLAT
    assert len(reads) == 2
    assert client.usage.retries == 1


def test_broken_connection_is_an_error(client_of):
    with pytest.raises(TransportError, match="broke before the response was complete") as caught:
        read_course_stats(client_of(broken(BODY[:100]), **ONCE), flat)
    assert caught.value.operation == "getCoursesStats"
    assert caught.value.sent


def test_stalled_response_is_an_error_after_the_read_timeout(client_of):
    half = Response(BODY[:100], headers={"Content-Length": str(len(BODY))})
    with pytest.raises(TransportError, match="read_timeout"):
        read_course_stats(client_of(half, read_timeout=0.3, **ONCE), flat)


UNUSABLE = {
    "empty": b"",
    "nothing but space": b" \n",
    "a web page": b"<html>Welcome</html>",
    "an object": b"{}",
    "not an object in it": b"[1]",
    "cut short in a value": BODY[:-40],
    "cut short between values": BODY[:-1],
    "more behind its end": BODY + b"]",
    "twice": BODY + BODY,
    "no comma": BODY.replace(b"},{", b"} {", 1),
    "no colon": BODY.replace(b'"stats":', b'"stats" '),
    "not UTF-8": BODY.replace(b"Roy", b"R\xf6y"),
    "an object without statistics": b'[{"course":{"_id":"c"}}]',
    "an error instead of a course": b'[{"error":"no"}]',
    "no attempts": b'[{"course":{},"stats":[{"user":{}}]}]',
    "an attempt without id": b'[{"course":{},"stats":[{"user":{},"attempts":[{}]}]}]',
    "attempts that are lists": b'[{"course":{},"stats":[{"user":{},"attempts":[[]]}]}]',
    "an invalid timestamp": b'[{"course":{},"stats":[{"user":{},"attempts":[{"_id":"1","completedAt":"soon"}]}]}]',
    "an invalid duration": b'[{"course":{},"stats":[{"user":{},"attempts":[{"_id":"1","globalTime":"1h"}]}]}]',
}


@pytest.mark.parametrize("body", UNUSABLE.values(), ids=list(UNUSABLE))
def test_unusable_response_is_an_error(client_of, body):
    with pytest.raises(UnexpectedResponseError, match="cannot be used") as caught:
        read_course_stats(client_of(Response(body), **ONCE), flat)
    assert (caught.value.operation, caught.value.status) == ("getCoursesStats", 200)
    assert caught.value.transient
    assert "Roy" not in everything_about(caught.value)


@pytest.mark.slow
def test_unusable_response_is_requested_again(client_of):
    assert read_course_stats(client_of(Response(b"<html>"), Response(BODY[:-1]), Response(BODY)), flat) == FLAT


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (Response({"error": "nope"}, 400), InvalidRequestError),
        (Response({"error": "boom"}, 503), ServerError),
        (Response(b"", 302, {"Location": "/"}), RefusedError),
    ],
)
def test_raises_the_errors_of_other_operations(client_of, response, error):
    with pytest.raises(error):
        read_course_stats(client_of(response, **ONCE), flat)


def test_error_response_that_breaks_is_a_broken_connection(client_of):
    refused = broken(b'{"error":')
    refused.status = 400
    with pytest.raises(TransportError, match="broke before the response was complete"):
        read_course_stats(client_of(refused, **ONCE), flat)


@pytest.mark.parametrize("auth", ["api_key_query", "api_key_header"])
@pytest.mark.parametrize(
    "response", [broken(BODY[:100]), Response(b"<"), Response(BODY[:50], headers={"Content-Length": "99"})]
)
def test_no_error_shows_the_api_key(client_of, sandbox, auth, response):
    with pytest.raises((TransportError, UnexpectedResponseError)) as caught:
        read_course_stats(client_of(response, auth=auth, read_timeout=0.3, **ONCE), flat)
    assert secrets_in(everything_about(caught.value), [sandbox.api_key]) == []


def test_error_of_the_sink_is_raised_unchanged(client_of):
    def take(batches):
        next(batches)
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        read_course_stats(client_of(Response(BODY)), take)


# Connections


def test_response_read_to_its_end_leaves_the_connection_open(client_of):
    client = client_of(*[Response(BODY)] * 3)
    for _ in range(3):
        assert read_course_stats(client, flat) == FLAT
    assert client_of.server.connections == 1


def test_sink_may_stop_before_the_end(client_of):
    client = client_of(Response(BODY), Response(BODY))
    assert read_course_stats(client, lambda batches: flat([next(batches)])) == FLAT[:1]
    assert read_course_stats(client, flat) == FLAT


def test_stops_reading_once_a_response_is_larger_than_enough():
    """A response whose size alone matters may have all attempts there ever were."""
    attempts = [attempt(0)] * 3

    class Client:
        def call(self, call):
            body = {"course": {"_id": "c"}, "stats": [{"user": None, "attempts": attempts}] * 20_000}
            self.body = io.BytesIO(json.dumps([body]).encode())
            return call.read(self.body)

    source = _StatisticsSource(client := Client(), Sink(), _FILTERS["completed_at"])
    response = source.count(Window(0, 2**41), enough=Size(60, 50))
    assert (response.size, response.inside, response.whole) == (Size(153, 51), 153, False)
    assert client.body.tell() < len(client.body.getvalue()) / 10
