"""Queries on PostgreSQL, through both of its drivers: streamed, closed before rows are sent, and failing clearly."""

from __future__ import annotations

import ctypes
import json
import logging
from contextlib import closing
from importlib.util import find_spec

import psycopg2
import psycopg2.extras
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, Connection
from airflow.providers.common.sql.hooks.sql import DbApiHook

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.rows.queries import Query, QueryError, open_result
from airflow_provider_360learning.rows.sources import make_source
from tests.memory import PeakMemory
from tests.postgres_server import PostgresServer
from tests.rows.support import bulk, people, results_in, writes

DRIVERS = {"psycopg2": psycopg2}
DICT_ROWS = {"psycopg2": {"cursor_factory": psycopg2.extras.RealDictCursor}}
if find_spec("psycopg"):  # the lowest version of the hook knows psycopg2 only
    import psycopg.rows

    DRIVERS["psycopg"] = psycopg
    DICT_ROWS["psycopg"] = {"row_factory": psycopg.rows.dict_row}

TWO_MEGABYTES = "SELECT repeat('x', 2000) AS text FROM generate_series(1, 1000)"
ALL_PEOPLE = "SELECT mail FROM people ORDER BY mail"


class Hook(DbApiHook):
    """Opens connections of one driver."""

    conn_name_attr = "conn_id"

    def __init__(self, driver, url, **options):
        super().__init__()
        self._driver, self._url, self._options = driver, url, options

    def get_conn(self):
        autocommit = self._options.pop("autocommit", False)
        connection = DRIVERS[self._driver].connect(self._url, **self._options)
        connection.autocommit = autocommit
        return connection


class Database:
    """The server, with a table of people, read through one driver."""

    def __init__(self, server, driver):
        self._server, self.driver = server, driver
        self.password = server.password

    def execute(self, sql):
        with closing(self._server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else None

    def open(self, sql, parameters=None, **options):
        connection = Connection(conn_id="hr", conn_type="postgres", password=self.password)
        hook = Hook(self.driver, self._server.url, **options)
        return open_result(hook, connection, Query("the query on hr", sql, parameters))

    def read(self, sql, parameters=None, **options):
        with self.open(sql, parameters, **options) as result:
            return result.columns, [tuple(row) for row in result.rows]

    def sessions(self):
        """Return the states of the sessions of clients, without this one."""
        others = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
        return [state for (state,) in self.execute(f"SELECT state FROM pg_stat_activity WHERE {others}")]

    def end_sessions(self):
        """End the sessions of clients, as a server that is restarted, and wait until they have ended."""
        self.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


@pytest.fixture(scope="module")
def server():
    with PostgresServer() as server:
        yield server


@pytest.fixture
def people_table(server):
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS people; CREATE TABLE people (mail text, age integer)")
        cursor.execute("INSERT INTO people VALUES ('ana@acme.test', 30), ('ben@acme.test', NULL)")


@pytest.fixture(params=DRIVERS)
def database(request, server, people_table):
    return Database(server, request.param)


def test_the_server_holds_the_rows_and_plans_to_return_all_of_them(database):
    columns, rows = database.read("SELECT is_scrollable, current_setting('cursor_tuple_fraction') AS f FROM pg_cursors")
    assert columns == ["is_scrollable", "f"]
    assert [fraction for _, fraction in rows] == ["1"]


@pytest.mark.parametrize("end", [";", ";\n", ";;", ";\n-- done; or not\n", "; /* a */ /* b; */ ;", "\n-- done"])
def test_the_server_holds_the_rows_of_one_statement_whatever_follows_it(database, end):
    assert database.read(f"-- first; and only\nSELECT name FROM pg_cursors{end}")[1] == [("learning360",)]


@pytest.mark.parametrize(
    ("sql", "parameters", "expected"),
    [
        (ALL_PEOPLE, None, (["mail"], [("ana@acme.test",), ("ben@acme.test",)])),
        ("SELECT age FROM people WHERE mail LIKE 'a%'; -- 100 %", None, (["age"], [(30,)])),
        ("SELECT age FROM people WHERE mail = %s", ["ana@acme.test"], (["age"], [(30,)])),
        ("SELECT mail FROM people WHERE age > %(age)s", {"age": 99}, (["mail"], [])),
        ("WITH old AS (SELECT 1 AS a) SELECT a FROM old", None, (["a"], [(1,)])),
        ("VALUES ('a;b')", None, (["column1"], [("a;b",)])),
    ],
)
def test_reads_a_query_with_or_without_parameters(database, sql, parameters, expected):
    assert database.read(sql, parameters) == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SHOW server_encoding", [("UTF8",)]),
        ("INSERT INTO people VALUES ('new@acme.test') RETURNING mail", [("new@acme.test",)]),
        (
            "WITH new AS (INSERT INTO people VALUES ('new@acme.test') RETURNING mail) SELECT * FROM new",
            [("new@acme.test",)],
        ),
        ("CALL answer(NULL)", [(42,)]),
    ],
)
def test_reads_statements_for_which_the_server_declares_no_cursor(database, sql, expected):
    database.execute("CREATE OR REPLACE PROCEDURE answer(OUT a integer) LANGUAGE sql AS 'SELECT 42'")
    assert database.read(sql)[1] == expected
    assert database.execute("SELECT count(*) FROM people") == [(2,)], "nothing is committed"


