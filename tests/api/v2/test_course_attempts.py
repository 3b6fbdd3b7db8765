"""Attempts of an interval in API v2: windows that are read at once, in order, and complete."""

from __future__ import annotations

import json
import threading
import time
import tracemalloc
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from airflow_provider_360learning.api.course_attempts import Attempt
from airflow_provider_360learning.exceptions import (
    Learning360Error,
    NotAvailableError,
    ServerError,
    UnexpectedResponseError,
)
from tests.api.support import Response, TinyServer, with_token

FROM, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
COMPLETED_AT = Attempt._fields.index("completed_at")


class Sink:
    """Keeps the attempts of the parts that were accepted."""

    def __init__(self):
        self.attempts, self.parts, self._held = [], [], []

    def hold(self, attempt):
        self._held.append(attempt)

    def discard(self):
        self._held = []

    def accept(self, until):
        self.attempts += self._held
        self.parts.append((until, len(self._held)))
        self._held = []


@pytest.fixture
def api(make_api):
    """Return the API of the sandbox. Waits between retries are left out."""
    return make_api(client={"sleep": lambda seconds: None})


@pytest.fixture
def read(api):
    """Return a function that reads the attempts of an interval, by default January."""

    def read(start=FROM, end=UNTIL, api=api, **arguments):
        sink = Sink()
        summary = api.read_course_attempts(interval_start=start, interval_end=end, sink=sink, **arguments)
        assert summary.incomplete_at == ()
        return sink.attempts, summary

    return read


@pytest.fixture
def generate(sandbox):
    """Return a function that generates attempts, in small pages, and returns their ids in order."""

    def generate(count, since=FROM, until=UNTIL, **settings):
        period = {"generated_from": since.isoformat(), "generated_until": until.isoformat()}
        sandbox.control.settings(generated_attempts=count, max_page_size=20, **period, **settings)
        return [f"64c0{number:020x}" for number in range(count)]

    return generate


@pytest.fixture
def serve(make_api):
    """Return a function that starts a server of attempts, and returns its API and the server."""
    with ExitStack() as running:

        def start(respond, max_attempts=1):
            server = running.enter_context(TinyServer(with_token(respond)))
            return make_api(server.url, client={"max_attempts": max_attempts, "sleep": lambda seconds: None}), server

        yield start


def ids(attempts):
    return [attempt.attempt_id for attempt in attempts]


def iso(time):
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def attempt(number, completed_at, **changes):
    text = iso(completed_at)
    times = {"firstActivityAt": "2026-01-01T00:00:00.000Z", "lastActivityAt": text, "completedAt": text}
    owner = {"courseId": f"{1:024x}", "userId": f"{2:024x}"}
    return {"_id": f"{number:024x}", "lang": "en", "progress": 100, "timeSpent": 1500, **times, **owner, **changes}


def window_of(request):
    """Return the bounds of the filter of a request."""
    query = dict(parse_qsl(urlsplit(request.target).query))
    return tuple(datetime.fromisoformat(query[f"completedAt[{bound}]"]) for bound in ("gte", "lt"))


# Complete, once, in order


@pytest.mark.parametrize("order", ["created", "shuffled"])
def test_reads_all_attempts_once_and_in_order(read, generate, order):
    expected = generate(700, list_order=order)
    attempts, summary = read()
    assert ids(attempts) == expected
    assert summary.highest_timestamp == attempts[-1].completed_at
    assert (summary.largest_response, summary.likely_cap) == (20, None)


def test_attempts_have_all_values_but_the_email_address(api, sandbox, read):
    sandbox.control.settings(generated_attempts=2)
    first, second = read()[0]
    assert first == Attempt(
        attempt_id=f"64c0{0:020x}",
        user_id=f"64c1{0:020x}",
        user_mail=None,
        course_id=f"64c4{0:020x}",
        path_id=None,
        session_id=None,
        progress=100,
        score=None,
        first_activity="2025-12-31T00:00:00.000Z",
        last_activity="2026-01-01T00:00:00.000Z",
        completed_at="2026-01-01T00:00:00.000Z",
        time_spent_seconds=60.0,
        version_number=1,
        lang="en",
    )
    assert second.course_id == f"64c4{1:020x}"


@pytest.mark.parametrize("milliseconds", [0, 1, 999])
def test_interval_contains_its_start_and_not_its_end_to_the_millisecond(read, generate, milliseconds):
    """A hundred attempts per second: the filter of API v2 counts whole seconds."""
    generate(300, until=FROM + timedelta(seconds=3))
    everything, _ = read()
    start = FROM + timedelta(milliseconds=500)
    end = FROM + timedelta(seconds=2, milliseconds=milliseconds)
    expected = [each for each in everything if iso(start) <= each.completed_at < iso(end)]
    assert read(start, end)[0] == expected
    assert len(expected) == pytest.approx(150 + milliseconds / 10, abs=1)
    before, after = read(FROM, start)[0], read(end, UNTIL)[0]
    assert before + expected + after == everything


