"""
The lines of a plan.

``changes.jsonl`` has one per change, ``findings.jsonl`` one per thing that is reported, ``agreed.jsonl`` one per person
of whom 360Learning has values already that the state does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from airflow_provider_360learning.sync.canonical import encode
from airflow_provider_360learning.sync.names import label
from airflow_provider_360learning.sync.plan import Change, Changes, Conflict, Report

#: Stands for a value that is left out.
REDACTED = "(redacted)"

# In the texts of a plan, strings are quoted as Python quotes them, and may be cut: then an ellipsis or the text ends
# them. Other values have their place, or are dates. Rather too much is left out than too little.
_VALUES = re.compile(
    r"""'(?:[^'\\]|\\.)*'
    |"(?:[^"\\]|\\.)*"
    |['"](?:[^…]*…|.*\Z)
    |(?<=\ is\ ).+(?=,\ but\ must\ )
    |[^\s'"<>(),;:]+@[^\s'"<>(),;:]+
    |(?<!such\ as\ )\b\d{4}-\d\d-\d\d(?:T[\d:.]+(?:Z|[+-][\d:]+)?)?""",
    re.VERBOSE | re.DOTALL,
)


def change_lines(changes: Changes) -> Iterator[bytes]:
    """
    Yield a line per change, in the order in which they are applied.

    :param changes: The changes.
    """
    return map(_line, changes.changes)


def finding_lines(changes: Changes) -> Iterator[bytes]:
    """
    Yield a line per conflict, invalid row, report and missing person.

    :param changes: The changes.
    """
    for conflict in changes.conflicts:
        yield _line({"finding": "conflict", "keys": conflict.keys, "rows": conflict.rows, "text": conflict.reason})
    for row, problem in changes.errors:
        yield _line({"finding": "row_error", "rows": [row], "text": problem})
    for report in changes.reports:
        yield _line({"finding": report.finding, "keys": [report.key], "text": report.text})
    for key in changes.missing:
        yield _line({"finding": "absent", "keys": [key]})


def agreed_lines(changes: Changes) -> Iterator[bytes]:
    """
    Yield a line per person of whom 360Learning has values that the state does not know.

    :param changes: The changes.
    """
    return (_line({"key": key, "values": values}) for key, values in sorted(changes.agreed.items()))


def read_changes(lines: Iterable[bytes], findings: Iterable[bytes], agreed: Iterable[bytes], managed: int) -> Changes:
    """
    Return the changes that lines contain.

    :param lines: Lines of changes.
    :param findings: Lines of findings.
    :param agreed: Lines of people of whom 360Learning has values already.
    :param managed: Number of people managed before the plan.
    :raises ValueError: if a line is not one of ours.
    :raises LookupError: the same.
    :raises TypeError: the same.
    """
    conflicts: list[Conflict] = []
    errors: list[tuple[int, str]] = []
    reports: list[Report] = []
    missing: list[str] = []
    for line in findings:
        found = json.loads(line)
        if found["finding"] == "conflict":
            conflicts.append(Conflict(tuple(found["keys"]), found["text"], tuple(found["rows"])))
        elif found["finding"] == "row_error":
            errors.append((found["rows"][0], found["text"]))
        elif found["finding"] == "absent":
            missing += found["keys"]
        else:
            reports.append(Report(found["finding"], found["keys"][0], found["text"]))
    return Changes(
        tuple(_change(json.loads(line)) for line in lines),
        tuple(conflicts),
        tuple(reports),
        managed,
        tuple(missing),
        tuple(errors),
        {each["key"]: each["values"] for each in map(json.loads, agreed)},
    )


def without_values(changes: Changes) -> Changes:
    """
    Return changes without the values of people: what is changed stays, to what does not.

    :param changes: The changes.
    """
    return replace(
        changes,
        changes=tuple(
            replace(
                each,
                key=label(each.key, rows=each.rows, user_id=each.user_id),
                before=_redacted(each.before),
                after=_redacted(each.after),
                reason=_masked(each.reason),
            )
            for each in changes.changes
        ),
        conflicts=tuple(
            replace(each, keys=tuple(label(key, rows=each.rows) for key in each.keys), reason=_masked(each.reason))
            for each in changes.conflicts
        ),
        reports=tuple(replace(each, key=label(each.key), text=_masked(each.text)) for each in changes.reports),
        missing=tuple(map(label, changes.missing)),
        errors=tuple((row, _masked(problem)) for row, problem in changes.errors),
        agreed={},
    )


def _line(value: object) -> bytes:
    return encode(value) + b"\n"


# Any: a decoded object.
def _change(found: Mapping[str, Any]) -> Change:
    if found.keys() != {each.name for each in fields(Change)}:
        raise ValueError("not a change")
    return Change(**{**found, "rows": tuple(found["rows"])})


def _redacted(values: Mapping[str, Any]) -> dict[str, Any]:
    return dict.fromkeys(values, REDACTED)


def _masked(text: str) -> str:
    return _VALUES.sub("…", text)
