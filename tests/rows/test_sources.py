"""Rows of lists, files and queries: numbered, mapped, and read as often as needed."""

from __future__ import annotations

import datetime
import json
import math
import pickle
import resource
import sqlite3
import sys
import tempfile
import traceback
import tracemalloc
from collections.abc import Sequence
from functools import partial

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.formats import read, write_dicts
from airflow_provider_360learning.files.storage import storage_path, write_atomic
from airflow_provider_360learning.rows.queries import QueryError
from airflow_provider_360learning.rows.sources import Row, make_source
from tests.files.object_store import object_store  # noqa: F401 - a fixture

PEOPLE = [{"mail": "anna@example.com", "age": 30}, {"mail": "bob@example.com", "age": None}]


class Lazy(Sequence):
    """The results of mapped tasks: a sequence that is not a list."""

    def __len__(self):
        return len(PEOPLE)

    def __getitem__(self, index):
        return PEOPLE[index]


def file(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return str(folder / name)


@pytest.fixture
def database(tmp_path, monkeypatch):
    """Return a database with the connection `warehouse`."""
    path = tmp_path / "warehouse.db"
    monkeypatch.setenv("AIRFLOW_CONN_WAREHOUSE", json.dumps({"conn_type": "sqlite", "host": str(path)}))
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE people (mail TEXT, age INTEGER)")
        connection.executemany("INSERT INTO people VALUES (:mail, :age)", PEOPLE)
    yield connection
    connection.close()


def people(database, **options):
    return make_source(sql="SELECT mail, age FROM people ORDER BY mail", sql_conn_id="warehouse", **options)


def values(source):
    return [row.values for row in source.rows()]


def problems(source):
    return {row.number: row.problem for row in source.rows() if row.problem}


# Each kind of source


@pytest.mark.parametrize("rows", [PEOPLE, tuple(PEOPLE), Lazy()])
def test_reads_a_list(rows):
    source = make_source(rows)
    assert (source.name, source.rejected_format, source.columns, source.arguments) == ("the list", "jsonl", None, None)
    assert list(source.rows()) == [
        Row(1, None, {"mail": "anna@example.com", "age": 30}, PEOPLE[0]),
        Row(2, None, {"mail": "bob@example.com"}, PEOPLE[1]),
    ]


def test_reads_csv_without_empty_cells(tmp_path):
    source = make_source(file(tmp_path, "a.csv", "mail;age\nanna@example.com;30\nbob@example.com;\n"))
    assert (source.name, source.rejected_format, source.columns) == (str(tmp_path / "a.csv"), "csv", ["mail", "age"])
    assert source.separator == ";"
    assert list(source.rows()) == [
        Row(1, 2, {"mail": "anna@example.com", "age": "30"}, {"mail": "anna@example.com", "age": "30"}),
        Row(2, 3, {"mail": "bob@example.com"}, {"mail": "bob@example.com", "age": ""}),
    ]


def test_reads_json_lines_with_empty_strings(tmp_path):
    """An empty string is a value there; in CSV it is how a missing value is written."""
    source = make_source(file(tmp_path, "a.jsonl", '\n{"mail": "anna@example.com", "name": "", "age": null}\n'))
    original = {"mail": "anna@example.com", "name": "", "age": None}
    assert (source.rejected_format, source.columns) == ("jsonl", None)
    assert list(source.rows()) == [Row(1, 2, {"mail": "anna@example.com", "name": ""}, original)]


def test_reads_parquet(tmp_path):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(PEOPLE), tmp_path / "a.parquet")
    source = make_source(tmp_path / "a.parquet")
    assert (source.rejected_format, source.columns) == ("jsonl", ["mail", "age"])
    assert [(row.number, row.line) for row in source.rows()] == [(1, None), (2, None)]
    assert values(source) == [{"mail": "anna@example.com", "age": 30}, {"mail": "bob@example.com"}]


def test_reads_a_query(database):
    source = people(database)
    assert (source.name, source.rejected_format, source.columns) == ("the query on warehouse", "jsonl", ["mail", "age"])
    assert list(source.rows()) == [
        Row(1, None, {"mail": "anna@example.com", "age": 30}, PEOPLE[0]),
        Row(2, None, {"mail": "bob@example.com"}, PEOPLE[1]),
    ]


def test_reads_a_query_with_parameters(database):
    query = "SELECT mail FROM people WHERE age = :age"
    source = make_source(sql=query, sql_conn_id="warehouse", parameters={"age": 30})
    assert values(source) == [{"mail": "anna@example.com"}]


