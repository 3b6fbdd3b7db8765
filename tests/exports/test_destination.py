"""The destination of an export is tested before anything is read from 360Learning."""

from __future__ import annotations

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.exceptions import StorageUnavailableError
from airflow_provider_360learning.operators.exports import (
    Learning360ExportCourseStatisticsOperator,
    Learning360ExportPathSessionStatisticsOperator,
    Learning360ExportUsersOperator,
)
from tests.exports.test_operators import OPERATORS
from tests.files.object_store import object_store  # noqa: F401 - a fixture
from tests.unlimited_sandbox import operations

INTERVAL = {"interval_start": "2026-01-01T00:00:00Z", "interval_end": "2026-02-01T00:00:00Z"}
FEED = {"date_field": "last_activity_at"}


def export(operator, output_path, **arguments):
    operator(task_id="export", output_path=str(output_path), **arguments).execute({})


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda operator: operator.__name__)
def test_nothing_is_read_if_the_destination_cannot_be_written_to(sandbox, object_store, operator):  # noqa: F811
    object_store.breaks = True
    with pytest.raises(StorageUnavailableError, match=r"^output_path .* cannot be .* Nothing was exported\.$"):
        export(operator, "memory://bucket/a.csv")
    assert operations(sandbox) == []


def test_names_are_not_looked_up_if_the_destination_cannot_be_written_to(sandbox, object_store):  # noqa: F811
    object_store.breaks = True
    with pytest.raises(StorageUnavailableError, match="output_path"):
        export(Learning360ExportPathSessionStatisticsOperator, "memory://bucket/a.csv", sessions=["Autumn"], path="x")
    assert operations(sandbox) == []


def test_a_folder_on_this_host_that_cannot_be_written_to(sandbox, tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(AirflowFailException, match=r"output_path .*/file/a\.csv \(no connection\) cannot be"):
        export(Learning360ExportUsersOperator, tmp_path / "file" / "a.csv")
    assert operations(sandbox) == []


@pytest.mark.parametrize("more", [{}, FEED], ids=["file", "feed"])
def test_leaves_nothing_but_the_export(sandbox, object_store, tmp_path, more):  # noqa: F811
    sandbox.control.settings(generated_attempts=10)
    for place in (tmp_path, "memory://bucket"):
        path = f"{place}/feed" if more else f"{place}/a.jsonl"
        export(Learning360ExportCourseStatisticsOperator, path, **INTERVAL, **more)
    names = [path.name for path in tmp_path.rglob("*.jsonl")]
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == names
    assert (len(names), len(object_store.find(""))) == (1, 1)
    assert not any("write-test" in name for name in [*names, *object_store.find("")])
