"""
The rows of a phase as its first attempt wrote them, for the attempts that continue it.

A later attempt sends the same rows, although 360Learning is not the same any more. Whoever may write into the folder of
the plan could change them: what they do is compared with the plan, which its id protects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from airflow.providers.common.compat.sdk import ObjectStoragePath

from airflow_provider_360learning.files.storage import atomic_writer, read_lines
from airflow_provider_360learning.rows.stored_state import StoredStateError, decode
from airflow_provider_360learning.sync.outcomes import Outcomes
from airflow_provider_360learning.sync.phases import Phase, Rows
from airflow_provider_360learning.sync.plan_files import MAX_LINE

ADVICE = "Make a new plan for what is left."


def write_rows(path: ObjectStoragePath, phase: Phase, file_mode: int) -> None:
    """
    Write the rows of a phase, before its first request.

    :param path: The file.
    :param phase: The phase.
    :param file_mode: Permissions of the file.
    """
    with atomic_writer(path, file_mode=file_mode) as file:
        for number, values in phase.rows:
            file.write(json.dumps({"change": number, **values}).encode() + b"\n")


def read_rows(path: ObjectStoragePath, changes: int, max_size: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """
    Yield the rows of a phase that an earlier attempt has begun.

    :param path: The file.
    :param changes: Number of changes of the plan.
    :param max_size: Maximum number of bytes of the file.
    :raises StoredStateError: if it cannot be read.
    """
    try:
        for line in read_lines(path, max_size, MAX_LINE):
            values = decode(line)
            number = values.pop("change")
            if type(number) is not int or not 0 <= number < changes:
                raise ValueError(number)
            yield number, values
    except (ValueError, LookupError, AttributeError, TypeError):
        raise StoredStateError(path, "is damaged", ADVICE) from None


def begun_rows(path: ObjectStoragePath, phase: Phase, outcomes: Outcomes, max_size: int) -> Rows:
    """
    Return the rows of a phase that an earlier attempt has begun, if they do what the plan says.

    :param path: The file.
    :param phase: The phase as this attempt would begin it.
    :param outcomes: What became of the changes so far.
    :param max_size: Maximum number of bytes of the file.
    :raises StoredStateError: if the rows cannot be read, or do something else.
    """
    rows: Rows = []
    expected: dict[int, list[dict[str, Any]]] = {}
    for number, values in phase.rows:
        expected.setdefault(number, []).append(values)
    for number, values in read_rows(path, len(outcomes.changes), max_size):
        if values in expected.get(number, ()):
            expected[number].remove(values)
        elif not _may_be_missing(phase, number, values, outcomes):
            raise StoredStateError(path, f"was changed: change {number} of the plan is another one", ADVICE)
        rows.append((number, values))
    return rows


def _may_be_missing(phase: Phase, number: int, values: Mapping[str, Any], outcomes: Outcomes) -> bool:
    """Return whether the first attempt may have found more to do: what is done needs no row any more."""
    change = outcomes.changes[number]
    users = (change.user_id, outcomes.users.get(change.key))
    is_about_it = values.get("user") in users and values.get("group_id") == change.group
    return change.action in phase.live_changes and values.get("user") is not None and is_about_it
