"""Malformed responses to the polls of every sensor and of its trigger: errors of the family, and never a false end."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import random
import re
import time
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowSensorTimeout

from airflow_provider_360learning.api.pages import MAX_EMPTY_PAGES
from airflow_provider_360learning.api.versions import VERSIONS
from airflow_provider_360learning.completion import CONDITIONS
from airflow_provider_360learning.completion.event import MAX_CONSECUTIVE_FAILURES
from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.get_provider_info import get_provider_info
from airflow_provider_360learning.sensors.base import Learning360BaseSensor
from airflow_provider_360learning.triggers.completion import Learning360CompletionTrigger
from tests.attacks.hostile_server import HostileServer, hostile_server, response
from tests.attacks.malformed import ID
from tests.sensors.virtual_time import START, VirtualTimeTrigger, run

#: Values of a response that are replaced for each sensor, chosen from a seed: all of them take minutes.
ROUNDS = 10
OTHER_ID, GROUP_ID = "b" * 24, "c" * 24
MAIL, OTHER_MAIL = "ana@acme.test", "bo@acme.test"
TIME, LATER = "2026-01-01T12:00:00.000Z", "2099-01-01T12:00:00.000Z"
#: Arguments by name; names that end with ``_id`` are names of ids.
ARGUMENTS = {"user": MAIL, "users": [MAIL, OTHER_MAIL], "since": TIME, "group_id": GROUP_ID}

ANA = {"_id": ID, "mail": MAIL, "status": "active"}
BO = {"_id": OTHER_ID, "mail": OTHER_MAIL, "status": "invited"}
STARTED = {"_id": ID, "userId": ID, "courseId": ID, "progress": 50, "score": 10, "completedAt": None, "globalTime": 15}
DRAFT = {
    **{"_id": ID, "name": "x", "status": "draft", "group": GROUP_ID, "groupId": GROUP_ID, "createdAt": LATER},
    **{"modifiedAt": LATER, "creationDate": LATER, "modificationDate": LATER},
}
LEARNERS = [
    {"_id": id, "userId": id, "mail": mail, "completedAt": completed_at, "enrolledAt": TIME, "deleted": False}
    for id, mail, completed_at in ((ID, MAIL, TIME), (OTHER_ID, OTHER_MAIL, None))
]
REGISTRATIONS = [
    {"_id": id, "classroomSlotId": ID, "userId": id, "status": "published", "hasAttended": attended}
    for id, attended in ((ID, True), (OTHER_ID, None))
]
JOB = {"_id": ID, "type": "x", "status": "running", "createdAt": TIME, "startedAt": TIME, "progress": 3}
NOBODY = {"error": "user_not_found"}
#: Valid responses by operation with which no wait is over.
RESPONSES: dict[str, dict[str, Any]] = {
    "v1": {
        "getCourse": DRAFT,
        "getCourses": [DRAFT],
        "getPathSessionStats": {"detailedStatus": {"onTime": 2, "successful": 1}},
        "getUser": NOBODY,
        "getUserCourseStats": {"attempts": [STARTED]},
        "getUserRoles": [{"group": OTHER_ID, "roles": ["learner"]}],
        "getUsersPathSessionStats": {"pathId": ID, "usersStats": LEARNERS},
    },
    "v2": {
        "generateToken": {"token_type": "Bearer", "access_token": "token", "expires_in": 3600},
        "getAllCourseStats": [STARTED],
        "getAllPathSessions": [{"_id": ID, "name": "Autumn", "pathId": ID, "groupId": ID, "startDate": TIME}],
        "getBulkOperation": JOB,
        "getCourse": DRAFT,
        "getCourses": [DRAFT],
        "getSessionStats": {"certificates": 0, "usersCountByStatus": {"successful": 1, "onTime": 2}},
        "getSlotRegistrations": REGISTRATIONS,
        "getUser": BO,
        "getUserRolesInGroups": [{"groupId": OTHER_ID, "role": "learner"}],
        "getUserStats": LEARNERS,
        "getUsers": [ANA, BO],
    },
}
#: JSON of values, each invalid in most places. Values of the type of the valid one are not used in its place.
WRONG = (
    *("null", "true", "-1", "0.4", "1e400", "1" + "0" * 400, "NaN", '""', '"x"', '"false"', r'"\ud800"', r'"\u0000"'),
    *("[]", "{}", "[[]]", "[{}]", "[null]", '["x"]', '{"a":{}}', '{"type":[]}', "[" * 200 + "]" * 200),
    *('"2026-99-99T99:99:99.999Z"', '"0001-01-01T00:00:00+23:59"', '"' + "x" * 70_000 + '"'),
)
#: Bodies that are no valid response to any operation.
BODIES = {
    "deep": b'[{"a":' + b'{"a":' * 100_000,
    "invalid UTF-8": b'[{"_id":"\xff\xfe"}]',
    "page for people": b"<!doctype html><title>Down</title>",
    "large number": b'{"_id":1' + b"0" * 5000 + b"}",
    "many nulls": b"[" + b"null," * 200_000 + b"null]",
}


def sensors() -> dict[str, type[Learning360BaseSensor]]:
    """Return the sensors that the provider lists, by the subject of their condition."""
    names = [name for group in get_provider_info()["sensors"] for name in group["python-modules"]]
    found = [each for name in names for each in vars(importlib.import_module(name)).values()]
    kinds = [each for each in found if isinstance(each, type) and issubclass(each, Learning360BaseSensor)]
    return {each.subject: each for each in kinds if each is not Learning360BaseSensor}


SENSORS = sensors()
#: Conditions that a version of the API cannot poll.
UNAVAILABLE = {("bulk_job", "v1"), ("slot_attendance", "v1")}
WAITS = [(subject, version) for subject in CONDITIONS for version in VERSIONS if (subject, version) not in UNAVAILABLE]
ROUTES = {
    name: [
        (endpoint, re.compile(re.sub(r"\{\w+\}", "[^/]+", version.spec.path_prefix + endpoint.path)))
        for endpoint in sorted(version.spec.endpoints.values(), key=lambda endpoint: endpoint.path.count("{"))
    ]
    for name, version in VERSIONS.items()
}


def arguments_of(subject: str) -> dict[str, Any]:
    """Return arguments of a condition; a new one may need a further name in ARGUMENTS."""
    fields = CONDITIONS[subject].model_fields
    wanted = [name for name, field in fields.items() if field.is_required() or name.endswith("_id")]
    return {name: ARGUMENTS.get(name) or ID for name in wanted if name in ARGUMENTS or name.endswith("_id")}


def operation_of(version: str, request: bytes) -> str:
    method, target = request.split(b" ", 2)[:2]
    path = urllib.parse.urlsplit(target.decode()).path
    return next(
        endpoint.operation
        for endpoint, route in ROUTES[version]
        if endpoint.method == method.decode() and route.fullmatch(path)
    )


class Attack:
    """A server whose responses are valid but for those of some operations, and sensors and triggers that poll it."""

    def __init__(self, subject: str, version: str) -> None:
        self.subject, self.version = subject, version
        #: Bodies by operation that replace the valid ones.
        self.bodies: dict[str, bytes] = {}
        #: The operations that were called, and header lines of their responses.
        self.operations: dict[str, None] = {}
        self.headers: Callable[[], list[str]] = list

    def respond(self, request: bytes) -> Iterator[bytes]:
        operation = operation_of(self.version, request)
        self.operations[operation] = None
        if operation == "generateToken":
            return response(json.dumps(RESPONSES["v2"][operation]).encode())
        valid = RESPONSES[self.version][operation]
        status = "400 Bad Request" if valid is NOBODY else "200 OK"
        return response(self.bodies.get(operation, json.dumps(valid).encode()), status, self.headers())

    def sensor(self, **options: Any) -> Learning360BaseSensor:
        options = {"timeout": 60, "mode": "poke", **options}
        return SENSORS[self.subject](task_id="wait", **arguments_of(self.subject), **options)

    def poke(self, **options: Any) -> bool:
        """Return whether a sensor takes the wait for over; an error of the family is none."""
        try:
            return bool(self.sensor(**options).poke({}).is_done)
        except Exception as error:
            if not is_of_family(error):
                raise
            return False

    def event(self, timeout: float = 90.0) -> dict[str, Any]:
        """Return the event of a trigger that tolerates no further failure."""
        trigger = VirtualTimeTrigger(
            learning360_conn_id="learning360_default",
            subject=self.subject,
            arguments=arguments_of(self.subject),
            poke_interval=60.0,
            first_poke=START,
            deadline=START + timeout,
            failures=MAX_CONSECUTIVE_FAILURES,
        )

        async def events() -> list[dict[str, Any]]:
            return [event.payload async for event in trigger.run()]

        (event,) = run(events())
        return event


def is_of_family(error: BaseException | None) -> bool:
    """Return whether an error is one of the family, or led to by one."""
    while error is not None:
        if isinstance(error, Learning360Error):
            return True
        error = error.__cause__
    return False


@pytest.fixture
def attack(connect_to, subject: str, version: str) -> Iterator[Attack]:
    """Return the attack on a wait, whose valid responses do not end it."""
    attack = Attack(subject, version)
    with hostile_server(attack.respond, keep_open=True) as server:
        connect(connect_to, server, version)
        yield attack


def connect(connect_to, server: HostileServer, version: str) -> None:
    limits = dict.fromkeys(VERSIONS[version].spec.limits, 1000)
    credentials = {} if version == "v1" else {"auth": "oauth2", "company_id": "d" * 24}
    connect_to(server.url, api_version=version, limits=limits, **credentials)


def places_in(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Yield the place and the value of everything in a response, itself first."""
    yield place, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from places_in(each, (*place, key))


