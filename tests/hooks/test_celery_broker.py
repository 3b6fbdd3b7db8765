"""Celery's broker as the server of the rate limiter: its description, its servers, and no secret in any text."""

from __future__ import annotations

import argparse
import json
import ssl
from contextlib import ExitStack
from urllib.parse import quote

import kombu
import pytest
from airflow.providers.celery.executors.default_celery import get_default_celery_config
from airflow.providers.common.compat.sdk import conf
from redis import Redis
from redis.exceptions import RedisError

from airflow_provider_360learning.api.limiter import store
from airflow_provider_360learning.api.limiter.redis import RedisStore
from airflow_provider_360learning.api.limiter.store import StoreUnavailableError
from airflow_provider_360learning.cli.commands import check
from airflow_provider_360learning.exceptions import InvalidConnectionError
from airflow_provider_360learning.hooks.celery_broker import UnsuitableBrokerError, read_broker
from airflow_provider_360learning.hooks.rate_limiter import active_rate_limiter, select_rate_limiter
from demo.ports import unused_port
from tests.api.support import eventually, everything_about
from tests.attacks.hostile_redis import hostile_redis
from tests.redis_server import SentinelServer

PASSWORD = "planted p/w:%41&?#@;'\""
QUOTED = quote(PASSWORD, safe="")
#: What must not be in any text: the password, encoded or not, and each part of it that a URL could be split into.
SECRETS = (PASSWORD, QUOTED, QUOTED.lower(), "planted", "%41")


@pytest.fixture
def configure(monkeypatch):
    """Configure the CeleryExecutor with a broker, and options of ``[celery]`` and of the transport."""
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.delenv("AIRFLOW__LEARNING360__RATE_LIMITER", raising=False)

    def configure(url=None, *, transport=(), **options):
        if url is not None:
            options["broker_url"] = url
        for name, value in options.items():
            monkeypatch.setenv(f"AIRFLOW__CELERY__{name.upper()}", value)
        for name, value in dict(transport).items():
            monkeypatch.setenv(f"AIRFLOW__CELERY_BROKER_TRANSPORT_OPTIONS__{name.upper()}", value)

    return configure


def assert_shows_no_secret(text):
    assert [secret for secret in SECRETS if secret in text] == []


def client_of(server):
    return Redis(server.host, server.port, decode_responses=True)


def store_of(broker):
    return RedisStore(broker.make_client(), broker.name)


# The description, compared with that of Airflow and kombu

URLS = [
    "redis://",
    "redis://redis:6379/0",
    "redis://:@redis:6379/0",
    "redis://broker.test",
    "redis://broker.test/",
    "redis://BROKER.test:7000/12",
    "redis://[::1]:7000/1",
    "redis://user@broker.test/1",
    f"redis://:{QUOTED}@broker.test/1",
    f"redis://us%40er:{QUOTED}@broker.test/1",
    "redis://:none@broker.test",
    "redis://:***@broker.test",
    "redis://broker.test?ssl_cert_reqs=CERT_REQUIRED",
    "rediss://broker.test/3",
    "rediss://broker.test?ssl_cert_reqs=required",
    "rediss://broker.test?ssl_cert_reqs=CERT_OPTIONAL",
    "rediss://broker.test?ssl_cert_reqs=none",
    "rediss://broker.test?ssl_check_hostname=false&ssl_cert_reqs=required",
]
PRIMARY = "primary"
CERTIFICATE_CHECKS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}


