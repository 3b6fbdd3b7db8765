"""The report about killed runs names each violation and nothing else, given made-up evidence."""

from __future__ import annotations

import os

import pytest

from tests.kill_recovery import OPERATION, Evidence, Kill, Part, RecoveryReport, address_of

NO_PROCESS = 2**22 + 1  # greater than the maximum process id


def sent(attempt, person, at, operation=OPERATION):
    return {
        "operation": operation,
        "ip": address_of(attempt),
        "user": f"{person}@x.test",
        "wall_time": float(at),
        "status": 200,
    }


@pytest.fixture
def evidence():
    """Return three rows: the first attempt sent two of them, and the second one resent the unconfirmed one."""
    mails = ["a@x.test", "b@x.test", "c@x.test"]
    return Evidence(
        mails,
        kills=[Kill(1, "supervisor", at=4.5, task=NO_PROCESS)],
        parts=[Part(2.0, [1]), Part(30.0, [2, 3])],
        journal=[sent(1, "a", 1), sent(1, "b", 3), sent(2, "b", 20), sent(2, "c", 21)],
        state={
            "users": [{"mail": mail, "id": mail[0]} for mail in [*mails, "else@x.test"]],
            "mails_sent": [{"to": mail} for mail in mails],
        },
        results=[
            {"row": row, "key": mail, "id": mail[0], "outcome": "already_exists" if row == 2 else "created"}
            for row, mail in enumerate(mails, 1)
        ],
    )


def test_counts_resent_unconfirmed_rows_without_a_violation(evidence):
    report = RecoveryReport(evidence)
    assert report.violations() == []
    assert report.resent_per_attempt() == {1: 0, 2: 1}
    assert report.orphan_seconds() == {1: 0.0}


def lose_a_user(evidence):
    del evidence.state["users"][1]


def mail_twice(evidence):
    evidence.state["mails_sent"] *= 2


def lose_a_result(evidence):
    del evidence.results[2]


def duplicate_a_result(evidence):
    evidence.results.append(evidence.results[2])


def reorder_the_results(evidence):
    evidence.results.reverse()


def report_a_failure(evidence):
    evidence.results[0]["outcome"] = "failed"


def report_another_id(evidence):
    evidence.results[0]["id"] = "z"


def send_a_row_with_a_result(evidence):
    evidence.journal.append(sent(2, "a", 22))


def send_after_takeover(evidence):
    evidence.journal.insert(3, sent(1, "c", 20.5))


def read_after_takeover(evidence):
    evidence.journal.insert(3, sent(1, "c", 20.5, operation="getUser"))


@pytest.mark.parametrize(
    "violate",
    [
        lose_a_user,
        mail_twice,
        lose_a_result,
        duplicate_a_result,
        reorder_the_results,
        report_a_failure,
        report_another_id,
        send_a_row_with_a_result,
        send_after_takeover,
        read_after_takeover,
    ],
)
def test_reports_each_violation(evidence, violate):
    violate(evidence)
    assert RecoveryReport(evidence).violations()


def test_reports_a_process_that_outlives_its_supervisor(evidence):
    evidence.kills = [Kill(1, "supervisor", at=4.5, task=os.getpid())]
    assert RecoveryReport(evidence).violations()
