"""What stands behind each action: both versions, the sandbox, and tests."""

from __future__ import annotations

import pytest

from airflow_provider_360learning.api.versions import VERSIONS
from tests.contract.table import operations, rows

each_action = pytest.mark.parametrize("row", rows(), ids=lambda row: row.action)


@each_action
def test_every_action_is_there_in_both_versions_or_refused_in_v1(row):
    refused = {name for name, one in VERSIONS["v1"].actions.items() if not one.is_available}
    assert set(row.operations) == ({"v2"} if row.action in refused else {"v1", "v2"})
    assert all(row.operations.values())


@each_action
def test_the_sandbox_has_every_operation_of_an_action(row):
    assert row.missing_routes == {version: set() for version in row.operations}


@each_action
def test_an_action_runs_on_both_versions_in_one_test(row):
    assert row.tests


def test_every_operation_can_be_called_by_name():
    # The path of one operation of API v1 is not known.
    assert {name: (each.known, each.by_name) for name, each in operations().items()} == {
        "v1": (98, 97),
        "v2": (161, 161),
    }


def test_every_operation_is_compared_with_its_description():
    assert all(each.tested == each.by_name for each in operations().values())
