"""What is sent again after a failure, what never is, and what then counts as done. Judged by journal and state."""

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
from tests.api.support import unused_port

#: Seconds to wait for an answer: more than any but the slow one takes, also on a busy machine.
PATIENCE = 1.0
#: Failures after which nobody knows whether the work was done, by whether it was.
UNKNOWN_BUT_DONE = {
    "dropped afterwards": {"kind": "drop_after"},
    "503 afterwards": {"kind": "status", "status": 503, "when": "after"},
    "garbage": {"kind": "garbage"},
    "slow answer": {"kind": "delay", "seconds": 1.5, "when": "after"},
}
UNKNOWN_AND_NOT_DONE = {
    "dropped before": {"kind": "drop_before"},
    "503": {"kind": "status", "status": 503},
}
UNKNOWN = UNKNOWN_BUT_DONE | UNKNOWN_AND_NOT_DONE

each_done = pytest.mark.parametrize("failure", UNKNOWN_BUT_DONE.values(), ids=list(UNKNOWN_BUT_DONE))
each_not_done = pytest.mark.parametrize("failure", UNKNOWN_AND_NOT_DONE.values(), ids=list(UNKNOWN_AND_NOT_DONE))


@dataclass
class Case:
    """One failure at a sandbox of its own."""

    sandbox: Sandbox
    api: ApiV1
    failure: dict[str, Any]

    def fail(self, operation: str) -> None:
        """Let the next request of an operation fail."""
        self.api.list_groups()  # the token and the connection are there: nothing but the failure is slow
        self.sandbox.control.add_fault(operation, **self.failure)

    def sent(self, operation: str) -> int:
        return sum(entry["operation"] == operation for entry in self.sandbox.control.journal())


@pytest.fixture(scope="module")
def sandboxes() -> Iterator[list[Sandbox]]:
    with ExitStack() as stack:
        yield [stack.enter_context(Sandbox(settings={"limits_enabled": False})) for _ in UNKNOWN]


@pytest.fixture
def at_each_failure(sandboxes, make_api):
    """Play a scenario with each failure, all at once: each takes a second to be sent again."""
    for sandbox in sandboxes:
        sandbox.control.reset()
    cases = [
        Case(sandbox, make_api(sandbox.url, read_timeout=PATIENCE), failure)
        for sandbox, failure in zip(sandboxes, UNKNOWN.values(), strict=True)
    ]

    def play(scenario: Callable[[Case], None]) -> None:
        with ThreadPoolExecutor(len(cases)) as threads:
            played = [threads.submit(scenario, case) for case in cases]
        for name, one in zip(UNKNOWN, played, strict=True):
            if error := one.exception():
                error.add_note(f"The failure was: {name}")
                raise error

    return play


@pytest.fixture
def api(make_api):
    """An API that does not wait long for an answer."""
    return make_api(read_timeout=PATIENCE)


@pytest.fixture
def fail(sandbox, api):
    """Let the next request of an operation fail."""
    return lambda operation, failure: Case(sandbox, api, failure).fail(operation)


def named(sandbox, kind, name):
    return [each for each in sandbox.control.state()[kind] if each["name"] == name]


def person(sandbox, mail):
    return [each for each in sandbox.control.state()["users"] if each["mail"] == mail]


# What may be sent again is, and the outcome is told as if nothing had happened


def test_an_update_is_sent_again(at_each_failure):
    def scenario(case):
        case.fail("updateUser")
        assert case.api.update_user(GRACE_MAIL, job="Admiral") == {"user": GRACE_MAIL, "outcome": "updated"}
        assert case.sent("updateUser") == 2
        assert case.api.client.usage.retries == 1

    at_each_failure(scenario)


def test_a_creation_is_created_although_the_second_answer_says_it_exists(at_each_failure):
    def scenario(case):
        case.fail("createOrInviteUser")
        made = case.api.create_user("ana@acme.test", first_name="Ana", mode="create_active")
        (ana,) = person(case.sandbox, "ana@acme.test")
        assert made == {"mail": "ana@acme.test", "user_id": ana["id"], "outcome": "created"}
        assert case.sent("createOrInviteUser") == 2

    at_each_failure(scenario)


