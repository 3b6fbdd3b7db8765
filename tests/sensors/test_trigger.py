"""The trigger on an event loop, against the sandbox: its one event, its patience, and its manners."""

from __future__ import annotations

import asyncio
import importlib
import json
import time
from itertools import pairwise

import pytest

from airflow_provider_360learning.hooks.learning360 import Learning360Hook
from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL, ONBOARDING_PATH_ID, ROOT_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from airflow_provider_360learning.triggers.completion import Learning360CompletionTrigger
from airflow_provider_360learning.triggers.questions import PathSessionCompletion, to_dict
from tests.fast_sandbox import CONNECTION, UNLIMITED, after_requests, operations

POKE = "getUsersPathSessionStats"


def make_trigger(session_id, *, poke_interval=0.02, first_poke=0.0, timeout=20.0, failures=0, **question):
    return Learning360CompletionTrigger(
        learning360_conn_id="learning360_default",
        question=to_dict(PathSessionCompletion(session_id=session_id, **question)),
        poke_interval=poke_interval,
        first_poke=first_poke,
        deadline=time.time() + timeout,
        failures=failures,
    )


async def events_of(trigger):
    return [event.payload async for event in trigger.run()]


def event_of(trigger):
    """Run a trigger to its end, through what Airflow makes of it in the database."""
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    trigger = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(kwargs)))
    (event,) = asyncio.run(events_of(trigger))
    assert json.loads(json.dumps(event)) == event
    return event


def test_a_trigger_comes_back_from_the_database_as_it_was(session_id):
    trigger = make_trigger(session_id, users=(GRACE_MAIL,), required=0.5, failures=2)
    path, kwargs = trigger.serialize()
    assert path == "airflow_provider_360learning.triggers.completion.Learning360CompletionTrigger"
    again = Learning360CompletionTrigger(**json.loads(json.dumps(kwargs)))
    assert json.dumps(again.serialize()) == json.dumps(trigger.serialize())


def test_it_waits_until_everybody_is_done(sandbox, session_id, enrol):
    enrol(GRACE_MAIL)
    with after_requests(sandbox, 2, session_id, act=lambda: sandbox.control.advance(3600)):
        event = event_of(make_trigger(session_id))
    assert event == {
        "status": "complete",
        "message": "complete",
        "enrolled": 1,
        "done": 1,
        "needed": 1,
        "unsuccessful": 0,
        "pending": [],
    }
    assert len(operations(sandbox)) >= 3


def test_it_does_not_look_before_its_time(sandbox, session_id, enrol):
    enrol(GRACE_MAIL)
    sandbox.control.advance(3600)
    first_poke = time.time() + 0.4
    event_of(make_trigger(session_id, first_poke=first_poke))
    assert sandbox.control.journal()[0]["wall_time"] >= first_poke - 0.01


def test_nothing_is_asked_sooner_than_the_interval_whatever_the_answer(sandbox, session_id, enrol):
    enrol(GRACE_MAIL)
    faults = [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 503, "headers": {"Retry-After": "0"}},
        {"kind": "rate_limited", "retry_after": 1},
        {"kind": "drop_before"},
        {"kind": "garbage"},
    ]
    for fault in faults:
        sandbox.control.add_fault(POKE, **fault)
    # After two good answers.
    refusal = {"status": 401, "body": {"error": "invalid_company_id"}}
    sandbox.control.add_fault(POKE, kind="status", after=2, count=9, **refusal)
    event = event_of(make_trigger(session_id, poke_interval=0.3))
    assert event["status"] == "error"
    assert "invalid_company_id" in event["message"]
    entries = sandbox.control.journal()
    assert [entry["status"] for entry in entries] == [503, 503, 429, None, 200, 200, 200, 401]
    arrivals = [entry["arrived_at"] for entry in entries]
    assert min(later - earlier for earlier, later in pairwise(arrivals)) >= 0.3


def test_a_request_that_waited_for_its_turn_is_followed_after_a_whole_interval(sandbox, session_id, with_tokens):
    """The first token takes 0.5 s, and so the first request is late."""
    sandbox.control.add_fault("generateToken", kind="delay", seconds=0.5)
    event_of(make_trigger(session_id, poke_interval=0.6, timeout=1.5))
    arrivals = [entry["arrived_at"] for entry in sandbox.control.journal() if entry["operation"] == POKE]
    assert len(arrivals) == 2
    assert arrivals[1] - arrivals[0] >= 0.6


def test_an_expired_token_is_renewed_once_at_once(sandbox, session_id, enrol, with_tokens):
    """The one exception: what the server said was about the token, not about the question."""
    enrol(GRACE_MAIL)
    sandbox.control.advance(3600)
    expired = {"status": 401, "body": {"error": "invalid_token", "error_description": "jwt expired"}}
    sandbox.control.add_fault(POKE, kind="status", **expired)
    assert event_of(make_trigger(session_id, poke_interval=10))["status"] == "complete"
    assert operations(sandbox) == ["generateToken", POKE] * 2


