"""Rows of CSV, JSON Lines and Parquet files are read one by one; one that cannot be read does not stop the others."""

from __future__ import annotations

import codecs
import datetime
import sys
import tracemalloc
from datetime import date
from decimal import Decimal

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.columns import Column
from airflow_provider_360learning.files.csv import separator_of
from airflow_provider_360learning.files.formats import columns_of, format_of, open_rows, read, write_dicts
from airflow_provider_360learning.files.records import UNREAD
from airflow_provider_360learning.files.storage import open_binary, write_atomic
from airflow_provider_360learning.files.text import check_encoding


@pytest.fixture
def file(place):
    """Return a function that writes a file and returns its path."""

    def write(name, data):
        write_atomic(f"{place}/{name}", data if isinstance(data, bytes) else data.encode())
        return f"{place}/{name}"

    return write


def numbers_lines_values(where):
    found = list(read(where))
    assert [error for *_, error in found] == [None] * len(found)
    return [(number, line, values) for number, line, values, _ in found]


def errors(where):
    return {line: error for _, line, _, error in read(where) if error}


# CSV


def test_reads_csv_by_its_header(file):
    where = file("a.csv", "mail,name\nanna@example.com,Anna\nbob@example.com,\n")
    assert columns_of(where) == ["mail", "name"]
    assert numbers_lines_values(where) == [
        (1, 2, {"mail": "anna@example.com", "name": "Anna"}),
        (2, 3, {"mail": "bob@example.com", "name": ""}),
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_separator_is_the_most_frequent_one_in_the_header(file, separator):
    odd = "a" + ",;\t".replace(separator, "") * 3 + "z"  # quoted, so it does not count
    where = file("a.csv", f'mail{separator}"{odd}"{separator}c\n' + separator.join("123") + "\n")
    assert columns_of(where) == ["mail", odd, "c"]
    assert separator_of(where) == separator
    assert [row for *_, row in numbers_lines_values(where)] == [{"mail": "1", odd: "2", "c": "3"}]


def test_reads_csv_as_excel_saves_it(file):
    where = file("a.CSV", b"\xef\xbb\xbfmail;name\r\nanna@example.com;M\xc3\xbcller\r\n")
    assert numbers_lines_values(where) == [(1, 2, {"mail": "anna@example.com", "name": "Müller"})]


def test_line_numbers_are_those_of_the_file(file):
    where = file("a.csv", 'a,b\n1,"first\nsecond"\n\n2,"x\r\ny\r\nz"\r\n3,z\n')
    assert numbers_lines_values(where) == [
        (1, 2, {"a": "1", "b": "first\nsecond"}),
        (2, 5, {"a": "2", "b": "x\r\ny\r\nz"}),
        (3, 8, {"a": "3", "b": "z"}),
    ]


def test_csv_row_of_another_length_is_an_error(file):
    where = file("a.csv", "a,b,c\n1,2,3\n1,2,3,4\n\n1,2\n1,2,3\n")
    advice = "cells that hold a ',' must be quoted"
    assert errors(where) == {
        3: f"line 3 has 4 cells, the header 3: {advice}",
        5: f"line 5 has 2 cells, the header 3: {advice}",
    }
    assert [number for number, *_ in read(where)] == [1, 2, 3, 4]


def test_unclosed_quotation_mark_is_an_error_of_all_its_lines(file):
    where = file("a.csv", 'a,b\n1,x\n2,"y\n3,z\n4,z\n')
    assert list(errors(where)) == [3]
    assert errors(where)[3].startswith("lines 3 to 5 cannot be read (unexpected end of data): look for a quotation")


def test_stray_quotation_mark_is_an_error_of_its_row_only(file):
    where = file("a.csv", 'a,b\n"x" y,1\n"z",2\n')
    assert errors(where)[2].startswith("line 2 cannot be read (',' expected after '\"')")
    assert [values for *_, values, error in read(where) if not error] == [{"a": "z", "b": "2"}]


def test_huge_cell_does_not_fill_the_memory(file):
    where = file("a.csv", 'a,b\n1,"' + "x\n" * 600_000 + "2,y\n")
    assert next(iter(errors(where))) == 2
    assert errors(where)[2].startswith("lines 2 to 524288 cannot be read (more than 1,048,576 characters")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("b,secret,b,secret", r"^Columns 1 and 3 of .*a\.csv have the same name: rename one\.$"),
        ("a,,b", r"Column 2 of .*a\.csv has no name"),
        ('a,"b', r"The header of .*a\.csv cannot be read"),
    ],
)
def test_invalid_csv_header_is_an_error_of_the_file(file, header, message):
    where = file("a.csv", header)
    with pytest.raises(InvalidRequestError, match=message):
        next(read(where))
    with pytest.raises(InvalidRequestError, match=message):
        columns_of(where)


