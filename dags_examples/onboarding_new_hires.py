"""
Onboard new hires from a CSV file: groups, accounts, enrollment, and the wait until everybody has completed.

Each row is validated before anything is sent, and a row that cannot be used stops nobody else: it is named by
line and field, and ``refused_rows`` fails at the end, so that nobody overlooks it. Every task can run again: a
second run of the same file creates nobody and nothing.

Runs as it stands against the sandbox (``airflow learning360 sandbox``); for a real platform, set the connection
``learning360_default`` and the names below.
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
#: How often to look who has completed, in seconds. People take days; the sandbox's learners take seconds.
POKE_SECONDS = float(os.environ.get("ONBOARDING_POKE_SECONDS", "600"))


@task
def read_new_hires() -> dict[str, Any]:
    """Read and validate all rows, before anything is sent."""
    from airflow_provider_360learning.api.values import check_mail, check_text
    from airflow_provider_360learning.exceptions import InvalidRequestError

    people: list[dict[str, str]] = []
    refused: list[dict[str, Any]] = []
    checks = {"mail": check_mail, "first_name": check_text, "last_name": check_text, "department": check_text}
    with NEW_HIRES.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if missing := checks.keys() - set(rows.fieldnames or ()):
            raise AirflowFailException(f"{NEW_HIRES}, line 1: there is no column {', '.join(sorted(missing))}")
        for row in rows:
            faults = []
            for field, check in checks.items():
                try:
                    check(field, row[field])
                except InvalidRequestError as error:
                    faults.append({"line": rows.line_num, "field": field, "problem": str(error)})
            if any(row["mail"] == person["mail"] for person in people):
                faults.append({"line": rows.line_num, "field": "mail", "problem": f"{row['mail']} is there twice"})
            refused += faults
            if not faults:
                people.append(row)
    for fault in refused:
        print(f"Line {fault['line']}, {fault['field']}: {fault['problem']}")
    if not people:
        raise AirflowFailException(f"{NEW_HIRES} holds nobody who can be onboarded; the rows are named above")
    return {"people": people, "refused": refused}


@task
def departments(new_hires: dict[str, Any]) -> list[str]:
    """List each department once: groups are created for departments, not for rows."""
    return sorted({person["department"] for person in new_hires["people"]})


# [START hook_in_a_task]
@task
def find_path() -> dict[str, str]:
    """Look the onboarding path up by its name."""
    from airflow_provider_360learning.hooks.learning360 import Learning360Hook

    paths = [path for path in Learning360Hook().api.list_paths() if path["name"] == PATH_NAME]
    if len(paths) != 1:
        raise AirflowFailException(f"{len(paths)} paths are called {PATH_NAME!r}, expected one")
    return {"path_id": paths[0]["path_id"], "group_id": paths[0]["group_id"], "now": pendulum.now("UTC").isoformat()}


# [END hook_in_a_task]


@task
def accounts_to_create(new_hires: dict[str, Any], groups: list[dict[str, str]]) -> list[dict[str, str]]:
    """Say for each person which account to create."""
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
    """Pick those who had an account before: they have yet to join their group."""
    groups = {account["mail"]: account["group_id"] for account in wanted}
    return [
        {"user": account["mail"], "group_id": groups[account["mail"]]}
        for account in accounts
        if account["outcome"] == "already_exists"
    ]


@task
def users_to_enroll(accounts: list[dict[str, str]]) -> list[str]:
    """Pick everybody with an account; an invited person has none yet."""
    users = [account["mail"] for account in accounts if account["outcome"] in ("created", "already_exists")]
    if not users:
        raise AirflowSkipException("Nobody has an account yet")
    return users


@task
def invited_people(accounts: list[dict[str, str]]) -> list[str]:
    """Pick those whose invitation is pending."""
    return [account["mail"] for account in accounts if account["outcome"] in ("invited", "already_invited")]


@task(map_index_template="{{ mail }}")
def waiting_for_acceptance(mail: str) -> dict[str, str]:
    """End an invited person's branch: the next run finds them once they have accepted."""
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
    """Say what was done, in names."""
    by_outcome: dict[str, list[str]] = {}
    for account in accounts:
        by_outcome.setdefault(account["outcome"], []).append(account["mail"])
    return {
        "created": by_outcome.get("created", []),
        "existed": by_outcome.get("already_exists", []),
        "invited": [person["mail"] for person in waiting or []],
        "groups_created": [group["name"] for group in groups if group["outcome"] == "created"],
        "session": session["outcome"],
        "enrolled": enrolled or [],
        "completed": completion["done"] if completion else 0,
        "refused": new_hires["refused"],
    }


@task(trigger_rule="all_done", retries=0)
def refused_rows(new_hires: dict[str, Any], done: dict[str, Any]) -> None:
    """Fail if rows were refused, and with it the run: nobody shall overlook them."""
    if new_hires["refused"]:
        lines = [f"line {fault['line']}, {fault['field']}: {fault['problem']}" for fault in new_hires["refused"]]
        raise AirflowFailException("Rows to correct and run again: " + "; ".join(lines))


@dag(
    dag_id="onboarding_new_hires",
    schedule=None,
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    # Two runs at once would look for the same groups before either has created them.
    max_active_runs=1,
    default_args={"retries": 3, "retry_delay": timedelta(seconds=10)},
    tags=["360learning", "onboarding"],
    doc_md=__doc__,
)
def onboarding_new_hires() -> None:
    """Wire the tasks."""
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
        poke_interval=POKE_SECONDS,
        timeout=timedelta(days=30).total_seconds(),
    )
    # [END session_and_wait]
    enrolled >> completed
    said = summary(new_hires, groups.output, accounts.output, waiting, session.output, users, completed.output)
    joined >> said
    refused_rows(new_hires, said)


onboarding_new_hires()
