"""One attempt at a sync in a process of its own, which a test can kill: ``python -m tests.sync.attempt ARGUMENTS``."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator
from tests.rows.attempt import IDENTITY


def context() -> dict[str, Any]:
    """Return the context of the task, the same in all of its attempts."""
    return {"ti": SimpleNamespace(**IDENTITY, raw=True, xcom_push=lambda *_: None)}


if __name__ == "__main__":
    Learning360SyncUsersOperator(task_id="sync", **json.loads(sys.argv[1])).execute(context())
