"""Values in rows that exhaust a parser, or raise an error when they are looked at: row errors, in linear time."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from contextlib import suppress
from decimal import Decimal
from fractions import Fraction
from functools import partial

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException
from pydantic_core import PydanticCustomError

from airflow_provider_360learning.api.models import parsers
from airflow_provider_360learning.api.names import Names
from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.jsonl import RepeatedKeyError, decode
from airflow_provider_360learning.rows.users import parse_bulk_results
from airflow_provider_360learning.sandbox.demo_company import ROOT_GROUP_ID
from tests.attacks.rows import check
from tests.rows.support import bulk, json_lines, outcomes_in, people, put, results_in, writes
from tests.unlimited_sandbox import sandbox, unlimited_server  # noqa: F401 - fixtures

#: Characters of the shorter of two texts, of which the other one is twice as long.
LENGTH = 50_000
#: Maximum ratio of the times that the two take: 2 is linear, 4 quadratic.
MAX_RATIO = 3
#: Seconds below which a time is not compared.
SHORT = 0.1
DEEP = 50_000
FIELD_ID = "c" * 24


@pytest.fixture
def small_rows(monkeypatch):
    """Make rows smaller: to find out that a value is endless takes as many steps as a row may have characters."""
    monkeypatch.setenv("AIRFLOW__LEARNING360__MAX_ROW_KIB", "128")


class Hostile:
    """Raises an error whatever is done with it."""

    def _raise(self, *arguments):
        raise RuntimeError("planted-secret-1")

    __str__ = __repr__ = __eq__ = __hash__ = __iter__ = __len__ = __bool__ = _raise
    __int__ = __float__ = __lt__ = __format__ = _raise


class HostileMapping(Mapping):
    """A row that raises an error when it is read."""

    def __len__(self):
        return 1

    def __iter__(self):
        yield "mail"

    def __getitem__(self, name):
        raise RuntimeError("planted-secret-1")


def endless():
    items = ["x"]
    items.append(items)
    return items


def deep(levels):
    value = []
    for _ in range(levels):
        value = [value]
    return value


VALUES = {
    "integer": 10**400,
    "long integer": 10**10_000,
    "digits": "1" * 10_000,
    "exponent": Decimal("1e999999999"),
    "small exponent": Decimal("1e-999999999"),
    "decimal NaN": Decimal("sNaN"),
    "fraction": Fraction(10**10_000, 3),
    "NaN": math.nan,
    "infinite": -math.inf,
    "surrogate": "\udfff",
    "brackets": "[" * DEEP,
    "braces": '{"a":' * (DEEP // 5),
    "closed": "[" * DEEP + "]" * DEEP,
    "integer in JSON": f"[{'1' * 10_000}]",
    "integer in an object": f'{{"{FIELD_ID}": {"1" * 10_000}}}',
    "deep": deep(DEEP),
    "endless": endless(),
    "marks": "a" + "\u0301\u0316" * 50_000,
    "hostile": Hostile(),
    "list of hostile": [Hostile()],
    "hostile in a field": {FIELD_ID: Hostile()},
    "hostile as a field": [(Hostile(),)],
    "mapping": HostileMapping(),
    "list of mappings": [HostileMapping()],
    "bytes": b"\xff" * 1000,
    "year": "99999999999999999999-01-01T00:00:00Z",
}


@pytest.mark.parametrize(
    "column",
    ["user", "mail", "first_name", "primary_group_id", "to_be_deactivated_at", "custom_fields", "password", "unknown"],
)
@pytest.mark.parametrize("name", VALUES)
def test_a_hostile_value_is_an_error_of_its_row(small_rows, column, name):
    rows = [{"user": "a@b.test", "job": "x", column: VALUES[name]}, {"user": "b@c.test", "job": "x"}]
    checked = check(rows, "update_user")
    is_valid = (column, name) in {("password", "brackets"), ("password", "braces"), ("password", "closed")}
    is_valid = is_valid or (column == "password" and isinstance(VALUES[name], str) and name != "surrogate")
    is_valid = is_valid or (
        column == "first_name" and isinstance(VALUES[name], str) and name not in ("surrogate", "marks")
    )
    assert checked.valid == ([1, 2] if is_valid else [2])
    assert "planted-secret-1" not in str(checked)
    assert checked.report_bytes < 5000


@pytest.mark.parametrize(
    "column", ["other_group_ids", "labels", "role", "invitation_expires_after_days", "create_groups"]
)
@pytest.mark.parametrize("name", VALUES)
def test_a_hostile_value_of_a_list_a_choice_or_a_number_is_an_error_of_its_row(small_rows, column, name):
    checked = check([{"mail": "a@b.test", column: VALUES[name]}, {"mail": "b@c.test"}])
    is_text = column == "labels" and isinstance(VALUES[name], str) and name not in ("surrogate", "marks")
    assert checked.valid == ([1, 2] if is_text and not VALUES[name].startswith("[") else [2])
    assert "planted-secret-1" not in str(checked)
    assert checked.report_bytes < 5000


def test_the_run_goes_on_without_the_rows_of_hostile_values(sandbox, tmp_path):  # noqa: F811 - the fixture
    """What is sent, rejected and reported can be written and read again, whatever the values were."""
    # Airflow itself fails for lists that are endless or too deep, when the DAG file is read.
    values = [value for name, value in VALUES.items() if name not in ("deep", "endless")]
    hostile = [
        {"mail": f"a{number}@b.test", "job": value}
        for number, value in enumerate(values)
        if not isinstance(value, str) or value == "\udfff"
    ]
    rows = [*hostile, HostileMapping(), Hostile(), {Hostile: 1}, {"\ud800": 1}, {"mail": "b@c.test"}]
    bulk("create_user", rows, results_path=tmp_path, on_invalid="skip")
    assert outcomes_in(tmp_path) == ["invalid"] * (len(rows) - 1) + ["invited"]
    assert [result["row"] for result in results_in(tmp_path)] == list(range(1, len(rows) + 1))
    # The others could not be read, so that any part of them may be a password.
    assert len(json_lines(tmp_path / "rejected" / "rejected.jsonl")) == len(hostile)
    texts = [path.read_text() for path in tmp_path.rglob("*") if path.is_file()]
    assert not any("planted-secret-1" in text for text in texts)


@pytest.mark.parametrize("separator", [",", "\n"])
def test_hostile_cells_of_a_file_are_errors_of_their_rows(sandbox, tmp_path, separator):  # noqa: F811 - the fixture
    texts = [value for value in VALUES.values() if isinstance(value, str) and value != "\udfff"]
    if separator == ",":
        lines = [
            "mail,invitation_expires_after_days",
            *(f'a{n}@b.test,"{t.replace(chr(34), chr(34) * 2)}"' for n, t in enumerate(texts)),
        ]
        file = put(tmp_path / "in.csv", "\n".join([*lines, "b@c.test,1", ""]))
    else:
        lines = [json.dumps({"mail": f"a{n}@b.test", "invitation_expires_after_days": t}) for n, t in enumerate(texts)]
        lines += [f'{{"mail":{"[" * DEEP}', f'{{"mail":{"1" * 10_000}}}', '{"mail":"\\ud800"}', '{"mail":NaN}', "\0"]
        file = put(tmp_path / "in.jsonl", "\n".join([*lines, '{"mail":"b@c.test"}', ""]))
    bulk("create_user", file, results_path=tmp_path, on_invalid="skip")
    outcomes = outcomes_in(tmp_path)
    assert outcomes == ["invalid"] * (len(outcomes) - 1) + ["invited"]
    assert len(outcomes) > len(texts)


TEXTS = {
    "letters": lambda n: "a" * n,
    "digits": lambda n: "1" * n,
    "digits and a letter": lambda n: "1" * n + "x",
    "exponent": lambda n: "1E+" + "1" * n,
    "points": lambda n: "1." * (n // 2),
    "words": lambda n: "a " * (n // 2),
    "words and a sign": lambda n: "a " * (n // 2) + "@",
    "blanks": lambda n: "x" + " " * n + "@",
    "signs": lambda n: "a@" * (n // 2),
    "no-break blanks": lambda n: "a\xa0" * (n // 2),
    "joiners": lambda n: "\u0628\u200c" * (n // 2) + "\u0628",
    "marks": lambda n: "a" + "\u0301\u0316" * (n // 2),
    "marks in pairs": lambda n: "a" + "\u0f73" * n,
    "many marks": lambda n: ("a" + "\u0301\u0316" * 15) * (n // 31),
    "items": lambda n: ";".join(f"{number:x}" for number in range(n // 6)),
    "brackets": lambda n: "[" * n,
    "array": lambda n: json.dumps([str(number) for number in range(n // 9)]),
    "object": lambda n: json.dumps({str(number): 1 for number in range(n // 11)}),
    "repeated keys": lambda n: "{" + ",".join(f'"{number}":1' for number in range(n // 9)) + ',"0":1}',
    "separators": lambda n: "a/" * (n // 2),
    "quotation marks": lambda n: '"' * n,
    "URL": lambda n: "https://" + "a." * (n // 2) + " ",
}
PARSERS = {
    **{
        name: getattr(parsers, f"parse_{name}")
        for name in ("text", "mail", "user", "url", "external_id", "multiline_text", "password", "id")
    },
    **{
        name: getattr(parsers, f"parse_{name}")
        for name in ("integer", "number", "timestamp", "boolean", "custom_fields", "object")
    },
    "list": partial(parsers.parse_list, parsers.parse_text),
    "users": parsers.parse_users,
    "normalized": parsers.normalized,
    "shown": parsers.shown,
    "decode": decode,
}


def seconds(call, argument):
    start = time.thread_time()
    with suppress(PydanticCustomError, RepeatedKeyError, ValueError, RecursionError):
        call(argument)
    return time.thread_time() - start


def is_linear(call, shorter, longer):
    """Return whether an argument of twice the length takes about twice the time; a busy machine gets three tries."""
    tries = ((seconds(call, longer), seconds(call, shorter)) for _ in range(3))
    return any(more <= max(SHORT, MAX_RATIO * less) for more, less in tries)


@pytest.mark.parametrize("name", TEXTS)
def test_a_parser_takes_time_that_grows_with_the_length_of_its_text(name):
    shorter, longer = TEXTS[name](LENGTH), TEXTS[name](2 * LENGTH)
    for parse in PARSERS.values():
        assert is_linear(parse, shorter, longer), parse


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_a_file_takes_time_that_grows_with_its_length(tmp_path, name, suffix):
    """The text is a header and a row of CSV, or a line and a value of JSON Lines."""

    def read(length):
        text = TEXTS[name](length)
        lines = [text, text] if suffix == "csv" else [text, json.dumps({"mail": "a@b.test", "custom": text, text: 1})]
        file = put(tmp_path / f"{length}.{suffix}", "\n".join([*lines, ""]))
        with suppress(InvalidRequestError):  # of the header
            check(file)

    assert is_linear(read, LENGTH, 2 * LENGTH)


class Listing:
    """An API whose groups have long names."""

    class list_groups:
        @staticmethod
        def steps():
            return [{"group_id": FIELD_ID, "parent_id": None, "name": "ab" * 2000} for _ in range(50)]
            yield  # an action is a generator

    actions = {"list_groups": list_groups}  # noqa: RUF012 - never changed


def test_similar_names_are_searched_for_short_names_only():
    from airflow_provider_360learning.api.models.groups import GetGroup

    def look_up():
        found = Names(Listing()).resolve(GetGroup(group="ba" * 2000))
        try:
            next(found)
        except StopIteration as end:
            return end.value

    start = time.thread_time()
    (problem,) = look_up().problems
    assert "no group has this name" in problem.text
    assert time.thread_time() - start < 1


@pytest.mark.parametrize("name", ["endless", "deep", "brackets", "integer", "surrogate"])
def test_a_hostile_result_of_another_task_is_an_error(name):
    with pytest.raises(PydanticCustomError) as refused:
        parse_bulk_results(VALUES[name])
    assert len(parsers.problem_of(refused.value)) < 1000


def test_new_groups_with_long_names_are_refused(sandbox, tmp_path):  # noqa: F811 - the fixture
    rows = people(5, group="x" * 300_000)
    for number, row in enumerate(rows):
        row["group"] += str(number)
    with pytest.raises(AirflowFailException, match="groups that do not exist"):
        bulk("create_user", rows, results_path=tmp_path, create_groups=True, parent_group_id=ROOT_GROUP_ID)
    assert writes(sandbox) == []
