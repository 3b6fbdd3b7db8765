"""Faults that users of connectors to other services met, tried on this package through a real socket.

``docs/known-provider-bugs.md`` lists all of them; those that have a test elsewhere are not tried here again.
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
NOBODYS_ID = "f" * 24
NOBODYS_MAIL = "nobody@acme.test"


@pytest.fixture
def connect(monkeypatch) -> Callable[..., None]:
    """Lead a connection to a server of a test's own."""

    def connect(url: str, conn_id: str = "learning360_default", **extra: object) -> None:
        extra = {"auth": "api_key_header", "limits": UNLIMITED, **extra}
        fields = {"conn_type": "learning360", "host": url, "login": "c" * 24, "password": "k" * 32}
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({**fields, "extra": extra}))

    return connect


async def event_of(trigger):
    (event,) = [event.payload async for event in trigger.run()]
    return event


def make_sensor(session_id=NOBODYS_ID, **arguments):
    return Learning360PathSessionCompletionSensor(task_id="wait", session_id=session_id, **arguments)


def run(operator, **arguments):
    return operator(task_id="one", **arguments).execute({})


# Retries that never see a 429


def update_by_an_operator(session_id):
    assert run(Learning360UpdateUserOperator, user=GRACE_MAIL, job="Admiral")["outcome"] == "updated"


def read_in_a_script(session_id):
    assert Learning360Hook().api.get_user(user=GRACE_MAIL)["user_id"] == GRACE_ID


def wait_in_the_triggerer(session_id):
    assert asyncio.run(event_of(make_trigger(session_id, poke_interval=0.5)))["status"] == "success"


def wait_in_the_worker(session_id):
    sensor = make_sensor(session_id, deferrable=False, mode="poke", poke_interval=0.5, timeout=20)
    assert sensor.execute({})["done"] == 1


