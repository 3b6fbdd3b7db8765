"""An import of statistics in a process of its own, which a test can kill: ``python -m tests.rows.job_attempt JSON``."""

from __future__ import annotations

import json
import sys

from airflow_provider_360learning.operators.imports import Learning360ImportStatisticsOperator

if __name__ == "__main__":
    Learning360ImportStatisticsOperator(task_id="statistics", **json.loads(sys.argv[1])).execute({})
