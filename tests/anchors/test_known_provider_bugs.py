"""
Bugs that other providers had, tested on this package through a real socket.

``docs/known-provider-bugs.md`` lists all of them. Those with a test elsewhere are not tested here again.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSensorTimeout

from airflow_provider_360learning.completion.event import MAX_CONSECUTIVE_FAILURES
from airflow_provider_360learning.exceptions import Learning360Error, RateLimitedError, ServerError, TransportError
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.courses import (
    Learning360AddToCatalogOperator,
    Learning360RemoveFromCatalogOperator,
)
from airflow_provider_360learning.operators.paths import (
    Learning360EnrollGroupsOperator,
    Learning360EnrollUsersOperator,
    Learning360UnenrollUsersOperator,
)
from airflow_provider_360learning.operators.users import Learning360UpdateUserOperator
from airflow_provider_360learning.sandbox.demo_company import (
    GRACE_ID,
    GRACE_MAIL,
    SALES_GROUP_ID,
    WELCOME_COURSE_ID,
)
from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.sandbox.v1.version import DOCUMENTED_LIMITS
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor
from tests.api.support import Response, TinyServer
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, make_trigger, operations

ROOT = Path(__file__).parents[2]
POKE = "getUsersPathSessionStats"
UNKNOWN_ID = "f" * 24
UNKNOWN_MAIL = "nobody@acme.test"


@pytest.fixture
def connect(monkeypatch) -> Callable[..., None]:
    """Return a function that sets the URL of a connection."""

    def connect(url: str, conn_id: str = "learning360_default", **extra: object) -> None:
        extra = {"auth": "api_key_header", "limits": UNLIMITED, **extra}
        fields = {"conn_type": "learning360", "host": url, "login": "c" * 24, "password": "k" * 32}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({**fields, "extra": extra}))

    return connect


async def event_of(trigger):
    (event,) = [event.payload async for event in trigger.run()]
    return event


def make_sensor(session_id=UNKNOWN_ID, **arguments):
    return Learning360PathSessionCompletionSensor(task_id="wait", session_id=session_id, **arguments)


def run(operator, **arguments):
    return operator(task_id="one", **arguments).execute({})


# 429 without a retry


def update_by_an_operator(session_id):
    assert run(Learning360UpdateUserOperator, user=GRACE_MAIL, job="Admiral")["outcome"] == "updated"


def read_in_a_script(session_id):
    assert Learning360Hook().api.get_user(user=GRACE_MAIL)["user_id"] == GRACE_ID


def wait_in_the_triggerer(session_id):
    assert asyncio.run(event_of(make_trigger(session_id, poke_interval=0.5)))["status"] == "success"


def wait_in_the_worker(session_id):
    sensor = make_sensor(session_id, deferrable=False, mode="poke", poke_interval=0.5, timeout=60)
    assert sensor.execute({})["done"] == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "operation"),
    [
        (update_by_an_operator, "updateUser"),
        (read_in_a_script, "getUser"),
        (wait_in_the_triggerer, POKE),
        (wait_in_the_worker, POKE),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
@pytest.mark.parametrize(
    ("refusal", "status", "earliest"),
    [
        ({"kind": "rate_limited", "retry_after": 1}, 429, 1.0),
        ({"kind": "status", "status": 503}, 503, 0.5),
    ],
    ids=["429", "503"],
)
def test_retries_after_a_transient_refusal(sandbox, session_id, call, operation, refusal, status, earliest):
    """Test all layers of a call with default settings."""
    sandbox.control.advance(3600)
    sandbox.control.add_fault(operation, **refusal)
    call(session_id)
    first, second = [entry for entry in sandbox.control.journal() if entry["operation"] == operation]
    assert (first["status"], second["status"]) == (status, 200)
    assert second["arrived_at"] - first["arrived_at"] >= earliest


@pytest.mark.parametrize("attempts", [1, 2])
def test_sends_the_configured_number_of_attempts(sandbox, attempts):
    sandbox.control.add_fault("getUser", kind="status", status=503, count=9)
    with pytest.raises(ServerError):
        Learning360Hook(max_attempts=attempts).api.get_user(user=GRACE_MAIL)
    assert operations(sandbox) == ["getUser"] * attempts


# Polls without a pause

TRANSIENT = {
    "429": Response({"error": "tooManyRequests"}, 429),
    "429, retry at once": Response({"error": "tooManyRequests"}, 429, {"Retry-After": "0"}),
    "500": Response({"error": "an error occurred: " + "0" * 32}, 500),
    "502": Response(b"<h1>Bad Gateway</h1>", 502),
    "503, retry at once": Response("", 503, {"Retry-After": "0"}),
    "504": Response("", 504),
    "200 with an error": Response({"error": "tooManyRequests"}),
}
PERMANENT = {
    "401": Response({"error": "invalid_company_id"}, 401),
    "403": Response({"error": "forbidden"}, 403),
}


@pytest.mark.realtime
@pytest.mark.parametrize("auth", ["api_key_header", "oauth2"])
def test_a_deferred_wait_polls_once_per_interval(connect, auth):
    """Run a wait per response. With tokens, the token endpoint sends it."""

    async def wait_for_all(conn_ids):
        triggers = [make_trigger(UNKNOWN_ID, conn_id=conn_id, poke_interval=60, timeout=2) for conn_id in conn_ids]
        return await asyncio.gather(*map(event_of, triggers))

    with ExitStack() as stack:
        servers = {}
        for number, (refusal, answer) in enumerate({**TRANSIENT, **PERMANENT}.items()):
            server = servers[refusal] = stack.enter_context(TinyServer(lambda request, answer=answer: answer))
            connect(server.url, f"refusing_{number}", auth=auth)
        events = asyncio.run(wait_for_all([f"refusing_{number}" for number in range(len(servers))]))
    assert {refusal: len(server.requests) for refusal, server in servers.items()} == dict.fromkeys(servers, 1)
    assert [event["status"] for event in events] == ["timeout"] * len(TRANSIENT) + ["error"] * len(PERMANENT)


def test_requests_one_new_token_if_tokens_are_never_accepted(connect):
    def respond(request):
        if request.method == "POST":
            return Response({"access_token": "never-good", "expires_in": "3600"})
        return Response({"error": "invalid_token", "error_description": "jwt expired"}, 401)

    with TinyServer(respond) as server:
        connect(server.url, auth="oauth2")
        assert asyncio.run(event_of(make_trigger(UNKNOWN_ID, poke_interval=0.05)))["status"] == "error"
    assert [request.method for request in server.requests] == ["POST", "GET"] * 2


@pytest.mark.slow
def test_a_wait_in_the_worker_polls_once_per_interval(sandbox, session_id):
    interval = 1.1  # longer than the pause before a retry
    for status in (500, 502, 504):
        sandbox.control.add_fault(POKE, kind="status", status=status, headers={"Retry-After": "0"})
    sandbox.control.add_fault(POKE, kind="rate_limited")
    sandbox.control.add_fault(POKE, kind="status", status=403, body={"error": "forbidden"})
    with pytest.raises(AirflowFailException):
        make_sensor(session_id, deferrable=False, mode="poke", poke_interval=interval, timeout=60).execute({})
    entries = sandbox.control.journal()
    assert [entry["status"] for entry in entries] == [500, 502, 504, 429, 403]
    arrivals = [entry["arrived_at"] for entry in entries]
    assert min(later - earlier for earlier, later in itertools.pairwise(arrivals)) >= interval


# Success although items were refused


@pytest.mark.parametrize("refused", ["first", "last", "all"])
@pytest.mark.parametrize(
    ("operator", "argument", "valid", "invalid"),
    [
        (Learning360EnrollUsersOperator, "users", GRACE_MAIL, UNKNOWN_MAIL),
        (Learning360EnrollUsersOperator, "users", GRACE_MAIL, UNKNOWN_ID),
        (Learning360EnrollUsersOperator, "users", GRACE_ID, UNKNOWN_MAIL),
        (Learning360EnrollGroupsOperator, "group_ids", SALES_GROUP_ID, UNKNOWN_ID),
        (Learning360UnenrollUsersOperator, "users", GRACE_MAIL, UNKNOWN_MAIL),
        (Learning360UnenrollUsersOperator, "users", GRACE_MAIL, UNKNOWN_ID),
        (Learning360AddToCatalogOperator, "course_ids", WELCOME_COURSE_ID, UNKNOWN_ID),
        (Learning360RemoveFromCatalogOperator, "course_ids", WELCOME_COURSE_ID, UNKNOWN_ID),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_fails_if_an_item_of_a_list_is_refused(sandbox, session_id, operator, argument, valid, invalid, refused):
    """Test what the sandbox assumes that v1 responds about single items."""
    sandbox.control.settings(catalog_absent_response="not_found")
    target = {"session_id": session_id} if operator.__module__.endswith("paths") else {"group_id": SALES_GROUP_ID}
    # The valid item can be removed only after it was added.
    run(Learning360AddToCatalogOperator, group_id=SALES_GROUP_ID, course_ids=[WELCOME_COURSE_ID])
    values = {"first": [invalid, valid], "last": [valid, invalid], "all": [invalid]}[refused]
    with pytest.raises(AirflowFailException, match=r"NotFoundError: .*_not_found"):
        run(operator, **target, **{argument: values})


def test_a_wait_detects_an_enrollment_that_was_ignored(sandbox, session_id):
    """If v1 ignores unknown email addresses, their enrollment cannot fail."""
    sandbox.control.settings(unknown_mail_in_enrollment="ignore")
    users = [GRACE_MAIL, UNKNOWN_MAIL]
    assert run(Learning360EnrollUsersOperator, session_id=session_id, users=users)["outcome"] == "enrolled"
    sandbox.control.advance(3600)
    with pytest.raises(AirflowFailException, match=UNKNOWN_MAIL):
        make_sensor(session_id, users=users, if_not_enrolled="fail", deferrable=True).execute({})
    waiting = make_sensor(session_id, users=users, deferrable=False, mode="poke", poke_interval=0.05, timeout=0.2)
    with pytest.raises(AirflowSensorTimeout):
        waiting.execute({})


# Timeouts without effect


@contextmanager
def silent_server() -> Iterator[tuple[str, queue.Queue[float]]]:
    """Accept requests without a response and record the seconds until the client closed the connection."""
    waited: queue.Queue[float] = queue.Queue()

    def receive(connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            if not connection.recv(65536):
                return
            received_at = time.monotonic()
            with suppress(ConnectionError):
                while connection.recv(65536):
                    pass
            waited.put(time.monotonic() - received_at)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=receive, args=(listener.accept()[0],), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", waited
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def full_server() -> Iterator[str]:
    """Provide the URL of a server whose queue of connections is full, so that Linux ignores further ones."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=0)))
        for _ in range(4):
            caller = sockets.enter_context(closing(socket.socket()))
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def request_in_a_script():
    with pytest.raises(TransportError):
        Learning360Hook(max_attempts=1).api.get_user(user=GRACE_MAIL)


