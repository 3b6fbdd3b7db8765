"""Rows of CSV, JSON Lines and Parquet are read one by one; one that cannot be read does not stop the others."""

from __future__ import annotations

import datetime
import sys
import tracemalloc

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.formats import (
    UNREAD,
    Column,
    columns_of,
    format_of,
    open_rows,
    read,
    schema_of,
    write_dicts,
)
from airflow_provider_360learning.files.storage import open_binary, write_atomic


@pytest.fixture
def file(place):
    """WriteSpec a file, give its path."""

    def write(name, data):
        write_atomic(f"{place}/{name}", data if isinstance(data, bytes) else data.encode())
        return f"{place}/{name}"

    return write


def numbers_lines_values(where):
    found = list(read(where))
    assert [fault for *_, fault in found] == [None] * len(found)
    return [(number, line, values) for number, line, values, _ in found]


def faults(where):
    return {line: fault for _, line, _, fault in read(where) if fault}


# CSV


def test_csv_is_read_by_its_header(file):
    where = file("a.csv", "mail,name\nanna@example.com,Anna\nbob@example.com,\n")
    assert columns_of(where) == ["mail", "name"]
    assert numbers_lines_values(where) == [
        (1, 2, {"mail": "anna@example.com", "name": "Anna"}),
        (2, 3, {"mail": "bob@example.com", "name": ""}),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_is_separated_by_what_its_header_has_most_of(file, separator):
    odd = "a" + ",;\t".replace(separator, "") * 3  # quoted, so it does not count
    where = file("a.csv", f'mail{separator}"{odd}"{separator}c\n' + separator.join("123") + "\n")
    assert columns_of(where) == ["mail", odd, "c"]
    assert schema_of(where) == separator
    assert [row for *_, row in numbers_lines_values(where)] == [{"mail": "1", odd: "2", "c": "3"}]


def test_csv_as_excel_saves_it(file):
    where = file("a.CSV", b"\xef\xbb\xbfmail;name\r\nanna@example.com;M\xc3\xbcller\r\n")
    assert numbers_lines_values(where) == [(1, 2, {"mail": "anna@example.com", "name": "Müller"})]


def test_lines_are_those_of_the_file_where_cells_span_several_and_some_are_empty(file):
    where = file("a.csv", 'a,b\n1,"first\nsecond"\n\n2,"x\r\ny\r\nz"\r\n3,z\n')
    assert numbers_lines_values(where) == [
        (1, 2, {"a": "1", "b": "first\nsecond"}),
        (2, 5, {"a": "2", "b": "x\r\ny\r\nz"}),
        (3, 8, {"a": "3", "b": "z"}),
    ]


def test_a_csv_row_of_another_length_is_a_fault_that_says_so(file):
    where = file("a.csv", "a,b,c\n1,2,3\n1,2,3,4\n\n1,2\n1,2,3\n")
    advice = "cells that hold a ',' must be quoted"
    assert faults(where) == {
        3: f"line 3 has 4 cells, the header 3: {advice}",
        5: f"line 5 has 2 cells, the header 3: {advice}",
    }
    assert [number for number, *_ in read(where)] == [1, 2, 3, 4]


def test_a_csv_row_that_is_no_utf8_is_a_fault_and_the_next_one_is_not(file):
    where = file("a.csv", b'a,b\n1,\xfcber\n2,\xc3\xbcber\n3,"x\n\xff\n"\n4,y\n')
    advice = "is not UTF-8 text: save the file as UTF-8"
    assert faults(where) == {2: f"line 2 {advice}", 4: f"lines 4 to 6 {advice}"}
    assert [values for *_, values, fault in read(where) if not fault] == [{"a": "2", "b": "über"}, {"a": "4", "b": "y"}]


def test_a_quotation_mark_that_is_never_closed_swallows_no_row_in_silence(file):
    where = file("a.csv", 'a,b\n1,x\n2,"y\n3,z\n4,z\n')
    assert list(faults(where)) == [3]
    assert faults(where)[3].startswith("lines 3 to 5 cannot be read (unexpected end of data): look for a quotation")


def test_a_stray_quotation_mark_spoils_its_own_row_only(file):
    where = file("a.csv", 'a,b\n"x" y,1\n"z",2\n')
    assert faults(where)[2].startswith("line 2 cannot be read (',' expected after '\"')")
    assert [values for *_, values, fault in read(where) if not fault] == [{"a": "z", "b": "2"}]


def test_a_huge_cell_does_not_fill_the_memory(file):
    where = file("a.csv", 'a,b\n1,"' + "x\n" * 100_000 + "2,y\n")
    assert next(iter(faults(where))) == 2
    assert "field larger than field limit" in faults(where)[2]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("a,b,a,c,b", "has several columns named a, b: name each once"),
        ("a,,b", r"Column 2 of .*a\.csv has no name"),
        (b"a,\xff", r"The header of .*a\.csv is not UTF-8 text: save the file as UTF-8"),
        ("a,b\0c\n1,2".encode("utf-16"), "is not UTF-8 text"),
        ('a,"b', r"The header of .*a\.csv cannot be read"),
    ],
)
def test_a_csv_file_whose_header_is_wrong_is_refused_as_a_whole(file, header, message):
    where = file("a.csv", header)
    with pytest.raises(InvalidRequestError, match=message):
        next(read(where))
    with pytest.raises(InvalidRequestError, match=message):
        columns_of(where)


