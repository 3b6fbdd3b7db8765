"""Attempts of all users at all courses: the same interval gives the same attempts in both versions of the API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

FROM, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 11, tzinfo=UTC)
NUMBER = 200


class Sink:
    """Keeps the attempts of the parts that were accepted."""

    def __init__(self):
        self.attempts, self._held = [], []

    def hold(self, attempt):
        self._held.append(attempt)

    def discard(self):
        self._held = []

    def accept(self, until):
        self.attempts += self._held
        self._held = []


@pytest.fixture
def read(sandbox, api):
    """Return a function that reads an interval in which attempts were generated."""
    sandbox.control.settings(
        generated_attempts=NUMBER,
        generated_from=FROM.isoformat(),
        generated_until=UNTIL.isoformat(),
        max_page_size=30,
        list_order="shuffled",
    )

    def read(start, end):
        sink = Sink()
        summary = api.read_course_attempts(interval_start=start, interval_end=end, sink=sink)
        assert list(summary.incomplete_at) == []
        return sorted(sink.attempts)

    return read


def test_every_attempt_of_an_interval_is_read_once(read):
    every = timedelta(days=10) / NUMBER
    expected = [f"64c0{number:020x}" for number in range(NUMBER)]
    assert [each.attempt_id for each in read(FROM, UNTIL)] == expected
    # The start belongs to the interval, the end does not.
    assert [each.attempt_id for each in read(FROM + 20 * every, FROM + 60 * every)] == expected[20:60]


def test_attempts_have_the_same_values(read):
    first = read(FROM, UNTIL)[0]._asdict()
    # API v2 has no email addresses, API v1 neither versions nor languages.
    assert (first.pop("user_mail"), first.pop("version_number"), first.pop("lang")) in (
        (None, 1, "en"),
        ("learner.000000@acme.test", None, None),
    )
    assert first == {
        "attempt_id": "64c0" + "0" * 20,
        "user_id": "64c1" + "0" * 20,
        "course_id": "64c4" + "0" * 20,
        "path_id": None,
        "session_id": None,
        "progress": 100,
        "score": None,
        "first_activity": "2025-12-31T00:00:00.000Z",
        "last_activity": "2026-01-01T00:00:00.000Z",
        "completed_at": "2026-01-01T00:00:00.000Z",
        "time_spent_seconds": 60.0,
    }
