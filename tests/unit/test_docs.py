"""The docs quote DAGs that the tests run, and say what the code says."""

from __future__ import annotations

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

from airflow_provider_360learning.api.v1 import ApiV1
from airflow_provider_360learning.api.v1.external import external_course, external_statistic
from airflow_provider_360learning.api.v1.spec import API_V1
from airflow_provider_360learning.connections.form import EXTRA_FIELDS
from airflow_provider_360learning.get_provider_info import CONFIG_OPTIONS
from airflow_provider_360learning.rows.results import NOT_DONE, UNCHANGED, Result
from airflow_provider_360learning.rows.run import WOULD_SEND
from airflow_provider_360learning.rows.schema import RowError

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
DAGS = "\n".join(path.read_text() for path in sorted((ROOT / "dags_examples").glob("*.py")))


def _snippets():
    for page in PAGES:
        for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)):
            yield pytest.param(code, id=f"{page.name}-{number}")


@pytest.mark.parametrize("code", list(_snippets()))
def test_every_python_snippet_stands_in_an_example_dag(code):
    assert code in DAGS


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_pages_name_every_setting_field_and_limit():
    limits, connection = (ROOT / "docs/limits.md").read_text(), (ROOT / "docs/connection.md").read_text()
    assert [name for name in CONFIG_OPTIONS if f"| `{name}` |" not in limits] == []
    assert [name for name in API_V1.limits if f"`{name}`" not in limits] == []
    assert [name for name in EXTRA_FIELDS if f"| `{name}` |" not in connection] == []


def test_every_test_that_a_page_names_exists():
    named = [found for page in PAGES for found in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text())]
    defined = {file: set(re.findall(r"^def (test_\w+)", (ROOT / file).read_text(), re.MULTILINE)) for file, _ in named}
    assert [f"{file}::{name}" for file, name in named if name not in defined[file]] == []


def test_every_fault_of_the_field_has_a_test():
    page = (ROOT / "docs/known-provider-bugs.md").read_text()
    rows = re.findall(r"^\|(?!-)(?!.*\| The test \|$).*", page, re.MULTILINE)
    assert len(rows) > 15
    assert [row for row in rows if "::test_" not in row] == []


def table(page, heading):
    """Read the cells of the table whose first column has this heading, the first below an anchor if one is named."""
    text = (ROOT / page).read_text()
    anchor, _, heading = heading.rpartition("/")
    below = text.partition(f"## {anchor}\n")[2] if anchor else text
    lines = below[below.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.parametrize(
    ("heading", "takes"),
    [
        ("Statistics of other platforms/Column", external_statistic),
        ("Courses of other platforms/Column", external_course),
    ],
)
def test_the_columns_of_imports_are_those_that_the_code_takes(heading, takes):
    documented = [(name.strip("`"), required == "yes") for name, required, _ in table("docs/bulk.md", heading)]
    parameters = inspect.signature(takes).parameters.values()
    assert documented == [(one.name, one.default is one.empty) for one in parameters]


@pytest.mark.parametrize(("file", "line"), [("results.jsonl", Result), ("errors.jsonl", RowError)])
def test_the_columns_of_what_a_run_leaves_behind_are_those_that_the_code_writes(file, line):
    documented = [name.strip("`") for name, _ in table("docs/bulk.md", f"Column of `{file}`")]
    assert documented == [field.name for field in dataclasses.fields(line)]


def test_every_outcome_of_a_row_that_is_not_an_actions_own_is_explained():
    explained = [name.strip("`") for name, _ in table("docs/bulk.md", "`outcome` | What became of the row")]
    assert {*NOT_DONE, UNCHANGED, WOULD_SEND} == set(explained[1:])


def test_the_actions_for_many_rows_are_documented_with_their_keys_and_limits():
    written = {name: found.write for kind in ApiV1.__mro__ for name, found in vars(kind).items() if _writes(found)}
    expected = {
        name: (list(write.key), min(limit.requests for limit in API_V1.endpoints[write.operation].limits))
        for name, write in written.items()
        if not write.together
    }
    documented = {
        name.strip("`"): (re.findall(r"`(\w+)`", key), int(most))
        for name, key, most in table("docs/bulk.md", "`action`")
    }
    assert documented == expected


def _writes(found):
    return getattr(found, "write", None) is not None