@pytest.mark.parametrize("data", ["", "\n", "\ufeff", "\n\n;;\n", "sep=;\n"])
def test_empty_csv_file_has_no_columns_and_no_rows(file, data):
    where = file("a.csv", data)
    assert columns_of(where) == []
    assert list(read(where)) == []


# CSV of spreadsheets


@pytest.mark.parametrize("row", [";;", ";;\r", " ; ;", '"";;"\u00a0"'])
def test_skips_rows_of_separators(file, row):
    where = file("a.csv", f"a;b;c\n1;2;3\n{row}\n4;;\n{row}\n{row}\n")
    assert numbers_lines_values(where) == [
        (1, 2, {"a": "1", "b": "2", "c": "3"}),
        (2, 4, {"a": "4", "b": "", "c": ""}),
    ]


def test_skips_empty_columns_without_a_name_at_the_end(file):
    where = file("a.csv", "a;b;;\n1;2;;\n3;4\n5;6;\n7;8;;9\n7;8;;;\n")
    assert columns_of(where) == ["a", "b"]
    assert [values for *_, values, error in read(where) if not error] == [
        {"a": "1", "b": "2"},
        {"a": "3", "b": "4"},
        {"a": "5", "b": "6"},
    ]
    assert list(errors(where)) == [5, 6]


def test_strips_blanks_around_names_of_columns(file):
    where = file("a.csv", " mail ; name\u00a0\nanna@example.com; Anna \n")
    assert numbers_lines_values(where) == [(1, 2, {"mail": "anna@example.com", "name": " Anna "})]


@pytest.mark.parametrize("header", [" a;a ", "a;;b", "a; ;b;"])
def test_refuses_padded_headers_that_are_ambiguous(file, header):
    with pytest.raises(
        InvalidRequestError, match=r"Columns 1 and 2 of .* have the same name|Column \d of .* has no name"
    ):
        columns_of(file("a.csv", f"{header}\n1;2\n"))


@pytest.mark.parametrize(
    "above", ["\n\n", " \r\n", ";;\n", ' ; ;\u00a0\n\n"";"";""\n', ",,\n", "\t\t\n", "\nsep=;\n;;\n"]
)
def test_skips_empty_rows_above_the_header(file, above):
    where = file("a.csv", f"\ufeff{above}a;b,c;\n1;2;\n3\n")
    line = above.count("\n") + 2
    assert separator_of(where) == ";"
    assert columns_of(where) == ["a", "b,c"]
    assert next(read(where)) == (1, line, {"a": "1", "b,c": "2"}, None)
    assert errors(where)[line + 1].startswith(f"line {line + 1} has 1 cells")


def test_skips_padding_of_the_stated_separator_above_the_header(file):
    where = file("a.csv", "sep=|\n||\na|b\n1|2\n")
    assert numbers_lines_values(where) == [(1, 4, {"a": "1", "b": "2"})]


@pytest.mark.parametrize("line", ["sep=;", "SEP=;", '"sep=;"'])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_first_line_may_state_the_separator(file, line, end):
    """The header has more commas than semicolons."""
    where = file("a.csv", f"\ufeff{line}{end}a,b,c;d{end}1;2{end}3;4;5{end}")
    assert separator_of(where) == ";"
    assert columns_of(where) == ["a,b,c", "d"]
    assert next(read(where)) == (1, 3, {"a,b,c": "1", "d": "2"}, None)
    assert errors(where)[4].startswith("line 4 has 3 cells, the header 2")


@pytest.mark.parametrize("line", ['sep="\n', "sep=\r\n"])
def test_a_quotation_mark_or_line_end_is_no_separator(file, line):
    """Newer versions of Python refuse it by an error of another kind."""
    where = file("a.csv", f"{line}a,b\n1,2\n")
    assert columns_of(where) == [line.strip()]
    assert list(errors(where)) == [2, 3]


# JSON Lines


