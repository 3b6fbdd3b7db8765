"""The judge of killed runs names what went wrong, and nothing else: evidence made up for it."""

from __future__ import annotations

import os

import pytest

from tests.kill_recovery import OPERATION, CompletionStatus, Evidence, Kill, Part, address_of

NOBODY = 2**22 + 1  # beyond all process ids


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
    """Of three people, two are sent by the first attempt, and one of these, which is in doubt, by the second."""
    mails = ["a@x.test", "b@x.test", "c@x.test"]
    return Evidence(
        mails,
        kills=[Kill(1, "supervisor", at=4.5, task=NOBODY)],
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


def test_rows_in_doubt_that_are_sent_again_are_counted_and_fine(evidence):
    verdict = CompletionStatus(evidence)
    assert verdict.wrong() == []
    assert verdict.sent_again() == {1: 0, 2: 1}
    assert verdict.sent_by_orphans() == {1: 0.0}


def lose_somebody(evidence):
    del evidence.state["users"][1]


def mail_twice(evidence):
    evidence.state["mails_sent"] *= 2


def lose_a_result(evidence):
    del evidence.results[2]


def tell_twice(evidence):
    evidence.results.append(evidence.results[2])


def tell_in_another_order(evidence):
    evidence.results.reverse()


def tell_of_a_failure(evidence):
    evidence.results[0]["outcome"] = "failed"


def tell_another_id(evidence):
    evidence.results[0]["id"] = "z"


def send_what_is_done(evidence):
    evidence.journal.append(sent(2, "a", 22))


def send_beside_a_newer_attempt(evidence):
    evidence.journal.insert(3, sent(1, "c", 20.5))


def read_beside_a_newer_attempt(evidence):
    evidence.journal.insert(3, sent(1, "c", 20.5, operation="getUser"))


@pytest.mark.parametrize(
    "spoil",
    [
        lose_somebody,
        mail_twice,
        lose_a_result,
        tell_twice,
        tell_in_another_order,
        tell_of_a_failure,
        tell_another_id,
        send_what_is_done,
        send_beside_a_newer_attempt,
        read_beside_a_newer_attempt,
    ],
)
def test_what_must_not_be_is_named(evidence, spoil):
    spoil(evidence)
    assert CompletionStatus(evidence).wrong()


def test_a_process_that_lives_on_is_named(evidence):
    evidence.kills = [Kill(1, "supervisor", at=4.5, task=os.getpid())]
    assert CompletionStatus(evidence).wrong()