def as_celery_reads_it():
    config = get_default_celery_config(conf)
    broker = kombu.Connection(
        config["broker_url"],
        ssl=config.get("broker_use_ssl", False),
        transport_options=config["broker_transport_options"],
    )
    tls = dict(broker.ssl or {})
    return {
        "host": broker.hostname or "127.0.0.1",
        "port": broker.port or 6379,
        "login": broker.userid,
        "password": broker.password,
        "database": int((broker.virtual_host or "").strip("/") or 0),
        "tls": bool(tls),
        "check": tls.get("ssl_cert_reqs", ssl.CERT_REQUIRED),
        "files": [tls.get(name) for name in ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")],
    }


def as_we_read_it():
    broker = read_broker()
    return {
        "host": broker.host,
        "port": broker.port,
        "login": broker.login,
        "password": broker.password and broker.password.get_secret_value(),
        "database": broker.database,
        "tls": broker.ssl,
        "check": CERTIFICATE_CHECKS[broker.ssl_cert_reqs],
        "files": [broker.ssl_ca_certs, broker.ssl_certfile, broker.ssl_keyfile],
    }


@pytest.mark.parametrize("url", URLS)
def test_reads_a_url_as_celery_does(configure, url):
    configure(url)
    assert as_we_read_it() == as_celery_reads_it()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
@pytest.mark.parametrize("query", ["", "?ssl_cert_reqs=optional"])
@pytest.mark.parametrize("is_mutual", ["True", "False"])
@pytest.mark.parametrize("is_active", ["True", "False", "perhaps"])
def test_reads_the_options_of_tls_as_celery_does(configure, tmp_path, scheme, query, is_mutual, is_active):
    files = {name: str(tmp_path / name) for name in ("ssl_key", "ssl_cert", "ssl_cacert")}
    for name in files:
        (tmp_path / name).touch()
    configure(f"{scheme}://broker.test{query}", ssl_active=is_active, ssl_mutual_tls=is_mutual, **files)
    assert as_we_read_it() == as_celery_reads_it()


def test_reads_the_sentinels_as_celery_does(configure):
    configure(
        f"sentinel://us%40er:{QUOTED}@one.test:7000/3;http://other.test;sentinel://two.test",
        transport={"master_name": "primary", "sentinel_kwargs": json.dumps({"password": PASSWORD, "ssl": True})},
    )
    broker = read_broker()
    assert as_we_read_it() == as_celery_reads_it()
    assert [(one.host, one.port, one.ssl, one.password.get_secret_value()) for one in broker.sentinels] == [
        ("one.test", 7000, True, PASSWORD),
        ("two.test", 26379, True, PASSWORD),
    ]
    assert broker.name == "sentinel://one.test:7000;sentinel://two.test:26379/3 (primary)"


# Brokers that cannot serve


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"amqp://user:{QUOTED}@broker.test//", "begins with amqp://, not with redis, rediss or sentinel"),
        (f"sqs://key:{QUOTED}@", "begins with sqs://"),
        (f"redis+socket://:{QUOTED}@/run/redis.sock", r"begins with redis\+socket://"),
        (f"redis://:{QUOTED}@one.test;redis://:{QUOTED}@two.test", "names several servers"),
        (f"redis://:{QUOTED}@broker.test?credential_provider=module.Provider", "has a credential_provider"),
    ],
)
def test_another_broker_is_a_reason_without_a_warning(configure, url, reason):
    configure(url)
    with pytest.raises(UnsuitableBrokerError, match=reason) as caught:
        read_broker()
    assert_shows_no_secret(everything_about(caught.value))
    choice = select_rate_limiter()
    assert (choice.backend, choice.warning) == ("pool_slots", None)
    assert str(caught.value) in choice.reason


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"celery_config_options": "my_company.celery.CONFIG"}, "celery_config_options names settings"),
        ({"extra_celery_config": f'{{"broker_url": "redis://:{QUOTED}@"}}'}, "extra_celery_config sets broker_url"),
    ],
)
def test_a_broker_that_other_settings_of_celery_may_name_is_not_used(configure, options, reason):
    configure("redis://broker.test", **options)
    choice = select_rate_limiter()
    assert (choice.backend, choice.warning) == ("pool_slots", None)
    assert reason in choice.reason
    assert_shows_no_secret(choice.reason)


def test_other_settings_of_celery_do_not_matter(configure):
    configure(
        "redis://broker.test",
        celery_config_options="airflow.providers.celery.executors.default_celery.DEFAULT_CELERY_CONFIG",
        extra_celery_config='{"worker_max_tasks_per_child": 10, "broker_heartbeat": 5}',
    )
    assert select_rate_limiter().backend == "redis"


INVALID = [
    f":{QUOTED}@broker.test",
    "planted",
    "redis://:planted/1@broker.test/0",
    "redis://user:4242/planted@broker.test/0",
    "redis://user:4242?planted@broker.test/0",
    "redis://user:4242#planted@broker.test/0",
    "redis://:planted]x@broker.test/0",
    "redis://:planted[x@broker.test/0",
    "redis://broker.test:planted/0",
    "redis://broker.test:99999999/0",
    "redis://broker.test/planted",
    "redis://broker.test/-1",
    "redis://planted broker/0",
    "redis://:p;planted@broker.test/0",
    "rediss://broker.test/0?ssl_check_hostname=perhaps",
    "rediss://broker.test/0?ssl_ca_certs=/nowhere/ca.pem",
    "sentinel://broker.test",
]


