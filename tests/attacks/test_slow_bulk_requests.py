"""Bulk runs whose requests take longer than a lease, and attempts that have lost theirs while they connect."""

from __future__ import annotations

import json
import ssl
from collections import Counter
from dataclasses import replace

import pytest

from airflow_provider_360learning.rows.config import LeaseTimes
from tests.api.support import self_signed
from tests.attacks.hostile_server import hostile_server, response
from tests.attacks.test_deadlines import ELSEWHERE, drip, raw_server, read_head
from tests.rows.support import FastBulkOperator, outcomes_in, people
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, sandbox, unlimited_server  # noqa: F401 - fixtures

pytestmark = pytest.mark.realtime

LEASE = LeaseTimes(duration=0.9, renew_after=0.1, settle=0.05)
#: Longer than a lease.
TOTAL = 1.2


class ShortLeaseBulkOperator(FastBulkOperator):
    """Has a lease of a second."""

    def _config(self, context):
        return replace(super()._config(context), lease=LEASE)


def bulk(action, rows, results_path, **arguments):
    operator = ShortLeaseBulkOperator(
        task_id="bulk", action=action, rows=rows, results_path=str(results_path), **arguments
    )
    return operator.execute({})


def test_a_dripping_response_does_not_end_the_lease(tmp_path, monkeypatch):
    """The rows after it wait for a checkpoint, which nothing but the lease makes due."""
    attempts = Counter()

    def respond(request):
        target = request.split()[1]
        attempts[target] += 1
        if b"person1%40" in target and attempts[target] == 1:
            return drip(b"HTTP/1.1 200 OK\r\nX-Long: ")
        return response(b"{}")

    rows = [{"user": row["mail"]} for row in people(130)]
    with hostile_server(respond, keep_open=True) as server:
        extra = {"auth": "api_key_header", "limits": UNLIMITED, "total_timeout": TOTAL}
        fields = {"conn_type": "learning360", "host": server.url, "login": "c" * 24, "password": "k" * 32}
        monkeypatch.setenv(CONNECTION, json.dumps({**fields, "extra": extra}))
        bulk("delete_user", rows, tmp_path)
    assert outcomes_in(tmp_path) == ["deleted"] * 130
    assert sum(attempts.values()) == 131


def test_a_slow_creation_of_a_group_does_not_end_the_lease(sandbox, tmp_path, monkeypatch):  # noqa: F811
    """Its outcome is unknown, and the lookup that follows needs the lease."""
    sandbox.control.add_fault("createGroup", kind="delay", seconds=TOTAL + 0.3, when="after")
    extra = {"auth": "api_key_header", "limits": UNLIMITED, "total_timeout": TOTAL}
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(**extra))
    rows = [row | {"group": "Lab"} for row in people(2)]
    bulk("create_user", rows, tmp_path, create_groups=True, parent_group="Acme")
    assert outcomes_in(tmp_path) == ["created"] * 2
    assert [group["name"] for group in sandbox.control.state()["groups"]].count("Lab") == 1


def test_the_right_to_send_is_verified_again_after_connecting(make_api, tmp_path):
    """A proxy that connects late cannot delay a request past its lease."""
    certificate = self_signed(tmp_path, ELSEWHERE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    events = []

    class LeaseLost(Exception):
        pass

    def before_sending():
        events.append("check")
        if "connected" in events:
            raise LeaseLost

    def serve(connection):
        read_head(connection)
        if not events:  # the connection that is opened ahead of time
            connection.sendall(b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
            return
        events.append("connected")
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as tunnel:
            events.append(read_head(tunnel))

    with raw_server(serve) as address:
        api = make_api(
            f"https://{ELSEWHERE}",
            auth="api_key_header",
            ca_bundle=str(certificate),
            proxy=f"http://{address}",
            client={"before_sending": before_sending},
        )
        with pytest.raises(LeaseLost):
            api.create_group(name="Lab")
    assert events[:3] == ["check", "connected", "check"]
    assert events[3:] in ([], [b""]), "nothing was sent"
