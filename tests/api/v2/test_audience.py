"""Changes of the audience of a session: nothing is lost, whatever changes it meanwhile and wherever it is cut."""

from __future__ import annotations

import heapq
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from airflow_provider_360learning.api.limiter.limiter import RateLimiter
from airflow_provider_360learning.api.limiter.share import Share
from airflow_provider_360learning.api.limiter.sqlite import SqliteStore
from airflow_provider_360learning.api.types import Acquire, Call, Release, Sleep
from airflow_provider_360learning.api.v2.audience import MAX_WRITES, Audience
from airflow_provider_360learning.exceptions import (
    InvalidRequestError,
    Learning360Error,
    NotFoundError,
    OutcomeUnknownError,
    RefusedError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.sandbox.demo_company import (
    ADMIN_ID,
    ADMIN_MAIL,
    GRACE_ID,
    GRACE_MAIL,
    ONBOARDING_PATH_ID,
    ROOT_GROUP_ID,
    SALES_GROUP_ID,
)
from tests.api.support import FREE, eventually

MAY = {
    "path_id": ONBOARDING_PATH_ID,
    "name": "May",
    "session_start": "2026-05-01T00:00:00Z",
    "group_id": ROOT_GROUP_ID,
}
READ, WRITE = "getSessionAudience", "updateSessionAudience"


@pytest.fixture
def session_id(api):
    return api.create_path_session(**MAY)["session_id"]


@pytest.fixture
def audience(api, session_id):
    """Return a function that reads and replaces the audience of the session past the actions."""
    path = {"pathId": ONBOARDING_PATH_ID, "sessionId": session_id}

    def call(mode="dynamicEnrollment", **filters):
        if filters or mode == "manual":
            body = {"filters": [{"type": kind, "ids": ids} for kind, ids in filters.items()], "mode": mode}
            api.client.call(Call(WRITE, path=path, body=body))
        found = api.client.call(Call(READ, path=path))
        return {each["type"]: sorted(each["ids"]) for each in found["filters"]} | {"mode": found["mode"]}

    return call


@pytest.fixture
def enrolled(sandbox):
    """Return a function that returns the email addresses of enrolled users."""
    return lambda: {enrollment["mail"] for enrollment in sandbox.control.state()["enrollments"]}


@pytest.fixture
def add_users(sandbox):
    """Return a function that adds users to the root group and returns their ids."""

    def add(number):
        mails = [f"user.{index}@acme.test" for index in range(number)]
        sandbox.control.add_users(mails)
        ids = {user["mail"]: user["id"] for user in sandbox.control.state()["users"]}
        return [ids[mail] for mail in mails]

    return add


def drive(api, steps, *, calls=None, before_call=lambda call: None):
    """
    Run an action without a shared store and without sleeping, perhaps up to a call only.

    :param calls: number of calls to make before the process is killed.
    """
    outcome, made = None, 0
    while True:
        try:
            step = steps.throw(outcome) if isinstance(outcome, Learning360Error) else steps.send(outcome)
        except StopIteration as end:
            return end.value
        outcome = None
        if isinstance(step, Acquire):
            outcome = step.hold
        if not isinstance(step, Call):
            continue
        if made == calls:
            return None  # the generator is never resumed
        before_call(step)
        try:
            outcome = api.client.call(step)
        except Learning360Error as error:
            outcome = error
        made += 1


# What is written


def test_keeps_the_mode_and_the_other_filters(api, session_id, audience):
    audience("manual", groups=[SALES_GROUP_ID], excludedLearners=[ADMIN_ID])
    api.enroll_users(session_id=session_id, users=[GRACE_ID.upper()])
    assert audience() == {
        "users": [GRACE_ID],
        "groups": [SALES_GROUP_ID],
        "excludedLearners": [ADMIN_ID],
        "mode": "manual",
    }


def test_writes_nothing_if_nothing_changes(api, sent, session_id, audience):
    audience(users=[GRACE_ID], groups=[SALES_GROUP_ID])
    written = len(sent(WRITE))
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    api.enroll_groups(session_id=session_id, group_ids=[SALES_GROUP_ID])
    api.unenroll_users(session_id=session_id, users=[ADMIN_MAIL])
    assert len(sent(WRITE)) == written


def test_ids_may_differ_in_case(sandbox, api, sent, session_id):
    body = {"filters": [{"type": "users", "ids": [GRACE_ID.upper()]}], "mode": "manual"}
    sandbox.control.add_fault(READ, kind="status", status=200, body=body)
    api.enroll_users(session_id=session_id, users=[GRACE_ID])
    assert sent(WRITE) == []


def test_sends_no_filter_without_ids(api, sent, session_id, audience):
    audience(users=[GRACE_ID])
    api.unenroll_users(session_id=session_id, users=[GRACE_ID])
    assert sent(WRITE)[-1]["body"] == {"filters": [], "mode": "dynamicEnrollment"}


def test_looks_up_all_addresses_together(api, sent, session_id, add_users):
    add_users(20)
    api.enroll_users(session_id=session_id, users=[f"user.{index}@acme.test" for index in range(20)])
    operations = [entry["operation"] for entry in sent()][-5:]
    assert operations == ["getAllPathSessions", "getUsers", READ, WRITE, READ]


def test_unenrolls_users_whatever_they_are_enrolled_by(sandbox, api, session_id, audience, enrolled, add_users):
    by_self, by_id, by_both, other = add_users(4)
    sandbox.control.self_enroll(session_id, "user.0@acme.test")
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=by_both)
    api.add_user_to_group(group_id=SALES_GROUP_ID, user=GRACE_ID)
    audience(users=[by_id, by_both, other], groups=[SALES_GROUP_ID])
    assert len(enrolled()) == 5
    api.unenroll_users(session_id=session_id, users=[by_self, by_id, by_both, GRACE_MAIL])
    assert enrolled() == {"user.3@acme.test"}
    assert audience() == {
        "users": [other],
        "groups": [SALES_GROUP_ID],
        "excludedLearners": sorted([by_both, GRACE_ID]),
        "mode": "dynamicEnrollment",
    }


