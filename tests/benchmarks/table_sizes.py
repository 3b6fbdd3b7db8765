"""
Measure the size of the tables in PostgreSQL under full load.

``python -m tests.benchmarks.table_sizes``: one process reserves for 60 requests per second, each against two limits, as
fast as API v2 allows reads and writes of a company. The server's clock of the reservations runs ten times as fast, and
so do its autovacuum and the load: six minutes are an hour. Reservations are deleted two minutes after their time, so
that the size is that of a day as soon as it no longer grows. At the end, a transaction that stays open, such as that of
a backup, keeps the server from using space again.
"""

from __future__ import annotations

import time
from contextlib import closing

from airflow_provider_360learning.api.limiter.postgres_errors import SCHEMA
from airflow_provider_360learning.api.limiter.store import SharedLimit, Store
from tests.api.stores import server_store
from tests.benchmarks.support import Table, arguments
from tests.postgres_server import PostgresServer

SPEED = 10
LIMITS = [
    SharedLimit("https://app.360learning.com|v2|64b1f0c2a9d3e40012aa0001|company", 60, 1.05),
    SharedLimit("https://app.360learning.com|v2|address|address", 60, 1.05),
]
#: Seconds that a reservation may be ahead.
QUEUE = 5.0


def main() -> None:
    """Print a row per ten minutes of the faster clock."""
    tenths = 2 if arguments(__doc__).parse_args().quick else 6
    settings = {"autovacuum_naptime": f"{60 // SPEED}s"}
    with PostgresServer(durable=True, settings=settings) as server, closing(server.connect()) as administrator:
        store = server_store("postgres", server.url)
        cursor = administrator.cursor()
        cursor.execute(f"SELECT proname FROM pg_proc WHERE pronamespace = '{SCHEMA}'::regnamespace")
        (clock,) = [name for (name,) in cursor if name.startswith("time_")]
        cursor.execute(
            f"CREATE OR REPLACE FUNCTION {SCHEMA}.{clock}() RETURNS float8 LANGUAGE sql "
            f"AS 'SELECT {SPEED} * extract(epoch FROM clock_timestamp())::float8'"
        )
        table = Table({"Transaction": 11, "minutes": 7, "reservations": 12, "rows": 7, "table MB": 8, "index MB": 8})
        for kind in ("none", "open"):
            if kind == "open":
                cursor.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class")
            for tenth in range(tenths if kind == "none" else 1):
                count = reserve(store, 600.0 / SPEED)
                figures = (f"{figure:,.1f}" for figure in sizes(server))
                table.row(kind, 10 * (tenth + 1), f"{count:,}", f"{rows(server):,}", *figures)


def reserve(store: Store, seconds: float) -> int:
    """Reserve for some seconds, never far ahead, and return the number of reservations."""
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        reservation = store.reserve(LIMITS, max_wait=1e4)
        time.sleep(max(0.0, reservation.wait - QUEUE) / SPEED)
        count += 1
    return count


def sizes(server: PostgresServer) -> tuple[float, float]:
    """Return the MB of the table of reservations and of its index."""
    return query(
        server, f"SELECT pg_table_size('{SCHEMA}.reservations'), pg_indexes_size('{SCHEMA}.reservations')", 1e6
    )


def rows(server: PostgresServer) -> int:
    """Return the number of reservations that are stored."""
    return int(query(server, f"SELECT count(*) FROM {SCHEMA}.reservations")[0])


def query(server: PostgresServer, sql: str, unit: float = 1.0) -> tuple[float, ...]:
    """Return the numbers of the only row of a query, divided by a unit."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return tuple(number / unit for number in cursor.fetchone())


if __name__ == "__main__":
    main()
