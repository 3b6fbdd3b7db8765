"""An Airflow connection of type redis becomes a client of that server, or one error that names the field."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest
from airflow.models import Connection
from redis.exceptions import AuthenticationError, RedisError, TimeoutError

from airflow_provider_360learning.connections.redis import make_client
from airflow_provider_360learning.exceptions import InvalidConnectionError
from airflow_provider_360learning.hooks.rate_limiter import look_up
from tests.api.support import silent_server

ROOT = Path(__file__).parents[2]
PASSWORD = "p/w %41&?#@:'\""


@pytest.fixture
def connect(monkeypatch):
    """Store a connection, as a dict or as text, and make a client of it."""

    def connect(connection):
        text = connection if isinstance(connection, str) else json.dumps(connection)
        monkeypatch.setenv("AIRFLOW_CONN_BUDGET", text)
        return make_client(*look_up("budget"))[0]

    return connect


# The ways to write a connection down


def test_a_connection_as_json(redis_server, connect):
    assert connect(redis_server.connection()).client_info()["db"] == 0


@pytest.mark.parametrize(
    ("path", "database"), [("", 0), ("/", 0), ("/0", 0), ("/3", 3), ("/?db=3", 3), ("/3?db=", 3), ("/3?db=4", 4)]
)
def test_a_connection_as_uri(redis_server, connect, path, database):
    client = connect(f"redis://127.0.0.1:{redis_server.port}{path}")
    assert client.client_info()["db"] == database


@pytest.mark.parametrize("number", [3, "3"])
def test_a_database_number_in_the_extra(redis_server, connect, number):
    assert connect(redis_server.connection(db=number)).client_info()["db"] == 3


def test_a_password(start_redis, connect):
    server = start_redis(password=PASSWORD)
    assert connect(server.connection()).ping()
    assert connect(f"redis://:{quote(PASSWORD, safe='')}@127.0.0.1:{server.port}").ping()
    with pytest.raises(AuthenticationError):
        connect({**server.connection(), "password": "wrong"}).ping()


@pytest.mark.parametrize("word", [None, "", "None", "false"])
def test_words_that_airflows_own_hook_takes_for_no_password(redis_server, connect, word):
    assert connect({**redis_server.connection(), "password": word}).ping()


def test_a_user(start_redis, connect):
    server = start_redis(user="ana on >secret ~* +@all")
    assert connect({**server.connection(), "login": "ana", "password": "secret"}).acl_whoami() == "ana"
    assert connect(f"redis://ana:secret@127.0.0.1:{server.port}/").acl_whoami() == "ana"
    with pytest.raises(AuthenticationError):
        connect(server.connection()).ping()


def test_tls(start_redis, connect):
    server = start_redis(tls=True)
    assert connect(server.connection()).ping()
    assert connect(f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={quote(str(server.certificate))}").ping()
    assert connect(f"redis://127.0.0.1:{server.port}?ssl=true&ssl_ca_certs={quote(str(server.certificate))}").ping()


def test_tls_trusts_nobody_who_is_not_vouched_for(start_redis, connect):
    server = start_redis(tls=True)
    with pytest.raises(RedisError, match="self-signed certificate"):
        connect(server.connection(ssl_ca_certs=None)).ping()
    assert connect(server.connection(ssl_ca_certs=None, ssl_cert_reqs="none")).ping()


def test_tls_knows_the_host_by_its_name(start_redis, connect):
    server = start_redis(tls=True)  # its certificate is for 127.0.0.1
    elsewhere = {**server.connection(), "host": "localhost"}
    with pytest.raises(RedisError, match="'localhost'"):
        connect(elsewhere).ping()
    elsewhere["extra"]["ssl_check_hostname"] = False
    assert connect(elsewhere).ping()


def test_tls_with_a_certificate_of_the_client(start_redis, connect):
    server = start_redis(tls=True, client_certificates=True)
    own = {"ssl_certfile": str(server.certificate), "ssl_keyfile": str(server.certificate)}
    assert connect(server.connection(**own)).ping()
    with pytest.raises(RedisError):
        connect(server.connection()).ping()


@pytest.mark.parametrize("extra", [{}, {"db": 3}, {"ssl": True, "ssl_cert_reqs": "none"}], ids=str)
def test_a_connection_survives_being_written_as_uri(extra):
    def name(connection):
        return make_client(connection, connection.extra_dejson)[1]

    fields = {"conn_type": "redis", "host": "cache.test", "login": "ana", "password": PASSWORD}
    before = Connection(conn_id="budget", **fields, extra=json.dumps(extra))
    after = Connection(conn_id="budget", uri=before.get_uri())
    assert name(after) == name(before)


def test_what_the_form_of_airflows_redis_provider_leaves_empty_has_its_default(redis_server, connect):
    files = dict.fromkeys(["ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "startup_nodes"])
    flags = {"cluster": False, "ssl": False, "ssl_check_hostname": False, "ssl_cert_reqs": "required"}
    assert connect(redis_server.connection(db=None, **files, **flags)).client_info()["db"] == 0


# What is wrong


def made_of(extra=None, **fields):
    fields = {"conn_type": "redis", "host": "cache.test", "password": PASSWORD, **fields}
    return Connection(conn_id="budget", **fields, extra=json.dumps(extra or {}))


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"conn_type": "postgres"}, "conn_type"),
        ({"host": ""}, "host"),
        ({"host": None}, "host"),
        ({"host": f"redis://:{PASSWORD}@cache.test"}, "host"),
        ({"host": "cache.test:6379"}, "host"),
        ({"host": "cache.test/0"}, "host"),
        ({"host": "two words"}, "host"),
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
        ({"extra": {"ssl": True, "ssl_cert_reqs": "always"}}, "extra.ssl_cert_reqs"),
        ({"extra": {"ssl": True, "ssl_check_hostname": "no"}}, "extra.ssl_check_hostname"),
        ({"extra": {"ssl": True, "ssl_ca_certs": "/nowhere/ca.pem"}}, "extra.ssl_ca_certs"),
        ({"extra": {"ssl": True, "ssl_certfile": "/nowhere/cert.pem"}}, "extra.ssl_certfile"),
        ({"extra": {"ssl": True, "ssl_keyfile": "/nowhere/key.pem"}}, "extra.ssl_keyfile"),
    ],
    ids=str,
)
def test_a_malformed_field_is_named(wrong, field):
    connection = made_of(**wrong)
    with pytest.raises(InvalidConnectionError, match=rf"^connection 'budget', field {field}: ") as caught:
        make_client(connection, connection.extra_dejson)
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("extra", ["no JSON", "[]", 7])
def test_an_extra_that_is_no_object_is_named(connect, extra):
    with pytest.raises(InvalidConnectionError, match="field extra: must be a JSON object"):
        connect({"conn_type": "redis", "host": "cache.test", "extra": extra})


@pytest.mark.parametrize("host", ["cache.test", "cache_1", "10.0.0.1", "::1", "bücher.test"])
def test_names_and_addresses_of_hosts(host):
    assert make_client(made_of(host=host), {})[1] == f"redis://{host}:6379/0"


def test_a_server_that_does_not_answer_holds_nobody_for_long(connect):
    """The client library alone would take a minute with some versions, and for ever with others."""
    with silent_server() as address:
        client = connect(f"redis://{address}")
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            client.ping()
        assert time.monotonic() - begin < 30  # 4 s on a machine that is not busy


FORKING = """
import os, sys
from types import SimpleNamespace
from airflow_provider_360learning.connections.redis import make_client

