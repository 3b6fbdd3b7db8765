"""An API key that is rotated while a hook uses its connection: in a task, and on an event loop."""

from __future__ import annotations

import asyncio
import json
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_360learning.exceptions import (
    AuthenticationError,
    InvalidConnectionError,
    UnreadableConnectionError,
)
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import API_KEY
from tests.api.support import everything_about

every_method = pytest.mark.parametrize("auth", ["oauth2", "api_key_header", "api_key_query"])


class InTask:
    """The actions as a task uses them."""

    def __init__(self) -> None:
        self._api = Learning360Hook().api

    def list_groups(self):
        return self._api.list_groups()


class OnLoop:
    """The actions as a triggerer uses them, on a loop that stays open."""

    def __init__(self, runner: asyncio.Runner, executor: ThreadPoolExecutor) -> None:
        self._runner, self._executor = runner, executor
        self.api = runner.run(Learning360Hook().get_async_conn(executor))

    def list_groups(self):
        return self._runner.run(self.api.list_groups.arun(self._executor))


@pytest.fixture
def loop():
    """Return a function that makes the actions on one event loop."""
    with asyncio.Runner() as runner, ThreadPoolExecutor(2) as executor:
        yield lambda: OnLoop(runner, executor)


@pytest.fixture(params=["task", "loop"])
def make_work(request, loop):
    """Return a function that starts work in a task or on an event loop."""
    return InTask if request.param == "task" else loop


@pytest.fixture
def rotate(sandbox, connect):
    """Return a function that revokes the old key and stores a new one, or another connection."""

    def rotate(**fields):
        old = sandbox.api_key
        sandbox.control.add_api_key()
        sandbox.control.revoke_api_key(old)
        connect(**fields)

    return rotate


@every_method
def test_continues_with_the_key_that_the_connection_has_now(sandbox, connect, make_work, rotate, auth):
    connect(extra={"auth": auth})
    work = make_work()
    work.list_groups()
    rotate(extra={"auth": auth})
    assert work.list_groups()
    statuses = [entry["status"] for entry in sandbox.control.journal() if entry["operation"] == "getGroups"]
    assert statuses == [200, 401, 200]


@every_method
def test_fails_if_the_connection_still_has_the_old_key(sandbox, connect, make_work, auth):
    """As a connection in an environment variable does in a real process."""
    connect(extra={"auth": auth})
    work = make_work()
    work.list_groups()
    sandbox.control.add_api_key()
    sandbox.control.revoke_api_key(API_KEY)
    with pytest.raises(AuthenticationError, match=r"API key \(password\)"):
        work.list_groups()


def test_a_connection_that_is_not_defined_is_a_transient_error(connect, make_work, rotate, monkeypatch):
    """Airflow 3 reports so as well if its API server cannot be reached."""
    connect(extra={"auth": "api_key_header"})
    work = make_work()
    rotate(extra={"auth": "api_key_header"})
    with monkeypatch.context() as environment:
        environment.delenv("AIRFLOW_CONN_LEARNING360_DEFAULT")
        with pytest.raises(UnreadableConnectionError, match="'learning360_default' cannot be read again") as caught:
            work.list_groups()
    assert caught.value.transient
    assert "AirflowNotFoundException(" not in everything_about(caught.value), "that of Airflow may quote secrets"
    assert work.list_groups()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"login": "0" * 24}, r"field login \(Company ID or client ID\): has changed"),
        ({"host": "https://app.us.360learning.com"}, r"field host \(Base URL\): has changed"),
        ({"login": ""}, r"field login \(Company ID or client ID\): is missing"),
        ({"extra": {"auth": "basic"}}, r"field extra\.auth"),
    ],
    ids=["another company", "another host", "no company", "invalid"],
)
def test_a_connection_that_leads_elsewhere_or_is_invalid_is_a_permanent_error(
    sandbox, connect, make_work, rotate, fields, named
):
    connect(extra={"auth": "api_key_header"})
    work = make_work()
    rotate(**{"extra": {"auth": "api_key_header"}, **fields})
    with pytest.raises(InvalidConnectionError, match=named) as caught:
        work.list_groups()
    assert not caught.value.transient
    assert len(sandbox.control.journal()) == 1


def test_other_fields_take_effect_later(connect, make_work, rotate, sandbox):
    connect(extra={"auth": "api_key_header"})
    work = make_work()
    rotate(extra={"auth": "api_key_query", "read_timeout": 7})
    assert work.list_groups()
    assert sandbox.control.journal()[-1]["auth"] == "headers"


def test_the_new_key_is_masked_in_logs_and_in_no_log_line(sandbox, connect, make_work, rotate, caplog):
    from airflow.providers.common.compat.sdk import redact

    caplog.set_level(logging.DEBUG)
    connect(extra={"auth": "api_key_query"})
    work = make_work()
    rotate(extra={"auth": "api_key_query"})
    work.list_groups()
    assert sandbox.api_key not in json.dumps(redact(f"apiKey: {sandbox.api_key}"))
    changes = [line for line in caplog.messages if "has changed; continuing with the new one" in line]
    assert len(changes) == 1
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("airflow_provider", "urllib3"))]
    assert [line for line in ours if sandbox.api_key in line] == []


def test_waits_of_a_loop_share_a_client_before_and_after_a_rotation(sandbox, connect, loop, rotate):
    connect()
    before = loop()
    before.list_groups()
    rotate()
    after = loop()
    after.list_groups()
    before.list_groups()
    assert after.api is before.api
    operations = [(entry["operation"], entry["status"]) for entry in sandbox.control.journal()]
    assert operations[2:] == [
        ("getGroups", 401),
        ("generateToken", 401),
        ("generateToken", 200),
        ("getGroups", 200),
        ("getGroups", 200),
    ]
