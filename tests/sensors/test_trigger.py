"""The trigger against the sandbox: its one event, its intervals, and what waits share."""

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
from airflow_provider_360learning.triggers.shared_polls import FRESH_FOR
from tests.sensors.virtual_time import START, VirtualTimeTrigger, clock, run
from tests.unlimited_sandbox import CONNECTION, UNLIMITED, after_requests, make_trigger, operations

POLL = "getUsersPathSessionStats"
#: A permanent error, which ends every wait.
REFUSAL = {"kind": "status", "status": 401, "body": {"error": "invalid_company_id"}, "count": 100}


def make_virtual_trigger(
    session_id, *, first_poke=0.0, poke_interval=60.0, timeout=3600.0, failures=0, progress="", **arguments
):
    """Return a trigger in virtual time; times are seconds from the start of the loop."""
    return VirtualTimeTrigger(
        learning360_conn_id="learning360_default",
        subject="path_session",
        arguments={"session_id": session_id, **arguments},
        poke_interval=poke_interval,
        first_poke=START + first_poke,
        deadline=START + timeout,
        failures=failures,
        progress=progress,
    )


def make_distinct_trigger(session_id, number, make=make_virtual_trigger, **options):
    """Return a trigger whose condition differs from those of other numbers, but has the same outcome."""
    return make(session_id, required=f"0.{number + 1}", **options)


async def events_of(trigger):
    return [event.payload async for event in trigger.run()]


async def all_events_of(triggers):
    return [event for (event,) in await asyncio.gather(*(events_of(trigger) for trigger in triggers))]


def event_of(trigger, run=run):
    """Run a trigger to its end, after a round trip through its serialized form."""
    path, kwargs = trigger.serialize()
    module, _, name = path.rpartition(".")
    trigger = getattr(importlib.import_module(module), name)(**json.loads(json.dumps(kwargs)))
    (event,) = run(events_of(trigger))
    assert json.loads(json.dumps(event)) == event
    return event


def arrivals(sandbox, operation=POLL):
    """Return when the requests arrived, in seconds of the virtual clock."""
    return [entry["arrived_at"] for entry in sandbox.control.journal() if entry["operation"] == operation]


def test_the_serialized_trigger_is_equal_to_the_original(session_id):
    trigger = make_trigger(session_id, users=[GRACE_MAIL], required=0.5, failures=2)
    path, kwargs = trigger.serialize()
    assert path == "airflow_provider_360learning.triggers.completion.Learning360CompletionTrigger"
    copy = Learning360CompletionTrigger(**json.loads(json.dumps(kwargs)))
    assert json.dumps(copy.serialize()) == json.dumps(trigger.serialize())


