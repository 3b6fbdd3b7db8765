"""Responses that are not what they should be: whatever comes, the error is one of the family."""

from __future__ import annotations

import itertools
import json
import random
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import tenacity

from airflow_provider_360learning.api import retry
from airflow_provider_360learning.api.limiter.limiter import MAX_BACK_OFF
from airflow_provider_360learning.api.sentences import outcome_sentence
from airflow_provider_360learning.api.spec import MAX_QUOTE
from airflow_provider_360learning.exceptions import (
    Learning360Error,
    RateLimitedError,
    RefusedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from tests.api.support import Sink
from tests.attacks import malformed
from tests.attacks.hostile_server import hostile_server, response
from tests.attacks.malformed import ID

#: Responses for each action.
ROUNDS = 8
MAIL = "ana@acme.test"
TIME = "2026-01-01T12:00:00.000Z"
INTERVAL = {"interval_start": datetime(2026, 1, 1, tzinfo=UTC), "interval_end": datetime(2026, 1, 2, tzinfo=UTC)}
USER = {"_id": ID, "mail": MAIL, "firstName": "Ana", "custom": "x", "primaryGroupId": ID}
GROUP = {"_id": ID, "name": "Lab", "public": True, "parent": None, "users": [USER], "admins": [USER]}
FIELD = {"_id": ID, "name": "Site", "collection": "users", "isRestricted": True, "authorizedValues": ["x"]}
ATTEMPT = {"_id": ID, "progress": 100, "score": 80.5, "lastActivity": TIME, "completedAt": TIME, "globalTime": 1500}
STATISTIC = {
    "_id": ID,
    "mail": MAIL,
    "progress": 5,
    "totalTimeSpentInSeconds": 1.5,
    "detailedStatus": {"type": "onTime"},
}
COURSE_STATISTICS = [{"course": {"_id": ID}, "stats": [{"user": USER, "attempts": [ATTEMPT]}] * 2}]
SLOT = {
    "classroom_id": ID,
    "name": "Noon",
    "slot_start": TIME,
    "slot_end": "2026-01-01T14:00:00.000Z",
    "location": "Room 1",
    "virtual": True,
    "duration_hours": 1,
    "trainers": [MAIL],
}
LINK = {"_id": ID, "type": "a", "name": "A", "order": 0, "iconName": "inbox"}
URL = {"type": "a", "name": "A", "iconName": "inbox", "url": "https://x.test"}
COURSE = {
    "_id": ID,
    "name": "x",
    "author": MAIL,
    "creationDate": TIME,
    "coAuthors": [MAIL],
    "courseDuration": 15,
    "skills": [ID],
    "translationsLangs": [{"lang": "fr", "published": True, "translators": [MAIL]}],
}
#: Arguments of each action, and valid responses to its requests.
ACTIONS = {
    "add_manager": ({"user": MAIL, "manager": ID}, [{}]),
    "add_to_catalog": ({"group_id": ID, "course_ids": [ID]}, [{}]),
    "add_to_library": ({"group_id": ID, "course_ids": [ID]}, [{}]),
    "add_user_to_group": ({"user": MAIL, "group": "Lab"}, [[GROUP], {}]),
    "archive_external_courses": ({"group_id": ID, "external_platform": "p", "external_ids": ["1"]}, [{}]),
    "create_custom_field": ({"name": "Level"}, [[FIELD], {"_id": ID}]),
    "create_custom_link": ({"type": "b", "name": "B"}, [[LINK], {}, [LINK]]),
    "create_custom_user_link": ({"user": MAIL, "type": "b", "url": "https://x.test"}, [[URL], {"status": "ok"}]),
    "create_group": ({"name": "Lab", "if_exists": "update", "public": True}, [[GROUP], {}]),
    "create_classroom_slot": ({**SLOT, "session_id": ID}, [USER, {"_id": ID}]),
    "create_path": (
        {"name": "Safety", "group_id": ID, "course_ids": [ID], "if_exists": "update", "linear": True},
        [[{"_id": ID, "name": "Safety", "groupId": ID}], {}],
    ),
    "create_path_session": (
        {"name": "Autumn", "path": "Welcome", "group_id": ID, "session_start": TIME},
        [[{"_id": ID, "name": "Welcome"}], [{"sessionId": ID, "pathId": ID, "sessionName": "Spring"}], {"_id": ID}],
    ),
    "create_tag": ({"name": "a", "if_exists": "update"}, [[{"_id": ID, "name": "a", "isMain": True}], {}]),
    "create_user": ({"mail": MAIL, "if_exists": "update"}, [{"status": "user_already_exists"}, USER, USER]),
    "delete_custom_field": ({"custom_field": "Site"}, [[FIELD], {}]),
    "delete_custom_link": ({"type": "a"}, [[LINK], {}]),
    "delete_custom_user_link": ({"user": ID, "type": "a"}, [USER, [URL], {}]),
    "delete_group": ({"group": "Lab"}, [[GROUP], {}]),
    "delete_path_session": (
        {"session_id": ID, "dry_run": True},
        [{"sessionId": ID, "sessionName": "Autumn"}, [USER, USER]],
    ),
    "delete_user": ({"user": MAIL}, [{}]),
    "enroll_groups": ({"session_id": ID, "group_ids": [ID]}, [{}]),
    "enroll_users": ({"session": "Autumn", "users": [MAIL]}, [[{"sessionId": ID, "sessionName": "Autumn"}], {}]),
    "get_authorized_values": ({"custom_field": "Site"}, [[FIELD], [FIELD]]),
    "get_catalog": ({"group_id": ID}, [{"courses": [USER], "paths": [GROUP]}]),
    "get_course": ({"course_id": ID}, [COURSE]),
    "get_external_course": (
        {"group_id": ID, "external_platform": "p", "external_id": "1"},
        [{"id": ID, "externalId": "1", "title": "x", "archived": False}],
    ),
    "get_group": ({"group_id": ID}, [GROUP]),
    "get_path_session_statuses": ({"session_id": ID}, [{"detailedStatus": {"onTime": 2, "successful": 1}}]),
    "get_path": (
        {"path_id": ID},
        [{"_id": ID, "name": "x", "sessionIds": [ID], "steps": [{"_id": ID, "type": "course"}], "createdAt": TIME}],
    ),
    "get_user": (
        {"user": MAIL},
        [{**USER, "lastLoginAt": TIME, "customFields": [{"customFieldId": ID, "value": "x"}]}],
    ),
    "get_user_by_external_id": ({"external_platform": "p", "external_id": "1"}, [USER]),
    "get_user_course_stats": ({"course_id": ID, "user": MAIL}, [{"attempts": [ATTEMPT, ATTEMPT]}]),
    "import_external_course_stats": (
        {"group_id": ID, "external_platform": "p", "statistics": [{"external_id": "1", "mail": MAIL, "progress": 100}]},
        [{"statistics": [{"status": "ok"}]}],
    ),
    "import_external_courses": (
        {
            **{"group_id": ID, "external_platform": "p", "author_id": ID},
            "courses": [{"external_id": "1", "title": "x", "launch_url": "https://x.test", "language": "en"}],
        },
        [{"externalCourses": [{"error": "no"}]}],
    ),
    "list_custom_fields": ({}, [[FIELD, FIELD]]),
    "list_custom_links": ({}, [[LINK]]),
    "list_custom_user_links": ({"user": MAIL}, [[URL]]),
    "list_group_members": ({"group_id": ID}, [GROUP]),
    "list_course_tags": ({"course_id": ID}, [COURSE]),
    "list_courses": ({}, [[COURSE, COURSE]]),
    "list_groups": ({}, [[GROUP, GROUP]]),
    "list_managers": ({"user": MAIL}, [{**USER, "managers": [USER, MAIL, ID]}]),
    "list_learning_needs": ({}, [[{"_id": ID, "group": ID, "name": "x", "declaredAt": TIME, "declaredBy": ID}]]),
    "list_path_session_stats": ({"session_id": ID}, [{"pathId": ID, "usersStats": [STATISTIC, STATISTIC]}]),
    "list_path_session_users": ({"session_id": ID}, [[USER, USER]]),
    "list_path_sessions": ({}, [[{"sessionId": ID, "pathId": ID, "sessionName": "x", "sessionOwnerGroup": ID}]]),
    "list_paths": ({}, [[{"_id": ID, "name": "x", "groupId": ID, "sessionIds": [ID]}]]),
    "list_tags": ({}, [[{"_id": ID, "name": "a", "isMain": True, "author": MAIL}]]),
    "list_subordinates": ({"user": MAIL}, [{**USER, "subordinates": [USER]}]),
    "list_projects": ({}, [[{"_id": ID, "name": "x", "completed": "true", "group": ID}]]),
    "list_user_course_stats": ({"user": MAIL}, [[{"course": {"_id": ID}, "attempts": [ATTEMPT]}] * 2]),
    "list_user_roles": ({"user": MAIL}, [[{"group": ID, "roles": ["learner"]}]]),
    "list_users": ({}, [[USER, USER]]),
    "pseudonymize_user": ({"user": MAIL}, [USER, {"message": "user pseudonymized"}]),
    "remove_from_catalog": ({"group_id": ID, "course_ids": [ID]}, [{}]),
    "remove_user_custom_field": ({"user": MAIL, "custom_field": "Site"}, [[FIELD], USER, {}]),
    "remove_from_library": ({"group_id": ID, "course_ids": [ID]}, [{}]),
    "remove_user_from_group": ({"user": MAIL, "group_id": ID}, [{}]),
    "set_attendance": ({"slot_id": ID, "users": [MAIL]}, [USER, {}]),
    "set_user_custom_field": ({"user": MAIL, "custom_field": "Site", "value": "x"}, [[FIELD], USER, {}]),
    "unenroll_groups": ({"session_id": ID, "group_ids": [ID]}, [{}]),
    "unenroll_users": ({"session_id": ID, "users": [ID]}, [USER, {}]),
    "update_classroom_slot": ({**SLOT, "slot_id": ID}, [USER, {}]),
    "update_custom_field": ({"custom_field_id": ID, "name": "x"}, [{}]),
    "update_custom_link": ({"type": "a", "name": "B"}, [[LINK], {}]),
    "update_custom_user_link": ({"user": MAIL, "type": "a", "url": "https://x.test"}, [[URL], {}]),
    "remove_manager": ({"user": MAIL, "manager": ID}, [{}]),
    "set_external_id": ({"user": MAIL, "external_platform": "p", "external_id": "1"}, [{}]),
    "set_password": ({"user": MAIL, "password": "s3cret-12"}, [{"status": "user_updated"}]),
    "subscribe_to_email_notifications": ({"user": ID}, [USER, {}]),
    "unsubscribe_from_email_notifications": ({"user": ID}, [USER, {}]),
    "update_group": ({"group_id": ID, "name": "x"}, [{}]),
    "update_tag": ({"tag": "a", "name": "b"}, [[{"_id": ID, "name": "a", "isMain": True}], {}]),
    "update_path": ({"path": "Welcome", "linear": True}, [[{"_id": ID, "name": "Welcome"}], {}]),
    "update_path_session": (
        {"session_id": ID, "name": "x"},
        [{"sessionName": "Autumn", "sessionOwnerGroup": ID, "startDate": TIME, "instructorsMails": [MAIL]}, {}],
    ),
    "update_user": (
        {"user": MAIL, "mail": "bo@acme.test", "job": "x"},
        [{"error": "mail_already_exists"}, USER, USER, {}],
    ),
    "read_users": ({"take": list}, [[USER, USER]]),
    "read_course_attempts": (INTERVAL, [COURSE_STATISTICS] * 3),
}


@pytest.fixture
def once(make_api):
    """Return a function that returns the API of a server, which sends each request once and hardly waits."""
    return lambda url, **more: make_api(url, client={"max_attempts": 1}, max_wait=1.0, read_timeout=30.0, **more)


def test_all_actions_are_attacked(api):
    assert set(ACTIONS) == set(api.capabilities)


def run(api, action):
    arguments, _ = ACTIONS[action]
    if action.startswith("read_"):
        sink = {"sink": Sink()} if action == "read_course_attempts" else {}
        return getattr(api, action)(**arguments, **sink)
    result = api.actions[action](**arguments)
    outcome_sentence(api.actions[action].arguments(arguments), result)
    return result


@pytest.mark.parametrize("action", ACTIONS)
def test_every_action_raises_errors_of_the_family_only(once, action):
    """Valid responses come first, then one that is not, from a seed that the error shows."""
    templates = ACTIONS[action][1]
    for seed in range(ROUNDS):
        rng = random.Random(f"{action} {seed}")
        valid = rng.randrange(len(templates))
        numbers = itertools.count()

        def respond(request, rng=rng, valid=valid, numbers=numbers):
            number = next(numbers)
            template = templates[min(number, len(templates) - 1)]
            return response(json.dumps(template).encode()) if number < valid else malformed.response(rng, template)

        with hostile_server(respond) as server:
            try:
                result = run(once(server.url, auth="api_key_header"), action)
                if action != "read_course_attempts":
                    json.dumps(result)
            except Learning360Error as error:
                str(error).encode()
            except Exception as error:
                raise AssertionError(f"seed {seed}: {error!r}") from error


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_token_requests_raise_errors_of_the_family_only(once, seed):
    rng = random.Random(f"token {seed}")
    template = {"access_token": "token", "expires_in": "3600"}
    with hostile_server(lambda request: malformed.response(rng, template)) as server, suppress(Learning360Error):
        once(server.url).list_groups()


# The faults that were seen, one by one


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (response(b"[" * 100_000 + b"]" * 100_000), UnexpectedResponseError),
        (response(b'[{"name":"\xff"}]'), UnexpectedResponseError),
        (response(b'[{"name":NaN}]'), UnexpectedResponseError),
        (response(b'[{"name":1' + b"0" * 5000 + b"}]"), UnexpectedResponseError),
        (response(b'[{"name":"\\ud800"}]'), UnexpectedResponseError),
        (response(b'[{"name":{}}]'), UnexpectedResponseError),
        (response(b'[{"_id":["1"]}]'), UnexpectedResponseError),
        (response(b"", "302 Found", ["Location: http://["]), RefusedError),
        (response(b"[]", headers=["Content-Length: -5"], length=2), TransportError),
        (response([b"-1\r\n", *[b" " * (1 << 20)] * 400], headers=["Transfer-Encoding: chunked"]), TransportError),
        (response(b"", "000 Nothing"), TransportError),
        (response(b"", "999 Odd"), ServerError),
    ],
    ids=[
        *("depth", "invalid UTF-8", "NaN", "5001 digits", "half a surrogate pair", "object as name", "list as id"),
        *("location", "length", "chunk of -1 bytes", "status 000", "status 999"),
    ],
)
def test_a_malformed_response_is_an_error_of_the_family(once, parts, expected):
    with hostile_server(lambda request: parts) as server, pytest.raises(expected):
        once(server.url, auth="api_key_header").list_groups()


