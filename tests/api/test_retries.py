"""Retries after failures, and the outcomes that follow; verified by the sandbox's journal and state."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from airflow_provider_360learning.api.types import Call
from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.exceptions import (
    AlreadyExistsError,
    OutcomeUnknownError,
    RefusedError,
    ServerError,
    TransportError,
    UnexpectedResponseError,
)
from airflow_provider_360learning.sandbox.demo_company import GRACE_ID, GRACE_MAIL, LINUS_MAIL, SALES_GROUP_ID
from airflow_provider_360learning.sandbox.server import Sandbox
from demo.ports import unused_port

#: Seconds to wait for a response: more than any but the slow one takes, also on a busy machine.
READ_TIMEOUT = 2.0
#: Failures that leave the outcome unknown: those after the request was applied, and those before.
UNKNOWN_BUT_APPLIED = {
    "dropped afterwards": {"kind": "drop_after"},
    "503 afterwards": {"kind": "status", "status": 503, "when": "after"},
    "garbage": {"kind": "garbage"},
    "slow response": {"kind": "delay", "seconds": 2.6, "when": "after"},
}
UNKNOWN_AND_NOT_APPLIED = {
    "dropped before": {"kind": "drop_before"},
    "503": {"kind": "status", "status": 503},
}
UNKNOWN = UNKNOWN_BUT_APPLIED | UNKNOWN_AND_NOT_APPLIED

each_applied = pytest.mark.parametrize("failure", UNKNOWN_BUT_APPLIED.values(), ids=list(UNKNOWN_BUT_APPLIED))
each_not_applied = pytest.mark.parametrize(
    "failure", UNKNOWN_AND_NOT_APPLIED.values(), ids=list(UNKNOWN_AND_NOT_APPLIED)
)


@dataclass
class Case:
    """One failure, with a sandbox of its own."""

    sandbox: Sandbox
    api: ApiV1
    failure: dict[str, Any]

    def fail(self, operation: str) -> None:
        """Make the next request of an operation fail."""
        self.api.list_groups()  # fetches the token and opens the connection: only the failure is slow
        self.sandbox.control.add_fault(operation, **self.failure)

    def sent(self, operation: str) -> int:
        return sum(entry["operation"] == operation for entry in self.sandbox.control.journal())


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[list[Sandbox]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Sandbox(settings={"limits_enabled": False})) for _ in UNKNOWN]


@pytest.fixture
def at_each_failure(sandboxes, make_api):
    """Run a scenario with each failure, all at the same time: each retry takes a second."""
    for sandbox in sandboxes:
        sandbox.control.reset()
    cases = [
        Case(sandbox, make_api(sandbox.url, read_timeout=READ_TIMEOUT), failure)
        for sandbox, failure in zip(sandboxes, UNKNOWN.values(), strict=True)
    ]

    def run(scenario: Callable[[Case], None]) -> None:
        with ThreadPoolExecutor(len(cases)) as threads:
            runs = [threads.submit(scenario, case) for case in cases]
        for name, run in zip(UNKNOWN, runs, strict=True):
            if error := run.exception():
                error.add_note(f"The failure was: {name}")
                raise error

    return run


@pytest.fixture
def api(make_api):
    """Return an API that does not wait long for a response."""
    return make_api(read_timeout=READ_TIMEOUT)


@pytest.fixture
def fail(sandbox, api):
    """Make the next request of an operation fail."""
    return lambda operation, failure: Case(sandbox, api, failure).fail(operation)


def named(sandbox, kind, name):
    return [each for each in sandbox.control.state()[kind] if each["name"] == name]


def users(sandbox, mail):
    return [each for each in sandbox.control.state()["users"] if each["mail"] == mail]


# Requests that may be resent: the outcome is the same as without the failure


@pytest.mark.slow
def test_resends_an_update(at_each_failure):
    def scenario(case):
        case.fail("updateUser")
        assert case.api.update_user(user=GRACE_MAIL, job="Admiral") == {"user": GRACE_MAIL, "outcome": "updated"}
        assert case.sent("updateUser") == 2
        assert case.api.client.usage.retries == 1

    at_each_failure(scenario)


@pytest.mark.slow
def test_a_resent_creation_is_created_although_the_second_response_says_it_exists(at_each_failure):
    def scenario(case):
        case.fail("createOrInviteUser")
        created = case.api.create_user(mail="ana@acme.test", first_name="Ana", mode="create_active")
        (ana,) = users(case.sandbox, "ana@acme.test")
        assert created == {"mail": "ana@acme.test", "user_id": ana["id"], "outcome": "created"}
        assert case.sent("createOrInviteUser") == 2

    at_each_failure(scenario)


@pytest.mark.slow
def test_a_resent_deletion_is_deleted_although_the_second_response_says_it_is_missing(at_each_failure):
    def scenario(case):
        case.fail("deleteUser")
        assert case.api.delete_user(user=GRACE_MAIL, if_missing="fail") == {"user": GRACE_MAIL, "outcome": "deleted"}
        assert case.sent("deleteUser") == 2

    at_each_failure(scenario)


def test_a_resent_invitation_is_mailed_once(sandbox, api, fail):
    fail("createOrInviteUser", {"kind": "drop_after"})
    assert api.create_user(mail="ana@acme.test", if_exists="fail")["outcome"] == "invited"
    assert [mail["to"] for mail in sandbox.control.state()["mails_sent"]] == ["ana@acme.test"]


@pytest.mark.parametrize("is_used", [False, True])
def test_a_restored_user_whose_response_was_lost_is_recognized_by_earlier_use(sandbox, api, fail, caplog, is_used):
    api.create_user(mail="ana@acme.test", mode="create_active")
    if is_used:
        sandbox.control.log_in("ana@acme.test")
    api.delete_user(user="ana@acme.test")
    fail("createOrInviteUser", {"kind": "drop_after"})
    made = api.create_user(mail="ana@acme.test", mode="create_active")
    assert made["outcome"] == ("restored" if is_used else "created")
    assert ("Restored the deleted user with this email address" in caplog.text) == is_used


@pytest.mark.parametrize(("mode", "mail"), [("invite", GRACE_MAIL), ("create_active", LINUS_MAIL)])
def test_a_user_of_another_mode_was_not_created_by_us(api, fail, mode, mail):
    """An invitation cannot have created an account, nor a creation an invitation."""
    fail("createOrInviteUser", {"kind": "drop_before"})
    with pytest.raises(AlreadyExistsError):
        api.create_user(mail=mail, mode=mode, if_exists="fail")


def test_updates_a_user_who_may_have_existed_before(api, fail):
    """Whether the lost request created them is unknown, but the requested values are written."""
    fail("createOrInviteUser", {"kind": "drop_before"})
    api.create_user(mail=GRACE_MAIL, last_name="Murray", mode="create_active", if_exists="update")
    assert api.get_user(user=GRACE_MAIL)["last_name"] == "Murray"


def test_recognizes_a_changed_email_address(api, fail):
    """The second request uses an address that no longer exists."""
    fail("updateUser", {"kind": "drop_after"})
    assert api.update_user(user=GRACE_MAIL, mail="grace@acme.test", job="Admiral")["outcome"] == "updated"
    assert api.get_user(user="grace@acme.test")["user_id"] == GRACE_ID


def test_a_resent_group_deletion_is_deleted(api, fail):
    fail("deleteGroup", {"kind": "drop_after"})
    assert api.delete_group(group_id=SALES_GROUP_ID, if_missing="fail")["outcome"] == "deleted"


def test_a_resent_removal_from_the_last_group_is_removed(api, fail):
    """Leaving it deleted the user, so the second request finds no user."""
    api.create_user(mail="ana@acme.test", group_id=SALES_GROUP_ID, mode="create_active")
    fail("deleteUserFromGroup", {"kind": "drop_after"})
    assert api.remove_user_from_group(group_id=SALES_GROUP_ID, user="ana@acme.test")["outcome"] == "removed"


@pytest.mark.slow
def test_resends_a_read(api, fail, sent, caplog):
    fail("getUser", {"kind": "drop_before"})
    with caplog.at_level(logging.WARNING):
        assert api.get_user(user=GRACE_MAIL)["user_id"] == GRACE_ID
    assert len(sent("getUser")) == 2
    assert "The connection broke before the response was complete" in caplog.text
    assert "retrying" in caplog.text


@pytest.mark.slow
def test_gives_up_after_the_last_attempt(at_each_failure, make_api):
    errors = {"status": ServerError, "garbage": UnexpectedResponseError}

    def scenario(case):
        api = make_api(case.sandbox.url, auth="api_key_header", read_timeout=READ_TIMEOUT, client={"max_attempts": 2})
        case.sandbox.control.add_fault("updateUser", **case.failure, count=9)
        with pytest.raises(errors.get(case.failure["kind"], TransportError)) as caught:
            api.update_user(user=GRACE_MAIL, job="Admiral")
        assert caught.value.transient
        assert case.sent("updateUser") == 2

    at_each_failure(scenario)


def test_returns_the_retry_after_of_an_outage(sandbox, make_api):
    for sent, kept in (("7", 7), ("86400", 300)):
        sandbox.control.add_fault("getGroups", kind="status", status=503, headers={"Retry-After": sent})
        with pytest.raises(ServerError) as caught:
            make_api(client={"max_attempts": 1}).list_groups()
        assert caught.value.retry_after == kept


@pytest.mark.slow
def test_waits_for_the_retry_after_of_an_outage(sandbox, api, sent):
    """It is longer than the default wait before a second attempt."""
    sandbox.control.add_fault("getGroups", kind="status", status=503, headers={"Retry-After": "2"})
    api.list_groups()
    first, second = sent("getGroups")
    assert second["arrived_at"] - first["arrived_at"] >= 2.0


# Requests that must not be sent twice: the object is looked up, or the outcome stays unknown


@pytest.mark.slow
@each_applied
def test_finds_the_group_of_a_lost_response(sandbox, api, fail, sent, failure):
    fail("createGroup", failure)
    created = api.create_group(name="Lab")
    (group,) = named(sandbox, "groups", "Lab")
    assert created == {"group_id": group["id"], "name": "Lab", "outcome": "created"}
    assert len(sent("createGroup")) == 1


@each_not_applied
def test_does_not_resend_a_group_that_is_not_found(sandbox, api, fail, sent, failure):
    fail("createGroup", failure)
    with pytest.raises(OutcomeUnknownError, match=r"not known whether createGroup was applied.*check in 360Learning"):
        api.create_group(name="Lab")
    assert len(sent("createGroup")) == 1
    assert named(sandbox, "groups", "Lab") == []
    assert api.create_group(name="Lab")["outcome"] == "created", (
        "a later try is safe, because it looks for the group first"
    )
    assert api.create_group(name="Lab")["outcome"] == "already_exists"


@pytest.mark.slow
@each_applied
def test_finds_the_session_of_a_lost_response(sandbox, api, fail, sent, failure):
    path = api.list_paths()[0]
    fail("createPathSession", failure)
    created = api.create_path_session(
        path_id=path["path_id"], name="May", session_start="2026-05-01T00:00:00Z", group_id=path["group_id"]
    )
    (session,) = named(sandbox, "sessions", "May")
    assert (created["session_id"], created["outcome"]) == (session["id"], "created")
    assert len(sent("createPathSession")) == 1


@each_not_applied
def test_does_not_resend_a_session_that_is_not_found(sandbox, api, fail, sent, failure):
    path = api.list_paths()[0]
    fail("createPathSession", failure)
    with pytest.raises(OutcomeUnknownError):
        api.create_path_session(
            path_id=path["path_id"], name="May", session_start="2026-05-01T00:00:00Z", group_id=path["group_id"]
        )
    assert len(sent("createPathSession")) == 1
    assert named(sandbox, "sessions", "May") == []


def test_an_outcome_stays_unknown_if_the_lookup_fails(sandbox, make_api):
    api = make_api(client={"max_attempts": 1})
    path = api.list_paths()[0]
    may = {"path_id": path["path_id"], "name": "May", "session_start": "2026-05-01T00:00:00Z"}
    sandbox.control.add_fault("createPathSession", kind="drop_after")
    sandbox.control.add_fault("getPathSessions", kind="status", status=503, after=1)
    with pytest.raises(OutcomeUnknownError, match="not known whether createPathSession was applied"):
        api.create_path_session(**may, group_id=path["group_id"])
    assert api.create_path_session(**may, group_id=path["group_id"])["outcome"] == "already_exists"


def test_a_request_that_never_reached_the_server_has_no_unknown_outcome(make_api):
    """Without a listener it is safe to resend, so that it is a plain failure."""
    api = make_api(f"http://127.0.0.1:{unused_port()}", auth="api_key_header", client={"max_attempts": 2})
    with pytest.raises(TransportError, match="cannot be reached") as caught:
        api.client.call(Call("createGroup", body={"name": "Lab", "public": False}))
    assert caught.value.sent is False
    assert api.client.usage.requests == 2


@pytest.mark.slow
def test_does_not_retry_a_refusal_with_status_500(sandbox, api, sent):
    """v1 answers so if a group has an active integration."""
    sandbox.control.settings(integrated_groups=[SALES_GROUP_ID])
    with pytest.raises(RefusedError, match="Cannot delete group") as caught:
        api.delete_group(group_id=SALES_GROUP_ID)
    assert not caught.value.transient
    assert len(sent("deleteGroup")) == 1
