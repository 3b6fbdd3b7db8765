"""Rows from lists, files and queries are the same rows: numbered, renamed, and as often as they are asked for."""

from __future__ import annotations

import datetime
import json
import sqlite3
import sys
import tracemalloc
from collections.abc import Sequence

import pyarrow
import pyarrow.parquet
import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.files.formats import read, write_dicts
from airflow_provider_360learning.files.storage import storage_path, write_atomic
from airflow_provider_360learning.rows.sources import Row, make_source
from tests.files.object_store import object_store  # noqa: F401 - a fixture

PEOPLE = [{"mail": "anna@example.com", "age": 30}, {"mail": "bob@example.com", "age": None}]


class Lazy(Sequence):
    """As Airflow gives the results of mapped tasks: a sequence, and no list."""

    def __len__(self):
        return len(PEOPLE)

    def __getitem__(self, index):
        return PEOPLE[index]


def file(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8", newline="")
    return str(folder / name)


@pytest.fixture
def database(tmp_path, monkeypatch):
    """A database with the connection `warehouse`."""
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


def faults(source):
    return {row.number: row.fault for row in source.rows() if row.fault}


# Each kind of source


@pytest.mark.parametrize("rows", [PEOPLE, tuple(PEOPLE), Lazy()])
def test_a_list(rows):
    source = make_source(rows)
    assert (source.name, source.format, source.columns, source.arguments) == ("the list", "jsonl", None, None)
    assert list(source.rows()) == [
        Row(1, None, {"mail": "anna@example.com", "age": 30}, PEOPLE[0]),
        Row(2, None, {"mail": "bob@example.com"}, PEOPLE[1]),
    ]


def test_csv_without_its_empty_cells(tmp_path):
    source = make_source(file(tmp_path, "a.csv", "mail;age\nanna@example.com;30\nbob@example.com;\n"))
    assert (source.name, source.format, source.columns) == (str(tmp_path / "a.csv"), "csv", ["mail", "age"])
    assert source.reject_schema == ";"
    assert list(source.rows()) == [
        Row(1, 2, {"mail": "anna@example.com", "age": "30"}, {"mail": "anna@example.com", "age": "30"}),
        Row(2, 3, {"mail": "bob@example.com"}, {"mail": "bob@example.com", "age": ""}),
    ]


def test_json_lines_with_their_empty_texts(tmp_path):
    """There "" is a value that somebody wrote; in CSV nothing else can be written where there is none."""
    source = make_source(file(tmp_path, "a.jsonl", '\n{"mail": "anna@example.com", "name": "", "age": null}\n'))
    original = {"mail": "anna@example.com", "name": "", "age": None}
    assert (source.format, source.columns, source.reject_schema) == ("jsonl", None, None)
    assert list(source.rows()) == [Row(1, 2, {"mail": "anna@example.com", "name": ""}, original)]


def test_parquet(tmp_path):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(PEOPLE), tmp_path / "a.parquet")
    source = make_source(tmp_path / "a.parquet")
    assert (source.format, source.columns) == ("parquet", ["mail", "age"])
    assert source.reject_schema.names == ["mail", "age"]
    assert [(row.number, row.line) for row in source.rows()] == [(1, None), (2, None)]
    assert values(source) == [{"mail": "anna@example.com", "age": 30}, {"mail": "bob@example.com"}]


def test_a_query(database):
    source = people(database)
    assert (source.name, source.format, source.columns) == ("the query on warehouse", "jsonl", ["mail", "age"])
    assert list(source.rows()) == [
        Row(1, None, {"mail": "anna@example.com", "age": 30}, PEOPLE[0]),
        Row(2, None, {"mail": "bob@example.com"}, PEOPLE[1]),
    ]


def test_a_query_with_parameters(database):
    query = "SELECT mail FROM people WHERE age = :age"
    source = make_source(sql=query, sql_conn_id="warehouse", parameters={"age": 30})
    assert values(source) == [{"mail": "anna@example.com"}]


