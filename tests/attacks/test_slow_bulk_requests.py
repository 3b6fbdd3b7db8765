"""Bulk runs whose requests take longer than a lease, and attempts that have lost theirs while they connect."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import replace

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.rows.config import LeaseTimes
from tests.attacks.hostile_server import hostile_server, response
from tests.attacks.test_deadlines import drip, raw_server, read_head
from tests.rows.support import FastBulkOperator, outcomes_in, people
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, sandbox, unlimited_server  # noqa: F401 - fixtures

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


def test_the_right_to_send_is_verified_again_after_a_connection_was_opened_anew(make_api):
    """A host or proxy that closes a connection and takes its time for the next one cannot delay a request past it."""
    checks, heads = [], []

    class LeaseLost(Exception):
        pass

    def before_sending():
        checks.append(time.monotonic())
        if len(checks) == 2:
            raise LeaseLost
        time.sleep(0.05)  # so that the end of the connection has arrived

    def serve(connection):
        if not checks:
            connection.close()
        else:
            heads.append(read_head(connection))

    with raw_server(serve) as address:
        client = make_api(f"http://{address}", auth="api_key_header", client={"before_sending": before_sending}).client
        with pytest.raises(LeaseLost):
            client.call(Call("createGroup", body={"name": "Lab", "public": False}))
        client.close()
    assert len(checks) == 2
    assert heads in ([], [b""]), "nothing was sent"