def test_reads_json_lines_with_their_types(file):
    where = file("a.jsonl", '\ufeff{"a": 1, "b": "x"}\n\n{"a": null, "c": [1.5, true, "\\ud83d\\ude00"]}')
    assert columns_of(where) is None
    assert numbers_lines_values(where) == [
        (1, 1, {"a": 1, "b": "x"}),
        (2, 3, {"a": None, "c": [1.5, True, "😀"]}),
    ]


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (b"[1, 2]", 'line 2 is not a JSON object: one row per line is expected, such as {"mail": "anna@example.com"}'),
        (b'{"a": 1', "line 2 is not JSON: Expecting ',' delimiter at character 8"),
        (b'{"a": 1, "b": 2, "a": 1}', "line 2 has the key 'a' twice: keep one of the two"),
        (b'{"a": {"b": 1, "b": 1}}', "line 2 has the key 'b' twice: keep one of the two"),
        (b'{"a": "\\uD83D"}', "line 2 holds half of a surrogate pair: write the whole character"),
        (b"[" * 100_000, "line 2 is not usable JSON: a value in it is nested too deep"),
    ],
)
def test_line_that_is_not_a_json_object_is_an_error_of_its_row_only(file, line, error):
    where = file("a.ndjson", b'{"a": 1}\n' + line + b'\n{"a": 3}\n')
    assert list(errors(where)) == [2]
    assert errors(where)[2].startswith(error)
    assert [values for *_, values, error in read(where) if not error] == [{"a": 1}, {"a": 3}]


def test_numbers_that_json_or_python_has_not_stay_in_their_columns(file):
    """The check of the row names the column."""
    where = file("a.jsonl", f'{{"a": NaN, "b": 1e400, "c": {"1" * 5000}, "d": [-{"1" * 5000}, 7]}}\n')
    ((_, _, values),) = numbers_lines_values(where)
    assert repr(values) == "{'a': nan, 'b': inf, 'c': inf, 'd': [-inf, 7]}"


# Encodings of text

NAMES = ["Müller", "Łukasz", "Zoë"]


def text_of(name, values):
    """Return a file of one column."""
    lines = ["name", *values] if name.endswith(".csv") else [f'{{"name": "{value}"}}' for value in values]
    return "".join(f"{line}\n" for line in lines)


def values_of(where, encoding=None):
    return [values["name"] for _, _, values, _ in read(where, encoding)]


@pytest.fixture(params=["a.csv", "a.jsonl"])
def name(request):
    return request.param


@pytest.mark.parametrize(
    ("mark", "codec"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (b"", "utf-8"),
    ],
)
@pytest.mark.parametrize("encoding", [None, "utf-8"])
def test_a_byte_order_mark_decides_the_encoding(file, name, mark, codec, encoding):
    where = file(name, mark + text_of(name, NAMES).encode(codec))
    assert values_of(where, encoding) == NAMES


def test_a_byte_order_mark_takes_precedence_over_the_given_encoding(file, name):
    where = file(name, codecs.BOM_UTF8 + text_of(name, NAMES).encode())
    assert values_of(where, "cp1252") == NAMES


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "CP1252", "utf-16-le", "shift_jis"])
def test_reads_text_in_a_given_encoding(file, name, encoding):
    values = ["山田"] if encoding == "shift_jis" else ["Müller", "Zoë"]
    where = file(name, text_of(name, values).encode(encoding))
    assert values_of(where, encoding) == values
    assert columns_of(where, encoding) in (None, ["name"])


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("line", [1, 2, 3, 40_000])
def test_another_encoding_than_utf8_is_an_error_with_line_and_offset(file, line, ending):
    """Nothing is guessed; line 40,000 is not in the first part of the file that is read at once."""
    before = f"name{ending}".encode() * (line - 1) + b"M"
    where = file("a.csv", before + b"\xfcller" + ending.encode() + b"Zoe")
    with pytest.raises(InvalidRequestError) as raised:
        list(read(where))
    assert f"a.csv is not text in UTF-8: the byte at offset {len(before)}, in line {line}, " in str(raised.value)
    assert 'encoding="cp1252"' in str(raised.value)
    assert raised.value.argument == "encoding"
    assert "ller" not in repr(raised.value)


@pytest.mark.parametrize(
    ("data", "encoding", "problem", "advice"),
    [
        (b"name\nM\xe9", None, "not text in UTF-8: the byte at offset 6, in line 2", 'encoding="cp1252"'),
        (b"name\nM\x81ller", "cp1252", "not text in CP1252: the byte at offset 6, in line 2", "Correct the argument"),
        (b"name\nM\xc3\xbc", "ascii", "not text in ASCII: the byte at offset 6, in line 2", "Correct the argument"),
        (b"\xef\xbb\xbfname\nM\xfc", None, "not text in UTF-8: the byte at offset 9, in line 2", "save it again"),
        ("\ufeffab".encode("utf-16-le") + b"\0", None, "not text in UTF-16: the byte at offset 6", "save it again"),
        (b"ab", "utf-16", "not text in UTF-16: the byte at offset 0, in line 1", "Correct the argument"),
    ],
)
def test_a_byte_that_cannot_be_decoded_is_an_error_of_the_file(file, name, data, encoding, problem, advice):
    where = file(name, data)
    with pytest.raises(InvalidRequestError) as raised:
        list(read(where, encoding))
    assert problem in str(raised.value)
    assert advice in str(raised.value)


