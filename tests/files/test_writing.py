"""Rows are written in three formats, whole or not at all, and read back as they were."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import tracemalloc

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column, normalize
from airflow_provider_360learning.files.formats import columns_of, concatenate, open_rows, read, write_dicts
from airflow_provider_360learning.files.records import NOT_JSON
from airflow_provider_360learning.files.storage import open_binary, storage_path, write_atomic
from tests.files.support import Array

FORMATS = ["csv", "jsonl", "parquet"]
COLUMNS = [
    Column("id"),
    Column("attempts", "integer"),
    Column("score", "number"),
    Column("passed", "boolean"),
    Column("completed_at", "timestamp"),
]
COMPLETED = "2026-10-01T00:00:00.123Z"
ROW = ("5f1a", 3, 87.5, True, COMPLETED)
EMPTY = (None, None, None, None, None)

#: Every character with a meaning in one of the formats, and more.
ODD = [
    "".join(map(chr, range(0x180))),
    "=1+1",
    "@x",
    '"',
    "a,b;c\td",
    " ",
    "a\r",
    "\r\n",
    "\u2028",
    "😀",
    "%s %d",
    "\\N",
]


class Broken(Exception):
    """The error that these tests raise."""


def content(where):
    with open_binary(where) as file:
        return file.read()


def rows_of(where):
    return [tuple(values.values()) for _, _, values, _ in read(where)]


def write(where, rows, columns=COLUMNS, **options):
    with open_rows(where, columns, **options) as file:
        for row in rows:
            file.write(row)
    return file


def rows_that_break():
    yield from [ROW] * 20_000
    raise Broken


def strings(where, rows):
    write(where, [[row] for row in rows], [Column("text")])


# Content


def test_writes_csv(place):
    write(f"{place}/a.csv", [ROW, EMPTY])
    assert content(f"{place}/a.csv").decode().split("\r\n") == [
        "id,attempts,score,passed,completed_at",
        f"5f1a,3,87.5,true,{COMPLETED}",
        ",,,,",
        "",
    ]


def test_writes_json_lines(place):
    write(f"{place}/a.jsonl", [ROW, EMPTY])
    names = [column.name for column in COLUMNS]
    assert [json.loads(line) for line in content(f"{place}/a.jsonl").splitlines()] == [
        dict(zip(names, ROW, strict=True)),
        dict(zip(names, EMPTY, strict=True)),
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_a_json_column_has_lists_and_objects(place, format):
    values = [["a", "é"], {"b": [1, None]}, "=1+1", None, [], object()]
    file = write(f"{place}/a.{format}", [[value] for value in values], [Column("tags", "json")])
    texts = ['["a","é"]', '{"b":[1,null]}', '"=1+1"', None, "[]", None]
    expected = [None if text is None else json.loads(text) for text in texts] if format == "jsonl" else texts
    assert [value or None if format == "csv" else value for (value,) in rows_of(f"{place}/a.{format}")] == expected
    assert file.invalid_values == {"tags": 1}


def test_writes_parquet_with_types(place):
    write(f"{place}/a.parquet", [ROW, EMPTY])
    with open_binary(f"{place}/a.parquet") as file:
        schema = pyarrow.parquet.read_schema(file)
    assert {column.name: str(column.type) for column in schema} == {
        "id": "string",
        "attempts": "int64",
        "score": "double",
        "passed": "bool",
        "completed_at": "timestamp[ms, tz=UTC]",
    }
    completed = datetime.datetime(2026, 10, 1, microsecond=123_000, tzinfo=datetime.UTC)
    assert rows_of(f"{place}/a.parquet") == [("5f1a", 3, 87.5, True, completed), EMPTY]


@pytest.mark.parametrize("format", FORMATS)
def test_file_without_rows_has_its_columns(place, format):
    write(f"{place}/a.{format}", [])
    assert rows_of(f"{place}/a.{format}") == []
    assert columns_of(f"{place}/a.{format}") in (None, [column.name for column in COLUMNS])


@pytest.mark.parametrize("format", FORMATS)
def test_odd_strings_are_read_back_as_they_were(place, format):
    strings(f"{place}/a.{format}", ODD)
    assert [text for (text,) in rows_of(f"{place}/a.{format}")] == ODD


def test_json_lines_equal_those_of_json_dumps(tmp_path):
    """The encoder does not use json.dumps for its lines."""
    name = 'n%s"ä'
    write(tmp_path / "a.jsonl", [[text] for text in ODD], [Column(name)])
    expected = [json.dumps({name: text}, ensure_ascii=False, separators=(",", ":")) for text in ODD]
    assert content(tmp_path / "a.jsonl").decode().split("\n") == [*expected, ""]


@pytest.mark.parametrize("format", FORMATS)
def test_replaces_half_a_surrogate_pair(place, format):
    strings(f"{place}/a.{format}", ["\ud83d!", "next"])
    assert rows_of(f"{place}/a.{format}") == [("?!",), ("next",)]


@pytest.mark.parametrize("number", [0, -1, 2**53, 0.1, -0.0, 1e300, 5e-324])
def test_numbers_are_exact(tmp_path, number):
    write(tmp_path / "a.jsonl", [[number]], [Column("n", "number")])
    assert rows_of(tmp_path / "a.jsonl") == [(number,)]


def test_format_can_be_given(place):
    write(f"{place}/export", [ROW], format="jsonl")
    assert json.loads(content(f"{place}/export"))["id"] == "5f1a"


# Values of other types


#: Kind, value, and what it is normalized to; None if it has no equivalent.
VALUES = [
    ("string", 1001, "1001"),
    ("string", 1001.0, "1001"),
    ("string", 0.5, "0.5"),
    ("string", 10**20, "100000000000000000000"),
    ("string", True, "true"),
    ("string", float("nan"), None),
    ("string", {"a": 1}, None),
    ("string", ["a"], None),
    ("integer", 3.0, 3),
    ("integer", "3", 3),
    ("integer", 1.5, None),
    ("integer", True, None),
    ("integer", "three", None),
    ("integer", 2**63, None),
    pytest.param("integer", "[" * 100_000, None, id="integer-nested"),
    ("number", "87.5", 87.5),
    ("number", 80, 80),
    ("number", float("nan"), None),
    ("number", float("inf"), None),
    ("number", 2**53 + 1, 2**53 + 1),
    ("number", 10**300, 10**300),
    ("number", "9007199254740993", 2**53 + 1),
    ("number", 10**400, None),
    pytest.param("number", "[" * 100_000, None, id="number-nested"),
    ("number", "1_000", None),
    ("number", "NaN", None),
    ("number", False, None),
    ("number", [], None),
    ("boolean", "True", True),
    ("boolean", "false", False),
    ("boolean", 1, None),
    ("boolean", "Anna", None),
    ("timestamp", "2026-10-01T02:00:00.5+02:00", "2026-10-01T00:00:00.500Z"),
    ("timestamp", "2026-10-01T00:00:00", "2026-10-01T00:00:00.000Z"),
    ("timestamp", "2026-10-01T00:00:00.123456Z", "2026-10-01T00:00:00.123Z"),
    ("timestamp", "0001-01-01T00:00:00+01:00", None),
    ("timestamp", "yesterday", None),
    ("timestamp", 1790812800, None),
]


def plain(value):
    """Return a value as in a CSV file."""
    return "" if value is None else value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(("kind", "value", "expected"), VALUES)
def test_normalizes_values_to_the_kind_of_their_column(tmp_path, format, kind, value, expected):
    where = tmp_path / f"a.{format}"
    file = write(where, [["x", None], ["y", value], ["z", expected]], [Column("id"), Column("c", kind)])
    null, normalized, same = (found for _, found in rows_of(where))
    assert normalized == same
    if format == "csv":
        assert (null, normalized) == ("", plain(expected))
    elif format == "jsonl":
        assert (null, normalized) == (None, expected)
        assert type(normalized) is type(expected)
    assert file.invalid_values == ({} if expected is not None else {"c": 1})


@pytest.mark.parametrize("value", [float("nan"), "Anna", [], {}])
@pytest.mark.parametrize("kind", ["string", "integer", "number", "boolean", "timestamp"])
def test_normalized_values_stay_as_they_are(kind, value):
    try:
        normalized = normalize(kind, value)
    except ValueError:
        return
    assert normalize(kind, normalized) == normalized


@pytest.mark.parametrize("format", FORMATS)
def test_warns_once_per_column_about_values_that_become_null(tmp_path, format, caplog):
    rows = [["x", 1.5], *[["secret", "secret"]] * 3, [["secret"], 2.5]]
    file = write(tmp_path / f"a.{format}", rows, [Column("id"), Column("score", "number")])
    assert file.invalid_values == {"score": 3, "id": 1}
    warnings = sorted(record.getMessage() for record in caplog.records)
    assert [warning.partition(". ")[0] for warning in warnings] == [
        "Value cannot be converted and becomes null: column=id kind=string row=5 type=list",
        "Value cannot be converted and becomes null: column=score kind=number row=2 type=str",
    ]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("row", [ROW[:4], (*ROW, 1)])
def test_refuses_a_row_of_another_length(tmp_path, format, row):
    with pytest.raises(InvalidRequestError, match=f"Row 1 has {len(row)} values for 5 columns"):
        write(tmp_path / f"a.{format}", [row])


# Parts


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [1, 1500, 30_000])
def test_file_has_the_rows_of_committed_parts_only(place, format, size):
    """A part may fit in memory, and may not."""
    with open_rows(f"{place}/a.{format}", [Column("text")]) as file:
        for part, is_valid in enumerate([True, False, True, False, True]):
            for number in range(size):
                file.write([f"{part} {number:0100}"])
            if is_valid:
                file.commit()
            else:
                file.discard()
    expected = [(f"{part} {number:0100}",) for part in (0, 2, 4) for number in range(size)]
    assert rows_of(f"{place}/a.{format}") == expected
    assert file.rows == 3 * size


@pytest.mark.parametrize("format", FORMATS)
def test_counts_rows_and_invalid_values_of_committed_parts_only(tmp_path, format, caplog):
    looks_valid = "2026-99-99T00:00:00.000Z"  # only the types of Parquet refuse it
    is_parquet = format == "parquet"
    with open_rows(tmp_path / f"a.{format}", [Column("score", "number"), Column("at", "timestamp")]) as file:
        file.write(["discarded", looks_valid])
        file.discard()
        assert (file.rows, file.invalid_values) == (0, {})
        for _ in range(1500):
            file.write(["held", looks_valid])
        assert (file.rows, file.invalid_values) == (0, {})
        file.commit()
        assert file.rows == 1500
        file.write([1.5, None])
    assert file.rows == 1501
    assert file.invalid_values == {"score": 1500} | ({"at": 1500} if is_parquet else {})
    assert len(caplog.records) == 1 + is_parquet


@pytest.mark.parametrize("format", FORMATS)
def test_error_names_the_number_of_a_row_in_a_later_part(tmp_path, format):
    def write(rows):
        with open_rows(tmp_path / f"a.{format}", [Column("text")]) as file:
            for number in range(2000):
                file.write([f"{number}"])
            file.commit()
            for values in rows:
                file.write(values)

    with pytest.raises(InvalidRequestError, match="Row 3502 has 2 values for 1 columns"):
        write([*([f"{number}"] for number in range(1501)), ["x", "y"]])


def test_row_groups_of_small_parts_fit_in_memory(tmp_path):
    """A record batch needs memory even for one row."""
    with open_rows(tmp_path / "a.parquet", [Column("text")]) as file:
        for number in range(5000):
            file.write([f"{number}"])
            file.commit()
    assert pyarrow.parquet.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3
    assert rows_of(tmp_path / "a.parquet") == [(f"{number}",) for number in range(5000)]


# Whole or not at all


@pytest.mark.parametrize("format", FORMATS)
def test_error_leaves_the_existing_file(place, format):
    where = f"{place}/a.{format}"
    write(where, [ROW])
    before = content(where)
    with pytest.raises(Broken):
        write(where, rows_that_break())
    assert content(where) == before
    with pytest.raises(Broken):
        write(f"{place}/b.{format}", rows_that_break())
    assert [path.name for path in storage_path(place).iterdir()] == [f"a.{format}"]


@pytest.mark.parametrize("format", FORMATS)
def test_leaves_no_temporary_file(tmp_path, monkeypatch, format, object_store):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for where in (f"{tmp_path}/a.{format}", f"memory://bucket/a.{format}"):
        write(where, [ROW])
        with pytest.raises(InvalidRequestError):
            write(where, [ROW[:4]])
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"a.{format}"]


# Memory


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_rows_do_not_stay_in_memory(tmp_path, format):
    strings(tmp_path / f"a.{format}", ["x"])  # imports do not count
    tracemalloc.start()
    try:
        write(tmp_path / f"a.{format}", ([f"{number:01000}"] for number in range(60_000)), [Column("text")])
        assert tracemalloc.get_traced_memory()[1] < 40_000_000  # of 60
    finally:
        tracemalloc.stop()


def test_large_parquet_file_has_several_row_groups(tmp_path):
    """Each of them has to fit in memory."""
    written = [f"{number:01000}" for number in range(30_000)]
    strings(tmp_path / "a.parquet", written)
    file = pyarrow.parquet.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups == 4
    assert file.read()["text"].to_pylist() == written


# Small files


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_writes_rows_as_they_were_read(place, format):
    strings(f"{place}/a.{format}", [text.replace("\r", "") for text in ODD])
    rows = [values for _, _, values, _ in read(f"{place}/a.{format}")]
    write_dicts(f"{place}/b.{format}", rows, ["text"])
    assert [values for _, _, values, _ in read(f"{place}/b.{format}")] == rows


def test_json_lines_hold_values_of_databases(tmp_path):
    day, price = datetime.date(2026, 10, 1), decimal.Decimal("1.50")
    time = datetime.datetime(2026, 10, 1, 2, tzinfo=datetime.UTC)
    write_dicts(tmp_path / "a.jsonl", [{"day": day, "price": price, "at": time, "half": "\ud83d"}], [])
    assert json.loads(content(tmp_path / "a.jsonl")) == {
        "day": "2026-10-01",
        "price": "1.50",
        "at": "2026-10-01T02:00:00+00:00",
        "half": "\ud83d",
    }


class Unprintable:
    """A value that has no string."""

    def __str__(self):
        raise OverflowError


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (math.nan, {NOT_JSON: "nan"}),
        ([1, math.inf], {NOT_JSON: "[1, inf]"}),
        (10**5000, {NOT_JSON: "a value of type int"}),
        (["x" * 500, math.nan], {NOT_JSON: "['" + "x" * 197 + "…"}),
        (Unprintable(), {NOT_JSON: "a value of type Unprintable"}),
        (Array("a", "b"), ["a", "b"]),
        (Array(), []),
    ],
    ids=["nan", "infinity", "long integer", "long list", "no string", "array", "empty array"],
)
def test_json_lines_are_valid_whatever_a_row_holds(tmp_path, value, written):
    write_dicts(tmp_path / "a.jsonl", [{"ä": value, "half": "\ud83d"}, {"next": 1}], [])
    lines = content(tmp_path / "a.jsonl").decode().splitlines()
    assert [json.loads(line, parse_constant=pytest.fail) for line in lines] == [
        {"ä": written, "half": "\ud83d"},
        {"next": 1},
    ]


def test_missing_values_of_pandas_are_null(tmp_path):
    rows = [{"at": type(name, (datetime.datetime,), {})(2026, 10, 1)} for name in ("NaTType", "NAType")]
    write_dicts(tmp_path / "a.jsonl", rows, [])
    assert rows_of(tmp_path / "a.jsonl") == [(None,), (None,)]


def test_csv_holds_integers_of_any_length(tmp_path):
    write_dicts(tmp_path / "a.csv", [{"a": 10**5000, "b": 10**300}, {"a": 7, "b": 10**20}], ["a", "b"])
    assert rows_of(tmp_path / "a.csv") == [
        ("a value of type int", f"1{'0' * 198}…"),
        ("7", "100000000000000000000"),
    ]


def test_missing_csv_cells_are_empty(tmp_path):
    write_dicts(tmp_path / "a.csv", [{"b": True}, {"a": None, "c": "no column"}], ["a", "b"])
    assert content(tmp_path / "a.csv") == b"a,b\r\n,true\r\n,\r\n"


# Merging


@pytest.mark.parametrize("format", ["csv", "jsonl"])
def test_merges_parts_in_their_order(place, format):
    parts = [f"{place}/parts/{number}.{format}" for number in range(3)]
    for number, part in enumerate(parts):
        write(part, [(f"{number}-{row}", row, None, None, COMPLETED) for row in range(number)])
    concatenate(parts, f"{place}/whole.{format}")
    write(
        f"{place}/expected.{format}",
        [(id, row, None, None, COMPLETED) for id, row in [("1-0", 0), ("2-0", 0), ("2-1", 1)]],
    )
    assert rows_of(f"{place}/whole.{format}") == rows_of(f"{place}/expected.{format}")
    assert columns_of(f"{place}/whole.{format}") == columns_of(f"{place}/expected.{format}")


def test_merged_csv_has_one_header_of_two_lines(place):
    for name in "ab":
        write_dicts(f"{place}/{name}.csv", [{"x": name, "two\nlines": "2"}], ["x", "two\nlines"], separator=";")
    concatenate([f"{place}/a.csv", f"{place}/b.csv"], f"{place}/c.csv")
    assert content(f"{place}/c.csv") == b'x;"two\nlines"\r\na;2\r\nb;2\r\n'


def test_refuses_to_merge_other_columns(place):
    write(f"{place}/a.csv", [["1"]], [Column("a")])
    write(f"{place}/b.csv", [["1"]], [Column("b")])
    write_atomic(f"{place}/c.csv", b"before")
    with pytest.raises(InvalidRequestError, match=r"b\.csv has other columns than the first part"):
        concatenate([f"{place}/a.csv", f"{place}/b.csv"], f"{place}/c.csv")
    assert content(f"{place}/c.csv") == b"before"


def test_missing_part_is_an_error(place):
    strings(f"{place}/a.jsonl", ["x"])
    with pytest.raises(FileNotFoundError):
        concatenate([f"{place}/a.jsonl", f"{place}/b.jsonl"], f"{place}/c.jsonl")
    assert not storage_path(f"{place}/c.jsonl").exists()
