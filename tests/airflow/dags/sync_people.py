"""
The DAGs of the example of a sync, and once more for API v2, with ids that end in _v2 and little time for approvals.

Nothing else differs from the example but the delay of retries. Airflow looks for the word dag in this file.
"""

from __future__ import annotations

import os
from pathlib import Path
from unittest.mock import patch

EXAMPLE = Path(__file__).parents[3] / "dags_examples" / "sync_people.py"


def define(suffix: str, learning360_conn_id: str, **environment: str) -> None:
    """Define the DAGs of the example."""
    defaults = f'"retry_delay": timedelta(seconds=1), "learning360_conn_id": {learning360_conn_id!r}'
    code = EXAMPLE.read_text().replace("sync_people()", f"sync_people{suffix}()")
    code = code.replace('"retry_delay": timedelta(minutes=1)', defaults)
    with patch.dict(os.environ, environment):
        exec(compile(code, EXAMPLE, "exec"), {"__name__": EXAMPLE.stem, "__file__": str(EXAMPLE)})


define("", "learning360_default")
define("_v2", "learning360_v2", SYNC_FOLDER=f"{os.environ['SYNC_FOLDER']}-v2", SYNC_APPROVAL_SECONDS="5")