@pytest.mark.parametrize(("start", "end"), [(FROM, FROM), (UNTIL, FROM)])
def test_an_empty_interval_has_no_attempts_and_no_requests(read, generate, sent, start, end):
    generate(10)
    attempts, summary = read(start, end)
    assert (attempts, summary.highest_timestamp, summary.largest_response) == ([], None, 0)
    assert sent() == []


def test_an_interval_within_one_millisecond_of_a_second(read, generate):
    generate(10, until=FROM + timedelta(milliseconds=10))
    start = FROM + timedelta(milliseconds=4)
    assert ids(read(start, start + timedelta(milliseconds=1))[0]) == [f"64c0{4:020x}"]


def test_attempts_that_a_list_has_twice_are_returned_once(serve, read):
    """As when an attempt is added on an earlier page while the pages are read."""
    found = [attempt(number, FROM) for number in (2, 1, 2, 3, 1)]
    api, _ = serve(lambda request: Response(found if window_of(request)[0] == FROM else []))
    assert ids(read(end=FROM + timedelta(seconds=2), api=api)[0]) == [f"{number:024x}" for number in (1, 2, 3)]


@pytest.mark.parametrize("text", ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00.000+01:00", "2026-01-01T00:00:00"])
def test_timestamps_in_another_notation(serve, read, text):
    api, _ = serve(lambda request: Response([attempt(1, FROM, completedAt=text)]))
    (found,) = read(end=FROM + timedelta(seconds=1), api=api)[0]
    assert found.completed_at == "2026-01-01T00:00:00.000Z"


def test_attempts_without_a_completion_are_left_out(serve, read):
    api, _ = serve(lambda request: Response([attempt(1, FROM, completedAt=None), attempt(2, FROM)]))
    assert ids(read(end=FROM + timedelta(seconds=1), api=api)[0]) == [f"{2:024x}"]


@pytest.mark.parametrize(
    "changes", [{"_id": 5}, {"_id": None}, {"completedAt": ["x"] * 10 + ["T"] + ["x"] * 12 + ["Z"]}, {"timeSpent": "1"}]
)
def test_values_of_another_type_raise_an_error_of_this_package(serve, read, changes):
    api, _ = serve(lambda request: Response([attempt(1, FROM, **changes), attempt(2, FROM)]))
    with pytest.raises(UnexpectedResponseError, match="an attempt is not as expected"):
        read(end=FROM + timedelta(seconds=1), api=api)


def test_refuses_another_date_field_before_anything_is_sent(read, sent):
    with pytest.raises(NotAvailableError, match=r"API v2.*use 'completed_at'") as caught:
        read(date_field="last_activity_at")
    assert caught.value.argument == "date_field"
    assert sent() == []


# Windows


def test_sparse_years_take_few_requests(read, generate, sent):
    expected = generate(12, since=datetime(2016, 1, 1, tzinfo=UTC))
    assert ids(read(start=datetime(2006, 1, 1, tzinfo=UTC))[0]) == expected
    assert len(sent("getAllCourseStats")) < 120


def test_windows_adapt_to_the_number_of_attempts(serve, read):
    """Nothing for a day, then 10 attempts per second: 400 per window are wanted here, in the pages of this server."""
    parts = []

    def respond(request):
        start, end = window_of(request)
        parts.append(end - start)
        busy = range(int((start - FROM).total_seconds()), int((end - FROM).total_seconds()))
        seconds = [each for each in busy if 86_400 <= each < 87_400]
        return Response([attempt(10 * each, FROM + timedelta(seconds=each)) for each in seconds])

    api, _ = serve(respond)
    attempts, _ = read(end=FROM + timedelta(days=2), api=api)
    assert len(attempts) == 1000
    assert max(parts) > 4 * parts[0]


@pytest.mark.slow
def test_a_busy_window_is_read_in_parts(serve, read):
    """A window with more than 16,000 attempts is not read to its end: its parts are read at once."""
    per_second = 100
    offsets = []

    def respond(request):
        query = dict(parse_qsl(urlsplit(request.target).query))
        start, end = window_of(request)
        first, last = (int((each - FROM).total_seconds()) for each in (start, end))
        numbers = range(per_second * max(0, first), per_second * min(200, last))
        at = int(query.get("next", 0))
        offsets.append(at)
        headers = {}
        if at + 500 < len(numbers):
            link = f"/api/v2/courses/stats?next={at + 500}&completedAt[gte]={iso(start)}&completedAt[lt]={iso(end)}"
            headers = {"Link": f"<{link}>; rel=next"}
        page = numbers[at : at + 500]
        times = [FROM + timedelta(seconds=number // per_second) for number in page]
        return Response([attempt(*each) for each in zip(page, times, strict=True)], headers=headers)

    api, _ = serve(respond)
    # A window has three days at first: the 200 s with 20,000 attempts are in the first one.
    attempts, _ = read(end=FROM + timedelta(days=768), api=api)
    assert ids(attempts) == [f"{number:024x}" for number in range(200 * per_second)]
    assert max(offsets) == 16_000


@pytest.mark.slow
def test_many_attempts_in_one_second_are_not_in_memory(serve):
    """20,000 attempts in one second, which cannot be divided."""
    pages = []
    for first in range(0, 20_000, 500):
        pages.append(json.dumps([attempt(number, FROM) for number in range(first, first + 500)]))

    def respond(request):
        at = int(dict(parse_qsl(urlsplit(request.target).query)).get("next", 0))
        headers = {"Link": f"</api/v2/courses/stats?next={at + 1}>; rel=next"} if at + 1 < len(pages) else {}
        return Response(pages[-1 - at].encode(), headers=headers)

    class Counting(Sink):
        total, last = 0, ""

        def hold(self, attempt):
            assert attempt.attempt_id > self.last
            self.last = attempt.attempt_id
            self.total += 1

    api, _ = serve(respond)
    sink = Counting()
    tracemalloc.start()
    try:
        api.read_course_attempts(interval_start=FROM, interval_end=FROM + timedelta(seconds=1), sink=sink)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert sink.total == 20_000
    assert peak < 12_000_000  # of 22 million


# Pages that fail


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503},
        pytest.param({"kind": "rate_limited"}, marks=pytest.mark.slow),
        {"kind": "drop_before"},
        {"kind": "drop_after"},
        {"kind": "drop_midway", "sent_bytes": 3000},
        {"kind": "garbage"},
    ],
    ids=lambda fault: str(fault["kind"]),
)
def test_pages_that_fail_lose_and_double_nothing(sandbox, read, generate, sent, fault):
    expected = generate(300)
    for after in (0, 3, 9):
        sandbox.control.add_fault("getAllCourseStats", after=after, **fault)
    assert ids(read()[0]) == expected
    assert [entry["fault"] for entry in sent("getAllCourseStats")].count(fault["kind"]) == 3


