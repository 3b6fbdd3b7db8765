"""The test DAG of kills, also with tasks that run on workers of their own, which can be killed."""

from __future__ import annotations

from tests.airflow.dags.many_rows import many_rows

# Importing a DAG file registers its DAG as well.
many_rows("many_rows_on_spare_workers", queue="spare")
