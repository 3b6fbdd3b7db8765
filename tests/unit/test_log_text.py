"""Text from outside in logs and errors."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error
from airflow_provider_360learning.log_text import escape_controls, get_logger


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Engineering – größer, 日本語", "Engineering – größer, 日本語"),
        ("Erreur\u00a0: refusé\u202f!", "Erreur\u00a0: refusé\u202f!"),
        ("می‌خواهم 👩‍🚀", "می‌خواهم 👩‍🚀"),
        ("one\r\ntwo\tthree", "one\\r\\ntwo\\tthree"),
        ("\x1b[2J\x07\x7f", "\\x1b[2J\\x07\\x7f"),
        ("\x85\x9b31m", "\\x85\\x9b31m"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("invoice\u202egnp.exe\u2066\u200f\ufeff", "invoice\\u202egnp.exe\\u2066\\u200f\\ufeff"),
        ("half \ud800", "half \\ud800"),
        ("tag \U000e0041", "tag \\U000e0041"),
    ],
)
def test_escapes_what_controls_a_terminal_and_nothing_else(text, shown):
    assert escape_controls(text) == shown


def test_a_logger_escapes_messages_with_and_without_arguments(caplog):
    log = get_logger("tests.log_text")
    assert get_logger("tests.log_text") is log
    with caplog.at_level(logging.INFO, "tests.log_text"):
        log.info("100 %\n")
        log.warning("%s is %d %%", ValueError("a\nb"), 5)
    assert caplog.messages == ["100 %\\n", "a\\nb is 5 %"]


def test_a_message_that_cannot_be_formatted_is_left_to_the_handler():
    record = logging.LogRecord("tests.log_text", logging.INFO, "", 1, "%d rows", ("many",), None)
    assert get_logger("tests.log_text").filter(record)
    assert (record.msg, record.args) == ("%d rows", ("many",))


def test_an_error_escapes_all_of_its_text():
    error = InvalidRequestError("a\nb", operation="x\ry", url="GET /\x1b[1m", code="c\u2028d")
    assert str(error) == "a\\nb [x\\ry, GET /\\x1b[1m]"
    assert error.args == ("a\\nb",)
    assert error.code == "c\\u2028d"
    assert str(Learning360Error("a\nb")) == "a\\nb"