def test_only_the_page_that_failed_is_requested_again(sandbox, read, generate, sent):
    expected = generate(100, until=FROM + timedelta(seconds=1))
    sandbox.control.add_fault("getAllCourseStats", kind="status", status=503, after=3)
    assert ids(read(end=FROM + timedelta(seconds=1))[0]) == expected
    assert [entry["status"] for entry in sent("getAllCourseStats")] == [200, 200, 200, 503, 200, 200]


def test_a_page_that_leads_back_raises(serve, read):
    pages = {None: "1", "1": "2", "2": "1"}

    def respond(request):
        at = dict(parse_qsl(urlsplit(request.target).query)).get("next")
        return Response([], headers={"Link": f"</api/v2/courses/stats?next={pages[at]}>; rel=next"})

    api, server = serve(respond)
    with pytest.raises(UnexpectedResponseError, match="leads back to an earlier page"):
        read(end=FROM + timedelta(seconds=1), api=api)
    assert len(server.requests) < 10


class Endless:
    """Responds with pages that always have a next one, slowly; the pages of the first window fail after a few."""

    def __init__(self, seconds=0.02):
        self.seconds, self.pages = seconds, 0
        self.first = None

    def __call__(self, request):
        time.sleep(self.seconds)
        self.pages += 1
        target = unquote(request.target)
        if iso(FROM) in target or "next=first" in target:
            if self.pages > 40:
                return Response({"error": {"code": "x", "message": "x"}}, status=500)
            name = "first"
        else:
            name = "other"
        return Response([], headers={"Link": f"</api/v2/courses/stats?next={name}{self.pages}>; rel=next"})


def wait_for_threads():
    """Wait for the threads that read windows, which end with the pages that are under way."""
    deadline = time.monotonic() + 60
    while any(each.name.startswith("learning360-sender") for each in threading.enumerate()):
        assert time.monotonic() < deadline, "a thread continues to read"
        time.sleep(0.01)


def test_no_page_is_requested_after_an_error(serve, read):
    responder = Endless()
    api, _ = serve(responder)
    with pytest.raises(ServerError):
        read(api=api)
    pages = responder.pages
    wait_for_threads()
    assert responder.pages <= pages + 16


@pytest.mark.parametrize("error", [KeyboardInterrupt, Learning360Error])
def test_no_page_is_requested_after_the_task_was_stopped(serve, error):
    """A signal handler raises in the thread of the task, or the file cannot be written."""

    class Failing(Sink):
        def accept(self, until):
            raise error("stopped")

    responder = Endless()

    def respond(request):
        if iso(FROM) in unquote(request.target):
            return Response([])
        return responder(request)

    api, _ = serve(respond)
    with pytest.raises(error):
        api.read_course_attempts(interval_start=FROM, interval_end=UNTIL, sink=Failing())
    pages = responder.pages
    wait_for_threads()
    assert responder.pages <= pages + 16
