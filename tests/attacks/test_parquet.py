"""Small Parquet files of which pyarrow makes gigabytes, and files whose metadata lies: refused, or a row error."""

from __future__ import annotations

import io
import random

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files import parquet_limits
from airflow_provider_360learning.files.formats import read
from tests.attacks.rows import check

MIB = 1 << 20
MAGIC = b"PAR1"


def write(path, columns, **options):
    """Write a small file of columns."""
    pyarrow.parquet.write_table(pyarrow.table(columns), path, **{"compression": "zstd", **options})
    assert path.stat().st_size < MIB
    return str(path)


def repeated(value, times):
    """Return an array in which many rows refer to one value."""
    return pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * times, pyarrow.int32()), pyarrow.array([value]))


# What the metadata of the file admits


@pytest.mark.parametrize("size", [MIB // 2, 10 * MIB])
def test_a_long_value_that_all_rows_refer_to(tmp_path, size):
    """5 KB, of which pyarrow makes 4 GB and more."""
    file = write(tmp_path / "in.parquet", {"mail": repeated("x" * size, 4 << 30 >> 19)})
    with pytest.raises(InvalidRequestError, match=r"has more than [\d,]+ bytes of values in [\d,]+ bytes"):
        check(file)


def test_long_values_that_few_rows_refer_to_are_row_errors(tmp_path):
    columns = {
        "mail": [f"a{number}@b.test" for number in range(8)],
        "first_name": [*["x" * 2 * MIB] * 7, "Bo"],
    }
    checked = check(write(tmp_path / "in.parquet", columns))
    assert (checked.valid, len(checked.errors)) == ([8], 7)
    assert "row 1: cannot be read (more than 1,048,576 characters)" in str(checked)
    assert "largest value is that of column 'first_name'" in str(checked)
    *_, (number, line, values, _) = list(read(str(tmp_path / "in.parquet")))[:7]
    assert (number, line, values["mail"]) == (7, None, "a6@b.test")
    assert values["first_name"] == {"(not JSON)": "a value of a row that is too large"}


@pytest.mark.parametrize(
    "options",
    [
        {"use_dictionary": False, "column_encoding": {"first_name": "DELTA_BYTE_ARRAY"}},
        {"use_dictionary": False},
        {"use_dictionary": False, "data_page_version": "2.0"},
    ],
    ids=["shared prefixes", "compressed", "compressed pages of version 2"],
)
def test_many_long_values_in_a_small_file(tmp_path, options):
    """300 MB of values in a few KB are decoded a few at a time."""
    columns = {"mail": [f"a{number}@b.test" for number in range(300)]}
    columns["first_name"] = repeated("x" * (MIB - 100), 300)
    file = tmp_path / "in.parquet"
    with pyarrow.parquet.ParquetWriter(
        file, pyarrow.schema({"mail": "string", "first_name": "string"}), **options, compression="zstd"
    ) as writer:
        for start in range(0, 300, 30):
            names = pyarrow.array(["x" * (MIB - 100)] * 30)
            mails = pyarrow.array(columns["mail"][start : start + 30])
            writer.write_batch(pyarrow.record_batch({"mail": mails, "first_name": names}), row_group_size=300)
    assert file.stat().st_size < MIB
    rows = 0
    with pytest.raises(InvalidRequestError, match="bytes of values in"):
        for rows, *_ in read(str(file)):  # noqa: B007 - the last one counts
            pass
    assert rows >= 200


@pytest.mark.parametrize("kind", ["items", "long items", "structures", "maps", "nested"])
def test_a_row_with_all_items_of_a_file(tmp_path, kind):
    count = 6_000_000
    items = {
        "items": lambda: repeated("x", count),
        "long items": lambda: repeated("x" * MIB, 2000),
        "structures": lambda: pyarrow.StructArray.from_arrays([repeated("x", count)], ["a"]),
        "maps": lambda: repeated("x" * MIB, 2000),
        "nested": lambda: pyarrow.ListArray.from_arrays([0, 2000], repeated("x" * MIB, 2000)),
    }[kind]()
    offsets = pyarrow.array([0, len(items)], pyarrow.int32())
    if kind == "maps":
        array = pyarrow.MapArray.from_arrays(offsets, pyarrow.array([str(n) for n in range(2000)]), items)
    else:
        array = pyarrow.ListArray.from_arrays(offsets, items)
    file = write(tmp_path / "in.parquet", {"mail": ["a@b.test"], "other_groups": array})
    if kind in ("items", "structures"):
        with pytest.raises(InvalidRequestError, match=r"bytes of list items in column 'other_groups\.list\.element"):
            check(file)
    else:
        with pytest.raises(InvalidRequestError, match="bytes of values in"):
            check(file)


def test_a_row_of_a_long_list_is_an_error_of_its_row(tmp_path):
    lists = [["x"] * 600_000, ["Sales"], [f"{number}" for number in range(10_001)]]
    columns = {"mail": ["a@b.test", "b@c.test", "c@d.test"], "labels": pyarrow.array(lists)}
    checked = check(write(tmp_path / "in.parquet", columns))
    assert checked.valid == [2]
    assert [error.row for error in checked.errors] == [1, 3]
    assert "labels has 10,001 items" in str(checked)


def test_more_rows_than_a_file_may_have(tmp_path):
    """A column of nulls takes no space."""
    file = write(tmp_path / "in.parquet", {"mail": pyarrow.nulls(10_000_001, pyarrow.string())})
    with pytest.raises(InvalidRequestError, match="has 10,000,001 rows, but at most 10,000,000 are read"):
        check(file)


def test_more_columns_than_a_file_may_have(tmp_path):
    path = tmp_path / "in.parquet"
    pyarrow.parquet.write_table(pyarrow.table({f"c{number}": [1] for number in range(2001)}), path)
    with pytest.raises(InvalidRequestError, match=r"has .* columns, but at most 2,000 are read"):
        check(str(path))


def test_columns_that_are_nested_deeper_than_16_levels(tmp_path):
    value = "x"
    for _ in range(20):
        value = [value]
    file = write(tmp_path / "in.parquet", {"mail": ["a@b.test"], "x": [value]})
    with pytest.raises(InvalidRequestError, match="nested deeper than 16 levels"):
        check(file)


def test_fixed_lengths_count_for_each_row(tmp_path):
    values = pyarrow.array([b"x" * 500_000] * 2, pyarrow.binary(500_000))
    checked = check(write(tmp_path / "in.parquet", {"mail": ["a@b.test", "b@c.test"], "custom": values}))
    assert len(checked.errors) == 2


# What the metadata hides


class Long(int):
    """A number of 64 bits, which Thrift distinguishes from one of 32."""


def number(value):
    """Encode an integer in the compact protocol of Thrift."""
    value = value << 1 if value >= 0 else (-value << 1) - 1
    return unsigned(value)


def unsigned(value):
    encoded = b""
    while value > 127:
        encoded += bytes([value & 127 | 128])
        value >>= 7
    return encoded + bytes([value])


def structure(**fields):
    """Encode a structure of integers, texts and encoded lists, whose fields are named ``f1``, ``f2``, …"""
    encoded, last = b"", 0
    for name, value in fields.items():
        id = int(name[1:])
        kind, text = {
            int: lambda value: (5, number(value)),
            Long: lambda value: (6, number(value)),
            str: lambda value: (8, unsigned(len(value)) + value.encode()),
            bytes: lambda value: (9, value),
            tuple: lambda value: (12, value[0]),
        }[type(value)](value)
        encoded += bytes([(id - last) << 4 | kind]) + text
        last = id
    return encoded + b"\0"


def items(kind, size, encoded):
    return bytes([0xF0 | kind]) + unsigned(size) + encoded


def column(name="mail", **fields):
    return structure(f1=6, f3=1, f4=name, **fields)


ROOT = structure(f4="schema", f5=1)
SCHEMA = items(12, 2, ROOT + column())


def put_footer(path, footer, body=b"", length=None):
    """Write a file of a footer."""
    path.write_bytes(MAGIC + body + footer + (length or len(footer)).to_bytes(4, "little") + MAGIC)
    return str(path)


FOOTERS = {
    "a schema of 2 billion elements": structure(f1=1, f2=items(12, 2**31 - 1, b""), f3=Long(1)),
    "a schema of a million elements": structure(f1=1, f2=items(12, 10**6, ROOT + column() * (10**6 - 1)), f3=Long(1)),
    "a million row groups": structure(f1=1, f2=SCHEMA, f3=Long(1), f4=items(12, 10**6, structure(f3=Long(1)) * 10**6)),
    "a million columns in a row group": structure(
        f1=1,
        f2=SCHEMA,
        f3=Long(1),
        f4=items(12, 1, structure(f1=items(12, 10**6, structure(f2=Long(0)) * 10**6), f2=Long(1), f3=Long(1))),
    ),
    "deep structures": b"\x1c" * 100_000,
    "a text of 2 billion characters": structure(f1=1, f2=SCHEMA, f3=Long(1))[:-1] + b"\x38" + unsigned(2**31 - 1),
    "a map of 2 billion entries": b"\x1b" + unsigned(2**31 - 1) + b"\x11",
    "an endless number": b"\x15" + b"\xff" * 1000,
    "no schema": structure(f1=1, f3=Long(1), f4=items(12, 0, b"")),
    "an empty footer": b"\0",
    "columns inside of nothing": structure(
        f1=1, f2=items(12, 3, ROOT + column() * 2), f3=Long(1), f4=items(12, 0, b"")
    ),
    "a negative number of columns": structure(
        f1=1, f2=items(12, 2, structure(f4="schema", f5=-5) + column()), f3=Long(1), f4=items(12, 0, b"")
    ),
}


@pytest.mark.parametrize("name", FOOTERS)
def test_a_footer_that_asks_for_memory(tmp_path, name):
    with pytest.raises(InvalidRequestError, match=r"in\.parquet "):
        check(put_footer(tmp_path / "in.parquet", FOOTERS[name]))


@pytest.mark.parametrize("length", [2**31 - 1, 2**32 - 1, 9 << 20])
def test_a_footer_that_is_longer_than_the_file_or_the_maximum(tmp_path, length):
    body = b"\0" * (10 << 20) if length == 9 << 20 else b""
    file = put_footer(tmp_path / "in.parquet", FOOTERS["an empty footer"], body, length)
    with pytest.raises(InvalidRequestError, match=r"longer than the file|footer of 9,437,184 bytes"):
        check(file)


def with_page(path, header, body=b"", *, rows=1, size=None, groups=1):
    """Write a file of one column with one page, to which several row groups may refer."""
    page = header + body
    place = {"f5": Long(rows), "f6": Long(10), "f7": Long(size or len(page)), "f9": Long(4)}
    chunk = structure(f1=6, f2=items(5, 1, number(0)), f3=items(8, 1, unsigned(4) + b"mail"), f4=6, **place)
    group = structure(f1=items(12, 1, structure(f2=Long(4), f3=(chunk,))), f2=Long(10), f3=Long(rows))
    footer = structure(f1=1, f2=SCHEMA, f3=Long(1), f4=items(12, groups, group * groups))
    return put_footer(path, footer, page)


def page(uncompressed, compressed, values=1):
    return structure(f1=0, f2=uncompressed, f3=compressed, f5=(structure(f1=values, f2=0, f3=3, f4=3),))


@pytest.mark.parametrize(
    ("header", "size", "message"),
    [
        (page(2**31 - 1, 10), None, "has pages of 2,147,483,647 bytes"),
        (page(2**31 - 1, 2**31 - 1), None, "is damaged after row 0"),
        (page(-1, 10), None, "is damaged after row 0"),
        (page(10, -1), None, "is damaged after row 0"),
        (page(10, 10), 2**40, "its columns are longer than the file"),
        (b"\xff" * 20, None, "is damaged after row 0"),
        (b"", 10, "is damaged after row 0"),
    ],
    ids=["uncompressed", "compressed", "negative", "negative compressed", "column", "no header", "empty"],
)
def test_a_page_that_is_larger_than_the_footer_says(tmp_path, header, size, message):
    with pytest.raises(InvalidRequestError, match=message):
        check(with_page(tmp_path / "in.parquet", header, b"\0" * 10, size=size))


def test_row_groups_that_have_more_rows_than_the_footer_says(tmp_path):
    file = with_page(tmp_path / "in.parquet", page(10, 10), b"\0" * 10, rows=2**40)
    with pytest.raises(InvalidRequestError, match=r"has 1,099,511,627,776 rows, but at most 10,000,000 are read"):
        check(file)


def test_row_groups_that_share_their_pages(tmp_path):
    """A thousand times ten thousand pages are in a file of half a megabyte."""
    pages = page(0, 0, values=0) * 10_000
    file = with_page(tmp_path / "in.parquet", pages, groups=1000)
    with pytest.raises(InvalidRequestError, match="its columns are longer than the file"):
        check(file)


def test_more_pages_than_a_row_group_may_have(tmp_path):
    file = with_page(tmp_path / "in.parquet", page(0, 0, values=0) * 100_001)
    with pytest.raises(InvalidRequestError, match=r"more than 100,000 pages in a row group: write it in larger pages"):
        check(file)


def test_a_damaged_file_is_an_error_wherever_it_is_damaged(tmp_path):
    """Each byte of the metadata may have any value: the file is read, or refused, and nothing else happens."""
    columns = {
        "mail": ["a@b.test", "b@c.test", None],
        "labels": [["x"], [], None],
        "custom": [{"a": 1}, {"a": None}, None],
        "time": pyarrow.array([1, 2, None], pyarrow.timestamp("ns")),
    }
    data = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), data, row_group_size=2, store_schema=False)
    random.seed(1)
    original = data.getvalue()
    path = tmp_path / "in.parquet"
    for _ in range(200):
        damaged = bytearray(original)
        for _ in range(random.choice([1, 1, 3])):
            damaged[random.randrange(4, len(damaged))] = random.choice([0, 1, 127, 128, 255, random.randrange(256)])
        path.write_bytes(damaged)
        try:
            rows = list(read(str(path)))
        except InvalidRequestError as error:
            assert str(path) in str(error)  # noqa: PT017 - some are read
        else:
            assert len(rows) <= 3


# What is read as before


def test_usual_files_are_read_in_batches_of_the_usual_size(tmp_path):
    """The limits leave room for what HR systems and warehouses write."""
    count = 3_000
    columns = {f"text{n}": [f"value {number}" for number in range(count)] for n in range(10)}
    columns |= {f"number{n}": list(range(count)) for n in range(10)}
    columns["labels"] = [[f"a{number % 7}", "b"] for number in range(count)]
    path = tmp_path / "in.parquet"
    for options in ({}, {"use_dictionary": False}, {"data_page_version": "2.0"}, {"compression": "gzip"}):
        pyarrow.parquet.write_table(pyarrow.table(columns), path, row_group_size=1_500, **options)
        with path.open("rb") as binary:
            footer = parquet_limits.Footer(binary)
            assert [footer.rows_per_batch(group) for group in range(footer.row_groups)] == [1024] * 2
        assert sum(1 for _ in read(str(path))) == count
