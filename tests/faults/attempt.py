"""Run one attempt of a write in a process, which knows nothing of earlier attempts, as in Airflow."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException

# Imported once before the fork, instead of in each process.
from airflow_provider_360learning.hooks import learning360  # noqa: F401
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.operators.courses import Learning360AddToCatalogOperator
from airflow_provider_360learning.operators.groups import (
    Learning360AddUserToGroupOperator,
    Learning360CreateGroupOperator,
)
from airflow_provider_360learning.operators.imports import Learning360ImportStatisticsOperator
from airflow_provider_360learning.operators.paths import (
    Learning360CreatePathSessionOperator,
    Learning360EnrollUsersOperator,
)
from airflow_provider_360learning.operators.users import (
    Learning360CreateUserOperator,
    Learning360UpdateUserOperator,
)

_OPERATORS: dict[str, type[Learning360BaseOperator]] = {
    "create_user": Learning360CreateUserOperator,
    "update_user": Learning360UpdateUserOperator,
    "add_user_to_group": Learning360AddUserToGroupOperator,
    "add_to_catalog": Learning360AddToCatalogOperator,
    "enroll_users": Learning360EnrollUsersOperator,
    "create_group": Learning360CreateGroupOperator,
    "import_statistics": Learning360ImportStatisticsOperator,
    "create_path_session": Learning360CreatePathSessionOperator,
}


def attempt(action: str, arguments: Mapping[str, Any], label: Mapping[str, Any], reports: Path, log: Path) -> None:
    """
    Execute the operator of a write and append a line to the reports.

    :param action: The action of the write.
    :param arguments: Arguments of the operator.
    :param label: First keys of the line.
    :param reports: The file to append to.
    :param log: File for the output of the process.
    """
    _redirect_output(log)
    report = {"end": "success", "result": None, "error": None, "message": None}
    try:
        report["result"] = _OPERATORS[action](task_id=action, **arguments).execute({})
    except AirflowFailException as error:
        report |= {"end": "refused", "error": type(error.__cause__).__name__, "message": str(error)}
    except Exception as error:
        report |= {"end": "failed", "error": type(error).__name__, "message": str(error)}
    _add_line(reports, json.dumps({**label, "report": report}))


def _redirect_output(log: Path) -> None:
    output = os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.dup2(output, 1)
    os.dup2(output, 2)


def _add_line(path: Path, line: str) -> None:
    """Append a line in one system call: other processes append too, and this one may be killed at any time."""
    file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(file, f"{line}\n".encode())
    os.close(file)
