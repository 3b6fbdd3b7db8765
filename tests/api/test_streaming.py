"""Answers that are read while they come in: course statistics, whole or broken, whatever their layout."""

from __future__ import annotations

import gzip
import io
import json
from itertools import chain

import pytest

from airflow_provider_360learning.api.v1.courses import Attempt
from airflow_provider_360learning.api.v1.json_stream import JsonStream
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    RefusedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from tests.api.support import Answer, TinyServer, everything_about, secrets_in

ONCE = {"client": {"max_attempts": 1}}


def attempt(number, **more):
    moments = dict.fromkeys(("firstActivity", "lastActivity", "completedAt"), f"2026-01-01T00:00:00.{number:03}Z")
    return {"_id": f"{number:024x}", "progress": 100, "globalTime": 1500, **moments, **more}


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
def api_of(make_api):
    """Serve these answers, one after the other, and give what reads them."""
    with TinyServer(lambda request: answers.pop(0)) as server:
        answers = []

        def serve(*these, **settings):
            answers.extend(these)
            return make_api(server.url, **{"auth": "api_key_header", "read_timeout": 0.3, **settings})

        serve.server = server
        yield serve


def broken(body, missing=1):
    """An answer whose connection is closed before its end."""
    return Answer(body, headers={"Content-Length": str(len(body) + missing), "Connection": "close"})


# Layouts


def reversed_objects(value):
    if isinstance(value, dict):
        return {name: reversed_objects(value[name]) for name in reversed(value)}
    return [reversed_objects(item) for item in value] if isinstance(value, list) else value


def with_surplus(courses):
    return [{"a": [1.5e3, {}], **one, "z": None} for one in courses]


LAYOUTS = {
    "dense": json.dumps(COURSES, separators=(",", ":")),
    "indented": "\n\t " + json.dumps(COURSES, indent=3) + "\r\n ",
    "attempts first": json.dumps(reversed_objects(COURSES)),
    "with more than is used": json.dumps(with_surplus(COURSES)),
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_all_layouts_of_json_are_read_alike(api_of, layout):
    assert api_of(Answer(layout.encode())).read_course_stats(flat) == FLAT


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_it_does_not_matter_where_what_was_read_so_far_ends(layout, size):
    body = io.BytesIO(layout.replace("Roy", "Röy 日本 😀").encode())
    answer = JsonStream(lambda wanted: body.read(min(size, wanted)))
    read = [{name: answer.value() for name in answer.names()} for _ in answer.items()]
    answer.end()
    assert read == json.loads(body.getvalue())


@pytest.mark.parametrize("size", range(1, 40))
def test_bare_values_are_read_to_their_end(size):
    values = [12345.25e-2, -1, 0, 15, 2.5, -3e30, "a,b]", None, True, [], {}, [[1], {"a": []}], 1234567890]
    for text in (json.dumps(values), json.dumps(values, indent=1), json.dumps(values, separators=(",", ":"))):
        body = io.BytesIO(text.encode())
        answer = JsonStream(lambda wanted: body.read(min(size, wanted)))  # noqa: B023
        assert list(answer.values()) == values


def test_the_answer_may_be_compressed(api_of):
    body = Answer(gzip.compress(LAYOUTS["dense"].encode()), headers={"Content-Encoding": "gzip"})
    assert api_of(body).read_course_stats(flat) == FLAT


def test_an_attempt_has_all_that_an_export_needs(api_of):
    whole = attempt(1, score=80.5, path="f" * 24, pathSession="a" * 24, completedAt="2026-01-01T02:00:00.5+01:00")
    bare = {"_id": "2", "completedAt": "", "score": None}
    stats = [{"user": {"_id": "b" * 24}, "attempts": [whole, bare]}, {"user": None, "attempts": [{"_id": "3"}]}]
    read = api_of(Answer([{"course": None, "stats": stats}])).read_course_stats(list)
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


def test_what_is_asked_for_is_sent(api, sent):
    api.read_course_stats(
        list,
        completed_after="2026-01-01T00:00:00+01:00",
        completed_before="2026-01-02T00:00:00Z",
        first_activity_after="2026-01-03T00:00:00Z",
        first_activity_before="2026-01-04T00:00:00Z",
        last_activity_after="2026-01-05T00:00:00Z",
        last_activity_before="2026-01-06T00:00:00Z",
    )
    (entry,) = sent("getCoursesStats")
    assert entry["query"] == {
        "completedAtAfter": "2025-12-31T23:00:00.000Z",
        "completedAtBefore": "2026-01-02T00:00:00.000Z",
        "firstActivityAtAfter": "2026-01-03T00:00:00.000Z",
        "firstActivityAtBefore": "2026-01-04T00:00:00.000Z",
        "lastActivityAtAfter": "2026-01-05T00:00:00.000Z",
        "lastActivityAtBefore": "2026-01-06T00:00:00.000Z",
    }


# What breaks


BODY = LAYOUTS["dense"].encode()


@pytest.mark.parametrize("length", [0, 100, len(BODY) - 1, len(BODY)])
def test_an_answer_that_breaks_off_is_read_again_from_its_start(api_of, length):
    api = api_of(broken(BODY[:length]), Answer(BODY))
    sent_up_to = []

    def take(batches):
        sent_up_to.append([])
        for batch in batches:
            sent_up_to[-1] += flat([batch])
        return sent_up_to[-1]

    assert api.read_course_stats(take) == FLAT
    assert len(sent_up_to) == 2
    assert api.client.usage.retries == 1


def test_a_connection_that_breaks_is_said_so(api_of):
    with pytest.raises(TransportError, match="broke before the response was complete") as caught:
        api_of(broken(BODY[:100]), **ONCE).read_course_stats(flat)
    assert caught.value.operation == "getCoursesStats"
    assert caught.value.sent


def test_an_answer_that_stops_coming_is_waited_for_as_long_as_set(api_of):
    half = Answer(BODY[:100], headers={"Content-Length": str(len(BODY))})
    with pytest.raises(TransportError, match="read_timeout"):
        api_of(half, **ONCE).read_course_stats(flat)


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
    "attempts that are none": b'[{"course":{},"stats":[{"user":{},"attempts":[[]]}]}]',
    "a moment that is none": b'[{"course":{},"stats":[{"user":{},"attempts":[{"_id":"1","completedAt":"soon"}]}]}]',
    "a duration that is none": b'[{"course":{},"stats":[{"user":{},"attempts":[{"_id":"1","globalTime":"1h"}]}]}]',
}


