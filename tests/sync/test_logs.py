"""Logs and errors of a sync name keys and ids, never email addresses, whatever happens; on both API versions."""

from __future__ import annotations

import logging
import traceback
from contextlib import suppress

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.sandbox.demo_company import ADMIN_MAIL, GRACE_MAIL
from tests.sync.sync_runs import row

CREATIONS = ("createOrInviteUser", "createUser")
#: Twice as many people as consecutive failures end an attempt.
PEOPLE = [f"p{number}" for number in range(10)]


@pytest.fixture
def logs(caplog):
    """Return all log lines, those of libraries included."""
    with caplog.at_level(logging.DEBUG):
        yield caplog


def check(logs, error=None):
    """Expect that there are lines, and no address in them or in an error and what led to it."""
    formatter = logging.Formatter()
    texts = [formatter.format(record) for record in logs.records]
    assert texts
    if error is not None:
        texts += traceback.format_exception(error)
        while error is not None:
            texts += [str(error), repr(error)]
            error = error.__cause__ or error.__context__
    shown = [text for text in texts if any(mark in text for mark in ("@acme", "%40acme", "@else", "@evil"))]
    assert shown == []


def failing(syncs, rows, **arguments):
    with pytest.raises(Exception) as caught:  # noqa: PT011 - of several types, and it is the texts that matter
        syncs.apply(rows, **arguments)
    return caught.value


def test_requests_that_are_sent_again(sandbox, syncs, logs):
    syncs.apply([row("ana"), row("bo")])
    for operation in ("getUser", "updateUser", "getUsers", "getManagers", *CREATIONS):
        sandbox.control.add_fault(operation, kind="status", status=503)
    for operation in CREATIONS:  # after the work, so that the address is looked up
        sandbox.control.add_fault(operation, kind="status", status=503, when="after", after=1)
    rows = [row("ana", job="Welder", manager="bo") | {"mail": "anna@acme.test"}, row("bo"), row("cy"), row("di")]
    syncs.apply(rows)
    assert "retrying" in logs.text
    check(logs)


@pytest.mark.parametrize("version", ["v1"])
def test_an_invitation_that_was_not_asked_for(sandbox, syncs, logs):
    body = {"status": "invitation_created", "_id": "a" * 24}
    sandbox.control.add_fault("createOrInviteUser", kind="status", status=200, body=body)
    with suppress(AirflowFailException):  # there is no user with this id
        syncs.apply([row("ana")])
    assert "360Learning reports outcome=invited user_id=" in logs.text
    check(logs)


def test_a_deleted_user_who_was_restored(api, syncs, logs):
    api.delete_user(user=GRACE_MAIL)
    logs.clear()
    with suppress(AirflowFailException):
        syncs.apply([row("grace") | {"mail": GRACE_MAIL}, row("ana")])
    check(logs)


@pytest.mark.parametrize("version", ["v1"])  # whose requests have addresses in their paths; it waits for a minute
def test_an_outage(sandbox, syncs, logs):
    syncs.apply([row(key) for key in PEOPLE])
    sandbox.control.add_fault("updateUser", kind="status", status=503, count=1000)
    error = failing(syncs, [row(key, job="Welder") for key in PEOPLE])
    assert "consecutive requests failed" in str(error)
    check(logs, error)


def test_credentials_that_are_not_accepted_any_more(sandbox, syncs, logs):
    syncs.apply([row("ana")])
    body = {"error": "invalid_api_key"}
    for operation in ("updateUser", *CREATIONS):
        sandbox.control.add_fault(operation, kind="status", status=401, body=body, count=1000)
    error = failing(syncs, [row("ana", job="Welder"), row("bo")])
    assert "AuthenticationError" in "".join(traceback.format_exception(error))
    check(logs, error)


@pytest.mark.parametrize("status", [400, 500])
def test_errors_that_quote_an_address(sandbox, syncs, logs, status):
    body = {"error": f"no such thing: {ADMIN_MAIL}", "message": ADMIN_MAIL}
    sandbox.control.add_fault("getGroups", kind="status", status=status, body=body, count=1000)
    check(logs, failing(syncs, [row("ana")]))
    sandbox.control.clear_faults()
    for operation in CREATIONS:
        sandbox.control.add_fault(operation, kind="status", status=status, body=body, count=1000)
    check(logs, failing(syncs, [row("ana"), row("bo")]))


def test_rows_and_arguments_that_are_refused(syncs, logs):
    invalid = [row("ana") | {"mail": "ana@acme@else.test"}, row("bo") | {"mail": "ana@acme.test"}, row("bo")]
    check(logs, failing(syncs, invalid))
    check(logs, failing(syncs, [row("ana")], protected=["zoe@acme.test"], max_joiners=0))
    check(logs, failing(syncs, [row("ana")], managed_groups=["ana@acme.test"]))


def test_people_whose_addresses_are_their_keys(api, sandbox, syncs, logs):
    arguments = {
        "key": "mail",
        "key_namespace": None,
        "leavers": "both",
        "leaver_action": "delete",
        "max_row_errors": 9,
    }
    people = [{"mail": f"{key}@acme.test", "first_name": key} for key in ("ana", "bo", "cy", "di")]
    syncs.apply(people, **arguments)
    changed = [people[0] | {"first_name": "Anna"}, people[1] | {"manager": "unknown"}, people[2] | {"job": "Welder"}]
    plan = syncs.plan(changed, **arguments)
    assert plan["counts"].keys() >= {"update", "delete", "row_error"}
    assert "@" not in (storage_path(plan["path"]) / "summary.md").read_text()
    api.update_user(user="ana@acme.test", first_name="Annabel")
    for operation in ("updateUser", "deleteUser"):
        sandbox.control.add_fault(operation, kind="status", status=400, count=9)
    logs.clear()  # of requests that are not those of the sync
    with pytest.raises(AirflowFailException, match="were not made") as caught:
        syncs.run(mode="apply", plan_id=plan["plan_id"])
    assert "stale" in logs.text
    check(logs, caught.value)
