"""The model of a connection of type postgres, and the store that it opens."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from pathlib import Path

import pytest
from airflow.models import Connection

from airflow_provider_360learning.api.limiter.store import StoreUnavailableError
from airflow_provider_360learning.connections.postgres import PostgresConnection
from airflow_provider_360learning.exceptions import InvalidConnectionError
from tests.api.support import self_signed
from tests.attacks.hostile_postgres import hostile_postgres, message

ROOT = Path(__file__).parents[2]
PASSWORD = "p/w %41&?#@:'\""


@pytest.fixture
def connect(stored):
    """Store a connection, as a dictionary or as text, and return its store."""
    return lambda connection: PostgresConnection.read(*stored(connection)).make_store()


def make_connection(extra=None, **fields):
    fields = {"conn_type": "postgres", "host": "db.test", "login": "ana", "password": PASSWORD, **fields}
    return Connection(conn_id="limiter", **fields, extra=json.dumps(extra or {}))


def read(connection):
    return PostgresConnection.read(connection, connection.extra_dejson)


# Ways to store a connection


def test_reads_a_connection_in_json(postgres_server, connect):
    connect(postgres_server.connection()).check()


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_reads_a_connection_as_uri(postgres_server, connect, scheme):
    connect(f"{scheme}:{postgres_server.url.partition(':')[2]}").check()


@pytest.mark.parametrize("extra", [{}, {"sslmode": "require"}], ids=str)
def test_a_connection_is_the_same_after_a_round_trip_through_its_uri(extra):
    before = make_connection(extra, schema="limits")
    after = Connection(conn_id="limiter", uri=before.get_uri())
    assert vars(read(after)) == vars(read(before))


def test_the_database_is_that_of_the_user_by_default():
    assert read(make_connection()).name == "postgres://db.test:5432/ana"
    assert read(make_connection(schema="limits", port=6432)).name == "postgres://db.test:6432/limits"


def test_empty_and_further_fields_of_airflows_postgres_provider_have_no_effect(postgres_server, connect):
    connect(postgres_server.connection(cursor="dictcursor", iam=False, sslmode="", options="-c jit=on")).check()


# TLS


def test_connects_with_tls(start_postgres, connect):
    server = start_postgres(tls=True)
    connect(server.connection()).check()
    with pytest.raises(StoreUnavailableError, match="does not accept this user, database, address or lack"):
        connect(server.connection(sslmode="disable")).check()
    with pytest.raises(StoreUnavailableError, match="its certificate is that of another host"):
        connect({**server.connection(), "host": "localhost"}).check()
    connect({**server.connection(sslmode="verify-ca"), "host": "localhost"}).check()


def test_refuses_an_untrusted_certificate(start_postgres, connect, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))  # where the driver looks for certificates
    server = start_postgres(tls=True)
    with pytest.raises(StoreUnavailableError, match="its certificate is not accepted"):
        connect(server.connection(sslrootcert=str(self_signed(tmp_path)))).check()
    with pytest.raises(StoreUnavailableError, match="no file of trusted certificates; set sslrootcert"):
        connect(server.connection(sslrootcert=None)).check()


def test_refuses_a_server_without_tls(postgres_server, connect):
    with pytest.raises(StoreUnavailableError, match=r"does not support TLS, which the connection requires \(sslmode\)"):
        connect(postgres_server.connection(sslmode="require")).check()


# What the server refuses


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"password": "the-wrong-password"}, "it does not accept the user or the password"),
        ({"password": None}, "it requires a password"),
        ({"login": "unknown"}, "it does not accept the user or the password"),
        ({"schema": "unknown"}, "it has no database or no user of this name"),
        ({"port": 1}, "Connection refused"),
    ],
    ids=str,
)
def test_an_error_explains_why_the_server_cannot_be_used(postgres_server, connect, fields, problem):
    with pytest.raises(StoreUnavailableError) as caught:
        connect({**postgres_server.connection(), **fields}).check()
    assert f": {problem} (" in str(caught.value)
    assert postgres_server.password not in str(caught.value)


@pytest.mark.parametrize(
    "text", ["Passwort-Authentifizierung fehlgeschlagen", "la base de données « airflow » n'existe pas"]
)
def test_a_refusal_in_another_language_is_one_of_a_postgresql_server(connect, text):
    fields = (b"SFATAL", b"VFATAL", b"C28P01", b"M" + text.encode())
    refusal = message("E", b"".join(field + b"\0" for field in fields) + b"\0")
    with hostile_postgres(lambda kind, _: [refusal] if kind == "startup" else None) as port:
        store = connect({"conn_type": "postgres", "host": "127.0.0.1", "port": port, "login": "ana"})
        with pytest.raises(StoreUnavailableError, match="it refuses the connection, and its log says why"):
            store.check()


def test_an_error_explains_a_name_that_cannot_be_resolved(connect):
    with pytest.raises(StoreUnavailableError, match="its name cannot be resolved"):
        connect({"conn_type": "postgres", "host": "db.invalid", "login": "ana"}).check()


# Invalid connections


@pytest.mark.parametrize(
    ("invalid", "field"),
    [
        ({"conn_type": "redis"}, "conn_type"),
        ({"host": ""}, "host"),
        ({"host": f"postgres://ana:{PASSWORD}@db.test"}, "host"),
        ({"host": "db.test:5432"}, "host"),
        ({"host": "one.test,two.test"}, "host"),
        ({"host": "/var/run/postgresql"}, "host"),
        ({"host": "db.test sslmode=disable"}, "host"),
        ({"login": None}, "login"),
        ({"password": "***"}, "password"),  # masked by Airflow
        ({"port": 65536}, "port"),
        ({"extra": {"iam": True}}, "extra.iam"),
        ({"extra": {"sslmode": "always"}}, "extra.sslmode"),
        ({"extra": {"sslrootcert": "/nowhere/ca.pem"}}, "extra.sslrootcert"),
        ({"extra": {"sslcert": "/nowhere/cert.pem"}}, "extra.sslcert"),
        ({"extra": {"sslkey": "/nowhere/key.pem"}}, "extra.sslkey"),
    ],
    ids=str,
)
def test_an_error_names_the_invalid_field_and_shows_no_secret(invalid, field):
    with pytest.raises(InvalidConnectionError) as caught:
        read(make_connection(**invalid))
    assert str(caught.value).startswith(f"Connection 'limiter', field {field}: ")
    logged = "".join(traceback.format_exception(caught.value))
    assert "ValidationError" not in logged
    assert PASSWORD not in logged


@pytest.mark.parametrize("password", [PASSWORD, "two words", "it's", "back\\slash", "  spaced  "])
def test_any_password_is_sent_as_it_is(postgres_server, connect, password):
    with postgres_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP ROLE IF EXISTS ana")
        cursor.execute("CREATE ROLE ana LOGIN SUPERUSER PASSWORD %s", [password])
    connect({**postgres_server.connection(), "login": "ana", "password": password}).check()
    with postgres_server.connect() as connection, connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA learning360_rate_limiter CASCADE")


def test_an_error_names_the_package_to_install():
    code = (
        "import sys; from types import SimpleNamespace\n"
        "sys.modules['psycopg2'] = None\n"
        "from airflow_provider_360learning.connections.postgres import PostgresConnection\n"
        "fields = dict(conn_id='limiter', conn_type='postgres', host='db.test', port=None, schema=None, extra=None)\n"
        "PostgresConnection.read(SimpleNamespace(**fields, login='ana', password=None), {}).make_store()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert "psycopg2 is not installed: pip install 'airflow-provider-360learning[postgres]'" in run.stderr