def test_reads_a_file_in_an_object_store(object_store):  # noqa: F811
    write_atomic("memory://bucket/a.csv", b"mail\nanna@example.com\n")
    for where in ("memory://bucket/a.csv", storage_path("memory://bucket/a.csv")):
        assert values(make_source(where)) == [{"mail": "anna@example.com"}]


def test_reads_rows_from_the_first_each_time(tmp_path, database):
    text = "mail,age\nanna@example.com,30\nbob@example.com,\n"
    for source in (make_source(PEOPLE), make_source(file(tmp_path, "a.csv", text)), people(database)):
        first, second = source.rows(), source.rows()
        assert next(first).number == 1
        assert [row.number for row in second] == [1, 2]
        assert [row.number for row in first] == [2]


def test_runs_a_query_once_and_leaves_the_database(database):
    source = people(database)
    rows = source.rows()
    next(rows)
    database.execute("DELETE FROM people")
    database.commit()
    database.execute("DROP TABLE people")
    assert len(list(rows)) == 1
    assert len(values(source)) == 2


def test_query_without_rows(database):
    source = make_source(
        sql="SELECT mail FROM people WHERE 0", sql_conn_id="warehouse", column_mapping={"mail": "user"}
    )
    assert list(source.rows()) == []
    assert source.arguments == ["user"]


def test_rows_of_a_query_do_not_stay_in_memory(database):
    counted = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
    sql = f"{counted} SELECT i, printf('%01000d', i) AS text FROM n ORDER BY i"
    source = make_source(sql=sql, sql_conn_id="warehouse")
    list(people(database).rows())  # imports do not count
    tracemalloc.start()
    try:
        assert sum(1 for _ in source.rows()) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # of 30 million
    finally:
        tracemalloc.stop()


def test_rows_of_a_query_that_do_not_fit_into_the_temporary_folder_are_a_transient_error(database):
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000)"
    source = make_source(sql=f"{numbers} SELECT printf('%01000d', i) AS text FROM n", sql_conn_id="warehouse")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, before[1]))
    try:
        with pytest.raises(QueryError, match=rf"temporary files, {tempfile.gettempdir()}: File too large\. Free space"):
            list(source.rows())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("text", [json.dumps(PEOPLE), f"\n {json.dumps(PEOPLE, indent=2)}\n"])
def test_reads_the_json_text_of_a_list(text):
    """A template renders to it."""
    assert list(make_source(text).rows()) == list(make_source(PEOPLE).rows())
    assert list(make_source("[]").rows()) == []


@pytest.mark.parametrize(
    "text",
    [
        str([{"mail": "a@b", "password": "secret"}]),
        json.dumps([{"mail": "a@b", "password": "secret"}])[:-1],
        json.dumps({"mail": "a@b", "password": "secret"}),
        'mail,password\na@b,"secret"\n',
        '{"password": "secret"}\n{"password": "secret"}\n',
        '[{"password": "secret", "x": ' + "1" * 5000 + "}",
        "/data\nsecret",
        "[" * 100_000 + "secret",
    ],
)
def test_error_of_a_text_that_is_not_a_list_shows_nothing_of_it(text):
    """Python's form of a list, a truncated list, one object, CSV, JSON Lines."""
    with pytest.raises(InvalidRequestError) as refused:
        make_source(text)
    assert str(refused.value).startswith(f"rows is a text of {len(text)} characters that is neither the path of a file")
    assert "render_template_as_native_obj=True" in str(refused.value)
    shown = "".join(traceback.format_exception(refused.value))
    assert "secret" not in shown
    assert "mail" not in shown
    assert refused.value.__context__ is None


def test_refuses_the_json_text_of_a_list_with_a_repeated_key():
    with pytest.raises(InvalidRequestError, match="an object has the key 'password' twice") as refused:
        make_source('[{"password": "secret", "password": "secret"}]')
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "path", ["s3://bucket/day=2026-10-01/part (1).csv", "/data/a+b=c, d [1].csv", "file:///a#b.csv"]
)
def test_paths_may_have_unusual_names(path):
    assert make_source(path).name == path


# Names of columns


def mapped(tmp_path, database, columns):
    """Yield every kind of source of the same people, with mapped columns."""
    text = "mail,age\nanna@example.com,30\nbob@example.com,\n"
    lines = "".join(json.dumps(person) + "\n" for person in PEOPLE)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(PEOPLE), tmp_path / "a.parquet")
    yield make_source(PEOPLE, column_mapping=columns)
    yield make_source(file(tmp_path, "a.csv", text), column_mapping=columns)
    yield make_source(file(tmp_path, "a.jsonl", lines), column_mapping=columns)
    yield make_source(tmp_path / "a.parquet", column_mapping=columns)
    yield people(database, column_mapping=columns)


