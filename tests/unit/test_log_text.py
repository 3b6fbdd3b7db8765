"""Text from outside in logs and errors."""

from __future__ import annotations

import logging

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError, Learning360Error
from airflow_provider_360learning.log_text import escape_controls, get_logger, hide_addresses, mask_addresses


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


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("mail of ana@acme.test.", "mail of ***."),
        ("GET /api/v1/users/ana%2B1%40acme.test/roles", "GET /api/v1/users/***/roles"),
        ("twice: ana%2540acme.test", "twice: ***"),
        ('<Ana> ana@acme.test; {"mail":"José@acme.test"}', '<Ana> ***; {"mail":"***"}'),
        ("s3://conn@bucket.name/plans", "s3://conn@bucket.name/plans"),
        ("@staff, 5 % of 40", "@staff, 5 % of 40"),
    ],
)
def test_masks_email_addresses_and_nothing_else(text, shown):
    assert mask_addresses(text) == shown


def test_addresses_are_hidden_in_logs_and_errors_of_a_block(caplog):
    log = get_logger("tests.log_text")

    @hide_addresses()
    def fail():
        log.warning("user=%s", "ana@acme.test")
        try:
            raise KeyError("ana@acme.test")
        except KeyError as error:
            raise RuntimeError("no bo@acme.test", 5) from error

    with pytest.raises(RuntimeError) as caught:
        fail()
    assert (caught.value.args, caught.value.__cause__.args) == (("no ***", 5), ("***",))
    log.warning("user=%s", "ana@acme.test")
    assert caplog.messages == ["user=***", "user=ana@acme.test"]


def test_an_error_shows_no_address_in_the_path_of_its_request():
    error = Learning360Error("Not found", operation="getUser", url="GET /users/ana%40acme.test", status=400)
    assert (str(error), error.url) == ("Not found [getUser, GET /users/***, 400]", "GET /users/ana%40acme.test")