# What is refused


@pytest.mark.parametrize("action", ["enroll_users", "enroll_groups", "unenroll_users"])
@pytest.mark.parametrize("path", [{}, {"path_id": ONBOARDING_PATH_ID}], ids=["session", "session and path"])
@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"has_audience_builder": False}, "sessionIsNotAudienceBuilder", "not created with the Audience Builder"),
        ({"root": "f" * 24}, "childPathSession", f"a part of the session {'f' * 24}"),
        ({"end": 1_700_000_000.0}, "sessionEnded", r"ended at 2023-11-14T22:13:20\.000Z"),
    ],
)
def test_refuses_sessions_before_writing(sandbox, api, sent, session_id, changes, code, reason, action, path):
    sandbox.control.change_session(session_id, **changes)
    key = "group_ids" if action == "enroll_groups" else "users"
    with pytest.raises(RefusedError, match=f"{reason}.*Nothing was changed") as refused:
        getattr(api, action)(session_id=session_id, **{key: [ROOT_GROUP_ID]}, **path)
    assert (refused.value.code, refused.value.transient) == (code, False)
    assert sent(READ, WRITE) == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda control, session: control.change_path(ONBOARDING_PATH_ID, archived=True), "pathArchived"),
        (lambda control, session: control.change_session(session, has_other_filters=True), "unsupportedAudienceFilter"),
    ],
)
def test_reports_what_360learning_refuses(sandbox, api, session_id, change, code):
    change(sandbox.control, session_id)
    with pytest.raises(RefusedError, match=code) as refused:
        api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert (refused.value.code, refused.value.transient) == (code, False)


def test_enrolls_and_unenrolls_users_in_a_path_that_takes_tokens(sandbox, api, enrolled):
    sandbox.control.change_path(ONBOARDING_PATH_ID, uses_tokens=True)
    session_id = api.create_path_session(**MAY)["session_id"]
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL, ADMIN_MAIL])
    api.unenroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert enrolled() == {ADMIN_MAIL}
    with pytest.raises(RefusedError, match=r"tokenBasedPathAudienceFilter.*enroll users"):
        api.enroll_groups(session_id=session_id, group_ids=[ROOT_GROUP_ID])


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ({"mode": "dynamic", "users": [ADMIN_ID]}, "tokenBasedPathMode"),
        ({"mode": "manual", "excludedLearners": [ADMIN_ID]}, "tokenBasedPathExcludedLearners"),
    ],
)
def test_reports_audiences_that_a_path_with_tokens_cannot_have(sandbox, api, session_id, audience, before, code):
    audience(**before)
    sandbox.control.change_path(ONBOARDING_PATH_ID, uses_tokens=True)
    with pytest.raises(RefusedError, match=code) as refused:
        api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert (refused.value.code, refused.value.transient) == (code, False)