@pytest.mark.parametrize("data", ["", "\n", "\ufeff"])
def test_an_empty_csv_file_has_no_columns_and_no_rows(file, data):
    where = file("a.csv", data)
    assert columns_of(where) == []
    assert list(read(where)) == []


# JSON Lines


def test_json_lines_are_read_with_their_types(file):
    where = file("a.jsonl", '\ufeff{"a": 1, "b": "x"}\n\n{"a": null, "c": [1.5, true, "\\ud83d\\ude00"]}')
    assert columns_of(where) is None
    assert schema_of(where) is None
    assert numbers_lines_values(where) == [
        (1, 1, {"a": 1, "b": "x"}),
        (2, 3, {"a": None, "c": [1.5, True, "😀"]}),
    ]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"[1, 2]", 'line 2 is no JSON object: one row a line is expected, such as {"mail": "anna@example.com"}'),
        (b'{"a": 1', "line 2 is no JSON: Expecting ',' delimiter at character 8"),
        (b'{"a": \xff}', "line 2 is not UTF-8 text: save the file as UTF-8"),
        (b'{"a": NaN}', "line 2 is no JSON that can be used: NaN is no number"),
        (b'{"a": "\\uD83D"}', "line 2 holds half of a surrogate pair: write the whole character"),
        (b"[" * 100_000, "line 2 is no JSON that can be used: maximum recursion depth"),
    ],
)
def test_a_line_that_is_no_json_object_is_a_fault_and_the_others_are_read(file, line, fault):
    where = file("a.ndjson", b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    assert list(faults(where)) == [2]
    assert faults(where)[2].startswith(fault)
    assert [values for *_, values, fault in read(where) if not fault] == [{"a": 1}, {"a": 3}]


# Parquet


def parquet(file, table):
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return file("a.parquet", sink.getvalue().to_pybytes())


def test_parquet_is_read_with_its_types(file):
    moment = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)
    rows = [{"a": 1, "t": moment, "l": ["x"]}, {"a": None, "t": None, "l": None}]
    where = parquet(file, pyarrow.Table.from_pylist(rows))
    assert columns_of(where) == ["a", "t", "l"]
    assert numbers_lines_values(where) == [(1, None, rows[0]), (2, None, rows[1])]


def test_parquet_with_two_columns_of_one_name_is_refused(file):
    where = parquet(file, pyarrow.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(InvalidRequestError, match="has several columns named a"):
        next(read(where))


def test_what_is_no_parquet_is_refused(file):
    where = file("a.parquet", "mail,name\n")
    with pytest.raises(InvalidRequestError, match=r"a\.parquet is no Parquet file"):
        next(read(where))


def test_parquet_without_pyarrow_says_what_to_install(file, monkeypatch):
    where = parquet(file, pyarrow.table({"a": [1]}))
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = r"pip install 'airflow-provider-360learning\[parquet\]'"
    with pytest.raises(InvalidRequestError, match=message):
        next(read(where))
    with pytest.raises(InvalidRequestError, match=message), open_rows(where, [Column("a")]):
        pass
    monkeypatch.undo()
    assert len(list(read(where))) == 1


# All


@pytest.mark.parametrize("name", ["a.txt", "a", "a.csv.gz", "a.json"])
def test_a_name_that_says_no_format_is_refused(name):
    with pytest.raises(InvalidRequestError, match=r"must end in \.csv, \.jsonl, \.ndjson, \.parquet"):
        format_of(f"/data/{name}")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_missing_file_is_named(place, name):
    with pytest.raises(FileNotFoundError, match=f"folder/{name}|{name}"):
        next(read(f"{place}/{name}"))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'a;b\n1;x;y\n2\n3;"never closed\n4;\xff\n'),
        ("a.csv", b'a,b\n1,x,"y,z"\n2,"two\r\nlines",3\n"x" y,1\n'),
        ("a.jsonl", b'{"a": 1, "b": \n[1]\n{"a": "\xff"}\n'),
    ],
)
def test_rows_that_cannot_be_read_are_given_back_and_refused_again(file, place, name, data):
    """Written among sound rows, they spoil none of those."""
    where, again = file(name, data), f"{place}/again-{name}"
    faulty = [values for _, _, values, fault in read(where) if fault]
    assert all(values.keys() == {UNREAD} for values in faulty)
    sound = {"a": "0", "b": "sound"}
    rows = [sound] + [row for values in faulty for row in (values, sound)]
    write_dicts(again, rows, columns_of(where) or [], schema=schema_of(where))
    found = list(read(again))
    assert [fault is None for *_, fault in found] == [True] + [False, True] * len(faulty)
    assert [values for _, _, values, fault in found if not fault] == [sound] * (len(faulty) + 1)
    assert schema_of(again) == schema_of(where)


def test_rows_of_another_length_come_back_cell_by_cell(file, place):
    where = file("a.csv", 'a;b\n1;"x;y";z\n2\n')
    write_dicts(f"{place}/b.csv", [values for _, _, values, _ in read(where)], ["a", "b"], schema=schema_of(where))
    with open_binary(f"{place}/b.csv") as again:
        assert again.read() == b'a;b\r\n1;"x;y";z\r\n2\r\n'


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_large_file_does_not_stay_in_memory(tmp_path, name):
    with open_rows(tmp_path / name, [Column("text")]) as file:
        for number in range(20_000):
            file.write([f"{number:01000}"])
    next(read(tmp_path / name))  # what is imported and set up once does not count
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(tmp_path / name)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 5_000_000  # of 20 million in the file
    finally:
        tracemalloc.stop()
