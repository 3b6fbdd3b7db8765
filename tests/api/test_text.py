"""Texts for log lines: in one line, without control characters, shortened."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.text import MAX_NAME, counted, listed, one_line

MAILS = [f"user{number}@acme.test" for number in range(1, 11)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Engineering", "Engineering"),
        ("  New \n hires\t2026 ", "New hires 2026"),
        ("a\x1b[31mred\x07", "a[31mred"),
        ("right\u202eleft\u2066\u200b", "rightleft"),
        ("broken \ud800 surrogate", "broken  surrogate"),
        ("می‌خواهم", "می‌خواهم"),
        ("x" * 81, "x" * 79 + "…"),
    ],
)
def test_a_text_is_shown_in_one_printable_line(text, shown):
    assert one_line(text) == shown
    assert len(one_line(text * 100)) <= MAX_NAME


@pytest.mark.parametrize(
    ("names", "total", "shown"),
    [
        (MAILS[:1], None, "user1@acme.test"),
        (MAILS[:2], None, "user1@acme.test and user2@acme.test"),
        (MAILS[:3], None, "user1@acme.test, user2@acme.test and user3@acme.test"),
        (MAILS, None, "user1@acme.test, user2@acme.test, user3@acme.test, user4@acme.test and 6 more"),
        (MAILS, 2345, "user1@acme.test, user2@acme.test, user3@acme.test and 2,342 more"),
        (MAILS[:1], 2, "user1@acme.test and 1 more"),
        (["x" * 300], 2, "x" * 68 + "… and 1 more"),
    ],
)
def test_as_many_names_are_listed_as_fit(names, total, shown):
    assert listed(names, total=total) == shown
    assert len(shown) <= MAX_NAME


@pytest.mark.parametrize("width", range(24, 200, 7))
def test_a_list_is_never_longer_than_its_width(width):
    assert len(listed(MAILS * 200, width)) <= width


def test_a_number_of_things_has_a_singular_and_a_plural():
    assert [counted(number, "user") for number in (0, 1, 2, 1000)] == ["0 users", "1 user", "2 users", "1,000 users"]