@pytest.mark.parametrize("body", UNUSABLE.values(), ids=list(UNUSABLE))
def test_what_cannot_be_used_is_an_error(api_of, body):
    with pytest.raises(UnexpectedResponseError, match="answer cannot be used") as caught:
        api_of(Answer(body), **ONCE).read_course_stats(flat)
    assert (caught.value.operation, caught.value.status) == ("getCoursesStats", 200)
    assert caught.value.transient
    assert "Roy" not in everything_about(caught.value)


def test_what_cannot_be_used_is_asked_for_again(api_of):
    assert api_of(Answer(b"<html>"), Answer(BODY[:-1]), Answer(BODY)).read_course_stats(flat) == FLAT


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer({"error": "nope"}, 400), InvalidRequestError),
        (Answer({"error": "boom"}, 503), ServerError),
        (Answer(b"", 302, {"Location": "/"}), RefusedError),
    ],
)
def test_errors_are_read_as_usual(api_of, answer, error):
    with pytest.raises(error):
        api_of(answer, **ONCE).read_course_stats(flat)


def test_an_error_that_breaks_off_is_a_broken_connection(api_of):
    refused = broken(b'{"error":')
    refused.status = 400
    with pytest.raises(TransportError, match="broke before the response was complete"):
        api_of(refused, **ONCE).read_course_stats(flat)


@pytest.mark.parametrize("auth", ["api_key_query", "api_key_header"])
@pytest.mark.parametrize(
    "answer", [broken(BODY[:100]), Answer(b"<"), Answer(BODY[:50], headers={"Content-Length": "99"})]
)
def test_no_error_shows_the_key(api_of, sandbox, auth, answer):
    with pytest.raises((TransportError, UnexpectedResponseError)) as caught:
        api_of(answer, auth=auth, **ONCE).read_course_stats(flat)
    assert secrets_in(everything_about(caught.value), [sandbox.api_key]) == []


def test_an_error_of_whoever_takes_the_attempts_is_theirs(api_of):
    def take(batches):
        next(batches)
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        api_of(Answer(BODY)).read_course_stats(take)


# Connections


def test_an_answer_that_was_read_to_its_end_leaves_the_connection_for_the_next(api_of):
    api = api_of(*[Answer(BODY)] * 3)
    for _ in range(3):
        assert api.read_course_stats(flat) == FLAT
    assert api_of.server.connections == 1


def test_whoever_has_enough_may_stop(api_of):
    api = api_of(Answer(BODY), Answer(BODY))
    assert api.read_course_stats(lambda batches: flat([next(batches)])) == FLAT[:1]
    assert api.read_course_stats(flat) == FLAT