@pytest.mark.parametrize("start", ["name", "\u540d"])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("given", [None, "cp1252"])
def test_utf16_without_a_byte_order_mark_is_an_error_that_suggests_it(file, name, start, encoding, given):
    data = (f"{start}\n" + text_of(name, ["Zoë"])).encode(encoding)
    where = file(name, data)
    with pytest.raises(InvalidRequestError) as raised:
        list(read(where, given))
    problem = f"not text in {(given or 'utf-8').upper()}: the byte at offset {data.index(0)}, in line 1, is a NUL"
    assert problem in str(raised.value)
    assert f'encoding="{encoding}"' in str(raised.value)
    assert raised.value.argument == "encoding"


@pytest.mark.parametrize("encoding", ["utf-32-le", "utf-32-be"])
def test_reads_utf32_with_a_byte_order_mark(file, name, encoding):
    where = file(name, ("\ufeff" + text_of(name, ["Müller", "Zoë"])).encode(encoding))
    assert values_of(where) == ["Müller", "Zoë"]


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "", "\0", 8])
def test_refuses_an_unknown_encoding(encoding):
    with pytest.raises(InvalidRequestError, match="must be an encoding that Python knows, such as 'utf-8', 'cp1252'"):
        check_encoding(encoding)


# Parquet


def parquet(file, table):
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink)
    return file("a.parquet", sink.getvalue().to_pybytes())


def test_reads_parquet_with_its_types(file):
    time = datetime.datetime(2026, 10, 1, tzinfo=datetime.UTC)
    rows = [{"a": 1, "t": time, "l": ["x"]}, {"a": None, "t": None, "l": None}]
    where = parquet(file, pyarrow.Table.from_pylist(rows))
    assert columns_of(where) == ["a", "t", "l"]
    assert numbers_lines_values(where) == [(1, None, rows[0]), (2, None, rows[1])]