def test_five_failures_in_a_row_are_tolerated(sandbox, session_id, enrol):
    enrol(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POKE, kind="status", status=503, count=5)
    assert event_of(make_trigger(session_id))["status"] == "complete"
    assert operations(sandbox) == [POKE] * 6


@pytest.mark.parametrize("before", [0, 1])
def test_the_sixth_failure_in_a_row_breaks_the_wait_off(sandbox, session_id, before):
    """One of them may have been the sensor's own."""
    sandbox.control.add_fault(POKE, kind="status", status=503, count=9)
    event = event_of(make_trigger(session_id, failures=before))
    assert event["status"] == "interrupted"
    assert "ServerError" in event["message"]
    assert operations(sandbox) == [POKE] * (6 - before)


def test_a_success_in_between_forgets_the_failures(sandbox, session_id):
    for _ in range(2):
        sandbox.control.add_fault(POKE, kind="status", status=503, count=5)
        sandbox.control.add_fault(POKE, kind="delay", seconds=0)
    event = event_of(make_trigger(session_id, timeout=1.5))
    assert event["status"] == "timeout"
    assert [entry["status"] for entry in sandbox.control.journal()][:12] == ([503] * 5 + [200]) * 2


def test_a_session_that_does_not_exist_ends_the_wait_at_once(sandbox):
    event = event_of(make_trigger("f" * 24))
    assert event["status"] == "error"
    assert "session_not_found" in event["message"]
    assert operations(sandbox) == [POKE]


def test_a_wrong_key_ends_the_wait_at_once(sandbox, session_id, monkeypatch):
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(limits=UNLIMITED).replace(sandbox.api_key, "wrong"))
    event = event_of(make_trigger(session_id))
    assert (event["status"], "AuthenticationError" in event["message"]) == ("error", True)
    assert operations(sandbox) == ["generateToken"]


def test_what_can_never_be_ends_the_wait(sandbox, session_id):
    event = event_of(make_trigger(session_id, users=(GRACE_MAIL,), if_not_enrolled="fail", required="any"))
    assert (event["status"], event["enrolled"]) == ("impossible", 0)
    assert GRACE_MAIL in event["message"]


def test_a_failure_that_nobody_foresaw_breaks_the_wait_off_without_its_text(session_id):
    trigger = make_trigger(session_id)
    trigger.question["subject"] = "secret"
    event = event_of(trigger)
    assert event["status"] == "interrupted"
    assert "KeyError" in event["message"]
    assert "secret" not in event["message"]


def test_the_deadline_is_kept_and_says_how_far_it_was(sandbox, session_id, enrol):
    enrol(GRACE_MAIL)
    started = time.time()
    event = event_of(make_trigger(session_id, timeout=0.5))
    assert 0.5 <= time.time() - started < 1.5
    assert (event["status"], event["enrolled"], event["pending"]) == ("timeout", 1, [GRACE_MAIL])


def test_a_deadline_that_passed_while_nobody_ran_the_trigger_holds(sandbox, session_id):
    """A triggerer that starts anew does not start the wait anew."""
    assert event_of(make_trigger(session_id, timeout=-1))["status"] == "timeout"
    assert operations(sandbox) == []


def test_the_last_look_is_not_made_after_the_deadline(sandbox, session_id):
    started = time.time()
    event = event_of(make_trigger(session_id, poke_interval=10, timeout=0.3))
    assert event["status"] == "timeout"
    assert 0.3 <= time.time() - started < 1
    assert operations(sandbox) == [POKE]


def test_an_answer_that_takes_too_long_is_not_waited_for_beyond_the_deadline(sandbox, session_id):
    sandbox.control.add_fault(POKE, kind="delay", seconds=2)
    started = time.time()
    assert event_of(make_trigger(session_id, timeout=0.3))["status"] == "timeout"
    assert 0.3 <= time.time() - started < 1.5


def test_the_event_names_at_most_20(sandbox, api, session_id, enrol):
    mails = [f"n{number}@acme.test" for number in range(25)]
    for mail in mails:
        api.create_user(mail, mode="create_active")
    enrol(*mails)
    event = event_of(make_trigger(session_id, timeout=0.3))
    assert (event["enrolled"], len(event["pending"])) == (25, 20)
    assert len(json.dumps(event)) < 1000


async def largest_gap_while(awaitables):
    """Run them beside a coroutine that wants its turn every millisecond, and say how long it had to wait."""
    gaps = []

    async def tick():
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.001)
            gaps.append(time.perf_counter() - before)

    ticker = asyncio.create_task(tick())
    results = await asyncio.gather(*awaitables)
    ticker.cancel()
    return results, max(gaps)