def test_polls_until_all_learners_are_done(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    with after_requests(sandbox, 2, session_id, lambda: sandbox.control.advance(3600)):
        event = event_of(make_trigger(session_id), run=asyncio.run)
    assert event == {
        "status": "success",
        "message": "1 of 1 completed",
        "result": {"enrolled": 1, "done": 1, "needed": 1, "unsuccessful": 0, "pending": []},
    }
    assert len(operations(sandbox)) >= 3


def test_the_first_poll_is_on_time(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    event_of(make_virtual_trigger(session_id, first_poke=1800))
    assert arrivals(sandbox) == [pytest.approx(1800)]


@pytest.mark.slow
def test_polls_are_one_interval_apart_whatever_the_response(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    faults = [
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 503, "headers": {"Retry-After": "0"}},
        {"kind": "rate_limited", "retry_after": 1},
        {"kind": "drop_before"},
        {"kind": "garbage"},
    ]
    for fault in faults:
        sandbox.control.add_fault(POLL, **fault)
    # After two valid responses.
    sandbox.control.add_fault(POLL, **REFUSAL, after=2)
    event = event_of(make_virtual_trigger(session_id, poke_interval=60))
    assert event["status"] == "error"
    assert "invalid_company_id" in event["message"]
    entries = sandbox.control.journal()
    assert [entry["status"] for entry in entries] == [503, 503, 429, None, 200, 200, 200, 401]
    assert min(later - earlier for earlier, later in pairwise(arrivals(sandbox))) >= 59.99


@pytest.mark.realtime
def test_the_interval_starts_with_the_response(sandbox, session_id, with_tokens):
    """The first token takes 0.5 s, so the first request is late; the second one, rejected with every token, ends it."""
    sandbox.control.add_fault("generateToken", kind="delay", seconds=0.5)
    sandbox.control.add_fault(POLL, **REFUSAL, after=1)
    assert event_of(make_trigger(session_id, poke_interval=0.6), run=asyncio.run)["status"] == "error"
    first, second, *_ = arrivals(sandbox)
    assert second - first >= 0.6


def test_renews_an_expired_token_without_waiting_for_the_interval(sandbox, session_id, enroll, with_tokens):
    """The only exception: the response was about the token, not about the condition."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    expired = {"status": 401, "body": {"error": "invalid_token", "error_description": "jwt expired"}}
    sandbox.control.add_fault(POLL, kind="status", **expired)
    assert event_of(make_virtual_trigger(session_id))["status"] == "success"
    assert operations(sandbox) == ["generateToken", POLL] * 2


def test_tolerates_five_consecutive_failures(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POLL, kind="status", status=503, count=5)
    assert event_of(make_virtual_trigger(session_id))["status"] == "success"
    assert operations(sandbox) == [POLL] * 6


@pytest.mark.parametrize("before", [0, 1])
def test_the_sixth_consecutive_failure_is_a_transient_error(sandbox, session_id, before):
    """One of the failures may have been the sensor's own."""
    sandbox.control.add_fault(POLL, kind="status", status=503, count=9)
    event = event_of(make_virtual_trigger(session_id, failures=before))
    assert event["status"] == "transient_error"
    assert "ServerError" in event["message"]
    assert operations(sandbox) == [POLL] * (6 - before)


def test_a_success_resets_the_failures(sandbox, session_id):
    for _ in range(2):
        sandbox.control.add_fault(POLL, kind="status", status=503, count=5)
        sandbox.control.add_fault(POLL, kind="delay", seconds=0)
    sandbox.control.add_fault(POLL, **REFUSAL)
    assert event_of(make_virtual_trigger(session_id))["status"] == "error"
    assert [entry["status"] for entry in sandbox.control.journal()] == [*([503] * 5 + [200]) * 2, 401]


def test_a_missing_session_is_an_error(sandbox):
    event = event_of(make_virtual_trigger("f" * 24))
    assert event["status"] == "error"
    assert "session_not_found" in event["message"]
    assert operations(sandbox) == [POLL]


def test_a_wrong_api_key_is_an_error(sandbox, session_id, monkeypatch):
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(limits=UNLIMITED).replace(sandbox.api_key, "wrong"))
    event = event_of(make_virtual_trigger(session_id))
    assert (event["status"], "AuthenticationError" in event["message"]) == ("error", True)
    assert operations(sandbox) == ["generateToken"]


def test_an_invalid_argument_is_an_error(sandbox):
    event = event_of(make_virtual_trigger("Autumn"))
    assert (event["status"], event["message"].startswith("InvalidRequestError: session_id is 'Autumn'")) == (
        "error",
        True,
    )
    assert operations(sandbox) == []


def test_a_condition_that_can_never_be_met_is_a_failure(sandbox, session_id):
    event = event_of(make_virtual_trigger(session_id, users=[GRACE_MAIL], if_not_enrolled="fail", required="any"))
    assert (event["status"], event["result"]["enrolled"]) == ("failed", 0)
    assert GRACE_MAIL in event["message"]


def test_an_unexpected_error_is_a_transient_error_without_its_text(session_id):
    trigger = make_virtual_trigger(session_id)
    trigger.subject = "secret"
    event = event_of(trigger)
    assert event["status"] == "transient_error"
    assert "KeyError" in event["message"]
    assert "secret" not in event["message"]


def test_times_out_at_the_deadline_with_the_progress(sandbox, session_id, enroll):
    """The deadline is before the second poll."""
    enroll(GRACE_MAIL)

    async def wait():
        (event,) = await events_of(make_virtual_trigger(session_id, poke_interval=600, timeout=90))
        return event, clock()

    event, ended = run(wait())
    assert ended == pytest.approx(90)
    assert (event["status"], event["result"]["enrolled"], event["result"]["pending"]) == ("timeout", 1, [GRACE_MAIL])
    assert event["message"] == f"The sensor timed out: 0 of 1 completed; waiting for {GRACE_MAIL}"
    assert operations(sandbox) == [POLL]


def test_a_restart_of_the_triggerer_does_not_extend_the_deadline(sandbox, session_id):
    event = event_of(make_virtual_trigger(session_id, timeout=-1))
    assert (event["status"], event["message"]) == ("timeout", "The sensor timed out before a poll succeeded")
    assert operations(sandbox) == []


@pytest.mark.realtime
def test_a_late_response_does_not_extend_the_deadline(sandbox, session_id):
    sandbox.control.add_fault(POLL, kind="delay", seconds=4)
    assert event_of(make_trigger(session_id, timeout=1), run=asyncio.run)["status"] == "timeout"
    assert [entry["status"] for entry in sandbox.control.journal()] == [None], "the server is still responding"


def test_the_event_names_at_most_20_users(sandbox, api, session_id, enroll):
    mails = [f"n{number}@acme.test" for number in range(25)]
    for mail in mails:
        api.create_user(mail=mail, mode="create_active")
    enroll(*mails)
    event = event_of(make_virtual_trigger(session_id, users=[*mails, GRACE_MAIL], if_not_enrolled="fail"))
    assert (event["status"], event["result"]["enrolled"], len(event["result"]["pending"])) == ("failed", 25, 20)
    assert len(json.dumps(event)) < 1000


def test_logs_the_progress_only_when_it_changes(sandbox, session_id, enroll, caplog):
    """Waits may last for weeks. The end is logged by the sensor."""
    with after_requests(sandbox, 3, "/stats", lambda: enroll(GRACE_MAIL), lambda: sandbox.control.advance(3600)):
        event_of(make_trigger(session_id), run=asyncio.run)
    log = caplog.text
    assert log.count("0 of 0 completed (at least 1 must be enrolled)") == 1
    assert log.count(f"0 of 1 completed; waiting for {GRACE_MAIL}") == 1
    assert "1 of 1" not in log


def test_does_not_repeat_the_progress_that_the_sensor_has_logged(sandbox, session_id, enroll, caplog):
    enroll(GRACE_MAIL)
    logged = f"0 of 1 completed; waiting for {GRACE_MAIL}"
    event = event_of(make_virtual_trigger(session_id, timeout=300, progress=logged))
    assert event["message"] == f"The sensor timed out: {logged}"
    assert logged not in caplog.text
    event = event_of(make_virtual_trigger(session_id, timeout=-1, progress=logged))
    assert event["message"] == f"The sensor timed out: {logged}", "also before the first poll of the trigger"


async def largest_gap_while(awaitables):
    """Run awaitables beside a task that resumes every millisecond; return their results and its largest delay."""
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


@pytest.mark.realtime
def test_never_blocks_the_event_loop(sandbox, session_id, enroll, with_tokens):
    """The server takes a second for the token and for each of eight polls, which would block the loop for as long."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.settings(delay_before_ms=500, delay_after_ms=500)
    waits = [events_of(make_distinct_trigger(session_id, number, make=make_trigger)) for number in range(8)]
    found, gap = asyncio.run(largest_gap_while(waits))
    assert [event["status"] for (event,) in found] == ["success"] * 8
    assert gap < 0.9
    times = arrivals(sandbox)
    assert len(times) == 8
    assert max(times) - min(times) < 4, "one after the other, they would be 7 s apart"


def test_waits_with_the_same_connection_share_one_token(sandbox, session_id, enroll, with_tokens, monkeypatch):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)

    async def wait_all(count):
        await all_events_of(make_distinct_trigger(session_id, number) for number in range(count))

    run(wait_all(9))
    monkeypatch.setenv(CONNECTION, sandbox.connection_json(limits=UNLIMITED, connect_timeout=5))
    run(wait_all(2))
    sent = operations(sandbox)
    assert (sent.count("generateToken"), sent.count(POLL)) == (2, 11)


def test_waits_that_start_together_read_the_connection_once(sandbox, session_id, enroll, monkeypatch):
    """Thousands may start with a triggerer, and Airflow reads each connection through another process."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)

    async def wait_twice():
        first = await events_of(make_virtual_trigger(session_id))
        monkeypatch.delenv(CONNECTION)
        return first, await events_of(make_virtual_trigger(session_id))

    assert [event["status"] for (event,) in run(wait_twice())] == ["success"] * 2
    assert "NotFound" in event_of(make_virtual_trigger(session_id))["message"], "in another triggerer"


async def until(condition):
    while not await asyncio.to_thread(condition):
        await asyncio.sleep(0.01)


@pytest.mark.realtime
def test_cancelled_waits_release_their_reservations(monkeypatch):
    """With one read per second, the reservations of ten waits would delay the next request by 10 s."""
    with Sandbox(settings={"limits_enabled": False, "learner_seconds": 3600}) as slow:
        monkeypatch.setenv(CONNECTION, slow.connection_json(auth="api_key_header", limits={"company_reads": 1}))
        api = Learning360Hook().api
        session = api.create_path_session(
            path_id=ONBOARDING_PATH_ID, name="Autumn", session_start="2026-10-01T00:00:00Z", group_id=ROOT_GROUP_ID
        )
        slow.control.clear_journal()

        async def start_and_cancel():
            triggers = [make_distinct_trigger(session["session_id"], number, make=make_trigger) for number in range(10)]
            waits = [asyncio.create_task(events_of(trigger)) for trigger in triggers]
            await until(lambda: POLL in operations(slow))
            for wait in waits:
                wait.cancel()
            results = await asyncio.gather(*waits, return_exceptions=True)
            assert [type(result) for result in results] == [asyncio.CancelledError] * 10
            await until(lambda: len(asyncio.all_tasks(loop)) == 1)
            await asyncio.to_thread(api.list_paths)

        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            runner.run(start_and_cancel())
        *polls, last = slow.control.journal()
        assert len(polls) < 5
        assert last["arrived_at"] - polls[-1]["arrived_at"] < 4


# Sharing


def test_a_thousand_waits_for_one_condition_send_one_request_per_interval(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    triggers = [make_virtual_trigger(session_id, poke_interval=20, first_poke=10, timeout=65) for _ in range(1000)]
    events = run(all_events_of(triggers))
    assert {(event["status"], event["result"].get("enrolled")) for event in events} == {("timeout", 1)}
    times = arrivals(sandbox)
    assert len(times) == 3
    assert min(later - earlier for earlier, later in pairwise(times)) >= 20 * FRESH_FOR


def test_waits_for_different_conditions_send_requests_of_their_own(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    events = run(all_events_of(make_distinct_trigger(session_id, number) for number in range(3)))
    assert {event["status"] for event in events} == {"success"}
    assert operations(sandbox) == [POLL] * 3


def test_a_shared_failure_counts_once_for_each_wait(sandbox, session_id, caplog):
    sandbox.control.add_fault(POLL, kind="status", status=503, count=100)
    triggers = [make_virtual_trigger(session_id, first_poke=1) for _ in range(20)]
    events = run(all_events_of(triggers))
    assert {event["status"] for event in events} == {"transient_error"}
    log = caplog.text
    assert [log.count(f"consecutive_failures={number} ") for number in range(1, 6)] == [20] * 5
    assert len(operations(sandbox)) == 6


def test_a_wait_with_earlier_failures_ends_earlier(sandbox, session_id):
    sandbox.control.add_fault(POLL, kind="status", status=503, count=100)
    ended = []

    async def wait(failures):
        (event,) = await events_of(make_virtual_trigger(session_id, first_poke=1, failures=failures))
        ended.append((failures, event["status"]))

    async def wait_all():
        await asyncio.gather(*(wait(failures) for failures in (0, 2, 4)))

    run(wait_all())
    assert ended == [(4, "transient_error"), (2, "transient_error"), (0, "transient_error")]
    assert len(operations(sandbox)) == 6


def test_a_wait_that_starts_later_ends_later(sandbox, session_id):
    """The first one fails with polls 1 to 6, the second one with polls 4 to 9."""
    sandbox.control.add_fault(POLL, kind="status", status=503, count=100)
    times = {}

    async def wait(name, first_poke):
        await events_of(make_virtual_trigger(session_id, first_poke=first_poke))
        times[name] = clock()

    async def wait_all():
        await asyncio.gather(wait("first", 0), wait("second", 3 * 60))

    run(wait_all())
    assert times == {"first": pytest.approx(5 * 60, abs=1), "second": pytest.approx(8 * 60, abs=1)}
    assert len(operations(sandbox)) == 9


def test_the_interval_of_each_wait_decides_whether_a_result_is_fresh(sandbox, session_id, enroll):
    """A failure counts once for a wait with a short interval, which then polls again, and serves a slow one longer."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POLL, kind="status", status=503)

    async def slow_and_fast():
        slow = asyncio.create_task(events_of(make_virtual_trigger(session_id, poke_interval=600)))
        (event,) = await events_of(make_virtual_trigger(session_id, first_poke=1, poke_interval=10))
        slow.cancel()
        return event, clock()

    event, ended = run(slow_and_fast())
    assert (event["status"], ended) == ("success", pytest.approx(11, abs=0.1))
    assert operations(sandbox) == [POLL] * 2


def test_a_permanent_error_ends_all_waits(sandbox, session_id):
    sandbox.control.add_fault(POLL, **REFUSAL)
    events = run(all_events_of([make_virtual_trigger(session_id, first_poke=1) for _ in range(20)]))
    assert {event["status"] for event in events} == {"error"}
    assert operations(sandbox) == [POLL]


@pytest.mark.realtime
def test_waits_for_one_condition_end_each_at_its_own_deadline(sandbox, session_id, enroll):
    """Two deadlines pass while the response is outstanding; it then serves the third wait."""
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POLL, kind="delay", seconds=3)
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
    assert operations(sandbox) == [POLL]


def test_a_cancelled_wait_leaves_the_poll_to_the_others(sandbox, session_id, enroll):
    enroll(GRACE_MAIL)
    sandbox.control.advance(3600)
    sandbox.control.add_fault(POLL, kind="delay", seconds=0.5)

    async def cancel_the_first():
        first, second = (asyncio.create_task(events_of(make_trigger(session_id))) for _ in range(2))
        await until(lambda: operations(sandbox))
        first.cancel()
        return await second

    (event,) = asyncio.run(cancel_the_first())
    assert event["status"] == "success"
    assert operations(sandbox) == [POLL]
