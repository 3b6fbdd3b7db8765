"""
Onboard new hires from a CSV file: create groups and accounts, enroll the users, and wait for completion.

All rows are validated before the first request. An invalid row does not stop the others: its line and field are
logged, and the last task, ``fail_on_invalid_rows``, fails the DAG run. Every task can be retried or cleared; a second
run with the same file creates nothing.

The DAG runs without changes against the sandbox (``airflow learning360 sandbox``). For a real platform, set the
connection ``learning360_default`` and the names below.
"""

from __future__ import annotations

import csv
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.common.compat.sdk import AirflowFailException, AirflowSkipException, dag, task

from airflow_provider_360learning.operators.groups import (
    Learning360AddUserToGroupOperator,
    Learning360CreateGroupOperator,
)
from airflow_provider_360learning.operators.paths import (
    Learning360CreatePathSessionOperator,
    Learning360EnrollUsersOperator,
)
from airflow_provider_360learning.operators.users import Learning360CreateUserOperator
from airflow_provider_360learning.sensors.paths import Learning360PathSessionCompletionSensor

NEW_HIRES = Path(os.environ.get("ONBOARDING_FILE", Path(__file__).with_name("new_hires.csv")))
PATH_NAME = "Onboarding"
SESSION_NAME = "Onboarding of new hires"
#: Seconds between two polls for completion. Real learners take days; those of the sandbox take seconds.
POKE_SECONDS = float(os.environ.get("ONBOARDING_POKE_SECONDS", "600"))


@task
def read_new_hires() -> dict[str, Any]:
    """Read and validate all rows, before the first request."""
    from airflow_provider_360learning.api.models.base import parse_argument
    from airflow_provider_360learning.api.models.parsers import parse_mail, parse_text
    from airflow_provider_360learning.exceptions import InvalidRequestError

    people: list[dict[str, str]] = []
    invalid: list[dict[str, Any]] = []
    checks = {"mail": parse_mail, "first_name": parse_text, "last_name": parse_text, "department": parse_text}
    with NEW_HIRES.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if missing := checks.keys() - set(rows.fieldnames or ()):
            raise AirflowFailException(f"{NEW_HIRES}, line 1: missing column {', '.join(sorted(missing))}")
        for row in rows:
            errors = []
            for field, parse in checks.items():
                try:
                    row[field] = parse_argument(field, parse, row[field])
                except InvalidRequestError as error:
                    errors.append({"line": rows.line_num, "field": field, "problem": str(error)})
            if any(row["mail"] == person["mail"] for person in people):
                errors.append({"line": rows.line_num, "field": "mail", "problem": f"{row['mail']} occurs twice"})
            invalid += errors
            if not errors:
                people.append(row)
    for error in invalid:
        print(f"Line {error['line']}, {error['field']}: {error['problem']}")
    if not people:
        raise AirflowFailException(f"{NEW_HIRES} has no valid row; the problems are logged above")
    return {"people": people, "invalid": invalid}


@task
def departments(new_hires: dict[str, Any]) -> list[str]:
    """Return each department once, since groups are created per department, not per row."""
    return sorted({person["department"] for person in new_hires["people"]})


# [START hook_in_a_task]
@task
def find_path() -> dict[str, str]:
    """Look up the onboarding path by its name."""
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

    paths = [path for path in Learning360Hook().api.list_paths() if path["name"] == PATH_NAME]
    if len(paths) != 1:
        raise AirflowFailException(f"{len(paths)} paths are called {PATH_NAME!r}, expected one")
    return {"path_id": paths[0]["path_id"], "group_id": paths[0]["group_id"], "now": pendulum.now("UTC").isoformat()}


# [END hook_in_a_task]


