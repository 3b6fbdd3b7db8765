"""What stands behind each action: both versions, the sandbox, and tests."""

from __future__ import annotations

import pytest

from tests.contract.table import rows

#: Actions that API v2 does not have yet.
NOT_BUILT = {"read_course_attempts"}

each_action = pytest.mark.parametrize(
    "row", [row for row in rows() if row.action not in NOT_BUILT], ids=lambda row: row.action
)


@each_action
def test_every_action_is_there_in_both_versions(row):
    assert set(row.operations) == {"v1", "v2"}
    assert all(row.operations.values())


@each_action
def test_the_sandbox_has_every_operation_of_an_action(row):
    assert row.missing_routes == {version: set() for version in row.operations}


def test_nothing_else_is_missing():
    assert {row.action for row in rows() if not all(row.operations.values())} <= NOT_BUILT


@each_action
def test_an_action_runs_on_both_versions_in_one_test(row):
    assert row.tests