def test_sends_no_audience_that_is_too_large(api, sent, session_id):
    groups = [f"{number:024x}" for number in range(5_001)]
    with pytest.raises(InvalidRequestError, match=r"5,001 groups, but API v2 allows at most 5,000: .*Nothing"):
        api.enroll_groups(session_id=session_id, group_ids=groups)
    assert sent(WRITE) == []


def test_counts_each_kind_of_ids():
    ids = [f"{number:024x}" for number in range(20_001)]
    empty = Audience(frozenset(), frozenset(), frozenset(), "manual")
    assert len(empty.with_users(ids[1:]).body()["filters"]) == 1
    with pytest.raises(InvalidRequestError, match="20,001 users"):
        empty.with_users(ids).body()
    with pytest.raises(InvalidRequestError, match="20,001 excluded learners"):
        empty.without_users(ids, ids).body()


def test_refuses_filters_that_replacing_would_remove(sandbox, api, sent, session_id):
    body = {"filters": [{"type": "customFields", "ids": []}], "mode": "manual"}
    sandbox.control.add_fault(READ, kind="status", status=200, body=body)
    with pytest.raises(UnexpectedResponseError, match="filter of the type 'customFields'"):
        api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert sent(WRITE) == []


@pytest.mark.parametrize("kept", ["kept", "removed"])
def test_deleted_users_leave_the_audience(sandbox, api, session_id, audience, add_users, kept):
    sandbox.control.settings(deleted_users_in_audiences=kept)
    deleted, excluded, other = add_users(3)
    audience(users=[deleted, GRACE_ID], groups=[SALES_GROUP_ID], excludedLearners=[excluded])
    for user in (deleted, excluded):
        api.delete_user(user=user)
    api.enroll_users(session_id=session_id, users=[other])
    assert audience() == {
        "users": sorted([GRACE_ID, other]),
        "groups": [SALES_GROUP_ID],
        "mode": "dynamicEnrollment",
    }


def test_deleted_groups_leave_the_audience(sandbox, api, session_id, audience):
    body = {"filters": [{"type": "groups", "ids": ["f" * 24]}], "mode": "manual"}
    sandbox.control.add_fault(READ, kind="status", status=200, body=body)
    api.enroll_groups(session_id=session_id, group_ids=[SALES_GROUP_ID])
    assert audience() == {"groups": [SALES_GROUP_ID], "mode": "manual"}


@pytest.mark.parametrize(
    ("action", "arguments", "text"),
    [
        ("enroll_users", {"users": [ADMIN_ID, "f" * 24, "E" * 24]}, f"user has the id {'e' * 24} and {'f' * 24}:"),
        ("enroll_groups", {"group_ids": [SALES_GROUP_ID, "f" * 24]}, f"No group has the id {'f' * 24}: check"),
    ],
)
def test_names_users_and_groups_that_do_not_exist(api, session_id, audience, action, arguments, text):
    before = audience(users=[GRACE_ID])
    with pytest.raises(NotFoundError, match=text):
        getattr(api, action)(session_id=session_id, **arguments)
    assert audience() == before


def test_reports_a_deleted_user_who_is_in_the_audience(api, session_id, audience, add_users):
    deleted, excluded = add_users(2)
    audience(users=[deleted], excludedLearners=[excluded])
    for user in (deleted, excluded):
        api.delete_user(user=user)
    with pytest.raises(NotFoundError, match=f"user has the id {excluded}: check"):
        api.enroll_users(session_id=session_id, users=[excluded])


# Unknown outcomes


@pytest.fixture
def pauses():
    """Return the seconds that the API of the tests has paused, which take no time."""
    return []


@pytest.fixture
def api(make_api, pauses):
    return make_api(client={"sleep": pauses.append})


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "server_error", "garbage"])
def test_reads_back_a_write_of_unknown_outcome(sandbox, api, pauses, sent, session_id, enrolled, kind):
    sandbox.control.add_fault(WRITE, kind=kind)
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert enrolled() == {GRACE_MAIL}
    was_applied = kind in ("drop_after", "garbage")
    operations = [entry["operation"] for entry in sent(READ, WRITE)]
    assert operations == [READ, WRITE, READ] if was_applied else [READ, WRITE, READ, WRITE, READ]
    may_be_at_work = kind in ("drop_before", "drop_after")
    assert pauses == ([api.client.settings.read_timeout] if may_be_at_work else [])