def test_truncates_nanoseconds_of_parquet(file, monkeypatch):
    """Without pandas, Arrow cannot return them."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    nanoseconds = 1_790_812_800_123_456_789
    time = datetime.datetime(2026, 10, 1, 0, 0, 0, 123_456)
    types = {
        "utc": (pyarrow.timestamp("ns", "UTC"), nanoseconds, time.replace(tzinfo=datetime.UTC)),
        "local": (pyarrow.timestamp("ns"), nanoseconds, time),
        "time": (pyarrow.time64("ns"), 1_500, datetime.time(microsecond=1)),
        "duration": (pyarrow.duration("ns"), 1_500, datetime.timedelta(microseconds=1)),
        "list": (pyarrow.list_(pyarrow.timestamp("ns")), [nanoseconds], [time]),
        "struct": (pyarrow.struct([("t", pyarrow.timestamp("ns"))]), {"t": nanoseconds}, {"t": time}),
    }
    columns = {name: pyarrow.array([value, None], type) for name, (type, value, _) in types.items()}
    where = parquet(file, pyarrow.table(columns))
    assert numbers_lines_values(where) == [
        (1, None, {name: expected for name, (_, _, expected) in types.items()}),
        (2, None, dict.fromkeys(types)),
    ]


def test_value_that_python_cannot_hold_is_an_error_of_its_row_only(file):
    """A timestamp in the year 294247."""
    times = pyarrow.array([0, 2**63 - 1, 0], pyarrow.timestamp("us", "UTC"))
    where = parquet(file, pyarrow.table({"a": ["x", "y", "z"], "t": times}))
    first, second, third = read(where)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    assert first == (1, None, {"a": "x", "t": epoch}, None)
    assert third == (3, None, {"a": "z", "t": epoch}, None)
    assert second[:3] == (2, None, {"a": "y", "t": None})
    assert second[3].startswith("has values that cannot be read: t (timestamp[us, tz=UTC], ")


def test_damaged_parquet_is_an_error_that_names_the_file_and_the_row(file):
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table({"a": list(range(5000))}), sink, row_group_size=2500, compression=None)
    data = bytearray(sink.getvalue().to_pybytes())
    middle = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(bytes(data))).metadata.row_group(1).column(0)
    start = middle.dictionary_page_offset or middle.data_page_offset
    data[start : start + 20] = b"\xff" * 20
    where = file("a.parquet", bytes(data))
    with pytest.raises(InvalidRequestError, match=r"a\.parquet is damaged after row 2\d\d\d: "):
        list(read(where))


def test_refuses_parquet_with_two_columns_of_one_name(file):
    where = parquet(file, pyarrow.table([[1], [2]], names=["a", "a"]))
    with pytest.raises(InvalidRequestError, match=r"Columns 1 and 2 of .*a\.parquet have the same name"):
        next(read(where))


def test_refuses_a_file_that_is_not_parquet(file):
    where = file("a.parquet", "mail,name\n")
    with pytest.raises(InvalidRequestError, match=r"a\.parquet is not a Parquet file"):
        next(read(where))


def test_parquet_without_pyarrow_names_the_extra_to_install(file, monkeypatch):
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
def test_refuses_a_name_without_a_known_suffix(name):
    with pytest.raises(InvalidRequestError, match=r"must end in \.csv, \.jsonl, \.ndjson, \.parquet"):
        format_of(f"/data/{name}")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_missing_file_is_an_error_with_its_name(place, name):
    with pytest.raises(FileNotFoundError, match=f"folder/{name}|{name}"):
        next(read(f"{place}/{name}"))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'a;b\n1;x;y\n2\n3;"never closed\n4;5\n'),
        ("a.csv", b'a,b\n1,x,"y,z"\n2,"two\r\nlines",3\n"x" y,1\n'),
        ("a.jsonl", b'{"a": 1, "b": \n[1]\n{"a": "x", "a": "y"}\n'),
    ],
)
def test_unreadable_rows_are_written_as_they_were(file, place, name, data):
    """Written among readable rows, they change none of those."""
    where, again = file(name, data), f"{place}/again-{name}"
    unreadable = [values for _, _, values, error in read(where) if error]
    assert all(values.keys() == {UNREAD} for values in unreadable)
    readable = {"a": "0", "b": "readable"}
    rows = [readable] + [row for values in unreadable for row in (values, readable)]
    options = {"separator": separator_of(where)} if name.endswith("csv") else {}
    write_dicts(again, rows, columns_of(where) or [], **options)
    found = list(read(again))
    assert [error is None for *_, error in found] == [True] + [False, True] * len(unreadable)
    assert [values for _, _, values, error in found if not error] == [readable] * (len(unreadable) + 1)
    assert name.endswith("jsonl") or separator_of(again) == separator_of(where)


def test_rows_of_another_length_are_written_cell_by_cell(file, place):
    where = file("a.csv", 'a;b\n1;"x;y";z\n2\n')
    write_dicts(f"{place}/b.csv", [values for _, _, values, _ in read(where)], ["a", "b"], separator=";")
    with open_binary(f"{place}/b.csv") as again:
        assert again.read() == b'a;b\r\n1;"x;y";z\r\n2\r\n'


@pytest.mark.slow
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_large_file_does_not_stay_in_memory(tmp_path, name):
    with open_rows(tmp_path / name, [Column("text")]) as file:
        for number in range(20_000):
            file.write([f"{number:01000}"])
    next(read(tmp_path / name))  # imports do not count
    tracemalloc.start()
    try:
        assert sum(1 for _ in read(tmp_path / name)) == 20_000
        assert tracemalloc.get_traced_memory()[1] < 5_000_000  # of 20 million in the file
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "options",
    [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}, {"store_schema": False}, {"compression": "gzip"}],
    ids=str,
)
def test_reads_parquet_values_of_all_types_as_pyarrow_does(tmp_path, options):
    """Long texts are read as references to a dictionary, also within lists and structures."""
    shared = pyarrow.array(["x", "x"]).dictionary_encode()
    table = pyarrow.table(
        {
            "text": ["a", None],
            "shared": shared,
            "bytes": [b"x", b"\xff"],
            "fixed": pyarrow.array([b"12", b"34"], pyarrow.binary(2)),
            "decimal": pyarrow.array([Decimal("1.5"), None]),
            "boolean": [True, None],
            "float": pyarrow.array([1.5, 2.0], pyarrow.float32()),
            "date": [date(2026, 10, 1), None],
            "nulls": pyarrow.nulls(2),
            "list": pyarrow.array([["a", None], None], pyarrow.large_list(pyarrow.large_string())),
            "list of shared": pyarrow.ListArray.from_arrays([0, 1, 2], shared),
            "structure": [{"a": "x", "b": [1, 2]}, None],
            "map": pyarrow.array([[("k", "v")], None], pyarrow.map_(pyarrow.string(), pyarrow.string())),
            "dotted.name": ["a", "b"],
        }
    )
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet", **options)
    assert [values for *_, values, _ in read(str(tmp_path / "in.parquet"))] == table.to_pylist()
