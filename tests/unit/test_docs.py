"""The docs quote DAGs that the tests run, and say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_provider_360learning.api.endpoints import LIMITS
from airflow_provider_360learning.connection_form import EXTRA_FIELDS
from airflow_provider_360learning.provider_info import CONFIG_OPTIONS

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
    assert [name for name in LIMITS if f"`{name}`" not in limits] == []
    assert [name for name in EXTRA_FIELDS if f"| `{name}` |" not in connection] == []


def test_every_test_that_a_page_names_exists():
    named = [found for page in PAGES for found in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text())]
    defined = {file: set(re.findall(r"^def (test_\w+)", (ROOT / file).read_text(), re.MULTILINE)) for file, _ in named}
    assert [f"{file}::{name}" for file, name in named if name not in defined[file]] == []


def test_every_fault_of_the_field_has_a_test():
    page = (ROOT / "docs/faults-of-the-field.md").read_text()
    rows = re.findall(r"^\|(?!-)(?!.*\| The test \|$).*", page, re.MULTILINE)
    assert len(rows) > 15
    assert [row for row in rows if "::test_" not in row] == []
