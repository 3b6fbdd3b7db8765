"""The log of a sync: a line per guard, keys of people, and no email address."""

from __future__ import annotations

import logging

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.sandbox.demo_company import GRACE_MAIL
from tests.sync.sync_runs import row

DOMAIN = GRACE_MAIL.partition("@")[2]
GUARDS = [
    "max_leavers",
    "max_leavers_per_period",
    "max_email_changes",
    "max_conflicts",
    "max_row_errors",
    "max_group_creations",
    "max_source_change",
]


def lines_of(caplog, level):
    """Return what was logged with a level about guards."""
    messages = (record.getMessage() for record in caplog.records if record.levelname == level)
    return [message.partition(": ")[2] for message in messages if ": guard=" in message]


def test_each_guard_logs_a_line(syncs, caplog):
    caplog.set_level(logging.INFO)
    syncs.plan([row("ana")])
    lines = lines_of(caplog, "INFO")
    assert [line.split()[0] for line in lines] == [f"guard={name}" for name in GUARDS]
    assert lines[0] == "guard=max_leavers actual=0 limit=3 passed=true"
    assert lines[-1] == "guard=max_source_change actual=0 limit=none passed=true"


def test_a_guard_that_refuses_a_plan_logs_an_error(syncs, caplog):
    with pytest.raises(AirflowFailException):
        syncs.plan([row("ana"), row("bo")], max_joiners=1)
    assert lines_of(caplog, "ERROR") == ["guard=max_joiners actual=2 limit=1 passed=false"]


@pytest.mark.slow
def test_no_log_line_has_an_email_address(syncs, caplog):
    caplog.set_level(logging.INFO)
    di = row("di", mail=GRACE_MAIL)
    first = [row("ana", groups="Sales"), row("bo", manager="ana"), row("cy"), di]
    arguments = {"leavers": "both", "leaver_action": "delete", "managed_groups": ["Sales"], "groups_mode": "exact"}
    syncs.apply(first, adopt="mail", **arguments)
    # A move, a marriage, a new manager, a leaver, and a return.
    syncs.apply([row("ana"), row("bo", mail=f"married@{DOMAIN}", manager="di"), di], **arguments)
    syncs.apply([*first, row("bo", mail=f"other@{DOMAIN}")], **arguments, max_row_errors=2, max_conflicts=2)
    for action in ("create_user", "update_user", "add_manager", "remove_manager", "delete_user"):
        assert f"action={action} rows=1" in caplog.text
    assert [line for line in caplog.text.splitlines() if DOMAIN in line] == []
