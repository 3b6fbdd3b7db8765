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
from airflow_provider_360learning.triggers.shared_polls import SERVES_FOR
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, after_requests, make_trigger, operations

POKE = "getUsersPathSessionStats"
#: Ends every wait, and so a test whose end must not depend on how fast the machine is.
REFUSAL = {"kind": "status", "status": 401, "body": {"error": "invalid_company_id"}, "count": 100}


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


def test_it_waits_until_everybody_is_done(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 2, session_id, act=lambda: sandbox.control.advance(3600)):
        event = event_of(make_trigger(session_id))
    assert event == {
        "status": "success",
        "message": "complete",
        "enrolled": 1,
        "done": 1,
        "needed": 1,
        "unsuccessful": 0,
        "pending": [],
    }
    assert len(operations(sandbox)) >= 3


def test_it_does_not_look_before_its_time(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    first_poke = time.time() + 0.4
    event_of(make_trigger(session_id, first_poke=first_poke))
    assert sandbox.control.journal()[0]["wall_time"] >= first_poke - 0.01


def test_nothing_is_asked_sooner_than_the_interval_whatever_the_answer(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
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
    sandbox.control.add_fault(POKE, **REFUSAL, after=2)
    event = event_of(make_trigger(session_id, poke_interval=0.3))
    assert event["status"] == "error"
    assert "invalid_company_id" in event["message"]
    entries = sandbox.control.journal()
    assert [entry["status"] for entry in entries] == [503, 503, 429, None, 200, 200, 200, 401]
    arrivals = [entry["arrived_at"] for entry in entries]
    assert min(later - earlier for earlier, later in pairwise(arrivals)) >= 0.3


def test_a_request_that_waited_for_its_turn_is_followed_after_a_whole_interval(sandbox, session_id, with_tokens):
    """The first token takes 0.5 s, and so the first request is late; the second one ends the wait."""
    sandbox.control.add_fault("generateToken", kind="delay", seconds=0.5)
    sandbox.control.add_fault(POKE, **REFUSAL, after=1)
    assert event_of(make_trigger(session_id, poke_interval=0.6))["status"] == "error"
    first, second = [entry["arrived_at"] for entry in sandbox.control.journal() if entry["operation"] == POKE]
    assert second - first >= 0.6


def test_an_expired_token_is_renewed_once_at_once(sandbox, session_id, enroll, with_tokens):
    """The one exception: what the server said was about the token, not about the question."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    expired = {"status": 401, "body": {"error": "invalid_token", "error_description": "jwt expired"}}
    sandbox.control.add_fault(POKE, kind="status", **expired)
    assert event_of(make_trigger(session_id, poke_interval=10))["status"] == "success"
    assert operations(sandbox) == ["generateToken", POKE] * 2


def test_five_failures_in_a_row_are_tolerated(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POKE, kind="status", status=503, count=5)
    assert event_of(make_trigger(session_id))["status"] == "success"
    assert operations(sandbox) == [POKE] * 6


@pytest.mark.parametrize("before", [0, 1])
def test_the_sixth_failure_in_a_row_breaks_the_wait_off(sandbox, session_id, before):
    """One of them may have been the sensor's own."""
    sandbox.control.add_fault(POKE, kind="status", status=503, count=9)
    event = event_of(make_trigger(session_id, failures=before))
    assert event["status"] == "transient_error"
    assert "ServerError" in event["message"]
    assert operations(sandbox) == [POKE] * (6 - before)


def test_a_success_in_between_forgets_the_failures(sandbox, session_id):
    for _ in range(2):
        sandbox.control.add_fault(POKE, kind="status", status=503, count=5)
        sandbox.control.add_fault(POKE, kind="delay", seconds=0)
    sandbox.control.add_fault(POKE, **REFUSAL)
    assert event_of(make_trigger(session_id))["status"] == "error"
    assert [entry["status"] for entry in sandbox.control.journal()] == [*([503] * 5 + [200]) * 2, 401]


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
    assert (event["status"], event["enrolled"]) == ("failed", 0)
    assert GRACE_MAIL in event["message"]


def test_a_failure_that_nobody_foresaw_breaks_the_wait_off_without_its_text(session_id):
    trigger = make_trigger(session_id)
    trigger.question["subject"] = "secret"
    event = event_of(trigger)
    assert event["status"] == "transient_error"
    assert "KeyError" in event["message"]
    assert "secret" not in event["message"]


def test_the_deadline_is_kept_and_says_how_far_it_was(sandbox, session_id, enroll):
    """It comes long before the second look would."""
    enroll(GRACE_MAIL)
    started = time.time()
    event = event_of(make_trigger(session_id, poke_interval=60, timeout=1.5))
    assert 1.5 <= time.time() - started < 30
    assert (event["status"], event["enrolled"], event["pending"]) == ("timeout", 1, [GRACE_MAIL])
    assert operations(sandbox) == [POKE]


def test_a_deadline_that_passed_while_nobody_ran_the_trigger_holds(sandbox, session_id):
    """A triggerer that starts anew does not start the wait anew."""
    assert event_of(make_trigger(session_id, timeout=-1))["status"] == "timeout"
    assert operations(sandbox) == []


def test_an_answer_that_takes_too_long_is_not_waited_for_beyond_the_deadline(sandbox, session_id):
    sandbox.control.add_fault(POKE, kind="delay", seconds=4)
    assert event_of(make_trigger(session_id, timeout=1))["status"] == "timeout"
    assert [entry["status"] for entry in sandbox.control.journal()] == [None], "it is still being answered"


def test_the_event_names_at_most_20(sandbox, api, session_id, enroll):
    mails = [f"n{number}@acme.test" for number in range(25)]
    for mail in mails:
        api.create_user(mail=mail, mode="create_active")
    enroll(*mails)
    event = event_of(make_trigger(session_id, users=(*mails, GRACE_MAIL), if_not_enrolled="fail"))
    assert (event["status"], event["enrolled"], len(event["pending"])) == ("failed", 25, 20)
    assert len(json.dumps(event)) < 1000


def test_the_log_says_what_was_seen_when_it_changes(sandbox, session_id, enroll, capfd):
    """Waits last for weeks."""
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 5, session_id, act=lambda: sandbox.control.advance(3600)):
        event_of(make_trigger(session_id))
    assert len(operations(sandbox)) >= 6
    assert capfd.readouterr().out.count("Seen: ") == 2


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


def one_of_many(session_id, number, **how):
    """Make a wait whose question is like the others' and yet one of its own."""
    return make_trigger(session_id, required=f"0.{number + 1}", **how)


def test_the_event_loop_is_never_blocked(sandbox, session_id, enroll, with_tokens):
    """The server takes a second for the token, and for each of eight questions: the loop would stand still so long."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.settings(delay_before_ms=500, delay_after_ms=500)
    waits = [events_of(one_of_many(session_id, number)) for number in range(8)]
    found, gap = asyncio.run(largest_gap_while(waits))
    assert [event["status"] for (event,) in found] == ["success"] * 8
    assert gap < 0.9
    arrivals = [entry["arrived_at"] for entry in sandbox.control.journal() if entry["operation"] == POKE]
    assert len(arrivals) == 8
    assert max(arrivals) - min(arrivals) < 4, "one after the other, they are 7 s apart"


def test_waits_with_the_same_connection_share_one_token(sandbox, session_id, enroll, with_tokens, monkeypatch):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)

    async def wait_all(count):
        await asyncio.gather(*(events_of(one_of_many(session_id, number)) for number in range(count)))

    asyncio.run(wait_all(9))
    asyncio.run(wait_all(2))
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(limits=UNLIMITED, connect_timeout=5))
    asyncio.run(wait_all(2))
    asked = operations(sandbox)
    assert (asked.count("generateToken"), asked.count(POKE)) == (2, 13)


def test_waits_that_start_together_read_the_connection_once(sandbox, session_id, enroll, monkeypatch):
    """Thousands start with a triggerer, and Airflow reads a connection through another process."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)

    async def take_it_away():
        first = await events_of(make_trigger(session_id))
        monkeypatch.delenv(CONNECTION)
        return first, await events_of(make_trigger(session_id))

    assert [event["status"] for (event,) in asyncio.run(take_it_away())] == ["success"] * 2
    assert "NotFound" in event_of(make_trigger(session_id))["message"], "in another triggerer"


async def until(condition):
    while not await asyncio.to_thread(condition):
        await asyncio.sleep(0.01)


def test_waits_that_are_cancelled_give_their_places_in_the_queue_back(monkeypatch):
    """With one read a second, ten waits would keep another for 10 s."""
    with Sandbox(settings={"limits_enabled": False, "learner_seconds": 3600}) as slow:
        monkeypatch.setenv(CONNECTION, slow.connection_json(auth="api_key_header", limits={"company_reads": 1}))
        api = Learning360Hook().api
        session = api.create_path_session(
            path_id=ONBOARDING_PATH_ID, name="Autumn", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
        )
        slow.control.clear_journal()

        async def start_and_cancel():
            waits = [asyncio.create_task(events_of(one_of_many(session["session_id"], number))) for number in range(10)]
            await until(lambda: POKE in operations(slow))
            for wait in waits:
                wait.cancel()
            results = await asyncio.gather(*waits, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError] * 10
            await until(lambda: len(asyncio.all_tasks(loop)) == 1)
            await asyncio.to_thread(api.list_paths)

        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            runner.run(start_and_cancel())
        *asked, last = slow.control.journal()
        assert len(asked) < 5
        assert last["arrived_at"] - asked[-1]["arrived_at"] < 4


# Sharing


async def all_events_of(triggers):
    return await asyncio.gather(*(events_of(trigger) for trigger in triggers))


def test_a_thousand_waits_on_one_question_cost_one_request_an_interval(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    first_poke = time.time() + 1
    triggers = [make_trigger(session_id, poke_interval=2, first_poke=first_poke, timeout=6) for _ in range(1000)]
    events = asyncio.run(all_events_of(triggers))
    assert {(event["status"], event.get("enrolled")) for (event,) in events} == {("timeout", 1)}
    arrivals = [entry["arrived_at"] for entry in sandbox.control.journal()]
    assert 2 <= len(arrivals) <= 3
    assert min(later - earlier for earlier, later in pairwise(arrivals)) >= 2 * SERVES_FOR


def test_waits_that_ask_different_questions_ask_for_themselves(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    events = asyncio.run(all_events_of(one_of_many(session_id, number) for number in range(3)))
    assert {event["status"] for (event,) in events} == {"success"}
    assert operations(sandbox) == [POKE] * 3


def test_a_shared_failure_counts_once_for_each_wait(sandbox, session_id, capfd):
    """Five are tolerated, the sixth is not: nobody fails early, and everybody at the right time."""
    sandbox.control.add_fault(POKE, kind="status", status=503, count=100)
    first_poke = time.time() + 0.3
    triggers = [make_trigger(session_id, poke_interval=0.6, first_poke=first_poke) for _ in range(20)]
    events = asyncio.run(all_events_of(triggers))
    assert {event["status"] for (event,) in events} == {"transient_error"}
    said = capfd.readouterr().out
    assert [said.count(f"Poke failed, {number} of 5 in a row") for number in range(1, 6)] == [20] * 5
    assert 6 <= len(operations(sandbox)) <= 8


def test_who_has_seen_more_failures_fails_sooner(sandbox, session_id):
    sandbox.control.add_fault(POKE, kind="status", status=503, count=100)
    first_poke, ended = time.time() + 0.3, []

    async def wait(failures):
        (event,) = await events_of(
            make_trigger(session_id, poke_interval=0.3, first_poke=first_poke, failures=failures)
        )
        ended.append((failures, event["status"]))

    async def wait_all():
        await asyncio.gather(*(wait(failures) for failures in (0, 2, 4)))

    asyncio.run(wait_all())
    assert ended == [(4, "transient_error"), (2, "transient_error"), (0, "transient_error")]
    assert 6 <= len(operations(sandbox)) <= 8


def test_who_joins_later_fails_later(sandbox, session_id):
    sandbox.control.add_fault(POKE, kind="status", status=503, count=100)

    async def join():
        first = asyncio.create_task(events_of(make_trigger(session_id, poke_interval=0.3)))
        await until(lambda: len(operations(sandbox)) == 4)
        second = asyncio.create_task(events_of(make_trigger(session_id, poke_interval=0.3)))
        await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        assert (first.done(), second.done()) == (True, False)
        await second

    asyncio.run(join())
    assert len(operations(sandbox)) >= 9, "the fourth to the ninth"


def test_a_failure_is_counted_once_by_those_who_ask_more_often(sandbox, session_id, enroll):
    """An answer serves for as long as the interval of whoever wants it, not of whoever asked."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POKE, kind="status", status=503)

    async def slow_and_fast():
        slow = asyncio.create_task(events_of(make_trigger(session_id, poke_interval=600)))
        await until(lambda: [entry["status"] for entry in sandbox.control.journal()] == [503])
        (event,) = await events_of(make_trigger(session_id, poke_interval=0.3))
        slow.cancel()
        return event

    assert asyncio.run(slow_and_fast())["status"] == "success"
    assert operations(sandbox) == [POKE] * 2


def test_a_permanent_error_ends_all_waits_at_once(sandbox, session_id):
    sandbox.control.add_fault(POKE, **REFUSAL)
    first_poke = time.time() + 0.3
    triggers = [make_trigger(session_id, poke_interval=60, first_poke=first_poke) for _ in range(20)]
    events = asyncio.run(all_events_of(triggers))
    assert {event["status"] for (event,) in events} == {"error"}
    assert operations(sandbox) == [POKE]


def test_waits_on_one_question_end_each_at_its_own_deadline(sandbox, session_id, enroll):
    """RowCheck while the answer is under way; it then serves those who have more time."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POKE, kind="delay", seconds=3)
    started = time.time()

    async def wait(timeout):
        (event,) = await events_of(make_trigger(session_id, timeout=timeout))
        return event["status"], time.time() - started

    async def wait_all():
        return await asyncio.gather(*(wait(timeout) for timeout in (0.5, 1.0, 20.0)))

    (first, first_took), (second, second_took), (third, third_took) = asyncio.run(wait_all())
    assert (first, second, third) == ("timeout", "timeout", "success")
    assert first_took >= 0.5
    assert second_took >= 1.0
    assert max(first_took, second_took) < 3 <= third_took
    assert operations(sandbox) == [POKE]


def test_a_wait_that_is_cancelled_leaves_the_question_to_the_others(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POKE, kind="delay", seconds=0.5)

    async def cancel_the_first():
        first, second = (asyncio.create_task(events_of(make_trigger(session_id))) for _ in range(2))
        await until(lambda: operations(sandbox))
        first.cancel()
        return await second

    (event,) = asyncio.run(cancel_the_first())
    assert event["status"] == "success"
    assert operations(sandbox) == [POKE]