def test_several_statements_are_not_declared_as_one_cursor(database):
    """psycopg2 returns the rows of the last one; a declared cursor would return those of the first."""
    driver_returns = {"psycopg2": [(2,)], "psycopg": [(1,)]}
    assert database.read("SELECT 1 AS a; SELECT 2 AS a")[1] == driver_returns[database.driver]


@pytest.mark.parametrize("autocommit", [False, True])
def test_reads_by_a_connection_whose_rows_are_dictionaries(database, autocommit):
    expected = (["mail"], [("ana@acme.test",), ("ben@acme.test",)])
    assert database.read(ALL_PEOPLE, autocommit=autocommit, **DICT_ROWS[database.driver]) == expected


def test_a_statement_without_rows_is_refused_and_undone(database):
    with pytest.raises(InvalidRequestError, match="the query on hr returns no rows: write a SELECT"):
        database.read("DELETE FROM people")
    assert database.execute("SELECT count(*) FROM people") == [(2,)]


# Memory


@pytest.mark.parametrize(("rows", "size"), [(30_000, 2_000), (60, 1_000_000)], ids=["many rows", "wide rows"])
def test_memory_does_not_grow_with_the_result(database, rows, size):
    list(database.read(TWO_MEGABYTES))  # imports, and first allocations
    with PeakMemory() as memory, database.open(f"SELECT repeat('x', {size}) FROM generate_series(1, {rows})") as result:
        assert sum(len(text) for (text,) in result.rows) == 60_000_000
    assert memory.megabytes < 25


@pytest.mark.slow
def test_a_result_that_is_held_in_memory_is_reported_with_its_size(database, caplog):
    large = TWO_MEGABYTES.replace("1000", "80000")
    with database.open(large):
        pass
    assert caplog.messages == []
    ctypes.CDLL(None).malloc_trim(0)  # memory that earlier tests have freed would be used again: no growth
    with caplog.at_level(logging.WARNING), database.open(large, autocommit=True):
        pass
    (message,) = caplog.messages
    assert f"The driver {database.driver} has loaded the result of the query on hr into memory: memory=" in message
    assert " MiB rows=80000. " in message


# Errors


