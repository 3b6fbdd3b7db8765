"""Rows are written in three formats, whole or not at all, can be taken back, and read back as they were."""

from __future__ import annotations

import datetime
import decimal
import json
import tracemalloc

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.formats import (
    Column,
    columns_of,
    concatenate,
    open_rows,
    read,
    schema_of,
    write_dicts,
)
from airflow_provider_360learning.files.storage import open_binary, storage_path, write_atomic

FORMATS = ["csv", "jsonl", "parquet"]
COLUMNS = [
    Column("id"),
    Column("attempts", "integer"),
    Column("score", "number"),
    Column("passed", "flag"),
    Column("completed_at", "moment"),
]
COMPLETED = "2026-10-01T00:00:00.123Z"
ROW = ("5f1a", 3, 87.5, True, COMPLETED)
EMPTY = (None, None, None, None, None)

#: Every character that some format could take for one of its own, and more.
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
    """What goes wrong in these tests."""


def content(where):
    with open_binary(where) as file:
        return file.read()


def rows_of(where):
    return [tuple(values.values()) for _, _, values, _ in read(where)]


def write(where, rows, columns=COLUMNS, **options):
    with open_rows(where, columns, **options) as file:
        for row in rows:
            file.write(row)


def broken_rows():
    yield from [ROW] * 20_000
    raise Broken


def texts(where, rows):
    write(where, [[row] for row in rows], [Column("text")])


# What is in the files


def test_csv(place):
    write(f"{place}/a.csv", [ROW, EMPTY])
    assert content(f"{place}/a.csv").decode().split("\r\n") == [
        "id,attempts,score,passed,completed_at",
        f"5f1a,3,87.5,true,{COMPLETED}",
        ",,,,",
        "",
    ]


def test_json_lines(place):
    write(f"{place}/a.jsonl", [ROW, EMPTY])
    names = [column.name for column in COLUMNS]
    assert [json.loads(line) for line in content(f"{place}/a.jsonl").splitlines()] == [
        dict(zip(names, ROW, strict=True)),
        dict(zip(names, EMPTY, strict=True)),
    ]


def test_parquet_has_types(place):
    write(f"{place}/a.parquet", [ROW, EMPTY])
    assert {column.name: str(column.type) for column in schema_of(f"{place}/a.parquet")} == {
        "id": "string",
        "attempts": "int64",
        "score": "double",
        "passed": "bool",
        "completed_at": "timestamp[ms, tz=UTC]",
    }
    completed = datetime.datetime(2026, 10, 1, microsecond=123_000, tzinfo=datetime.UTC)
    assert rows_of(f"{place}/a.parquet") == [("5f1a", 3, 87.5, True, completed), EMPTY]


@pytest.mark.parametrize("format", FORMATS)
def test_a_file_without_rows_has_its_columns_all_the_same(place, format):
    write(f"{place}/a.{format}", [])
    assert rows_of(f"{place}/a.{format}") == []
    assert columns_of(f"{place}/a.{format}") in (None, [column.name for column in COLUMNS])


@pytest.mark.parametrize("format", FORMATS)
def test_odd_texts_are_read_back_as_they_were(place, format):
    texts(f"{place}/a.{format}", ODD)
    assert [text for (text,) in rows_of(f"{place}/a.{format}")] == ODD


def test_json_lines_are_what_json_dumps_would_write(tmp_path):
    """The writer builds its lines itself."""
    name = 'n%s"ä'
    write(tmp_path / "a.jsonl", [[text] for text in ODD], [Column(name)])
    expected = [json.dumps({name: text}, ensure_ascii=False, separators=(",", ":")) for text in ODD]
    assert content(tmp_path / "a.jsonl").decode().split("\n") == [*expected, ""]


@pytest.mark.parametrize("format", FORMATS)
def test_half_a_surrogate_pair_does_not_end_an_export(place, format):
    texts(f"{place}/a.{format}", ["\ud83d!", "next"])
    assert rows_of(f"{place}/a.{format}") == [("?!",), ("next",)]


@pytest.mark.parametrize("number", [0, -1, 2**53, 0.1, -0.0, 1e300, 5e-324])
def test_numbers_are_exact(tmp_path, number):
    write(tmp_path / "a.jsonl", [[number]], [Column("n", "number")])
    assert rows_of(tmp_path / "a.jsonl") == [(number,)]