def test_a_file_in_an_object_store(object_store):  # noqa: F811
    write_atomic("memory://bucket/a.csv", b"mail\nanna@example.com\n")
    for where in ("memory://bucket/a.csv", storage_path("memory://bucket/a.csv")):
        assert values(make_source(where)) == [{"mail": "anna@example.com"}]


def test_rows_are_read_from_the_first_each_time_even_at_once(tmp_path, database):
    text = "mail,age\nanna@example.com,30\nbob@example.com,\n"
    for source in (make_source(PEOPLE), make_source(file(tmp_path, "a.csv", text)), people(database)):
        first, second = source.rows(), source.rows()
        assert next(first).number == 1
        assert [row.number for row in second] == [1, 2]
        assert [row.number for row in first] == [2]


def test_a_query_is_run_once_and_leaves_the_database_alone_afterwards(database):
    source = people(database)
    rows = source.rows()
    next(rows)
    database.execute("DELETE FROM people")
    database.commit()
    database.execute("DROP TABLE people")
    assert len(list(rows)) == 1
    assert len(values(source)) == 2


def test_a_query_without_rows(database):
    source = make_source(sql="SELECT mail FROM people WHERE 0", sql_conn_id="warehouse", columns={"mail": "user"})
    assert list(source.rows()) == []
    assert source.arguments == ["user"]


def test_the_rows_of_a_query_do_not_stay_in_memory(database):
    counted = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)"
    sql = f"{counted} SELECT i, printf('%01000d', i) AS text FROM n ORDER BY i"
    source = make_source(sql=sql, sql_conn_id="warehouse")
    list(people(database).rows())  # what is imported and set up once does not count
    tracemalloc.start()
    try:
        assert sum(1 for _ in source.rows()) == 30_000
        assert tracemalloc.get_traced_memory()[1] < 10_000_000  # of 30 million
    finally:
        tracemalloc.stop()


# Names of columns


def renamed(tmp_path, database, columns):
    """Every kind of source of the same people, with renamed columns."""
    text = "mail,age\nanna@example.com,30\nbob@example.com,\n"
    lines = "".join(json.dumps(person) + "\n" for person in PEOPLE)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(PEOPLE), tmp_path / "a.parquet")
    yield make_source(PEOPLE, columns=columns)
    yield make_source(file(tmp_path, "a.csv", text), columns=columns)
    yield make_source(file(tmp_path, "a.jsonl", lines), columns=columns)
    yield make_source(tmp_path / "a.parquet", columns=columns)
    yield people(database, columns=columns)


def test_columns_are_renamed_and_ignored(tmp_path, database):
    for source in renamed(tmp_path, database, {"mail": "user", "age": None, "not there": None}):
        assert values(source) == [{"user": "anna@example.com"}, {"user": "bob@example.com"}]
        assert [set(row.original) for row in source.rows()] == [{"mail", "age"}] * 2
        assert source.arguments in (None, ["user"])
        assert source.columns in (None, ["mail", "age"])


def test_columns_can_change_places(tmp_path, database):
    for source in renamed(tmp_path, database, {"mail": "age", "age": "mail"}):
        assert values(source)[1] == {"age": "bob@example.com"}


def test_renaming_a_column_that_is_not_there_is_an_error_that_names_it(tmp_path, database):
    for source in renamed(tmp_path, database, {"E-Mail": "mail", "age": None}):
        with pytest.raises(InvalidRequestError, match=rf"{source.name} has no column E-Mail.*correct the names in col"):
            list(source.rows())
        if source.columns:
            with pytest.raises(InvalidRequestError, match=r"has no column E-Mail \(it has mail, age\)"):
                _ = source.arguments


def test_two_columns_for_one_argument_are_an_error_or_a_fault(tmp_path, database):
    for source in renamed(tmp_path, database, {"age": "mail"}):
        message = f"{source.name} has two columns for mail, one of them age: ignore one"
        if source.columns is None:  # it may be so in one row only
            assert [fault.startswith(message) for fault in faults(source).values()] == [True, True]
        else:
            with pytest.raises(InvalidRequestError, match=message):
                list(source.rows())


def test_a_column_that_some_rows_have_is_there():
    source = make_source([{"mail": "a@b"}, {"mail": "c@d", "Tel": "1"}], columns={"Tel": "phone"})
    assert values(source) == [{"mail": "a@b"}, {"mail": "c@d", "phone": "1"}]