def test_a_connection_that_is_lost_is_a_transient_error(database):
    def read():
        with database.open(TWO_MEGABYTES) as result:
            for number, _ in enumerate(result.rows):
                if number == 10:
                    database.end_sessions()

    with pytest.raises(QueryError, match=r"the query on hr failed: .*A retry executes the query again") as caught:
        read()
    assert caught.value.transient
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("options", [{"password": "wrong"}, {"port": 1}, {"dbname": "nothing"}])
def test_a_database_that_cannot_be_reached_is_a_transient_error(database, options):
    with pytest.raises(QueryError, match="the query on hr failed: OperationalError: ") as caught:
        database.read("SELECT 1", **options)
    assert database.password not in str(caught.value)


def test_secrets_of_the_connection_and_parameters_are_not_in_errors(database):
    with pytest.raises(QueryError, match=r'socket "/\*\*\*/\.s\.PGSQL') as caught:
        database.read("SELECT 1", host=f"/{database.password}")
    assert database.password not in str(caught.value)
    with pytest.raises(InvalidRequestError, match=r'invalid input syntax for type integer: "\*\*\*"'):
        database.read("SELECT mail FROM people WHERE age = %s::integer", ["hunter2"])
    with pytest.raises(InvalidRequestError, match=r"column \"job\" does not exist\. Nothing was sent\.$"):
        database.read("SELECT job FROM people WHERE mail = 'hunter2'")


def test_invalid_sql_is_a_permanent_error(database):
    with pytest.raises(InvalidRequestError, match=r"the query on hr cannot be executed: UndefinedTable: ") as caught:
        database.read("SELECT mail FROM nobody")
    assert not caught.value.transient


def test_the_session_ends_with_the_block_whatever_it_raises(database):
    def break_off():
        with database.open(TWO_MEGABYTES) as result:
            next(result.rows)
            assert database.sessions() == ["idle in transaction"]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    wait_until(lambda: database.sessions() == [])


def wait_until(condition):
    for _ in range(10_000):  # a session of the server ends some milliseconds after its connection
        if condition():
            return
    raise AssertionError("the condition is still false")


# Runs


@pytest.fixture
def connection(server, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_HR", json.dumps(server.connection()))


def test_no_session_stays_open_while_rows_are_sent(database, connection):
    rows = make_source(sql=ALL_PEOPLE, sql_conn_id="hr").rows()
    assert next(rows).values == {"mail": "ana@acme.test"}
    wait_until(lambda: database.sessions() == [])
    assert next(rows).values == {"mail": "ben@acme.test"}


@pytest.mark.slow
def test_an_attempt_that_cannot_read_the_query_sends_nothing_and_the_next_one_resumes(
    sandbox, tmp_path, server, connection
):
    rows = people(60)
    with closing(server.connect()) as session, session.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS people; CREATE TABLE people (number serial, mail text, mode text)")
        psycopg2.extras.execute_batch(cursor, "INSERT INTO people (mail, mode) VALUES (%(mail)s, %(mode)s)", rows)
    arguments = {
        "sql": "SELECT mail, mode FROM people ORDER BY number",
        "sql_conn_id": "hr",
        "results_path": str(tmp_path),
    }
    rejected_key = {"kind": "status", "status": 401, "body": {"error": "invalid_api_key"}}
    sandbox.control.add_fault("createOrInviteUser", mentions=rows[30]["mail"], **rejected_key)
    with pytest.raises(AirflowFailException, match="AuthenticationError"):
        bulk("create_user", **arguments)
    sandbox.control.clear_faults()
    sent = len(writes(sandbox))

    server.stop()
    try:
        with pytest.raises(QueryError, match="This attempt sent nothing"):
            bulk("create_user", **arguments)
    finally:
        server.start()
    assert len(writes(sandbox)) == sent

    bulk("create_user", **arguments)
    assert [result["row"] for result in results_in(tmp_path)] == list(range(1, 61))
    created = [user["mail"] for user in sandbox.control.state()["users"] if user["mail"].startswith("person")]
    assert sorted(created) == sorted(row["mail"] for row in rows)