@pytest.mark.parametrize("seconds", ["1e999", "1e300", '"x"', "true", "[]", "1" + "0" * 400])
def test_a_duration_that_is_none_is_an_error_of_the_family(once, seconds):
    body = f'{{"usersStats":[{{"_id":"{ID}","totalTimeSpentInSeconds":{seconds}}}]}}'.encode()
    with (
        hostile_server(lambda request: response(body)) as server,
        pytest.raises(UnexpectedResponseError, match="totalTimeSpentInSeconds is not a number"),
    ):
        once(server.url, auth="api_key_header").list_path_session_stats(session_id=ID)


@pytest.mark.parametrize("identifier", ["5", "{}", '["x"]', "true", "null", '""'])
def test_a_created_group_without_an_id_is_looked_up(once, identifier):
    """Nothing else says whether it was created."""
    root = {"_id": "b" * 24, "parent": None}
    responses = [
        b"[]",
        f'{{"id":{identifier}}}'.encode(),
        json.dumps([root, {**GROUP, "parent": root["_id"]}]).encode(),
    ]
    with hostile_server(lambda request: response(responses.pop(0))) as server:
        created = once(server.url, auth="api_key_header").create_group(name="Lab")
    assert (created["group_id"], created["outcome"]) == (ID, "created")


def test_numbers_in_the_place_of_texts_are_texts(once):
    body = b'[{"_id":12,"name":1.5,"parent":true,"custom":{"a":[1]}}]'
    with hostile_server(lambda request: response(body)) as server:
        (group,) = once(server.url, auth="api_key_header").list_groups()
    assert (group["group_id"], group["name"], group["parent_id"]) == ("12", "1.5", "true")


