"""
Keep users and groups equal to the people of the HR system, with an approval of what takes something away.

The first task compares the file with 360Learning and writes a plan. Guards fail it if the plan changes more than usual.
If the plan takes something away, such as accounts, memberships or addresses, or gives an account its key, a person
approves its summary; without a response in time, it is rejected. What is applied is the plan that was approved: nothing
is planned again.

Approvals need Airflow 3.1. On Airflow 2.11, a person reads the summary and triggers the DAG ``apply_sync_people`` with
the id of the plan. On all versions, that DAG also applies a plan that guards have refused, if it is what you want.

The DAGs run without changes against the sandbox (``airflow learning360 sandbox``).
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import Param, dag, task

from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator

PEOPLE = os.environ.get("SYNC_PEOPLE", str(Path(__file__).with_name("people.csv")))
HOME = Path(os.environ.get("AIRFLOW_HOME", Path.home() / "airflow"))
FOLDER = os.environ.get("SYNC_FOLDER", str(HOME / "sync"))
#: Seconds after which a plan that was not approved is rejected.
APPROVAL_SECONDS = float(os.environ.get("SYNC_APPROVAL_SECONDS", "43200"))
HAS_APPROVALS = not airflow_version.startswith("2.")
#: All tasks of this sync have the same folders, and no other sync has them.
FOLDERS: dict[str, Any] = {"plan_path": f"{FOLDER}/plans", "state_path": f"{FOLDER}/state"}
DEFAULTS = {"retries": 2, "retry_delay": timedelta(minutes=1)}


@task.branch
def choose(plan: dict[str, Any]) -> str:
    """Return which task is next: a plan that takes nothing away is applied at once."""
    return "approve" if plan["destructive"] else "apply"


@task
def read_summary(plan: dict[str, Any]) -> str:
    """Return the summary of a plan: keys and counts, no values, at most 200 lines."""
    from airflow.providers.common.compat.sdk import ObjectStoragePath

    return (ObjectStoragePath(plan["path"]) / "summary.md").read_text()


@task(task_id="approve")
def hand_over(plan: dict[str, Any]) -> None:
    """Say how the plan is applied, where Airflow has no approvals."""
    command = f"""airflow dags trigger apply_sync_people --conf '{{"plan_id": "{plan["plan_id"]}"}}'"""
    print(f"Read {plan['path']}/summary.md, and apply the plan with: {command}")


@task(trigger_rule="none_failed")
def report(plan: dict[str, Any], applied: dict[str, Any] | None) -> None:
    """Say what became of the plan."""
    if applied is None:
        print(f"Plan {plan['plan_id']} was not applied: {plan['counts']}")
    else:
        print(f"Plan {plan['plan_id']} was applied: {applied['outcomes']}")


@dag(schedule=None, max_active_runs=1, default_args=DEFAULTS, doc_md=__doc__)
def sync_people() -> None:
    """Define the tasks and their order."""
    # [START plan]
    plan = Learning360SyncUsersOperator(
        task_id="plan",
        mode="plan",
        rows=PEOPLE,
        column_mapping={"personnel_number": "key", "department": "groups"},
        # The field "custom" of a user who is managed is hr:1001, for example.
        key="custom",
        key_namespace="hr:",
        adopt="mail",
        joiner_mode="create_active",
        managed_groups=["Acme"],
        groups_mode="exact",
        create_groups=True,
        leavers="both",
        leaver_action="deactivate",
        **FOLDERS,
    )
    # [END plan]
    # [START apply]
    applied = Learning360SyncUsersOperator(
        task_id="apply",
        mode="apply",
        plan_id=plan.output["plan_id"],
        trigger_rule="none_failed_min_one_success",  # the approval may be skipped
        **FOLDERS,
    )
    # [END apply]
    chosen = choose(plan.output)
    # [START approve]
    if HAS_APPROVALS:
        from airflow.providers.standard.operators.hitl import ApprovalOperator

        approved = ApprovalOperator(
            task_id="approve",
            subject="Apply this plan to 360Learning?",
            body=read_summary(plan.output),
            defaults="Reject",
            response_timeout=timedelta(seconds=APPROVAL_SECONDS),
        )
        chosen >> approved >> applied
    else:
        chosen >> hand_over(plan.output)
    # [END approve]
    chosen >> applied
    report(plan.output, applied.output)


@dag(
    schedule=None,
    max_active_runs=1,
    default_args=DEFAULTS,
    params={"plan_id": Param(type="string", description="Id of the plan to apply, although guards may refuse it.")},
)
def apply_sync_people() -> None:
    """Apply a plan that a person has read."""
    # [START accept]
    Learning360SyncUsersOperator(task_id="apply", mode="apply", accept_plan="{{ params.plan_id }}", **FOLDERS)
    # [END accept]


sync_people()
apply_sync_people()
