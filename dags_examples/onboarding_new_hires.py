"""
Onboard new hires from a file: create accounts and groups, enroll the users, and wait until they have completed.

Invalid and refused rows do not stop the others, but they fail the run: correct the file, and trigger the DAG again.
"""

import os
from datetime import timedelta
from pathlib import Path

from airflow.providers.common.compat.sdk import dag

from airflow_provider_360learning.operators.bulk import Learning360BulkOperator
from airflow_provider_360learning.operators.paths import (
    Learning360CreatePathSessionOperator,
    Learning360EnrollUsersOperator,
)
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

FILE = os.environ.get("ONBOARDING_FILE", str(Path(__file__).with_name("new_hires.csv")))
RESULTS = f"{os.environ.get('AIRFLOW_HOME', Path.home() / 'airflow')}/onboarding"
POKE_SECONDS = float(os.environ.get("ONBOARDING_POKE_SECONDS", "600"))


@dag(schedule=None, max_active_runs=1, default_args={"retries": 3}, tags=["360learning"], doc_md=__doc__)
def onboarding_new_hires():
    accounts = Learning360BulkOperator(
        task_id="create_accounts",
        action="create_user",
        rows=FILE,
        column_mapping={"department": "group"},
        defaults={"mode": "create_active", "if_exists": "update"},
        create_groups=True,
        parent_group="Acme",
        on_invalid="skip",
        max_invalid=0,
        results_path=RESULTS + "/{{ run_id }}",
        on_failure_callback=lambda context: print(context.get("run_report", context["exception"])),  # or any notifier
    )
    session = Learning360CreatePathSessionOperator(
        task_id="create_session",
        path="Onboarding",
        name="Onboarding of new hires",
        session_start="{{ dag_run.start_date | ts }}",
        group="Acme",
    )
    session_id = session.output["session_id"]
    enrolled = Learning360EnrollUsersOperator(task_id="enroll", session_id=session_id, users_from=accounts.output)
    completed = Learning360PathSessionCompletionSensor(
        task_id="wait_for_completion",
        session_id=session_id,
        users_from=accounts.output,
        deferrable=True,
        poke_interval=POKE_SECONDS,
        timeout=timedelta(days=30).total_seconds(),
    )
    accounts >> session >> enrolled >> completed


onboarding_new_hires()