@pytest.mark.parametrize(
    "expires_in", ["1" + "0" * 400, "1e400", '"1e400"', "-1", "0", '"nan"', "{}", "[]", "null", "1e-400"]
)
def test_a_lifetime_that_is_none_is_an_error_of_the_family(once, expires_in):
    body = f'{{"access_token":"token","expires_in":{expires_in}}}'.encode()
    with (
        hostile_server(lambda request: response(body)) as server,
        pytest.raises(UnexpectedResponseError, match="expires_in"),
    ):
        once(server.url).list_groups()


ATTEMPT_FAULTS = {
    "timestamp that sorts as one": '"completedAt":"2026-01-01T99:99:99.999Z"',
    "list that looks like a timestamp": f'"completedAt":{json.dumps(list("2026-01-01T12:00:00.000Z"))}',
    "duration of 400 digits": '"globalTime":1' + "0" * 400,
}


@pytest.mark.parametrize("fault", ATTEMPT_FAULTS.values(), ids=list(ATTEMPT_FAULTS))
def test_a_malformed_attempt_is_an_error_of_the_family(once, fault):
    body = f'[{{"course":{{}},"stats":[{{"user":{{}},"attempts":[{{"_id":"1",{fault}}}]}}]}}]'.encode()
    with hostile_server(lambda request: response(body)) as server, pytest.raises(UnexpectedResponseError):
        once(server.url, auth="api_key_header").read_course_attempts(**INTERVAL, sink=Sink())


