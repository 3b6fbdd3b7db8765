"""The tables and functions of the PostgreSQL store, and the life of its connections."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from psycopg2.extensions import parse_dsn

from airflow_provider_360learning.api.limiter.postgres import PostgresStore
from airflow_provider_360learning.api.limiter.postgres_connection import MAX_CONNECTIONS
from airflow_provider_360learning.api.limiter.store import SharedLimit, StoreUnavailableError

ROOT = Path(__file__).parents[2]
SCHEMA = "learning360_rate_limiter"
ALL = SharedLimit("all", 5, 1.0)


def open_store(server, **differs):
    return PostgresStore(parse_dsn(server.url) | differs, "the server")


def execute(server, *statements):
    """Execute statements as the superuser, and return the rows of the last one."""
    with closing(server.connect()) as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchall() if cursor.description else None


@pytest.fixture
def ana(postgres_server):
    """Return the login of a user who may connect to the database, and nothing else."""
    execute(postgres_server, "DROP ROLE IF EXISTS ana", "CREATE ROLE ana LOGIN PASSWORD 'of ana'")
    return {"user": "ana", "password": "of ana"}


def connections(server):
    """Return the number of connections of stores."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    return execute(server, query)[0][0]


# First use

FIRST_USE = """
import sys
from tests.api.stores import server_store
input()
server_store("postgres", sys.argv[1])
"""


def test_processes_that_start_at_the_same_time_create_the_tables_once(postgres_server):
    command = [sys.executable, "-c", FIRST_USE, postgres_server.url]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    processes = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.communicate(timeout=180)[1] for process in processes] == [""] * 4
    assert execute(postgres_server, f"SELECT version FROM {SCHEMA}.format") == [(2,)]


def test_threads_that_start_at_the_same_time_create_the_tables_once(postgres_server):
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: open_store(postgres_server).check(), range(8)))


def test_an_error_says_what_an_administrator_must_run(postgres_server, ana):
    store = open_store(postgres_server, **ana)
    with pytest.raises(StoreUnavailableError, match="may not create the schema") as caught:
        store.check()
    statement = str(caught.value).partition("run in this database: ")[2].partition(" (")[0]
    assert statement == f'CREATE SCHEMA {SCHEMA} AUTHORIZATION "ana"'
    execute(postgres_server, statement)
    open_store(postgres_server, **ana).check()


def test_a_schema_of_another_user_is_refused(postgres_server, ana):
    """Its functions would run with the rights of this user."""
    execute(postgres_server, "GRANT CREATE ON DATABASE test TO ana")
    open_store(postgres_server, **ana).check()
    with pytest.raises(StoreUnavailableError, match="belongs to another user") as caught:
        open_store(postgres_server).check()
    statement = str(caught.value).partition("run: ")[2].partition(" (")[0]
    assert statement == f'ALTER SCHEMA {SCHEMA} OWNER TO "{postgres_server.user}"'


@pytest.mark.parametrize("version", [1, 3, 999])
def test_tables_of_another_format_version_are_refused(postgres_server, version):
    open_store(postgres_server).check()
    drop_functions(postgres_server)
    execute(postgres_server, f"UPDATE {SCHEMA}.format SET version = {version}")
    problem = rf"\(format version {version}, here 2\)\. Run one version .*: DROP SCHEMA {SCHEMA} CASCADE \("
    with pytest.raises(StoreUnavailableError, match=problem):
        open_store(postgres_server).check()


def test_a_version_with_other_functions_uses_the_same_tables(postgres_server):
    """Each version creates its own, also while connections of it are open."""
    store = open_store(postgres_server)
    reservation = store.reserve([ALL], max_wait=1)
    drop_functions(postgres_server)
    assert open_store(postgres_server).lateness(reservation) is not None
    drop_functions(postgres_server)
    assert store.lateness(reservation) is not None


def drop_functions(server):
    query = (
        f"SELECT string_agg(oid::regprocedure::text, ', ') FROM pg_proc WHERE pronamespace = '{SCHEMA}'::regnamespace"
    )
    ((names,),) = execute(server, query)
    execute(server, f"DROP FUNCTION {names}")


def _digest(server):
    query = f"SELECT proname FROM pg_proc WHERE pronamespace = '{SCHEMA}'::regnamespace AND proname LIKE 'reserve%'"
    ((name,),) = execute(server, query)
    return name.rpartition("_")[2]


def test_the_tables_are_created_again_after_they_were_deleted(postgres_server):
    store = open_store(postgres_server)
    reservation = store.reserve([ALL], max_wait=1)
    execute(postgres_server, f"DROP SCHEMA {SCHEMA} CASCADE")
    assert store.lateness(reservation) is None
    store.check()


def test_other_tables_are_refused(postgres_server):
    open_store(postgres_server).check()
    execute(postgres_server, f"ALTER TABLE {SCHEMA}.reservations DROP COLUMN token")
    with pytest.raises(StoreUnavailableError, match="has other tables or functions than this version"):
        open_store(postgres_server).check()


# What the server is set to


def test_an_isolation_level_that_hides_the_reservations_of_others_is_refused(postgres_server):
    execute(postgres_server, "ALTER DATABASE test SET default_transaction_isolation = 'repeatable read'")
    with pytest.raises(StoreUnavailableError, match=r"default_transaction_isolation .* must be 'read committed'"):
        open_store(postgres_server).check()