@pytest.mark.parametrize("status", [502, 504])
def test_waits_for_a_write_that_a_gateway_has_given_up(sandbox, api, pauses, session_id, enrolled, status):
    sandbox.control.add_fault(WRITE, kind="status", status=status)
    api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert enrolled() == {GRACE_MAIL}
    assert pauses == [api.client.settings.read_timeout]


@pytest.mark.slow
def test_a_write_that_is_applied_late_overwrites_nothing(
    sandbox, make_api, make_limiter, tmp_path, sent, session_id, add_users, enrolled
):
    """The client stops waiting before 360Learning applies the write, which another task follows."""
    pause = threading.Event()
    users = add_users(2)

    def sleep(seconds):
        pause.set()
        time.sleep(seconds)

    def make(**client):
        return make_api(rate_limiter=make_limiter(tmp_path / "limits.sqlite"), read_timeout=2.0, client=client)

    late, other = make(sleep=sleep), make()
    sandbox.control.add_fault(WRITE, kind="delay", seconds=3.0)
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(late.enroll_users, session_id=session_id, users=users[:1])
        assert pause.wait(30)
        other.enroll_users(session_id=session_id, users=users[1:])
        running.result()
    eventually(lambda: all(entry["done"] for entry in sent(WRITE)))
    assert len(enrolled()) == len(users)


def test_never_writes_what_was_read_before_a_lost_response(sandbox, api, session_id, audience, enrolled):
    """Another client changes the audience between the write whose response is lost and the next one."""
    sandbox.control.add_fault(WRITE, kind="drop_before")
    reads = []

    def interfere(call):
        reads.extend([call] if call.operation == READ else [])
        if call.operation == READ and len(reads) == 2:
            audience(users=[ADMIN_ID])

    drive(api, api.enroll_users.steps(session_id=session_id, users=[GRACE_MAIL]), before_call=interfere)
    assert enrolled() == {GRACE_MAIL, ADMIN_MAIL}


def test_reports_that_nothing_confirms_a_write(sandbox, api, sent, session_id):
    sandbox.control.add_fault(WRITE, kind="drop_before", count=MAX_WRITES)
    with pytest.raises(OutcomeUnknownError) as unknown:
        api.enroll_users(session_id=session_id, users=[GRACE_MAIL])
    assert unknown.value.transient
    assert len(sent(WRITE)) == MAX_WRITES


def test_gives_up_if_another_client_always_overwrites(api, sent, session_id, audience):
    written = []

    def interfere(call):
        if call.operation == READ and written and written[-1]:
            audience(users=[ADMIN_ID])
        written.append(call.operation == WRITE)

    with pytest.raises(UnexpectedResponseError, match="another client overwrites it") as error:
        drive(api, api.enroll_users.steps(session_id=session_id, users=[GRACE_MAIL]), before_call=interfere)
    assert error.value.transient
    assert len(sent(WRITE)) == 2 * MAX_WRITES


def test_reports_users_who_enroll_themselves_again(sandbox, api, session_id, audience, add_users):
    add_users(1)
    audience(groups=[SALES_GROUP_ID])

    def interfere(call):
        if call.operation == "getEnrollments":
            sandbox.control.self_enroll(session_id, "user.0@acme.test")

    steps = api.unenroll_users.steps(session_id=session_id, users=["user.0@acme.test"])
    with pytest.raises(UnexpectedResponseError, match=r"still enrolled .* removed 4 times") as error:
        drive(api, steps, before_call=interfere)
    assert error.value.transient


@pytest.mark.parametrize("action", ["enroll_users", "unenroll_users"])
def test_a_retry_completes_what_was_cut(sandbox, api, session_id, audience, enrolled, action, add_users):
    """The process is killed before each of the calls of the action in turn."""
    first, second, _ = add_users(3)
    mails = {f"user.{index}@acme.test" for index in range(3)}
    arguments = {"session_id": session_id, "users": sorted(mails)}
    calls, done = 0, None
    while not done:
        audience("manual")
        audience(users=[second, ADMIN_ID], groups=[ROOT_GROUP_ID], excludedLearners=[first])
        sandbox.control.self_enroll(session_id, "user.2@acme.test")
        done = drive(api, getattr(api, action).steps(**arguments), calls=calls)
        getattr(api, action)(**arguments)
        assert enrolled() == {GRACE_MAIL, ADMIN_MAIL} | (mails if action == "enroll_users" else set())
        calls += 1
    assert calls >= 5


