"""A test DAG: one task sends a request with a connection, and returns the settings that it has read from it."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, get_current_context, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task
    from airflow.operators.python import get_current_context


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def uses_connection():
    @task
    def read():
        from dataclasses import asdict

        from airflow_provider_360learning.connections.learning360 import Learning360Connection
        from airflow_provider_360learning.hooks.learning360 import Learning360Hook
        from airflow_provider_360learning.hooks.rate_limiter import get_connection

        conn_id = get_current_context()["dag_run"].conf["connection"]
        Learning360Hook(conn_id).api.list_groups()
        connection = Learning360Connection.read(*get_connection(conn_id))
        return {**asdict(connection.settings), "limits": dict(connection.limits)}

    read()


uses_connection()
