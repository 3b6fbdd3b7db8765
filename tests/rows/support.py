"""Shared by tests of many rows: run an operator, and read its files."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, ObjectStoragePath

from airflow_provider_360learning.files.storage import storage_path, write_atomic
from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.rows.config import LeaseTimes, RowsConfig
from airflow_provider_360learning.sandbox.server import Sandbox

ROOT = Path(__file__).parents[2]
#: Operations that only read.
READS = {"getUsers", "getUser", "getGroups", "getGroup", "getPaths", "getPathSessions", "getCourses"}


class FastBulkOperator(Learning360BulkOperator):
    """Verifies its lease after 50 ms, where the real one waits for a second."""

    def _config(self, context: Any) -> RowsConfig:
        return replace(super()._config(context), lease=LeaseTimes(settle=0.05))


class ImpatientBulkOperator(FastBulkOperator):
    """Sends each request once, where the real one retries for a minute."""

    def _config(self, context: Any) -> RowsConfig:
        return replace(super()._config(context), max_attempts=1)


def bulk(
    action: str, rows: Any = None, *, results_path: Any, context: Any = None, impatient: bool = False, **arguments: Any
) -> dict[str, Any]:
    """Apply an action to rows, outside of Airflow, and return what the task would."""
    operator = make_operator(action, rows, results_path=results_path, impatient=impatient, **arguments)
    return dict(operator.execute({} if context is None else context))


def bulk_failing(action: str, rows: Any = None, *, match: str | None = None, **arguments: Any) -> dict[str, Any]:
    """Apply an action to rows, of which too many are rejected, and return the summary that a callback finds."""
    context: dict[str, Any] = {}
    with pytest.raises(AirflowFailException, match=match):
        bulk(action, rows, context=context, **arguments)
    return dict(context["run_summary"])


def make_operator(
    action: str, rows: Any = None, *, results_path: Any, impatient: bool = False, **arguments: Any
) -> Learning360BulkOperator:
    """Make the operator that applies an action to rows."""
    kind = ImpatientBulkOperator if impatient else FastBulkOperator
    return kind(task_id="bulk", action=action, rows=rows, results_path=str(results_path), **arguments)


def people(count: int, start: int = 1, **more: Any) -> list[dict[str, Any]]:
    """Make rows of people who have no account yet."""
    numbers = range(start, start + count)
    return [{"mail": f"person{number}@acme.test", "mode": "create_active", **more} for number in numbers]


def json_lines(path: Any) -> list[dict[str, Any]]:
    """Read a JSON Lines file, anywhere."""
    return [json.loads(line) for line in storage_path(path).read_text().splitlines()]


def rejected_in(path: Any) -> list[dict[str, Any]]:
    """Read rejected rows in JSON Lines, without the columns that were added."""
    rows = json_lines(path)
    assert all(row.pop("rejected_row") and row.pop("rejected_reason") for row in rows)
    return rows


def results_in(folder: Any) -> list[dict[str, Any]]:
    """Read the merged results."""
    return json_lines(storage_path(folder) / "results.jsonl")


def outcomes_in(folder: Any) -> list[str]:
    """Read the outcome of each row, in order."""
    return [result["outcome"] for result in results_in(folder)]


def faults_in(folder: Any) -> list[dict[str, Any]]:
    """Read the error report."""
    return json_lines(storage_path(folder) / "rejected" / "errors.jsonl")


def manifest_in(folder: Any) -> dict[str, Any]:
    """Read the manifest."""
    manifest: dict[str, Any] = json.loads((storage_path(folder) / "manifest.json").read_text())
    return manifest


def files_in(folder: Any) -> dict[str, bytes]:
    """Read every file below a folder, by its path there."""
    root = storage_path(folder)
    found: dict[str, bytes] = {}
    for name in sorted(root.fs.find(root.path)) if root.exists() else []:
        found[name.removeprefix(root.path).lstrip("/")] = root.fs.cat_file(name)
    return found


def writes(sandbox: Sandbox, after: int = 0) -> list[dict[str, Any]]:
    """Return the write requests."""
    return [entry for entry in sandbox.control.journal(after) if entry["operation"] not in READS]


def mails(sandbox: Sandbox) -> list[str]:
    """Return the email addresses of all users."""
    return [user["mail"] for user in sandbox.control.state()["users"]]


def put(where: Any, text: str) -> str:
    """Write a small text file, anywhere, and return its path."""
    write_atomic(where, text.encode())
    return str(where)


def put_json_lines(where: Any, rows: Iterable[Mapping[str, Any]]) -> str:
    """Write a JSON Lines file, anywhere, and return its path."""
    return put(where, "".join(json.dumps(row) + "\n" for row in rows))


def put_parquet(where: Any, rows: Sequence[Mapping[str, Any]], schema: pyarrow.Schema | None = None) -> str:
    """Write a Parquet file, anywhere, and return its path."""
    with storage_path(where).open("wb") as file:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), file)
    return str(where)


def put_csv(where: Any, rows: Sequence[Mapping[str, Any]], separator: str = ",") -> str:
    """Write a CSV file of values that need no quotation marks, anywhere, and return its path."""
    lines = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    return put(where, "".join(separator.join(cells) + "\n" for cells in lines))


def put_table(file: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows to the table ``people`` of a SQLite database."""
    columns = list(rows[0])
    with sqlite3.connect(file) as database:
        database.execute(f"CREATE TABLE people ({', '.join(columns)})")
        places = ", ".join("?" * len(columns))
        database.executemany(f"INSERT INTO people VALUES ({places})", [list(row.values()) for row in rows])
    database.close()


def path_of(place: str, *parts: str) -> ObjectStoragePath:
    """Return the path of a file in a place."""
    return storage_path("/".join([place, *parts]))


def put_results(
    folder: Any, outcomes: Iterable[tuple[str, str]], *, action: str = "create_user", run: str = "0f1e2d3c"
) -> dict[str, Any]:
    """Write the results of a bulk task with these keys and outcomes, anywhere, and return its result."""
    lines, counts = [], Counter[str]()
    for number, (key, outcome) in enumerate(outcomes, 1):
        line = {"row": number, "key": key, "outcome": outcome, "id": None, "error_code": None, "message": None}
        lines.append({**line, "retryable": False, "line": None, "user": key.partition(" / ")[0]})
        counts[outcome] += 1
    path = put_json_lines(storage_path(folder) / "results.jsonl", lines)
    summary = {"rows": len(lines), "outcomes": dict(counts), "results_path": path, "rejected_path": None, "run": run}
    put(storage_path(folder) / "manifest.json", json.dumps({"version": 1, "action": action, **summary}))
    return summary