def with_mark(value: Any, place: tuple[Any, ...]) -> Any:
    """Return a response with a mark in the place of a value."""
    if not place:
        return "<wrong>"
    key, *rest = place
    copy = value.copy()
    copy[key] = with_mark(value[key], tuple(rest))
    return copy


def kind_of(value: Any) -> type:
    """Return the type of a value; ``None`` may stand in the place of a boolean."""
    return bool if value is None else type(value)


def replacements(operation: str, valid: Any) -> Iterator[tuple[str, bytes, str]]:
    """Yield responses with one value that has another type, and where it is."""
    for place, value in places_in(valid):
        for wrong in WRONG:
            try:
                read = json.loads(wrong)
            except RecursionError:
                read = []
            if isinstance(value, str | list | dict) or kind_of(read) is not kind_of(value):
                body = json.dumps(with_mark(valid, place)).replace('"<wrong>"', wrong).encode()
                yield operation, body, f"{operation} {place} {wrong[:30]}"


def test_every_sensor_is_attacked():
    assert {each.subject for each in SENSORS.values()} <= set(CONDITIONS)
    assert {subject for subject, _ in WAITS} == set(CONDITIONS)


@pytest.mark.parametrize(("subject", "version"), [wait for wait in WAITS if wait[0] in SENSORS])
def test_a_value_of_another_type_does_not_end_a_sensor(attack, subject, version):
    assert attack.poke() is False
    assert not attack.bodies
    called = [each for each in attack.operations if each != "generateToken"]
    choices = [each for name in called for each in replacements(name, RESPONSES[version][name])]
    for operation, body, name in random.Random(f"{subject} {version}").sample(choices, min(ROUNDS, len(choices))):
        attack.bodies = {operation: body}
        assert attack.poke() is False, name