@pytest.mark.parametrize("url", INVALID)
def test_an_invalid_url_is_a_warning_that_shows_no_part_of_it(configure, url):
    configure(url)
    with pytest.raises((InvalidConnectionError, UnsuitableBrokerError)) as caught:
        read_broker()
    choice = select_rate_limiter()
    assert choice.backend == "pool_slots"
    for text in (everything_about(caught.value), choice.reason, str(choice.warning), repr(choice)):
        assert_shows_no_secret(text)
        assert "4242" not in text  # the begin of a password that looks like a port


@pytest.mark.parametrize("text", [PASSWORD, f'"{QUOTED}"', f'{{"password": "{QUOTED}"'])
def test_invalid_json_is_not_shown(configure, text):
    configure("sentinel://broker.test", transport={"master_name": "primary", "sentinel_kwargs": text})
    with pytest.raises(InvalidConnectionError, match="sentinel_kwargs is not a JSON object") as caught:
        read_broker()
    assert_shows_no_secret(everything_about(caught.value))


# Processes that cannot read the address


def test_a_process_without_the_address_warns_that_the_others_may_have_it(configure):
    configure()
    choice = select_rate_limiter()
    assert choice.backend == "pool_slots"
    assert choice.warning == (
        "[celery] broker_url is not set in this process. This process uses pool_slots. Processes that can read it use "
        "the broker, and do not see the requests of this one. Configure all processes of Airflow alike, or set "
        "[learning360] rate_limiter"
    )


def test_the_default_address_is_used_if_the_configuration_names_it(configure):
    configure("redis://redis:6379/0")
    assert select_rate_limiter().backend == "redis"


@pytest.mark.parametrize("command", ["true", "echo redis://redis:6379/0"])
def test_a_command_without_a_result_or_with_airflows_default_is_a_warning(configure, command):
    configure(broker_url_cmd=command)
    choice = select_rate_limiter()
    assert choice.backend == "pool_slots"
    assert choice.warning.startswith("[celery] broker_url is empty in this process; its command or secret needs ")


def test_a_failed_command_does_not_show_what_it_printed(configure):
    configure(broker_url_cmd=f"""sh -c 'echo redis://:{QUOTED}@broker.test; echo {QUOTED} >&2; exit 1'""")
    choice = select_rate_limiter()
    assert choice.backend == "pool_slots"
    assert choice.warning.startswith("[celery] broker_url cannot be read (AirflowConfigException)")
    assert_shows_no_secret(choice.reason + choice.warning)


# Real servers


@pytest.fixture
def start_sentinel(tmp_path):
    """Return a function that starts a sentinel of a server, which has the name PRIMARY there."""
    with ExitStack() as running:
        yield lambda server, **options: running.enter_context(SentinelServer(tmp_path, server, PRIMARY, **options))


def test_a_broker_with_a_password_serves(configure, start_redis):
    server = start_redis(password=PASSWORD)
    configure(f"redis://:{QUOTED}@127.0.0.1:{server.port}/3")
    choice = active_rate_limiter()
    assert (choice.backend, choice.warning) == ("redis", None)
    assert choice.reason == (
        f"[learning360] rate_limiter = auto, and the broker of Celery is redis://127.0.0.1:{server.port}/3"
    )
    client = read_broker().make_client()
    assert {key.split(b":")[1] for key in client.keys("*")} == {b"{rate_limits}"}


def test_a_broker_with_tls_serves(configure, start_redis):
    server = start_redis(tls=True)
    address, certificate = f"127.0.0.1:{server.port}", quote(str(server.certificate), safe="")
    for query in ("", "?ssl_cert_reqs=none", f"?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={certificate}"):
        configure(f"rediss://{address}/0{query}")
        store_of(read_broker()).check()
    configure(f"rediss://{address}/0?ssl_cert_reqs=required")
    with pytest.raises(StoreUnavailableError, match="its certificate is not accepted"):
        store_of(read_broker()).check()


def test_a_broker_with_client_certificates_serves(configure, start_redis):
    server = start_redis(tls=True, client_certificates=True)
    files = dict.fromkeys(["ssl_key", "ssl_cert", "ssl_cacert"], str(server.certificate))
    configure(f"redis://127.0.0.1:{server.port}/0", ssl_active="True", **files)
    store_of(read_broker()).check()
    configure(ssl_mutual_tls="False")
    with pytest.raises(StoreUnavailableError):
        store_of(read_broker()).check()