def test_a_server_that_accepts_no_writes_is_unavailable(postgres_server):
    store = open_store(postgres_server)
    store.check()
    execute(postgres_server, "ALTER DATABASE test SET default_transaction_read_only = on")
    with pytest.raises(StoreUnavailableError, match="its transactions are read-only"):
        open_store(postgres_server).check()


@pytest.mark.parametrize(
    "setting", ["search_path = public, pg_catalog", "extra_float_digits = 0", "jit_above_cost = 0"]
)
def test_settings_of_the_database_change_nothing(postgres_server, setting):
    execute(
        postgres_server,
        f"ALTER DATABASE test SET {setting}",
        "CREATE FUNCTION public.trap(float8, float8) RETURNS boolean LANGUAGE sql AS 'SELECT 1 / 0 = 1'",
        "CREATE OPERATOR public.<= (FUNCTION = public.trap, LEFTARG = float8, RIGHTARG = float8)",
    )
    store = open_store(postgres_server)
    first = store.reserve([SharedLimit("one", 1, 60.0)], max_wait=1)
    assert store.lateness(first) is not None
    store.release(first)
    store.reserve([SharedLimit("one", 1, 60.0)], max_wait=1)


@pytest.mark.slow
def test_a_process_that_holds_the_lock_is_not_waited_for(postgres_server):
    store = open_store(postgres_server)
    store.check()
    with closing(postgres_server.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"BEGIN; SELECT {SCHEMA}.begin_{_digest(postgres_server)}()")
        with pytest.raises(StoreUnavailableError, match="it is busy with reservations of another process"):
            store.check()


# Connections


def test_a_restart_of_the_server_is_not_noticed(start_postgres):
    server = start_postgres()
    store = open_store(server)
    reservation = store.reserve([ALL], max_wait=1)
    server.stop()
    server.start()
    assert store.lateness(reservation) is not None, "its data is kept"


def test_a_reservation_in_a_server_that_crashed_is_lost(start_postgres):
    """The server may grant its time to another request."""
    server = start_postgres()
    store = open_store(server)
    reservation = store.reserve([ALL], max_wait=1)
    assert store.acquire_place("jobs", 1, "a", 60.0) == 0
    server.crash()
    server.start()
    assert store.lateness(reservation) is None
    assert store.acquire_place("jobs", 1, "b", 60.0) == 0
    assert store.lateness(store.reserve([ALL], max_wait=1)) is not None


@pytest.mark.slow
def test_a_replica_is_refused_until_it_is_the_primary_server(start_postgres):
    server = start_postgres()
    store = open_store(server)
    reservation = store.reserve([ALL], max_wait=1)
    server.stop()
    server.start(as_replica=True)
    with pytest.raises(StoreUnavailableError, match="it is a replica"):
        open_store(server).check()
    execute(server, "SELECT pg_promote()")
    assert open_store(server).lateness(reservation) is None, "its tables are empty"
    open_store(server).check()


def test_a_connection_that_an_administrator_ends_is_replaced(postgres_server):
    store = open_store(postgres_server)
    for _ in range(3):
        store.check()
        execute(postgres_server, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")


def test_threads_use_few_connections(postgres_server):
    store = open_store(postgres_server)
    with ThreadPoolExecutor(16) as threads:
        list(threads.map(lambda number: store.check(), range(200)))
    assert connections(postgres_server) <= MAX_CONNECTIONS


def test_a_forked_process_has_connections_of_its_own(postgres_server):
    store = open_store(postgres_server)
    store.check()
    pid = os.fork()
    if not pid:
        try:
            store.check()
            os._exit(0)
        finally:
            os._exit(1)
    for _ in range(50):
        store.check()
    assert os.waitpid(pid, 0)[1] == 0
    store.check()


def test_a_fork_in_the_middle_of_a_command_leaves_both_processes_usable(postgres_server):
    store = open_store(postgres_server)
    store.check()
    is_over = threading.Event()

    def work():
        while not is_over.is_set():
            store.check()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(5):
            if not (pid := os.fork()):
                try:
                    store.check()
                    os._exit(0)
                finally:
                    os._exit(1)
            assert os.waitpid(pid, 0)[1] == 0
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    store.check()


def test_a_signal_in_the_middle_of_a_command_ends_its_connection(postgres_server):
    """The response to one command must not be taken for that to the next; a task timeout arrives as a signal."""

    class Interrupted(BaseException):
        pass

    def interrupt(number, frame):
        raise Interrupted

    store = open_store(postgres_server)
    store.check()
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with closing(postgres_server.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"BEGIN; SELECT {SCHEMA}.begin_{_digest(postgres_server)}()")
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(Interrupted):
                store.check()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert store.acquire_place("jobs", 1, "a", 60.0) == 0


@pytest.mark.slow
def test_a_server_that_stops_responding_is_noticed(start_postgres):
    server = start_postgres()
    store = open_store(server)
    store.check()
    server.pause()
    try:
        with pytest.raises(StoreUnavailableError, match="it does not respond in time"):
            store.check()
    finally:
        server.resume()