def test_statistics_that_precede_their_course_are_limited(once):
    statistic = b'{"user":{},"attempts":[{"_id":"' + b"1" * 900_000 + b'"}]}'
    parts = itertools.chain([b'[{"stats":[', statistic], itertools.repeat(b"," + statistic, 100))
    with (
        hostile_server(lambda request: response(parts)) as server,
        pytest.raises(UnexpectedResponseError, match="16 MiB of statistics precede their course"),
    ):
        once(server.url, auth="api_key_header").read_course_attempts(**INTERVAL, sink=Sink())


@pytest.mark.parametrize("refusal", [{"error": "x\n" * 9999}, {"error": ["x"] * 9999}, {"status": "failed " * 9999}])
def test_the_reasons_of_refused_items_fit_a_line(once, refusal):
    arguments, _ = ACTIONS["import_external_courses"]
    with hostile_server(lambda request: response(json.dumps({"externalCourses": [refusal]}).encode())) as server:
        (reason,) = once(server.url, auth="api_key_header").import_external_courses(**arguments)
    assert 0 < len(reason) <= MAX_QUOTE
    assert reason.isprintable()


# Retry-After

DELAYS = {
    "100000000000000000000": MAX_BACK_OFF,
    "9" * 5000: MAX_BACK_OFF,
    **dict.fromkeys(["Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 9999 23:59:59 -2359"], MAX_BACK_OFF),
    **dict.fromkeys(["Mon, 01 Jan 0001 00:00:00 GMT", "Mon, 01 Jan 0001 00:00:00 +2359"], 0.0),
    **dict.fromkeys(["Fri, 31 Dec 99999999999999999999 23:59:59 GMT", "-1", "nan", "inf", "1e9", "", "soon", "\u00b2"]),
}