fields = dict(conn_id="budget", conn_type="redis", login=None, password=None, schema=None, extra=None)
client, _ = make_client(SimpleNamespace(**fields, host="127.0.0.1", port=int(sys.argv[1])), {})
ids = [client.client_id()]
child = os.fork()
for turn in range(200):
    assert client.echo(f"{os.getpid()} {turn}") == f"{os.getpid()} {turn}".encode()
if child:  # one after the other: what two print at once may get mixed up
    assert os.waitpid(child, 0)[1] == 0
print(client.client_id(), flush=True)
"""


def test_a_forked_process_has_connections_of_its_own(redis_server):
    ids = subprocess.check_output(
        [sys.executable, "-c", FORKING, str(redis_server.port)], env=_environment(), text=True
    )
    assert len(set(ids.split())) == 2


def test_without_the_package_it_says_what_to_install():
    code = (
        "import sys; from types import SimpleNamespace as Made\n"
        "sys.modules['redis'] = None\n"
        "from airflow_provider_360learning.connections.redis import make_client\n"
        "fields = dict(conn_id='budget', conn_type='redis', host='cache.test', port=None, schema=None, extra=None)\n"
        "make_client(Made(**fields, login=None, password=None), {})\n"
    )
    run = subprocess.run([sys.executable, "-c", code], env=_environment(), capture_output=True, text=True, check=False)
    assert "the package redis is not installed: pip install 'airflow-provider-360learning[redis]'" in run.stderr


def _environment():
    return {**os.environ, "PYTHONPATH": str(ROOT)}
