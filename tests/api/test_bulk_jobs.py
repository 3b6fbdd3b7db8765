"""What is known of bulk jobs without the API: pauses between polls, and results matched to inputs."""

from __future__ import annotations

from itertools import accumulate

import pytest

from airflow_provider_360learning.api.bulk_jobs import (
    JobKind,
    JobRowResult,
    has_inputs,
    match_results,
    result_of_row,
    seconds_before_poll,
)
from airflow_provider_360learning.api.models.groups import AddUserToGroup

KIND = JobKind(
    action="add_user_to_group",
    row_model=AddUserToGroup,
    operation="addUsersToGroups",
    max_rows=20_000,
    has_single_requests=True,
    may_resend=True,
    outcome="added",
    key=("userId", "groupId"),
)


def _row(user: str, role: str = "learner") -> dict[str, str]:
    return {"userId": user, "groupId": "g", "role": role}


def test_each_input_has_its_own_result_in_any_order() -> None:
    first, second = JobRowResult(_row("1"), resource_id="a"), JobRowResult(_row("2"), error="no")
    reordered = JobRowResult({"role": "learner", "userId": "1", "groupId": "g"}, resource_id="a")
    assert match_results(KIND, [_row("1"), _row("2")], [second, first]) == [first, second]
    assert match_results(KIND, [_row("1")], [reordered]) == [reordered]


def test_equal_inputs_share_their_results_one_by_one() -> None:
    done, refused = JobRowResult(_row("1"), resource_id="a"), JobRowResult(_row("1"), error="already there")
    assert match_results(KIND, [_row("1"), _row("1"), _row("1")], [done, refused]) == [done, refused, None]


def test_an_input_that_no_result_mentions_has_none() -> None:
    assert match_results(KIND, [_row("1"), _row("2")], [JobRowResult(_row("2"), resource_id="a")])[0] is None


def test_a_result_whose_input_has_more_keys_is_matched_by_what_identifies_the_row() -> None:
    extended = JobRowResult({**_row("1"), "addedBy": "server"}, resource_id="a")
    assert match_results(KIND, [_row("2"), _row("1")], [extended]) == [None, extended]


def test_an_equal_input_wins_over_one_that_is_only_about_the_same() -> None:
    admin, learner = JobRowResult(_row("1", "admin"), error="no"), JobRowResult(_row("1"), resource_id="a")
    assert match_results(KIND, [_row("1"), _row("1", "admin")], [admin, learner]) == [learner, admin]


def test_a_row_is_done_if_all_of_its_inputs_are() -> None:
    done, refused = JobRowResult(_row("1"), resource_id="a"), JobRowResult(_row("2"), error="no")
    assert result_of_row([done]) == done
    assert result_of_row([done, done]) == done
    assert result_of_row([done, None]) is None
    assert result_of_row([None]) is None
    assert result_of_row([None, done, refused, refused]) == JobRowResult(_row("2"), error="2 of 4: no")


def test_numbers_are_equal_whatever_their_type() -> None:
    kept = JobRowResult({"progress": 50}, resource_id="a")
    assert has_inputs([{"progress": 50.0}], [kept])


@pytest.mark.parametrize("results", [[], [_row("1")], [_row("1"), _row("1")], [_row("1"), _row("2"), _row("2")]])
def test_a_job_with_other_inputs_is_not_taken_for_a_lost_one(results: list[dict[str, str]]) -> None:
    assert not has_inputs([_row("1"), _row("2")], [JobRowResult(each) for each in results])


def test_polls_become_rarer_and_stay_within_half_a_minute() -> None:
    polls = list(accumulate(range(400), lambda elapsed, _: elapsed + seconds_before_poll(elapsed), initial=0.0))
    assert polls[1] == 0.5
    assert sum(elapsed <= 60 for elapsed in polls) < 45
    assert polls[-1] - polls[-2] == 30