def request_in_the_triggerer():
    asyncio.run(event_of(make_trigger(UNKNOWN_ID, failures=MAX_CONSECUTIVE_FAILURES)))


@pytest.mark.slow
@pytest.mark.parametrize("auth", ["api_key_header", "oauth2"])
@pytest.mark.parametrize("send", [request_in_a_script, request_in_the_triggerer], ids=lambda send: send.__name__)
def test_read_timeout_closes_the_connection(connect, send, auth):
    """Test the token request in the case of tokens."""
    with silent_server() as (url, waited):
        connect(url, auth=auth, read_timeout=0.5, connect_timeout=30)
        send()
        assert waited.get(timeout=50) < 50, "the default is 60 s"


linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse connections if the queue is full")


@linux
def test_connect_timeout_ends_a_call_without_a_connection(connect):
    with full_server() as url:
        connect(url, connect_timeout=0.4, read_timeout=30)
        started = time.monotonic()
        with pytest.raises(TransportError, match="connect_timeout") as caught:
            Learning360Hook(max_attempts=1).api.list_groups()
    assert 0.4 <= time.monotonic() - started < 9, "the default is 10 s"
    assert not caught.value.sent


@pytest.mark.slow
@linux
def test_connect_timeout_ends_each_poke_of_a_deferred_wait(connect):
    """Two failed pokes end the wait. With the default of 10 s each, its timeout would be first."""
    with full_server() as url:
        connect(url, connect_timeout=0.2, read_timeout=60)
        failures = MAX_CONSECUTIVE_FAILURES - 1
        event = asyncio.run(event_of(make_trigger(UNKNOWN_ID, poke_interval=0.05, timeout=19, failures=failures)))
    assert event["status"] == "transient_error"
    assert "connect_timeout" in event["message"]