# Several clients at the same time


@pytest.fixture
def make_limiter(sandbox):
    """
    Return a function that returns a rate limiter with a store that several processes share, or with another one.

    Without a file, threads of a process share a store if their company is the same: here, it is not.
    """

    def make(path=None, company=""):
        return RateLimiter(
            SqliteStore(str(path)) if path else None,
            base_url=sandbox.url,
            company_id=sandbox.company_id + company,
            api_version="v2",
            overrides=FREE,
            fallback=Share(1.0, started=0.0),
        )

    return make


def test_tasks_that_share_a_store_wait_for_each_other(sandbox, make_api, make_limiter, tmp_path, sent, add_users):
    """Each has a client of its own, as processes have."""
    users = add_users(4)
    apis = [make_api(rate_limiter=make_limiter(tmp_path / "limits.sqlite")) for _ in users]
    session_id = apis[0].create_path_session(**MAY)["session_id"]
    sandbox.control.settings(delay_before_ms=10)
    with ThreadPoolExecutor(len(users)) as pool:
        list(pool.map(lambda api, user: api.enroll_users(session_id=session_id, users=[user]), apis, users))
    assert len(sandbox.control.state()["enrollments"]) == len(users)
    assert [entry["operation"] for entry in sent(READ, WRITE)] == [READ, WRITE, READ] * len(users)


def before_the_first_write(steps, act):
    """Pass the steps of an action on, and call a function before its first write."""
    outcome, is_first = None, True
    while True:
        try:
            step = steps.throw(outcome) if isinstance(outcome, Learning360Error) else steps.send(outcome)
        except StopIteration as end:
            return end.value
        if is_first and isinstance(step, Call) and step.operation == WRITE:
            is_first = False
            act()
        try:
            outcome = yield step
        except Learning360Error as error:
            outcome = error


def test_tasks_that_share_nothing_repeat_what_was_overwritten(sandbox, make_api, make_limiter, sent, add_users):
    """All have read the audience before the first of them writes it."""
    users = add_users(3)
    clock = {"sleep": lambda seconds: time.sleep(seconds / 20)}
    apis = [make_api(rate_limiter=make_limiter(company=user), client=clock) for user in users]
    session_id = apis[0].create_path_session(**MAY)["session_id"]
    all_have_read = threading.Barrier(len(users))

    def enroll(api, user):
        steps = api.enroll_users.steps(session_id=session_id, users=[user])
        return api.client.run(before_the_first_write(steps, lambda: all_have_read.wait(60)))

    with ThreadPoolExecutor(len(users)) as pool:
        list(pool.map(enroll, apis, users))
    assert len(sandbox.control.state()["enrollments"]) == len(users)
    assert len(sent(WRITE)) > len(users)


@pytest.mark.parametrize("seed", range(6))
def test_nothing_is_lost_in_any_order_of_requests(sandbox, make_api, make_limiter, add_users, seed):
    """Tasks without a shared store, in virtual time: each request takes up to a second."""
    users = add_users(4)
    api = make_api(rate_limiter=make_limiter())
    session_id = api.create_path_session(**MAY)["session_id"]
    dice = random.Random(seed)
    waiting = []
    for number, user in enumerate(users):
        steps = api.enroll_users.steps(session_id=session_id, users=[user])
        heapq.heappush(waiting, (dice.random(), number, steps, None))
    while waiting:
        now, number, steps, outcome = heapq.heappop(waiting)
        try:
            step = steps.send(outcome)
        except StopIteration:
            continue
        result, seconds = None, 0.0
        match step:
            case Call():
                result, seconds = api.client.call(step), dice.random()
            case Sleep():
                seconds = step.seconds
            case Acquire():
                result = step.hold
            case Release():
                pass
        heapq.heappush(waiting, (now + seconds, number, steps, result))
    assert len(sandbox.control.state()["enrollments"]) == len(users)
