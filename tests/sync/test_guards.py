"""Guards: which plans they refuse, and what their limits may be."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_360learning.exceptions import InvalidRequestError
from airflow_provider_360learning.sync.guards import GuardError, ensure_passed, leavers, limit_of, verdicts
from airflow_provider_360learning.sync.limits import parse_duration, parse_limit, parse_period_limit
from airflow_provider_360learning.sync.options import Guards, Limit, PeriodLimit
from airflow_provider_360learning.sync.state import AppliedPlan, Remembered, SyncState
from tests.sync.support import NOW, change, changes, people

DAY = timedelta(days=1)


def applied(*, rows=1000, at=NOW - DAY):
    return AppliedPlan(plan_id="0" * 32, applied_at=at, rows=rows)


def left(count, *, at=NOW - DAY):
    """Return a state of which people have left."""
    return SyncState({f"left{at}{number}": Remembered(left_at=at) for number in range(count)})


def decide(plan, *, guards=None, source=None, state=None, now=NOW):
    found = verdicts(plan, people=source or people(), state=state or SyncState(), guards=guards or Guards(), now=now)
    return {verdict.guard: verdict for verdict in found}


def each(action, number, **values):
    return [change(action, f"key{index}", **values) for index in range(number)]


@pytest.mark.parametrize(
    ("limit", "managed", "expected"),
    [
        (Limit(50, 0.05), 10_000, 50),
        (Limit(50, 0.05), 400, 20),
        (Limit(50, 0.05), 20, 3),
        (Limit(50, 0.05), 0, 3),
        (Limit(2, 0.05), 1000, 2),
        (Limit(0), 1000, 0),
        (Limit(share=0.0), 1000, 3),
        (Limit(share=0.29), 100, 29),
        (Limit(share=0.07), 100, 7),
        (Limit(share=0.05), 99, 4),
    ],
)
def test_a_share_is_rounded_down_and_at_least_three_people(limit, managed, expected):
    assert limit_of(limit, managed) == expected


@pytest.mark.parametrize(
    ("guard", "action", "guards"),
    [
        ("max_leavers", "deactivate", Guards(max_leavers=Limit(5))),
        ("max_leavers", "delete", Guards(max_leavers=Limit(5))),
        ("max_leavers_per_period", "deactivate", Guards(max_leavers_per_period=PeriodLimit(Limit(5), DAY))),
        ("max_leavers_per_period", "delete", Guards(max_leavers_per_period=PeriodLimit(Limit(5), DAY))),
        ("max_email_changes", "change_mail", Guards(max_email_changes=Limit(5))),
        ("max_email_changes", "change_reinstated_mail", Guards(max_email_changes=Limit(5))),
        ("max_joiners", "create", Guards(max_joiners=Limit(5))),
        ("max_updates", "update", Guards(max_updates=Limit(5))),
        ("max_group_creations", "create_group", Guards(max_group_creations=Limit(5))),
    ],
)
def test_a_guard_passes_exactly_at_its_limit_and_refuses_one_more(guard, action, guards):
    assert decide(changes(*each(action, 5)), guards=guards)[guard].passed
    above = decide(changes(*each(action, 6)), guards=guards)[guard]
    assert (above.passed, above.actual, above.limit) == (False, 6, 5)


def test_guards_of_joiners_and_updates_are_off_by_default():
    plan = changes(*each("create", 500), *each("update", 500))
    assert {"max_joiners", "max_updates"}.isdisjoint(decide(plan))


def test_no_conflict_and_no_invalid_row_is_accepted_by_default():
    found = decide(changes(conflicts=["1"], errors=[(3, "an unknown group")]), source=people(errors=[(7, "no mail")]))
    assert (found["max_conflicts"].actual, found["max_conflicts"].passed) == (1, False)
    assert (found["max_row_errors"].actual, found["max_row_errors"].passed) == (2, False)


def test_two_errors_of_one_row_are_one_invalid_row():
    plan = changes(errors=[(3, "an unknown group"), (3, "an unknown manager")])
    assert decide(plan, source=people(errors=[(3, "no mail")]))["max_row_errors"].actual == 1


def test_newly_missing_people_count_as_leavers_within_their_grace():
    """A filter with a typo drops a department: the first night must be refused, not the night after the grace."""
    plan = changes(missing=[f"key{index}" for index in range(60)])
    found = decide(plan)["max_leavers"]
    assert (found.actual, found.limit, found.passed) == (60, 50, False)


def test_people_who_were_missing_in_an_applied_run_count_again_only_when_they_leave():
    state = SyncState({"a": Remembered(missing_since=NOW - DAY), "b": Remembered(missing_since=NOW - DAY)})
    plan = changes(change("deactivate", "b"), reports=[("leaver", "a")], missing=["a", "c"])
    assert leavers(plan, state, NOW) == {"b", "c"}


def test_reported_leavers_count():
    assert leavers(changes(reports=[("leaver", "a"), ("pending", "b")]), SyncState(), NOW) == {"a"}


def test_a_reported_leaver_counts_once_and_again_when_missing():
    state = SyncState({"a": Remembered(reported_at=NOW - DAY)})
    assert leavers(changes(reports=[("leaver", "a")]), state, NOW) == frozenset()
    assert leavers(changes(reports=[("leaver", "a")], missing=["a"]), state, NOW) == {"a"}
    assert leavers(changes(change("deactivate", "a")), state, NOW) == {"a"}


@pytest.mark.parametrize(
    ("held", "days", "counts"),
    [
        (None, 30, True),
        (None, 31, False),
        (-5, 20, True),  # the account was reinstated by hand
        (10, 20, False),  # only postponed
        (20, 10, True),
        (400, 20, True),
    ],
)
def test_a_date_counts_when_it_is_near_and_not_only_postponed(held, days, counts):
    def at(number):
        return {"deactivates_at": None if number is None else (NOW + number * DAY).isoformat()}

    plan = changes(change("deactivate", "a", before=at(held), after=at(days)), change("delete", "b"))
    assert leavers(plan, SyncState(), NOW) == ({"a", "b"} if counts else {"b"})
    assert decide(plan)["max_leavers_per_period"].actual == (2 if counts else 1)


@pytest.mark.parametrize(("days", "counts"), [(400, False), (31, False), (29, True), (-29, True), (-31, False)])
def test_a_date_that_was_set_counts_in_its_period_when_it_is_near(days, counts):
    found = decide(changes(change("delete", "b")), state=left(1, at=NOW + days * DAY))["max_leavers_per_period"]
    assert found.actual == (2 if counts else 1)


def test_a_person_with_several_changes_is_one_leaver():
    assert len(leavers(changes(change("deactivate", "a"), change("delete", "a"), missing=["a"]), SyncState(), NOW)) == 1


def test_one_leaver_a_day_is_refused_when_the_period_has_a_tenth_of_the_people():
    state, days = SyncState(), 0
    for days in range(40):
        now = NOW + days * DAY
        found = decide(changes(change("deactivate", f"key{days}"), managed=100), state=state, now=now)
        if not found["max_leavers_per_period"].passed:
            break
        state = SyncState({**state.people, f"key{days}": Remembered(left_at=now)})
    assert days == 10
    assert found["max_leavers"].passed


def test_leavers_before_the_period_do_not_count():
    people = {**left(90, at=NOW - 30 * DAY).people, **left(9, at=NOW - 29 * DAY).people}
    state = SyncState(people)
    assert decide(changes(change("delete")), state=state)["max_leavers_per_period"].actual == 10


def test_leavers_of_an_accepted_plan_refuse_only_further_leavers():
    state = left(300)
    assert decide(changes(change("create")), state=state)["max_leavers_per_period"].passed
    assert not decide(changes(change("delete")), state=state)["max_leavers_per_period"].passed


@pytest.mark.parametrize("rows", [800, 1200])
def test_the_source_may_change_by_its_share_in_both_directions(rows):
    state = SyncState({}, (applied(rows=1), applied(rows=1000)))
    found = decide(changes(), source=people(rows), state=state)["max_source_change"]
    assert (found.actual, found.limit, found.passed) == (200, 200, True)


@pytest.mark.parametrize("rows", [799, 1201])
def test_a_half_written_file_is_refused(rows):
    state = SyncState({}, (applied(rows=1000),))
    assert not decide(changes(), source=people(rows), state=state)["max_source_change"].passed


def test_the_share_of_a_small_source_has_no_minimum():
    found = decide(changes(), source=people(8), state=SyncState({}, (applied(rows=10),)))["max_source_change"]
    assert (found.limit, found.passed) == (2, True)
    assert not decide(changes(), source=people(7), state=SyncState({}, (applied(rows=10),)))["max_source_change"].passed


def test_the_first_plan_has_no_earlier_source():
    found = decide(changes(), source=people(1))["max_source_change"]
    assert (found.limit, found.actual, found.passed) == (None, 0, True)


def test_a_refusal_names_guards_values_and_the_plan():
    found = decide(changes(*each("delete", 60), conflicts=["1"]), guards=Guards(max_leavers=Limit(50)))
    with pytest.raises(GuardError, match=r"max_leavers is 60, the limit 50.*max_conflicts is 1, the limit 0") as caught:
        ensure_passed(list(found.values()), "ab12")
    assert "accept_plan='ab12'" in str(caught.value)
    assert "Nothing was sent" in str(caught.value)
    assert not caught.value.transient


def test_the_refusal_of_a_redacted_plan_does_not_advise_to_accept_it():
    found = decide(changes(conflicts=["1"]))
    with pytest.raises(GuardError, match="run with a larger number, or plan without redact; otherwise") as caught:
        ensure_passed(list(found.values()), "ab12", redacted=True)
    assert "accept_plan" not in str(caught.value)


def test_a_plan_that_passes_is_not_refused():
    ensure_passed(list(decide(changes()).values()), "ab12")


def test_the_log_line_of_a_guard():
    assert str(decide(changes(*each("delete", 7)))["max_leavers"]) == (
        "guard=max_leavers actual=7 limit=50 passed=true"
    )


# Arguments


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (50, Limit(50)),
        ("50", Limit(50)),
        ("5%", Limit(share=0.05)),
        ("12.5 %", Limit(share=0.125)),
        ("100%", Limit(share=1.0)),
        (("5%", 50), Limit(50, 0.05)),
        ([50, "5%"], Limit(50, 0.05)),
        (0, Limit(0)),
    ],
)
def test_a_limit_is_a_number_a_share_or_both(value, expected):
    assert parse_limit("max_leavers", value) == expected


@pytest.mark.parametrize(
    "value", [None, True, -1, 0.05, "101%", "-5%", "five", "", (), ("5%", "6%"), (1, 2), ("5%", 50, None), {}, "nan%"]
)
def test_another_limit_is_refused(value):
    with pytest.raises(InvalidRequestError, match=r"max_leavers is .* must be a number"):
        parse_limit("max_leavers", value)


def test_the_limit_of_the_source_needs_a_share():
    assert parse_limit("max_source_change", "20%", needs_share=True) == Limit(share=0.2)
    with pytest.raises(InvalidRequestError, match="a share such as '20%'"):
        parse_limit("max_source_change", 500, needs_share=True)


def test_a_source_may_become_several_times_as_long():
    limit, state = parse_limit("max_source_change", "150%", needs_share=True), SyncState({}, (applied(rows=1000),))
    found = decide(changes(), source=people(2500), state=state, guards=Guards(max_source_change=limit))
    assert (found["max_source_change"].limit, found["max_source_change"].passed) == (1500, True)


def test_a_limit_over_a_period():
    expected = PeriodLimit(Limit(share=0.1), 30 * DAY)
    assert parse_period_limit("max_leavers_per_period", ("10%", "30 days")) == expected
    assert parse_period_limit("p", ["10%", 40, timedelta(weeks=1)]) == PeriodLimit(Limit(40, 0.1), 7 * DAY)


@pytest.mark.parametrize("value", [None, "10%", ("10%",), ("30 days", "10%"), ("10%", 30), ("10%", "0 days")])
def test_another_period_is_refused(value):
    with pytest.raises(InvalidRequestError, match=r"max_leavers_per_period is .*30 days"):
        parse_period_limit("max_leavers_per_period", value)


@pytest.mark.parametrize(
    ("value", "hours"), [("24h", 24), ("1 day", 24), ("90 min", 1.5), ("3600s", 1), (timedelta(hours=2), 2)]
)
def test_a_duration(value, hours):
    assert parse_duration("plan_valid_for", value) == timedelta(hours=hours)


@pytest.mark.parametrize("value", [None, 24, "24", "-1h", "0h", "1 month", "h", timedelta(), "1h 30min"])
def test_another_duration_is_refused(value):
    with pytest.raises(InvalidRequestError, match="plan_valid_for is"):
        parse_duration("plan_valid_for", value)