def test_maps_and_ignores_columns(tmp_path, database):
    for source in mapped(tmp_path, database, {"mail": "user", "age": None, "not there": None}):
        assert values(source) == [{"user": "anna@example.com"}, {"user": "bob@example.com"}]
        assert [set(row.original) for row in source.rows()] == [{"mail", "age"}] * 2
        assert source.arguments in (None, ["user"])
        assert source.columns in (None, ["mail", "age"])


def test_columns_can_be_swapped(tmp_path, database):
    for source in mapped(tmp_path, database, {"mail": "age", "age": "mail"}):
        assert values(source)[1] == {"age": "bob@example.com"}


def test_mapped_column_that_does_not_exist_is_an_error(tmp_path, database):
    for source in mapped(tmp_path, database, {"E-Mail": "user", "age": None}):
        with pytest.raises(
            InvalidRequestError, match=rf"{source.name} has no column E-Mail.*correct the names in column_mapping"
        ):
            list(source.rows())
        if source.columns:
            with pytest.raises(InvalidRequestError, match=r"has no column E-Mail \(it has mail, age\)"):
                _ = source.arguments


def test_error_of_a_mapped_column_is_short(tmp_path):
    names = ",".join(f"column {number}" for number in range(1000))
    source = make_source(file(tmp_path, "a.csv", f"{names}\n"), column_mapping={"column 1": "a", "E-Mail": "mail"})
    with pytest.raises(InvalidRequestError, match=r"has no column E-Mail \(it has column 0, column 1,[^)]{170,190}…\)"):
        list(source.rows())


def test_error_of_a_mapped_column_shows_no_row_of_a_file_without_a_header(tmp_path):
    text = "anna@example.com,secret\nbob@example.com,secret\n"
    source = make_source(file(tmp_path, "a.csv", text), column_mapping={"E-Mail": "mail", "x": None})
    with pytest.raises(InvalidRequestError, match=r"E-Mail, nor another one of column_mapping \(is its first") as error:
        list(source.rows())
    assert "secret" not in str(error.value)


def test_rows_without_columns_are_an_error_of_the_query(database, monkeypatch):
    """PostgreSQL allows SELECT FROM people."""
    source = people(database)
    monkeypatch.setitem(source.__dict__, "_result", ([], [pickle.dumps([([], None), ([], None)])]))
    with pytest.raises(InvalidRequestError, match="the query on warehouse has rows, but no columns"):
        list(source.rows())


def test_two_columns_for_one_argument_are_an_error(tmp_path, database):
    for source in mapped(tmp_path, database, {"age": "mail"}):
        message = f"{source.name} has two columns for mail, one of them age: ignore one"
        if source.columns is None:  # it may be so in one row only
            assert [problem.startswith(message) for problem in problems(source).values()] == [True, True]
        else:
            with pytest.raises(InvalidRequestError, match=message):
                list(source.rows())


def test_column_of_some_rows_exists():
    source = make_source([{"mail": "a@b"}, {"mail": "c@d", "Tel": "1"}], column_mapping={"Tel": "phone"})
    assert values(source) == [{"mail": "a@b"}, {"mail": "c@d", "phone": "1"}]


@pytest.mark.parametrize("rows", [[], "a.csv", "a.jsonl"])
def test_mapped_columns_of_an_empty_source_are_not_missing(tmp_path, rows):
    rows = rows or []
    source = make_source(file(tmp_path, rows, "") if rows else [], column_mapping={"E-Mail": "mail"})
    assert list(source.rows()) == []


# Rows that cannot be read


def test_item_that_is_not_an_object_is_a_problem_and_can_be_written(tmp_path):
    rows = [
        {"mail": "a@b"},
        "anna",
        None,
        ["x", datetime.date(2026, 10, 1)],
        {1: "x"},
        [10**5000],
        "\ud800",
        math.nan,
        {"é\ud800": 1},
    ]
    source = make_source(rows, column_mapping={"mail": "user"})
    expected = "is not a row: an object with names and values is expected"
    assert problems(source) == {
        2: f"a str {expected}",
        3: f"a NoneType {expected}",
        4: f"a list {expected}",
        5: "an object with names of type int is not a row: its names must be strings",
        6: f"a list {expected}",
        7: f"a str {expected}",
        8: f"a float {expected}",
        9: "the name 'é\\ud800' holds half of a surrogate pair: write the whole character",
    }
    write_dicts(tmp_path / "a.jsonl", [row.original for row in source.rows()], [])
    assert (tmp_path / "a.jsonl").read_text().splitlines() == [
        '{"mail": "a@b"}',
        '"anna"',
        "null",
        '["x", "2026-10-01"]',
        '{"1": "x"}',
        '{"(not JSON)": "a value of type list"}',
        '"\\ud800"',
        '{"(not JSON)": "nan"}',
        '{"é\\ud800": 1}',
    ]


