"""A test DAG: one task creates many users, in attempts that the tests can distinguish and kill."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.providers.common.compat.sdk import DAG, Context

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from tests.fake_object_store import register_fake_object_store
from tests.kill_recovery import DAG_ID, address_of
from tests.loopback_hosts import leave_from

if TYPE_CHECKING:
    from airflow_provider_360learning.rows.config import RowsConfig


class ObservedBulkOperator(Learning360BulkOperator):
    """Connects from an address per attempt and records its process ids in a folder."""

    def execute(self, context: Context) -> dict[str, Any]:
        conf, attempt = context["dag_run"].conf or {}, context["ti"].try_number
        register_fake_object_store(conf["fake_object_store"])
        leave_from(address_of(attempt))
        file = Path(conf["processes"], f"{attempt}.json")
        unfinished = file.with_suffix(".new")
        unfinished.write_text(json.dumps({"attempt": attempt, "task": os.getpid(), "supervisor": os.getppid()}))
        unfinished.rename(file)
        return super().execute(context)

    def _config(self, context: Context) -> RowsConfig:
        from airflow_provider_360learning.rows.config import LeaseTimes

        config, seconds = super()._config(context), (context["dag_run"].conf or {}).get("lease")
        if seconds is None:
            return config
        return replace(config, lease=LeaseTimes(seconds, seconds / 3, seconds / 6))


def many_rows(dag_id: str = DAG_ID, **arguments: Any) -> DAG:
    """
    Return the DAG.

    :param dag_id: Its id.
    :param arguments: More arguments of its task.
    """
    with DAG(dag_id, schedule=None, start_date=datetime(2026, 1, 1), catchup=False) as created:
        ObservedBulkOperator(
            task_id="create",
            action="create_user",
            learning360_conn_id="{{ dag_run.conf['connection'] }}",
            rows="{{ dag_run.conf['rows'] }}",
            results_path="{{ dag_run.conf['results_path'] }}",
            # Each user gets an email, and must not get two.
            defaults={"mode": "create_active_and_mail_generated_password"},
            retries=20,
            retry_delay=timedelta(seconds=1),
            **arguments,
        )
    return created


many_rows()