def test_the_format_can_be_named(place):
    write(f"{place}/export", [ROW], format="jsonl")
    assert json.loads(content(f"{place}/export"))["id"] == "5f1a"


# What cannot be written


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("kind", "value", "said"),
    [
        ("number", float("nan"), "nan"),
        ("number", float("inf"), "inf"),
        ("number", "1", "a value of type str"),
        ("integer", 1.5, "1.5"),
        ("integer", "1", "a value of type str"),
        ("flag", 1, "a value of type int"),
        ("flag", "Anna", "a value of type str"),
    ],
)
def test_a_value_of_another_kind_is_refused_by_column_and_row(tmp_path, format, kind, value, said):
    with pytest.raises(InvalidRequestError) as refused:
        write(tmp_path / f"a.{format}", [["x", None], ["x", value]], [Column("id"), Column("score", kind)])
    assert str(refused.value) == f"Row 2 has {said} in column score, whose kind is {kind}."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_a_text_that_is_none_is_refused(tmp_path, format):
    with pytest.raises(InvalidRequestError, match="text"):
        texts(tmp_path / f"a.{format}", [5])


@pytest.mark.parametrize("moment", ["2026-10-01T00:00:00", "yesterday", 1790812800])
def test_a_moment_that_is_none_is_refused_in_parquet(tmp_path, moment):
    with pytest.raises(InvalidRequestError, match="completed_at"):
        write(tmp_path / "a.parquet", [(*ROW[:4], moment)])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("row", [ROW[:4], (*ROW, 1)])
def test_a_row_of_another_length_is_refused(tmp_path, format, row):
    with pytest.raises(InvalidRequestError, match=f"Row 1 has {len(row)} values for 5 columns"):
        write(tmp_path / f"a.{format}", [row])


# Whole or not at all


@pytest.mark.parametrize("format", FORMATS)
def test_a_break_leaves_what_was_there(place, format):
    where = f"{place}/a.{format}"
    write(where, [ROW])
    before = content(where)
    with pytest.raises(Broken):
        write(where, broken_rows())
    assert content(where) == before
    with pytest.raises(Broken):
        write(f"{place}/b.{format}", broken_rows())
    assert [path.name for path in storage_path(place).iterdir()] == [f"a.{format}"]


@pytest.mark.parametrize("format", FORMATS)
def test_no_temporary_file_is_left(tmp_path, monkeypatch, format, object_store):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    for where in (f"{tmp_path}/a.{format}", f"memory://bucket/a.{format}"):
        write(where, [ROW])
        with pytest.raises(InvalidRequestError):
            write(where, [ROW[:4]])
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == [f"a.{format}"]


# Taking rows back


@pytest.mark.parametrize("format", FORMATS)
def test_rows_since_a_mark_can_be_taken_back(place, format):
    where = f"{place}/a.{format}"
    with open_rows(where, [Column("n", "integer")]) as file:
        start = file.mark()
        file.write([1])
        file.rollback(start)
        assert file.rows == 0
        file.write([2])
        mark = file.mark()
        for number in range(20_000):
            file.write([number])
        assert file.rows == 20_001
        file.rollback(mark)
        file.rollback(mark)
        file.write([3])
        assert file.rows == 2
    assert [int(number) for (number,) in rows_of(where)] == [2, 3]


@pytest.mark.parametrize("format", FORMATS)
def test_marks_without_rollback_change_nothing(place, format):
    where = f"{place}/a.{format}"
    with open_rows(where, [Column("n", "integer")]) as file:
        for number in range(100):
            file.mark()
            file.write([number])
    assert [int(number) for (number,) in rows_of(where)] == list(range(100))


# Memory


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written_does_not_stay_in_memory(tmp_path, format):
    texts(tmp_path / f"a.{format}", ["x"])  # what is imported and set up once does not count
    tracemalloc.start()
    try:
        write(tmp_path / f"a.{format}", ([f"{number:01000}"] for number in range(60_000)), [Column("text")])
        assert tracemalloc.get_traced_memory()[1] < 40_000_000  # of 60
    finally:
        tracemalloc.stop()


