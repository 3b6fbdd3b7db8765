"""A test DAG: two tasks in the shared pool."""

from __future__ import annotations

from datetime import datetime

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task


@dag(schedule=None, start_date=datetime(2026, 1, 1), catchup=False)
def in_the_pool():
    @task(pool="learning360")
    def double(number):
        print(f"doubling {number}")
        return {"doubled": 2 * number}

    double.expand(number=[1, 2])


in_the_pool()