@pytest.mark.parametrize(("value", "delay"), DELAYS.items(), ids=[value[:40] for value in DELAYS])
@pytest.mark.parametrize(("status", "expected"), [("429 Slow", RateLimitedError), ("503 Down", ServerError)])
def test_a_suggested_delay_is_capped(once, value, delay, status, expected):
    """It is one of the rate limiter, of a retry of the call, and of a retry of the task."""
    responses = response(b"{}", status, [f"Retry-After: {value}"])
    with hostile_server(lambda request: responses) as server, pytest.raises(expected) as got:
        once(server.url, auth="api_key_header").list_groups()
    if expected is ServerError or delay:
        assert got.value.retry_after == delay
    else:  # the rate limiter has a delay of its own
        assert 0 < got.value.retry_after < MAX_BACK_OFF


@pytest.mark.parametrize("date", ["Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359", "x", "\x00"])
def test_the_date_of_the_response_may_be_absurd(once, date):
    headers = ["Retry-After: Fri, 31 Dec 2026 23:59:59 GMT", f"Date: {date}"]
    with (
        hostile_server(lambda request: response(b"{}", "503 Down", headers)) as server,
        pytest.raises(ServerError) as got,
    ):
        once(server.url, auth="api_key_header").list_groups()
    assert got.value.retry_after is None or 0 <= got.value.retry_after <= MAX_BACK_OFF


@pytest.mark.parametrize("seconds", [0.0, 5.0, MAX_BACK_OFF, 1e300, float("inf"), float("nan"), -1.0])
def test_the_delay_of_a_retried_call_is_capped(seconds):
    state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
    state.set_exception((ServerError, ServerError("x", retry_after=seconds), None))
    assert 0 <= retry.seconds_before_retry(state) <= retry.MAX_RETRY_WAIT + retry.INITIAL_RETRY_WAIT