def test_unreadable_row_of_a_file_has_no_values_and_can_be_written(tmp_path):
    source = make_source(file(tmp_path, "a.csv", "mail;age\na@b;1\nc@d\n"), column_mapping={"mail": "user"})
    assert problems(source) == {2: "line 3 has 1 cells, the header 2: cells that hold a ';' must be quoted"}
    unreadable = list(source.rows())[1]
    assert (unreadable.line, unreadable.values) == (3, {})
    write_dicts(tmp_path / "b.csv", [unreadable.original], source.columns, separator=source.separator)
    assert [problem for *_, problem in read(tmp_path / "b.csv")] == [problems(source)[2].replace("line 3", "line 2")]


def test_mapped_columns_of_unreadable_rows_are_not_missing(tmp_path):
    source = make_source(file(tmp_path, "a.jsonl", '[\n"x"\n]\n'), column_mapping={"E-Mail": "mail"})
    assert list(problems(source)) == [1, 2, 3]


def test_repr_of_a_row_shows_no_values():
    (row,) = make_source([{"mail": "a@b", "password": "secret"}]).rows()
    assert "secret" not in repr(row)


# Invalid sources


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, r"Give either rows \(a list, or the path of a file\) or sql"),
        ({"rows": [], "sql": "SELECT 1", "sql_conn_id": "x"}, "Give either rows"),
        ({"sql": "SELECT 1"}, r"sql \(a query\) and sql_conn_id \(its connection\) belong together"),
        ({"rows": [], "sql_conn_id": "x"}, "belong together"),
        ({"rows": {"mail": "a@b"}}, "rows is a dict: give a list of objects, or the path of a file"),
        ({"rows": iter(PEOPLE)}, "rows is a list_iterator: give a list"),
        ({"rows": b"/data/a.csv"}, "rows is a bytes"),
        ({"rows": "a.csv"}, "is not absolute"),
        ({"rows": "/data/a.xlsx"}, r"must end in \.csv"),
        (
            {"rows": [], "column_mapping": {"a": "mail", "b": "mail"}},
            "column_mapping gives several columns the name mail",
        ),
    ],
)
def test_refuses_what_is_not_exactly_one_source(arguments, message):
    with pytest.raises(InvalidRequestError, match=message):
        make_source(**arguments)


def test_missing_file_is_an_error_with_its_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.csv"):
        list(make_source(tmp_path / "a.csv").rows())


def test_refuses_a_connection_that_does_not_execute_sql(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PLATFORM", json.dumps({"conn_type": "learning360", "login": "x", "password": "y"}))
    source = make_source(sql="SELECT 1", sql_conn_id="platform")
    with pytest.raises(InvalidRequestError, match="platform is of type learning360, which does not execute SQL"):
        list(source.rows())


def test_refuses_a_statement_that_returns_no_rows(database):
    source = make_source(sql="DELETE FROM people WHERE 0", sql_conn_id="warehouse")
    with pytest.raises(InvalidRequestError, match="the query on warehouse returns no rows: write a SELECT"):
        list(source.rows())


def test_refuses_a_query_with_two_columns_of_one_name(database):
    source = make_source(sql="SELECT mail, age AS mail FROM people", sql_conn_id="warehouse")
    with pytest.raises(InvalidRequestError, match="Columns 1 and 2 of the query on warehouse have the same name"):
        list(source.rows())


def test_query_without_the_sql_provider_names_the_extra_to_install(database, monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow.providers.common.sql.hooks.sql", None)
    with pytest.raises(InvalidRequestError, match=r"pip install 'airflow-provider-360learning\[sql\]'"):
        list(people(database).rows())


def test_value_of_a_query_that_cannot_be_held_is_an_error_with_row_and_column(database, monkeypatch):
    """Some drivers return large objects and views of memory, which cannot be written to a file."""
    database.execute("CREATE TABLE files (mail TEXT, data view)")
    database.executemany("INSERT INTO files VALUES (?, ?)", [("a@b", None), ("c@d", "secret")])
    database.commit()
    sqlite3.register_converter("view", memoryview)
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, detect_types=sqlite3.PARSE_DECLTYPES))
    source = make_source(sql="SELECT * FROM files", sql_conn_id="warehouse")
    assert [row.problem for row in source.rows()] == [
        None,
        "has a value of type memoryview in column data, which cannot be held: cast it to text in the query",
    ]
