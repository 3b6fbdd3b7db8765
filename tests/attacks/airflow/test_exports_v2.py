"""Exports of attempts from a hostile server of API v2: the task fails, and the file of the last export stays."""

from __future__ import annotations

import gzip
import itertools
import json
from functools import cached_property

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.api.v2.spec import API_V2
from airflow_provider_360learning.exceptions import Learning360Error
from airflow_provider_360learning.files.formats import read
from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.operators.exports import (
    Learning360ExportCourseStatisticsOperator,
    Learning360ExportMembershipsOperator,
    Learning360ExportPathSessionStatisticsOperator,
)
from tests.attacks.hostile_server import hostile_server, response
from tests.unlimited_sandbox import CONNECTION

ID, SECRET, TOKEN = "a" * 24, "planted-secret", "planted-token"
#: One window of attempts, and 60 of them, of which several are read at once.
SECOND = {"interval_start": "2026-01-01T12:00:00Z", "interval_end": "2026-01-01T12:00:01Z"}
MINUTE = {"interval_start": "2026-01-01T12:00:00Z", "interval_end": "2026-01-01T12:01:00Z"}
TIME = "2026-01-01T12:00:00.000Z"
ATTEMPT = {
    "_id": ID,
    "courseId": ID,
    "userId": ID,
    "progress": 100,
    "timeSpent": 1500,
    "firstActivityAt": TIME,
    "lastActivityAt": TIME,
    "completedAt": TIME,
}


class SendsOnce(Learning360ExportCourseStatisticsOperator):
    """Sends each request once."""

    @cached_property
    def hook(self):
        return Learning360Hook(self.learning360_conn_id, task=self, max_attempts=1)


@pytest.fixture
def connect(monkeypatch):
    """Return a function that makes the connection lead to a server."""

    def connect(server, **extra):
        extra = {"api_version": "v2", "company_id": ID, "limits": dict.fromkeys(API_V2.limits, 1000), **extra}
        fields = {"conn_type": "learning360", "host": server.url, "login": ID, "password": SECRET, "extra": extra}
        monkeypatch.setenv(CONNECTION, json.dumps(fields))

    return connect


@pytest.fixture
def failure(tmp_path, connect):
    """Return a function that exports from a server, and returns the error. It verifies that no file has changed."""
    (tmp_path / "exports").mkdir()
    path = tmp_path / "exports" / "attempts.csv"
    path.write_text("the last export")

    def failure(server, interval=SECOND, **extra):
        connect(server, **extra)
        with pytest.raises((Learning360Error, AirflowFailException)) as caught:
            SendsOnce(task_id="export", output_path=str(path), **interval).execute({})
        assert [each.name for each in path.parent.iterdir()] == ["attempts.csv"]
        assert path.read_text() == "the last export"
        assert len(str(caught.value)) < 1000
        return caught.value

    return failure


def pages(*these):
    """Return a responder that grants a token, and then sends these pages, the last one again and again."""
    remaining = itertools.chain(these, itertools.repeat(these[-1]))

    def respond(request):
        if b"/oauth2/token" in request.split(b"\r\n")[0]:
            return response(json.dumps({"access_token": TOKEN, "expires_in": 3600}).encode())
        page = next(remaining)
        return page() if callable(page) else page

    return respond


def page(*attempts, link=""):
    """Return a function that makes the response of a page."""
    headers = [f"Link: <{link}>; rel=next"] if link else []
    return lambda: response(json.dumps(attempts).encode(), headers=headers)


def sent(server):
    """Return the targets of all requests but that of the token."""
    return [target for request in server.requests if "oauth2" not in (target := request.split()[1].decode())]


MALFORMED = {
    "no JSON": b"<html>",
    "an object": b"{}",
    "numbers": b"[1]",
    "lists": b"[[]]",
    "cut short": json.dumps([ATTEMPT]).encode()[:-20],
    "deep": b"[" * 100_000,
    "no id": json.dumps([{**ATTEMPT, "_id": None}]).encode(),
    "an id that is a number": json.dumps([{**ATTEMPT, "_id": 7}]).encode(),
    "a completion that is no timestamp": json.dumps([{**ATTEMPT, "completedAt": "soon"}]).encode(),
    "a completion that is a list": json.dumps([{**ATTEMPT, "completedAt": [TIME]}]).encode(),
    "a duration that is a string": json.dumps([{**ATTEMPT, "timeSpent": "long"}]).encode(),
    "a duration of 400 digits": json.dumps([ATTEMPT]).replace("1500", "9" * 400).encode(),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=list(MALFORMED))
@pytest.mark.parametrize("is_first", [True, False], ids=["first page", "second page"])
def test_a_malformed_page_fails_the_export(failure, body, is_first):
    before = [] if is_first else [page(ATTEMPT, link="/api/v2/courses/stats?next=1")]
    with hostile_server(pages(*before, lambda: response(body))) as server:
        failure(server)
    assert len(sent(server)) == len(before) + 1