@pytest.mark.parametrize(
    ("way", "operation"),
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
def test_a_refusal_that_passes_is_waited_out(sandbox, session_id, way, operation, refusal, status, earliest):
    """Through every layer that a user's call goes through, with the settings as they are by default."""
    sandbox.control.advance(3600)
    sandbox.control.add_fault(operation, **refusal)
    way(session_id)
    first, second = [entry for entry in sandbox.control.journal() if entry["operation"] == operation]
    assert (first["status"], second["status"]) == (status, 200)
    assert second["arrived_at"] - first["arrived_at"] >= earliest


@pytest.mark.parametrize("attempts", [1, 2])
def test_the_server_sees_as_many_attempts_as_were_set(sandbox, attempts):
    sandbox.control.add_fault("getUser", kind="status", status=503, count=9)
    with pytest.raises(ServerError):
        Learning360Hook(max_attempts=attempts).api.get_user(user=GRACE_MAIL)
    assert operations(sandbox) == ["getUser"] * attempts


# Polling that spins

PASSING = {
    "429": Response({"error": "tooManyRequests"}, 429),
    "429, at once": Response({"error": "tooManyRequests"}, 429, {"Retry-After": "0"}),
    "500": Response({"error": "an error occurred: " + "0" * 32}, 500),
    "502": Response(b"<h1>Bad Gateway</h1>", 502),
    "503, at once": Response("", 503, {"Retry-After": "0"}),
    "504": Response("", 504),
    "200 without an answer": Response({"error": "tooManyRequests"}),
}
PERMANENT = {
    "401": Response({"error": "invalid_company_id"}, 401),
    "403": Response({"error": "forbidden"}, 403),
}


@pytest.mark.parametrize("auth", ["api_key_header", "oauth2"])
def test_a_deferred_wait_asks_once_an_interval_whatever_the_answer(connect, auth):
    """A wait for each answer, at a server that has no other. With tokens, it is the token endpoint that says so."""

    async def wait_for_all(conn_ids):
        triggers = [make_trigger(NOBODYS_ID, conn_id=conn_id, poke_interval=5, timeout=2) for conn_id in conn_ids]
        return await asyncio.gather(*map(event_of, triggers))

    with ExitStack() as stack:
        servers = {}
        for number, (refusal, answer) in enumerate({**PASSING, **PERMANENT}.items()):
            server = servers[refusal] = stack.enter_context(TinyServer(lambda request, answer=answer: answer))
            connect(server.url, f"refusing_{number}", auth=auth)
        events = asyncio.run(wait_for_all([f"refusing_{number}" for number in range(len(servers))]))
    assert {refusal: len(server.requests) for refusal, server in servers.items()} == dict.fromkeys(servers, 1)
    assert [event["status"] for event in events] == ["timeout"] * len(PASSING) + ["error"] * len(PERMANENT)


def test_a_token_that_is_never_accepted_costs_one_new_token_and_no_more(connect):
    def respond(request):
        if request.method == "POST":
            return Response({"access_token": "never-good", "expires_in": "3600"})
        return Response({"error": "invalid_token", "error_description": "jwt expired"}, 401)

    with TinyServer(respond) as server:
        connect(server.url, auth="oauth2")
        assert asyncio.run(event_of(make_trigger(NOBODYS_ID, poke_interval=0.05, timeout=5)))["status"] == "error"
    assert [request.method for request in server.requests] == ["POST", "GET"] * 2


def test_a_wait_in_the_worker_asks_once_an_interval_whatever_the_answer(sandbox, session_id):
    interval = 1.1  # longer than a call would take to send something again by itself
    for status in (500, 502, 504):
        sandbox.control.add_fault(POKE, kind="status", status=status, headers={"Retry-After": "0"})
    sandbox.control.add_fault(POKE, kind="rate_limited")
    sandbox.control.add_fault(POKE, kind="status", status=403, body={"error": "forbidden"})
    with pytest.raises(AirflowFailException):
        make_sensor(session_id, deferrable=False, mode="poke", poke_interval=interval, timeout=20).execute({})
    entries = sandbox.control.journal()
    assert [entry["status"] for entry in entries] == [500, 502, 504, 429, 403]
    arrivals = [entry["arrived_at"] for entry in entries]
    assert min(later - earlier for earlier, later in itertools.pairwise(arrivals)) >= interval


# All rows failed and a green task


@pytest.mark.parametrize("rows", ["first", "last", "all"])
@pytest.mark.parametrize(
    ("operator", "argument", "good", "bad"),
    [
        (Learning360EnrollUsersOperator, "users", GRACE_MAIL, NOBODYS_MAIL),
        (Learning360EnrollUsersOperator, "users", GRACE_MAIL, NOBODYS_ID),
        (Learning360EnrollUsersOperator, "users", GRACE_ID, NOBODYS_MAIL),
        (Learning360EnrollGroupsOperator, "group_ids", SALES_GROUP_ID, NOBODYS_ID),
        (Learning360UnenrollUsersOperator, "users", GRACE_MAIL, NOBODYS_MAIL),
        (Learning360UnenrollUsersOperator, "users", GRACE_MAIL, NOBODYS_ID),
        (Learning360AddToCatalogOperator, "course_ids", WELCOME_COURSE_ID, NOBODYS_ID),
        (Learning360RemoveFromCatalogOperator, "course_ids", WELCOME_COURSE_ID, NOBODYS_ID),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_list_of_which_a_row_is_refused_is_red(sandbox, session_id, operator, argument, good, bad, rows):
    """As far as the platform tells: what v1 answers about single rows is an assumption of the sandbox."""
    sandbox.control.settings(catalog_absent_response="not_found")
    place = {"session_id": session_id} if operator.__module__.endswith("paths") else {"group_id": SALES_GROUP_ID}
    # So that the good row can be taken out again.
    run(Learning360AddToCatalogOperator, group_id=SALES_GROUP_ID, course_ids=[WELCOME_COURSE_ID])
    values = {"first": [bad, good], "last": [good, bad], "all": [bad]}[rows]
    with pytest.raises(AirflowFailException, match=r"NotFoundError: .*_not_found"):
        run(operator, **place, **{argument: values})


def test_a_row_that_the_platform_passes_over_in_silence_is_missed_by_the_wait(sandbox, session_id):
    """If v1 ignores mails that it does not know, an enrollment of them cannot be anything but green."""
    sandbox.control.settings(unknown_mail_in_enrollment="ignore")
    users = [GRACE_MAIL, NOBODYS_MAIL]
    assert run(Learning360EnrollUsersOperator, session_id=session_id, users=users)["outcome"] == "enrolled"
    sandbox.control.advance(3600)
    with pytest.raises(AirflowFailException, match=NOBODYS_MAIL):
        make_sensor(session_id, users=users, if_not_enrolled="fail", deferrable=True).execute({})
    waiting = make_sensor(session_id, users=users, deferrable=False, mode="poke", poke_interval=0.05, timeout=0.2)
    with pytest.raises(AirflowSensorTimeout):
        waiting.execute({})


# Timeouts that are accepted and never used


@contextmanager
def silent_server() -> Iterator[tuple[str, queue.Queue[float]]]:
    """Hear requests, answer none, and tell for how many seconds each was waited for before the client hung up."""
    waited: queue.Queue[float] = queue.Queue()

    def hear(connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            if not connection.recv(65536):
                return
            heard_at = time.monotonic()
            with suppress(ConnectionError):
                while connection.recv(65536):
                    pass
            waited.put(time.monotonic() - heard_at)

    def listen() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=hear, args=(listener.accept()[0],), daemon=True).start()

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        threading.Thread(target=listen, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", waited
        listener.shutdown(socket.SHUT_RDWR)


@contextmanager
def full_server() -> Iterator[str]:
    """Give the address of a server whose queue of connections is full: Linux leaves further ones unanswered."""
    with ExitStack() as sockets:
        listener = sockets.enter_context(closing(socket.create_server(("127.0.0.1", 0), backlog=0)))
        for _ in range(4):
            caller = sockets.enter_context(closing(socket.socket()))
            caller.setblocking(False)
            caller.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def ask_in_a_script():
    with pytest.raises(TransportError):
        Learning360Hook(max_attempts=1).api.get_user(user=GRACE_MAIL)


def ask_in_the_triggerer():
    asyncio.run(event_of(make_trigger(NOBODYS_ID, poke_interval=5, timeout=1)))


@pytest.mark.parametrize("auth", ["api_key_header", "oauth2"])
@pytest.mark.parametrize("ask", [ask_in_a_script, ask_in_the_triggerer], ids=lambda ask: ask.__name__)
def test_read_timeout_is_when_the_server_sees_the_client_hang_up(connect, ask, auth):
    """With tokens, it is the token request that is not answered."""
    with silent_server() as (url, waited):
        connect(url, auth=auth, read_timeout=0.5, connect_timeout=30)
        ask()
        assert 0.25 < waited.get(timeout=10) < 10, "by default it is 60 s"


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, a full queue refuses connections at once")


@linux
def test_connect_timeout_ends_a_call_that_nobody_takes(connect):
    with full_server() as url:
        connect(url, connect_timeout=0.4, read_timeout=30)
        started = time.monotonic()
        with pytest.raises(TransportError, match="connect_timeout") as caught:
            Learning360Hook(max_attempts=1).api.list_groups()
    assert 0.4 <= time.monotonic() - started < 8, "by default it is 10 s"
    assert not caught.value.sent


@linux
def test_connect_timeout_ends_each_poke_of_a_deferred_wait(connect):
    """Six that fail break the wait off; with the default of 10 s each, its own timeout would come first."""
    with full_server() as url:
        connect(url, connect_timeout=0.2, read_timeout=30)
        event = asyncio.run(event_of(make_trigger(NOBODYS_ID, poke_interval=0.05, timeout=9)))
    assert event["status"] == "transient_error"
    assert "connect_timeout" in event["message"]


def closed_for_half_a_minute(request):
    return Response({"error": "tooManyRequests"}, 429, {"Retry-After": "30"})


def test_max_rate_limit_wait_ends_a_deferred_wait_without_another_request(connect, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__MAX_RATE_LIMIT_WAIT", "0.1")
    with TinyServer(closed_for_half_a_minute) as server:
        connect(server.url)
        event = asyncio.run(event_of(make_trigger(NOBODYS_ID, poke_interval=0.05, timeout=9)))
    assert event["status"] == "transient_error"
    assert "max_rate_limit_wait" in event["message"]
    assert len(server.requests) == 1


def test_the_timeout_of_a_wait_in_the_worker_holds_where_the_rate_limit_has_no_room(connect):
    with TinyServer(closed_for_half_a_minute) as server:
        connect(server.url)
        sensor = make_sensor(deferrable=False, mode="poke", poke_interval=0.2, timeout=0.5)
        started = time.monotonic()
        with pytest.raises((AirflowSensorTimeout, Learning360Error)):
            sensor.execute({})
    assert time.monotonic() - started < 20, "until there is room, it would be 30 s"
    assert len(server.requests) == 1


# A lost return value on reconnect


def test_a_wait_that_another_triggerer_takes_over_returns_what_it_saw(sandbox, session_id):
    """Nothing is remembered but what stands in the database."""

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


# Only one of several limits that is charged


@pytest.fixture(params=["createOrInviteUser", "company_writes", "ip_writes"])
def limit(request) -> str:
    """A limit of createOrInviteUser."""
    return str(request.param)


@pytest.fixture
def one_a_second(limit) -> Iterator[Sandbox]:
    """A sandbox that has this limit alone, and lets one request a second through."""
    with Sandbox(settings={"limits": {**dict.fromkeys(DOCUMENTED_LIMITS), limit: 1}}) as sandbox:
        yield sandbox


def create(api, mail):
    api.create_user(mail=mail)


def create_on_an_event_loop(api, mail):
    with ThreadPoolExecutor(1) as executor:
        asyncio.run(api.create_user.arun(executor, mail=mail))


def create_and_write_again(api, create, limit):
    """WriteSpec what has the limit in common with a creation, and as few others as can be."""
    create(api, "ana@acme.test")
    if limit == "createOrInviteUser":
        create(api, "bob@acme.test")
    else:
        api.update_user(user=GRACE_MAIL, job="Admiral")


@pytest.mark.parametrize("create", [create, create_on_an_event_loop], ids=lambda create: create.__name__)
def test_a_creation_takes_a_place_in_its_route_and_company_and_address(one_a_second, monkeypatch, limit, create):
    # Enough for a busy machine, where a request may arrive this much later than it was sent.
    monkeypatch.setenv("AIRFLOW__LEARNING360__RATE_LIMIT_MARGIN_MS", "500")
    limits = {**UNLIMITED, limit: 1}
    monkeypatch.setenv(CONNECTION, one_a_second.connection_json(auth="api_key_header", limits=limits))
    create_and_write_again(Learning360Hook().api, create, limit)
    first, second = one_a_second.control.journal()
    assert (first["status"], second["status"]) == (200, 200)
    assert second["arrived_at"] - first["arrived_at"] >= 1.0


def test_the_sandbox_counts_a_creation_in_its_route_and_company_and_address(one_a_second, monkeypatch, limit):
    monkeypatch.setenv(CONNECTION, one_a_second.connection_json(auth="api_key_header", limits=UNLIMITED))
    with pytest.raises(RateLimitedError):
        create_and_write_again(Learning360Hook(max_attempts=1).api, create, limit)
    assert [entry["refused_by"] for entry in one_a_second.control.journal()] == [[], [limit]]


# A budget that lives in one process

WORKER = """
import sys
from airflow_provider_360learning.api.limiter.limiter import RateLimiter, Share
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
    api.create_user(f"{name}-{number}@acme.test")
"""


def test_processes_together_keep_to_the_limit_of_a_route(tmp_path):
    with Sandbox() as sandbox:
        facts = [str(tmp_path), sandbox.url, sandbox.company_id, sandbox.api_key]
        workers = [
            subprocess.Popen(
                [sys.executable, "-c", WORKER, *facts, name], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
            )
            for name in ("ana", "bob", "eve")
        ]
        assert [worker.wait(timeout=60) for worker in workers] == [0, 0, 0]
        journal = sandbox.control.journal()
    assert [entry["status"] for entry in journal] == [200] * 6
    arrivals = [entry["arrived_at"] for entry in journal]
    assert max(sum(first <= other < first + 1.0 for other in arrivals) for first in arrivals) == 2