def test_the_event_loop_is_never_blocked(sandbox, session_id, enrol, with_tokens):
    """The server takes a second for the token, and for each of eight waits. A busy machine gets three chances."""
    enrol(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.settings(delay_before_ms=500, delay_after_ms=500)
    gaps = []
    for _ in range(3):
        started = time.perf_counter()
        found, gap = asyncio.run(largest_gap_while([events_of(make_trigger(session_id)) for _ in range(8)]))
        assert [event["status"] for (event,) in found] == ["complete"] * 8
        assert time.perf_counter() - started < 4, "the waits queued up"
        gaps.append(gap)
        if gap < 0.05:
            break
    assert min(gaps) < 0.05, gaps


def test_waits_with_the_same_connection_share_one_token(sandbox, session_id, enrol, with_tokens, monkeypatch):
    enrol(GRACE_MAIL)
    sandbox.control.advance(3600)

    async def wait_all(count):
        # Different questions: the same one is asked once.
        triggers = (make_trigger(session_id, required=f"0.{number + 1}") for number in range(count))
        await asyncio.gather(*(events_of(trigger) for trigger in triggers))

    asyncio.run(wait_all(9))
    asyncio.run(wait_all(2))
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(limits=UNLIMITED, connect_timeout=5))
    asyncio.run(wait_all(2))
    asked = operations(sandbox)
    assert (asked.count("generateToken"), asked.count(POKE)) == (2, 13)


def test_a_wait_that_is_cancelled_gives_its_place_in_the_queue_back(monkeypatch):
    """With one read a second, three waits would keep a fourth for 3 s."""
    with Sandbox(settings={"limits_enabled": False, "learner_seconds": 3600}) as slow:
        monkeypatch.setenv(CONNECTION, slow.connection_json(auth="api_key_header", limits={"company_reads": 1}))
        api = Learning360Hook().api
        session = api.create_path_session(
            ONBOARDING_PATH_ID, "Autumn", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
        )

        async def start_and_cancel():
            waits = [asyncio.create_task(events_of(make_trigger(session["session_id"]))) for _ in range(3)]
            await asyncio.sleep(0.3)
            for wait in waits:
                wait.cancel()
            results = await asyncio.gather(*waits, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError] * 3

        asyncio.run(start_and_cancel())
        api.list_paths()
        first, second = [entry for entry in slow.control.journal() if entry["method"] == "GET"]
        assert (first["operation"], second["operation"]) == ("getPathSessions", "getPaths")
        assert 1 <= second["arrived_at"] - first["arrived_at"] < 1.5


# Sharing


async def all_events_of(triggers):
    return await asyncio.gather(*(events_of(trigger) for trigger in triggers))


def test_waits_that_ask_the_same_question_share_one_request_an_interval(sandbox, session_id, enrol):
    enrol(GRACE_MAIL)
    triggers = [make_trigger(session_id, poke_interval=0.5, timeout=1.3) for _ in range(200)]
    events = asyncio.run(all_events_of(triggers))
    assert {event["status"] for (event,) in events} == {"timeout"}
    assert operations(sandbox) == [POKE] * 3


def test_waits_that_ask_different_questions_ask_for_themselves(sandbox, session_id, enrol):
    enrol(GRACE_MAIL)
    triggers = [make_trigger(session_id, poke_interval=5, timeout=0.5, min_enrolled=number) for number in (2, 3, 4)]
    asyncio.run(all_events_of(triggers))
    assert operations(sandbox) == [POKE] * 3


def test_a_shared_failure_fails_nobody_early_and_everybody_at_the_right_time(sandbox, session_id, enrol):
    enrol(GRACE_MAIL)
    sandbox.control.add_fault(POKE, kind="status", status=503, count=100)
    triggers = [make_trigger(session_id, poke_interval=0.1) for _ in range(50)]
    events = asyncio.run(all_events_of(triggers))
    assert {event["status"] for (event,) in events} == {"interrupted"}
    assert 6 <= len(operations(sandbox)) <= 8, "five are tolerated, the sixth is not"


def test_a_wait_that_is_cancelled_leaves_the_question_to_the_others(sandbox, session_id, enrol):
    enrol(GRACE_MAIL)
    sandbox.control.add_fault(POKE, kind="delay", seconds=0.5)

    async def cancel_the_first():
        first, second = (asyncio.create_task(events_of(make_trigger(session_id, timeout=1))) for _ in range(2))
        await asyncio.sleep(0.2)
        first.cancel()
        return await second

    (event,) = asyncio.run(cancel_the_first())
    assert event["status"] == "complete" or event["enrolled"] == 1