def test_a_deletion_is_deleted_although_the_second_answer_says_there_is_nobody(at_each_failure):
    def scenario(case):
        case.fail("deleteUser")
        assert case.api.delete_user(GRACE_MAIL, if_missing="fail") == {"user": GRACE_MAIL, "outcome": "deleted"}
        assert case.sent("deleteUser") == 2

    at_each_failure(scenario)


def test_an_invitation_is_invited_and_mailed_once(sandbox, api, fail):
    fail("createOrInviteUser", {"kind": "drop_after"})
    assert api.create_user("ana@acme.test", if_exists="fail")["outcome"] == "invited"
    assert [mail["to"] for mail in sandbox.control.state()["mails_sent"]] == ["ana@acme.test"]


@pytest.mark.parametrize(("mode", "mail"), [("invite", GRACE_MAIL), ("create_active", LINUS_MAIL)])
def test_who_came_into_being_in_another_way_is_not_ours(api, fail, mode, mail):
    """An invitation cannot have made an account, nor a creation an invitation."""
    fail("createOrInviteUser", {"kind": "drop_before"})
    with pytest.raises(AlreadyExistsError):
        api.create_user(mail, mode=mode, if_exists="fail")


def test_who_was_there_before_is_brought_up_to_date_all_the_same(api, fail):
    """Whether the lost send created them cannot be told, but what was asked for holds."""
    fail("createOrInviteUser", {"kind": "drop_before"})
    api.create_user(GRACE_MAIL, last_name="Murray", mode="create_active", if_exists="update")
    assert api.get_user(GRACE_MAIL)["last_name"] == "Murray"


def test_a_changed_mail_is_recognised(sandbox, api, fail, sent):
    """The second send goes to a mail that leads nowhere any more."""
    fail("updateUser", {"kind": "drop_after"})
    assert api.update_user(GRACE_MAIL, mail="grace@acme.test", job="Admiral")["outcome"] == "updated"
    assert api.get_user("grace@acme.test")["user_id"] == GRACE_ID


def test_a_deleted_group_is_deleted(api, fail):
    fail("deleteGroup", {"kind": "drop_after"})
    assert api.delete_group(SALES_GROUP_ID, if_missing="fail")["outcome"] == "deleted"


def test_who_left_the_last_group_is_removed(sandbox, api, fail):
    """Leaving it deleted the user, so the second send finds nobody."""
    api.create_user("ana@acme.test", group_id=SALES_GROUP_ID, mode="create_active")
    fail("deleteUserFromGroup", {"kind": "drop_after"})
    assert api.remove_user_from_group(SALES_GROUP_ID, "ana@acme.test")["outcome"] == "removed"


def test_a_read_is_sent_again(api, fail, sent, caplog):
    fail("getUser", {"kind": "drop_before"})
    with caplog.at_level(logging.WARNING):
        assert api.get_user(GRACE_MAIL)["user_id"] == GRACE_ID
    assert len(sent("getUser")) == 2
    assert "The connection broke before the response was complete" in caplog.text
    assert "retrying" in caplog.text


def test_it_ends_with_the_last_attempt(at_each_failure, make_api):
    errors = {"status": ServerError, "garbage": UnexpectedResponseError}

    def scenario(case):
        api = make_api(case.sandbox.url, auth="api_key_header", read_timeout=PATIENCE, client={"max_attempts": 2})
        case.sandbox.control.add_fault("updateUser", **case.failure, count=9)
        with pytest.raises(errors.get(case.failure["kind"], TransportError)) as caught:
            api.update_user(GRACE_MAIL, job="Admiral")
        assert caught.value.transient
        assert case.sent("updateUser") == 2

    at_each_failure(scenario)


def test_an_outage_says_when_to_come_back(sandbox, make_api):
    for said, kept in (("7", 7), ("86400", 300)):
        sandbox.control.add_fault("getGroups", kind="status", status=503, headers={"Retry-After": said})
        with pytest.raises(ServerError) as caught:
            make_api(client={"max_attempts": 1}).list_groups()
        assert caught.value.retry_after == kept


