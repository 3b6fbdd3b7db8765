"""One try of a piece of work, in a process of its own: as in Airflow, it knows nothing of the tries before."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow.providers.common.compat.sdk import AirflowFailException

# Imported here, once, instead of in each process.
from airflow_provider_360learning.hooks import learning360  # noqa: F401
from airflow_provider_360learning.operators.base import Learning360BaseOperator
from airflow_provider_360learning.operators.groups import (
    Learning360AddUserToGroupOperator,
    Learning360CreateGroupOperator,
)
from airflow_provider_360learning.operators.paths import (
    Learning360CreatePathSessionOperator,
    Learning360EnrollUsersOperator,
)
from airflow_provider_360learning.operators.users import (
    Learning360CreateUserOperator,
    Learning360UpdateUserOperator,
)

_OPERATORS: dict[str, type[Learning360BaseOperator]] = {
    "createOrInviteUser": Learning360CreateUserOperator,
    "updateUser": Learning360UpdateUserOperator,
    "addUserToGroup": Learning360AddUserToGroupOperator,
    "addUsersToPathSession": Learning360EnrollUsersOperator,
    "createGroup": Learning360CreateGroupOperator,
    "createPathSession": Learning360CreatePathSessionOperator,
}


def attempt(operation: str, arguments: Mapping[str, Any], label: Mapping[str, Any], reports: Path, log: Path) -> None:
    """Run the operator and add a line about its end to the reports.

    :param operation: Which operator.
    :param arguments: Its arguments.
    :param label: What the line begins with.
    :param reports: The file; what stands in it survives whatever is killed later.
    :param log: StoragePath everything goes that Airflow says.
    """
    _redirect_output(log)
    report = {"end": "success", "result": None, "error": None, "message": None}
    try:
        report["result"] = _OPERATORS[operation](task_id=operation, **arguments).execute({})
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
    """Add a line in one piece: others write to the same file, and this process may end at any moment."""
    file = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    os.write(file, f"{line}\n".encode())
    os.close(file)