@pytest.mark.parametrize(("subject", "version"), WAITS)
def test_a_body_that_is_no_response_ends_a_trigger_with_an_error_of_the_family(attack, subject, version):
    for name, body in BODIES.items():
        attack.bodies = dict.fromkeys(RESPONSES[version], body)
        event = attack.event()
        assert event["status"] in ("error", "transient_error"), name
        assert "Error: " in event["message"], f"{name}: {event['message']}"


@pytest.mark.parametrize(("subject", "version"), WAITS)
def test_a_trigger_of_a_wait_that_is_not_over_times_out(attack):
    assert attack.event()["status"] == "timeout"


# What ended a wait too early, one by one

COUNTS = {
    "v1": ("getPathSessionStats", "detailedStatus"),
    "v2": ("getSessionStats", "usersCountByStatus"),
}
LEARNERS_BEFORE = {
    "no number": '{"onTime":null,"successful":1}',
    "fraction": '{"onTime":0.4,"successful":1}',
    "negative": '{"onTime":-1,"successful":2}',
}


@pytest.mark.parametrize("counts", LEARNERS_BEFORE.values(), ids=list(LEARNERS_BEFORE))
@pytest.mark.parametrize(("subject", "version"), [("path_session_statuses", version) for version in VERSIONS])
def test_numbers_of_learners_are_not_guessed(attack, version, counts):
    operation, key = COUNTS[version]
    attack.bodies = {operation: f'{{"certificates":0,"{key}":{counts}}}'.encode()}
    assert attack.poke() is False
    assert "is not a number of things" in attack.event()["message"]


@pytest.mark.parametrize(("subject", "version"), [("path_session_statuses", "v1")])
def test_both_spellings_of_a_status_count(attack):
    attack.bodies = {"getPathSessionStats": b'{"detailedStatus":{"OnTime":5,"onTime":0,"successful":1}}'}
    assert attack.poke() is False