def refuse_for_half_a_minute(request):
    return Response({"error": "tooManyRequests"}, 429, {"Retry-After": "30"})


def test_max_rate_limit_wait_ends_a_deferred_wait_without_another_request(connect, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__MAX_RATE_LIMIT_WAIT", "0.1")
    with TinyServer(refuse_for_half_a_minute) as server:
        connect(server.url)
        event = asyncio.run(event_of(make_trigger(UNKNOWN_ID, poke_interval=0.05)))
    assert event["status"] == "transient_error"
    assert "max_rate_limit_wait" in event["message"]
    assert len(server.requests) == 1


def test_the_timeout_of_a_wait_in_the_worker_applies_while_the_rate_limit_is_exhausted(connect):
    with TinyServer(refuse_for_half_a_minute) as server:
        connect(server.url)
        sensor = make_sensor(deferrable=False, mode="poke", poke_interval=0.2, timeout=5)
        started = time.monotonic()
        with pytest.raises((AirflowSensorTimeout, Learning360Error)):
            sensor.execute({})
    assert time.monotonic() - started < 20, "the rate limit has capacity after 30 s"
    assert len(server.requests) == 1


# Return value lost on reconnect


def test_a_wait_returns_its_result_after_another_triggerer_takes_over(sandbox, session_id):
    """Pass nothing on but the serialized trigger."""

    async def take_over():
        first = make_trigger(session_id, poke_interval=0.1)
        waiting = asyncio.create_task(event_of(first))
        while not operations(sandbox):
            await asyncio.sleep(0.02)
        path, stored = first.serialize()
        waiting.cancel()
        sandbox.control.advance(3600)
        module, _, name = path.rpartition(".")
        return await event_of(getattr(importlib.import_module(module), name)(**json.loads(json.dumps(stored))))

    result = make_sensor(session_id).execute_complete({}, asyncio.run(take_over()))
    assert result == {"enrolled": 1, "done": 1, "needed": 1, "unsuccessful": 0, "pending": []}


# Only one of several limits counted


@pytest.fixture(params=["createOrInviteUser", "company_writes", "ip_writes"])
def limit(request) -> str:
    """Return a limit of createOrInviteUser."""
    return str(request.param)


@pytest.fixture
def one_per_second(limit) -> Iterator[Sandbox]:
    """Run a sandbox with only this limit, of one request per second."""
    with Sandbox(settings={"limits": {**dict.fromkeys(DOCUMENTED_LIMITS), limit: 1}}) as sandbox:
        yield sandbox


def create(api, mail):
    api.create_user(mail=mail)


def create_on_an_event_loop(api, mail):
    with ThreadPoolExecutor(1) as executor:
        asyncio.run(api.create_user.arun(executor, mail=mail))


def create_and_write_again(api, create, limit):
    """Send a creation and another write that shares this limit and as few others as possible."""
    create(api, "ana@acme.test")
    if limit == "createOrInviteUser":
        create(api, "bob@acme.test")
    else:
        api.update_user(user=GRACE_MAIL, job="Admiral")


@pytest.mark.realtime
@pytest.mark.parametrize("create", [create, create_on_an_event_loop], ids=lambda create: create.__name__)
def test_a_creation_counts_for_its_operation_company_and_address(one_per_second, monkeypatch, limit, create):
    # On a busy machine, a request may arrive this much later than it was sent.
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMIT_MARGIN_MS", "500")
    limits = {**UNLIMITED, limit: 1}
    monkeypatch.setenv(CONNECTION, one_per_second.connection_json(auth="api_key_header", limits=limits))
    create_and_write_again(Learning360Hook().api, create, limit)
    first, second = one_per_second.control.journal()
    assert (first["status"], second["status"]) == (200, 200)
    assert second["arrived_at"] - first["arrived_at"] >= 1.0


@pytest.mark.realtime
def test_the_sandbox_counts_a_creation_for_its_operation_company_and_address(one_per_second, monkeypatch, limit):
    monkeypatch.setenv(CONNECTION, one_per_second.connection_json(auth="api_key_header", limits=UNLIMITED))
    with pytest.raises(RateLimitedError):
        create_and_write_again(Learning360Hook(max_attempts=1).api, create, limit)
    assert [entry["refused_by"] for entry in one_per_second.control.journal()] == [[], [limit]]


# Rate limiter of one process only

WORKER = """
import sys
from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.client import Client
from airflow_provider_360learning.api.types import Settings
from airflow_provider_360learning.api.limiter.sqlite import host_store
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.spec import API_V1

folder, url, company_id, api_key, name = sys.argv[1:]
rate_limiter = RateLimiter(
    host_store(folder), base_url=url, company_id=company_id, margin=0.5, fallback=Share(0.001, started=0.0)
)
api = ApiV1(Client(Settings(url, company_id, api_key, auth="api_key_header"), API_V1, rate_limiter))
for number in range(2):
    api.create_user(mail=f"{name}-{number}@acme.test")
"""


@pytest.mark.realtime
def test_processes_share_the_limit_of_an_operation(tmp_path):
    with Sandbox() as sandbox:
        arguments = [str(tmp_path), sandbox.url, sandbox.company_id, sandbox.api_key]
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *arguments, name], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )
            for name in ("ana", "bob", "eve")
        ]
        assert [worker.wait(timeout=180) for worker in workers] == [0, 0, 0]
        journal = sandbox.control.journal()
    assert [entry["status"] for entry in journal] == [200] * 6
    arrivals = [entry["arrived_at"] for entry in journal]
    assert max(sum(first <= other < first + 1.0 for other in arrivals) for first in arrivals) == 2