@task
def accounts_to_create(new_hires: dict[str, Any], groups: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the account to create for each new hire."""
    group_ids = {group["name"]: group["group_id"] for group in groups}
    return [
        {
            "mail": person["mail"],
            "first_name": person["first_name"],
            "last_name": person["last_name"],
            "job": person["job"],
            "group_id": group_ids[person["department"]],
        }
        for person in new_hires["people"]
    ]


@task
def existing_users(wanted: list[dict[str, str]], accounts: list[dict[str, str]]) -> list[dict[str, str]]:
    """Select the users who already had an account: they have not been added to their group yet."""
    groups = {account["mail"]: account["group_id"] for account in wanted}
    return [
        {"user": account["mail"], "group_id": groups[account["mail"]]}
        for account in accounts
        if account["outcome"] == "already_exists"
    ]


@task
def users_to_enroll(accounts: list[dict[str, str]]) -> list[str]:
    """Select the users with an account. Invited people have none until they accept."""
    users = [account["mail"] for account in accounts if account["outcome"] in ("created", "already_exists")]
    if not users:
        raise AirflowSkipException("None of the new hires has an account yet")
    return users


@task
def invited_people(accounts: list[dict[str, str]]) -> list[str]:
    """Select the people whose invitation is pending."""
    return [account["mail"] for account in accounts if account["outcome"] in ("invited", "already_invited")]


@task(map_index_template="{{ mail }}")
def waiting_for_acceptance(mail: str) -> dict[str, str]:
    """End the branch of an invited person. The next run continues once the invitation is accepted."""
    return {"mail": mail, "state": "invited, waiting for acceptance"}


@task(trigger_rule="none_failed")
def summary(
    new_hires: dict[str, Any],
    groups: list[dict[str, str]],
    accounts: list[dict[str, str]],
    waiting: list[dict[str, str]] | None,
    session: dict[str, str],
    enrolled: list[str] | None,
    completion: dict[str, Any] | None,
) -> dict[str, Any]:
    """Return what the run did, by name."""
    by_outcome: dict[str, list[str]] = {}
    for account in accounts:
        by_outcome.setdefault(account["outcome"], []).append(account["mail"])
    return {
        "created": by_outcome.get("created", []),
        "already_exists": by_outcome.get("already_exists", []),
        "invited": [person["mail"] for person in waiting or []],
        "groups_created": [group["name"] for group in groups if group["outcome"] == "created"],
        "session": session["outcome"],
        "enrolled": enrolled or [],
        "completed": completion["done"] if completion else 0,
        "invalid": new_hires["invalid"],
    }


@task(trigger_rule="all_done", retries=0)
def fail_on_invalid_rows(new_hires: dict[str, Any], done: dict[str, Any]) -> None:
    """Fail the DAG run if rows were invalid, so that they are noticed."""
    if new_hires["invalid"]:
        lines = [f"line {error['line']}, {error['field']}: {error['problem']}" for error in new_hires["invalid"]]
        raise AirflowFailException("Correct these rows and run the DAG again: " + "; ".join(lines))


@dag(
    dag_id="onboarding_new_hires",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    # Two runs at the same time would both look for a group before one of them has created it.
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=10)},
    tags=["360learning", "onboarding"],
    doc_md=__doc__,
)
def onboarding_new_hires() -> None:
    """Define the tasks and their order."""
    new_hires = read_new_hires()
    # [START mapped_operators]
    groups = Learning360CreateGroupOperator.partial(task_id="department_groups").expand(name=departments(new_hires))
    wanted = accounts_to_create(new_hires, groups.output)
    accounts = Learning360CreateUserOperator.partial(
        task_id="create_accounts", mode="create_active", map_index_template="{{ task.mail }}"
    ).expand_kwargs(wanted)
    # [END mapped_operators]
    joined = Learning360AddUserToGroupOperator.partial(
        task_id="existing_users_join_their_group", map_index_template="{{ task.user }}"
    ).expand_kwargs(existing_users(wanted, accounts.output))
    waiting = waiting_for_acceptance.expand(mail=invited_people(accounts.output))
    path = find_path()
    # [START session_and_wait]
    session = Learning360CreatePathSessionOperator(
        task_id="onboarding_session",
        path_id=path["path_id"],
        name=SESSION_NAME,
        session_start=path["now"],
        group_id=path["group_id"],
    )
    users = users_to_enroll(accounts.output)
    enrolled = Learning360EnrollUsersOperator(
        task_id="enroll",
        session_id=session.output["session_id"],
        users=users,
        path_id=path["path_id"],
    )
    completed = Learning360PathSessionCompletionSensor(
        task_id="wait_for_completion",
        session_id=session.output["session_id"],
        users=users,
        path_id=path["path_id"],
        deferrable=True,
        poke_interval=POKE_SECONDS,
        timeout=timedelta(days=30).total_seconds(),
    )
    # [END session_and_wait]
    enrolled >> completed
    done = summary(new_hires, groups.output, accounts.output, waiting, session.output, users, completed.output)
    joined >> done
    fail_on_invalid_rows(new_hires, done)


onboarding_new_hires()