@pytest.mark.parametrize("deleted", ['"false"', "1", "[[]]", '{"a":1}'])
@pytest.mark.parametrize(("subject", "version"), [("path_session", "v1")])
def test_learners_who_may_be_deleted_are_not_left_out(attack, deleted):
    learners = json.dumps([LEARNERS[0], {**LEARNERS[1], "deleted": "<wrong>"}]).replace('"<wrong>"', deleted)
    attack.bodies = {"getUsersPathSessionStats": f'{{"pathId":"{ID}","usersStats":{learners}}}'.encode()}
    assert attack.poke() is False
    assert "deleted is not a boolean" in attack.event()["message"]


@pytest.mark.parametrize("id", ["false", "0", '"x"', "[]", "{}"])
def test_a_user_without_an_id_is_not_active(connect_to, id):
    attack = Attack("user_activation", "v1")
    with hostile_server(lambda request: response(f'{{"_id":{id},"mail":"{MAIL}"}}'.encode())) as server:
        connect(connect_to, server, "v1")
        assert attack.poke() is False
        assert attack.event()["status"] == "transient_error"


# Lists without end

PAGED = [wait for wait in WAITS if wait[1] == "v2" and wait[0] not in ("bulk_job", "path_session_statuses")]


@pytest.mark.parametrize("link", ["/api/v2/users?page=1", "http://127.0.0.2:9/api/v2/users?page=1"])
@pytest.mark.parametrize(("subject", "version"), PAGED)
def test_a_page_that_leads_back_or_to_another_host_ends_the_poll(attack, link):
    attack.headers = lambda: [f"Link: <{link}>; rel=next"]
    assert attack.event()["status"] in ("error", "transient_error")
    assert attack.subject not in SENSORS or attack.poke() is False


def test_pages_without_items_are_limited(connect_to):
    attack, numbers = Attack("group_membership", "v2"), itertools.count()
    attack.bodies = {"getUserRolesInGroups": b"[]"}
    attack.headers = lambda: (
        [f"Link: </api/v2/users/{ID}/roles?page={next(numbers)}>; rel=next"]
        if list(attack.operations)[-1] == "getUserRolesInGroups"
        else []
    )
    with hostile_server(attack.respond, keep_open=True) as server:
        connect(connect_to, server, "v2")
        assert "pages in a row have no items" in attack.event()["message"]
    assert len(server.requests) < MAX_EMPTY_PAGES + 10


@pytest.mark.parametrize("options", [{"mode": "poke"}, {"deferrable": True}], ids=["poke", "deferrable"])
def test_a_poll_does_not_outlast_the_sensor(connect_to, options):
    """Its list has items, and no end."""
    attack, numbers = Attack("course_publication", "v2"), itertools.count()

    def slow_page():
        time.sleep(0.02)
        return [f"Link: </api/v2/courses?page={next(numbers)}>; rel=next"]

    attack.headers = slow_page
    with hostile_server(attack.respond, keep_open=True) as server:
        connect(connect_to, server, "v2")
        sensor = attack.sensor(timeout=2, poke_interval=0.1, **options)
        with pytest.raises(AirflowSensorTimeout, match="longer than"):
            sensor.execute({})
    assert 1 < len(server.requests) < 1000


@pytest.mark.realtime
def test_a_trigger_stops_at_its_deadline_within_a_list_without_end(connect_to):
    attack, numbers = Attack("course_publication", "v2"), itertools.count()
    attack.headers = lambda: [f"Link: </api/v2/courses?page={next(numbers)}>; rel=next"]

    async def wait() -> tuple[dict[str, Any], int]:
        trigger = Learning360CompletionTrigger(
            learning360_conn_id="learning360_default",
            subject=attack.subject,
            arguments=arguments_of(attack.subject),
            poke_interval=60.0,
            first_poke=0.0,
            deadline=time.time() + 0.5,
        )
        (event,) = [event.payload async for event in trigger.run()]
        await asyncio.sleep(0.2)  # for the request that is in progress
        sent = len(server.requests)
        await asyncio.sleep(0.2)
        return event, len(server.requests) - sent

    with hostile_server(attack.respond, keep_open=True) as server:
        connect(connect_to, server, "v2")
        event, sent_later = asyncio.run(wait())
    assert (event["status"], sent_later) == ("timeout", 0)
    assert len(server.requests) > 2
