"""
Memory and time of reading 200,000 rows of 2 kB by a query, as a bulk task does it before the first request.

``python -m tests.benchmarks.sql_sources``: each driver reads in a process of its own, through the hook of Airflow.
Memory is the peak above what the process used when the hook and the driver were imported. For comparison, the cursor
that the driver opens by default reads the same rows, which are then dropped. The server is on the same machine; what it
uses is not counted.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from airflow_provider_360learning.rows.sources import make_source
from tests.benchmarks.support import Table, arguments, in_processes
from tests.memory import PeakMemory
from tests.mysql_server import MysqlServer
from tests.postgres_server import PostgresServer

POSTGRES = "SELECT i, repeat('x', 2000) AS text FROM generate_series(1, {rows}) AS i"
MYSQL = "SELECT seq, repeat('x', 2000) AS text FROM seq_1_to_{rows}"
SQLITE = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
    " SELECT i, printf('%.*c', 2000, 'x') AS text FROM n"
)
#: Maximum megabytes above an idle process.
GOAL = 60


@dataclass(frozen=True)
class Plan:
    """The work of one process."""

    driver: str
    connection: dict[str, Any]
    sql: str
    default_cursor: bool = False


def main() -> None:
    """Print a row per driver."""
    rows = 20_000 if arguments(__doc__).parse_args().quick else 200_000
    table = Table({"Driver": 24, "rows": 8, "MB": 5, "seconds": 8, "MB by default": 14})
    with ExitStack() as servers:
        mysql = servers.enter_context(MysqlServer())
        postgres = servers.enter_context(PostgresServer())
        folder = servers.enter_context(tempfile.TemporaryDirectory())
        sqlite = {"conn_type": "sqlite", "host": str(Path(folder) / "empty.db")}
        plans = [
            Plan("psycopg2", postgres.connection(), POSTGRES),
            Plan("psycopg", postgres.connection(), POSTGRES),
            Plan("mysqlclient", mysql.connection(), MYSQL),
            Plan("mysql-connector-python", mysql.connection(client="mysql-connector-python"), MYSQL),
            Plan("PyMySQL", mysql.connection(), MYSQL),
            Plan("sqlite3", sqlite, SQLITE),
        ]
        for plan in plans:
            sql = plan.sql.format(rows=rows)
            ((count, megabytes, seconds),) = in_processes(read, [Plan(plan.driver, plan.connection, sql)])
            ((_, by_default, _),) = in_processes(read, [Plan(plan.driver, plan.connection, sql, default_cursor=True)])
            table.row(plan.driver, f"{count:,}", f"{megabytes:.0f}", f"{seconds:.1f}", f"{by_default:.0f}")
    print(f"\nGoal: at most {GOAL} MB.")


def read(plan: Plan) -> tuple[int, float, float]:
    """Read all rows; their number, megabytes of memory, and seconds."""
    _select(plan.driver)
    os.environ["AIRFLOW_CONN_BENCHMARK"] = json.dumps(plan.connection)
    make = _by_default if plan.default_cursor else _as_a_task
    sum(1 for _ in make("SELECT 1 AS i"))  # imports
    start = time.monotonic()
    with PeakMemory() as memory:
        count = sum(1 for _ in make(plan.sql))
    return count, memory.megabytes, time.monotonic() - start


def _select(driver: str) -> None:
    """Let the hook use a driver that it would not choose itself."""
    if driver == "psycopg2":
        from airflow.providers.postgres.hooks import postgres

        postgres.USE_PSYCOPG3 = False
    if driver == "PyMySQL":
        import pymysql

        pymysql.install_as_MySQLdb()


def _as_a_task(sql: str) -> Iterator[object]:
    return make_source(sql=sql, sql_conn_id="benchmark").rows()


def _by_default(sql: str) -> Iterator[object]:
    from airflow.providers.common.compat.sdk import BaseHook

    hook = BaseHook.get_connection("benchmark").get_hook()
    with closing(hook.get_conn()) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(sql)
        yield from iter(cursor.fetchone, None)


if __name__ == "__main__":
    main()
