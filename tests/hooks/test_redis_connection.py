"""The model of a connection of type redis, and its client."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from airflow.models import Connection
from redis.exceptions import AuthenticationError, RedisError, TimeoutError

from airflow_provider_360learning.connections.redis import RedisConnection
from airflow_provider_360learning.exceptions import InvalidConnectionError
from tests.api.support import silent_server
from tests.hooks.support import reaches_the_hook

ROOT = Path(__file__).parents[2]
PASSWORD = "p/w %41&?#@:'\""


@pytest.fixture
def connect(stored):
    """Store a connection, as a dictionary or as text, and return its client."""
    return lambda connection: RedisConnection.read(*stored(connection)).make_client()


# Ways to store a connection


def test_reads_a_connection_in_json(redis_server, connect):
    assert connect(redis_server.connection()).client_info()["db"] == 0


@pytest.mark.parametrize(
    ("path", "database"), [("", 0), ("/", 0), ("/0", 0), ("/3", 3), ("/?db=3", 3), ("/3?db=", 3), ("/3?db=4", 4)]
)
def test_reads_a_connection_as_uri(redis_server, connect, path, database):
    client = connect(f"redis://127.0.0.1:{redis_server.port}{path}")
    assert client.client_info()["db"] == database


@pytest.mark.parametrize("number", [3, "3"])
def test_reads_the_number_of_the_database_in_the_extra(redis_server, connect, number):
    assert connect(redis_server.connection(db=number)).client_info()["db"] == 3


def test_authenticates_with_a_password(start_redis, connect):
    server = start_redis(password=PASSWORD)
    assert connect(server.connection()).ping()
    assert connect(f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}").ping()
    with pytest.raises(AuthenticationError):
        connect({**server.connection(), "password": "wrong"}).ping()


def test_never_changes_a_password(start_redis, connect):
    server = start_redis(password="  spaced  ")
    assert connect({**server.connection(), "password": "  spaced  "}).ping()


@pytest.mark.parametrize("word", [None, "", "None", "false"])
def test_takes_the_words_of_airflows_own_hook_for_no_password(redis_server, connect, word):
    assert connect({**redis_server.connection(), "password": word}).ping()


def test_authenticates_as_a_user(start_redis, connect):
    server = start_redis(user="ana on >secret ~* +@all")
    assert connect({**server.connection(), "login": "ana", "password": "secret"}).acl_whoami() == "ana"
    assert connect(f"redis://ana:secret@127.0.0.1:{server.port}/").acl_whoami() == "ana"
    with pytest.raises(AuthenticationError):
        connect(server.connection()).ping()


def test_connects_with_tls(start_redis, connect):
    server = start_redis(tls=True)
    certificate = quote(str(server.certificate))
    assert connect(server.connection()).ping()
    assert connect(f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={certificate}").ping()
    assert connect(f"redis://127.0.0.1:{server.port}?ssl=true&ssl_ca_certs={certificate}").ping()
    assert connect(f"redis://127.0.0.1:{server.port}?ssl=1&ssl_ca_certs={certificate}").ping()


def test_refuses_an_untrusted_certificate(start_redis, connect):
    server = start_redis(tls=True)
    with pytest.raises(RedisError, match="self-signed certificate"):
        connect(server.connection(ssl_ca_certs=None)).ping()
    assert connect(server.connection(ssl_ca_certs=None, ssl_cert_reqs="none")).ping()


def test_refuses_a_certificate_of_another_host(start_redis, connect):
    server = start_redis(tls=True)  # its certificate is for 127.0.0.1
    other = {**server.connection(), "host": "localhost"}
    with pytest.raises(RedisError, match="'localhost'"):
        connect(other).ping()
    other["extra"]["ssl_check_hostname"] = False
    assert connect(other).ping()


def test_presents_a_client_certificate(start_redis, connect):
    server = start_redis(tls=True, client_certificates=True)
    own = {"ssl_certfile": str(server.certificate), "ssl_keyfile": str(server.certificate)}
    assert connect(server.connection(**own)).ping()
    with pytest.raises(RedisError):
        connect(server.connection()).ping()


def make_connection(extra=None, **fields):
    fields = {"conn_type": "redis", "host": "cache.test", "password": PASSWORD, **fields}
    return Connection(conn_id="cache", **fields, extra=json.dumps(extra or {}))


def read(connection):
    return RedisConnection.read(connection, connection.extra_dejson)


@pytest.mark.parametrize("extra", [{}, {"db": 3}, {"ssl": True, "ssl_cert_reqs": "none"}], ids=str)
def test_a_connection_is_the_same_after_a_round_trip_through_its_uri(extra):
    before = make_connection(extra, login="ana")
    after = Connection(conn_id="cache", uri=before.get_uri())
    assert read(after).name == read(before).name
    assert read(after).password == read(before).password


def test_empty_fields_of_the_form_of_airflows_redis_provider_have_their_defaults(redis_server, connect):
    files = dict.fromkeys(["ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "startup_nodes"])
    flags = {"cluster": False, "ssl": False, "ssl_check_hostname": False, "ssl_cert_reqs": "required"}
    assert connect(redis_server.connection(db=None, **files, **flags)).client_info()["db"] == 0


def test_files_need_not_exist_without_tls():
    assert read(make_connection({"ssl_ca_certs": "/nowhere/ca.pem"})).name == "redis://cache.test:6379/0"


# Invalid connections


@pytest.mark.parametrize(
    ("invalid", "field"),
    [
        ({"conn_type": "postgres"}, "conn_type"),
        ({"host": ""}, "host"),
        ({"host": None}, "host"),
        ({"host": f"redis://:{PASSWORD}@cache.test"}, "host"),
        ({"host": "cache.test:6379"}, "host"),
        ({"host": "cache.test/0"}, "host"),
        ({"host": "two words"}, "host"),
        ({"password": "***"}, "password"),  # masked by Airflow
        ({"port": -1}, "port"),
        ({"port": 65536}, "port"),
        ({"schema": "cache"}, "schema"),
        ({"schema": "-1"}, "schema"),
        ({"extra": {"db": "cache"}}, "extra.db"),
        ({"extra": {"db": -1}}, "extra.db"),
        ({"extra": {"db": True}}, "extra.db"),
        ({"extra": {"db": [0]}}, "extra.db"),
        ({"extra": {"cluster": True}}, "extra.cluster"),
        ({"extra": {"ssl": "yes"}}, "extra.ssl"),
        ({"extra": {"ssl": [True]}}, "extra.ssl"),
        ({"extra": {"ssl": True, "ssl_cert_reqs": "always"}}, "extra.ssl_cert_reqs"),
        ({"extra": {"ssl": True, "ssl_check_hostname": "no"}}, "extra.ssl_check_hostname"),
        ({"extra": {"ssl": True, "ssl_ca_certs": "/nowhere/ca.pem"}}, "extra.ssl_ca_certs"),
        ({"extra": {"ssl": True, "ssl_certfile": "/nowhere/cert.pem"}}, "extra.ssl_certfile"),
        ({"conn_type": "rediss", "extra": {"ssl_keyfile": "/nowhere/key.pem"}}, "extra.ssl_keyfile"),
    ],
    ids=str,
)
def test_an_error_names_the_invalid_field_and_shows_no_secret(invalid, field):
    with pytest.raises(InvalidConnectionError) as caught:
        read(make_connection(**invalid))
    assert str(caught.value).startswith(f"Connection 'cache', field {field}: ")
    logged = "".join(traceback.format_exception(caught.value))
    assert "ValidationError" not in logged
    assert PASSWORD not in logged


@reaches_the_hook
@pytest.mark.parametrize("extra", ["no JSON", "[]", 7])
def test_an_extra_that_is_not_a_json_object_is_refused(connect, extra):
    with pytest.raises(InvalidConnectionError, match="field extra: must be a JSON object"):
        connect({"conn_type": "redis", "host": "cache.test", "extra": extra})


@pytest.mark.parametrize("host", ["cache.test", "cache_1", "10.0.0.1", "::1", "bücher.test"])
def test_accepts_names_and_addresses_of_hosts(host):
    assert read(make_connection(host=host)).name == f"redis://{host}:6379/0"


@pytest.mark.slow
def test_a_silent_server_does_not_block_for_long(connect):
    """The client library alone would wait for a minute with some versions, and without end with others."""
    with silent_server() as address:
        client = connect(f"redis://{address}")
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            client.ping()
        assert time.monotonic() - begin < 30  # 4 s on an idle machine


FORKING = """
import os, sys
from types import SimpleNamespace
from airflow_provider_360learning.connections.redis import RedisConnection

