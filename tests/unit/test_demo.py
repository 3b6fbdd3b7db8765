"""The checks of the demo find each difference in Airflow and in the sandbox's journal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from demo.run import (
    CREATED,
    NEW_JOB,
    UPDATED,
    Run,
    problems_with_an_invalid_row,
    problems_with_updates,
)


def entry(operation, **values):
    return {"operation": operation, "done": True, "status": 200, "arrived_at": 0.0, **values}


@pytest.fixture
def first_scene():
    outcomes = {"already_invited": 1, "created": 9, "invalid": 1, "updated": 1}
    groups = [entry("createGroup", body={"name": name}) for name in ("Engineering", "Research")]
    return Run(
        state="failed",
        tasks={"create_accounts": "failed"},
        results={"create_accounts": {"outcomes": outcomes}},
        log="row 7 (line 8): mail is 'katherine.johnson.acme.test', but must be an email address",
        journal=[*groups, *(entry("createOrInviteUser", user=mail) for mail in CREATED)],
        company={"enrollments": [], "mails_sent": []},
    )


def test_the_described_end_has_no_problems(first_scene):
    assert problems_with_an_invalid_row(first_scene) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"state": "success"}, "state of the run: success, expected failed"),
        ({"log": "a row is invalid"}, "the log names line, field and reason: False, expected True"),
        ({"results": {}}, "rows by outcome: None"),
        ({"company": {"enrollments": [], "mails_sent": ["invitation"]}}, "emails sent: 1, expected 0"),
    ],
)
def test_another_end_is_a_problem(first_scene, change, problem):
    assert problem in "\n".join(problems_with_an_invalid_row(replace(first_scene, **change)))


def test_an_account_that_the_journal_has_twice_is_a_problem(first_scene):
    twice = [*first_scene.journal, first_scene.journal[-1]]
    assert "accounts created at the sandbox" in "\n".join(
        problems_with_an_invalid_row(replace(first_scene, journal=twice))
    )


def test_updates_that_were_slow_are_a_problem_and_throttled_ones_that_were_done_are_not():
    mails = [f"user.{number:03}@acme.test" for number in range(1, UPDATED + 1)]
    updates = [entry("updateUser", user=mail, arrived_at=index / 5) for index, mail in enumerate(mails)]
    run = Run(
        state="success",
        tasks={},
        results={"update_users": {"outcomes": {"updated": UPDATED}}},
        log="",
        journal=updates,
        company={"users": [{"profile": {"job": NEW_JOB}} for _ in mails]},
    )
    assert problems_with_updates(run) == []
    throttled = replace(run, journal=[*updates, entry("updateUser", done=False, status=429)])
    assert problems_with_updates(throttled) == []
    slow = replace(run, journal=[update | {"arrived_at": update["arrived_at"] * 3} for update in updates])
    assert problems_with_updates(slow) == ["updates per second: False, expected True"]
