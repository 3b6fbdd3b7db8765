"""Decisions of the retry policy about errors of this package, and of others."""

from __future__ import annotations

from datetime import timedelta

import pytest

from airflow_provider_360learning import exceptions as errors
from airflow_provider_360learning.exceptions import Learning360Error, RefusedRowsError, ServerError

pytestmark = pytest.mark.airflow(">=3.3", reason="retry policies came with 3.3")

ALL = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, Learning360Error) and found is not Learning360Error
]


def decide(error):
    from airflow_provider_360learning.retry_policy import Learning360RetryPolicy

    return Learning360RetryPolicy().evaluate(error, try_number=1, max_tries=3)


@pytest.mark.parametrize("kind", [kind for kind in ALL if not kind.transient], ids=lambda kind: kind.__name__)
def test_fails_on_a_permanent_error(kind):
    required = {"results": []} if kind is RefusedRowsError else {}
    decision = decide(kind("no", **required))
    assert decision.action.value == "fail"
    assert decision.reason == kind.__name__


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind.transient], ids=lambda kind: kind.__name__)
def test_retries_after_the_suggested_delay(kind):
    decision = decide(kind("later", retry_after=42))
    assert (decision.action.value, decision.retry_delay) == ("retry", timedelta(seconds=42))
    assert decision.reason == kind.__name__


@pytest.mark.parametrize(
    ("suggested", "expected"), [(7200.0, 3600), (1e300, 3600), (float("inf"), 3600), (float("nan"), 0), (-1.0, 0)]
)
def test_caps_the_suggested_delay(suggested, expected):
    assert decide(ServerError("later", retry_after=suggested)).retry_delay == timedelta(seconds=expected)


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind.transient], ids=lambda kind: kind.__name__)
def test_follows_the_tasks_settings_without_a_suggested_delay(kind):
    assert decide(kind("later")).action.value == "default"


def test_follows_the_tasks_settings_for_other_errors():
    assert decide(ValueError("no")).action.value == "default"


def test_there_are_transient_and_permanent_errors():
    assert len(ALL) >= 10
    assert {kind.transient for kind in ALL} == {True, False}
