"""Shared by tests that run the sync operator against the sandbox, on an API version."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

from airflow_provider_360learning.api.interface import LearningApi
from airflow_provider_360learning.files.storage import storage_path
from airflow_provider_360learning.operators.sync import Learning360SyncUsersOperator
from airflow_provider_360learning.sandbox.demo_company import ROOT_GROUP_ID
from airflow_provider_360learning.sync.planning import company_of
from airflow_provider_360learning.sync.state import load_state, save_state


def row(key: str, **values: Any) -> dict[str, Any]:
    """Return the row of a person."""
    return {"key": key, "mail": f"{key}@acme.test", "first_name": key.capitalize(), **values}


class Syncs:
    """
    Runs syncs over one folder.

    :param folder: An empty folder.
    :param defaults: Arguments of all syncs.
    """

    def __init__(self, folder: Any, **defaults: Any) -> None:
        self.folder = folder
        self.defaults = {
            "key_namespace": "hr:",
            "default_group": ROOT_GROUP_ID,
            "joiner_mode": "create_active",
            "max_source_change": "100%",
            **defaults,
        }

    def operator(self, rows: Any = None, kind: type = Learning360SyncUsersOperator, **arguments: Any) -> Any:
        """Return an operator."""
        places = {"plan_path": f"{self.folder}/plans", "state_path": f"{self.folder}/state"}
        return kind(task_id="sync", rows=rows, **{**places, **self.defaults, **arguments})

    def run(self, rows: Any = None, context: Any = None, **arguments: Any) -> dict[str, Any]:
        """Run a sync, and return its result."""
        return dict(self.operator(rows, **arguments).execute({} if context is None else context))

    def plan(self, rows: Any, **arguments: Any) -> dict[str, Any]:
        """Make a plan."""
        return self.run(rows, mode="plan", **arguments)

    def apply(self, rows: Any, **arguments: Any) -> dict[str, Any]:
        """Make a plan and apply it."""
        return self.run(rows, mode="plan_and_apply", **arguments)


def changes_of(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the changes of a plan."""
    return [json.loads(line) for line in (storage_path(result["path"]) / "changes.jsonl").read_text().splitlines()]


def pass_days(api: LearningApi, syncs: Syncs, days: int) -> None:
    """Let days pass: whatever the state remembers is as much older."""
    identity = f"{company_of(api)} custom hr:"
    folder, age = f"{syncs.folder}/state", timedelta(days=days)
    state = load_state(folder, identity)
    plans = tuple(
        replace(one, applied_at=one.applied_at - age, interval=f"{one.interval} {days} days ago") for one in state.plans
    )
    people = {
        key: replace(
            one,
            missing_since=one.missing_since and one.missing_since - age,
            invited_at=one.invited_at and one.invited_at - age,
            left_at=one.left_at and one.left_at - age,
        )
        for key, one in state.people.items()
    }
    save_state(folder, replace(state, people=people, plans=plans), identity)