@pytest.mark.parametrize(
    ("name", "value"), [("timeSpent", "1e999"), ("progress", "{}"), ("score", '"=1+1"'), ("pathId", "[[]]")]
)
def test_a_value_of_another_type_is_null_and_counted(connect, tmp_path, name, value):
    body = json.dumps([{**ATTEMPT, name: "planted"}]).replace('"planted"', value).encode()
    with hostile_server(pages(lambda: response(body))) as server:
        connect(server)
        path = str(tmp_path / "attempts.jsonl")
        result = SendsOnce(task_id="export", output_path=path, **SECOND).execute({})
    assert (result["rows"], result["invalid_values"]) == (1, 1)
    (row,) = (row for _, _, row, _ in read(path))
    assert row["attempt_id"] == ID
    assert value.strip('"') not in map(str, row.values())


OTHER_ORIGINS = {
    "absolute": "http://{other}/api/v2/courses/stats",
    "without a scheme": "//{other}/api/v2/courses/stats",
    "with our host as user": "http://{ours}@{other}/api/v2/courses/stats",
    "with a backslash": "http://{other}\\@{ours}/api/v2/courses/stats",
    "another scheme": "https://{ours}/api/v2/courses/stats",
    "another port": "http://127.0.0.1:1/api/v2/courses/stats",
}


@pytest.mark.parametrize("link", OTHER_ORIGINS.values(), ids=list(OTHER_ORIGINS))
def test_a_link_to_another_origin_is_not_followed(failure, link):
    with hostile_server(lambda request: response(b"[]")) as other:
        addresses = {"other": other.url.removeprefix("http://")}
        with hostile_server(lambda request: respond(request)) as server:
            addresses["ours"] = server.url.removeprefix("http://")
            respond = pages(page(ATTEMPT, link=link.format(**addresses)))
            error = failure(server)
    assert other.requests == []
    assert len(sent(server)) == 1
    assert not any(secret in str(error) for secret in (SECRET, TOKEN))


@pytest.mark.parametrize("length", [1, 2, 5])
def test_pages_that_lead_back_end_the_export(failure, length):
    links = [f"/api/v2/courses/stats?next={number}" for number in range(length)]
    around = [page({**ATTEMPT, "_id": f"{number:024x}"}, link=link) for number, link in enumerate(links)]
    with hostile_server(pages(*around * 3)) as server:
        assert "leads back to an earlier page" in str(failure(server))
    assert len(sent(server)) == length + 1


def test_windows_that_are_read_at_once_end_with_the_first_failure(failure):
    with hostile_server(pages(page(ATTEMPT, link="/api/v2/courses/stats?next=1"))) as server:
        failure(server, MINUTE)
    assert len(sent(server)) < 60, "fewer requests than windows"


@pytest.mark.parametrize(
    ("operator", "arguments", "noun"),
    [
        (Learning360ExportMembershipsOperator, {}, "groups"),
        (Learning360ExportPathSessionStatisticsOperator, SECOND, "path sessions"),
    ],
    ids=["groups", "path sessions"],
)
def test_ids_without_end_do_not_fill_the_memory(connect, tmp_path, operator, arguments, noun):
    item = json.dumps(
        {"_id": ID, "name": "x", "pathId": ID, "groupId": ID, "ownerGroupId": ID, "public": False}
    ).encode()
    body = b"[" + b",".join([item] * 5000) + b"]"
    numbers = itertools.count()

    def respond(request):
        if b"/oauth2/token" in request.split(b"\r\n")[0]:
            return response(json.dumps({"access_token": TOKEN, "expires_in": 3600}).encode())
        return response(body, headers=[f"Link: <?next={next(numbers)}>; rel=next"])

    with hostile_server(respond) as server:
        connect(server, max_response_mib=1)
        with pytest.raises(AirflowFailException, match=f"lists more {noun} than may be held in memory"):
            operator(task_id="export", output_path=str(tmp_path / "export.csv"), **arguments).execute({})


MIB = b" " * (1 << 20)
OVERSIZED = {
    "plain": lambda: response(itertools.repeat(MIB, 60)),
    "with its length": lambda: response(itertools.repeat(MIB, 60), length=60 << 20),
    "gzip": lambda: response(itertools.repeat(gzip.compress(MIB), 60), headers=["Content-Encoding: gzip"]),
    "many attempts": lambda: response(itertools.chain([b"["], itertools.repeat(b"{}," * 200_000, 60))),
}


@pytest.mark.parametrize("flood", OVERSIZED.values(), ids=list(OVERSIZED))
@pytest.mark.parametrize("is_first", [True, False], ids=["first page", "second page"])
def test_an_oversized_page_fails_the_export_for_good(failure, flood, is_first):
    before = [] if is_first else [page(ATTEMPT, link="/api/v2/courses/stats?next=1")]
    with hostile_server(pages(*before, flood)) as server:
        error = failure(server, max_response_mib=2)
    assert isinstance(error, AirflowFailException), "without retries"
    assert "increase the connection's max_response_mib" in str(error)
    assert len(sent(server)) == len(before) + 1