def test_a_large_parquet_file_has_several_row_groups(tmp_path):
    """Each of them has to fit in memory, when it is written and when it is read."""
    written = [f"{number:01000}" for number in range(30_000)]
    texts(tmp_path / "a.parquet", written)
    file = pyarrow.parquet.ParquetFile(tmp_path / "a.parquet")
    assert file.num_row_groups == 2
    assert file.read()["text"].to_pylist() == written


# Small files


@pytest.mark.parametrize("format", FORMATS)
def test_rows_are_written_as_they_were_read(place, format):
    texts(f"{place}/a.{format}", [text.replace("\r", "") for text in ODD])
    rows = [values for _, _, values, _ in read(f"{place}/a.{format}")]
    write_dicts(f"{place}/b.{format}", rows, ["text"], schema=schema_of(f"{place}/a.{format}"))
    assert [values for _, _, values, _ in read(f"{place}/b.{format}")] == rows


def test_parquet_rows_come_back_with_the_types_of_their_source(tmp_path):
    types = [("id", pyarrow.int32()), ("price", pyarrow.decimal128(9, 2)), ("day", pyarrow.date32())]
    types += [
        ("names", pyarrow.list_(pyarrow.string())),
        ("kind", pyarrow.dictionary(pyarrow.int8(), pyarrow.string())),
    ]
    required = pyarrow.schema([pyarrow.field(name, type, nullable=False) for name, type in types])
    row = {"id": 1, "price": decimal.Decimal("1.50"), "day": datetime.date(2026, 10, 1), "names": ["x"], "kind": "k"}
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist([row], required), tmp_path / "a.parquet")
    (values,) = [values for _, _, values, _ in read(tmp_path / "a.parquet")]
    emptied = {**values, "id": None}
    schema = schema_of(tmp_path / "a.parquet")
    write_dicts(tmp_path / "b.parquet", [values, emptied], list(values), schema=schema)
    assert [values for _, _, values, _ in read(tmp_path / "b.parquet")] == [row, {**row, "id": None}]
    assert [column.type for column in schema_of(tmp_path / "b.parquet")] == [type for _, type in types]


def test_json_lines_hold_what_a_database_gives(tmp_path):
    day, price = datetime.date(2026, 10, 1), decimal.Decimal("1.50")
    moment = datetime.datetime(2026, 10, 1, 2, tzinfo=datetime.UTC)
    write_dicts(tmp_path / "a.jsonl", [{"day": day, "price": price, "at": moment, "half": "\ud83d"}], [])
    assert json.loads(content(tmp_path / "a.jsonl")) == {
        "day": "2026-10-01",
        "price": "1.50",
        "at": "2026-10-01T02:00:00+00:00",
        "half": "\ud83d",
    }


def test_csv_cells_that_a_row_has_not_are_empty(tmp_path):
    write_dicts(tmp_path / "a.csv", [{"b": True}, {"a": None, "c": "not asked for"}], ["a", "b"])
    assert content(tmp_path / "a.csv") == b"a,b\r\n,true\r\n,\r\n"


# Merging


@pytest.mark.parametrize("format", FORMATS)
def test_parts_are_merged_in_their_order(place, format):
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


def test_merged_csv_has_one_header_even_over_two_lines(place):
    for name in "ab":
        write_dicts(f"{place}/{name}.csv", [{"x": name, "two\nlines": "2"}], ["x", "two\nlines"], schema=";")
    concatenate([f"{place}/a.csv", f"{place}/b.csv"], f"{place}/c.csv")
    assert content(f"{place}/c.csv") == b'x;"two\nlines"\r\na;2\r\nb;2\r\n'


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_parts_with_other_columns_are_not_merged(place, format):
    write(f"{place}/a.{format}", [["1"]], [Column("a")])
    write(f"{place}/b.{format}", [["1"]], [Column("b")])
    write_atomic(f"{place}/c.{format}", b"before")
    with pytest.raises(InvalidRequestError, match=rf"b\.{format} has other columns than the first part"):
        concatenate([f"{place}/a.{format}", f"{place}/b.{format}"], f"{place}/c.{format}")
    assert content(f"{place}/c.{format}") == b"before"


def test_a_part_that_is_missing_is_an_error(place):
    texts(f"{place}/a.jsonl", ["x"])
    with pytest.raises(FileNotFoundError):
        concatenate([f"{place}/a.jsonl", f"{place}/b.jsonl"], f"{place}/c.jsonl")
    assert not storage_path(f"{place}/c.jsonl").exists()
