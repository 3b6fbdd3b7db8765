"""Queries on MySQL as sources of rows, through each driver: `make mysql` installs them and the server."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from importlib import import_module

import pytest
from airflow.providers.common.compat.sdk import Connection
from airflow.providers.common.sql.hooks.sql import DbApiHook

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.rows.queries import Query, QueryError, open_result
from airflow_provider_360learning.rows.sources import make_source
from tests.memory import PeakMemory
from tests.mysql_server import MysqlServer

# PyMySQL reads on when a cursor is deleted whose connection is closed, and fails.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

DRIVERS = ("MySQLdb", "pymysql", "mysql.connector")
SIXTY_MEGABYTES = "SELECT repeat('x', 2000) AS text FROM seq_1_to_30000"


class Hook(DbApiHook):
    """Opens connections of one driver."""

    conn_name_attr = "conn_id"

    def __init__(self, driver, arguments):
        super().__init__()
        self._connect, self._arguments = import_module(driver).connect, arguments

    def get_conn(self):
        return self._connect(**self._arguments)


class Database:
    """The server, read through one driver."""

    def __init__(self, server, driver):
        self._server, self._driver = server, driver
        self.password = server.password

    def open(self, sql, parameters=None, **changes):
        connection = Connection(conn_id="hr", conn_type="mysql", password=self.password)
        hook = Hook(self._driver, {**self._server.arguments, **changes})
        return open_result(hook, connection, Query("the query on hr", sql, parameters))

    def read(self, sql, parameters=None, **changes):
        with self.open(sql, parameters, **changes) as result:
            return result.columns, [tuple(row) for row in result.rows]

    def execute(self, sql):
        with closing(Hook("MySQLdb", self._server.arguments).get_conn()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def sessions(self):
        """Return the ids of the sessions of clients, without this one."""
        others = "id <> connection_id() AND user NOT IN ('system user', 'event_scheduler')"
        return [number for (number,) in self.execute(f"SELECT id FROM information_schema.processlist WHERE {others}")]


@pytest.fixture(scope="module")
def server():
    with MysqlServer() as server:
        yield server


@pytest.fixture(params=DRIVERS)
def database(request, server):
    return Database(server, request.param)


@pytest.mark.parametrize(
    ("sql", "parameters", "expected"),
    [
        ("SELECT 1 AS a WHERE 'ana' LIKE 'a%'; -- 100 %", None, (["a"], [(1,)])),
        ("SELECT 1 AS a WHERE false", None, (["a"], [])),
        ("SELECT %s AS a", ["x"], (["a"], [("x",)])),
        ("SELECT %(x)s AS a", {"x": "x"}, (["a"], [("x",)])),
        ("WITH old AS (SELECT 1 AS a) SELECT a FROM old", None, (["a"], [(1,)])),
    ],
)
def test_reads_a_query_with_or_without_parameters(database, sql, parameters, expected):
    assert database.read(sql, parameters) == expected


@pytest.mark.parametrize(("rows", "size"), [(30_000, 2_000), (60, 1_000_000)], ids=["many rows", "wide rows"])
def test_memory_does_not_grow_with_the_result(database, rows, size):
    database.read("SELECT repeat('x', 2000) FROM seq_1_to_1000")  # imports, and first allocations
    with PeakMemory() as memory, database.open(f"SELECT repeat('x', {size}) FROM seq_1_to_{rows}") as result:
        assert sum(len(text) for (text,) in result.rows) == 60_000_000
    assert memory.megabytes < 25


def test_a_statement_without_rows_is_refused(database):
    with pytest.raises(InvalidRequestError, match="the query on hr returns no rows: write a SELECT"):
        database.read("CREATE TEMPORARY TABLE people (mail text)")


def test_a_connection_that_is_lost_is_a_transient_error(database):
    def read():
        with database.open(SIXTY_MEGABYTES) as result:
            for number, _ in enumerate(result.rows):
                if number == 10:
                    (session,) = database.sessions()
                    database.execute(f"KILL {session}")

    with pytest.raises(QueryError, match=r"the query on hr failed: .*A retry executes the query again"):
        read()


def test_the_session_ends_with_the_block_without_reading_the_other_rows(database):
    def break_off():
        with database.open(SIXTY_MEGABYTES.replace("30000", "300000000")) as result:
            next(result.rows)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        break_off()
    while database.sessions():
        pass


def test_errors_contain_no_password(database):
    with pytest.raises((QueryError, InvalidRequestError), match="Access denied for user") as caught:
        database.read("SELECT 1", password=f"{database.password}!")
    assert database.password not in str(caught.value)
    with pytest.raises(InvalidRequestError, match=r"Table 'test\.people' doesn't exist"):
        database.read("SELECT mail FROM people WHERE mail = 'x'")


@pytest.mark.parametrize("client", ["mysqlclient", "mysql-connector-python"])
def test_reads_through_the_hook_of_airflow(server, client, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_HR", json.dumps(server.connection(client=client)))
    source = make_source(sql="SELECT 'ana@acme.test' AS mail WHERE 1 = %s", sql_conn_id="hr", parameters=[1])
    assert [row.values for row in source.rows()] == [{"mail": "ana@acme.test"}]
    assert ("MySQLdb" if client == "mysqlclient" else "mysql.connector") in sys.modules
