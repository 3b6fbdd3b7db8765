"""Rows of a hostile HR system, through the operator of the sync, and what a person then sees of its plan."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from airflow_provider_360learning.sandbox.demo_company import ROOT_GROUP_ID
from tests.sync.conftest import syncs  # noqa: F401 - a fixture
from tests.sync.sync_runs import changes_of, row
from tests.versions.conftest import api, make_api, sent, version  # noqa: F401 - fixtures

#: Texts that mean something to Jinja, a terminal, a log, Markdown, HTML, a spreadsheet, or a file system.
TEXTS = [
    "{{ conn.learning360_default.password }}",
    "{% for x in [1] %}x{% endfor %}",
    "{{{ 7 * 7 }}}",
    "a\n# All guards passed.\n- b",
    "\x1b[31mred\x1b[0m\rover",
    "\u202egnp.exe",
    "`` ` **bold** | <img src=x onerror=alert(1)> | [x](javascript:alert(1))",
    "</code><script>alert(1)</script>",
    "![x](https://evil.example/x.png)",
    "=cmd|' /C calc'!A0",
    "..\\..",
    "\u2028line",
]
GROUPS = {"create_groups": True, "managed_groups": [ROOT_GROUP_ID], "max_group_creations": 100}
MIB = 1 << 20


#: Tests of what does not differ by the version of the API.
on_v1 = pytest.mark.parametrize("version", ["v1"])


@on_v1
def test_a_person_who_reads_the_summary_sees_texts_of_rows_as_code(syncs, caplog):  # noqa: F811 - the fixture
    rows = [
        {"key": text, "mail": f"p{number}@acme.test", "first_name": text, "groups": text.replace(":", "")}
        for number, text in enumerate(TEXTS)
    ]
    rows += [row(f"m{number}", manager=text) for number, text in enumerate(TEXTS)]
    planned = syncs.plan(rows, max_row_errors=1000, **GROUPS)
    folder = Path(planned["path"])
    summary = (folder / "summary.md").read_text()
    without_code = re.sub(r"`[^`\n]+`", "", summary)
    assert not re.search(r"[<>\[\]`\x1b\u2028\u202e]|\{\{|\{%|alert|cmd|guards passed\.\n-", without_code)
    assert not re.search(r"\{\{|\{%|[^\n\x20-\U0010ffff]", summary)
    assert [line for line in summary.splitlines() if line.startswith("#")] == [
        "# Plan of the users sync",
        "## Changes and findings",
        "## Guards",
    ]
    assert all(message.isprintable() for message in caplog.messages)
    assert {path.name for path in folder.iterdir()} == {
        *("plan.json", "meta.json", "changes.jsonl", "findings.jsonl", "agreed.jsonl", "summary.md"),
    }
    assert not re.search(r"\{\{|\{%", json.dumps(planned))


def test_texts_of_rows_arrive_as_they_are(syncs, sandbox, tmp_path):  # noqa: F811 - the fixture
    texts = [text for text in TEXTS if text.isprintable()]
    rows = [{"key": text, "mail": f"p{number}@acme.test", "first_name": text} for number, text in enumerate(texts)]
    syncs.apply(rows)
    profiles = {user["mail"]: user["profile"] for user in sandbox.control.state()["users"]}
    found = [(profiles[one["mail"]]["first_name"], profiles[one["mail"]]["custom"]) for one in rows]
    assert found == [(text, f"hr:{text}") for text in texts]
    assert {path.name for path in tmp_path.iterdir()} == {"plans", "state"}


INVALID = {
    "long key": {"key": "k" * (MIB // 2)},
    "half a surrogate in a key": {"key": "\ud800"},
    "half a surrogate in a name": {"first_name": "\udfff"},
    "half a surrogate in a group": {"groups": "\ud800"},
    "half a surrogate in a manager": {"manager": "\ud800"},
    "year 10^20": {"leaves_at": "99999999999999999999-01-01"},
    "before the first year": {"leaves_at": "0001-01-01T00:00:00+23:59"},
    "after the last year": {"leaves_at": "9999-12-31T23:59:59-23:59"},
    "integer": {"leaves_at": 10**400},
    "nested lists": {"groups": [[["Acme"]]]},
    "objects as groups": {"groups": [{"name": "Acme"}]},
    "10,001 groups": {"groups": ";".join(f"{number:024x}" for number in range(10_001))},
    "10,000 unknown groups": {"groups": ";".join(f"{number:024x}" for number in range(10_000))},
    "deep brackets": {"groups": "[" * 50_000},
    "object": {"manager": {"key": "bo"}},
    "custom field without a name": {"custom_fields.": "x"},
    "1,900 unknown custom fields": {f"custom_fields.{'x' * 200}{number}": "x" for number in range(1900)},
}


@pytest.mark.parametrize("name", INVALID)
def test_a_hostile_value_is_an_error_of_its_row(syncs, name):  # noqa: F811 - the fixture
    planned = syncs.plan([row("ana") | INVALID[name], row("bo")], max_row_errors=1000)
    assert [change["key"] for change in changes_of(planned)] == ["bo"]
    assert planned["counts"]["row_error"] == 1
    findings = Path(planned["path"], "findings.jsonl").read_bytes()
    assert len(findings) < 20_000


@on_v1
def test_a_column_that_is_there_twice_is_refused(syncs, tmp_path):  # noqa: F811 - the fixture
    file = tmp_path / "people.csv"
    file.write_text("key,mail,key\n1,ana@acme.test,2\n")
    with pytest.raises(AirflowFailException, match="have the same name"):
        syncs.plan(str(file))


@on_v1
def test_a_person_in_many_rows_takes_time_that_grows_with_them(syncs, tmp_path):  # noqa: F811 - the fixture
    """Each row has further groups; all of them are merged."""
    file = tmp_path / "people.csv"
    lines = (f"1,ana@acme.test,{';'.join(f'{number:x}g{each}' for each in range(5))}\n" for number in range(3000))
    file.write_text("".join(["key,mail,groups\n", *lines]))
    start = time.thread_time()
    planned = syncs.plan(str(file), duplicate_keys="merge_groups", max_row_errors=10_000)
    assert time.thread_time() - start < 12  # 2 s on a slow machine
    assert planned["counts"] == {"row_error": 3000}