fields = dict(conn_id="cache", conn_type="redis", login=None, password=None, schema=None, extra=None)
connection = RedisConnection.read(SimpleNamespace(**fields, host="127.0.0.1", port=int(sys.argv[1])), {})
client = connection.make_client()
client.client_id()
child = os.fork()
for turn in range(200):
    assert client.echo(f"{os.getpid()} {turn}") == f"{os.getpid()} {turn}".encode()
if child:  # one after the other: simultaneous output may be interleaved
    assert os.waitpid(child, 0)[1] == 0
print(client.client_id(), flush=True)
"""


def test_a_forked_process_has_connections_of_its_own(redis_server):
    ids = subprocess.check_output(
        [sys.executable, "-c", FORKING, str(redis_server.port)], env=_environment(), text=True
    )
    assert len(set(ids.split())) == 2


def test_an_error_names_the_package_to_install():
    code = (
        "import sys; from types import SimpleNamespace\n"
        "sys.modules['redis'] = None\n"
        "from airflow_provider_360learning.connections.redis import RedisConnection\n"
        "fields = dict(conn_id='cache', conn_type='redis', host='cache.test', port=None, schema=None, extra=None)\n"
        "RedisConnection.read(SimpleNamespace(**fields, login=None, password=None), {}).make_client()\n"
    )
    run = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=False)
    assert "the package redis is not installed: pip install 'airflow-provider-360learning[redis]'" in run.stderr


def _environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}
