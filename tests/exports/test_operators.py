"""The pool of exports, their templates, and the columns in the docs."""

from __future__ import annotations

import inspect
import re
from datetime import datetime
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import DAG

from airflow_provider_360learning.exports.columns import COLUMNS
from airflow_provider_360learning.exports.listings import LISTINGS
from airflow_provider_360learning.operators import exports
from airflow_provider_360learning.operators.exports import (
    Learning360ExportCourseStatisticsOperator,
    Learning360ExportOperator,
    Learning360ExportUsersOperator,
    Learning360ListingExportOperator,
)

PAGE = (Path(__file__).parents[2] / "docs" / "exports.md").read_text()
OPERATORS = [
    each
    for each in vars(exports).values()
    if isinstance(each, type)
    and issubclass(each, Learning360ExportOperator)
    and each not in (Learning360ExportOperator, Learning360ListingExportOperator)
]


@pytest.fixture(params=OPERATORS, ids=lambda operator: operator.__name__)
def operator(request):
    return request.param


def test_exports_run_in_the_default_pool(operator, monkeypatch):
    monkeypatch.setenv("AIRFLOW__LEARNING360__POOL", "lms")
    with DAG("exports", schedule=None, start_date=datetime(2026, 1, 1)):
        plain = operator(task_id="plain", output_path="/x.csv")
        mapped = operator.partial(task_id="mapped").expand(output_path=["/x.csv"])
    assert (plain.pool, mapped.partial_kwargs["pool"]) == ("default_pool", "default_pool")


def test_pool_of_the_dag_overrides_the_default(operator):
    with DAG("exports", schedule=None, start_date=datetime(2026, 1, 1), default_args={"pool": "x"}):
        plain = operator(task_id="plain", output_path="/x.csv")
        mapped = operator.partial(task_id="mapped").expand(output_path=["/x.csv"])
        named = operator.partial(task_id="named", pool="y").expand(output_path=["/x.csv"])
    assert (plain.pool, mapped.partial_kwargs["pool"], named.partial_kwargs["pool"]) == ("x", "x", "y")


def test_all_arguments_are_templates(operator):
    own = {one.name for one in inspect.signature(operator).parameters.values() if one.kind is one.KEYWORD_ONLY}
    assert set(operator.template_fields) == {
        *("learning360_conn_id", "output_path", "format", "escape_formulas", "file_mode"),
        *own,
    }


def test_renders_templates(sandbox, tmp_path):
    task = Learning360ExportCourseStatisticsOperator(
        task_id="one",
        output_path="{{ folder }}/{{ name }}.csv",
        interval_start="{{ start }}",
        interval_end="2026-02-01 00:00:00+00:00",
        overlap="{{ 60 * 60 }}",
        allow_incomplete="{{ 'false' }}",
    )
    task.render_template_fields({"folder": tmp_path, "name": "x", "start": "2026-01-01T00:00:00+00:00"})
    result = task.execute({})
    assert result["output_path"] == str(tmp_path / "x.csv")
    assert result["interval_start"] == "2025-12-31T23:00:00.000Z"


def test_refuses_a_relative_path(sandbox):
    with pytest.raises(Exception, match="is not absolute"):
        Learning360ExportUsersOperator(task_id="one", output_path="users.csv").execute({})


def test_docs_name_every_export(operator):
    assert f"| `{operator.__name__}` |" in PAGE


@pytest.mark.parametrize("kind", COLUMNS)
def test_docs_list_the_columns_and_their_types(kind):
    (section,) = re.findall(rf"^### `{kind}`\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE)
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \|", section, re.MULTILINE)
    assert [(name, kind.lower()) for name, kind in listed] == [(column.name, column.kind) for column in COLUMNS[kind]]


def test_docs_list_no_other_columns():
    assert re.findall(r"^### `(\w+)`", PAGE, re.MULTILINE) == list(COLUMNS)
    assert {*LISTINGS, "course_statistics", "path_session_statistics"} == set(COLUMNS)