@pytest.mark.parametrize(
    ("rights", "problem"),
    [
        ("~* +@all -@scripting", "the user may not run the commands of the rate limiter's script"),
        ("~celery* +@all", "the user may not use the keys of the rate limiter"),
    ],
)
def test_a_broker_that_refuses_the_script_is_not_used(configure, start_redis, capsys, rights, problem):
    server = start_redis(user=f"ana on >planted {rights}")
    configure(f"redis://ana:planted@127.0.0.1:{server.port}/0")
    choice = active_rate_limiter()
    assert choice.backend == "pool_slots"
    assert problem in choice.warning
    with pytest.raises(SystemExit):
        check(argparse.Namespace(conn_id="missing", scopes=False))
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "rate limiter" in line.split("  ")[1:2][0]]
    assert line.startswith("warn")
    assert f"redis://127.0.0.1:{server.port}/0: {problem}" in line
    assert_shows_no_secret(line)


def test_a_proxy_that_does_not_know_scripts_is_not_used(configure):
    def respond(command):
        return [b"-ERR unknown command 'EVALSHA'\r\n" if command[0].upper() == b"EVALSHA" else b"+OK\r\n"]

    with hostile_redis(respond) as port:
        configure(f"redis://:{QUOTED}@127.0.0.1:{port}/0")
        choice = active_rate_limiter()
    assert choice.backend == "pool_slots"
    assert "it does not know the commands of the rate limiter's script" in choice.warning
    assert_shows_no_secret(choice.warning)


def test_a_broker_behind_sentinels_serves(configure, start_redis, start_sentinel):
    primary = start_redis(password=PASSWORD)
    sentinel = start_sentinel(primary, password="of the sentinel")
    configure(
        f"sentinel://:{QUOTED}@127.0.0.1:{unused_port()};sentinel://:{QUOTED}@127.0.0.1:{sentinel.port}",
        transport={"master_name": PRIMARY, "sentinel_kwargs": json.dumps({"password": "of the sentinel"})},
    )
    broker = read_broker()
    store_of(broker).check()
    client = broker.make_client()
    assert client.keys("*")
    assert client.client_info()["laddr"] == f"127.0.0.1:{primary.port}"
    assert active_rate_limiter().backend == "redis"


@pytest.mark.slow
def test_a_store_follows_the_sentinels_to_another_primary_server(configure, start_redis, start_sentinel, monkeypatch):
    monkeypatch.setattr(store, "OUTAGE_PAUSE", 0.0)
    primary, replica = start_redis(), start_redis()
    client_of(replica).replicaof(primary.host, primary.port)
    eventually(lambda: client_of(replica).info()["master_link_status"] == "up")
    sentinel = start_sentinel(primary, failover_after=500)
    configure(f"sentinel://127.0.0.1:{sentinel.port}", transport={"master_name": PRIMARY})
    used = store_of(read_broker())
    eventually(lambda: is_available(used) and client_of(sentinel).sentinel_slaves(PRIMARY))
    primary.stop()
    eventually(lambda: is_available(used))
    assert client_of(replica).info()["role"] == "master"


def is_available(used):
    try:
        used.check()
    except StoreUnavailableError:
        return False
    return True


def test_a_name_that_the_sentinels_do_not_know_is_reported(configure, start_redis, start_sentinel):
    sentinel = start_sentinel(start_redis())
    configure(f"sentinel://:{QUOTED}@127.0.0.1:{sentinel.port}", transport={"master_name": "other"})
    with pytest.raises(StoreUnavailableError, match="no sentinel responds that knows a primary server") as caught:
        store_of(read_broker()).check()
    assert_shows_no_secret(everything_about(caught.value))


def test_connections_to_the_primary_server_can_be_encrypted(configure, start_redis, start_sentinel):
    primary = start_redis(tls=True)
    sentinel = start_sentinel(primary)
    configure(
        f"sentinel://127.0.0.1:{sentinel.port}/2",
        transport={"master_name": PRIMARY},
        ssl_active="True",
        ssl_mutual_tls="False",
        ssl_cacert=str(primary.certificate),
    )
    broker = read_broker()
    store_of(broker).check()
    assert broker.make_client().client_info()["db"] == 2
    configure(ssl_cacert="")
    with pytest.raises(RedisError, match="certificate"):
        read_broker().make_client().ping()
