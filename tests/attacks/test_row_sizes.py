"""Rows, cells, lists and headers that are too large, in each kind of source: row errors, in bounded memory and time."""

from __future__ import annotations

import json
import sqlite3

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.exceptions import InvalidRequestError
from tests.attacks.rows import check
from tests.rows.support import bulk, files_in, json_lines, outcomes_in, people
from tests.unlimited_sandbox import sandbox, unlimited_server  # noqa: F401 - fixtures

MIB = 1 << 20
#: Characters of a smaller row.
SMALL = 128 << 10
#: What an attack here may add to memory, in MB, and characters of a line that would take more.
MAX_PEAK_MB = 80
LONG = 96 * MIB

pytestmark = pytest.mark.max_peak_mb(MAX_PEAK_MB)


def write(path, *parts):
    """Write a file of parts, each a text or a text and how often it is repeated."""
    with path.open("w") as file:
        for part in parts:
            text, times = part if isinstance(part, tuple) else (part, 1)
            block = max(1, min(times, MIB // len(text)))
            for _ in range(times // block):
                file.write(text * block)
    return str(path)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("line.csv", ["mail,first_name\na@b.test,", ("x", LONG), "\nb@c.test,Bo\n"]),
        ("line.jsonl", ['{"mail":"', ("x", LONG), '"}\n{"mail":"b@c.test"}\n']),
        ("nested.jsonl", ['{"mail":', ("[", LONG), '\n{"mail":"b@c.test"}\n']),
        ("integer.jsonl", ['{"mail":', ("1", LONG), '}\n{"mail":"b@c.test"}\n']),
        ("cells.csv", ["mail,first_name\n", (",", LONG), "\nb@c.test,Bo\n"]),
        ("lines.csv", ["mail,first_name\n", ("x" * MIB + "\n", LONG // MIB), "\nb@c.test,Bo\n"]),
    ],
)
def test_a_line_without_end_is_an_error_of_its_row(tmp_path, name, parts):
    checked = check(write(tmp_path / name, *parts))
    assert checked.valid == [checked.rows]
    assert "more than 1,048,576 characters" in str(checked.errors[0])
    assert checked.report_bytes < 1000 * checked.rows


def test_a_quotation_mark_that_is_never_closed_takes_no_more_than_one_row_of_the_maximum_size(tmp_path):
    rows = "".join(f"{number:060}@b.test,Bo\n" for number in range(30_000))
    checked = check(write(tmp_path / "in.csv", 'mail,first_name\na@b.test,"Ana\n', rows))
    assert str(checked).count("cannot be read") == 1
    assert str(checked.errors[0]).startswith("row 1 (line 2): lines 2 to ")
    assert len(checked.valid) > 10_000


@pytest.mark.parametrize("name", ["header.csv", "title.csv"])
def test_a_header_without_end_is_an_error(tmp_path, name):
    parts = {"header.csv": ["mail,", ("x,", LONG // 2)], "title.csv": ['mail,"', ("x\n", LONG // 2)]}[name]
    with pytest.raises(InvalidRequestError, match=r"The header of .*\(more than 1,048,576 characters\)"):
        check(write(tmp_path / name, *parts))


@pytest.mark.parametrize("count", [2001, 60_000])
def test_more_columns_than_2000_are_an_error_that_names_the_limit(tmp_path, count):
    names = [f"column{number}" for number in range(count - 1)]
    with pytest.raises(InvalidRequestError, match=f"has {count:,} columns, but at most 2,000 are allowed") as refused:
        check(write(tmp_path / "in.csv", ",".join(["mail", *names])))
    assert len(str(refused.value)) < 1000
    row = {"mail": "a@b.test", **dict.fromkeys(names, 1)}
    checked = check([row, {"mail": "b@c.test"}])
    assert (checked.valid, len(checked.errors)) == ([2], 1)
    assert f"has {count:,} columns, but at most 2,000 are allowed" in str(checked)


def test_what_is_kept_of_a_row_of_too_many_columns_stays_invalid(sandbox, tmp_path):  # noqa: F811 - the fixture
    names = [f"column{number}" for number in range(3000)]
    ignored = dict.fromkeys(names)
    rows = [{**dict.fromkeys(names, 1), "user": "a@b.test"}, {**dict.fromkeys(names[:1999], 1), "user": "b@c.test"}]
    bulk("delete_user", rows, results_path=tmp_path / "1", column_mapping=ignored, on_invalid="skip")
    assert outcomes_in(tmp_path / "1") == ["invalid", "not_found"]
    rejected = str(tmp_path / "1" / "rejected" / "rejected.jsonl")
    with pytest.raises(AirflowFailException, match="has 2,003 columns"):
        bulk("delete_user", rejected, results_path=tmp_path / "2", column_mapping=ignored)


def test_2000_columns_and_those_of_rejected_rows_are_accepted(tmp_path):
    names = ["mail", *(f"column{number}" for number in range(1999)), "rejected_row", "rejected_reason"]
    mapping = dict.fromkeys(names[1:2000])
    file = write(tmp_path / "in.csv", ",".join(names), "\n", "a@b.test", ",1" * 2001, "\n")
    assert check(file, column_mapping=mapping).valid == [1]


def test_unknown_columns_are_named_up_to_a_length(tmp_path):
    names = [f"{'column' * 1000}{number}" for number in range(100)]
    with pytest.raises(InvalidRequestError, match=r"and .* more") as refused:
        check(write(tmp_path / "in.csv", ",".join(["mail", *names])))
    assert len(str(refused.value)) < 3000


def test_errors_grow_with_rows_and_not_with_cells():
    """A cell of thousands of unknown keys, or of thousands of invalid items, is quoted a few times at most."""
    invalid_items = {"mail": "a@b.test", "other_group_ids": ";".join("x" for _ in range(10_000)), "role": "x" * 20_000}
    unknown_keys = {"mail": "a@b.test", **{f"{'k' * 500}{number}": 1 for number in range(1900)}}
    for row in (invalid_items, unknown_keys):
        checked = check([row])
        assert 1 <= len(checked.errors) <= 21
        assert checked.report_bytes < 40_000
        assert all(len(error.value or "") <= 200 and len(error.field or "") <= 200 for error in checked.errors)


def test_a_list_of_unknown_names_has_a_bounded_report(sandbox, tmp_path):  # noqa: F811 - the fixture
    """Each of 4,500 names in a cell of 20 KB matches no group."""
    rows = [*people(1), *people(1, start=2, other_groups=";".join(f"{number:x}" for number in range(4500)))]
    bulk("create_user", rows, results_path=tmp_path, on_invalid="skip")
    assert outcomes_in(tmp_path) == ["created", "invalid"]
    errors = json_lines(tmp_path / "rejected" / "errors.jsonl")
    assert len(errors) == 21
    assert errors[-1]["problem"] == "4,480 more of its values are invalid"
    assert sum(map(len, files_in(tmp_path).values())) < 100_000


@pytest.mark.parametrize("kind", ["text", "json", "list"])
def test_a_list_of_more_than_10000_items_is_an_error(kind):
    def row(count):
        ids = [f"{number:024x}" for number in range(count)]
        value = {"text": ";".join(ids), "json": json.dumps(ids), "list": ids}[kind]
        return {"mail": f"a{count}@b.test", "other_group_ids": value}

    checked = check([row(10_000), row(10_001)])
    assert checked.valid == [1]
    assert "other_group_ids has 10,001 items, but at most 10,000 are allowed" in str(checked)


def test_the_limits_can_be_raised_and_lowered(monkeypatch, tmp_path):
    monkeypatch.setenv("AIRFLOW__LEARNING360__MAX_ROW_KIB", "2048")
    monkeypatch.setenv("AIRFLOW__LEARNING360__MAX_LIST_ITEMS", "1")
    long = "x" * (MIB + 1000)
    rows = f"a@b.test,{long},\nb@c.test,{long}{long},\nc@d.test,,x;y\n"
    checked = check(write(tmp_path / "in.csv", "mail,first_name,labels\n", rows))
    assert checked.valid == [1]
    assert "more than 2,097,152 characters" in str(checked)
    assert "labels has 2 items, but at most 1" in str(checked)


class Endless(dict):
    """A row that contains itself."""

    def __init__(self):
        super().__init__(mail="a@b.test")
        self["first_name"] = self


def shared(depth):
    """Return a list of 10 to the power of ``depth`` strings that takes little memory."""
    value = "x" * 100
    for _ in range(depth):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    "row",
    [
        {"mail": "a@b.test", "first_name": "x" * (SMALL + 1)},
        {"mail": "a@b.test", "first_name": b"x" * (SMALL + 1)},
        {"mail": "a@b.test", "first_name": 1 << (8 * SMALL + 8)},
        {"mail": "a@b.test", "other_group_ids": ["x"] * (SMALL + 1)},
        {"mail": "a@b.test", "custom": shared(8)},
        {"x" * (SMALL + 1): 1},
        Endless(),
    ],
    ids=["string", "bytes", "integer", "list", "shared", "name", "endless"],
)
def test_a_large_row_of_a_list_is_an_error_that_names_the_column(monkeypatch, row):
    """To find out that a row is endless takes as many steps as a row may have characters."""
    monkeypatch.setenv("AIRFLOW__LEARNING360__MAX_ROW_KIB", str(SMALL >> 10))
    checked = check([row, {"mail": "b@c.test"}])
    assert (checked.rows, checked.valid, len(checked.errors)) == (2, [2], 1)
    assert "row 1: cannot be read (more than 131,072 characters)" in str(checked)
    assert f"largest value is that of column {max(row, key=lambda name: name != 'mail')[:100]!r:.100}"[:100] in str(
        checked
    )


def test_large_items_that_are_no_rows_are_errors():
    checked = check([shared(8), "x" * (MIB + 1), {"mail": "b@c.test"}])
    assert (checked.valid, len(checked.errors)) == ([3], 2)


def test_what_is_kept_of_a_large_row_stays_invalid(sandbox, tmp_path):  # noqa: F811 - the fixture
    rows = [{"mail": "a@b.test", "custom": "x" * (MIB + 1), "lang": "en"}, *people(1)]
    bulk("create_user", rows, results_path=tmp_path / "1", on_invalid="skip")
    assert outcomes_in(tmp_path / "1") == ["invalid", "created"]
    rejected = tmp_path / "1" / "rejected" / "rejected.jsonl"
    (kept,) = json_lines(rejected)
    assert kept["lang"] == "en"
    assert kept["custom"] == {"(not JSON)": "x" * 199 + "…"}
    assert "max_row_kib" in kept["rejected_reason"]
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        bulk("create_user", str(rejected), results_path=tmp_path / "2")


@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_of_a_large_row_of_a_file_the_beginning_is_kept(sandbox, tmp_path, suffix):  # noqa: F811 - the fixture
    begin = {"csv": "mail,custom\na@b.test,", "jsonl": '{"mail":"a@b.test","custom":"'}[suffix]
    end = {"csv": "\nb@c.test,x\n", "jsonl": '"}\n{"mail":"b@c.test"}\n'}[suffix]
    file = write(tmp_path / f"in.{suffix}", begin, ("x", 2 * MIB), end)
    bulk("create_user", file, results_path=tmp_path, on_invalid="skip")
    assert outcomes_in(tmp_path) == ["invalid", "invited"]
    (error,) = json_lines(tmp_path / "rejected" / "errors.jsonl")
    assert (error["row"], error["line"]) == (1, {"csv": 2, "jsonl": 1}[suffix])
    assert sum(map(len, files_in(tmp_path / "rejected").values())) < 2000


def test_a_large_value_of_a_query_is_an_error_of_its_row(tmp_path, monkeypatch):
    with sqlite3.connect(tmp_path / "in.db") as database:
        database.execute("CREATE TABLE people (mail TEXT, first_name TEXT)")
        database.executemany(
            "INSERT INTO people VALUES (?, ?)", [("a@b.test", "x" * (MIB + 1)), ("b@c.test", b"\0" * 20 * MIB)]
        )
        database.execute("INSERT INTO people VALUES ('c@d.test', 'Cy')")
        database.executemany(
            "INSERT INTO people VALUES (?, ?)", ((f"{number}@b.test", "x" * (MIB - 100)) for number in range(60))
        )
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "in.db")}))
    checked = check(sql="SELECT * FROM people", sql_conn_id="warehouse")
    assert checked.rows == 63
    assert checked.valid == list(range(3, 64))
    assert [error.row for error in checked.errors] == [1, 2]
    assert "largest value is that of column 'first_name'" in str(checked)


def test_many_rows_of_the_maximum_size_are_held_a_few_at_a_time(sandbox, tmp_path):  # noqa: F811 - the fixture
    """One emoji in a text makes it four times as large in memory."""
    row = ",\U0001f600" + "x" * 1_000_000 + "\n"
    file = write(tmp_path / "in.csv", "mail,remarks\n", (row, 30), "b@c.test,Bo\n")
    mapping = {"mail": "user", "remarks": None}
    bulk("delete_user", file, results_path=tmp_path, on_invalid="skip", column_mapping=mapping)
    assert outcomes_in(tmp_path) == ["invalid"] * 30 + ["not_found"]


@pytest.mark.parametrize("row", [("x", 2 * MIB), '"Sales" 3'], ids=["too long", "unreadable"])
def test_what_is_kept_of_a_row_of_one_column_is_no_valid_row(sandbox, tmp_path, row):  # noqa: F811 - the fixture
    """A name that is cut off would create a group."""
    file = write(tmp_path / "in.csv", "name\n", row, "\nSales 2\n")
    bulk("create_group", file, results_path=tmp_path / "1", on_invalid="skip")
    assert outcomes_in(tmp_path / "1") == ["invalid", "created"]
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        bulk("create_group", str(tmp_path / "1" / "rejected" / "rejected.csv"), results_path=tmp_path / "2")