def test_an_outage_is_waited_for_as_long_as_it_says(sandbox, api, sent):
    """Longer than the wait of its own before a second attempt."""
    sandbox.control.add_fault("getGroups", kind="status", status=503, headers={"Retry-After": "2"})
    api.list_groups()
    first, second = sent("getGroups")
    assert second["arrived_at"] - first["arrived_at"] >= 2.0


# What must not be sent twice is not: looking it up settles what happened, or nobody knows


@each_done
def test_a_group_that_came_into_being_is_found(sandbox, api, fail, sent, failure):
    fail("createGroup", failure)
    made = api.create_group("Lab")
    (group,) = named(sandbox, "groups", "Lab")
    assert made == {"group_id": group["id"], "name": "Lab", "outcome": "created"}
    assert len(sent("createGroup")) == 1


@each_not_done
def test_a_group_that_did_not_come_into_being_is_not_sent_twice(sandbox, api, fail, sent, failure):
    fail("createGroup", failure)
    with pytest.raises(OutcomeUnknownError, match=r"not known whether createGroup was applied.*check in 360Learning"):
        api.create_group("Lab")
    assert len(sent("createGroup")) == 1
    assert named(sandbox, "groups", "Lab") == []
    assert api.create_group("Lab")["outcome"] == "created", "trying again later is safe: it is looked for first"
    assert api.create_group("Lab")["outcome"] == "already_exists"


@each_done
def test_a_session_that_came_into_being_is_found(sandbox, api, fail, sent, failure):
    path = api.list_paths()[0]
    fail("createPathSession", failure)
    made = api.create_path_session(
        path["path_id"], "May", session_start="2026-05-01T00:00:00Z", group_id=path["group_id"]
    )
    (session,) = named(sandbox, "sessions", "May")
    assert (made["session_id"], made["outcome"]) == (session["id"], "created")
    assert len(sent("createPathSession")) == 1


@each_not_done
def test_a_session_that_did_not_come_into_being_is_not_sent_twice(sandbox, api, fail, sent, failure):
    path = api.list_paths()[0]
    fail("createPathSession", failure)
    with pytest.raises(OutcomeUnknownError):
        api.create_path_session(path["path_id"], "May", session_start="2026-05-01T00:00:00Z", group_id=path["group_id"])
    assert len(sent("createPathSession")) == 1
    assert named(sandbox, "sessions", "May") == []


def test_an_outcome_that_cannot_be_looked_up_stays_unknown(sandbox, make_api):
    api = make_api(client={"max_attempts": 1})
    path = api.list_paths()[0]
    may = {"path_id": path["path_id"], "name": "May", "session_start": "2026-05-01T00:00:00Z"}
    sandbox.control.add_fault("createPathSession", kind="drop_after")
    sandbox.control.add_fault("getPathSessions", kind="status", status=503, after=1)
    with pytest.raises(OutcomeUnknownError, match="not known whether createPathSession was applied"):
        api.create_path_session(**may, group_id=path["group_id"])
    assert api.create_path_session(**may, group_id=path["group_id"])["outcome"] == "already_exists"


def test_what_never_reached_the_server_is_no_unknown_outcome(make_api):
    """Nothing listens there: sending it again is safe, and so it is a plain failure."""
    api = make_api(f"http://127.0.0.1:{unused_port()}", auth="api_key_header", client={"max_attempts": 2})
    with pytest.raises(TransportError, match="cannot be reached") as caught:
        api.client.call(Call("createGroup", body={"name": "Lab", "public": False}))
    assert caught.value.sent is False
    assert api.client.usage.requests == 2


def test_a_refusal_with_status_500_is_one(sandbox, api, sent):
    """v1 answers so where a group has an active integration."""
    sandbox.control.settings(integrated_groups=[SALES_GROUP_ID])
    with pytest.raises(RefusedError, match="Cannot delete group") as caught:
        api.delete_group(SALES_GROUP_ID)
    assert not caught.value.transient
    assert len(sent("deleteGroup")) == 1