@pytest.mark.parametrize("rows", [[], "a.csv", "a.jsonl"])
def test_where_there_are_no_rows_no_column_is_missed(tmp_path, rows):
    rows = rows or []
    source = make_source(file(tmp_path, rows, "") if rows else [], columns={"E-Mail": "mail"})
    assert list(source.rows()) == []


# Rows that are none


def test_what_is_no_object_in_a_list_is_a_fault_and_can_be_given_back(tmp_path):
    rows = [{"mail": "a@b"}, "anna", None, ["x", datetime.date(2026, 10, 1)], {1: "x"}]
    source = make_source(rows, columns={"mail": "user"})
    expected = "is no row: an object with names and values is expected"
    assert faults(source) == {
        2: f"a str {expected}",
        3: f"a NoneType {expected}",
        4: f"a list {expected}",
        5: f"a dict {expected}",
    }
    write_dicts(tmp_path / "a.jsonl", [row.original for row in source.rows()], [])
    assert (tmp_path / "a.jsonl").read_text().splitlines() == [
        '{"mail": "a@b"}',
        '"anna"',
        "null",
        '["x", "2026-10-01"]',
        '{"1": "x"}',
    ]


def test_a_faulty_row_of_a_file_has_no_values_and_can_be_given_back(tmp_path):
    source = make_source(file(tmp_path, "a.csv", "mail;age\na@b;1\nc@d\n"), columns={"mail": "user"})
    assert faults(source) == {2: "line 3 has 1 cells, the header 2: cells that hold a ';' must be quoted"}
    faulty = list(source.rows())[1]
    assert (faulty.line, faulty.values) == (3, {})
    write_dicts(tmp_path / "b.csv", [faulty.original], source.columns, schema=source.reject_schema)
    assert [fault for *_, fault in read(tmp_path / "b.csv")] == [faults(source)[2].replace("line 3", "line 2")]


def test_a_file_of_faults_only_names_those_and_no_column(tmp_path):
    source = make_source(file(tmp_path, "a.jsonl", '[\n"x"\n]\n'), columns={"E-Mail": "mail"})
    assert list(faults(source)) == [1, 2, 3]


def test_values_are_not_shown_where_a_row_is_printed():
    (row,) = make_source([{"mail": "a@b", "password": "secret"}]).rows()
    assert "secret" not in repr(row)


# What is no source


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
        ({"rows": [], "columns": {"a": "mail", "b": "mail"}}, "columns= gives several columns the name mail"),
    ],
)
def test_what_is_not_exactly_one_source_is_refused(arguments, message):
    with pytest.raises(InvalidRequestError, match=message):
        make_source(**arguments)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"a\.csv"):
        list(make_source(tmp_path / "a.csv").rows())


def test_a_connection_that_takes_no_sql_is_refused(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_PLATFORM", json.dumps({"conn_type": "learning360", "login": "x", "password": "y"}))
    source = make_source(sql="SELECT 1", sql_conn_id="platform")
    with pytest.raises(InvalidRequestError, match="platform is of type learning360, which takes no SQL"):
        list(source.rows())


def test_a_statement_that_gives_no_rows_is_refused(database):
    source = make_source(sql="DELETE FROM people WHERE 0", sql_conn_id="warehouse")
    with pytest.raises(InvalidRequestError, match="the query on warehouse gives no rows: write a SELECT"):
        list(source.rows())


def test_a_query_with_two_columns_of_one_name_is_refused(database):
    source = make_source(sql="SELECT mail, age AS mail FROM people", sql_conn_id="warehouse")
    with pytest.raises(InvalidRequestError, match="the query on warehouse has several columns named mail"):
        list(source.rows())


def test_a_query_without_the_sql_provider_says_what_to_install(database, monkeypatch):
    monkeypatch.setitem(sys.modules, "airflow.providers.common.sql.hooks.sql", None)
    with pytest.raises(InvalidRequestError, match=r"pip install 'airflow-provider-360learning\[sql\]'"):
        list(people(database).rows())
